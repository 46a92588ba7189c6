"""Masks on their way between the painter and Python, one bit a pixel, rows first, base64; and pictures of masks."""

import base64
import binascii
import io

import numpy as np
from jaxtyping import Float
from PIL import Image

from lrgan_jax.regions import Mask, RegionError, bounding_box, check, load_mask

LARGEST_PICTURE = 2048  # longer side of a picture that may be opened
MARGIN = 0.35  # of a region's larger side, on all four sides of its surroundings


def pack(mask: Float[np.ndarray, "h w"]) -> str:
    """A mask as text."""
    return base64.b64encode(np.packbits(mask >= 0.5).tobytes()).decode()


def unpack(text: str, grid: tuple[int, int]) -> Mask:
    """And back.

    Args:
      grid: height and width.
    Raises:
      RegionError: if it is not the mask of such a grid, or covers nothing, or everything.
    """
    content, (height, width) = _decoded(text), grid
    if len(content) != -(-height * width // 8):
        raise RegionError(f"the mask has {8 * len(content)} pixels, this model wants {width} x {height}")
    bits = np.unpackbits(np.frombuffer(content, np.uint8), count=height * width)
    return check(bits.reshape(grid).astype(np.float32), "the region")


def opened(text: str, grid: tuple[int, int]) -> Mask:
    """The mask in a PNG (base64), scaled to `grid`, height and width: white is inside.

    Raises:
      RegionError: on another format, a picture of another shape or too large, or a mask of nothing or everything.
    """
    content = _decoded(text)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            width, height = picture.size  # of its head: nothing is unfolded yet
    except Exception as error:  # Pillow raises half a dozen kinds for what is no picture
        raise RegionError("a mask is opened from a PNG, and this is none") from error
    if max(width, height) > LARGEST_PICTURE:
        raise RegionError(f"the mask is {width} x {height} pixels; its sides must be at most {LARGEST_PICTURE}")
    return load_mask(io.BytesIO(content), grid)


def surroundings(mask: Float[np.ndarray, "g v"], size: tuple[int, int]) -> tuple[slice, slice]:
    """The part of an image around a region, with a margin: a square, as far as the image has room for one.

    Args:
      size: height and width of the image.
    """
    top, left, height, width = (side * size[0] // len(mask) for side in bounding_box(mask[None]))
    side = round(max(height, width) * (1 + 2 * MARGIN))
    return _around(top, height, side, size[0]), _around(left, width, side, size[1])


def _around(start: int, length: int, side: int, size: int) -> slice:
    """`side` pixels, `length` of them in the middle, moved inwards at the border; all `size` if there are no more."""
    first = min(max(start + (length - side) // 2, 0), max(size - side, 0))
    return slice(first, first + min(side, size))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RegionError("the mask is not base64") from error
