"""A search in mixed precision: a generator's Grams by fast products, and from them exact directions; see `exact`."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import lengths
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.exact import exact_directions
from lrgan_jax.generators import Generator, Latent, image_function, to_ws
from lrgan_jax.methods import Pair
from lrgan_jax.search import Search
from lrgan_jax.subspaces import Candidates
from lrgan_jax.targets import Targets, metric_root, row_weights, search_moves

FAST = "tensorfloat32"  # ten bits on a GPU, three passes of seven on a TPU


def tangents(search: Search) -> str:
    """The precision of the Grams' Jacobian, for those who then ask for `exact_candidates`."""
    return FAST if search.precision == "mixed" else search.precision


def exact_candidates(
    gen: Generator,
    w: ArrayLike | Latent,
    aims: Targets,
    search: Search,
    inside: Float[AnyArray, "r m m"],
    outside: Float[AnyArray, "r m m"],
) -> tuple[Candidates, Float[Array, " r"]]:
    """The frontier's first directions of every region, with an axis of regions in front, and its mu.

    Args:
      inside, outside: M_A and M_B by fast products, their means over the latents w.
    """
    ws, moves, root = to_ws(gen, w), search_moves(gen, search), metric_root(gen, search)
    at = (ws.array,) if ws.c is None else (ws.array, ws.c)
    f = image_function(gen, layers=moves)
    channels = jax.eval_shape(f, *(a[0] for a in at)).shape[2] if search.channels == "stack" else 1
    reduction = tuple(aims.masks.shape[1:]), search.pooling, search.channels
    options = {"reduction": reduction, "moves": moves, "num": search.num}

    def of_region(item):
        weights, fast = item
        cost = Pair(fast[0], fast[1], root, price=search.price, change=search.change, tao=search.tao).cost
        found = exact_directions(f, at, weights, fast, root, cost, **options)
        latents = found._replace(vectors=lengths.latent_moves(found.vectors, root))
        return latents, found.inside[0] / (found.outside[0] + cost)

    return lax.map(of_region, (row_weights(aims, channels), (jnp.asarray(inside), jnp.asarray(outside))))
