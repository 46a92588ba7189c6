"""Robust PCA to the minimum, with the proof: alternating directions whose penalty first rises and then falls.

One step, with C = Y / mu and an over-relaxation of 1.6, which saves its factor in steps on most Grams tried:

    L = M - S + C with its eigenvalues shrunk by 1 / mu,  V = S + C + 1.6 (M - L - S),  S = V shrunk by lam / mu,  C = V
    - S.

The penalty. A high mu soon makes the split exact and leaves Y far from a certificate, a low one the reverse. Where a
faint floor lies under the low rank no fixed mu will do (n = 512, lam = 1/60: a gap of 9e-5 after 4,000 steps). So mu
rises towards the balance of `_next_penalty` until the split has been exact for a while, and then falls: that draws Y
onto its certificate and hardly moves L. There it takes 150 steps to a gap of 1e-5, where a mu that only grows, or an
accelerated proximal gradient with the multiplier outside, is at 1e-3. Anderson acceleration saved no steps, the answer
for a lam 5 % away as a start a tenth to a third.

The eigenvectors. A full eigh is most of a step, so the last one serves again. If L has a low rank, a few columns are
tracked by a power step and a Rayleigh-Ritz projection; else `_shrink_by_basis` takes U as it is. A full eigh follows
after a while, and before anything is called converged, so that nothing these overlook survives. Matrix signs by
Newton-Schulz need no eigh at all, but some ten iterations of two products each for a step that takes four products
here.

The proof. Small residuals only say when an eigvalsh is worth its time to measure the duality gap, which decides. Where
it is still too wide, they have to be smaller.

All this is nested `lax.while_loop`s and no `lax.cond`, of which `vmap` would compute both branches.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from lrgan_jax.base import linalg
from lrgan_jax.rpca.problem import Number, Problem, RobustPCA, Square, answer, dot, evaluate, pose, shrink

RELAX = 1.6
PATIENCE = 20  # steps for which the split has to stay exact before mu falls
STRIDE = 5  # tracked steps from one look at the residuals, which costs as much as half a step, to the next
TRACKED_STEPS = 200  # from one full eigh, which costs as much as ten of them, to the next
REUSED_STEPS = (
    8  # the same for a whole basis, which saves half of the time; with 12 or 16 the steps are more and no time is saved
)

Flag = Bool[Array, ""]
Values = Float[Array, " k"]
Columns = Float[Array, "n k"]


class State(NamedTuple):
    """Where the iteration stands, and how still the last step stood."""

    V: Square  # S + C
    mu: Number
    L: Square
    nuclear: Number  # |L|_*
    rank: Int[Array, ""]
    U: Square  # eigenvectors of A at the last eigh, those of the largest |eigenvalues| first
    primal: Number  # |M - L - S| / |M|
    dual: Number  # |Y - Y_L| / |Y|, Y_L = mu (A - L) a subgradient of |L|_*
    shift: Number  # |Y - Y_L| / (mu |M|)
    exact: Int[Array, ""]  # for how many steps primal has been small enough
    steps: Int[Array, ""]


@jax.jit
def solve(gram: Square, lam: Number, tol: Number, max_steps: Int[Array, ""]) -> RobustPCA:
    """The minimum, or how near `max_steps` steps came to it; see `robust_pca` for the arguments."""
    # In units of 4 |M|_1 / n^2 the usual penalty n^2 / (4 |M|_1) is 1, and nothing overflows.
    problem = pose(gram, lam, 4 * jnp.abs(gram).mean())
    M, trivial = problem.M, problem.trivial
    columns = len(M) // 16

    def eigh_step(state: State, goal: Number) -> State:
        values, U = linalg.eigh(_target(problem, state.V, state.mu))
        return basis_step(state._replace(U=U[:, jnp.argsort(-jnp.abs(values))]), goal)

    def basis_step(state: State, goal: Number) -> State:
        A = _target(problem, state.V, state.mu)
        return _measure(problem, goal, state, state.V, A, *_shrink_by_basis(A, state.U, 1 / state.mu))

    def tracked_steps(state: State, basis: Columns, goal: Number) -> tuple[State, Columns]:
        V, mu = state.V, state.mu
        for _ in range(STRIDE - 1):
            L, _, basis = _shrink_by_tracking(_target(problem, V, mu), basis, 1 / mu)
            V = _moved(problem, V, L, mu)
        A = _target(problem, V, mu)
        L, values, basis = _shrink_by_tracking(A, basis, 1 / mu)
        return _measure(problem, goal, state, V, A, L, values, STRIDE), basis

    def unsettled(state: State, goal: Number, more: int = 1) -> Flag:
        """Whether to go on, and whether there are `more` steps left to do so."""
        settled = (state.primal <= goal) & (state.dual <= 4 * goal**2 / tol) | _at_rounding(state)
        return ~settled & (state.steps + more <= max_steps)

    def advance(state: State, goal: Number) -> State:
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

    def prove(carry):
        state, goal, *_ = carry
        state = lax.while_loop(lambda s: unsettled(s, goal), lambda s: advance(s, goal), state)
        objective, gap = evaluate(problem, state.L, state.nuclear, _parts(problem, state.V, state.mu)[1] * state.mu)
        return state, 0.7 * goal, objective, gap, (gap <= tol) | _at_rounding(state)

    def unproven(carry):
        state, *_, done = carry
        return ~done & (state.steps < max_steps)

    zeros, one, nan, none = (
        jnp.zeros_like(M),
        jnp.ones_like(lam),
        jnp.full_like(lam, jnp.nan),
        jnp.zeros_like(max_steps),
    )
    state = State(zeros, one, zeros, 0 * one, none, zeros, nan, nan, nan, none, none)
    start = state, tol, nan, nan, trivial | ~problem.usable
    state, _, objective, gap, done = lax.while_loop(unproven, prove, start)
    # What float32 cannot prove to tol it may prove to 1e3 tol: the rounding of L times mu is noise in Y.
    done &= jnp.abs(gap) <= jnp.where(_at_rounding(state), 1e3 * tol, tol)

    S, C = _parts(problem, state.V, state.mu)
    Y = jnp.clip(state.mu * C, -lam, lam)
    found = (S, Y, done, state.primal, state.dual, gap, objective)
    proven = (M, lam * jnp.sign(M), True, 0, 0, 0, lam * jnp.abs(M).sum())
    S, Y, done, primal, dual, gap, objective = (jnp.where(trivial, x, y) for x, y in zip(proven, found, strict=True))
    return answer(
        problem, RobustPCA(state.L, S, state.rank, done, state.steps, primal, dual, gap, objective, trivial, Y)
    )


def _parts(problem: Problem, V: Square, mu: Number) -> tuple[Square, Square]:
    """S and C = Y / mu from their sum."""
    C = jnp.clip(V, -problem.lam / mu, problem.lam / mu)
    return V - C, C


def _target(problem: Problem, V: Square, mu: Number) -> Square:
    S, C = _parts(problem, V, mu)
    return problem.M - S + C


def _moved(problem: Problem, V: Square, L: Square, mu: Number) -> Square:
    return V + RELAX * (problem.M - L - _parts(problem, V, mu)[0])


def _at_rounding(state: State) -> Flag:
    """Nothing moves any more, and a lower mu would not move it either."""
    return (jnp.maximum(state.primal, state.shift) <= 3 * jnp.finfo(state.V.dtype).eps) & (state.mu <= 1)


def _shrink_by_basis(A: Square, U: Square, threshold: Number) -> tuple[Square, Values]:
    """A with its eigenvalues shrunk, and these, from a U that nearly diagonalises A. Four matrix products.

    To first order in what U^T A U has off its diagonal, a function f of the eigenvalues is U (F * (U^T A U)) U^T with F
    the divided differences of f (Daleckii and Krein). Here f cuts at +-threshold: between two eigenvalues below it, or
    two above, this is exact, so that U may be old. A - f(A) is the shrunk matrix, and the large eigenvalues, that is
    the large roundings, stay in A; this also mends the eigh of float32, off by 6 (n = 100) to 20 (n = 512) eps |A|.
    """
    inner = dot(U.T, dot(A, U))
    values = jnp.diagonal(inner)
    cut = jnp.clip(values, -threshold, threshold)
    apart = values[:, None] - values
    slope = jnp.clip((cut[:, None] - cut) / jnp.where(apart == 0, 1, apart), 0, 1)
    L = A - dot(U, dot(slope * inner + jnp.diag(cut), U.T))
    return (L + L.T) / 2, values - cut  # else Y gathers the skew rounding, which no later step sees or undoes


def _shrink_by_tracking(A: Square, basis: Columns, threshold: Number) -> tuple[Square, Values, Columns]:
    """The same from the k leading eigenvectors of the last step's A, and these of this A."""
    Q, _ = linalg.qr(dot(A, basis))
    inner = dot(Q.T, dot(A, Q))
    values, U = linalg.eigh((inner + inner.T) / 2)
    basis, values = dot(Q, U), shrink(values, threshold)
    half = basis * jnp.sqrt(jnp.abs(values))
    return dot(half * jnp.sign(values), half.T), values, basis


