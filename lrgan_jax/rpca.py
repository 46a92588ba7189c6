"""Robust PCA: split a symmetric matrix M in a low-rank L and a sparse S.

Principal component pursuit (Candes, Li, Ma and Wright 2011, arXiv:0912.3599, equation 1.1),

    minimise |L|_* + lam |S|_1   with   L + S = M,

solved by the alternating direction method (their section 5), as LowRankGAN does it (Zhu et al. 2021, arXiv:2106.04488, section 3.2).
M is a Gram matrix J^T J / n, so eigh stands in for the SVD. There are two answers to the same question:

  "converged"  the minimiser, with the evidence for it: residuals, a dual certificate Y and the duality gap;
  "authors"    where the released code stops. It looks at L + S = M alone and its penalty is up to n times the usual one, so it may stop
               far from the minimum: a rank found that way says as much about the stopping rule as about M. To reproduce, not to trust.

Symbols: L, S, Y as above; mu the penalty; |.|_* the sum of the absolute eigenvalues, |.|_1 of the entries, |.|_2 the largest
absolute eigenvalue, |.|_inf the largest absolute entry, |.| the Frobenius norm. Y has the opposite sign of the one in the authors' code.
"""

from contextlib import nullcontext
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int

Scalar = Float[ArrayLike, ""]  # traced, so a sweep over lam compiles once

dot = partial(jnp.matmul, precision=lax.Precision.HIGHEST)


class RobustPCA(NamedTuple):
    """A split and how far to trust it. `jax.vmap` puts a batch axis in front of every field."""

    low_rank: Float[Array, "n n"]  # L, symmetric
    sparse: Float[Array, "n n"]  # S, with exact zeros; L + S = M up to primal_residual
    rank: Int[Array, ""]  # eigenvalues that survive the last shrink of L; "authors": as numpy.linalg.matrix_rank counts them
    converged: Bool[Array, ""]  # "authors": primal_residual <= tol, as their code has it; else all of the evidence below
    num_steps: Int[Array, ""]
    primal_residual: Float[Array, ""]  # |M - L - S| / |M|: is the split exact?
    dual_residual: Float[Array, ""]  # mu |S - S_previous| / |Y|: has it stopped moving?
    gap: Float[Array, ""]  # objective minus the dual bound <Y, M>, over the objective; Y scaled to |Y|_2 <= 1
    objective: Float[Array, ""]  # |L|_* + lam |M - L|_1, which no split of M can beat by more than gap * objective
    trivial: Bool[Array, ""]  # L = 0 is proven to be the minimiser: this lam is too small for this M
    dual: Float[Array, "n n"]  # Y, with |Y|_inf <= lam: the certificate


def shrink(x: Float[Array, "..."], threshold: Scalar) -> Float[Array, "..."]:
    """Move every number towards zero by `threshold`, stopping there."""
    return jnp.sign(x) * jnp.maximum(jnp.abs(x) - threshold, 0)


def shrink_eigenvalues(matrix, threshold):
    values, U = jnp.linalg.eigh(matrix)
    values = shrink(values, threshold)
    return dot(U * values, U.T), values


def shrink_eigenvalues_refined(matrix, threshold):
    _, U = jnp.linalg.eigh(matrix)
    B = dot(U.T, dot(matrix, U))
    values = jnp.diagonal(B)
    kept = jnp.clip(values, -threshold, threshold)
    apart = values[:, None] - values
    slope = jnp.clip((kept[:, None] - kept) / jnp.where(apart == 0, 1, apart), 0, 1)
    return matrix - dot(U, dot(slope * B + jnp.diag(kept), U.T)), values - kept


