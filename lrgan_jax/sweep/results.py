"""Reading a store: arrays that are read when they are looked at, and directions."""

from collections.abc import Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Int

from lrgan_jax import display
from lrgan_jax.directions import Directions, Found
from lrgan_jax.layers import moves_of
from lrgan_jax.pipeline import full_range, move_rows
from lrgan_jax.sweep.begin import open_store
from lrgan_jax.sweep.block import USABLE
from lrgan_jax.sweep.errors import SweepError
from lrgan_jax.sweep.plan import job_of, protected
from lrgan_jax.sweep.store import PARTIAL, Store

if TYPE_CHECKING:
    from tensorstore import TensorStore

OF_DIRECTIONS = (
    "vectors",
    "inside",
    "outside",
    "kept",
    "valid",
    "mu",
    "rank_inside",
    "rank_outside",
    "converged",
)  # as far as there
LOOKED_AT = 256  # latents, for a look in a notebook


@display.record
class Counts(NamedTuple):
    """Latents: that are there, of those the ones with finite results, and of these those whose robust PCA converged."""

    done: int
    usable: int
    converged: int


class Sweep:
    """A store, finished or not.

    Attributes:
      manifest: settings, model, versions. regions: names, in the order of the arrays' `region` axis.
      arrays: name -> TensorStore array (see `block.AXES`); indexing is lazy, `np.asarray` reads. Latents that are not
        done read as 0.
    """

    def __init__(self, store: Store):
        self._store = store
        self.manifest: Mapping[str, Any] = store.manifest
        self.regions: list[str] = store.manifest["regions"]
        self.arrays: Mapping[str, TensorStore] = {name: store.arrays[name] for name in store.layouts}

    def __repr__(self) -> str:
        return f"<sweep of {len(self)} latents, {self.manifest['model']}, {', '.join(self.regions)}>"

    def _repr_html_(self) -> str:
        """How far it is, and figures and thumbnails of the first latents: stores may be larger than a look is long."""
        done = self.done()
        facts = {
            "model": self.manifest["model"],
            "done": f"{done.sum()} of {len(self)}",
            "directions of the mean Gram": display.span(self._store.has_population()),
            "search": repr(job_of(self.manifest).search),
        }
        parts, why = display.if_it_can(lambda: self._look(np.flatnonzero(done[:LOOKED_AT])))
        return display.card("sweep", facts, *parts, why)

    def _look(self, first: Int[np.ndarray, " n"]) -> list[str]:
        """Thumbnails, and what the best directions do, of these latents."""
        if not len(first):
            return []
        few = first[: display.SHOWN]
        pictures = [display.picture(images, f"latents {few[0]} to {few[-1]}") for images in [self._first("image", few)]]
        usable = first[self._first("usable", first) == USABLE]
        inside, outside, valid = (self._first(name, usable)[..., 0] for name in ("inside", "outside", "valid"))
        leaks = np.where(valid, outside / np.maximum(inside, 1e-12), np.nan)
        columns = {"region": [escape(name) for name in self.regions]}
        columns |= {"leak of the best, median": [f"{100 * leak:.2g} %" for leak in np.nanmedian(leaks, 0)]}
        for name in ("mu", "rank_inside", "rank_outside"):
            if name in self.arrays:
                columns[name.replace("_", " ")] = [display.span(of) for of in self._first(name, usable).T]
        note = display.note(f"of the first {len(usable)} usable latents") if len(usable) < len(self) else ""
        return [*pictures, display.table(columns), note]

    def _first(self, name: str, latents: Int[np.ndarray, " n"]) -> np.ndarray:
        return self._store.values(name, latents)

    @cached_property
    def population(self) -> dict[str, np.ndarray] | None:
        """The results' names without the latent's axis, and mean_inside, mean_outside [R, d, d]; None until all latents
        are done.

        Raises:
          Damaged: if it cannot be read; the sweep's own command writes it again.
        """
        return self._store.population()

    def __len__(self) -> int:
        return self._store.num

    def __getitem__(self, name: str) -> "TensorStore":
        return self.arrays[name]

    def done(self) -> np.ndarray:
        """Which latents are there, bool [N], usable or not."""
        there = self._store.commits()
        return np.repeat([block in there for block in range(self._store.num_blocks)], self._store.size)[: len(self)]

    def counts(self) -> Counts:
        """How many latents, from what was noted with each block: of any number of latents within seconds."""
        there = self._store.commits()
        done = sum(map(self._store.length, there))
        return Counts(done, *(sum(getattr(c, name) for c in there.values()) for name in ("usable", "converged")))

    def unfinished(self) -> list[int]:
        """Numbers of blocks of which something is kept that no array shows yet."""
        return sorted(self._store.objects.numbers(PARTIAL))

    def usable(self) -> np.ndarray:
        """Which latents are there and have finite results, bool [N]."""
        return self.done() & (self._store.values("usable") == USABLE)

    def converged(self) -> np.ndarray:
        """Of which usable latents every robust PCA converged, bool [N]: all of them where the method needs none."""
        return self.usable() & (self._store.values("converged").all(1) if "converged" in self.arrays else True)

    def directions(self, region: str, latent: int | None = None) -> Directions:
        """Those of one latent, or of the mean Gram over all: directions that serve all of them.

        Raises:
          SweepError: if there are none: another region, a latent that is not done or has no finite results, no
            direction left.
        """
        if region not in self.regions:
            raise SweepError(f"no region {region!r} in this sweep: it has {', '.join(self.regions)}")
        if latent is not None and not 0 <= latent < len(self):
            raise SweepError(f"no latent {latent} in this sweep: it has 0 to {len(self) - 1}")
        found = self._found(self.regions.index(region), latent)
        chosen = np.flatnonzero(found["valid"])
        if not len(chosen):
            raise SweepError(
                f"no direction of {region} is left here: it does not react, or --lam or --mu leaves nothing"
            )
        vectors, inside, outside = (found[name][chosen] for name in ("vectors", "inside", "outside"))
        kept = found["kept"][chosen] if "kept" in found else None
        about = {
            name: found[name].item() for name in ("mu", "rank_inside", "rank_outside", "converged") if name in found
        }
        search, num_ws = job_of(self.manifest).search, self._store.layouts["ws"].shape[1]
        numbers: Any = search.part  # as stores have it, whose models need not be at hand
        moves = moves_of(search.layers, num_ws, per_layer=search.per_layer, numbers=numbers)
        return Directions(
            move_rows(vectors, moves, self._store.layouts["ws"].shape[2]),
            inside,
            outside,
            kept,
            layers=moves.rows,
            step_range=full_range(inside),
            region=region,
            method=search.method,
            model=self.manifest["model"],
            fingerprint=self.manifest["settings"]["model"],
            search=search.but(protect=protected(self.manifest)),
            found=Found(**about, average=self.counts().usable if latent is None else 1),
        )

    def _found(self, region: int, latent: int | None) -> dict[str, np.ndarray]:
        if latent is None:
            population = self.population
            if population is None:
                raise SweepError(
                    f"{self.counts().done} of {len(self)} latents are done: population directions come when all are"
                )
            return {name: population[name][region] for name in OF_DIRECTIONS if name in population}
        there = self._store.has(latent // self._store.size)
        if not there or self._store.values("usable", latent) != USABLE:
            raise SweepError(f"latent {latent} is not done, or has no finite results")
        return {name: self._store.values(name, (latent, region)) for name in OF_DIRECTIONS if name in self.arrays}


def open(path: str | Path) -> Sweep:  # noqa: A001, the name that file libraries give it
    """A sweep's store, finished or not, from any machine.

    Raises:
      SweepError: if there is none, or it cannot be read.
    """
    return Sweep(open_store(path))
