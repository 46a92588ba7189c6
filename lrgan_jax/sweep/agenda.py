"""What is left to do at a store, and which of it this worker does next."""

import math
import random
import time
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from lrgan_jax.base.progress import PATIENCE, mention
from lrgan_jax.sweep.claims import Worker, plain
from lrgan_jax.sweep.store import SPANS, Commit, Store

NAMED = 5  # others whose names are said
SHORTEST, LONGEST = 0.1, 10.0  # seconds from one look at a store to the next, where nothing is to be had


class Item(NamedTuple):
    """A block to compute, a span to add up, or the population."""

    kind: Literal["block", "span", "population"]
    number: int = 0

    @property
    def name(self) -> str:
        """By which it is claimed."""
        return f"{self.kind}-{self.number}"


def block_item(number: int) -> Item:
    return Item("block", number)


class Agenda:
    """Blocks first, but for spans that can be added up, since their blocks' sums take room; the population comes last.

    Attributes:
      blocks: that this worker is to see done. commits: those that were there at the last look. finished: whether
        everything was, by whomever.
    """

    def __init__(self, store: Store, worker: Worker, blocks: Sequence[int], *, population: bool):
        """`population`: whether that is wanted, for which all blocks must be there."""
        self._store, self._worker, self._population = store, worker, population
        self._pause, self._next_look = SHORTEST, 0.0
        self._waits: float | None = None  # since when all that is left is at others; infinity once that was said
        self.blocks, self.finished = blocks, False
        self.commits: dict[int, Commit] = store.commits()

    def next(self) -> Item | None:
        """Something that nobody does, claimed for this worker. None if there is nothing for the time being."""
        if time.monotonic() < self._next_look:
            return None
        item = self._choice()
        if item is not None and self._worker.take(item.name):
            if not self._done(item):
                self._pause = SHORTEST
                return item
            self._worker.release(item.name)
        self._next_look = time.monotonic() + self._pause * random.uniform(0.5, 1)
        self._pause = min(2 * self._pause, LONGEST)
        return None

    def look_soon(self) -> None:
        """As something has changed."""
        self._pause, self._next_look = SHORTEST, 0.0

    def _choice(self) -> Item | None:
        """Any of the first things on the list, as many as others may be about to take."""
        taken = self._worker.taken()  # before the look, which sees what is done meanwhile
        left = self._left()
        if self.finished:
            self._worker.bury()
        self._tell_of_waiting(left, taken)
        free = [item for item in left if item.name not in taken]
        others = sum(name != self._worker.name for name in taken.values())
        return random.choice(free[: 1 + 4 * others]) if free else None

    def _tell_of_waiting(self, left: Sequence[Item], taken: Mapping[str, str]) -> None:
        """Once, where others have had all that is left for some time."""
        owners = {taken.get(item.name, self._worker.name) for item in left}
        if not owners or self._worker.name in owners:
            self._waits = None
        elif self._waits is None:
            self._waits = time.monotonic()
        elif time.monotonic() - self._waits > PATIENCE:
            mention(f"waiting for {_counted(left)} at work elsewhere: {_listed(sorted(map(plain, owners)))}")
            self._waits = math.inf

    def _left(self) -> list[Item]:
        self.commits = self._store.commits(self.commits)
        there = self._store.has_population()  # then sums do not matter any more
        left = [] if there else self._sums_left()
        left += [block_item(block) for block in self.blocks if block not in self.commits]
        if self._population and not (there or left):
            left = [Item("population")]
        self.finished = not left
        return left

    def _sums_left(self) -> list[Item]:
        """Spans of which all blocks are there."""
        added = self._store.objects.numbers(SPANS)
        spans = [span for span in range(self._store.num_spans) if span not in added]
        return [Item("span", span) for span in spans if self.commits.keys() >= set(self._store.blocks_of(span))]

    def _done(self, item: Item) -> bool:
        """Whether somebody did it between the look and the claim."""
        return item.kind == "block" and self._store.has(item.number)


def _counted(items: Sequence[Item]) -> str:
    blocks = sum(item.kind == "block" for item in items)
    return f"{blocks} block{'s' * (blocks > 1)}" if blocks else "sums"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
