"""Where a sweep's results lie: a zarr 3 group, written by TensorStore, on a local disk or wherever TensorStore reaches.

    zarr.json                 the group, and as its attributes the manifest: settings, model, versions
    <name>/                   a result of every latent, [num, ...] (see `block.AXES`): a file per block of latents, a
                              chunk in it per latent
    masks                     [R, h, w]
    natural_root              [d, d], in which lengths are counted, see `lengths`; not where latents are white
    population/               the same names without the latent's axis, from the mean Grams; once all is done
    progress/                 objects that are no arrays of zarr's:
      commits/<block>         a checksum of the block's results, and how many of its latents are usable
      sums/<block>            the Grams of its usable latents, added up; see sums.py
      spans/<span>            the same of many blocks, which takes the place of theirs
      partial/<block>         what there is of a block that was not finished; see unfinished.py
      claims/, workers/       who is at work; see claims.py

A block's commit comes after everything else of it is safe on the disk. So a block is whole or absent however a process
ends, and nothing committed is written again. What is damaged makes its block absent, and it is computed again.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from lrgan_jax.sweep.arrays import Layout, attributes, group, made, opened
from lrgan_jax.sweep.block import USABLE
from lrgan_jax.sweep.buckets import GROUP
from lrgan_jax.sweep.errors import Damaged
from lrgan_jax.sweep.objects import Objects, as_json, packed, plainly, undamaged, unpacked

POPULATION = "population"
COMMITS, SUMS, SPANS, PARTIAL = (f"progress/{name}/" for name in ("commits", "sums", "spans", "partial"))
SPAN = 64  # blocks


class Commit(NamedTuple):
    """What is known of a block without reading it. The last two count latents."""

    checksum: int
    usable: int
    converged: int


UNREADABLE = Commit(0, 0, 0)  # no block has this checksum


class Store:
    """Arrays by name, objects, and the manifest. Block k holds the latents from k * size on."""

    def __init__(self, place: str, manifest: dict[str, Any]):
        self.place, self.manifest, self.objects = place, manifest, Objects(place)
        self.num, self.size = manifest["settings"]["latents"]["num"], manifest["settings"]["block"]
        self.num_blocks = -(-self.num // self.size)
        self.num_spans = -(-self.num_blocks // SPAN)
        self.layouts = {name: Layout(*layout) for name, layout in manifest["arrays"].items()}
        self.by_latent = [name for name, layout in self.layouts.items() if layout.axes[0] == "latent"]
        with plainly(place):
            self.arrays: dict[str, Any] = opened(self.objects, self.layouts)

    def length(self, block: int) -> int:
        """How many latents it holds."""
        return min(self.size, self.num - block * self.size)

    def blocks_of(self, span: int) -> range:
        return range(span * SPAN, min((span + 1) * SPAN, self.num_blocks))

    def values(self, name: str, index: Any = ...) -> np.ndarray:
        """Part of one array."""
        with plainly(self.place):
            return self.objects.answer(self.arrays[name][index].read())

    def write(self, block: int, results: Mapping[str, np.ndarray], sums: Mapping[str, np.ndarray]) -> Commit:
        """Write everything of a block, [length, ...] each, then commit it. What counts is the first commit."""
        if block // SPAN not in self.objects.numbers(SPANS):
            self.objects.write(f"{SUMS}{block}", packed(sums))
        results = {name: results[name] for name in self.by_latent}
        if self.length(block) < self.size:  # TensorStore would read what is there, damaged or not, to fill up the file
            self.objects.delete(*(self._file(name, block) for name in results))
        with plainly(self.place):
            for writing in [self.arrays[name][self._place(block)].write(a) for name, a in results.items()]:
                self.objects.answer(writing)
        commit, name = _commit(results), f"{COMMITS}{block}"
        seen = self.objects.seen(name)
        first = seen.content is None and self.objects.write_if(name, as_json(commit._asdict()), seen.stamp)
        self.objects.delete(f"{PARTIAL}{block}")
        return commit if first else _read_commit(self.objects.read(name))

    def read(self, block: int, commit: Commit) -> dict[str, np.ndarray]:
        """The results of a committed block.

        Raises:
          Damaged: if something of it cannot be read, or is not what was written.
        """
        parts = self._parts(block, {name: self._place(block) for name in self.by_latent})
        if commit != _commit(parts):
            raise Damaged("the checksum is another one")
        return parts

    def _parts(self, block: int, places: Mapping[str, slice]) -> dict[str, np.ndarray]:
        with undamaged():
            reading = {name: self.arrays[name][place].read() for name, place in places.items()}
            return {name: self.objects.answer(read) for name, read in reading.items()}

    def _file(self, name: str, block: int) -> str:
        return f"{name}/c/{'/'.join([str(block), *['0'] * (self.arrays[name].rank - 1)])}"

    def _place(self, block: int) -> slice:
        return slice(block * self.size, block * self.size + self.length(block))

    def commits(self, known: Mapping[int, Commit] | None = None) -> dict[int, Commit]:
        """Of the blocks that are there; those not known yet are read. One that cannot be read is `UNREADABLE`."""
        known, there = dict(known or {}), self.objects.numbers(COMMITS)
        found = self.objects.read_all([f"{COMMITS}{block}" for block in there - known.keys()])
        new = {int(name.removeprefix(COMMITS)): _read_commit(content) for name, content in found.items()}
        return {block: commit for block, commit in (known | new).items() if block in there}

    def has(self, block: int) -> bool:
        return self.objects.read(f"{COMMITS}{block}") is not None

    def sum_of(self, block: int) -> dict[str, np.ndarray] | None:
        """None where there is none, as when its span is added up.

        Raises:
          Damaged: as `read`.
        """
        content = self.objects.read(f"{SUMS}{block}")
        return None if content is None else unpacked(content)

    def discard(self, block: int) -> None:
        """Make a block absent. Its files stay, to be written anew: somebody may be at that already."""
        self.objects.delete(f"{COMMITS}{block}")

    def write_population(self, results: Mapping[str, np.ndarray], axes: Mapping[str, tuple[str, ...]]) -> None:
        """Arrays without a latent's axis, as a group of their own, whose `zarr.json` commits them."""
        layouts = {name: Layout(a.shape, a.dtype.name, axes[name], len(a)) for name, a in results.items()}
        with plainly(self.place):
            for name, array in made(self.objects, layouts, f"{POPULATION}/").items():
                self.objects.answer(array.write(results[name]))
        about = {"arrays": list(results), "checksum": checksum(results)}
        self.objects.write(f"{POPULATION}/{GROUP}", group(about))

    def has_population(self) -> bool:
        return bool(self.objects.read(f"{POPULATION}/{GROUP}"))

    def discard_population(self) -> None:
        self.objects.delete(f"{POPULATION}/{GROUP}")

    def population(self) -> dict[str, np.ndarray] | None:
        """Its arrays, small enough to be read at once; None as long as not all is done.

        Raises:
          Damaged: as `read`.
        """
        content = self.objects.read(f"{POPULATION}/{GROUP}")
        if not content:
            return None
        with undamaged():
            about = attributes(content)
            arrays = opened(self.objects, about["arrays"], f"{POPULATION}/")
            parts = {name: self.objects.answer(array.read()) for name, array in arrays.items()}
            committed = about["checksum"]
        if committed != checksum(parts):
            raise Damaged("the checksum is another one")
        return parts


def _commit(results: Mapping[str, np.ndarray]) -> Commit:
    usable = results["usable"] == USABLE
    converged = usable & results["converged"].all(1) if "converged" in results else usable
    return Commit(checksum(results), int(usable.sum()), int(converged.sum()))


def _read_commit(content: bytes | None) -> Commit:
    try:
        commit = Commit(**json.loads(content or b""))
        return commit if all(isinstance(value, int) for value in commit) else UNREADABLE
    except (ValueError, TypeError):
        return UNREADABLE


def checksum(parts: Mapping[str, np.ndarray]) -> int:
    """Of names and contents; never 0, which stands for nothing."""
    total = 0
    for name in sorted(parts):
        total = zlib.crc32(parts[name].tobytes(), zlib.crc32(name.encode(), total))
    return total or 1
