"""Shares of one sweep, computed by machines that do not talk to each other, brought together."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lrgan_jax.sweep import population
from lrgan_jax.sweep.errors import Damaged
from lrgan_jax.sweep.plan import NATURAL_ROOT
from lrgan_jax.sweep.store import Store, create, location, open_store


def merge(
    path: str | Path, shares: Sequence[str | Path] = (), *, report: Callable[[str], Any] = lambda text: None
) -> None:
    """Copy the blocks of all shares into one store, and write its population. Called again, it goes on where it
    stopped.

    Args:
      path: the store to write, new or begun. Without `shares`, a store that several shares wrote into together.
      shares: stores of one sweep, as `run(..., shard=...)` wrote them.
      report: is told of blocks that are damaged, which are left out.
    Raises:
      SweepError: if the stores are not of one sweep, or some block is in none of them. What was copied stays.
    """
    sources = [open_store(share) for share in shares]
    for source in sources:
        constants = {name: source.values(name) for name in ("masks", NATURAL_ROOT) if name in source.layouts}
        create(location(path), source.manifest, source.layouts, constants)
    target = open_store(path)
    for block, found in target.look_through(range(target.num_blocks)):
        if isinstance(found, Damaged):
            report(f"{target.place}: block {block} is discarded: {found}")
    for source in sources:
        _copy(source, target, report)
    population.write(target)


def _copy(source: Store, target: Store, report: Callable[[str], Any]) -> None:
    missing = [block for block, there in enumerate(target.committed()) if not there]
    for block, there in zip(missing, source.committed(missing), strict=True):
        try:
            if there:
                target.write(block, source.read(block))
        except Damaged as error:
            report(f"{source.place}: block {block} is left out: {error}")
