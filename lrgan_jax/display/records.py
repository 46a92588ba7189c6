"""What a class of fields, a NamedTuple or a dataclass, shows of itself: numbers alone as numbers, arrays by type and
shape, and what is as by default not at all.

The class stays what it is: a tuple, a pytree, with its equality and its fields. What is traced is shown, too: errors
while tracing print whatever they are about.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, TypeVar

import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike

from lrgan_jax.display.cards import card, cut, note, table

Class = TypeVar("Class", bound=type)
FEW = 8  # numbers of an array that are shown one by one
MANY = 20  # items of a list
SHORT = 60  # characters of a record inside another


def record(of: Class) -> Class:
    """A decorator: one line in a terminal, and a table of its fields in a notebook unless it has a look of its own."""
    look = getattr(of, "_repr_html_", _table)
    of.__repr__, of._repr_html_ = _line, lambda self: _safely(self, look)  # pyright: ignore
    return of


def _safely(thing: Any, look: Callable[[Any], str]) -> str:
    """Looking must not fail: of a batch, or of what is half made, the fields are shown."""
    try:
        return look(thing)
    except Exception:
        return _table(thing)


def words(value: Any) -> str:
    """A value in one line, however large it is."""
    if isinstance(value, np.ndarray | np.generic | Array):
        return _array(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name!r}: {words(part)}" for name, part in value.items()) + "}"
    if type(value) in (list, tuple):
        inside = ", ".join(map(words, value[:MANY])) + f", ... {len(value)} in all" * (len(value) > MANY)
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    line = repr(value)
    return f"{type(value).__name__}(...)" if type(value).__repr__ is _line and len(line) > SHORT else line


def span(values: ArrayLike) -> str:
    """Several numbers from the least to the largest, one as itself; of yes and no how many are yes."""
    numbers = np.asarray(values)
    if numbers.dtype == bool:
        return ("yes" if numbers.all() else "no") if numbers.size == 1 else f"{numbers.sum()} of {numbers.size}"
    if not numbers.size:
        return "none"
    low, high = (f"{number:.3g}" for number in (numbers.min(), numbers.max()))
    return low if low == high else f"{low} to {high}"


def _array(value: Any) -> str:
    shape = [*value.shape]
    unknown = isinstance(value, Tracer) or not isinstance(value.dtype, np.dtype)  # traced, or a random key
    if unknown or value.size > FEW or len(shape) > 1:
        return f"{value.dtype}{shape}"
    numbers = np.asarray(value).tolist()
    return ", ".join(map(_number, numbers)).join("[]") if shape else _number(numbers)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _fields(thing: Any) -> dict[str, tuple[str, bool]]:
    """Of each field its value in words, and whether that is the default."""
    if dataclasses.is_dataclass(thing):
        known = {f.name: _default(f) for f in dataclasses.fields(thing) if f.repr and not f.name.startswith("_")}
    else:
        known = {name: thing._field_defaults.get(name, dataclasses.MISSING) for name in thing._fields}
    said = {name: words(getattr(thing, name)) for name in known}
    return {
        name: (text, known[name] is not dataclasses.MISSING and text == words(known[name]))
        for name, text in said.items()
    }


def _default(field: dataclasses.Field) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _line(self: Any) -> str:
    told = [f"{name}={text}" for name, (text, usual) in _fields(self).items() if not usual]
    return f"{type(self).__name__}({', '.join(told)})"


def _value(text: str, chosen: bool) -> str:
    html = escape(cut(text))
    return f"<strong>{html}</strong>" if chosen else html


def _table(self: Any) -> str:
    """All fields; among settings, which have defaults, those that were chosen stand out."""
    fields = _fields(self)
    settings = any(usual for _, usual in fields.values())
    shown = [_value(text, settings and not usual) for text, usual in fields.values()]
    about = " ".join((inspect.getdoc(type(self)) or "").partition("\n\n")[0].split())
    return card(type(self).__name__, {}, note(about), table({"field": [*map(escape, fields)], "value": shown}))
