"""What is finished, to the store: whole blocks, and now and then what there is of the others.

One thread writes, so what is asked for last is done last.
"""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np

from lrgan_jax.sweep.agenda import block_item
from lrgan_jax.sweep.claims import Worker
from lrgan_jax.sweep.store import Commit, Store
from lrgan_jax.sweep.unfinished import Unfinished, save

SAVED = 60.0  # seconds of work that a kill may cost
SELDOM = 10  # times as long as saving takes, it is not done again


class Keeper:
    """Writes only blocks that are still this worker's."""

    def __init__(self, store: Store, worker: Worker):
        self._store, self._worker, self._writer = store, worker, ThreadPoolExecutor(1)
        self._saving: Future[list[int]] | None = None
        self._save_at = time.monotonic() + SAVED

    def commit(self, block: Unfinished) -> "Future[Commit | None]":
        """Write a block that is whole. None if it is somebody else's by now."""
        return self._writer.submit(self._commit, block)

    def save_sometimes(self, blocks: Iterable[Unfinished]) -> list[int]:
        """Begin to save these if it is time for that. Those that turned out to be somebody else's by now."""
        if self._saving is not None and self._saving.done():
            lost, self._saving = self._saving.result(), None
            return lost
        if self._saving is None and time.monotonic() > self._save_at:
            self._saving = self._begin(blocks)
        return []

    def finish(self, blocks: Iterable[Unfinished], seconds: float) -> None:
        """Save these, and wait until that and all else is written, or so long."""
        wait([self._begin(blocks)], seconds)

    def close(self, *, wait: bool) -> None:
        self._writer.shutdown(wait, cancel_futures=True)

    def _begin(self, blocks: Iterable[Unfinished]) -> "Future[list[int]]":
        return self._writer.submit(self._save, {block.number: block.so_far() for block in blocks if block.begun})

    def _save(self, parts: Mapping[int, Mapping[str, np.ndarray]]) -> list[int]:
        began = time.monotonic()
        lost = [number for number in parts if not self._worker.holds(block_item(number).name)]
        for number in parts.keys() - set(lost):
            save(self._store, number, parts[number])
        self._save_at = time.monotonic() + max(SAVED, SELDOM * (time.monotonic() - began))
        return lost

    def _commit(self, block: Unfinished) -> Commit | None:
        name = block_item(block.number).name
        if not self._worker.holds(name):
            return None
        commit = self._store.write(block.number, block.results, block.sums)
        self._worker.release(name)
        return commit
