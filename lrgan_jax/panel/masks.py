"""Masks on their way between the painter and Python: one bit a pixel, or one byte where they are soft, rows first,
base64; and pictures of masks.
"""

import base64
import binascii
import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lrgan_jax import images
from lrgan_jax.panel.wire import Reply, Request, encoded, number, text
from lrgan_jax.regions import Mask, RegionError, bounding_box, check, feathered, load_mask, region_mask

LARGEST_PICTURE = 2048  # longer side of a picture that may be opened
MARGIN = 0.35  # of a region's larger side, on all four sides of its surroundings
MARK = "a mask, its greys being weights"  # in the pictures that this page saves
Grid = tuple[int, int]  # height and width


class Drawing(NamedTuple):
    """A mask as it was drawn or opened, and over how many pixels its edge falls off."""

    drawn: Mask
    feather: float = 0.0

    @property
    def mask(self) -> Mask:
        """As it counts."""
        return check(feathered(self.drawn, self.feather), "the region")

    @property
    def soft(self) -> bool:
        """Whether more is drawn than black and white."""
        return not np.isin(self.drawn, (0, 1)).all()


def drawing(request: Request, grid: Grid) -> Drawing:
    """The `soft` mask that a request says, or else its `mask`, with its `feather`.

    Raises:
      RegionError, InputError: if one of them makes no sense.
    """
    feather = number(request, "feather", most=max(grid), default=0.0)
    if request.get("soft") is None:
        return Drawing(unpack(text(request, "mask"), grid), feather)
    return Drawing(unpack_soft(text(request, "soft"), grid), feather)


class Masks:
    """What the painter asks that has nothing to do with faces. Requests and replies are as in `studio.py`.

    Args:
      regions: the model's own, by name; see `regions.shapes_mask`.
    """

    def __init__(self, grid: Grid, regions: Mapping[str, Any]):
        self.grid, self.regions = grid, regions

    def region(self, request: Request) -> Reply:
        """`name` -> `mask` of one of the model's regions."""
        return {"mask": pack(region_mask(text(request, "name"), self.grid, self.regions))}

    def open(self, request: Request) -> Reply:
        """`picture`, a PNG as base64, white being inside -> `mask`, and `soft`, the same with its greys, if it has
        any.
        """
        mask = opened(text(request, "picture"), self.grid)
        soft = Drawing(mask).soft
        return {"mask": pack(mask), "soft": pack_soft(mask) if soft else None}

    def mask(self, request: Request) -> Reply:
        """`mask` or `soft`, `feather` -> `image`, in greys as it counts."""
        grey = levels(drawing(request, self.grid).mask)[..., None]
        return {"image": images.data_uri(np.repeat(grey, 3, -1))}

    def mask_file(self, request: Request) -> Reply:
        """The same, and perhaps a `title` -> `name` and `content` (base64) of a PNG that `open` takes."""
        buffer, mark = io.BytesIO(), PngInfo()
        mark.add_text("Comment", MARK)
        Image.fromarray(levels(drawing(request, self.grid).mask)).save(buffer, "PNG", pnginfo=mark)
        title = text(request, "title") if "title" in request else "mask"
        return {"name": f"{file_name(title)}.png", "content": encoded(buffer.getvalue())}


def pack(mask: Float[np.ndarray, "h w"]) -> str:
    """A mask as text."""
    return encoded(np.packbits(mask >= 0.5).tobytes())


def unpack(text: str, grid: Grid) -> Mask:
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


def pack_soft(mask: Float[np.ndarray, "h w"]) -> str:
    """A soft mask as text, in 255 steps."""
    return encoded(levels(mask).tobytes())


def unpack_soft(text: str, grid: Grid) -> Mask:
    """And back; see `unpack`."""
    content, (height, width) = _decoded(text), grid
    if len(content) != height * width:
        raise RegionError(f"the mask has {len(content)} pixels, this model wants {width} x {height}")
    weights = np.frombuffer(content, np.uint8).reshape(grid) / 255  # rounded once, as `load_mask` does it
    return check(weights.astype(np.float32), "the region")


def opened(text: str, grid: Grid) -> Mask:
    """The mask in a PNG (base64), scaled to `grid`, height and width: white is inside, greys count as weights.

    Raises:
      RegionError: on another format, a picture of another shape or too large, a mask of nothing or everything, or a
        picture in greys that is no mask; one that this page saved is.
    """
    content = _decoded(text)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            width, height = picture.size  # of its head: nothing is unfolded yet
            own = picture.info.get("Comment") == MARK
    except Exception as error:  # Pillow raises half a dozen kinds for what is no picture
        raise RegionError("a mask is opened from a PNG, and this is none") from error
    if max(width, height) > LARGEST_PICTURE:
        raise RegionError(f"the mask is {width} x {height} pixels; its sides must be at most {LARGEST_PICTURE}")
    if not own:
        load_mask(io.BytesIO(content), grid)  # which refuses a photograph
    soft = Drawing(load_mask(io.BytesIO(content), soft=True)).soft
    return load_mask(io.BytesIO(content), grid, soft=soft)


def surroundings(mask: Float[np.ndarray, "g v"], size: tuple[int, int]) -> tuple[slice, slice]:
    """The part of an image around a region, with a margin: a square, as far as the image has room for one.

    Args:
      size: height and width of the image.
    """
    top, left, height, width = (side * size[0] // len(mask) for side in bounding_box(mask[None]))
    side = round(max(height, width) * (1 + 2 * MARGIN))
    return _around(top, height, side, size[0]), _around(left, width, side, size[1])


def file_name(title: str) -> str:
    """A title as the name of a file, without its end."""
    return "".join(c for c in title if c.isalnum() or c in " -_").strip() or "untitled"


def _around(start: int, length: int, side: int, size: int) -> slice:
    """`side` pixels, `length` of them in the middle, moved inwards at the border; all `size` if there are no more."""
    first = min(max(start + (length - side) // 2, 0), max(size - side, 0))
    return slice(first, first + min(side, size))


def levels(mask: Float[np.ndarray, "h w"]) -> np.ndarray:
    """A mask in 255 steps."""
    return np.rint(255 * mask).astype(np.uint8)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RegionError("the mask is not base64") from error
