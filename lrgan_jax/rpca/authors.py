"""Robust PCA as LowRankGAN's released code computes it: the same steps, the same stopping rule, to reproduce its
answers.

It asks only whether L + S = M, and its penalty has the induced 1-norm of M, the largest column sum, where the usual one
has |M|_1 / n: up to n times larger. So it may stop far from the minimum. M is symmetric, so eigh stands in for their
SVD.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from lrgan_jax.base import linalg
from lrgan_jax.rpca.problem import Number, RobustPCA, Square, answer, dot, evaluate, pose, shrink


@jax.jit
def solve(gram: Square, lam: Number, tol: Number, max_steps: Int[Array, ""]) -> RobustPCA:
    """Their iteration, penalty and stop; see `robust_pca` for the arguments."""
    problem = pose(gram, lam, jnp.ones_like(lam))
    M = problem.M
    norm, n = jnp.linalg.norm, len(M)
    mu = n**2 / (4 * jnp.abs(M).sum(0).max())

    def step(carry):
        S, Y, *_, k = carry
        A = M - S + Y / mu
        values, U = linalg.eigh(A)
        values = shrink(values, 1 / mu)
        L = dot(U * values, U.T)
        L = (L + L.T) / 2
        V = S + Y / mu + (M - L - S)
        S, Y = shrink(V, lam / mu), jnp.clip(mu * V, -lam, lam)  # Y + mu (M - L - S), but exactly within its bound
        primal, dual = norm(M - L - S) / norm(M), mu * norm(A - L - Y / mu) / norm(Y)
        return S, Y, L, values, primal, dual, primal <= tol, k + 1

    def unfinished(carry):
        *_, done, k = carry
        return ~done & (k < max_steps)

    zeros, nan = jnp.zeros_like(M), jnp.full_like(mu, jnp.nan)
    start = zeros, zeros, zeros, zeros[0], nan, nan, ~problem.usable, jnp.zeros_like(max_steps)
    S, Y, L, values, primal, dual, done, k = lax.while_loop(unfinished, step, start)
    objective, gap = evaluate(problem, L, jnp.abs(values).sum(), Y)
    rank = jnp.sum(jnp.abs(values) > n * jnp.finfo(M.dtype).eps * jnp.abs(values).max())
    return answer(problem, RobustPCA(L, S, rank, done, k, primal, dual, gap, objective, problem.trivial, Y))
