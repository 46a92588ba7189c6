"""Layers of the networks that measure, as plain functions of arrays [N, H, W, C].

All products are of the highest precision: a measure should not depend on the device, and a TF32 one does in the third
digit.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError


def conv(
    x: Float[Array, "n h w i"],
    kernel: Float[AnyArray, "k l i o"],
    bias: Float[AnyArray, " o"],
    *,
    stride: int = 1,
    padding: str | int = "SAME",
) -> Float[Array, "n g v o"]:
    """Correlation plus bias.

    Padding is SAME (TensorFlow's: of an odd number of zeros the one more comes last), VALID or a number.
    """
    pads = padding if isinstance(padding, str) else [(padding, padding)] * 2
    out = lax.conv_general_dilated(
        x,
        jnp.asarray(kernel),
        (stride, stride),
        pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )
    return out + bias


def depthwise(
    x: Float[Array, "n h w c"], kernel: Float[AnyArray, "k l c 1"], *, stride: int = 1
) -> Float[Array, "n g v c"]:
    """Each channel with a kernel of its own, SAME padding.

    A sum of shifted arrays: XLA's depthwise convolution is slow on CPUs.
    """
    sides = kernel.shape[:2]
    pads = lax.padtype_to_pads(x.shape[1:3], sides, (stride, stride), "SAME")
    height, width = (-(-side // stride) for side in x.shape[1:3])
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    shifted = (
        x[:, i : i + stride * (height - 1) + 1 : stride, j : j + stride * (width - 1) + 1 : stride] * kernel[i, j, :, 0]
        for i, j in np.ndindex(*sides)
    )
    return sum(shifted, start=jnp.zeros((), x.dtype))


def max_pool(x: Float[Array, "n h w c"], window: int, stride: int, padding: str = "VALID") -> Float[Array, "n g v c"]:
    """Largest value of each window that fits in whole; with SAME, also of those at the end that do not."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, window, window, 1), (1, stride, stride, 1), padding)


def mean_pool(x: Float[Array, "n h w c"], window: int, stride: int) -> Float[Array, "n g v c"]:
    """Mean of each window that fits in whole."""
    total = lax.reduce_window(x, 0.0, lax.add, (1, window, window, 1), (1, stride, stride, 1), "VALID")
    return total / window**2


def norm(x: Float[Array, "*n c"]) -> Float[Array, "*n"]:
    """Euclidean length along the last axis, whose gradient at 0 is 0 rather than NaN."""
    squared = jnp.square(x).sum(-1)
    return jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1)), 0)


def three_channels(images: Float[AnyArray, "n h w c"]) -> Float[Array, "n h w 3"]:
    """Grey images in colour.

    Raises:
      InputError: while tracing, if there are neither one nor three channels.
    """
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise InputError(f"images are {images.shape}: [N, H, W, 3] or, if grey, [N, H, W, 1] is wanted")
    return jnp.broadcast_to(images, (*images.shape[:3], 3))
