"""What a file says of its network beside the tensors, compared with a table of what is known.

A table maps the name of a setting to the only value that is right for the configuration that was read, to a test of it,
to a table of what is inside, or to ANY if it does not touch the arithmetic. So every setting is honoured, harmless, or
refused by name, and so is one that the table does not have.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import short

Table = Mapping[str, Any]


def ANY(value: Any) -> bool:  # noqa: N802, a word of the tables
    """Without effect on the images."""
    return True


def one_of(*values: Any) -> Callable[[Any], bool]:
    """Any of these."""
    return lambda value: any(same(value, other) for other in values)


def word(text: str) -> Callable[[Any], bool]:
    """That word, in capitals or not."""
    return lambda value: isinstance(value, str) and value.lower() == text


def taps_of(filter: Any) -> Callable[[Any], bool]:
    """That resampling filter, as taps or rows of taps, of any sum."""
    wanted = _square(np.asarray(filter, np.float64))

    def is_it(value: Any) -> bool:
        try:
            taps = np.asarray(value, np.float64)
        except (TypeError, ValueError, OverflowError):
            return False
        if taps.shape[:1] not in (
            np.shape(filter)[:1],
            wanted.shape[:1],
        ):  # the square of a row without end is more than memory holds
            return False
        square = _square(taps)
        return square.shape == wanted.shape and bool(
            square.any() and np.allclose(square, wanted * square.sum(), rtol=1e-5, atol=1e-7)
        )

    return is_it


def number(value: Any, name: str) -> float:
    """`value`, if it is a finite number and no boolean."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not np.isfinite(float(value)):
        raise CheckpointError(f"{name} should be a number, the file has {value!r:.40}")
    return float(value)


def disagreements(given: Mapping[Any, Any], table: Table, where: str) -> Iterator[str]:
    """In words, each of the settings `given` that is not what the table wants."""
    for name, value in given.items():
        if name not in table:
            yield f"{where}: sets {short(str(name))}, which is not known here"
        elif isinstance(table[name], Mapping) and isinstance(value, Mapping):
            yield from disagreements(value, table[name], f"{where} {name}")
        elif not (table[name](value) if callable(table[name]) else same(value, table[name])):
            wanted = "" if callable(table[name]) else f", where this network has {_shown(table[name])}"
            yield f"{where}: {name} is {_shown(value)}{wanted}"


def same(value: Any, wanted: Any) -> bool:
    """Equal, numbers to the seventh digit: gains are computed in one precision or another."""
    if _is_number(value) and _is_number(wanted):
        return bool(np.isclose(float(value), float(wanted), rtol=1e-6, atol=0))
    if isinstance(wanted, list | tuple):
        return isinstance(value, list | tuple) and len(value) == len(wanted) and all(map(same, value, wanted))
    return type(value) is type(wanted) and not isinstance(value, np.ndarray) and value == wanted


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.integer | np.floating | np.bool_)


def _shown(value: Any) -> str:
    return repr(float(value)) if isinstance(value, np.floating) else f"{value!r:.60}"


def _square(taps: np.ndarray) -> np.ndarray:
    return np.outer(taps, taps) if taps.ndim == 1 else taps
