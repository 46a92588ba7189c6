"""Renaming by table: one row per kind of weight, checked from both sides, all disagreements reported at once."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from lrgan_jax.convert.formats.sizes import Shape
from lrgan_jax.foreign import CheckpointError

Transform = Callable[[np.ndarray], np.ndarray]
_LARGE_NUMBER = re.compile(r"\d{5}")
_MOST = 8  # problems that one message tells of


class Rule(NamedTuple):
    """What becomes of the tensors whose whole name matches `source`."""

    source: str
    target: str | Callable[[re.Match], str] | None  # a template, a function of the match, or None to drop the tensor
    why: str
    transform: Transform = lambda a: a


class Origin:
    """Where renamed tensors come from: what they are called in their file, and how they lie there.

    A user knows the names of the file, so it is those that messages say, of tensors that it lacks as well.
    """

    def __init__(self, source: Mapping[str, np.ndarray], back: tuple[Rule, ...]):
        """`back`: the rules of the other direction, from our names to those in `source`."""
        self.source, self.back = source, back
        self.names: dict[str, str] = {}  # of those that are there, by ours; `rename` fills it

    def name(self, ours: str) -> str:
        return self.names.get(ours) or self._back(ours)[0]

    def shape(self, ours: str, otherwise: Shape) -> Shape:
        """As it is in the file; `otherwise` of a tensor that is not from there."""
        there = self.source.get(self.names.get(ours, ""))
        return otherwise if there is None else there.shape

    def wanted(self, ours: str, shape: Shape) -> Shape:
        """As it should be in the file, to be of that shape with us."""
        return self._back(ours)[1](np.broadcast_to(np.float32(0), shape)).shape

    def unseen(self, ours: str) -> CheckpointError:
        """Why the others cannot be judged: this one, which shows what they should be, is missing or of an odd shape."""
        why = f"its shape {self.shape(ours, ())} is that of no such tensor"
        return CheckpointError(
            f"{self.name(ours)}: {why if ours in self.names else 'nothing in the checkpoint fills it'}"
        )

    def _back(self, ours: str) -> tuple[str, Transform]:
        for rule in self.back:
            if rule.target is not None and (match := re.fullmatch(rule.source, ours)):
                return _target(rule, match), rule.transform
        return ours, lambda a: a


def rename(
    source: Mapping[str, np.ndarray],
    rules: tuple[Rule, ...],
    problems: list[str],
    *,
    check_values: bool = True,
    names: dict[str, str] | None = None,
) -> dict[str, np.ndarray]:
    """Apply to each tensor the one rule that matches its name; what matches none or several goes to `problems`.

    Args:
      problems: is told of tensors that two names fill, too.
      check_values: also report integers, NaN and infinity, which cannot be weights.
      names: is told what each had in `source`, by its new one.
    """
    out: dict[str, np.ndarray] = {}
    names = {} if names is None else names
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
        target = _target(rule, match)
        if target in names:
            problems.append(f"{name}: what it fills was already filled by {names[target]}")
            continue
        names[target] = name
        if check_values and (problem := unusable(array)):
            problems.append(f"{name}: {problem}")  # and go on: its shape still tells what the network is
        try:
            out[target] = rule.transform(array)
        except (ValueError, IndexError):  # a transpose or reshape that does not fit this shape
            problems.append(f"{name}: shape {array.shape} does not fit ({rule.why})")
    return out


def _target(rule: Rule, match: re.Match) -> str:
    assert rule.target is not None
    return rule.target(match) if callable(rule.target) else match.expand(rule.target)


def fill(
    tensors: Mapping[str, np.ndarray], wanted: Mapping[str, Shape], problems: list[str], origin: Origin | None = None
) -> None:
    """Compare names and shapes with what the model wants, and append every difference to `problems`.

    Args:
      origin: the file that the tensors are from, in whose words the differences are told.
    """
    origin = origin or Origin({}, ())
    for name, array in tensors.items():
        if name not in wanted:
            problems.append(f"{origin.name(name)}: the model has no such tensor")
        elif array.shape != wanted[name]:
            there, right = origin.shape(name, array.shape), origin.wanted(name, wanted[name])
            problems.append(f"{origin.name(name)}: shape {there}, the model wants {right}")
    lost = [name for name in wanted if name not in tensors and name not in origin.names]
    problems += [f"{origin.name(name)}: nothing in the checkpoint fills it" for name in lost]


@contextmanager
def after(problems: list[str]) -> Iterator[None]:
    """Inside, what makes an end of it is said after the `problems` found before, which may have caused it."""
    try:
        yield
    except CheckpointError as error:
        refuse([*problems[: _MOST - 1], str(error)] if problems else [])
        raise


def refuse(problems: list[str]) -> None:
    """Raise one CheckpointError with `problems`, if there are any: as they were found, causes before consequences."""
    if problems:
        more = f"; and {len(problems) - _MOST} more" if len(problems) > _MOST else ""
        raise CheckpointError(f"checkpoint and model disagree: {'; '.join(problems[:_MOST])}{more}")


def unusable(array: np.ndarray) -> str | None:
    """Why a tensor cannot be a weight, or None."""
    if not np.issubdtype(array.dtype, np.floating):
        return f"holds {array.dtype}, weights are floating point"
    if not np.isfinite(array).all():
        return "holds NaN or infinity"
    if array.size and np.abs(array).max() > np.finfo(np.float32).max:  # in float64
        return "holds numbers too large for float32"
    return None
