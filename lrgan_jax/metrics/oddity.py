"""How odd a part of a picture is, beside the same part of a generator's own pictures.

The part's pixels are looked at along the principal components of those of many samples: how many standard deviations
the picture is from their mean, root mean square over the components. 1 is a typical sample; paint has more.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from lrgan_jax import display
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError

COMPONENTS = 64
FINEST = 48  # pixels on the longer side of a part: larger ones are looked at in means of blocks
MARGIN = 0.05  # of the picture's height, around the region: its border belongs to how it looks


@display.record
class Place(NamedTuple):
    """Where a part lies in the picture, and how it is looked at."""

    rows: slice
    columns: slice
    step: int  # pixels of a block


@display.record
class Part(NamedTuple):
    """A part of the picture, and what samples look like there."""

    place: Place
    mean: Float[AnyArray, " p"]
    scaled: Float[AnyArray, "p k"]  # principal components, each over its standard deviation


def place_around(box: tuple[int, int, int, int], size: tuple[int, int]) -> Place:
    """The place of a part in pictures of this height and width.

    Args:
      box: top, left, height and width, as `regions.bounding_box` gives them.
    """
    margin, (top, left, tall, wide) = round(MARGIN * size[0]), box
    rows = slice(max(0, top - margin), min(size[0], top + tall + margin))
    columns = slice(max(0, left - margin), min(size[1], left + wide + margin))
    return Place(rows, columns, -(-max(rows.stop - rows.start, columns.stop - columns.start) // FINEST))


def learn_part(pixels: Float[np.ndarray, "n p"], place: Place) -> Part:
    """The part as samples have it.

    Args:
      pixels: `pixels_at` the place, of the samples.
    Raises:
      InputError: on no more samples than components.
    """
    if len(pixels) <= COMPONENTS:
        raise InputError(f"{COMPONENTS} components are learnt from more samples than that, got {len(pixels)}")
    pixels = pixels.astype(np.float64)
    mean = pixels.mean(0)
    _, deviations, axes = np.linalg.svd(pixels - mean, full_matrices=False)
    widths = np.maximum(deviations[:COMPONENTS], 1e-6 * deviations[0] + 1e-12) / len(pixels) ** 0.5
    return Part(place, *(a.astype(np.float32) for a in (mean, axes[:COMPONENTS].T / widths)))


def oddity(part: Part, images: Float[AnyArray, "*n h w c"]) -> Float[np.ndarray | Array, "*n"]:
    """Of every picture; NaN of one that is not finite."""
    whitened = (pixels_at(part.place, images) - part.mean) @ part.scaled
    return ((whitened**2).mean(-1, keepdims=True) ** 0.5)[..., 0]  # an array of one picture, too


def pixels_at(place: Place, images: Float[AnyArray, "*n h w c"]) -> Float[AnyArray, "*n p"]:
    """The part's, in means of whole blocks; rows and columns that fill none are left out."""
    crop, step = images[..., place.rows, place.columns, :], place.step
    *lead, height, width, channels = crop.shape
    rows, columns = height // step, width // step
    blocks = crop[..., : rows * step, : columns * step, :].reshape(*lead, rows, step, columns, step, channels)
    return blocks.mean((-4, -2)).reshape(*lead, -1)
