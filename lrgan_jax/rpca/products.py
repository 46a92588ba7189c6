"""Robust PCA to the minimum by matrix products alone: the way of accelerators (alternating.py says what a step is).

A step takes seven products. Two and one see A = M - S + C in the basis U of the last step (rotations.py), two shrink
its eigenvalues to first order in what is off the diagonal there, and two turn U, for the next step. One turn a step is
enough.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from lrgan_jax.rpca.alternating import State, Unsettled, Values, clipped, measure, minimise, target
from lrgan_jax.rpca.problem import Number, RobustPCA, Square, dot, pose
from lrgan_jax.rpca.rotations import eigenvectors, seen, turned


@jax.jit
def solve(gram: Square, lam: Number, tol: Number, max_steps: Int[Array, ""]) -> RobustPCA:
    """The minimum, or how near `max_steps` steps came to it; see `robust_pca` for the arguments."""
    problem = pose(gram, lam, 4 * jnp.abs(gram).mean())

    def step(state: State, goal: Number, _: Unsettled) -> State:
        A = target(problem, state.V, state.mu)
        T, R = seen(A, state.U)
        L, values, nuclear = _shrunk(A, state.U, T, R, 1 / state.mu)
        after = measure(problem, goal, state, state.V, A, L, values)
        return after._replace(U=turned(state.U, T, R), nuclear=nuclear)

    return minimise(problem, tol, max_steps, eigenvectors(problem.M), step)


def _shrunk(A: Square, U: Square, T: Square, R: Square, threshold: Number) -> tuple[Square, Values, Number]:
    """A with its eigenvalues shrunk, these, and |L|_*, from A as it is seen in the basis."""
    inner, values = clipped(T, threshold)
    cut = jnp.diagonal(inner)
    L = A - dot(U, dot(inner + R * (cut[:, None] + cut) / 2, U.T))
    return (L + L.T) / 2, values, _nuclear_norm(T - inner)


def _nuclear_norm(inner: Square) -> Number:
    """At least |.|_* of an almost diagonal matrix, part of whose diagonal is 0, as is all between those parts.

    Of the rest it is at most the sum of the norms of the columns, in any basis. What joins the two parts, b, turns a
    d and a 0 on the diagonal into d + b^2 / d and -b^2 / d.
    """
    sizes = jnp.abs(jnp.diagonal(inner))
    kept = sizes > 0
    squares = jnp.where(kept[:, None], jnp.square(inner), 0)
    within = jnp.sqrt(jnp.where(kept, squares.sum(0), 0)).sum()
    joining = jnp.where(kept, 0, squares).sum(1) / jnp.where(kept, sizes, 1)
    return within + 2 * joining.sum()
