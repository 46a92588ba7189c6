"""Where a sweep's results lie: a zarr 3 group, written by TensorStore, on a local disk or wherever TensorStore reaches.

    zarr.json                 the group, and as its attributes the manifest: settings, model, versions
    <name>/                   a result of every latent, [num, ...] (see `block.AXES`): a file per block of latents, a
                              chunk in it per latent
    sum_inside, sum_outside   [blocks, R, d (d + 1) / 2]: the Grams of a block's usable latents, added up
    committed                 [blocks]: a checksum of everything of the block, 0 for one that is not there
    masks                     [R, h, w]
    natural_root              [d, d], in which lengths are counted, see `lengths`; not where latents are white
    population/               the same names without the latent's axis, from the mean Grams; once all is done

A file has one writer, and a block's commit comes after everything else of it is safe on the disk. So a block is whole
or absent however a process ends, nothing committed is written again, and no two processes need to speak.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorstore as ts

from lrgan_jax.base.settings import differences
from lrgan_jax.sweep.errors import Damaged, SweepError

FORMAT = "lrgan_jax sweep 2"
EARLIER = "lrgan_jax sweep 1"  # which is read, but not gone on with: it holds results of every method, asked for or not
COMMITTED = "committed"
POPULATION = "population"
MANIFEST = "zarr.json"
READERS = 4  # blocks looked through at once


class Layout(NamedTuple):
    """One array. `axes` names its axes; files hold `piece` steps of the first one."""

    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...]
    piece: int


class Store:
    """Arrays by name, and the manifest. Block k holds the latents from k * size on."""

    def __init__(self, place: str, manifest: dict[str, Any]):
        self.place, self.manifest = place, manifest
        self.num, self.size = manifest["settings"]["latents"]["num"], manifest["settings"]["block"]
        self.num_blocks = -(-self.num // self.size)
        with plainly(place):
            self.root = ts.KvStore.open(place).result()
            self.layouts = {name: Layout(*layout) for name, layout in manifest["arrays"].items()}
            self.arrays: dict[str, Any] = {name: self._open(name) for name in (*self.layouts, COMMITTED)}

    def _open(self, name: str):
        return ts.open({"driver": "zarr3", "kvstore": f"{self.place}{name}/"}, open=True).result()

    def write(self, block: int, results: Mapping[str, np.ndarray]) -> None:
        """Write everything of a block, then commit it. What is past the last latent is padding, and dropped."""
        places = self._places(block)
        parts = {name: results[name][: place.stop - place.start] for name, place in places.items()}
        with plainly(self.place):
            for writing in [self.arrays[name][places[name]].write(part) for name, part in parts.items()]:
                writing.result()
            self.arrays[COMMITTED][block].write(_checksum(parts)).result()

    def read(self, block: int) -> dict[str, np.ndarray]:
        """Everything of a committed block.

        Raises:
          Damaged: if something of it cannot be read, or is not what was written.
        """
        places = self._places(block)
        try:
            reading = {name: self.arrays[name][place].read() for name, place in places.items()}
            parts = {name: read.result() for name, read in reading.items()}
            committed = self.arrays[COMMITTED][block].read().result()
        except ValueError as error:
            raise Damaged(_cause(error)) from error
        if committed != _checksum(parts):
            raise Damaged("the checksum is another one")
        return parts

    def values(self, name: str, index: Any = ...) -> np.ndarray:
        """Part of one array."""
        with plainly(self.place):
            return self.arrays[name][index].read().result()

    def discard(self, block: int) -> None:
        """Make a block absent again, the commit first."""
        with plainly(self.place):
            for name in (COMMITTED, *self._places(block)):
                corner = (block, *[0] * (self.arrays[name].rank - 1))
                self.root.write(f"{name}/c/{'/'.join(map(str, corner))}", None).result()

    def committed(self, blocks: Sequence[int] | None = None) -> np.ndarray:
        """Which of these blocks, or of all, are there.

        A commit that cannot be read counts: reading its block will tell.
        """
        reads = [
            self.arrays[COMMITTED][block].read() for block in (range(self.num_blocks) if blocks is None else blocks)
        ]
        return np.array([read.exception() is not None or read.result() != 0 for read in reads], bool)

    def look_through(self, blocks: Sequence[int]) -> Iterator[tuple[int, dict[str, np.ndarray] | Damaged]]:
        """What is there of these blocks, each with its contents, or with what is wrong with it.

        The damaged are discarded.
        """

        def contents(block: int) -> dict[str, np.ndarray] | Damaged:
            try:
                return self.read(block)
            except Damaged as error:
                self.discard(block)
                return error

        there = [block for block, known in zip(blocks, self.committed(blocks), strict=True) if known]
        with ThreadPoolExecutor(READERS) as readers:
            for k in range(0, len(there), READERS):  # not all at once: the contents take memory
                some = there[k : k + READERS]
                yield from zip(some, readers.map(contents, some), strict=True)

    def write_population(self, results: Mapping[str, np.ndarray], axes: Mapping[str, tuple[str, ...]]) -> None:
        """Arrays without a latent's axis, as a group of their own, whose `zarr.json` commits them."""
        with plainly(self.place):
            for name, value in results.items():
                layout = Layout(value.shape, value.dtype.name, axes[name], value.shape[0])
                _create(f"{self.place}{POPULATION}/{name}/", layout).write(value).result()
            attributes = {"arrays": list(results), "checksum": int(_checksum(results))}
            self.root.write(f"{POPULATION}/{MANIFEST}", _group(attributes)).result()

    def population(self) -> dict[str, np.ndarray] | None:
        """Its arrays, small enough to be read at once; None as long as not all is done.

        Raises:
          Damaged: as `read`.
        """
        content = self.root.read(f"{POPULATION}/{MANIFEST}").result().value
        if not content:
            return None
        try:
            attributes = json.loads(content)["attributes"]
            parts = {name: self._open(f"{POPULATION}/{name}").read().result() for name in attributes["arrays"]}
            committed = attributes["checksum"]
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(_cause(error)) from error
        if committed != _checksum(parts):
            raise Damaged("the checksum is another one")
        return parts

    def has_population(self) -> bool:
        """Whether it is there, without reading it."""
        return bool(self.root.read(f"{POPULATION}/{MANIFEST}").result().value)

    def length(self, block: int) -> int:
        """How many latents it holds."""
        return min(self.size, self.num - block * self.size)

    def _places(self, block: int) -> dict[str, slice]:
        """Where in each array a block lies."""
        first = block * self.size
        kinds = {"latent": slice(first, first + self.length(block)), "block": slice(block, block + 1)}
        return {name: kinds[layout.axes[0]] for name, layout in self.layouts.items() if layout.axes[0] in kinds}


