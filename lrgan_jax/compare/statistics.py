"""Medians over latents, and how far to trust them."""
import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000


class Interval(NamedTuple):
    """A median with its 95 % confidence interval."""

    median: Float[np.ndarray, "..."]
    low: Float[np.ndarray, "..."]
    high: Float[np.ndarray, "..."]


def median_interval(values: Float[np.ndarray, "n ..."], seed: int = 0) -> Interval:
    """Over the first axis, by resampling it: the percentile bootstrap (Efron 1979). Seeded, so the same values give the same interval."""
    n = len(values)
    rng = np.random.default_rng(seed)
    medians = nan_median(values[rng.integers(0, n, (RESAMPLES, n))], 1)
    # "nearest", since between infinities nothing can be interpolated.
    low, high = map(np.asarray, np.nanpercentile(medians, (2.5, 97.5), axis=0, method="nearest"))
    return Interval(nan_median(values, 0), low, high)


def nan_median(values: Float[np.ndarray, "..."], axis: int | tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """Of what is there, NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=axis))
