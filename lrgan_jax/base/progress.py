"""Nobody waits in silence: whatever has taken two seconds says what it does, how far it is, and how long it may take.

    with waiting("looking for directions", operations=...):  # a job without parts
        ...
    for face in counted(faces, "faces"):  # one that is done part by part
        ...

Jobs only say what they are; results never depend on it, and no function of arrays knows of it. A clock beside them, one
for all, shows the innermost one on stderr, as stdout is for results. Of compiling JAX tells by itself (`compiling`). A
library is not to write where nobody looks, so but for commands, which write to logs too, only terminals and notebooks
are shown anything.
"""

import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TextIO, TypeVar

from lrgan_jax.base import durations
from lrgan_jax.base.compiling import watch
from lrgan_jax.base.screens import Log, Screen, Still, Terminal, watched

PATIENCE = 2.0  # seconds that need no word
TICK = 0.25
Item = TypeVar("Item")


class Job:
    """Something that takes time.

    Attributes:
      done, total: of its parts; without a total it has none. operations: see `durations`, None if nobody can say.
      figures: what is worth knowing now, such as a loss.
    """

    def __init__(self, what: str, total: int | None = None, operations: float | None = None):
        self.what, self.total, self.operations = what, total, operations
        self.done, self.figures = 0, ""
        self._before: int | None = None  # parts that were done before it began
        self._began, self._compiled = time.monotonic(), watch().spent

    def step(self, num: int = 1, figures: str = "") -> None:
        """So many parts more are done."""
        self._before = self._before or 0
        self.done, self.figures = self.done + num, figures

    def reach(self, done: int, total: int, figures: str = "") -> None:
        """So many of so many parts are done. If the first word is of several, they were done before."""
        self._before = (done if done > 1 else 0) if self._before is None else self._before
        self.done, self.total, self.figures = done, total, figures

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    @property
    def worked(self) -> float:
        """Seconds without those of compiling, which come once."""
        return max(0.0, self.seconds - (watch().spent - self._compiled))

    @property
    def share(self) -> float | None:
        """Of its parts, those that are done."""
        return self.done / self.total if self.total else None

    @property
    def left(self) -> float | None:
        """Seconds, by its own pace or as it is expected; None where nobody knows, or it takes longer than thought."""
        if self.total and (done := self.done - (self._before or 0)):
            return self.worked / done * (self.total - self.done)
        return None if self._expected is None or self._expected < self.worked else self._expected - self.worked

    @cached_property
    def _expected(self) -> float | None:
        return None if self.operations is None else durations.expected(self.what, self.operations)

    def __str__(self) -> str:
        count = f"{self.done} of {self.total}" if self.total and self.total > 1 else ""
        said = [count, f"{durations.clock(self.seconds)} so far", self._rest(), self.figures]
        return f"{self.what}: {', '.join(filter(None, said))}"

    def _rest(self) -> str:
        compiling = watch()
        if compiling.since is not None:
            longer = time.monotonic() - compiling.since > compiling.expected + durations.SOME
            return f"compiling (once{'' if longer else f', {durations.about(compiling.expected)}'})"
        return "" if self.left is None else f"{durations.about(self.left)} left"


class _Clock:
    """Shows the innermost of the jobs that run and are older than PATIENCE."""

    def __init__(self):
        self.jobs: list[Job] = []
        self.lock = threading.RLock()
        self.choose: Callable[[], Screen | None] = watched
        self.screen: Screen | None = None  # chosen when the outermost job begins
        self._ticks = False

    def begin(self, job: Job) -> None:
        with self.lock:
            if not self.jobs:
                self.screen = self.choose()
            self.jobs.append(job)
            if self.screen is not None and not self._ticks:
                self._ticks = True
                threading.Thread(target=self._tick, daemon=True).start()

    def shown_on(self, choose: Callable[[], Screen | None]) -> None:
        """From now on; what is shown already is cleared."""
        with self.lock:
            self.clear()
            self.choose, self.screen = choose, choose() if self.jobs else None

    def end(self, job: Job) -> None:
        with self.lock:
            self.jobs.remove(job)
            if not self.jobs:
                self.clear()

    def clear(self) -> None:
        if self.screen is not None:
            self.screen.clear()

    def _tick(self) -> None:
        while True:
            time.sleep(TICK)
            with self.lock:
                if not self.jobs:
                    self._ticks = False
                    return
                try:
                    self._show()
                except (OSError, ValueError):  # nobody reads any more
                    self.screen = None

    def _show(self) -> None:
        job = next((job for job in reversed(self.jobs) if job.seconds >= PATIENCE), None)
        if job is None or self.screen is None:
            return
        if job.what:
            self.screen.show(job.what, str(job), job.share)
        else:
            self.screen.clear()


_clock = _Clock()


@contextmanager
def waiting(what: str, *, total: int | None = None, operations: float | None = None) -> Iterator[Job]:
    """While inside, this is what is waited for.

    Args:
      what: as a person would say it: "looking for directions".
      total: its parts; whoever does them says `job.step()` after each.
      operations: its size, see `durations`: how long it took is remembered for the next time.
    """
    job = Job(what, total, operations)
    _clock.begin(job)
    try:
        yield job
    finally:
        _clock.end(job)
    if _clock.screen is not None and operations is not None and job.worked >= PATIENCE:
        durations.remember(what, operations, job.worked)


def counted(items: Collection[Item], what: str, *, operations: float | None = None) -> Iterator[Item]:
    """The items, in turn; each is done when the next one is asked for."""
    with waiting(what, total=len(items), operations=operations) as job:
        for item in items:
            yield item
            job.step()


def resting() -> AbstractContextManager[Job]:
    """Inside, nothing is waited for until something new begins, as in a server."""
    return waiting("")


def say(text: str, file: TextIO | None = None) -> None:
    """A line that stays, on stderr by default, while jobs run."""
    with _clock.lock:
        _clock.clear()
        print(text, file=sys.stderr if file is None else file, flush=True)


def mention(text: str) -> None:
    """A line that stays, where jobs are shown."""
    if _clock.screen is not None:
        say(text)


def hint(*words: str) -> None:
    """Where these words are explained, said to who looks on and to no log."""
    if isinstance(_clock.screen, Terminal):
        say(f"what the words mean: {', '.join(f'lrgan explain {word}' for word in words)}")


def show_progress(on: bool = True) -> None:
    """Whether what takes long says so in a terminal or a notebook, as it does if nobody chooses."""
    _clock.shown_on(watched if on else lambda: None)


def show_lines_alone() -> None:
    """From here on what is said once is shown, and what changes is not, as where that goes somewhere else."""
    if _clock.screen is not None:
        _clock.shown_on(Still)


@contextmanager
def in_command(what: str, *, quiet: bool) -> Iterator[None]:
    """The whole of a command: shown on a terminal, in a log otherwise; `quiet`, nowhere."""
    screen, before = None if quiet else Terminal() if sys.stderr.isatty() else Log(), _clock.choose
    _clock.shown_on(lambda: screen)
    try:
        with waiting(what):
            yield
    finally:
        _clock.shown_on(before)
