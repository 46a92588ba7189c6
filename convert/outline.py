"""What a checkpoint holds, line by line, for a person: `python -m convert --inspect FILE`."""
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lrgan_jax.foreign.allowed import Allowed, Record, short

LONGEST = 200  # lines for the entries of one container


def lines(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """An indented outline of a tree that `containers.read` gave: containers with their entries, tensors with type and shape.

    Everything from the file is shown as printable ASCII, so that no terminal obeys it.
    """
    indent, label = "  " * depth, f"{short(name)}: " if name else ""
    match value:
        case np.ndarray():
            yield f"{indent}{label}{value.dtype} {list(value.shape)}"
        case Record():
            yield f"{indent}{label}<{short(value.name)}>"
            filled = {key: item for key, item in (value.state or {}).items() if not (isinstance(item, dict | set) and not item)}
            filled |= {} if value.contents is None else {"contents": value.contents}
            yield from _entries({**dict(enumerate(value.args)), **filled}, depth)  # without a module's dozen empty tables of hooks
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


def _entries(entries: Mapping[Any, Any], depth: int) -> Iterator[str]:
    for count, (key, item) in enumerate(entries.items()):
        if count == LONGEST:
            yield f"{'  ' * (depth + 1)}... and {len(entries) - LONGEST} more"
            return
        yield from lines(item, str(key), depth + 1)
