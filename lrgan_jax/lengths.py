"""How long a move is: in coordinates in which a generator's own latents vary by one whichever way one looks.

Symbols: S [d, d] is the symmetric root of the covariance of w, so that w = mean + S u for a u that is white. A move of
w by v is S^-1 v long: 3 is three standard deviations. Of a vector for each of L layers, m = L * d numbers, the length
is the root mean square over the layers, so that moving all of them alike is as long as moving w. T [m, m] is that map
from u to v, never made: its blocks are sqrt(L) S.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray

HIGHEST = lax.Precision.HIGHEST
Root = Float[AnyArray, "w_dim w_dim"] | None  # S; None where latents are white already, or latent units are wanted


def natural_gram(gram: Float[AnyArray, "m m"], root: Root) -> Float[Array, "m m"]:
    """T^T M T: what a Gram says of moves in natural coordinates."""
    return jnp.asarray(gram) if root is None else _each_layer(_each_layer(gram, root).T, root)


def latent_moves(numbers: Float[AnyArray, "k m"], root: Root) -> Float[Array, "k m"]:
    """T u: moves of w."""
    return jnp.asarray(numbers) if root is None else _each_layer(numbers, root)


def natural_moves(vectors: Float[AnyArray, "k m"], root: Root) -> Float[Array, "k m"]:
    """T^-1 v, whose norm is the length."""
    if root is None:
        return jnp.asarray(vectors)
    layers = _layers(vectors, root)
    return jnp.linalg.solve(jnp.asarray(root), layers.reshape(-1, len(root)).T).T.reshape(vectors.shape) / _unit(layers)


def _each_layer(rows: Float[AnyArray, "k m"], root: Float[AnyArray, "d d"]) -> Float[Array, "k m"]:
    layers = _layers(rows, root)
    return (jnp.matmul(layers, root, precision=HIGHEST) * _unit(layers)).reshape(rows.shape)


def _layers(rows: Float[AnyArray, "k m"], root: Float[AnyArray, "d d"]) -> Float[Array, "k l d"]:
    return jnp.asarray(rows).reshape(len(rows), -1, len(root))


def _unit(layers: Float[Array, "k l d"]) -> float:
    return layers.shape[1] ** 0.5
