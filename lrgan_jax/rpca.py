"""Robust PCA: split a symmetric matrix M into a low-rank L and a sparse S.

Principal component pursuit (Candes, Li, Ma and Wright 2011, arXiv:0912.3599, equation 1.1),

    minimise |L|_* + lam |S|_1   with   L + S = M,

by alternating directions (their section 5), as LowRankGAN uses it (Zhu et al. 2021, arXiv:2106.04488). M is a Gram matrix
J^T J / n, so eigh stands in for the SVD. There are two answers to the same question:

  "converged"  the minimiser, with the evidence for it: residuals, a dual certificate Y and the duality gap.
  "authors"    where the released code stops. It asks only whether L + S = M, and its penalty is up to n times the usual one, so
               it may stop far from the minimum; its rank then says as much about the stopping rule as about M. To reproduce.

Symbols: L, S, M as above; Y the dual variable, of the opposite sign to the one in the authors' code; mu the penalty. |.| is the
Frobenius norm, |.|_1 and |.|_inf are taken over the entries, |.|_* and |.|_2 are the sum and the largest of |eigenvalues|.
"""

from contextlib import nullcontext
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int

Square = Float[Array, "n n"]
Number = Float[Array, ""]
Scalar = Float[ArrayLike, ""]  # traced, so a sweep over lam compiles once
dot = partial(jnp.matmul, precision=lax.Precision.HIGHEST)


class RobustPCA(NamedTuple):
    """A split and how far to trust it. Under `jax.vmap` every field has the batch axis in front."""

    low_rank: Square  # L, symmetric
    sparse: Square  # S, with exact zeros; L + S = M up to primal_residual
    rank: Int[Array, ""]  # eigenvalues that survive the last shrink of L; "authors": numpy.linalg.matrix_rank's rule
    converged: Bool[Array, ""]  # "authors": primal_residual <= tol, their own test; else all of the evidence below
    num_steps: Int[Array, ""]
    primal_residual: Number  # |M - L - S| / |M|: is the split exact?
    dual_residual: Number  # |Y - Y_L| / |Y|, Y_L the nearest subgradient of |L|_*; mu |S - S_previous| if not relaxed
    gap: Number  # (objective - <Y, M>) / objective, Y scaled so that |Y|_2 <= 1
    objective: Number  # |L|_* + lam |M - L|_1, in units of M: no split beats it by more than gap * objective
    trivial: Bool[Array, ""]  # L = 0 is proven to be the minimiser: lam is too small for this M
    dual: Square  # Y, the certificate, with |Y|_inf <= lam


def robust_pca(
    gram: Float[ArrayLike, "..."],  # [n, n]; said loosely so that the error below is the one that is seen
    lam: Scalar | None = None,
    mode: Literal["converged", "authors"] = "converged",
    *,
    tol: Scalar | None = None,
    max_steps: Int[ArrayLike, ""] = 10_000,
) -> RobustPCA:
    """Split a symmetric matrix into low rank plus sparse.

    Args:
      gram: M [n, n], in any unit: L and S scale with it, the evidence does not. `jax.vmap` takes a batch, in which every matrix
        stops on its own.
      lam: price of the sparse part; None is 1 / sqrt(n). LowRankGAN's 1/60 belongs to n = 512: at n = 100 it often makes L = 0 the
        minimiser, which is returned exactly and flagged as `trivial`.
      mode: "converged" computes in the dtype of `gram`; "authors" in float64 whatever jax_enable_x64 says, also under jit and vmap
        (but unless it is on, jit rounds a float64 argument to float32 before we see it).
      tol: bound on both residuals; None is 1e-7, and 1e-5 in float32. Residuals that have sunk to rounding, 3 eps |M|, also count
        as converged: a float32 split of a real Gram ends with a dual residual of 1e-5 to 5e-4, a gap of at most 2e-3, the rank of
        the float64 split and its objective to 1e-6. Only where eigenvalues crowd at the threshold may its rank fall a few short.
        A float64 split of low rank plus spikes plus a faint floor (lam near 0.4 / sqrt(n)) settles as 1 / steps: 1e-4 is enough.
      max_steps: 10,000 is the authors' limit.
    Returns:
      The split. A `gram` that is zero, not finite or not symmetric, or a negative lam, takes no step: `converged` is False, the
      residuals are nan, and L and S are 0 for a zero matrix (an empty region), else nan.
    Raises:
      ValueError: while tracing, if `gram` is not one square matrix or `mode` is unknown.
    """
    if np.ndim(gram) != 2 or np.shape(gram)[0] != np.shape(gram)[1] or not np.size(gram):
        raise ValueError(f"robust_pca takes one square matrix, got shape {np.shape(gram)}; use jax.vmap for a batch.")
    if mode not in ("converged", "authors"):
        raise ValueError(f'mode is "converged" or "authors", got {mode!r}.')
    with jax.enable_x64(True) if mode == "authors" else nullcontext():
        dtype = jnp.promote_types(jnp.result_type(gram), jnp.float64 if mode == "authors" else jnp.float32)
        lam = np.shape(gram)[0] ** -0.5 if lam is None else lam
        tol = (1e-5 if dtype == jnp.float32 else 1e-7) if tol is None else tol
        return _solve(*(jnp.asarray(x, dtype) for x in (gram, lam, tol)), jnp.asarray(max_steps), mode == "authors")


