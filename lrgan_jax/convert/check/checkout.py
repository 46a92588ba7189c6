"""A checkout of another project: its files imported, and everything as it was afterwards."""

import importlib
import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any


@contextmanager
def imported(checkout: Path, file: str) -> Iterator[Any]:
    """The module of that file. Within, the checkout's names mean its own files, even if another `models` is loaded, and
    what its code prints or warns of is lost.
    """
    own = {path.stem for path in checkout.iterdir()}
    # If the checkout is where packages are, torch and ourselves are in it, and stay.
    own -= {name for name in own & sys.modules.keys() if _lies_in(sys.modules[name], checkout)}
    others, path = _taken(own), sys.path[:]
    sys.path.insert(0, str(checkout.resolve()))
    try:
        with _without_compiler(), redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            yield importlib.import_module(file.removesuffix(".py").replace("/", "."))
    finally:
        _taken(own)
        sys.modules.update(others)
        sys.path[:] = path


def _lies_in(module: Any, folder: Path) -> bool:
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(place and Path(place).resolve().is_relative_to(folder.resolve()) for place in places)


def _taken(own: set[str]) -> dict[str, Any]:
    """The loaded modules of these names and all that is in them, which are not loaded any more."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in own}


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Within, torch compiles no CUDA extension: code that would, when it is imported, never calls it on a CPU."""
    import torch.utils.cpp_extension as extension  # pyright: ignore[reportMissingImports]

    load = extension.load
    extension.load = lambda *args, **kwargs: None
    try:
        yield
    finally:
        extension.load = load
