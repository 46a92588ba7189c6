"""Where in a file the networks are.

A network is known by one tensor that only it has, its format's SIGN, such as `input.input`: wherever a name in a table
of tensors ends so, what stands before it is the network's place, be it `g_ema`, `decoder`, `module._orig_mod` or
nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lrgan_jax.convert.formats.trees import Table, Work
from lrgan_jax.foreign import CheckpointError

# What wrappers put into names, at any depth: data parallel, torch.compile, sharding, activation checkpoints.
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_MOST = 100  # networks in a file
_AVERAGED = re.compile(r"(?<![a-fh-z])ema(?![a-z])|smooth|average|running|shadow|^gs$")  # gema is, semantic is not


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


def places(tables: Iterable[Table], sign: str) -> list[Place]:
    """Every network with a tensor of that name, in the order of the file.

    Raises:
      CheckpointError: if there are a hundred and more, or a network has names twice.
    """
    found: dict[str, Place] = {}
    work = Work()
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


def _before(name: str, sign: str) -> str | None:
    """What stands before `sign` in a name that ends so, with or without wrappers in between; None if it does not."""
    parts = name.split(".")
    for wanted in reversed(sign.split(".")):
        while parts and parts[-1] in _WRAPPERS:
            parts.pop()
        if not parts or parts.pop() != wanted:
            return None
    return "".join(f"{part}." for part in parts)


def _place(table: Table, start: str, work: Work) -> Place:
    """The network whose names start so, within its wrappers; what lies beside it in those, as a counter, is theirs."""
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
        left = [place for place in found if place.path == wanted] or [
            p for p in found if f".{p.path}".endswith(f".{wanted}")
        ]
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
