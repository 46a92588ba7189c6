"""Images side by side, as a notebook shows them."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from lrgan_jax import images
from lrgan_jax.base.errors import InputError

SIDE = 128  # pixels of the longer side of a picture among others, at most; small ones are enlarged up to that
ALONE = 512  # of one alone, at most
ACROSS = 8  # pictures in a row, unless rows are given
GAP = 2  # pixels between them, through which the page is seen


class Pictures:
    """Images [H, W, C], [N, H, W, C] or rows of them [R, N, H, W, C], which a notebook shows.

    Floats span [-1, 1]; uint8 are shown as they are. C is 1 to 4: grey or RGB, with or without opacity. Pictures of
    Pillow stand for their pixels, alone and in lists.

    Raises:
      InputError: on other shapes, or on numbers that are not finite.
    """

    def __init__(self, arrays: Any):
        values = _checked(_pixels(arrays))
        self.lowest, self.highest = values.min(), values.max()
        tiles = in_bytes(values)
        self.rows = tiles if tiles.ndim == 5 else _in_rows(tiles.reshape(-1, *tiles.shape[-3:]))

    def __repr__(self) -> str:
        num = sum(map(len, self.rows))
        height, width = self.rows[0].shape[1:3]
        what = f"{num} picture{'s' * (num > 1)}, {width} x {height}"
        return f"<{what}, values {self.lowest:.3g} to {self.highest:.3g}; a notebook shows them>"

    def _repr_png_(self) -> bytes:
        side = ALONE if len(self.rows) == len(self.rows[0]) == 1 else SIDE
        rows = [shrunk(row, side) for row in self.rows]
        times = max(1, SIDE // max(rows[0].shape[1:3]))
        return images.encode(sheet([row.repeat(times, 1).repeat(times, 2) for row in rows]))


def _pixels(thing: Any) -> Any:
    if isinstance(thing, list | tuple):
        return [_pixels(part) for part in thing]
    if isinstance(thing, Image.Image):
        return np.asarray(thing.convert("RGBA" if thing.has_transparency_data else "RGB"))
    return thing


def _checked(arrays: Any) -> np.ndarray:
    """Their numbers, if they are those of pictures."""
    try:
        values = np.asarray(arrays)
    except ValueError as error:
        raise InputError("these pictures differ in shape: rows hold equally many, of one size") from error
    if values.ndim not in (3, 4, 5) or not values.size:
        raise InputError(f"pictures are [H, W, C], [N, H, W, C] or rows of them, got shape {list(values.shape)}")
    if not (values.dtype == np.uint8 or jnp.issubdtype(values.dtype, jnp.floating)):
        raise InputError(f"pictures are floats in [-1, 1], or uint8, got {values.dtype}")
    if not np.isfinite(values).all():
        raise InputError("these pictures hold numbers that are not finite")
    return values


def in_bytes(values: Shaped[np.ndarray, "*n h w c"]) -> UInt8[np.ndarray, "*n h w 3"]:
    """RGB of 8 bits, of floats in [-1, 1] or of what has 8 bits already."""
    return images.to_uint8(values / np.float32(127.5) - 1 if values.dtype == np.uint8 else values)


def _in_rows(tiles: UInt8[np.ndarray, "n h w 3"]) -> list[UInt8[np.ndarray, "_ h w 3"]]:
    return [tiles[first : first + ACROSS] for first in range(0, len(tiles), ACROSS)]


def shrunk(tiles: UInt8[np.ndarray, "n h w 3"], side: int) -> UInt8[np.ndarray, "n g v 3"]:
    """Pictures no more than `side` pixels high and wide, as means of what they were."""
    height, width = tiles.shape[1:3]
    longer = max(height, width)
    if longer <= side:
        return tiles
    size = max(1, round(width * side / longer)), max(1, round(height * side / longer))
    return np.stack([np.asarray(Image.fromarray(tile).resize(size, Image.Resampling.BOX)) for tile in tiles])


def sheet(rows: Sequence[UInt8[np.ndarray, "_ h w 3"]]) -> UInt8[np.ndarray, "_ _ 4"]:
    """Rows of pictures as one, with gaps through which the page is seen."""
    height, width = (side + GAP for side in rows[0].shape[1:3])
    whole = np.zeros((height * len(rows), width * max(map(len, rows)), 4), np.uint8)
    for top, row in enumerate(rows):
        for left, tile in enumerate(row):
            place = whole[top * height :, left * width :][: len(tile), : tile.shape[1]]
            place[..., :3], place[..., 3] = tile, 255
    return whole[:-GAP, :-GAP]
