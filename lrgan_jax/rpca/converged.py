"""Robust PCA to the minimum, with the proof: over-relaxed alternating directions whose penalty first rises and then falls.

WIP
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from lrgan_jax.rpca.problem import Number, Problem, RobustPCA, Square, answer, dot, evaluate, pose, shrink

RELAX = 1.6  # over-relaxation saves its factor in steps on every Gram tried
WAIT = 30  # steps in a row that a split has to be exact before the penalty falls
RUN = 40  # steps in a tracked basis before a full eigh looks for what it misses
import os
RISE=float(os.environ.get("RISE",".15")); FALL=float(os.environ.get("FALL",".1")); WAIT=int(os.environ.get("WAIT","30")); FLOOR=float(os.environ.get("FLOOR","0.1")); CAP=int(os.environ.get("CAP","16")); RUN=int(os.environ.get("RUN","40"));STALE=int(os.environ.get("STALE","8")); RELAX=float(os.environ.get("RELAX","1.6"))


class State(NamedTuple):
    S: Square
    Y: Square
    mu: Number
    L: Square
    nuclear: Number  # |L|_*
    rank: Int[Array, ""]
    U: Square  # eigenvectors at the last full step, the largest |eigenvalues| first
    primal: Number
    dual: Number
    shift: Number
    exact: Int[Array, ""]
    steps: Int[Array, ""]


@jax.jit
def solve(gram: Square, lam: Number, tol: Number, max_steps: Int[Array, ""], init: RobustPCA | None) -> RobustPCA:
    problem = pose(gram, lam, 4 * jnp.abs(gram).mean())
    M, _, unit, usable, trivial = problem
    n, eps, norm = len(M), jnp.finfo(M.dtype).eps, jnp.linalg.norm
    size, tracked = norm(M), n // CAP

    def target(state):
        return M - state.S + state.Y / state.mu

    def full_step(state):
        A = target(state)
        values, U = jnp.linalg.eigh(A)
        return cut_step(state._replace(U=U[:, jnp.argsort(-jnp.abs(values))]), A)

    def cut_step(state, A):
        inner = dot(state.U.T, dot(A, state.U))
        values, threshold = jnp.diagonal(inner), 1 / state.mu
        cut = jnp.clip(values, -threshold, threshold)
        apart = values[:, None] - values
        slope = jnp.clip((cut[:, None] - cut) / jnp.where(apart == 0, 1, apart), 0, 1)
        rest = dot(state.U, dot(slope * inner + jnp.diag(cut), state.U.T))
        return update(state, A, A - (rest + rest.T) / 2, values - cut)

    def tracked_step(state, basis):
        A = target(state)
        V, _ = jnp.linalg.qr(dot(A, basis))
        inner = dot(V.T, dot(A, V))
        values, U = jnp.linalg.eigh((inner + inner.T) / 2)
        basis, values = dot(V, U), shrink(values, 1 / state.mu)
        half = basis * jnp.sqrt(jnp.abs(values))
        return update(state, A, dot(half * jnp.sign(values), half.T), values), basis

    def update(state, A, L, values):
        S, Y, mu = state.S, state.Y, state.mu
        V = S + Y / mu + RELAX * (M - L - S)
        C = jnp.clip(V, -lam / mu, lam / mu)
        S_next, Y_next = V - C, mu * C
        primal, shift = norm(M - L - S_next) / size, norm(A - L - C) / size
        dual = shift * size / norm(C)
        exact = jnp.where(primal <= tol, state.exact + 1, 0)
        mu = _next_penalty(mu, Y_next, Y_next - Y, S_next, S_next - S, exact > WAIT, state.steps)
        rank = jnp.sum(values != 0)
        return State(S_next, Y_next, mu, L, jnp.abs(values).sum(), rank, state.U, primal, dual, shift, exact, state.steps + 1)

    def at_rounding(state):
        return jnp.maximum(state.primal, state.shift) <= 3 * eps

    def unsettled(state, goal):
        return ~((jnp.maximum(state.primal, state.dual) <= goal) | at_rounding(state)) & (state.steps < max_steps)

    def advance(state, goal):
        def tracking(carry):
            state, _, run = carry
            return unsettled(state, goal) & (4 * state.rank <= 3 * tracked) & (run < RUN)

        def track(carry):
            state, basis, run = carry
            return *tracked_step(state, basis), run + 1

        def stale(carry):
            state, run = carry
            return unsettled(state, goal) & (run < STALE)

        if tracked >= 8:
            state, _, run = lax.while_loop(tracking, track, (state, state.U[:, :tracked], 0))
        else:
            run=0
        state, _ = lax.while_loop(stale, lambda c: (cut_step(c[0], target(c[0])), c[1] + 1), (state, jnp.where((state.steps>0)&(run==0),0,STALE)))
        return full_step(state)

    def certify(carry):
        state, goal, *_ = carry
        state = lax.while_loop(lambda s: unsettled(s, goal), lambda s: advance(s, goal), state)
        objective, gap = evaluate(problem, state.L, state.nuclear, state.Y)
        return state, goal / 2, objective, gap, (gap <= tol) | at_rounding(state)

    def unproven(carry):
        state, *_, done = carry
        return ~done & (state.steps < max_steps)

    S, Y = (jnp.zeros_like(M), jnp.zeros_like(M)) if init is None else (init.sparse / unit, jnp.clip(init.dual, -lam, lam))
    S, Y = jnp.where(trivial, M, S), jnp.where(trivial, lam * jnp.sign(M), Y)
    residual = jnp.where(trivial, 0, jnp.nan).astype(M.dtype)
    none = jnp.zeros_like(max_steps)
    state = State(S, Y, jnp.ones_like(lam), jnp.zeros_like(M), jnp.zeros_like(lam), jnp.where(trivial, 0, n), M, residual, residual, residual, none, none)
    objective, gap = evaluate(problem, state.L, state.nuclear, Y)
    state, _, objective, gap, done = lax.while_loop(unproven, certify, (state, tol, objective, gap, trivial | ~usable))
    rank = jnp.where(usable, state.rank, 0)
    done &= (gap <= tol) | (jnp.abs(gap) <= 1e3 * tol) & at_rounding(state)
    return answer(problem, state.L, state.S, state.Y, rank, done, state.steps, state.primal, state.dual, gap, objective)


def _next_penalty(mu, Y, dY, S, dS, falling, k):
    total = [jnp.abs(x).sum() for x in (Y, dY, S, dS)]
    ratio = total[0] * total[1] / (total[2] * total[3] * mu**2)
    rise = jnp.where((ratio > 0) & (ratio < jnp.inf), jnp.log(ratio) * 0.15 * 0.5 ** (k.astype(mu.dtype) / 200), 0)
    rise = jnp.clip(rise, -RISE, RISE)
    fall = FALL / (1 + k.astype(mu.dtype) / 200)
    limit = float(os.environ.get("LIM","0.1")) * jnp.finfo(mu.dtype).eps ** -0.5
    return jnp.where(falling, jnp.maximum(mu * jnp.exp(-fall), FLOOR), jnp.clip(mu * jnp.exp(rise), 1, limit))
