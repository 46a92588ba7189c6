"""A generator's stored noise pictures, and what keeps them noise while they are fitted.

Source: Karras et al. 2020, arXiv:1912.04958, appendix D, equation 5 for what keeps them from carrying a picture: the
squares of their mean products with themselves one pixel on, along both axes, at every size down to 8 pixels.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.inversion.weights import arrays

Pictures = Mapping[str, AnyArray]  # by their place among the generator's weights, [h, w] each
SMALLEST = 8  # pixels on a side, from which on correlations count


def noise_pictures(gen: object) -> dict[str, AnyArray]:
    """Those of a generator, none where it adds no noise."""
    return {place: picture for place, picture in arrays(gen).items() if _is_noise(place.split("/"))}


def correlation(pictures: Pictures) -> Float[Array, ""]:
    """How much pictures [h, w] are like themselves moved by some pixels: the sum of equation 5."""
    return sum((_of_one(picture) for picture in pictures.values()), start=jnp.zeros(()))


def normalised(picture: Float[AnyArray, "h w"]) -> Float[Array, "h w"]:
    """Of mean 0 and mean square 1."""
    centred = jnp.asarray(picture) - jnp.mean(picture)
    return centred * jax.lax.rsqrt(jnp.mean(jnp.square(centred)) + 1e-12)


def _of_one(picture: Float[AnyArray, "h w"]) -> Float[Array, ""]:
    picture, total = jnp.asarray(picture), jnp.zeros(())
    while True:
        total += jnp.square(jnp.stack([jnp.mean(picture * jnp.roll(picture, 1, axis)) for axis in (0, 1)])).sum()
        if min(picture.shape) <= SMALLEST:
            return total
        height, width = (side // 2 for side in picture.shape)
        blocks = picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
        picture = 2 * blocks.mean((1, 3))  # of unit variance again


def _is_noise(place: list[str]) -> bool:
    return "buffers" in place and place[-1].startswith("noise")
