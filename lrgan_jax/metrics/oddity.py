"""How odd a part of a picture is, beside the same part of a generator's own pictures.

The part's pixels are looked at along the principal components of those of many samples: how many standard deviations
the picture is from their mean, root mean square over the components. 1 is a typical sample; paint has more.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError

COMPONENTS = 64
FINEST = 48  # pixels on the longer side of a part: larger ones are looked at in means of blocks
MARGIN = 0.05  # of the picture's height, around the region: its border belongs to how it looks


class Part(NamedTuple):
    """A part of the picture, and what samples look like there. Arrays alone but for the box."""

    box: tuple[slice, slice]
    step: int  # pixels of a block
    mean: Float[AnyArray, " p"]
    scaled: Float[AnyArray, "p k"]  # principal components, each over its standard deviation


def learn_part(samples: Float[np.ndarray, "n h w c"], box: tuple[int, int, int, int]) -> Part:
    """The part around a box, as samples have it.

    Args:
      box: top, left, height and width, as `regions.bounding_box` gives them.
    Raises:
      InputError: on fewer samples than components.
    """
    if len(samples) <= COMPONENTS:
        raise InputError(f"{COMPONENTS} components are learnt from more samples than that, got {len(samples)}")
    height, width = samples.shape[1:3]
    margin, (top, left, tall, wide) = round(MARGIN * height), box
    rows = slice(max(0, top - margin), min(height, top + tall + margin))
    columns = slice(max(0, left - margin), min(width, left + wide + margin))
    step = -(-max(rows.stop - rows.start, columns.stop - columns.start) // FINEST)
    parts = _pixels(samples, (rows, columns), step).astype(np.float64)
    mean = parts.mean(0)
    _, deviations, axes = np.linalg.svd(parts - mean, full_matrices=False)
    widths = np.maximum(deviations[:COMPONENTS], 1e-6 * deviations[0] + 1e-12) / len(samples) ** 0.5
    return Part((rows, columns), step, *(a.astype(np.float32) for a in (mean, axes[:COMPONENTS].T / widths)))


def oddity(part: Part, images: Float[AnyArray, "*n h w c"]) -> Float[np.ndarray | Array, "*n"]:
    """Of every picture; NaN of one that is not finite."""
    whitened = (_pixels(images, part.box, part.step) - part.mean) @ part.scaled
    return (whitened**2).mean(-1) ** 0.5


def _pixels(images: Float[AnyArray, "*n h w c"], box: tuple[slice, slice], step: int) -> Float[AnyArray, "*n p"]:
    """Means of whole blocks; rows and columns that fill none are left out."""
    crop = images[..., box[0], box[1], :]
    *lead, height, width, channels = crop.shape
    rows, columns = height // step, width // step
    blocks = crop[..., : rows * step, : columns * step, :].reshape(*lead, rows, step, columns, step, channels)
    return blocks.mean((-4, -2)).reshape(*lead, -1)