def _measure(
    problem: Problem, goal: Number, state: State, V: Square, A: Square, L: Square, values: Values, stride: int = 1
) -> State:
    """The state after the step from V by way of L, the last of `stride` steps, with the next mu."""
    M, lam, *_ = problem
    mu, norm = state.mu, jnp.linalg.norm
    S, C = _parts(problem, _moved(problem, V, L, mu), mu)
    size = norm(M)
    primal, shift, share = norm(M - L - S) / size, norm(A - L - C) / size, norm(C)
    exact, steps = jnp.where(primal <= goal, state.exact + stride, 0), state.steps + stride
    balance = mu * share**2 / (lam * jnp.abs(S).sum()) * primal / shift
    next_mu = _next_penalty(mu, balance, exact > PATIENCE, steps, stride)
    nuclear, rank = jnp.abs(values).sum(), jnp.sum(values != 0).astype(steps.dtype)
    return State(
        S + C * (mu / next_mu), next_mu, L, nuclear, rank, state.U, primal, shift * size / share, shift, exact, steps
    )


def _next_penalty(mu: Number, balance: Number, falling: Flag, steps: Int[Array, ""], stride: int) -> Number:
    """Let mu fall, or move it towards the geometric mean of |Y|_1 / |S|_1 and mu primal / shift; ever less, so that it
    settles.

    `balance` is the product of the two ratios over mu^2, with |Y|^2 / lam for |Y|_1, as most of |Y| is lam. In other
    norms they are those of Lorenz and Tran-Dinh (arXiv:1801.03765) and of Xu, Figueiredo and Goldstein
    (arXiv:1605.07246). The best fixed mu lies anywhere between 1/2 and 2,000 on the Grams tried, real ones at lam =
    1/60 and 1/10 and synthetic.
    """
    age = steps.astype(mu.dtype) / 200
    rise = jnp.clip(0.15 * 0.5**age * jnp.log(balance), -0.15, 0.15)
    rise = jnp.where((balance > 0) & (balance < jnp.inf), rise, 0)
    limit = (
        0.3 * jnp.finfo(mu.dtype).eps ** -0.5
    )  # 870 in float32: beyond, the rounding of L times mu is too much noise in Y
    lower, upper = (
        jnp.maximum(mu * jnp.exp(-0.1 * stride / (1 + age)), 0.2),
        jnp.clip(mu * jnp.exp(stride * rise), 1, limit),
    )
    return jnp.where(falling, lower, upper)
