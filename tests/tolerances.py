"""The one tolerance policy: every comparison in the tests names one of these, or gives its cause for another."""

from typing import TypedDict

import numpy as np


class Tolerance(TypedDict):
    """What NumPy's assert_allclose takes."""

    rtol: float
    atol: float


EXACT = Tolerance(rtol=0, atol=0)  # reshapes, masks, file round trips
PARITY = 2e-5  # worst pixel against another implementation's float32 image, relative to the image's largest magnitude
PARITY_W = 1e-5  # the same for w, absolute
PARITY_F64 = 1e-9  # both in float64 throughout


def rounding(dtype, terms: int = 1) -> Tolerance:
    """One operation against a float64 loop that sums `terms` numbers per output."""
    eps = float(np.finfo(dtype).eps)
    return Tolerance(rtol=8 * eps * terms**0.5, atol=8 * eps * terms**0.5)


def worst(actual, expected) -> float:
    """Largest absolute difference, relative to the largest magnitude expected."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    return float(np.abs(actual - expected).max() / np.abs(expected).max())
