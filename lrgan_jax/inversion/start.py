"""Where to begin: of many latents that the generator draws itself, those whose images are most like a photograph."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from lrgan_jax.generators import WS, Generator
from lrgan_jax.generators.sampling import seeded

BATCH = 32


class Beginnings(NamedTuple):
    """The best for every photograph, best first: ws [N, K, L, d], and classes [N, K, c] where synthesis takes them."""

    ws: Float[Array, "n k l d"]
    labels: Float[Array, "n k c"] | None


def beginnings(
    gen: Generator, features: Partial, targets: Float[Array, "n p"], seed: int, pool: int, num: int
) -> Beginnings:
    """The `num` best of the `pool` latents that a seed stands for, of all classes in turn.

    Args:
      targets: features of the photographs.
    """
    drawn = seeded(gen, seed, pool, labels=range(gen.c_dim)).all()
    unlike = np.concatenate([_unlike(gen, features, drawn[rows], targets) for rows in _batches(pool)])[:pool]
    best = np.argsort(unlike, axis=0, kind="stable")[:num].T
    return Beginnings(jnp.asarray(drawn)[best], None if drawn.c is None else jnp.asarray(drawn.c)[best])


def _batches(pool: int):
    """Of one size, the last one filled up with its last latent."""
    return (np.arange(first, first + BATCH).clip(max=pool - 1) for first in range(0, pool, BATCH))


@jax.jit
def _unlike(gen: Generator, features: Partial, ws: WS, targets: Float[Array, "n p"]) -> Float[Array, "b n"]:
    seen = features(gen.synthesis(ws.array, ws.c))
    return jax.lax.map(lambda one: jnp.square(targets - one).sum(1), seen)
