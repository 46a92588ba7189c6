"""Where in a file the networks are: one way through whatever training scripts, frameworks and encoders put around them.

A file is a tree of dicts, lists, objects and modules. Each dict that holds tensors, and each outermost module, is a table of names. A
network is known by one tensor that only it has, its format's SIGN, such as `input.input`: wherever a name of a table ends so, what stands
before it is the network's place, be it `g_ema`, `decoder`, `module._orig_mod` or nothing.
"""
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import Record

# What wrappers put into names, at any depth: data parallel, torch.compile, sharding, activation checkpoints.
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_MOST = 100  # networks in a file
_MOST_LETTERS = 10_000_000  # in all names: a module that hangs in two places has its names twice, and so on
_AVERAGED = re.compile(r"(?<![a-fh-z])ema(?![a-z])|smooth|average|running|shadow")  # gema is, semantic is not


class Place(NamedTuple):
    """A network in a file.

    Attributes:
      path: dotted, "" for the file itself. tensors: by their names below it, without what wrappers put in.
      owner: the dict or module whose table the names are from; `inside` is what of the path lies within it.
      above: the dicts around it, the nearest first, which may hold a mean latent or arguments.
    """

    path: str
    tensors: dict[str, np.ndarray]
    owner: Any
    inside: str
    above: tuple[Mapping, ...]

    def beside(self, name: str) -> Any:
        """The value of that name nearest around the network, or None."""
        stem = self.inside
        while stem and isinstance(self.owner, Mapping):
            stem = stem.rpartition(".")[0]
            if (key := f"{stem}.{name}".lstrip(".")) in self.owner:
                return self.owner[key]
        return next((d[name] for d in self.above if name in d), None)


class Table(NamedTuple):
    """Tensors by their names, where they were found, and what holds them: a dict or a module, and the dicts above it."""

    path: tuple[str, ...]
    names: dict[str, np.ndarray]
    owner: Any
    above: tuple[Mapping, ...]


def places(tables: Iterable[Table], sign: str) -> list[Place]:
    """Every network with a tensor of that name, in the order of the file.

    Raises:
      CheckpointError: if there are a hundred and more, or a network has names twice.
    """
    found: dict[str, Place] = {}
    work = _Work()
    for table in tables:
        for start in dict.fromkeys(_before(name, sign) for name in table.names):
            if start is not None:
                place = _place(table, start, work)
                if place.path in found:
                    raise CheckpointError(f"there are two networks under {place.path!r:.80}")
                found[place.path] = place
                if len(found) > _MOST:
                    raise CheckpointError(f"more than {_MOST} networks in it")
    return list(found.values())


class _Work:
    """What was done with the names of a file: of a few hundred networks' worth it is an attack."""

    def __init__(self):
        self.letters = 0

    def add(self, letters: int) -> None:
        self.letters += letters
        if self.letters > _MOST_LETTERS:
            raise CheckpointError("more names in it than any checkpoint has")


def _before(name: str, sign: str) -> str | None:
    """What stands before `sign` in a name that ends so, with or without wrappers in between; None if it does not."""
    parts = name.split(".")
    for wanted in reversed(sign.split(".")):
        while parts and parts[-1] in _WRAPPERS:
            parts.pop()
        if not parts or parts.pop() != wanted:
            return None
    return "".join(f"{part}." for part in parts)


def _place(table: Table, start: str, work: _Work) -> Place:
    """The network whose names start so. What lies outside of wrappers just before it, such as an average's counter, is theirs."""
    inside = start.split(".")[:-1]
    while inside and inside[-1] in _WRAPPERS:
        inside.pop()
    tensors: dict[str, np.ndarray] = {}
    work.add(len(table.names))
    for name, array in table.names.items():
        if name.startswith(start):
            work.add(len(name))
            short = ".".join(part for part in name[len(start) :].split(".") if part not in _WRAPPERS)
            if short in tensors:
                raise CheckpointError(f"{name} is there twice, with and without what a wrapper put in")
            tensors[short] = array
    return Place(".".join((*table.path, *inside)).strip("."), tensors, table.owner, ".".join(inside), table.above)


