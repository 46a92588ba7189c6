"""Sliders that follow a walk: the direction turns on the way, so that far edits stay local; see `editing.walk`."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from lrgan_jax.base.errors import InputError
from lrgan_jax.directions import Directions
from lrgan_jax.editing import along, walk
from lrgan_jax.generators import WS, Generator
from lrgan_jax.lengths import natural_moves
from lrgan_jax.panel.found import DRAWN, Found, Named
from lrgan_jax.panel.wanted import Wanted
from lrgan_jax.search import Search
from lrgan_jax.targets import metric_root, search_moves

FARTHER = 2.0  # times as far as the straight slider goes
STEPS = 8  # either way: a Jacobian each


class Walk(NamedTuple):
    """Both ways from a face, [STEPS + 1, 1, L, d] each.

    Attributes:
      reach: of its slider, whose steps are as long as those of the straight one.
      length: of each way, in the metric of the search.
    """

    back: WS
    ahead: WS
    reach: float
    length: float

    def move(self, step: float) -> WS:
        """What a step adds to the latent, [1, L, d]."""
        path = self.ahead if step > 0 else self.back
        return along(path, min(abs(step) / self.reach, 1.0)) - path[0]


class Walks:
    """Those that were asked for. A path belongs to a face as it was, and to one direction."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, float, int, int], Walk] = {}

    def walk(self, gen: Generator, ws: WS, wanted: Wanted, found: Found | Named, index: int) -> Walk:
        """The one from `ws`; takes a Jacobian a step.

        Raises:
          InputError: for a direction of a region that this model does not know.
        """
        key = _key(wanted, found, index)
        if key not in self._known:
            self._known[key] = _walked(gen, ws, found, index)
        return self._known[key]

    def known(self, wanted: Wanted, found: Found | Named, index: int) -> Walk:
        """One that was.

        Raises:
          InputError: if it was not.
        """
        if (walked := self._known.get(_key(wanted, found, index))) is None:
            raise InputError(f"{found.title} was not walked from this face: ask for its walk first")
        return walked


def _settings(found: Found | Named) -> Search:
    """How a walk looks around: as the search did, in the layers that move."""
    directions = found.directions
    search = found.search if isinstance(found, Found) else Search()
    return search.but(layers=directions.layers, per_layer=directions.vectors.ndim == 3)


def _key(wanted: Wanted, found: Found | Named, index: int) -> tuple[int, float, int, int]:
    return wanted.face, wanted.truncation, id(found.directions), index  # a new title leaves these what they are


def _walked(gen: Generator, ws: WS, found: Found | Named, index: int) -> Walk:
    direction, search = found.directions[index], _settings(found)
    region = found.drawing.mask if isinstance(found, Found) and found.region == DRAWN else found.directions.region
    reach = FARTHER * found.reaches[index]
    length = reach * _length(gen, direction, search)
    back, ahead = (
        walk(gen, ws, direction, region, length=way * length, num_steps=STEPS, search=search) for way in (-1, 1)
    )
    return Walk(back, ahead, reach, length)


def _length(gen: Generator, direction: Directions, search: Search) -> float:
    """Of a step of 1, in the metric of the search."""
    moves, rows = search_moves(gen, search), jnp.asarray(direction.vectors)
    numbers = moves.gather(rows[0])[None] if moves.per_layer else moves.narrowed(rows)
    return float(np.linalg.norm(natural_moves(numbers, metric_root(gen, search))))
