"""Where in a file the networks are: one way through whatever training scripts, frameworks and encoders put around them.

A file is a tree of dicts, lists and modules. Each dict that holds tensors, and each outermost module, is a table of names. A network is
known by one tensor that only it has, its format's SIGN, such as `input.input`: wherever a name of a table ends so, what stands before it is
the network's place, be it `g_ema`, `decoder`, `module._orig_mod` or nothing.
"""
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from convert.rules import Rule
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.generators import StyleGAN2Config

# What wrappers put into names, at any depth: data parallel, torch.compile, sharding, activation checkpoints.
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_MOST = 100  # networks in a file
_AVERAGED = re.compile(r"ema|smooth|average|averaged|running|shadow")


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


class Network(NamedTuple):
    """A network as its file has it.

    Attributes:
      kind: its format. rules: rename its tensors to the common language.
      settings: fields of StyleGAN2Config that the file tells. untold: those of which it has no word, although networks differ in them.
      silent: layers, by their common names, whose noise is switched off whatever strength they have.
      check: of the configuration in the end, against all else that the file says: every disagreement, in words.
      arguments: of its project's constructor, as the file carries them; None if it carries none.
      attributes: of its project's modules by path, as they were saved, whatever the arguments made.
    """

    kind: str
    tensors: dict[str, np.ndarray]
    rules: tuple[Rule, ...]
    settings: Mapping[str, Any] = {}
    untold: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    check: Callable[[StyleGAN2Config], Iterable[str]] = lambda config: ()
    arguments: Mapping[str, Any] | None = None
    attributes: Mapping[str, Mapping[str, Any]] = {}


def places(tree: Any, sign: str) -> list[Place]:
    """Every network with a tensor of that name, in the order of the file.

    Raises:
      CheckpointError: if there are a hundred and more, or a network has names twice.
    """
    found: dict[str, Place] = {}
    for path, names, owner, above in _tables(tree):
        for prefix in dict.fromkeys(_before(name, sign) for name in names):
            if prefix is not None:
                place = _place(path, prefix, names, owner, above)
                found[place.path] = place
                if len(found) > _MOST:
                    raise CheckpointError(f"more than {_MOST} networks in it")
    return list(found.values())


def _before(name: str, sign: str) -> str | None:
    """What stands before `sign` in a name that ends so, wrappers between and just before left out; None if it does not."""
    parts = name.split(".")
    for wanted in reversed(sign.split(".")):
        while parts and parts[-1] in _WRAPPERS:
            parts.pop()
        if not parts or parts.pop() != wanted:
            return None
    while parts and parts[-1] in _WRAPPERS:
        parts.pop()
    return "".join(f"{part}." for part in parts)


def _place(path: tuple[str, ...], prefix: str, names: Mapping[str, np.ndarray], owner: Any, above: tuple[Mapping, ...]) -> Place:
    tensors: dict[str, np.ndarray] = {}
    for name, array in names.items():
        if name.startswith(prefix):
            short = ".".join(part for part in name[len(prefix) :].split(".") if part not in _WRAPPERS)
            if short in tensors:
                raise CheckpointError(f"{name} is there twice, with and without what a wrapper put in")
            tensors[short] = array
    return Place(".".join((*path, prefix[:-1])).strip("."), tensors, owner, prefix[:-1], above)


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
        left = [p for p in found if _AVERAGED.search(p.path.lower())] or found
    if len(left) != 1:
        raise CheckpointError(f"several networks could be meant, {names}: choose one with --network")
    (place,) = left
    if wanted is not None or place.path in ("", *usual):
        return place, ""
    return place, f"the network was found under {place.path!r}" + (f", of {names}" if len(found) > 1 else "")


def number(value: Any, name: str) -> float:
    """`value`, if it is a finite number and no boolean."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
        raise CheckpointError(f"{name} should be a number, the file has {value!r:.40}")
    return float(value)


def modules(root: Record) -> Iterator[tuple[str, Record]]:
    """Dotted path and record of a PyTorch module and of all below it."""
    todo = deque([("", root)])
    while todo:
        path, module = todo.popleft()
        yield path, Record(module.name, module.args, {str(name): value for name, value in (module.state or {}).items()})
        for name, child in _part(module, "_modules").items():
            if child is not None:
                todo.append((f"{path}.{name}".lstrip("."), child if isinstance(child, Record) else Record(type(child).__name__)))


def is_module(value: Any) -> bool:
    return isinstance(value, Record) and {"_parameters", "_buffers", "_modules"} <= (value.state or {}).keys()


def _part(module: Record, part: str) -> Mapping[str, Any]:
    found = (module.state or {}).get(part)
    return found if isinstance(found, Mapping) else {}


def _tables(tree: Any) -> Iterator[tuple[tuple[str, ...], dict[str, np.ndarray], Any, tuple[Mapping, ...]]]:
    """All tables of names: path, tensors by name, what holds them, and the dicts above."""
    todo: deque[tuple[tuple[str, ...], Any, tuple[Mapping, ...]]] = deque([((), tree, ())])
    seen: set[int] = set()  # what hangs in two places is one network
    while todo:
        path, node, above = todo.popleft()
        if id(node) in seen:
            continue
        if is_module(node):
            seen.add(id(node))
            yield path, _tensors(node), node, above
        elif isinstance(node, Mapping | list | tuple):
            seen.add(id(node))
            entries = {str(k): v for k, v in (node.items() if isinstance(node, Mapping) else enumerate(node))}
            tensors = {name: value for name, value in entries.items() if isinstance(value, np.ndarray)}
            if tensors and isinstance(node, Mapping):
                yield path, tensors, node, above
            higher = (node, *above) if isinstance(node, Mapping) else above
            todo += [((*path, name), value, higher) for name, value in entries.items() if not isinstance(value, np.ndarray)]


def _tensors(module: Record) -> dict[str, np.ndarray]:
    return {
        f"{path}.{name}".lstrip("."): value
        for path, part in modules(module)
        for name, value in (*_part(part, "_parameters").items(), *_part(part, "_buffers").items())
        if isinstance(value, np.ndarray)
    }
