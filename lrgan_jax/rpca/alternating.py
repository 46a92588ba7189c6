"""Alternating directions whose penalty first rises and then falls, to the minimum, with the proof: what both ways of
shrinking eigenvalues share.

One step, with C = Y / mu and an over-relaxation of 1.6, which saves its factor in steps on most Grams tried:

    L = M - S + C with its eigenvalues shrunk by 1 / mu,  V = S + C + 1.6 (M - L - S),  S = V shrunk by lam / mu,  C = V
    - S.

The penalty. A high mu soon makes the split exact and leaves Y far from a certificate, a low one the reverse. Where a
faint floor lies under the low rank no fixed mu will do (n = 512, lam = 1/60: a gap of 9e-5 after 4,000 steps). So mu
rises towards the balance of `_next_penalty` until the split has been exact for a while, and then falls: that draws Y
onto its certificate and hardly moves L. There it takes 150 steps to a gap of 1e-5, where a mu that only grows, or an
accelerated proximal gradient with the multiplier outside, is at 1e-3. Anderson acceleration saved no steps, the answer
for a lam 5 % away as a start a tenth to a third.

The proof. Small residuals only say when it is worth its time to measure the duality gap, which decides. Where it is
still too wide, they have to be smaller.

All this is nested `lax.while_loop`s and no `lax.cond`, of which `vmap` would compute both branches.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from lrgan_jax.rpca.problem import Number, Problem, RobustPCA, Square, answer, evaluate

RELAX = 1.6
PATIENCE = 20  # steps for which the split has to stay exact before mu falls

Flag = Bool[Array, ""]
Unsettled = Callable[..., Flag]
Values = Float[Array, " k"]


class State(NamedTuple):
    """Where the iteration stands, and how still the last step stood."""

    V: Square  # S + C
    mu: Number
    L: Square
    nuclear: Number  # |L|_*
    rank: Int[Array, ""]
    U: Square  # what is known of the eigenvectors of A
    primal: Number  # |M - L - S| / |M|
    dual: Number  # |Y - Y_L| / |Y|, Y_L = mu (A - L) a subgradient of |L|_*
    shift: Number  # |Y - Y_L| / (mu |M|)
    exact: Int[Array, ""]  # for how many steps primal has been small enough
    steps: Int[Array, ""]


def minimise(
    problem: Problem,
    tol: Number,
    max_steps: Int[Array, ""],
    basis: Square,
    advance: Callable[[State, Number, Unsettled], State],
) -> RobustPCA:
    """The minimum, or how near `max_steps` steps came to it.

    `advance(state, goal, unsettled)` makes some steps and counts them. `unsettled(state, goal, more=1)` says whether to
    go on, and whether there are `more` steps left to do so. `basis` is where it begins to look for eigenvectors.
    """
    M, lam, trivial = problem.M, problem.lam, problem.trivial

    def unsettled(state: State, goal: Number, more: int = 1) -> Flag:
        settled = (state.primal <= goal) & (state.dual <= 4 * goal**2 / tol) | _at_rounding(state)
        return ~settled & (state.steps + more <= max_steps)

    def prove(carry):
        state, goal, *_ = carry
        state = lax.while_loop(lambda s: unsettled(s, goal), lambda s: advance(s, goal, unsettled), state)
        objective, gap = evaluate(problem, state.L, state.nuclear, parts(problem, state.V, state.mu)[1] * state.mu)
        return state, 0.7 * goal, objective, gap, (gap <= tol) | _at_rounding(state)

    def unproven(carry):
        state, *_, done = carry
        return ~done & (state.steps < max_steps)

    zeros, nan, none = jnp.zeros_like(M), jnp.full_like(lam, jnp.nan), jnp.zeros_like(max_steps)
    state = State(zeros, jnp.ones_like(lam), zeros, jnp.zeros_like(lam), none, basis, nan, nan, nan, none, none)
    start = state, tol, nan, nan, trivial | ~problem.usable
    state, _, objective, gap, done = lax.while_loop(unproven, prove, start)
    # What float32 cannot prove to tol it may prove to 1e3 tol: the rounding of L times mu is noise in Y.
    done &= jnp.abs(gap) <= jnp.where(_at_rounding(state), 1e3 * tol, tol)

    S, C = parts(problem, state.V, state.mu)
    Y = jnp.clip(state.mu * C, -lam, lam)
    found = (S, Y, done, state.primal, state.dual, gap, objective)
    proven = (M, lam * jnp.sign(M), True, 0, 0, 0, lam * jnp.abs(M).sum())
    S, Y, done, primal, dual, gap, objective = (jnp.where(trivial, x, y) for x, y in zip(proven, found, strict=True))
    return answer(
        problem, RobustPCA(state.L, S, state.rank, done, state.steps, primal, dual, gap, objective, trivial, Y)
    )


def parts(problem: Problem, V: Square, mu: Number) -> tuple[Square, Square]:
    """S and C = Y / mu from their sum."""
    C = jnp.clip(V, -problem.lam / mu, problem.lam / mu)
    return V - C, C


def target(problem: Problem, V: Square, mu: Number) -> Square:
    S, C = parts(problem, V, mu)
    return problem.M - S + C


def moved(problem: Problem, V: Square, L: Square, mu: Number) -> Square:
    return V + RELAX * (problem.M - L - parts(problem, V, mu)[0])


def _at_rounding(state: State) -> Flag:
    """Nothing moves any more, and a lower mu would not move it either."""
    return (jnp.maximum(state.primal, state.shift) <= 3 * jnp.finfo(state.V.dtype).eps) & (state.mu <= 1)


def clipped(inner: Square, threshold: Number) -> tuple[Square, Values]:
    """An almost diagonal matrix with its eigenvalues cut at +-threshold, and what the cut took from each.

    To first order in what is off the diagonal, a function f of the eigenvalues multiplies it by the divided differences
    of f (Daleckii and Krein). Between two eigenvalues below the threshold, or two above, this is exact.
    """
    values = jnp.diagonal(inner)
    cut = jnp.clip(values, -threshold, threshold)
    apart = values[:, None] - values
    slope = jnp.where(apart == 0, values == cut, (cut[:, None] - cut) / jnp.where(apart == 0, 1, apart))
    first_order = jnp.clip(slope, 0, 1) * inner
    return first_order + jnp.diag(cut - jnp.diagonal(first_order)), values - cut


def measure(
    problem: Problem, goal: Number, state: State, V: Square, A: Square, L: Square, values: Values, stride: int = 1
) -> State:
    """The state after the step from V by way of L, the last of `stride` steps, with the next mu."""
    M, lam, *_ = problem
    mu, norm = state.mu, jnp.linalg.norm
    S, C = parts(problem, moved(problem, V, L, mu), mu)
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
