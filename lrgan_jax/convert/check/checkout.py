"""A checkout of another project: its files imported, and everything as it was afterwards."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def imported(checkout: Path, file: str) -> Iterator[Any]:
    """The module of that file. Within, the checkout's names mean its own files, even if another `models` is loaded."""
    own = {path.stem for path in checkout.iterdir()}
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] in own}
    others = {name: module for name, module in before.items() if not _lies_in(module, checkout)}
    path = sys.path[:]
    _remove(others)
    sys.path.insert(0, str(checkout.resolve()))
    try:
        with _without_compiler():
            yield importlib.import_module(file.removesuffix(".py").replace("/", "."))
    finally:
        _remove(
            [name for name in sys.modules if name.split(".")[0] in own and name not in before.keys() - others.keys()]
        )
        sys.modules.update(others)
        sys.path[:] = path


def _lies_in(module: Any, folder: Path) -> bool:
    """As all do that are installed, if the checkout is where packages are."""
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(folder.resolve())


def _remove(names: Any) -> None:
    for name in names:
        del sys.modules[name]


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
