"""Masks on their way between the painter and Python: one bit a pixel, rows first, base64; and pictures that a person opens."""
import base64
import binascii
import io

import numpy as np
from jaxtyping import Float
from PIL import Image

from lrgan_jax.regions import Mask, RegionError, bounding_box, check, load_mask

LARGEST_PICTURE = 2048  # side of a picture that may be opened
MARGIN = 0.35  # of a region's larger side, on all four sides of its surroundings


def pack(mask: Float[np.ndarray, "g g"]) -> str:
    """A mask as text."""
    return base64.b64encode(np.packbits(mask >= 0.5).tobytes()).decode()


def unpack(text: str, grid: int) -> Mask:
    """And back.

    Raises:
      RegionError: if it is not the mask of a `grid` x `grid` image, or covers nothing, or everything.
    """
    content = _decoded(text)
    if len(content) != -(-(grid**2) // 8):
        raise RegionError(f"the mask has {8 * len(content)} pixels, this model wants {grid} x {grid}")
    bits = np.unpackbits(np.frombuffer(content, np.uint8), count=grid**2)
    return check(bits.reshape(grid, grid).astype(np.float32), "the region")


def opened(text: str, grid: int) -> Mask:
    """The mask in a PNG (base64), scaled to `grid` x `grid`: white is inside.

    Raises:
      RegionError: on another format, a picture that is not square or too large, or a mask of nothing or everything.
    """
    content = _decoded(text)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:  # reads only the head, so the size is known before pixels are
            width, height = picture.size
    except Exception as error:  # Pillow raises half a dozen kinds for what is no picture
        raise RegionError("a mask is opened from a PNG, and this is none") from error
    if width != height or width > LARGEST_PICTURE:
        raise RegionError(f"the mask is {width} x {height} pixels; it must be square, and at most {LARGEST_PICTURE} wide")
    return load_mask(io.BytesIO(content), grid)


def surroundings(mask: Float[np.ndarray, "g g"], size: int) -> tuple[slice, slice]:
    """The square part of a `size` x `size` image around a region, with a margin; everything around a large region."""
    top, left, height, width = (side * size // len(mask) for side in bounding_box(mask[None]))
    side = min(round(max(height, width) * (1 + 2 * MARGIN)), size)
    top, left = (min(max(start + (length - side) // 2, 0), size - side) for start, length in ((top, height), (left, width)))
    return slice(top, top + side), slice(left, left + side)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RegionError("the mask is not base64") from error