@partial(jax.jit, static_argnames="authors")
def _solve(gram: Square, lam: Number, tol: Number, max_steps: Int[Array, ""], authors: bool) -> RobustPCA:
    norm, eps, n = jnp.linalg.norm, jnp.finfo(gram.dtype).eps, len(gram)
    size = jnp.abs(gram).mean()
    unit = 1 if authors else 4 * size  # in units of 4 |M|_1 / n^2 the usual penalty n^2 / (4 |M|_1) is 1, and nothing overflows
    M = gram / unit
    usable = jnp.isfinite(size) & (size > 0) & (lam >= 0) & (norm(M - M.T) <= eps**0.5 * norm(M))
    M = jnp.where(usable, (M + M.T) / 2, 0)
    # The authors' penalty has the induced 1-norm, the largest column sum, where the usual one has |M|_1 / n.
    mu = n**2 / (4 * jnp.abs(M).sum(0).max()) if authors else jnp.ones_like(size)
    relax = 1.0 if authors else 1.6  # over-relaxation saves its factor in steps on every Gram tried

    # Y = lam sign(M) is a dual certificate of L = 0, S = M if |Y|_2 <= 1: then there is nothing to iterate.
    trivial = usable & (lam * _spectral_norm(jnp.sign(M)) <= 1)
    solved = False if authors else trivial

    def step(carry):
        S, Y, mu, *_, k = carry
        A = M - S + Y / mu
        L, values = (_shrink_eigenvalues if authors else _shrink_eigenvalues_refined)(A, 1 / mu)
        L = (L + L.T) / 2  # else Y gathers the skew rounding, which no later step sees or undoes: a gap of 1e-2 in float32
        V = S + Y / mu + relax * (M - L - S)
        S_next, Y_next = shrink(V, lam / mu), jnp.clip(mu * V, -lam, lam)  # Y + mu (M - L - S), but exactly within its bound
        primal, shift = norm(M - L - S_next) / norm(M), norm(A - L - Y_next / mu) / norm(M)
        dual = mu * shift * norm(M) / norm(Y_next)
        done = primal <= tol
        if not authors:
            done = (jnp.maximum(primal, dual) <= tol) | (jnp.maximum(primal, shift) <= 3 * eps)
            mu = _next_penalty(mu, Y_next, Y_next - Y, S_next, S_next - S, k)
        return S_next, Y_next, mu, L, values, primal, dual, done, k + 1

    def unfinished(carry):
        *_, done, k = carry
        return ~done & (k < max_steps)

    S, Y = jnp.where(solved, M, 0), jnp.where(solved, lam * jnp.sign(M), 0)
    residual = jnp.where(solved, 0, jnp.nan).astype(M.dtype)
    start = S, Y, mu, jnp.zeros_like(M), jnp.zeros_like(M[0]), residual, residual, solved | ~usable, jnp.zeros_like(max_steps)
    S, Y, _, L, values, primal, dual, done, k = lax.while_loop(unfinished, step, start)

    objective = jnp.abs(values).sum() + lam * jnp.abs(M - L).sum()
    bound = jnp.sum(Y * M) / jnp.maximum(_spectral_norm(Y), 1)
    gap = jnp.where(usable, (objective - bound) / jnp.maximum(objective, eps), jnp.nan)
    # Small residuals give gaps of about tol, in float32 up to 3e-3 as Y carries mu times the rounding of L: wider means a mistake.
    converged = usable & done & (authors | (jnp.abs(gap) <= 1e3 * tol))
    noise = n * eps * jnp.abs(values).max() if authors else 0
    rank = jnp.sum(jnp.abs(values) > noise)
    L, S, Y = (jnp.where(usable | (size == 0), x, jnp.nan) for x in (L * unit, S * unit, Y))
    return RobustPCA(L, S, rank, converged, k, primal, dual, gap, objective * unit, trivial, Y)


