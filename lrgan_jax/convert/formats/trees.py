"""Tables of tensors in what `containers.read` gave, whatever training scripts and frameworks put around a network.

A file is a tree of dicts, lists, objects and modules. Each dict that holds tensors is a table of names, and so is each
outermost module of PyTorch's, with all modules below it, and each network of NVIDIA's TensorFlow code, with its
components.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import Record

TENSORFLOW = ("dnnlib.tflib.network.Network", "tfutil.Network")  # the second is PGGAN's
SNAPSHOT = ("G", "D", "Gs")  # what NVIDIA's TensorFlow code pickles as a tuple; Gs is the average
_CONTAINERS = (Mapping, list, tuple, Record)
_MOST_LETTERS = 10_000_000  # in all names: a module that hangs in two places has its names twice, and so on


class Table(NamedTuple):
    """Tensors by their names, where they were found, what holds them, a dict or a record, and the dicts above it."""

    path: tuple[str, ...]
    names: dict[str, np.ndarray]
    owner: Any
    above: tuple[Mapping, ...]


class Work:
    """What was done with the names of a file: of a few hundred networks' worth it is an attack."""

    def __init__(self):
        self.letters = 0

    def add(self, letters: int) -> None:
        self.letters += letters
        if self.letters > _MOST_LETTERS:
            raise CheckpointError("more names in it than any checkpoint has")


def tables(tree: Any) -> Iterator[Table]:
    """All tables of names in the tree.

    Raises:
      CheckpointError: if a network of TensorFlow's is not what it should be, or there are more names than any
        checkpoint has.
    """
    todo: deque[tuple[tuple[str, ...], Any, tuple[Mapping, ...]]] = deque(
        [((), tree, ())] if isinstance(tree, _CONTAINERS) else []
    )
    seen: set[int] = set()  # what hangs in two places is one network
    work = Work()
    while todo:
        path, node, above = todo.popleft()
        if id(node) in seen:
            continue
        seen.add(id(node))
        work.add(1 + len(path))
        if is_module(node):
            yield Table(path, _tensors(node, work), node, above)
            continue
        if is_tensorflow(node):
            yield Table(path, dict(_variables(node, work)), node, above)
            continue
        entries = _entries(node)
        names = {name: value for name, value in entries.items() if isinstance(value, np.ndarray)}
        work.add(sum(map(len, names)))
        if names and not isinstance(node, list | tuple):
            yield Table(path, names, node if isinstance(node, Mapping) else entries, above)
        higher = above if isinstance(node, list | tuple) else (entries if isinstance(node, Record) else node, *above)
        todo += [((*path, name), value, higher) for name, value in entries.items() if isinstance(value, _CONTAINERS)]


def _entries(node: Any) -> dict[str, Any]:
    """By name, what a dict or list holds, or an object: its arguments, attributes, and items as of a dict or list."""
    match node:
        case Mapping():
            return {str(name): value for name, value in node.items()}
        case Record():
            items = node.contents or []
            pairs = len(items) % 2 == 0 and all(isinstance(name, str) for name in items[::2])
            held = dict(zip(items[::2], items[1::2], strict=True)) if pairs else items
            return _entries(node.args) | _entries(node.state or {}) | _entries(held)
        case list() | tuple() if len(node) <= len(SNAPSHOT) and any(map(is_tensorflow, node)):
            return dict(zip(SNAPSHOT, node, strict=False))
        case _:
            return {str(index): value for index, value in enumerate(node)}


# ---- PyTorch's modules.


def is_module(value: Any) -> bool:
    return isinstance(value, Record) and {"_parameters", "_buffers", "_modules"} <= (value.state or {}).keys()


def modules(root: Record) -> Iterator[tuple[str, Record]]:
    """Dotted path and record of a PyTorch module and of all below it."""
    todo, work = deque([("", root)]), Work()
    while todo:
        path, module = todo.popleft()
        yield path, Record(module.name, module.args, {str(name): value for name, value in (module.state or {}).items()})
        for name, child in _part(module, "_modules").items():
            if child is not None:
                below = f"{path}.{name}".lstrip(".")
                work.add(len(below))
                todo.append((below, child if isinstance(child, Record) else Record(type(child).__name__)))


def _tensors(module: Record, work: Work) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for path, part in modules(module):
        for name, value in {
            **_part(part, "_buffers"),
            **_part(part, "_parameters"),
        }.items():  # torch looks at the parameters first
            if isinstance(value, np.ndarray):
                found[full := f"{path}.{name}".lstrip(".")] = value
                work.add(len(full))
    return found


def _part(module: Record, part: str) -> Mapping[str, Any]:
    found = (module.state or {}).get(part)
    return found if isinstance(found, Mapping) else {}


# ---- NVIDIA's networks of TensorFlow's.


def is_tensorflow(value: Any) -> bool:
    return isinstance(value, Record) and value.name in TENSORFLOW


def _variables(network: Any, work: Work, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Full names and values of a network's variables and those of its components."""
    where = prefix.rstrip("/") or "the generator"
    match network:
        case Record(state={"variables": list() as own, **rest}) if is_tensorflow(network):
            for item in own:
                match item:
                    case (str() as name, np.ndarray() | np.generic() as value):
                        work.add(len(prefix) + len(name))
                        yield prefix + name, np.asarray(value)
                    case _:
                        raise CheckpointError(f"{where}: its variables are no pairs of a name and an array")
            components = rest.get("components", {})
            if not isinstance(components, Mapping):
                raise CheckpointError(f"{where}: its components are no dict")
            if components and prefix:  # one in many places, and that again, would be millions
                raise CheckpointError(f"{where}: it has components, which no part of a network has")
            for name, component in components.items():
                yield from _variables(component, work, f"{prefix}{name}/")
        case _:
            raise CheckpointError(f"{where} is not a TensorFlow network with variables")