def robust_pca(
    gram: Float[ArrayLike, "n n"],
    lam: Scalar | None = None,
    mode: Literal["converged", "authors"] = "converged",
    *,
    tol: Scalar | None = None,
    max_steps: Int[ArrayLike, ""] = 10_000,
) -> RobustPCA:
    """Split a symmetric matrix in low rank plus sparse.

    Args:
      gram: M, in any unit: the result scales with it. For a batch use `jax.vmap`; every matrix stops on its own.
      lam: price of the sparse part, 1 / sqrt(n) if None. The 1/60 of LowRankGAN belongs to n = 512; at n = 100 it often makes L = 0
        the minimiser, which comes back as `trivial`.
      mode: "converged" works in the dtype of `gram`, "authors" always in float64, also inside jit and vmap and whatever the
        caller's jax_enable_x64 (jit itself, though, hands over a NumPy float64 matrix rounded to float32 unless it is on).
      tol: bound on the relative residuals; None is 1e-7, and 1e-5 in float32, where eigh leaves about 1e-7 |M| of rounding in S: once
        S moves by no more than that, it counts as standing still whatever the dual residual.
      max_steps: 10,000 is the authors' limit.
    Returns:
      The split, in the unit of `gram`. A `gram` that is zero, not finite or not symmetric, or a negative lam, takes no step and comes
      back with `converged` False and residuals nan; L and S are then 0 for a zero matrix, otherwise nan.
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
def _solve(gram, lam, tol, max_steps, authors: bool) -> RobustPCA:
    norm, eps, n = jnp.linalg.norm, jnp.finfo(gram.dtype).eps, len(gram)
    size = jnp.abs(gram).mean()
    total = lambda x: jnp.abs(x).sum()
    # The converged mode works in units of 4 |M|_1 / n^2, where the usual penalty n^2 / (4 |M|_1) is 1 and nothing overflows. The
    # authors' penalty has the induced 1-norm, the largest column sum, in place of |M|_1.
    unit = 1 if authors else 4 * size
    M = gram / unit
    usable = jnp.isfinite(size) & (size > 0) & (lam >= 0) & (norm(M - M.T) <= eps**0.5 * norm(M))
    M = jnp.where(usable, (M + M.T) / 2, 0)
    mu = n**2 / (4 * jnp.abs(M).sum(0).max()) if authors else jnp.ones_like(size)
    relax = 1.0 if authors else 1.6  # over-relaxation takes 1.6 times fewer steps on every Gram tried

    # Y = lam sign(M) is a dual certificate of L = 0, S = M whenever |Y|_2 <= 1.
    trivial = usable & (lam * _spectral_norm(jnp.sign(M)) <= 1)
    solved = False if authors else trivial

    def step(carry):
        S, Y, mu, *_, k = carry
        A = M - S + Y / mu
        L, values = (shrink_eigenvalues if authors else shrink_eigenvalues_refined)(A, 1 / mu)
        L = (L + L.T) / 2  # else Y collects the skew rounding, which no later step sees or undoes: a gap of 1e-2 in float32
        V = S + Y / mu + relax * (M - L - S)
        S_next, Y_next = shrink(V, lam / mu), jnp.clip(mu * V, -lam, lam)  # Y + mu (M - L - S), but exactly within its bound
        primal, shift = norm(M - L - S_next) / norm(M), norm(A - L - Y_next / mu)
        dual = mu * shift / norm(Y_next)
        done = primal <= tol
        if not authors:
            done = (jnp.maximum(primal, dual) <= tol) | (jnp.maximum(primal, shift / norm(M)) <= 3 * eps)
            ratio = total(Y_next) * total(Y_next - Y) / (total(S_next) * total(S_next - S))
            fade = 0.15 * 0.5 ** ((k + 1).astype(mu.dtype) / 100)
            mu = jnp.where(jnp.isfinite(ratio), jnp.clip(mu * (ratio / mu**2) ** fade, 1, 0.1 * eps**-0.5), mu)
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
    noise = n * eps * jnp.abs(values).max() if authors else 0
    rank = jnp.sum(jnp.abs(values) > noise)
    converged = usable & done & (authors | (jnp.abs(gap) <= tol**0.5))
    L, S, Y = (jnp.where(usable | (size == 0), x, jnp.nan) for x in (L * unit, S * unit, Y))
    return RobustPCA(L, S, rank, converged, k, primal, dual, gap, objective * unit, trivial, Y)


def _spectral_norm(x):
    return jnp.abs(jnp.linalg.eigvalsh(x)).max()


def check(result: RobustPCA) -> RobustPCA:
    """Return `result` if every solve in it converged.

    Call it outside jit: compiled code on GPU and TPU cannot be trusted to raise, so the solver returns flags instead.

    Raises:
      RuntimeError: if a solve did not converge, with the worst residuals.
    """
    bad = ~np.asarray(result.converged)
    if bad.any():
        unusable = bad & np.isnan(result.primal_residual)
        worst = {name: np.max(np.asarray(getattr(result, name))[bad & ~unusable], initial=0) for name in RobustPCA._fields[5:8]}
        raise RuntimeError(
            f"{bad.sum()} of {bad.size} robust PCA solves did not converge: {unusable.sum()} had a matrix that is zero, not finite or not "
            f"symmetric, or a negative lam; the worst of the others stopped at "
            + ", ".join(f"{name} {value:.1e}" for name, value in worst.items())
            + "; raise max_steps or tol."
        )
    return result