def shrink(x: Float[Array, "..."], threshold: Number) -> Float[Array, "..."]:
    """Move every number towards zero by `threshold`, stopping there."""
    return jnp.sign(x) * jnp.maximum(jnp.abs(x) - threshold, 0)


def _shrink_eigenvalues(matrix: Square, threshold: Number) -> tuple[Square, Float[Array, " n"]]:
    values, U = jnp.linalg.eigh(matrix)
    values = shrink(values, threshold)
    return dot(U * values, U.T), values


def _shrink_eigenvalues_refined(matrix: Square, threshold: Number) -> tuple[Square, Float[Array, " n"]]:
    """The same to a single rounding, for four matrix products: float32 LAPACK is off by 6 (n = 100) to 20 (n = 512) eps |A|.

    U^T A U is diagonal but for the error of eigh, to whose first order a function f of the eigenvalues is U (F * (U^T A U)) U^T with F
    the divided differences of f (Daleckii and Krein). Here f cuts at +-threshold, so that A - f(A) is the shrunk matrix: the
    large eigenvalues, that is the large roundings, stay in A. Unrefined, the error times mu is noise in Y: 20 times the gap.
    """
    _, U = jnp.linalg.eigh(matrix)
    inner = dot(U.T, dot(matrix, U))
    values = jnp.diagonal(inner)
    cut = jnp.clip(values, -threshold, threshold)
    apart = values[:, None] - values
    slope = jnp.clip((cut[:, None] - cut) / jnp.where(apart == 0, 1, apart), 0, 1)
    return matrix - dot(U, dot(slope * inner + jnp.diag(cut), U.T)), values - cut


def _next_penalty(mu: Number, Y: Square, dY: Square, S: Square, dS: Square, k: Int[Array, ""]) -> Number:
    """Move mu towards the geometric mean of |Y|_1 / |S|_1 and |dY|_1 / |dS|_1, ever less, so that convergence is not at stake.

    The best fixed mu lies anywhere between 1/2 and 2,000 on the Grams tried (real ones at lam = 1/60 and 1/10, and synthetic); this
    takes 0.6 to 1.6 times the steps of the best. The two ratios, in other norms, are Lorenz and Tran-Dinh's (arXiv:1801.03765) and
    Xu, Figueiredo and Goldstein's (arXiv:1605.07246).
    """
    total = [jnp.abs(x).sum() for x in (Y, dY, S, dS)]
    ratio = total[0] * total[1] / (total[2] * total[3] * mu**2)
    fade = 0.15 * 0.5 ** (k.astype(mu.dtype) / 100)
    limit = 0.1 * jnp.finfo(mu.dtype).eps ** -0.5  # 290 in float32: beyond, rounding in L times mu is noise in Y
    return jnp.where((ratio > 0) & (ratio < jnp.inf), jnp.clip(mu * ratio**fade, 1, limit), mu)


def _spectral_norm(matrix: Square) -> Number:
    return jnp.abs(jnp.linalg.eigvalsh(matrix)).max()


def check(result: RobustPCA) -> RobustPCA:
    """Return `result`, of one solve or a batch, if all of it converged.

    Call outside jit: compiled code on GPU and TPU cannot be trusted to raise, so the solver returns flags instead.

    Raises:
      RuntimeError: otherwise, saying how many did not and how far they got.
    """
    failed = ~np.asarray(result.converged)
    if not failed.any():
        return result
    unusable = failed & np.isnan(result.primal_residual)
    message = f"{failed.sum()} of {failed.size} robust PCA solves did not converge"
    if unusable.any():
        message += f"; {unusable.sum()} of a matrix that is zero, not finite or not symmetric, or with a negative lam"
    if (stopped := failed & ~unusable).any():
        primal, dual = (np.asarray(x)[stopped].max() for x in (result.primal_residual, result.dual_residual))
        message += f"; largest primal residual {primal:.1e}, dual {dual:.1e}: raise max_steps or tol"
    raise RuntimeError(message + ".")
