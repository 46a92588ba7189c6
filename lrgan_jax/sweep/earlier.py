"""Stores of earlier releases, which had all of a block in arrays: its sums, and a checksum of everything."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.sweep.arrays import opened
from lrgan_jax.sweep.block import SIDES, USABLE
from lrgan_jax.sweep.errors import Damaged
from lrgan_jax.sweep.objects import plainly, undamaged
from lrgan_jax.sweep.store import Commit, Store, checksum

FIRST = "lrgan_jax sweep 1"  # with results of every method, asked for or not
EARLIER = (FIRST, "lrgan_jax sweep 2")
COMMITTED = "committed"


class EarlierStore(Store):
    """To be read, and to be merged into new ones."""

    def __init__(self, place: str, manifest: dict[str, Any]):
        super().__init__(place, manifest)
        with plainly(place):
            self.arrays |= opened(self.objects, [COMMITTED])

    def commits(self, known: Mapping[int, Commit] | None = None) -> dict[int, Commit]:
        """Counted from what is known of each latent."""
        reads = [self.arrays[COMMITTED][block].read() for block in range(self.num_blocks)]
        sums = [self._checksum(read) for read in reads]
        usable = self.values("usable") == USABLE
        converged = usable & self.values("converged").all(1) if "converged" in self.layouts else usable
        counts = [[int(a[self._place(block)].sum()) for a in (usable, converged)] for block in range(self.num_blocks)]
        return {block: Commit(check, *counts[block]) for block, check in enumerate(sums) if check}

    def has(self, block: int) -> bool:
        return bool(self.values(COMMITTED, block))

    def read(self, block: int, commit: Commit) -> dict[str, np.ndarray]:
        """As ever; the sums are looked at as well."""
        places = dict.fromkeys(self.by_latent, self._place(block)) | {
            f"sum_{side}": slice(block, block + 1) for side in SIDES
        }
        parts = self._parts(block, places)
        if commit.checksum != checksum(parts):
            raise Damaged("the checksum is another one")
        return parts

    def sum_of(self, block: int) -> dict[str, np.ndarray] | None:
        with undamaged():
            sums = {side: self.objects.answer(self.arrays[f"sum_{side}"][block].read()) for side in SIDES}
        return {side: total.astype(np.float64) for side, total in sums.items()}

    def _checksum(self, read: Any) -> int:
        """-1 for one that is damaged."""
        try:
            with undamaged():
                return int(self.objects.answer(read))
        except Damaged:
            return -1
