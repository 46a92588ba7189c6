"""One process at work on a store: steps to the devices, what is finished to the store, nothing waiting for the other.

A step is a latent for each device, or a few. It is what a stop loses, and a kill loses little more.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from lrgan_jax import display
from lrgan_jax.base.interrupt import StopRequest
from lrgan_jax.base.progress import waiting
from lrgan_jax.sweep import population
from lrgan_jax.sweep.agenda import Agenda, Item
from lrgan_jax.sweep.claims import Worker
from lrgan_jax.sweep.devices import Devices, Step, same_bits
from lrgan_jax.sweep.errors import SweepError
from lrgan_jax.sweep.keeper import Keeper
from lrgan_jax.sweep.store import Commit, Store
from lrgan_jax.sweep.sums import add_up
from lrgan_jax.sweep.unfinished import Unfinished, resumed

AHEAD = 2  # steps that the devices have been given at any time: more would only take memory
WRITING = 3  # blocks that wait to be written at any time, or are
LEAD = 2.0  # seconds before a block ends in which the next one is claimed: not sooner, as others may have time for it
POLL = 0.1  # seconds from one look at whether somebody asked to stop to the next
LAST = 12.0  # seconds in which a stop saves what there is


@display.record
class Progress(NamedTuple):
    """How far all processes are with what this one is to see done.

    Attributes:
      total, done, failed: latents. damaged: blocks that are done again, and what was wrong with them.
      computed, seconds, idle_seconds: of this call alone: latents, the time since its first step, and how much of it
        the devices had nothing to do.
    """

    total: int
    done: int = 0
    failed: int = 0
    damaged: Mapping[int, str] = {}
    computed: int = 0
    seconds: float = 0.0
    idle_seconds: float = 0.0

    @property
    def seconds_left(self) -> float:
        """At the rate of this call."""
        return (self.total - self.done) * self.seconds / max(self.computed, 1)


class Work:
    """All in the thread of `go`; only steps, claims, writing and adding up have threads of their own."""

    def __init__(
        self,
        store: Store,
        worker: Worker,
        agenda: Agenda,
        devices: Devices,
        damaged: Mapping[int, str],
        max_failures: int | None,
        report: Callable[[Progress], object],
        stop: StopRequest,
    ):
        self._store, self._worker, self._agenda, self._devices = store, worker, agenda, devices
        self._max_failures, self._report, self._stop = max_failures, report, stop
        self.progress = Progress(sum(map(store.length, agenda.blocks)), damaged=damaged)
        self._keeper = Keeper(store, worker)
        self._asker, self._adder = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._asked: Future[Item | Unfinished | None] | None = None
        self._open: dict[int, Unfinished] = {}  # claimed and not committed
        self._committed: dict[int, Commit] = {}  # by this worker
        self._steps = self._all_steps()
        self._running: deque[tuple[Unfinished, Future[Step]]] = deque()
        self._writing: deque[tuple[int, Future[Commit | None]]] = deque()
        self._adding: deque[Future[dict[int, str]]] = deque()  # spans, or the population
        self._first_start = self._last_ready = self._step_seconds = 0.0

    def go(self) -> None:
        """Until everything is done, by whomever, or somebody asks to stop. What is finished is kept in any case."""
        try:
            with waiting("latents") as self._shown:
                self._tell()
                while self._stop.number is None and not self._finished():
                    self._give()
                    self._take()
                    self._settle()
                self._look()
        finally:
            self._leave()

    def _finished(self) -> bool:
        return self._agenda.finished and not (self._running or self._writing or self._adding)

    def _give(self) -> None:
        while len(self._running) < AHEAD and len(self._writing) < WRITING and (step := next(self._steps)) is not None:
            block, first = step
            self._running.append((block, self._devices.start(block.number, first)))

    def _all_steps(self) -> Iterator[tuple[Unfinished, int] | None]:
        """What to give the devices next; None as long as there is nothing."""
        while True:
            found = self._next()
            if not isinstance(found, Unfinished):
                yield None
                continue
            self._open[found.number] = found
            for first in range(found.done, found.length, self._devices.width):
                if self._open.get(found.number) is found:
                    yield found, first
                if (found.length - first) / self._devices.width * self._step_seconds < LEAD:
                    self._ask()

    def _next(self) -> Item | Unfinished | None:
        """What was asked for, if the answer is there."""
        asked = self._ask()
        if not asked.done():
            return None
        self._asked = None
        found = asked.result()
        if isinstance(found, Item):
            self._adding.append(self._adder.submit(same_bits(self._add_up), found))
        return found

    def _ask(self) -> "Future[Item | Unfinished | None]":
        """For something to do, claimed: if it is a block, with what there is of it."""
        self._asked = self._asker.submit(self._claimed) if self._asked is None else self._asked
        return self._asked

    def _claimed(self) -> Item | Unfinished | None:
        item = self._agenda.next()
        return resumed(self._store, item.number) if item is not None and item.kind == "block" else item

    def _take(self) -> None:
        """The results of a step, if they come soon."""
        if not self._running:
            time.sleep(POLL)
            self._tell_if_changed()
            return
        block, step = self._running[0]
        wait([step], POLL)
        if step.done():
            self._running.popleft()
            self._count(step.result(), self._add(block, step.result()))
            self._tell()

    def _add(self, block: Unfinished, step: Step) -> int:
        """How many latents were added to their block; none if it is somebody else's by now."""
        if self._open.get(block.number) is not block:
            return 0
        before = block.done
        block.add(step.results, step.grams)
        if block.done == block.length:
            self._writing.append((block.number, self._keeper.commit(block)))
        return block.done - before

    def _count(self, step: Step, latents: int) -> None:
        self._first_start = self._first_start or step.started
        idle = max(0.0, step.started - self._last_ready) if self._last_ready else 0.0
        self._step_seconds = step.ready - max(step.started, self._last_ready)
        self._last_ready = step.ready
        self.progress = self.progress._replace(
            computed=self.progress.computed + latents,
            seconds=step.ready - self._first_start,
            idle_seconds=self.progress.idle_seconds + idle,
        )

    def _tell(self) -> None:
        self._look()
        now = self.progress
        self._shown.reach(now.done, now.total, f"{now.failed} failed" if now.failed else "")
        self._report(now)
        if self._max_failures is not None and self.progress.failed > self._max_failures:
            raise SweepError(
                f"{self.progress.failed} latents have no finite results; "
                f"--max-failures {self._max_failures} allows for no more"
            )

    def _tell_if_changed(self) -> None:
        """Others are at work, too."""
        before = self.progress
        self._look()
        if self.progress != before:
            self._tell()

    def _look(self) -> None:
        """At how far everything is."""
        commits = {**self._committed, **self._agenda.commits}
        commits = {block: commit for block, commit in commits.items() if block in self._agenda.blocks}
        unfinished = [block for number, block in self._open.items() if number not in commits]
        lengths = {block: self._store.length(block) for block in commits}
        done = sum(lengths.values()) + sum(block.done for block in unfinished)
        failed = sum(lengths[block] - commit.usable for block, commit in commits.items())
        self.progress = self.progress._replace(done=done, failed=failed + sum(block.failed for block in unfinished))

    def _settle(self) -> None:
        """What the other threads have finished."""
        while self._writing and self._writing[0][1].done():
            number, writing = self._writing.popleft()
            if (commit := writing.result()) is not None:
                self._committed[number] = commit
            del self._open[number]
            self._agenda.look_soon()
        while self._adding and self._adding[0].done():
            damaged = self._adding.popleft().result()
            self.progress = self.progress._replace(damaged={**self.progress.damaged, **damaged})
            self._agenda.look_soon()
        for number in self._keeper.save_sometimes(self._open.values()):
            del self._open[number]

    def _add_up(self, item: Item) -> dict[int, str]:
        damaged = add_up(self._store, item.number) if item.kind == "span" else population.write(self._store)
        self._worker.release(item.name)
        return damaged

    def _leave(self) -> None:
        """After a stop the devices are not waited for: nobody can end what they do, nor a compilation."""
        stopped = self._stop.number is not None
        while self._running and self._running[0][1].done() and not self._running[0][1].exception():
            block, step = self._running.popleft()
            self._add(block, step.result())
        self._look()
        self._keeper.finish(self._open.values(), LAST)
        for threads in (self._asker, self._adder):
            threads.shutdown(wait=not stopped, cancel_futures=True)
        self._keeper.close(wait=not stopped)
        self._devices.close(wait=not stopped)
