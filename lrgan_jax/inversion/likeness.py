"""How unlike two pictures are, as the squared distance of numbers that are read off them.

    |features(a) - features(b)|^2 = pixels * mean square of a - b  +  lpips * LPIPS(a, b)

As it is a sum of squares, Adam can descend it and Gauss and Newton can take its residuals. Without LPIPS' network a
pyramid takes its place: the mean squares of the differences at half the size, a quarter and so on, whose coarse levels
tell a picture that is a little off from another one.

Source: LPIPS, Zhang et al. 2018, arXiv:1801.03924. Large pictures are compared at 256 pixels, as Karras et al. 2020,
arXiv:1912.04958, appendix D, do.
"""

import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from lrgan_jax import metrics
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.jacobian import pixel_grid, reduced
from lrgan_jax.metrics.lpips import SMALLEST, lpips_features

Network = Mapping[str, AnyArray]
Compared = Literal["lpips_alexnet", "lpips_vgg16", "pyramid"]
COMPARED: tuple[Compared, ...] = ("lpips_alexnet", "lpips_vgg16", "pyramid")
USUAL: Compared = "lpips_alexnet"
COARSEST = 4  # pixels on the shorter side of the pyramid's last level


def image_features(network: Network | None, *, pixels: float = 1.0, lpips: float = 1.0) -> Partial:
    """The function from images [N, H, W, C] in [-1, 1] to numbers [N, P].

    A `Partial` of the network, hence a pytree: under `jit` it is an argument, not a part of the program.

    Args:
      network: of LPIPS, as `metrics.load` gives it; None for the pyramid. pixels, lpips: what the two parts weigh.
    """
    return Partial(_weighted(pixels, lpips), network)


@cache
def _weighted(pixels: float, lpips: float) -> Callable:
    """One and the same each time: programs are compiled anew for another one, equal or not."""
    return partial(_features, pixels=pixels, lpips=lpips)


def network_of(wanted: Compared | None) -> tuple[Compared, Network | None]:
    """The network that is asked for, or the usual one if it is installed, else none; and what is then compared.

    Raises:
      MetricsError: with the commands to run, if a network is named that is not installed.
    """
    if wanted == "pyramid":
        return wanted, None
    name = wanted or USUAL
    try:
        return name, metrics.load(name)
    except metrics.MetricsError as error:
        if wanted is not None:
            raise
        warnings.warn(f"a pyramid of pixels is compared in place of LPIPS: {error}", stacklevel=4)
        return "pyramid", None


def distance(
    features: Partial, images: Float[AnyArray, "n h w c"], targets: Float[AnyArray, "n h w c"]
) -> Float[Array, " n"]:
    """The squared distance of each image from the target in its place."""
    return jnp.square(features(images) - features(targets)).sum(1)


def _features(network: Network | None, images: Float[AnyArray, "n h w c"], *, pixels: float, lpips: float):
    images = jnp.asarray(images)
    images = _shrunk(images, pixel_grid((images.shape[1], images.shape[2])))
    seen = _pyramid(images) if network is None else lpips_features(network, _enlarged(images))
    parts = [(pixels, _mean_square(images)), (lpips, seen)]
    return jnp.concatenate([np.sqrt(weight) * part for weight, part in parts if weight], axis=1)


def _mean_square(images: Float[Array, "n h w c"]) -> Float[Array, "n p"]:
    """Numbers whose squares add up to the image's mean square."""
    return images.reshape(len(images), -1) / np.sqrt(images[0].size)


def _pyramid(images: Float[Array, "n h w c"]) -> Float[Array, "n p"]:
    levels = []
    while min(images.shape[1:3]) >= 2 * COARSEST:
        height, width = (side // 2 for side in images.shape[1:3])
        images = _shrunk(images[:, : 2 * height, : 2 * width], (height, width))
        levels.append(_mean_square(images))
    return jnp.concatenate(levels or [_mean_square(images)], axis=1)


def _shrunk(images: Float[Array, "n h w c"], grid: tuple[int, int]) -> Float[Array, "n g v c"]:
    return jax.vmap(lambda image: reduced(image, grid, "area", "stack"))(images)


def _enlarged(images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """As large as the network wants them."""
    times = -(-max(SMALLEST.values()) // min(images.shape[1:3]))
    return images.repeat(times, axis=1).repeat(times, axis=2)
