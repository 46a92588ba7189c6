"""Soft edges of a mask: a hard border makes a region's outermost pixels count as fully as its middle."""

import numpy as np
from jaxtyping import Float

from lrgan_jax.base.checks import check_number

FALL = 4.0  # standard deviations of a Gaussian, over which its integral rises from 0.02 to 0.98


def feathered(mask: Float[np.ndarray, "h w"], pixels: int | float) -> Float[np.ndarray, "h w"]:
    """The mask with an edge that falls off over so many of its pixels, half of them inside; 0 leaves it as it is.

    A Gaussian of a standard deviation of pixels / FALL. Beyond the image's border the mask goes on as it ends there; a
    region narrower than its edge is raised, so that it counts as much at its middle as it did.

    Raises:
      InputError: on less than 0 pixels, or more than the longer side of the image.
    """
    check_number("feather", pixels, least=0, most=max(mask.shape))
    if not pixels:
        return mask
    soft = _blurred(_blurred(mask.astype(np.float64), pixels / FALL).T, pixels / FALL).T
    return np.clip(soft * (mask.max() / soft.max()), 0, 1).astype(np.float32) if mask.any() else mask


def _blurred(rows: Float[np.ndarray, "h w"], deviation: float) -> Float[np.ndarray, "h w"]:
    """Down the columns."""
    reach = int(np.ceil(4 * deviation))
    weights = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / deviation))
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return windows @ (weights / weights.sum())
