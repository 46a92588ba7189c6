"""What an experiment stands on: latents, regions, and the Grams of each, computed once."""
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from lrgan_jax.generators import Generator, Z, sample_z, to_ws
from lrgan_jax.jacobian import check_layers
from lrgan_jax.pipeline import generator_grams
from lrgan_jax.regions import region_mask

AROUND = {  # how a region is drawn otherwise: shift of rows and columns, and scale, both as shares of its own size
    "larger": (0.0, 0.0, 1.25),
    "smaller": (0.0, 0.0, 0.8),
    "higher": (-0.15, 0.0, 1.0),
    "lower": (0.15, 0.0, 1.0),
    "left": (0.0, -0.15, 1.0),
    "right": (0.0, 0.15, 1.0),
}


class Setup(NamedTuple):
    """N latents, R regions and the layers to edit."""

    gen: Generator
    layers: tuple[int, ...] | None
    regions: tuple[str, ...]
    masks: Float[np.ndarray, "r h w"]  # at the image's size
    z: Float[Array, "n z"]
    ws: Float[Array, "n l d"]
    inside: Float[Array, "n r d d"]
    outside: Float[Array, "n r d d"]
    inside_around: Float[Array, "n p r d d"]  # of the regions drawn otherwise, in the order of AROUND
    outside_around: Float[Array, "n p r d d"]


def prepare(
    gen: Generator, key: Array, num: int, regions: Sequence[str], *, layers: Sequence[int] | str | None = None, truncation: float = 1.0
) -> Setup:
    """The Grams of `num` random latents, of the regions as they are and drawn otherwise, from one pass over each Jacobian."""
    layers = None if layers is None else check_layers(layers, gen.num_ws)
    regions = [regions] if isinstance(regions, str) else regions
    z = sample_z(gen, key, num).array
    latents = gen.mapping(Z(z), None, truncation)
    grid = min(gen.resolution, 256)
    drawn = np.stack([region_mask(region, grid, gen.info.regions) for region in regions])
    around = [redrawn(mask, *change) for change in AROUND.values() for mask in drawn]
    grams = generator_grams(gen, latents, np.concatenate([drawn, around]), layers=layers, channels="stack")
    assert grams.outside is not None
    count = len(drawn)

    def parts(a):
        return a[:, :count], a[:, count:].reshape(num, len(AROUND), count, *a.shape[2:])

    (inside, inside_around), (outside, outside_around) = parts(grams.inside), parts(grams.outside)
    masks = np.stack([region_mask(region, gen.resolution, gen.info.regions) for region in regions])
    return Setup(gen, layers, tuple(regions), masks, z, to_ws(gen, latents).array, inside, outside, inside_around, outside_around)


def redrawn(mask: Float[np.ndarray, "h w"], down: float, right: float, scale: float) -> Float[np.ndarray, "h w"]:
    """The region shifted by shares of its height and width and scaled about its centre, by nearest pixel; cut off at the border."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    centre = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2

    def source(size, middle, shift):
        place = np.rint((np.arange(size) - middle - shift) / scale + middle).astype(int)
        return np.where((place >= 0) & (place < size), place, size)  # past the end: the padding

    padded = np.pad(mask, (0, 1))
    return padded[np.ix_(source(mask.shape[0], centre[0], down * height), source(mask.shape[1], centre[1], right * width))]


def over_all(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of a Gram pair, and more of the same axes, compiled, for every latent and region.

    One after the other: solvers stop when they are done, where a batch would wait for its slowest.
    """
    return jax.jit(lambda *pairs: jax.lax.map(lambda of_latent: jax.lax.map(lambda pair: function(*pair), of_latent), pairs))
