"""NVIDIA's modules as their pickles record them, compared with tables of what each module must say of itself."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.settings import ANY, Table, disagreements
from lrgan_jax.convert.formats.trees import modules
from lrgan_jax.foreign.allowed import Record

BOOKKEEPING = dict.fromkeys(
    ("training", "_parameters", "_buffers", "_modules", "_init_args", "_init_kwargs", "_is_full_backward_hook"), ANY
)  # the arguments are compared on their own


def modules_of(place: Place) -> dict[str, Record]:
    """By their paths in the network there, which is part of a module."""
    start = f"{place.inside}." if place.inside else ""
    return {path[len(start) :]: module for path, module in modules(place.owner) if f"{path}.".startswith(start)}


def compare(
    modules: Mapping[str, Record],
    wanted: Mapping[str, tuple[str, Table]],
    positional: Mapping[str, tuple[str, ...]],
    needed: Mapping[str, tuple[str, ...]],
    network: str,
) -> Iterator[str]:
    """Every disagreement between the modules of a file and those wanted, in words.

    Args:
      wanted: class and table of every module, by path. positional: names of what may stand in its _init_args, by class.
      needed: attributes without which NVIDIA's own code does not run. network: what has such modules.
    """
    for path, module in modules.items():
        where = path or "the generator"
        kind, table = wanted.get(path, ("", {}))
        if module.name != kind:
            yield f"{where} is a {module.name:.40}, " + (
                f"where {network} has a {kind}" if kind else f"which {network} does not have"
            )
            continue
        state: Mapping[str, Any] = module.state or {}
        attributes = {name: value for name, value in state.items() if not _is_empty_table(name, value)}
        yield from disagreements(attributes, {**BOOKKEEPING, **table}, where)
        yield from (f"{where} lacks {name}" for name in needed.get(kind, ()) if name not in state)
        yield from disagreements(arguments_of(module, positional), table, f"{where} (its arguments)")
    yield from (f"{path} is missing" for path in wanted if path not in modules)


def arguments_of(module: Record, positional: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """What a module was made with, by name; positional ones beyond those known keep their number."""
    state: Mapping[str, Any] = module.state or {}
    args, kwargs = state.get("_init_args", ()), state.get("_init_kwargs", {})
    names = positional.get(module.name, ())
    args = args if isinstance(args, tuple | list) else (args,)
    named = {names[n] if n < len(names) else f"argument {n}": value for n, value in enumerate(args)}
    return named | (dict(kwargs) if isinstance(kwargs, Mapping) else {"_init_kwargs": kwargs})


def plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What of a module's attributes is a plain value, which says how it computes."""
    kinds = bool | int | float | str | list | tuple | np.generic | None
    return {name: value for name, value in attributes.items() if not name.startswith("_") and isinstance(value, kinds)}


def _is_empty_table(name: str, value: Any) -> bool:
    """PyTorch's tables of hooks, of which every version has others: an empty one does nothing."""
    return name.startswith("_") and (value is None or (isinstance(value, Mapping | set | list | tuple) and not value))
