"""A quad of a photograph as an image: where it lies, what of it the photograph has, and the cutting out."""

import numpy as np
from jaxtyping import Bool, Float, Int

from lrgan_jax.base.errors import InputError
from lrgan_jax.photographs.framing import Quad, crop_map
from lrgan_jax.photographs.photograph import Photograph
from lrgan_jax.photographs.warp import places, warped

LARGEST = 3  # longer sides of the photograph; a larger crop would hardly show it


def cut(photo: Photograph, quad: Quad, size: tuple[int, int]) -> Float[np.ndarray, "h w 3"]:
    """The quad as an image in [-1, 1]; where it leaves the photograph, its reflection at the edge.

    Raises:
      InputError: if the quad is far larger than the photograph.
    """
    low, high = _ends(quad)
    if max(high[0] - low[0], high[1] - low[1]) > LARGEST * max(photo.size):
        raise InputError(f"a crop of {high[0] - low[0]} rows is no part of a photograph of {photo.size[0]}")
    rows, columns = (_reflected(*ends) for ends in zip(low, high, photo.size, strict=True))
    return np.clip(warped(photo.part(rows, columns), crop_map(quad - low, size), size), -1, 1)


def outside(photo: Photograph, quad: Quad, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Pixels of the crop whose middle the photograph does not have."""
    there = places(crop_map(quad, size), size)
    return np.any((there < 0) | (there > photo.size), axis=-1)


def window(photo: Photograph, quad: Quad) -> tuple[range, range]:
    """Rows and columns of the photograph that the quad touches."""
    low, high = _ends(quad)
    rows, columns = (range(max(ends[0], 0), min(ends[1:])) for ends in zip(low, high, photo.size, strict=True))
    return rows, columns


def _ends(quad: Quad) -> tuple[list[int], list[int]]:
    """First row and column that the quad touches, and those after the last."""
    return np.floor(quad.min(0)).astype(int).tolist(), np.ceil(quad.max(0)).astype(int).tolist()


def _reflected(low: int, high: int, side: int) -> Int[np.ndarray, " n"]:
    """Numbers low to high, those beyond a side's ends mirrored back into it."""
    numbers = np.arange(low, high) % (2 * side)
    return np.where(numbers < side, numbers, 2 * side - 1 - numbers)
