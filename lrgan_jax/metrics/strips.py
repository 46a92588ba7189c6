"""Steps of equal size to the eye: for strips and animations that do not rush and then stall."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.checks import check_number, check_whole

FINE = 8  # short pieces per step of the strip, whose distances are added up


def root_mean_square(a: Float[AnyArray, "h w c"], b: Float[AnyArray, "h w c"]) -> Float[Array, ""]:
    """Of the difference of two images."""
    return jnp.sqrt(jnp.mean(jnp.square(a - b)))


def equal_steps(
    f: Callable[[Array], Array],
    latent: Float[AnyArray, "*layers d"],
    direction: Float[AnyArray, "*layers d"],
    low: Float[ArrayLike, ""],
    high: Float[ArrayLike, ""],
    num: int,
    distance: Callable[[Array, Array], Array] = root_mean_square,
) -> Float[Array, " num"]:
    """`num` steps from `low` to `high` between which the image changes by equal amounts, the ends included.

    The path is cut into short pieces of equal length; what they change is added up, and the sum is divided evenly.

    Args:
      f: one latent -> one image. direction: of the latent's shape, zero on layers that stay.
      distance: of two images; the root mean square of their difference, or LPIPS:
        `lambda a, b: lpips(params, a[None], b[None])[0]`. Where nothing changes, steps are equal in length.
    """
    check_whole("num", num, least=2)
    check_number("low", low)
    check_number("high", high)
    fine = jnp.linspace(low, high, FINE * (num - 1) + 1, dtype=jnp.result_type(latent))
    images = lax.map(lambda step: f(latent + step * direction), fine)
    pieces = jax.vmap(distance)(images[:-1], images[1:])
    pieces = pieces + 1e-6 * jnp.maximum(pieces.mean(), 1e-12)  # the sum must rise for its inverse to exist
    travelled = jnp.concatenate([jnp.zeros_like(pieces[:1]), jnp.cumsum(pieces)])
    return jnp.interp(jnp.linspace(0, 1, num, dtype=pieces.dtype), travelled / travelled[-1], fine)
