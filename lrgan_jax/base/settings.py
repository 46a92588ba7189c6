"""Settings that a run began with, compared with those it is asked to go on with."""

from collections.abc import Iterator
from typing import Any


def differences(now: Any, before: Any, name: str = "") -> Iterator[str]:
    """What changed, one text each: "layers is [2, 3], not None". Both as JSON gives them back."""
    if isinstance(now, dict) and isinstance(before, dict):
        for key in sorted(now.keys() | before.keys()):
            yield from differences(now.get(key), before.get(key), f"{name}.{key}".lstrip("."))
    elif now != before:
        yield f"{name} is {before}, not {now}"
