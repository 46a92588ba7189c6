"""Small objects by name beside a store's arrays, and writes that happen only where nobody has written since.

TensorStore gives both on a file system (with locks), on GCS, and on S3 servers that know If-Match and If-None-Match, as
Amazon's do. On one that takes no notice of these, somebody else can come between a look and a write, and a block may be
computed twice.
"""

import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import tensorstore as ts

from lrgan_jax.sweep import buckets
from lrgan_jax.sweep.errors import Damaged, SweepError
from lrgan_jax.sweep.patience import Patience


class Seen(NamedTuple):
    """What lay under a name, None for nothing, and a stamp that changes with it."""

    content: bytes | None
    stamp: Any


class Objects:
    """Those under one URL, which ends with a slash. Each is written whole or not at all.

    Raises:
      SweepError: within ten seconds, where that cannot be reached.
    """

    def __init__(self, place: str):
        self.place = place
        with plainly(place):
            self._spec, self.context = buckets.spec(place), buckets.context()
            _reach(place, json.dumps(self._spec))
            self.root = ts.KvStore.open(self._spec, context=self.context).result()
        self.answer = Patience(place).answer

    def seen(self, name: str) -> Seen:
        with plainly(self.place):
            found = self.answer(self.root.read(name))
        return Seen(found.value if found.state == "value" else None, found.stamp.generation)

    def read(self, name: str) -> bytes | None:
        return self.seen(name).content

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """Those that are there, all asked for at once."""
        with plainly(self.place):
            reading = {name: self.root.read(name) for name in names}
            found = {name: self.answer(read) for name, read in reading.items()}
        return {name: result.value for name, result in found.items() if result.state == "value"}

    def write(self, name: str, content: bytes) -> None:
        with plainly(self.place):
            self.answer(self.root.write(name, content))

    def write_if(self, name: str, content: bytes, stamp: Any) -> bool:
        """Write unless somebody has written since `stamp`. Whether it was written."""
        with plainly(self.place):
            return self.answer(self.root.write(name, content, if_equal=stamp)).generation != b""

    def delete(self, *names: str) -> None:
        with plainly(self.place):
            for deleting in [self.root.write(name, None) for name in names]:
                self.answer(deleting)

    def names(self, folder: str = "") -> list[str]:
        """Of all objects below a folder, which is "" or ends with a slash; without the folder's own name."""
        with plainly(self.place):
            return [name.decode() for name in self.answer((self.root / folder).list())]

    def numbers(self, folder: str) -> set[int]:
        """The names in a folder that are numbers, as those of blocks are."""
        return {int(name) for name in self.names(folder) if name.isdecimal()}

    def spec(self, folder: str) -> Any:
        """How TensorStore reaches a folder, for arrays."""
        return {**self._spec, "path": f"{self._spec.get('path', '')}{folder}"}


def as_json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays by name in one object: an .npz file, and a checksum after its end."""
    file = io.BytesIO()
    np.savez(file, **dict(arrays), allow_pickle=False)
    return file.getvalue() + _check(file.getvalue())


def unpacked(content: bytes) -> dict[str, np.ndarray]:
    """The arrays again; types that NumPy has not come back as bytes.

    Raises:
      Damaged: if that is not what was written.
    """
    body, check = content[:-4], content[-4:]
    if check != _check(body):
        raise Damaged("the checksum is another one")
    with np.load(io.BytesIO(body)) as file:
        return dict(file)


def _check(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "little")


@contextmanager
def plainly(place: str) -> Iterator[None]:
    """Whatever went wrong with a disk or a network is a `SweepError` of one line."""
    try:
        yield
    except SweepError:
        raise
    except buckets.FAILURES as error:
        raise SweepError(f"{place}: {buckets.cause(error)}") from error


@contextmanager
def undamaged() -> Iterator[None]:
    """What cannot be read is `Damaged`; but that a store cannot be reached says nothing of what is in it."""
    try:
        yield
    except SweepError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(buckets.cause(error)) from error


@cache
def _reach(place: str, spec: str) -> None:
    """Once in a process, where it works; `spec` tells servers of the same bucket's name apart."""
    if (trouble := buckets.trouble(place)) is not None:
        raise SweepError(f"{place}: {trouble}")