def location(path: str | Path) -> str:
    """The URL of a local folder; a URL as it is. With a slash at its end."""
    text = str(path) if "://" in str(path) else f"file://{Path(path).resolve()}"
    return text.rstrip("/") + "/"


def create(
    place: str, manifest: dict[str, Any], arrays: Mapping[str, Layout], constants: Mapping[str, np.ndarray]
) -> Store:
    """Begin a store, or open the one that is there, if it was begun with the same settings.

    Args:
      constants: values of the arrays that are known from the start.
    Raises:
      SweepError: on a store with other settings, on something else at this place, or where nothing can be written.
    """
    manifest = {"format": FORMAT, **manifest, "arrays": arrays}
    with plainly(place):
        root = ts.KvStore.open(place).result()
        before = _manifest(root)
        if before is None:
            if root.list().result():
                raise SweepError(
                    f"{place} holds something else than a sweep, or one whose {MANIFEST} is lost; choose another name"
                )
            root.write(MANIFEST, _group(manifest)).result()
        else:
            _agree(place, manifest, before)
            manifest = before
        blocks = -(-manifest["settings"]["latents"]["num"] // manifest["settings"]["block"])
        for name, layout in (*arrays.items(), (COMMITTED, Layout((blocks,), "uint32", ("block",), 1))):
            _create(f"{place}{name}/", layout)
        store = Store(place, manifest)
        for name, value in constants.items():
            if not _holds(store.arrays[name], value):
                store.arrays[name].write(value).result()
    return store


def open_store(path: str | Path) -> Store:
    """A store that is there.

    Raises:
      SweepError: if there is none, or it cannot be read.
    """
    place = location(path)
    with plainly(place):
        manifest = _manifest(ts.KvStore.open(place).result())
    if manifest is None:
        raise SweepError(f"{path} holds no sweep: there is no {MANIFEST}")
    return Store(place, manifest)


def _manifest(root) -> dict[str, Any] | None:
    content = root.read(MANIFEST).result().value
    if not content:
        return None
    try:
        manifest = json.loads(content)["attributes"]
        if manifest["format"] in (FORMAT, EARLIER):
            return manifest
    except (ValueError, KeyError, TypeError):
        pass
    raise SweepError(f"{root.url}{MANIFEST} is not the manifest of a sweep, or damaged")


def _agree(place: str, now: dict[str, Any], before: dict[str, Any]) -> None:
    if before["format"] != now["format"]:
        raise SweepError(
            f"{place} was begun by an earlier release, which this one reads and cannot go on with; choose another name"
        )
    different = list(differences(json.loads(json.dumps(now["settings"])), before["settings"]))
    if different:
        raise SweepError(f"{place} holds a sweep with other settings: {'; '.join(different)}")


def _holds(array: Any, value: np.ndarray) -> bool:
    try:
        return np.array_equal(array.read().result(), value)
    except ValueError:  # damaged
        return False


def _group(attributes: dict[str, Any]) -> bytes:
    return json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes}, indent=1).encode()


def _create(place: str, layout: Layout):
    """Open an array, making it first if it is not there.

    A file per piece; in it a chunk per step, each with a checksum of its own.
    """
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    inner = [little, {"name": "zstd", "configuration": {"level": 1}}, {"name": "crc32c"}]
    rest = layout.shape[1:]
    codecs: list[Any] = inner
    if layout.piece > 1:
        shard = {"chunk_shape": [1, *rest], "codecs": inner, "index_codecs": [little, {"name": "crc32c"}]}
        codecs = [{"name": "sharding_indexed", "configuration": shard}]
    metadata = {
        "shape": layout.shape,
        "data_type": layout.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [layout.piece, *rest]}},
        "codecs": codecs,
        "dimension_names": layout.axes,
    }
    return ts.open({"driver": "zarr3", "kvstore": place, "metadata": metadata}, open=True, create=True).result()


def _checksum(parts: Mapping[str, np.ndarray]) -> np.uint32:
    """Of names and contents; never 0, which stands for nothing."""
    total = 0
    for name in sorted(parts):
        total = zlib.crc32(parts[name].tobytes(), zlib.crc32(name.encode(), total))
    return np.uint32(total or 1)


@contextmanager
def plainly(place: str) -> Iterator[None]:
    """TensorStore raises ValueError for whatever went wrong with a disk or a network: a `SweepError` of one line."""
    try:
        yield
    except SweepError:
        raise
    except ValueError as error:
        raise SweepError(f"{place}: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    """TensorStore's message without the trace of its own sources."""
    return str(error).partition(" [")[0].strip()
