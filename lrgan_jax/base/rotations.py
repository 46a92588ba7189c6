"""An orthonormal basis that follows a symmetric matrix A as A changes, by matrix products alone.

Symbols: U the basis; T = U^T A U; l the diagonal of T, E what is off it, |E_i| the norm of a row; R = I - U^T U.

A turn takes U to U (I + X + X^2 / 2 + R / 2) with the skew matrix

    X_ij = E_ij (l_j - l_i) / ((l_j - l_i)^2 + |E_i|^2 + |E_j|^2).

For eigenvalues that lie further apart than A has moved this is Jacobi's angle to first order, for all pairs at once.
Nearer ones cannot be told apart, and the other terms damp their angles, as Levenberg and Marquardt damp a step.
Jacobi's own angles turn clusters for ever, and scaled down as a whole they no longer turn what matters. One damping for
all pairs, by the norm of E, finds new large eigenvalues too late.

X^2 / 2 and R / 2 keep U orthonormal up to X^4 / 4 and R X, which the next R sees. A turn takes five products: two for T
and one for R, one for X^2 and one for U.
"""

from functools import partial

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

MOST_TURNS = 100
Square = Float[Array, "n n"]
dot = partial(jnp.matmul, precision=lax.Precision.HIGHEST)


def seen(A: Square, U: Square) -> tuple[Square, Square]:
    """T and R: A in the basis U (I + R / 2), which is orthonormal to second order in R, and R itself.

    That T is U^T A U + (R T + T R) / 2, where the T on the right may be its diagonal.
    """
    T, R = dot(U.T, dot(A, U)), jnp.eye(len(A), dtype=A.dtype) - dot(U.T, U)
    return (T + T.T) / 2 + _anticommutator(R, jnp.diagonal(T)), R


def unseen(T: Square, U: Square, R: Square) -> Square:
    """The A that is the almost diagonal T in that basis."""
    return dot(U, dot(T + _anticommutator(R, jnp.diagonal(T)), U.T))


def turned(U: Square, T: Square, R: Square, damping: Square | float = 0) -> Square:
    """A basis in which less is off the diagonal, from what was `seen` in U. `damping` is a further square of an
    eigenvalue below which two cannot, or need not, be told apart.
    """
    values, E = jnp.diagonal(T), _off_diagonal(T)
    rows = jnp.square(E).sum(0)
    apart = values - values[:, None]
    # Equal values would not turn: any small difference makes a pair begin to, and then grows threefold each turn.
    order = jnp.sign(jnp.arange(len(T)) - jnp.arange(len(T))[:, None])
    small = jnp.finfo(T.dtype).eps * jnp.sqrt(jnp.square(values) + rows)
    apart = jnp.where(apart == 0, small * order, apart)
    scale = apart**2 + rows + rows[:, None] + damping
    X = E * apart / jnp.where(scale == 0, 1, scale)
    square = dot(X, X)
    fraction = 1 / jnp.maximum(jnp.sqrt(jnp.abs(square).sum(0).max()), 1)  # X no larger than 1 in the spectral norm
    return U + dot(U, fraction * X + fraction**2 / 2 * square + R / 2)


def decomposed(A: Square) -> tuple[Float[Array, " n"], Square]:
    """Eigenvalues, rising, and eigenvectors as columns, as exact as rounding lets products be: an eigh of 20 to 40
    turns.
    """
    size = jnp.abs(A).max()
    A = (A + A.T) / 2 / jnp.where(size > 0, size, 1)  # in a unit in which squares neither overflow nor vanish
    U = eigenvectors(A, float(len(A) ** 0.5 * jnp.finfo(A.dtype).eps))
    for _ in range(2):  # eigenvalues alike turn to the end
        U = U + dot(U, (jnp.eye(len(A), dtype=A.dtype) - dot(U.T, U)) / 2)
    values = size * (U * dot(A, U)).sum(0)
    order = jnp.argsort(values)
    return values[order], jnp.where(jnp.isnan(size), jnp.nan, U)[:, order]


def eigenvectors(A: Square, precision: float) -> Square:
    """A basis in which no more than that part of A is off the diagonal. To 0.01 it takes some 20 turns from the
    identity.
    """

    def turn(carry):
        U, _, turns = carry
        T, R = seen(A, U)
        return turned(U, T, R), jnp.linalg.norm(_off_diagonal(T)), turns + 1

    def unfinished(carry):
        _, off, turns = carry
        return (off > precision * size) & (turns < MOST_TURNS)

    size = jnp.linalg.norm(A)
    U, *_ = lax.while_loop(unfinished, turn, (jnp.eye(len(A), dtype=A.dtype), size, jnp.array(0)))
    return U


def _anticommutator(R: Square, values: Float[Array, " n"]) -> Square:
    """(R D + D R) / 2, D the diagonal matrix of `values`."""
    return R * (values[:, None] + values) / 2


def _off_diagonal(matrix: Square) -> Square:
    return matrix - jnp.diag(jnp.diagonal(matrix))
