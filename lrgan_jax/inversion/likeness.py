"""How far images are from their targets: squared differences of pixels, and LPIPS or, without it, a pyramid."""

from collections.abc import Callable, Mapping

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.metrics.lpips import lpips as lpips_distance

Distance = Callable[[Array, Array], Float[Array, " n"]]


def image_distance(
    size: tuple[int, int], network: Mapping[str, AnyArray] | None, *, pixels: float = 1.0, lpips: float = 1.0
) -> Distance:
    """The distance of images [N, H, W, C] from targets of that shape, [N]: `pixels` times the mean squared difference
    and `lpips` times LPIPS, or without its network the mean absolute difference at all scales.
    """
    return Partial(_distance, None if network is None else dict(network), pixels, lpips)


def _distance(network, pixels, lpips, images, targets):
    squared = jnp.square(images - targets).mean((1, 2, 3))
    seen = _pyramid(images - targets) if network is None else lpips_distance(network, images, targets)
    return pixels * squared + lpips * seen


def _pyramid(change: Float[Array, "n h w c"]) -> Float[Array, " n"]:
    total, levels = jnp.abs(change).mean((1, 2, 3)), 1
    while min(change.shape[1:3]) % 2 == 0 and max(change.shape[1:3]) % 2 == 0:
        n, h, w, c = change.shape
        change = change.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))
        total, levels = total + jnp.abs(change).mean((1, 2, 3)), levels + 1
    return total / levels
