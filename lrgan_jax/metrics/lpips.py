"""LPIPS: how different two pictures look, as the distance of a network's features.

Features of five layers, each scaled to unit length over the channels; their squared difference, weighted by channel as
people judged, averaged over the pixels and summed over the layers.

Source: Zhang et al. 2018, arXiv:1801.03924, version 0.1 of the weights (`load("lpips_alexnet")` or "lpips_vgg16" of
`networks`).
"""

from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError
from lrgan_jax.metrics.change import Change
from lrgan_jax.metrics.layers import conv, max_pool, norm, three_channels

Params = Mapping[str, AnyArray]

# ImageNet's mean and standard deviation of pixels in [-1, 1], as the authors round them.
SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
SCALE = np.array([0.458, 0.448, 0.450], np.float32)
VGG16_POOLS = (2, 4, 7, 10)  # convolutions that follow a pooling; what is compared is what comes before it
SMALLEST = {"AlexNet": 31, "VGG16": 16}  # pixels on a side of which the last layer still sees one


@jax.jit
def lpips(params: Params, a: Float[AnyArray, "n h w c"], b: Float[AnyArray, "m g v d"]) -> Float[Array, " n"]:
    """Distance of each image of `a` from the one of `b` in its place.

    Args:
      params: AlexNet (the usual choice) or VGG16; which of them is told by the number of layers.
      a, b: images in [-1, 1]; grey ones (one channel) are taken as colour.
    Raises:
      InputError: while tracing, if the images differ in shape or are smaller than 31 pixels (VGG16: 16) on a side.
    """
    if a.shape != b.shape:
        raise InputError(f"the images are {a.shape} and {b.shape}: equal shapes are compared")
    features = _features(params, jnp.concatenate([a, b]))
    return _distance(params, [x[: len(a)] for x in features], [x[len(a) :] for x in features])


@jax.jit
def lpips_change(
    params: Params, before: Float[AnyArray, "h w c"], after: Float[AnyArray, "h w c"], mask: Float[AnyArray, "h w"]
) -> Change:
    """What of the visible change of one image lies inside a region, and what outside.

    Inside is the LPIPS between `before` and `before` with the region's pixels taken from `after`; outside, with all
    others taken from it. So an edit that changes no pixel outside has exactly 0 there, however far the network's layers
    see. Soft masks blend.
    """
    change, mask = after - before, mask[..., None]
    features = _features(params, jnp.stack([before, before + mask * change, before + (1 - mask) * change]))
    inside, outside = _distance(params, [x[:1] for x in features], [x[1:] for x in features])
    return Change(inside, outside)


def lpips_features(params: Params, images: Float[AnyArray, "n h w c"]) -> Float[Array, "n p"]:
    """Numbers of which the squared distance between two images is their LPIPS: for whoever needs residuals.

    Raises:
      InputError: as `lpips`.
    """
    layers = (
        x * jnp.sqrt(params[f"weights{i}"] / (x.shape[1] * x.shape[2]))
        for i, x in enumerate(_features(params, jnp.asarray(images)))
    )
    return jnp.concatenate([x.reshape(len(images), -1) for x in layers], axis=1)


def _distance(params: Params, a: list[Array], b: list[Array]) -> Float[Array, " n"]:
    layers = (
        jnp.einsum("nhwc,c->n", jnp.square(x - y), params[f"weights{i}"], precision=lax.Precision.HIGHEST)
        / (x.shape[1] * x.shape[2])
        for i, (x, y) in enumerate(zip(a, b, strict=True))
    )
    return sum(layers, start=jnp.zeros((), a[0].dtype))


def _features(params: Params, images: Float[Array, "n h w c"]) -> list[Array]:
    """Five layers [N, h, w, C], of unit length over C."""
    name, network = ("VGG16", _vgg16) if "conv5/kernel" in params else ("AlexNet", _alexnet)
    images = three_channels(images).astype(params["conv0/kernel"].dtype)
    if min(images.shape[1:3]) < SMALLEST[name]:
        raise InputError(
            f"images are {images.shape[1:3]}: {name} takes {SMALLEST[name]} pixels on a side at least; enlarge them"
        )
    return [x / (norm(x)[..., None] + 1e-10) for x in network(params, (images - SHIFT) / SCALE)]


def _alexnet(params: Params, x: Array) -> Iterator[Array]:
    for i, padding in enumerate((2, 2, 1, 1, 1)):
        if i in (1, 2):
            x = max_pool(x, 3, 2)
        x = jax.nn.relu(
            conv(x, params[f"conv{i}/kernel"], params[f"conv{i}/bias"], stride=1 if i else 4, padding=padding)
        )
        yield x


def _vgg16(params: Params, x: Array) -> Iterator[Array]:
    for i in range(13):
        if i in VGG16_POOLS:
            yield x
            x = max_pool(x, 2, 2)
        x = jax.nn.relu(conv(x, params[f"conv{i}/kernel"], params[f"conv{i}/bias"]))
    yield x
