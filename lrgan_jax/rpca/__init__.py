"""Robust PCA: split a symmetric matrix M into a low-rank L and a sparse S.

Principal component pursuit (Candes, Li, Ma and Wright 2011, arXiv:0912.3599, equation 1.1),

    minimise |L|_* + lam |S|_1   with   L + S = M,

by alternating directions (their section 5), as LowRankGAN uses it (Zhu et al. 2021, arXiv:2106.04488). M is a Gram
matrix J^T J / n, so eigh stands in for the SVD. There are two answers to the same question:

  "converged"  the minimiser, with the evidence for it: residuals, a dual certificate Y and the duality gap
               (alternating.py): with few eigendecompositions on CPUs (converged.py), with none on accelerators, where
               matrix products are what is fast (products.py).
  "authors"    where the released code stops, to reproduce it. It may be far from the minimum, and its rank then says
               as much about the stopping rule as about M (authors.py).

`RobustPCA`, and the symbols, are explained in problem.py.
"""

from contextlib import nullcontext
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from lrgan_jax.base.checks import check_number, check_whole
from lrgan_jax.base.errors import ConvergenceError, InputError
from lrgan_jax.rpca import authors, converged, products
from lrgan_jax.rpca.problem import RobustPCA

Mode = Literal["converged", "authors"]
MODES: tuple[Mode, ...] = ("converged", "authors")
Scalar = Float[ArrayLike, ""]  # traced, so a sweep over lam compiles once


def robust_pca(
    gram: Float[ArrayLike, "..."],  # [n, n]; said loosely so that the error below is the one that is seen
    lam: Scalar | None = None,
    mode: Mode = "converged",
    *,
    tol: Scalar | None = None,
    max_steps: Int[ArrayLike, ""] = 10_000,
) -> RobustPCA:
    """Split a symmetric matrix into low rank plus sparse.

    Args:
      gram: M [n, n], in any unit: L and S scale with it, the evidence does not. `jax.vmap` takes a batch, in which
        every matrix stops on its own. On accelerators all of them are worked on at once until the last one stops.
      lam: price of the sparse part; None is 1 / sqrt(n). LowRankGAN's 1/60 belongs to n = 512: at n = 100 it often
        makes L = 0 the minimiser, which is returned exactly and flagged as `trivial`.
      mode: "converged" computes in the dtype of `gram`; "authors" in float64 whatever jax_enable_x64 says, also under
        jit and vmap (but unless it is on, jit rounds a float64 argument to float32 before we see it).
      tol: bound on the primal residual and on the duality gap; None is 1e-7, and 1e-5 in float32. Residuals that have
        sunk to rounding, 3 eps |M|, also count as converged with a gap of up to 1e3 tol. A float32 split of a real Gram
        has the rank of the float64 split and its objective to 1e-6. Low rank plus spikes plus a faint floor (lam near
        0.4 / sqrt(n)) takes 150 steps to 1e-5 and 550 to 1e-6.
      max_steps: 10,000 is the authors' limit.
    Returns:
      The split. A `gram` that is zero, not finite or not symmetric, or a negative lam, takes no step: `converged` is
      False, the residuals are nan, and L and S are 0 for a zero matrix (an empty region), else nan. `check` makes an
      error of it.
    Raises:
      InputError: while tracing, if `gram` is not one square matrix or `mode` is unknown; or if `tol` or `max_steps`
        makes no sense.
    """
    if np.ndim(gram) != 2 or np.shape(gram)[0] != np.shape(gram)[1] or not np.size(gram):
        raise InputError(f"robust_pca takes one square matrix, got shape {np.shape(gram)}; use jax.vmap for a batch.")
    if mode not in MODES:
        raise InputError(f'mode is "converged" or "authors", got {mode!r}.')
    check_number("tol", tol, above=0)
    check_whole("max_steps", max_steps)
    with jax.enable_x64(True) if mode == "authors" else nullcontext():
        dtype = jnp.promote_types(jnp.result_type(gram), jnp.float64 if mode == "authors" else jnp.float32)
        lam = np.shape(gram)[0] ** -0.5 if lam is None else lam
        tol = (1e-5 if dtype == jnp.float32 else 1e-7) if tol is None else tol
        arguments = *(jnp.asarray(x, dtype) for x in (gram, lam, tol)), jnp.asarray(max_steps)
        if mode == "authors":
            return _authors_one_by_one(*arguments)
        return lax.platform_dependent(*arguments, cpu=converged.solve, default=products.solve)


@jax.custom_batching.sequential_vmap
def _authors_one_by_one(*arguments) -> RobustPCA:
    """Batches of what is inside jit are made after the 64 bits were switched off again, and would mix the two."""
    with jax.enable_x64(True):
        return authors.solve(*arguments)


def settled(split: RobustPCA) -> Bool[Array, "..."]:
    """Whether a split may be relied on: it converged, or is that of a zero matrix, which is exact without a step."""
    return split.converged | ~split.num_steps.astype(bool) & jnp.isfinite(split.low_rank).all((-2, -1))


def check(result: RobustPCA) -> RobustPCA:
    """Return `result`, of one solve or a batch, if all of it converged.

    Call outside jit: compiled code on GPU and TPU cannot be trusted to raise, so the solver returns flags instead.

    Raises:
      ConvergenceError: otherwise, saying how many did not and how far they got.
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
    raise ConvergenceError(message + ".")


__all__ = [
    "MODES",
    "Mode",
    "RobustPCA",
    "check",
    "robust_pca",
    "settled",
]


def __dir__() -> list[str]:
    return __all__
