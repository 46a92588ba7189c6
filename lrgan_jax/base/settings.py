"""Settings that are frozen dataclasses: with other values, as JSON, and compared with those that a run began with."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from lrgan_jax.base.errors import InputError

Settings = TypeVar("Settings")


def changed(settings: Settings, changes: Mapping[str, Any], of: str) -> Settings:
    """The same with other values of some.

    Args:
      of: what they are settings of, for a person: "a search".
    Raises:
      InputError: on a setting that there is not.
    """
    known = [field.name for field in dataclasses.fields(settings)]  # pyright: ignore[reportArgumentType]
    if unknown := [name for name in changes if name not in known]:
        raise InputError(f"{of} has no setting {unknown[0]!r}; it has {', '.join(known)}")
    return dataclasses.replace(settings, **changes)  # pyright: ignore[reportArgumentType]


def not_default(settings: Any) -> dict[str, Any]:
    """Those that are not the default ones, as they are."""
    values = {field.name: (getattr(settings, field.name), field.default) for field in dataclasses.fields(settings)}
    return {name: value for name, (value, default) in values.items() if value != default}


def differences(now: Any, before: Any, name: str = "") -> Iterator[str]:
    """What changed, one text each: "layers is [2, 3], not None". Both as JSON gives them back."""
    if isinstance(now, dict) and isinstance(before, dict):
        for key in sorted(now.keys() | before.keys()):
            yield from differences(now.get(key), before.get(key), f"{name}.{key}".lstrip("."))
    elif now != before:
        yield f"{name} is {before}, not {now}"
