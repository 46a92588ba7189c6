"""What a picture is asked to show: a face, how far it is pulled to the mean, and the steps of its sliders."""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from lrgan_jax.base.checks import LONGEST_STEP
from lrgan_jax.base.errors import InputError
from lrgan_jax.panel.found import Found, Named

EDITS = "edits are found directions, a list of steps, one number each, and perhaps which of them are walked"


class Edit(NamedTuple):
    """Directions, and a step along each.

    Attributes:
      walked: numbers of those that follow their walk.
    """

    found: Found | Named
    steps: list[float]
    walked: tuple[int, ...] = ()

    @property
    def straight(self) -> list[float]:
        """The steps of those that do not."""
        return [0.0 if index in self.walked else step for index, step in enumerate(self.steps)]


class Wanted(NamedTuple):
    """A face as it is to be seen."""

    face: int
    truncation: float = 1.0
    edits: tuple[Edit, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether any slider is out of its middle."""
        return any(any(edit.steps) for edit in self.edits)

    @property
    def key(self) -> Hashable:
        """Equal for equal pictures."""
        moves = [(id(found.directions), tuple(steps), walked) for found, steps, walked in self.edits if any(steps)]
        return self.face, self.truncation, tuple(moves)

    @property
    def plain(self) -> "Wanted":
        """The same without edits."""
        return self._replace(edits=())


def checked_edits(edits: Any, known: Callable[[Any], Found | Named]) -> tuple[Edit, ...]:
    """What a request says they are.

    Args:
      known: the directions that go by a name or number, or an InputError.
    Raises:
      InputError: on anything else than is wanted.
    """
    if not isinstance(edits, list):
        raise InputError(EDITS)
    return tuple(_edit(edit, known) for edit in edits)


def _edit(edit: Any, known: Callable[[Any], Found | Named]) -> Edit:
    if not isinstance(edit, list) or len(edit) not in (2, 3) or not all(isinstance(part, list) for part in edit[1:]):
        raise InputError(EDITS)
    found, steps = known(edit[0]), edit[1]
    walked = edit[2] if len(edit) == 3 else []
    fits = len(steps) == len(found.directions) and all(map(_is_step, steps))
    if not fits or not all(type(index) is int and 0 <= index < len(steps) for index in walked):
        raise InputError(EDITS)
    return Edit(found, [float(step) for step in steps], tuple(sorted({*walked})))


def _is_step(step: Any) -> bool:
    return type(step) in (int, float) and abs(step) <= LONGEST_STEP  # nan is not below, either
