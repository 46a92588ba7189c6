"""What an edit does to the picture: mean squared change inside a region and outside.

Image values span [-1, 1], so a change of 0.02 is a root mean square of 0.14, 18 of 255 grey levels.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from lrgan_jax import display
from lrgan_jax.base.arrays import AnyArray


@display.record
class Change(NamedTuple):
    """How much of a change lies in a region: the mean squared difference per pixel and channel, or another measure that
    says so.
    """

    inside: Float[Array, ""]
    outside: Float[Array, ""]


def region_change(
    before: Float[AnyArray, "h w c"],
    after: Float[AnyArray, "h w c"],
    mask: Float[AnyArray, "h w"],
    rest: Float[AnyArray, "h w"] | None = None,
) -> Change:
    """Change of one image inside and outside a region; soft masks weigh the pixels.

    Args:
      rest: weights of pixels whose squared changes add up to the change outside, where that is not the mean over all of
        the rest.
    """
    squared = jnp.square(jnp.asarray(after) - before).mean(-1)

    def over(weights):
        return jnp.sum(squared * weights) / jnp.maximum(weights.sum(), 1e-6)

    return Change(over(mask), over(1 - mask) if rest is None else jnp.sum(squared * rest))
