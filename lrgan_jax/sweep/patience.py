"""Waiting for what a store answers: not in silence, and not forever."""

import time
from typing import Any

from lrgan_jax.base.durations import clock
from lrgan_jax.base.progress import say
from lrgan_jax.sweep.buckets import FAILURES, meaning, trouble
from lrgan_jax.sweep.errors import SweepError

SILENCE = 15.0  # seconds without any answer that are said
LOST = 300.0  # and after which a store counts as lost
AGAIN = 5.0  # seconds for each thing that is asked of a lost one: whoever ends their work asks for several


class Patience:
    """With one store, however many threads ask it."""

    def __init__(self, place: str):
        self._place, self._answered, self._told = place, time.monotonic(), False
        self._lost = ""  # why, from then on until it answers again

    def answer(self, asked: Any) -> Any:
        """What TensorStore has promised. Where nothing that was asked is answered, that is said, and so is its end.

        Raises:
          SweepError: if it lasts, or access is denied.
          ValueError: whatever else TensorStore says.
        """
        began = time.monotonic()
        while not _comes(asked, AGAIN if self._lost else SILENCE):
            self._wait(time.monotonic() - max(began, self._answered))
        try:
            found = asked.result()
        except FAILURES as error:
            if (why := meaning(error, self._place)) is not None:
                self._lost = why
                raise SweepError(f"{self._place}: {why}") from error
            raise
        self._answered, self._lost = time.monotonic(), ""
        if self._told:
            self._told = False
            say(f"{self._place}: answers again")
        return found

    def _wait(self, silent: float) -> None:
        if silent > LOST:
            self._lost = f"no answer for {clock(LOST)}; the same command goes on where this one was"
        if self._lost:
            raise SweepError(f"{self._place}: {self._lost}")
        if silent >= SILENCE and not self._told:
            self._told = True
            why = f": {found}" if (found := trouble(self._place)) else ""
            say(f"{self._place}: no answer for {clock(silent)}{why}; trying for up to {clock(LOST)}")


def _comes(asked: Any, seconds: float) -> bool:
    """Whether an answer, or an error, is there by then."""
    try:
        asked.exception(timeout=seconds)
    except TimeoutError:
        return False
    return True
