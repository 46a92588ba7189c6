"""One answer to a drawing."""

from typing import NamedTuple

import numpy as np

from lrgan_jax.directions import Directions
from lrgan_jax.pipeline import full_range
from lrgan_jax.regions import Mask
from lrgan_jax.search import Search

DRAWN = "drawn"


class Found(NamedTuple):
    """Whose face, which region, how it was searched, what was found."""

    face: int
    region: str  # a name that `region_mask` knows, or DRAWN
    mask: Mask
    search: Search  # as it was asked, with any masks that `directions.search` only mentions
    directions: Directions

    @property
    def reaches(self) -> list[float]:
        """Where the sliders end: as much change of the region for each, whichever of them is the best."""
        return [full_range(inside[None])[1] for inside in np.asarray(self.directions.inside)]

    @property
    def leaks(self) -> list[float]:
        """Change outside over change inside, to first order."""
        outside = np.maximum(np.asarray(self.directions.outside), 0)  # what rounding leaves may lie below
        return (outside / np.asarray(self.directions.inside)).tolist()
