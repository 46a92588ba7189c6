"""How directions are looked for: as the panel was opened, and with what the page wants otherwise."""

from collections.abc import Mapping
from typing import Any

from lrgan_jax import methods
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import Generator, grid
from lrgan_jax.panel.found import Still
from lrgan_jax.panel.masks import Drawing, drawing
from lrgan_jax.panel.wire import Request, text
from lrgan_jax.regions import RegionError, box_mask, known_regions
from lrgan_jax.search import Search
from lrgan_jax.targets import search_moves, targets


class Searching:
    """A generator's search, and its regions.

    Raises:
      InputError: on settings that no drawing could be searched with.
    """

    def __init__(self, gen: Generator, search: Search):
        self.gen, self.search, self.grid = gen, search, grid(gen, search.size)
        methods.local(search.method)
        search_moves(gen, search)
        targets(gen, [box_mask(0, 0, 1, 1, self.grid)], search)

    @property
    def regions(self) -> list[str]:
        """The names that this model's regions go by."""
        return known_regions(self.gen.info.regions)

    @property
    def layers(self) -> str:
        """Those that move, as a person writes them; none for all."""
        layers = self.search.layers
        return layers if isinstance(layers, str) else ",".join(map(str, layers or ()))

    def asked(self, request: Request) -> tuple[Search, Still | None]:
        """The settings, with what the page wants otherwise; and what it wants to keep still, if it says so."""
        asked: dict[str, Any] = {}
        if "layers" in request:
            asked["layers"] = text(request, "layers") or None
        if "method" in request:
            asked["method"] = methods.local(text(request, "method")).name
        still = None
        if request.get("protect") is not None:
            still = self._still(request["protect"])
            asked["protect"] = [part.mask if isinstance(part, Drawing) else part for part in still] or None
        return self.search.but(**asked), still

    def region(self, name: Any) -> str:
        """A name of one.

        Raises:
          InputError: if it is none.
        """
        if name not in self.regions:
            raise RegionError(f"this model has no region {name!r}")
        return name

    def protected(self) -> list[str] | None:
        """What keeps still, if all of it goes by names that the page shows, and counts fully."""
        protect = self.search.protect
        if protect is None:
            return []
        if isinstance(protect, Mapping):  # as the command gives them
            protect = list(protect) if {*protect.values()} == {1.0} else None
        chosen = [protect] if isinstance(protect, str) else protect if isinstance(protect, list | tuple) else [None]
        names = [name for name in chosen if isinstance(name, str) and name in self.regions]
        return names if len(names) == len(chosen) else None

    def _still(self, protect: Any) -> Still:
        if not isinstance(protect, list):
            raise InputError("what must keep still is a list of names of regions, and of masks that were drawn")
        drawn = [drawing(part, self.grid) if isinstance(part, Mapping) else self.region(part) for part in protect]
        return tuple(drawn)
