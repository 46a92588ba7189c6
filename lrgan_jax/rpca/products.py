"""Robust PCA to the minimum by matrix products alone: the way of accelerators (alternating.py says what a step is).

A step takes seven products of n x n: three see A = M - S + C in the basis of the last step, two shrink its eigenvalues
there, to first order in what is off the diagonal, and two turn the basis, for the next step (rotations.py). The steps
are no more than those with a fresh eigh each: at n = 512, 150 to 160 for a gap of 1e-5, at lam = 1/60 and 1 / sqrt(n).
Turning before shrinking takes three products more and saves no step; polynomials for the two matrix signs some fifty
products a step. Nothing else is decomposed either: a start takes 20 turns from the identity, and a proof the norm of Y
by squaring.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from lrgan_jax.base.rotations import eigenvectors, seen, turned, unseen
from lrgan_jax.rpca.alternating import State, Unsettled, Values, clipped, measure, minimise, target
from lrgan_jax.rpca.problem import Number, RobustPCA, Square, pose

START = 1e-2  # of a basis; with 1e-1 the steps that follow are up to twice as many, with 1e-3 they are no fewer
NEAR = 1e-3  # eigenvalues on one side of the threshold nearer to each other than this part of their distance from it


@jax.jit
def solve(gram: Square, lam: Number, tol: Number, max_steps: Int[Array, ""]) -> RobustPCA:
    """The minimum, or how near `max_steps` steps came to it; see `robust_pca` for the arguments."""
    problem = pose(gram, lam, 4 * jnp.abs(gram).mean())

    def step(state: State, goal: Number, _: Unsettled) -> State:
        A, U, threshold = target(problem, state.V, state.mu), state.U, 1 / state.mu
        T, R = seen(A, U)
        inner, values = clipped(T, threshold)
        L = A - unseen(inner, U, R)
        L = (L + L.T) / 2  # else Y gathers the skew rounding, which no later step sees or undoes
        after = measure(problem, goal, state, state.V, A, L, values)
        U = turned(U, T, R, _damping(values, jnp.maximum(threshold - jnp.abs(jnp.diagonal(T)), 0)))
        return after._replace(U=U, nuclear=_nuclear_norm(T - inner))

    basis = eigenvectors(jnp.where(problem.trivial, 0, problem.M), START)
    return minimise(problem, tol, max_steps, basis, step)


def _damping(above: Values, below: Values) -> Square:
    """For `turned`, from the distance of each eigenvalue from the threshold, 0 on its other side.

    Whether two eigenvalues on one side are told apart changes nothing. Equal ones rounding would turn for ever and by
    angles near 1, whose R^2 is enough of an error to go on with.
    """
    return NEAR**2 * (jnp.maximum(above[:, None] * above, 0) + below[:, None] * below)


def _nuclear_norm(inner: Square) -> Number:
    """At least |.|_*, to second order in what is off the diagonal, of a matrix that is 0 wherever two zeros of its
    diagonal meet.

    Of the rest, the norms of the columns add up to no less. What joins a zero to a d of the rest, b, makes of the two
    d + b^2 / d and -b^2 / d.
    """
    sizes = jnp.abs(jnp.diagonal(inner))
    kept = sizes > 0
    squares = jnp.where(kept[:, None], jnp.square(inner), 0)
    within = jnp.sqrt(jnp.where(kept, squares.sum(0), 0)).sum()
    joining = jnp.where(kept, 0, squares).sum(1) / jnp.where(kept, sizes, 1)
    return within + 2 * joining.sum()
