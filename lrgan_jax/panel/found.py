"""Directions that have sliders: one answer to a drawing, or one of the model's own."""

from typing import Any, NamedTuple

import numpy as np

from lrgan_jax.directions import Directions
from lrgan_jax.panel.masks import Drawing
from lrgan_jax.pipeline import full_range
from lrgan_jax.search import Search

DRAWN = "drawn"
Still = tuple[str | Drawing, ...]  # names of regions, and such as were drawn


class Found(NamedTuple):
    """Whose face, which region, how it was searched, what was found.

    Attributes:
      title: as a person calls it. region: a name that `region_mask` knows, or DRAWN.
      search: as it was asked, with any masks that `directions.search` only mentions.
      truncation: at which the face was looked at.
      still: what the page asked to keep still, None where that is what the panel was opened with.
    """

    face: int
    title: str
    region: str
    drawing: Drawing
    search: Search
    directions: Directions
    truncation: float = 1.0
    still: Still | None = None

    @property
    def reaches(self) -> list[float]:
        """Where the sliders end: as much change of the region for each, whichever of them is the best."""
        return [full_range(inside[None])[1] for inside in np.asarray(self.directions.inside)]

    @property
    def leaks(self) -> list[float]:
        """Change outside over change inside, to first order."""
        outside = np.maximum(np.asarray(self.directions.outside), 0)  # what rounding leaves may lie below
        return (outside / np.asarray(self.directions.inside)).tolist()

    @property
    def about(self) -> dict[str, Any]:
        """For the page: whose it is, its title, and how far each slider `reaches` and `leaks`."""
        return {"face": self.face, "name": self.title, "reaches": self.reaches, "leaks": self.leaks}


class Named(NamedTuple):
    """A direction of the model's own, which goes with every face.

    Attributes:
      code: Python that loads it.
    """

    title: str
    directions: Directions
    code: str

    @property
    def reaches(self) -> list[float]:
        return [max(map(abs, self.directions.step_range))]

    @property
    def about(self) -> dict[str, Any]:
        """For the page: how far its slider goes, and its leak, if that was measured on other faces."""
        measure = self.directions.measure
        return {"reaches": self.reaches, "leaks": None if measure is None or measure.leak is None else [measure.leak]}
