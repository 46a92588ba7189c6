"""Renaming by table: one row per kind of weight, checked from both sides, all disagreements reported at once."""
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from lrgan_jax.foreign.errors import CheckpointError

_LARGE_NUMBER = re.compile(r"\d{5}")


class Rule(NamedTuple):
    """What becomes of the tensors whose whole name matches `source`."""

    source: str
    target: str | Callable[[re.Match], str] | None  # a template, a function of the match, or None to drop the tensor
    why: str
    transform: Callable[[np.ndarray], np.ndarray] = lambda a: a


def numbered_layer(index: int) -> str:
    """Common name of the i-th 3x3 layer, as most projects count: 0 is the 4x4 one, then conv0 (odd) and conv1 (even) of each size."""
    return "synthesis.b4.conv1" if index == 0 else f"synthesis.b{2 ** ((index + 5) // 2)}.conv{(index + 1) % 2}"


def rename(
    source: Mapping[str, np.ndarray], rules: tuple[Rule, ...], problems: list[str], *, check_values: bool = True,
    origin: dict[str, str] | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Apply to each tensor the one rule that matches its name. Appends to `problems` what matches none or several, and collisions.

    Args:
      check_values: also report integers, NaN and infinity, which cannot be weights; once is enough, under the file's own names.
      origin: is told the name in `source` of every tensor that is returned.
    """
    out: dict[str, np.ndarray] = {}
    origin = {} if origin is None else origin
    for name, array in source.items():
        if _LARGE_NUMBER.search(name):  # rules count with the numbers, and double sizes as often as they say
            problems.append(f"{name:.80}: no network has so many layers")
            continue
        hits = [(rule, match) for rule in rules if (match := re.fullmatch(rule.source, name))]
        if len(hits) != 1:
            problems.append(f"{name}: matched by {len(hits)} rules, wants exactly 1")
            continue
        rule, match = hits[0]
        if rule.target is None:
            continue
        target = rule.target(match) if callable(rule.target) else match.expand(rule.target)
        if target in out:
            problems.append(f"{name}: {target} was already filled by {origin[target]}")
            continue
        if check_values and (problem := unusable(array)):
            problems.append(f"{name}: {problem}")  # and go on: its shape still tells what the network is
        try:
            origin[target], out[target] = name, rule.transform(array)
        except (ValueError, IndexError):  # a transpose or reshape that does not fit this shape
            problems.append(f"{name}: shape {array.shape} does not fit ({rule.why})")
    return out


def fill(
    tensors: Mapping[str, np.ndarray], wanted: Mapping[str, tuple[int, ...]], problems: list[str], origin: Mapping[str, str] | None = None
) -> None:
    """Compare names and shapes with what the model wants, and append every difference to `problems`.

    Args:
      origin: the names in the file, to be said too.
    """

    for name, array in tensors.items():
        theirs = "" if origin is None or name not in origin else f" (in the file {origin[name]})"
        if name not in wanted:
            problems.append(f"{name}: the model has no such tensor{theirs}")
        elif array.shape != wanted[name]:
            problems.append(f"{name}: shape {array.shape}, the model wants {wanted[name]}{theirs}")
    problems += [f"{name}: nothing in the checkpoint fills it" for name in wanted if name not in tensors]


def refuse(problems: list[str]) -> None:
    """Raise one CheckpointError with `problems`, if there are any: in the order of their discovery, causes before consequences."""
    if problems:
        more = f"; and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise CheckpointError(f"checkpoint and model disagree: {'; '.join(problems[:8])}{more}")


def unusable(array: np.ndarray) -> str | None:
    """Why a tensor cannot be a weight, or None."""
    if not np.issubdtype(array.dtype, np.floating):
        return f"holds {array.dtype}, weights are floating point"
    if not np.isfinite(array).all():
        return "holds NaN or infinity"
    if array.size and np.abs(array).max() > np.finfo(np.float32).max:  # in float64
        return "holds numbers too large for float32"
    return None
