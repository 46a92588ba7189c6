"""Medians over latents, and how far to trust them."""
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
    medians = np.nanmedian(values[rng.integers(0, n, (RESAMPLES, n))], axis=1)
    low, high = np.nanpercentile(medians, (2.5, 97.5), axis=0)
    return Interval(np.nanmedian(values, axis=0), low, high)