def choose(found: list[Place], wanted: str | None, usual: Sequence[str]) -> tuple[Place, str]:
    """The network that is asked for or meant, and a remark if that needs one.

    The only one; of several the only averaged one (`g_ema`, `generator_smooth`, ...), which is the one to use.

    Args:
      wanted: the end of a path, as `--network` takes it. usual: names under which the format's own project keeps it.
    Raises:
      CheckpointError: if that leaves none or several; the message lists the choices.
    """
    names = ", ".join(repr(place.path) for place in found)
    left = found
    if wanted is not None:
        left = [place for place in found if place.path == wanted] or [p for p in found if f".{p.path}".endswith(f".{wanted}")]
        if not left:
            raise CheckpointError(f"there is no network {wanted!r}, only {names}")
    elif len(found) > 1:
        left = _averaged(found)
    if len(left) != 1:
        raise CheckpointError(f"several networks could be meant, {names}: choose one with --network")
    (place,) = left
    if wanted is not None or place.path in ("", *usual):
        return place, ""
    return place, f"the network was found under {place.path!r}" + (f", of {names}" if len(found) > 1 else "")


def _averaged(found: list[Place]) -> list[Place]:
    """Those that are averages by their own names or, if none is, by what they lie in; all if none is that either."""
    by_name = [place for place in found if _AVERAGED.search(place.path.rpartition(".")[2].lower())]
    return by_name or [place for place in found if _AVERAGED.search(place.path.lower())] or found


def number(value: Any, name: str) -> float:
    """`value`, if it is a finite number and no boolean."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not np.isfinite(float(value)):
        raise CheckpointError(f"{name} should be a number, the file has {value!r:.40}")
    return float(value)


def modules(root: Record) -> Iterator[tuple[str, Record]]:
    """Dotted path and record of a PyTorch module and of all below it."""
    todo, work = deque([("", root)]), _Work()
    while todo:
        path, module = todo.popleft()
        yield path, Record(module.name, module.args, {str(name): value for name, value in (module.state or {}).items()})
        for name, child in _part(module, "_modules").items():
            if child is not None:
                below = f"{path}.{name}".lstrip(".")
                work.add(len(below))
                todo.append((below, child if isinstance(child, Record) else Record(type(child).__name__)))


def is_module(value: Any) -> bool:
    return isinstance(value, Record) and {"_parameters", "_buffers", "_modules"} <= (value.state or {}).keys()


def _part(module: Record, part: str) -> Mapping[str, Any]:
    found = (module.state or {}).get(part)
    return found if isinstance(found, Mapping) else {}


_CONTAINERS = (Mapping, list, tuple, Record)


def tables(tree: Any) -> Iterator[Table]:
    """All tables of names in what `containers.read` gave."""
    todo: deque[tuple[tuple[str, ...], Any, tuple[Mapping, ...]]] = deque([((), tree, ())] if isinstance(tree, _CONTAINERS) else [])
    seen: set[int] = set()  # what hangs in two places is one network
    work = _Work()
    while todo:
        path, node, above = todo.popleft()
        if id(node) in seen:
            continue
        seen.add(id(node))
        work.add(1 + len(path))
        if is_module(node):
            yield Table(path, _tensors(node, work), node, above)
            continue
        entries = _entries(node)
        names = {name: value for name, value in entries.items() if isinstance(value, np.ndarray)}
        work.add(sum(map(len, names)))
        if names and not isinstance(node, list | tuple):
            yield Table(path, names, node if isinstance(node, Mapping) else entries, above)
        higher = above if isinstance(node, list | tuple) else (entries if isinstance(node, Record) else node, *above)
        todo += [((*path, name), value, higher) for name, value in entries.items() if isinstance(value, _CONTAINERS)]


def _entries(node: Any) -> dict[str, Any]:
    """By name, what a dict or list holds, or an object: its arguments, its attributes, its items if its class is derived from either."""
    match node:
        case Mapping():
            return {str(name): value for name, value in node.items()}
        case Record():
            items = node.contents or []
            pairs = len(items) % 2 == 0 and all(isinstance(name, str) for name in items[::2])
            held = dict(zip(items[::2], items[1::2], strict=True)) if pairs else items
            return _entries(node.args) | _entries(node.state or {}) | _entries(held)
        case _:
            return {str(index): value for index, value in enumerate(node)}


def _tensors(module: Record, work: _Work) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for path, part in modules(module):
        for name, value in {**_part(part, "_buffers"), **_part(part, "_parameters")}.items():  # torch looks at the parameters first
            if isinstance(value, np.ndarray):
                found[full := f"{path}.{name}".lstrip(".")] = value
                work.add(len(full))
    return found
