"""An edit within a photograph: inside a region the edited image, outside every pixel as it was; and how steep the image
has become where they meet.
"""

from itertools import accumulate, repeat
from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float

from lrgan_jax import display
from lrgan_jax.base.checks import check_number
from lrgan_jax.base.errors import InputError

SOFTNESS = 1 / 32  # of the longer side: less shows the border of a changed cheek, more eats into small regions


@display.record
class Seam(NamedTuple):
    """Mean absolute difference of neighbouring pixels across the border, in image values; 2 / 255 is a grey level.

    Attributes:
      blended, photograph: of the image with the edit in it, and of the photograph in the same places.
    """

    blended: float
    photograph: float

    @property
    def excess(self) -> float:
        """What the border adds: the height of a step on an even ground, less where the photograph's own detail hides
        it, and below 0 where the edited image is the smoother one.
        """
        return self.blended - self.photograph


@display.record
class Blended(NamedTuple):
    """An image, the share of the edited one in each of its pixels, and the seam, None where the border is nowhere."""

    image: Float[np.ndarray, "h w c"]
    share: Float[np.ndarray, "h w"]
    seam: Seam | None

    def _repr_html_(self) -> str:
        share = np.broadcast_to(2 * self.share[..., None] - 1, (*self.share.shape, 3))
        parts = {"image": self.image, "share of the edit": share}
        shown = [display.picture(part[None], what, 128) for what, part in parts.items()]
        added = "" if self.seam is None else f"{self.seam.excess * 127.5:.1f} grey levels"
        return display.card("blended image, and the share of the edit", {"the seam adds": added}, " ".join(shown))


def blend(
    photograph: ArrayLike,
    edited: ArrayLike,
    mask: ArrayLike,
    *,
    softness: float = SOFTNESS,
) -> Blended:
    """The edited image within the region, the photograph outside, where no bit of a pixel changes.

    Args:
      photograph, edited: [H, W, C]. mask: [H, W], 1 inside, 0 outside, between where soft.
      softness: width of the border in which the edited image fades, inwards, as a share of the longer side; 0 cuts
        sharply.
    Raises:
      InputError: on a photograph, edited image and mask of different sizes, or numbers that make no sense.
    """
    before, after, mask = np.asarray(photograph), np.asarray(edited), np.asarray(mask)
    if before.shape != after.shape or mask.shape != before.shape[:2]:
        sizes = f"{list(before.shape)}, {list(after.shape)} and {list(mask.shape)}"
        raise InputError(f"photograph, edited image and mask are of one size, these are {sizes}")
    check_number("mask", mask, least=0, most=1)
    check_number("softness", softness, least=0, most=1)
    share = softened(mask, round(softness * max(mask.shape)))
    part = share[..., None]
    mixed = np.where(part == 0, before, (1 - part) * before + part * after).astype(before.dtype)
    return Blended(mixed, share, seam(mixed, before, share))


def softened(mask: Float[np.ndarray, "h w"], width: int) -> Float[np.ndarray, "h w"]:
    """The mask, rising evenly from its border inwards over so many pixels; 0 wherever it was. The edges of the image
    are no border.
    """
    depths = [*accumulate(repeat(None, max(width, 1) - 1), lambda inner, _: _eroded(inner), initial=mask)]
    return np.mean(depths, axis=0, dtype=mask.dtype)


def seam(
    blended: Float[np.ndarray, "h w c"], photograph: Float[np.ndarray, "h w c"], share: Float[np.ndarray, "h w"]
) -> Seam | None:
    """How steep both are between neighbours of which the edited image has not the same share."""
    border = [np.diff(share, axis=axis) != 0 for axis in (0, 1)]
    if not any(across.any() for across in border):
        return None
    return Seam(*(_steepness(image, border) for image in (blended, photograph)))


def _steepness(image: np.ndarray, border: list[np.ndarray]) -> float:
    steps = [np.abs(np.diff(image, axis=axis))[across] for axis, across in enumerate(border)]
    return float(np.concatenate(steps).mean())


def _eroded(mask: np.ndarray) -> np.ndarray:
    """Of each pixel and its eight neighbours the least."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(mask, 1, mode="edge"), (3, 3))
    return windows.min((2, 3))
