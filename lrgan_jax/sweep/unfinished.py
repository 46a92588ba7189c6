"""A block in the making: the results of its first latents, which are worth keeping wherever it is left."""

from collections.abc import Mapping

import numpy as np

from lrgan_jax.sweep.block import SIDES, USABLE
from lrgan_jax.sweep.errors import Damaged
from lrgan_jax.sweep.objects import packed, unpacked
from lrgan_jax.sweep.store import PARTIAL, Store


class Unfinished:
    """What there is of a block so far.

    Attributes:
      results: [length, ...] each; the first `done` are there. sums: of the Grams of those that are usable.
    """

    def __init__(self, store: Store, number: int):
        self.number, self.length = number, store.length(number)
        self.results = {
            name: np.zeros((self.length, *store.layouts[name].shape[1:]), store.layouts[name].dtype)
            for name in store.by_latent
        }
        self.sums: dict[str, np.ndarray] = {}
        self.done = 0

    @property
    def begun(self) -> bool:
        """Whether there is something to save of it, and it is not whole."""
        return 0 < self.done < self.length

    @property
    def failed(self) -> int:
        """Latents without finite results."""
        return int((self.results["usable"][: self.done] != USABLE).sum())

    def add(self, results: Mapping[str, np.ndarray], grams: Mapping[str, np.ndarray]) -> None:
        """The next latents; what is past the block's end is padding, and dropped."""
        count = min(len(results["usable"]), self.length - self.done)
        for name, whole in self.results.items():
            whole[self.done : self.done + count] = results[name][:count]
        for side in SIDES:
            total = self.sums.get(side, np.zeros(grams[side].shape[1:]))
            for gram in grams[side][:count][results["usable"][:count] == USABLE]:
                total = total + gram  # another array, as this one may be on its way to the store
            self.sums[side] = total
        self.done += count

    def so_far(self) -> dict[str, np.ndarray]:
        """All that is to be kept of it. Later latents do not change it."""
        return {name: a[: self.done] for name, a in self.results.items()} | {
            f"sum_{side}": total for side, total in self.sums.items()
        }


def save(store: Store, block: int, parts: Mapping[str, np.ndarray]) -> None:
    """Keep what there is of a block, for whoever goes on with it."""
    store.objects.write(f"{PARTIAL}{block}", packed(parts))


def resumed(store: Store, number: int) -> Unfinished:
    """A block as it was left, by whoever that was; from its beginning if that is damaged."""
    block, content = Unfinished(store, number), store.objects.read(f"{PARTIAL}{number}")
    try:
        parts = {} if content is None else unpacked(content)
    except Damaged:
        return block
    if parts:
        block.sums = {side: parts.pop(f"sum_{side}") for side in SIDES}
        block.done = len(parts["usable"])
        for name, a in parts.items():
            whole = block.results[name]
            whole[: block.done] = a.view(whole.dtype)  # NumPy alone takes bfloat16 for bytes
    return block
