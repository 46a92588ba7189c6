"""What a checkpoint holds, line by line, for a person: `lrgan convert --inspect FILE`."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np

from lrgan_jax.foreign.allowed import Allowed, Record, short

LONGEST = 200  # lines for the entries of one container
# What numpy and zipfile raise on bytes that are no arrays, or damaged ones; zipfile promises only the first of its own.
UNREADABLE = (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, RuntimeError, NotImplementedError)


def lines(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """An indented outline of what `containers.read` gave: containers with their entries, tensors with type and shape.

    Everything from the file is shown as printable ASCII, so that no terminal obeys it.
    """
    indent, label = "  " * depth, f"{short(name)}: " if name else ""
    match value:
        case np.ndarray():
            yield f"{indent}{label}{value.dtype} {list(value.shape)}"
        case Record():
            yield f"{indent}{label}<{short(value.name)}>"
            filled = {
                key: item
                for key, item in (value.state or {}).items()
                if not (isinstance(item, dict | set) and not item)
            }
            filled |= {} if value.contents is None else {"contents": value.contents}
            yield from _entries(
                {**dict(enumerate(value.args)), **filled}, depth
            )  # without a module's dozen empty tables of hooks
        case Allowed():
            yield f"{indent}{label}<{short(value.name)}>"
        case Mapping():
            yield f"{indent}{label}dict of {len(value)}"
            yield from _entries(value, depth)
        case list() | tuple() | set() | frozenset():
            yield f"{indent}{label}{type(value).__name__} of {len(value)}"
            if any(not isinstance(item, int | float) for item in value):
                yield from _entries(dict(enumerate(value)), depth)
            elif value:
                yield f"{indent}  {short(', '.join(map(repr, list(value)[:16])))}"
        case bytes() | memoryview():
            yield f"{indent}{label}{len(value)} bytes"
        case _:
            yield f"{indent}{label}{short(repr(value) if not isinstance(value, str) else value)}"


def arrays(data: bytes, name: str) -> list[str] | None:
    """The same of a NumPy file, `.npy` or `.npz`, from the arrays' heads alone; None if it is none."""
    file = io.BytesIO(data)
    try:
        if not zipfile.is_zipfile(file):
            file.seek(0)
            return [f"{short(name)}: {_head(file)}"]
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")][:LONGEST]
            heads = [f"  {short(name.removesuffix('.npy'))}: {_head(archive.open(name))}" for name in names]
            return [f"{short(name)}: {len(heads)} arrays", *heads] if heads else None
    except UNREADABLE:
        return None


def _head(file: IO[bytes]) -> str:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return f"{dtype} {list(shape)}"


def _entries(entries: Mapping[Any, Any], depth: int) -> Iterator[str]:
    for count, (key, item) in enumerate(entries.items()):
        if count == LONGEST:
            yield f"{'  ' * (depth + 1)}... and {len(entries) - LONGEST} more"
            return
        yield from lines(item, str(key), depth + 1)
