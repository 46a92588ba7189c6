"""What both solvers share: the question, the answer's form, and the operations of its formulas.

Symbols: M = L + S the matrix and its parts; Y the dual variable, of the opposite sign to the one in the authors' code;
mu the penalty. |.| is the Frobenius norm, |.|_1 and |.|_inf are taken over the entries, |.|_* and |.|_2 are the sum and
the largest of |eigenvalues|.
"""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from lrgan_jax import display
from lrgan_jax.base import linalg

Square = Float[Array, "n n"]
Number = Float[Array, ""]
dot = partial(jnp.matmul, precision=lax.Precision.HIGHEST)


@display.record
class RobustPCA(NamedTuple):
    """A split and how far to trust it. Under `jax.vmap` every field has the batch axis in front."""

    low_rank: Square  # L, symmetric
    sparse: Square  # S, with exact zeros; L + S = M up to primal_residual
    rank: Int[Array, ""]  # eigenvalues that survive the last shrink of L; "authors": numpy.linalg.matrix_rank's rule
    converged: Bool[Array, ""]  # "authors": primal_residual <= tol, their own test; else the gap is <= tol as well
    num_steps: Int[Array, ""]
    primal_residual: Number  # |M - L - S| / |M|: is the split exact?
    dual_residual: Number  # |Y - Y_L| / |Y|, Y_L the nearest subgradient of |L|_*; small ones leave a small gap
    gap: Number  # (objective - <Y, M>) / objective, Y scaled so that |Y|_2 <= 1
    objective: Number  # |L|_* + lam |M - L|_1, in units of M: no split beats it by more than gap * objective
    trivial: Bool[Array, ""]  # L = 0 is proven to be the minimiser: lam is too small for this M
    dual: Square  # Y, the certificate, with |Y|_inf <= lam

    def _repr_html_(self) -> str:
        """The evidence, and of one matrix, not a batch of them, its parts."""
        n, num = np.shape(self.sparse)[-1], f"{np.size(self.rank)} matrices of " if np.ndim(self.rank) else ""
        parts = [] if num else [display.table(self._parts(n))]
        return display.card(f"low rank plus sparse, {num}{n} x {n}", self.facts(), *parts)

    def facts(self) -> dict[str, str]:
        """Its evidence, for a person."""
        return {
            "rank": display.span(self.rank),
            "zeros in S": f"{(np.asarray(self.sparse) == 0).mean():.0%}",
            "converged": display.span(self.converged),
            "steps": display.span(self.num_steps),
            "gap": display.span(self.gap),
            "caution": "L = 0 is the minimiser: lam is too small" if np.any(self.trivial) else "",
        }

    def _parts(self, n: int) -> dict[str, list[str]]:
        pictures = [
            display.matrix(a, f"{name}, {n} x {n}", 80) for name, a in (("L", self.low_rank), ("S", self.sparse))
        ]
        spectra = [display.spectrum(self.low_rank, int(self.rank)), display.spectrum(self.sparse)]
        return {"part": ["L, low rank", "S, sparse"], "entries": pictures, "eigenvalues": spectra}


class Problem(NamedTuple):
    """M in a unit in which nothing overflows, and what can be said of it without a single step."""

    M: Square  # exactly symmetric; 0 if not usable
    lam: Number
    unit: Number
    usable: Bool[Array, ""]  # finite, symmetric, not zero, and lam not negative
    trivial: Bool[Array, ""]  # Y = lam sign(M) proves that L = 0, S = M is the minimiser, for |Y|_2 <= 1
    filler: Number  # what stands for the parts of an unusable M: 0 if it is zero (an empty region), else nan


def pose(gram: Square, lam: Number, unit: Number) -> Problem:
    M, eps, size = gram / unit, jnp.finfo(gram.dtype).eps, jnp.abs(gram).mean()
    usable = jnp.isfinite(size) & (size > 0) & (lam >= 0) & (jnp.linalg.norm(M - M.T) <= eps**0.5 * jnp.linalg.norm(M))
    M = jnp.where(usable, (M + M.T) / 2, 0)
    trivial = usable & (lam * linalg.spectral_norm(jnp.sign(M)) <= 1)
    return Problem(M, lam, unit, usable, trivial, jnp.where(size == 0, 0, jnp.nan).astype(M.dtype))


def answer(problem: Problem, split: RobustPCA) -> RobustPCA:
    """A split of `problem.M` in the unit of the Gram, without what only looks like a result if M was not usable."""
    unit, usable = problem.unit, problem.usable
    L, S, Y = (jnp.where(usable, x, problem.filler) for x in (split.low_rank * unit, split.sparse * unit, split.dual))
    gap, converged = jnp.where(usable, split.gap, jnp.nan), split.converged & usable
    return split._replace(low_rank=L, sparse=S, dual=Y, gap=gap, converged=converged, objective=split.objective * unit)


def evaluate(problem: Problem, L: Square, nuclear: Number, Y: Square) -> tuple[Number, Number]:
    """Objective |L|_* + lam |M - L|_1 of L, its |L|_* given, and its relative distance from the bound <Y, M> / max(1,
    |Y|_2).
    """
    M, lam, *_ = problem
    objective = nuclear + lam * jnp.abs(M - L).sum()
    bound = jnp.sum(Y * M) / jnp.maximum(linalg.spectral_norm(Y), 1)
    return objective, (objective - bound) / jnp.maximum(objective, jnp.finfo(M.dtype).eps)


def shrink(x: Float[Array, "..."], threshold: Number) -> Float[Array, "..."]:
    """Move every number towards zero by `threshold`, stopping there."""
    return jnp.sign(x) * jnp.maximum(jnp.abs(x) - threshold, 0)
