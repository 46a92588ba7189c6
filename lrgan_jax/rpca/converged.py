"""Robust PCA to the minimum with few eigendecompositions: the way of CPUs (alternating.py says what a step is).

A full eigh is most of a step, so the last one serves again. If L has a low rank, a few columns are tracked by a power
step and a Rayleigh-Ritz projection; else `_shrink_by_basis` takes U as it is. A full eigh follows after a while, and
before anything is called converged, so that nothing these overlook survives.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from lrgan_jax.base import linalg
from lrgan_jax.rpca.alternating import State, Unsettled, Values, clipped, measure, minimise, moved, target
from lrgan_jax.rpca.problem import Number, RobustPCA, Square, dot, pose, shrink

STRIDE = 5  # tracked steps from one look at the residuals, which costs as much as half a step, to the next
TRACKED_STEPS = 200  # from one full eigh, which costs as much as ten of them, to the next
REUSED_STEPS = (
    8  # the same for a whole basis, which saves half of the time; with 12 or 16 the steps are more and no time is saved
)

Columns = Float[Array, "n k"]


@jax.jit
def solve(gram: Square, lam: Number, tol: Number, max_steps: Int[Array, ""]) -> RobustPCA:
    """The minimum, or how near `max_steps` steps came to it; see `robust_pca` for the arguments."""
    problem = pose(gram, lam, 4 * jnp.abs(gram).mean())
    columns = len(gram) // 16

    def eigh_step(state: State, goal: Number) -> State:
        values, U = linalg.eigh(target(problem, state.V, state.mu))
        return basis_step(state._replace(U=U[:, jnp.argsort(-jnp.abs(values))]), goal)

    def basis_step(state: State, goal: Number) -> State:
        A = target(problem, state.V, state.mu)
        return measure(problem, goal, state, state.V, A, *_shrink_by_basis(A, state.U, 1 / state.mu))

    def tracked_steps(state: State, basis: Columns, goal: Number) -> tuple[State, Columns]:
        V, mu = state.V, state.mu
        for _ in range(STRIDE - 1):
            L, _, basis = _shrink_by_tracking(target(problem, V, mu), basis, 1 / mu)
            V = moved(problem, V, L, mu)
        A = target(problem, V, mu)
        L, values, basis = _shrink_by_tracking(A, basis, 1 / mu)
        return measure(problem, goal, state, V, A, L, values, STRIDE), basis

    def advance(state: State, goal: Number, unsettled: Unsettled) -> State:
        """Cheap steps as long as they are good for something, then one with a fresh eigh."""

        def low(carry):
            state, _ = carry
            few = (begun > 0) & (4 * state.rank <= 3 * columns) & (state.steps < begun + TRACKED_STEPS)
            return few & unsettled(state, goal, STRIDE + 1)

        def reusable(state):
            return (begun > 0) & (state.steps < begun + REUSED_STEPS) & unsettled(state, goal, 2)

        begun = state.steps
        if columns >= 4:  # below n = 64 an eigh is too cheap
            state, _ = lax.while_loop(low, lambda carry: tracked_steps(*carry, goal), (state, state.U[:, :columns]))
        state = lax.while_loop(reusable, lambda state: basis_step(state, goal), state)
        return eigh_step(state, goal)

    return minimise(problem, tol, max_steps, jnp.zeros_like(gram), advance)


def _shrink_by_basis(A: Square, U: Square, threshold: Number) -> tuple[Square, Values]:
    """A with its eigenvalues shrunk, and these, from a U that nearly diagonalises A. Four matrix products.

    A - clip(A) is the shrunk matrix, and the large eigenvalues, that is the large roundings, stay in A; this also mends
    the eigh of float32, off by 6 (n = 100) to 20 (n = 512) eps |A|.
    """
    inner, values = clipped(dot(U.T, dot(A, U)), threshold)
    L = A - dot(U, dot(inner, U.T))
    return (L + L.T) / 2, values  # else Y gathers the skew rounding, which no later step sees or undoes


def _shrink_by_tracking(A: Square, basis: Columns, threshold: Number) -> tuple[Square, Values, Columns]:
    """The same from the k leading eigenvectors of the last step's A, and these of this A."""
    Q, _ = linalg.qr(dot(A, basis))
    inner = dot(Q.T, dot(A, Q))
    values, U = linalg.eigh((inner + inner.T) / 2)
    basis, values = dot(Q, U), shrink(values, threshold)
    half = basis * jnp.sqrt(jnp.abs(values))
    return dot(half * jnp.sign(values), half.T), values, basis
