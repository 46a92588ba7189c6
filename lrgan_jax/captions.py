"""Pictures with a line of words below each, so that whoever reads of image 3 finds it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import ArrayLike, Float
from PIL import Image, ImageDraw, ImageFont

from lrgan_jax.images import GAP, Picture, to_uint8

SMALLEST, SHARE = 12, 16  # pixels of the letters' height: at least, and as a share of a picture's width
INK = (60, 60, 60)  # on the white of the gaps, whatever the pictures show


def captioned(rows: Sequence[ArrayLike], words: Sequence[Sequence[str]], enlarge: int = 1) -> Picture:
    """Rows of images [S, H, W, C] in [-1, 1], of one size, each pixel repeated `enlarge` times, and a line below each.

    Args:
      words: for each row those of its images.
    """
    tiles = [to_uint8(row).repeat(enlarge, 1).repeat(enlarge, 2) for row in rows]
    height, width = tiles[0].shape[1:3]
    line, gap = max(SMALLEST, width // SHARE) * 3 // 2, GAP * enlarge
    across = max(map(len, tiles))
    whole = np.full((len(tiles) * (height + line + gap) - gap, across * (width + gap) - gap, 3), 255, np.uint8)
    for r, (row, said) in enumerate(zip(tiles, words, strict=True)):
        for k, (tile, text) in enumerate(zip(row, said, strict=True)):
            top, left = r * (height + line + gap), k * (width + gap)
            whole[top : top + height + line, left : left + width] = np.concatenate([tile, _line(text, width, line)])
    return whole


def _line(text: str, width: int, height: int) -> Picture:
    """As much of the words as there is room for."""
    drawn = Image.new("RGB", (width, height), "white")
    font = ImageFont.load_default(height * 2 // 3)
    ImageDraw.Draw(drawn).text((0, height // 2), text, fill=INK, font=font, anchor="lm")
    return np.asarray(drawn)


def frames(steps: Float[np.ndarray, "s n h w c"], words: Sequence[Sequence[str]], enlarge: int = 1) -> np.ndarray:
    """The same of images side by side, N at each of S steps of an animation; uint8 [S, H, V, 3]."""
    return np.stack([captioned([images], [row], enlarge) for images, row in zip(steps, words, strict=True)])
