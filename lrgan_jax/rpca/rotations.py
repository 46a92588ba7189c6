"""An orthonormal basis that follows a symmetric matrix A as A changes, by matrix products alone.

Symbols: U the basis; T = U^T A U; l the diagonal of T, E what is off it, |E_i| the norm of a row; R = I - U^T U.

A turn takes U to U (I + X + X^2 / 2 + R / 2) with the skew matrix

    X_ij = E_ij (l_j - l_i) / ((l_j - l_i)^2 + |E_i|^2 + |E_j|^2).

For eigenvalues that lie further apart than A has moved this is Jacobi's angle to first order, for all pairs at once.
Nearer ones cannot be told apart, and the other terms damp their angles, as Levenberg and Marquardt damp a step:
undamped, clusters turn for ever, and an X scaled down as a whole keeps from turning those that matter. Damping all
pairs by the norm of the whole E finds new large eigenvalues too late. From the identity to the eigenvectors it takes
some 40 turns (n = 100 and 512), from those of a nearby matrix one.

X^2 / 2 and R / 2 keep U orthonormal up to X^4 / 4 and what R X leaves, and the next R sees that. The products: two for
T and one for R, one for X^2 and one to turn.
"""

import jax.numpy as jnp
from jax import lax

from lrgan_jax.rpca.problem import Square, dot

PRECISION = 1e-3  # of a start: the steps that follow have to turn further anyway
MOST_TURNS = 100


def seen(A: Square, U: Square) -> tuple[Square, Square]:
    """T and R: A in the basis U (I + R / 2), which is orthonormal to second order in R, and R.

    That T is T + (R T + T R) / 2, in which T stands for its diagonal.
    """
    T, R = dot(U.T, dot(A, U)), jnp.eye(len(A), dtype=A.dtype) - dot(U.T, U)
    values = jnp.diagonal(T)
    return (T + T.T) / 2 + R * (values[:, None] + values) / 2, R


def turned(U: Square, T: Square, R: Square) -> Square:
    """A basis in which less of A is off the diagonal, from what was `seen` in U."""
    values, rows = jnp.diagonal(T), jnp.square(_off_diagonal(T)).sum(0)
    apart = values - values[:, None]
    # Equal values would not turn: any small difference has a pair begin to, and then grows threefold each turn.
    order = jnp.sign(jnp.arange(len(T)) - jnp.arange(len(T))[:, None])
    apart = jnp.where(apart == 0, jnp.finfo(T.dtype).eps * jnp.abs(values) * order, apart)
    scale = apart**2 + rows + rows[:, None]
    X = _off_diagonal(T) * apart / jnp.where(scale == 0, 1, scale)
    X = (X - X.T) / 2
    square = dot(X, X)
    bound = jnp.sqrt(jnp.abs(square).sum(0).max())  # of |X|_2
    fraction = 1 / jnp.maximum(bound, 1)
    return U + dot(U, fraction * X + fraction**2 / 2 * square + R / 2)


def eigenvectors(A: Square) -> Square:
    """A basis in which no more than `PRECISION` of A is off the diagonal."""

    def turn(carry):
        U, _, turns = carry
        T, R = seen(A, U)
        off = jnp.linalg.norm(_off_diagonal(T))
        return turned(U, T, R), off, turns + 1

    def unfinished(carry):
        _, off, turns = carry
        return (off > PRECISION * size) & (turns < MOST_TURNS)

    size = jnp.linalg.norm(A)
    U, *_ = lax.while_loop(unfinished, turn, (jnp.eye(len(A), dtype=A.dtype), size, jnp.array(0)))
    return U


def _off_diagonal(matrix: Square) -> Square:
    return matrix - jnp.diag(jnp.diagonal(matrix))
