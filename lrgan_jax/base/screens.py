"""Where jobs that run are shown: a line that changes on a terminal, seldom lines in a log, a line in a notebook.

A screen is given text after text of the jobs that run, some times a second, and is cleared when they end.
"""

import shutil
import sys
import time
from html import escape
from typing import Any, Protocol, runtime_checkable

SOON, SELDOM = 10.0, 300.0  # seconds between lines in a log, at least and at most
SHARE = 0.3  # of the time since the first line, in between: a long job says as little as a short one
BAR = 20  # characters


@runtime_checkable
class Screen(Protocol):
    """What shows jobs."""

    def show(self, what: str, text: str, share: float | None) -> None:
        """Show this now.

        Args:
          what: the job's name. text: all that there is to say. share: of its parts, those that are done.
        """

    def clear(self) -> None:
        """Remove it again, where that can be."""


class Terminal:
    """One line, written again and again."""

    def __init__(self):
        self._written = False

    def show(self, what: str, text: str, share: float | None) -> None:
        from tqdm import tqdm

        plain = not (sys.stderr.encoding or "").lower().startswith("utf")
        bar = "" if share is None else tqdm.format_meter(share, 1, 0, ascii=plain, bar_format=f"{{bar:{BAR}}} ")
        print(f"\r{(bar + text)[: shutil.get_terminal_size().columns - 1]}\033[K", end="", file=sys.stderr, flush=True)
        self._written = True

    def clear(self) -> None:
        if self._written:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        self._written = False


class Log:
    """A line for every new job, and more of long ones, ever more seldom."""

    def __init__(self):
        self._first = self._last = time.monotonic()
        self._said: set[str] = set()

    def show(self, what: str, text: str, share: float | None) -> None:
        now = time.monotonic()
        if what in self._said and now - self._last < min(max(SOON, SHARE * (now - self._first)), SELDOM):
            return
        self._last = now
        self._said.add(what)
        print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """What is written stays."""


class Notebook:
    """A small line below the cell, empty in the end."""

    def __init__(self):
        self._handle: Any = None

    def show(self, what: str, text: str, share: float | None) -> None:
        if self._handle is None:
            from IPython.display import display  # pyright: ignore[reportMissingImports]

            self._handle = display(_small(text), raw=True, display_id=True)
        else:
            self._handle.update(_small(text), raw=True)

    def clear(self) -> None:
        if self._handle is not None:
            self._handle.update(_small(""), raw=True)
        self._handle = None


class Still:
    """Nothing of what changes: only lines that stay are written, by whoever says them."""

    def show(self, what: str, text: str, share: float | None) -> None:
        """Not here."""

    def clear(self) -> None:
        """Nothing was shown."""


def _small(text: str) -> dict[str, str]:
    return {"text/plain": text, "text/html": f"<small>{escape(text)}</small>"}


def watched() -> Screen | None:
    """That of a person who looks on, in a notebook or at a terminal; None where nobody does."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if hasattr(shell, "kernel"):
        return Notebook()
    return Terminal() if sys.stderr.isatty() else None
