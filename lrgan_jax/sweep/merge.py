"""Shares of one sweep, computed by machines that do not reach a common store, brought together."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from lrgan_jax.base.ahead import ahead
from lrgan_jax.base.interrupt import LEFT, Interrupted, StopRequest, attended
from lrgan_jax.base.settings import differences
from lrgan_jax.sweep import population
from lrgan_jax.sweep.begin import create, open_store
from lrgan_jax.sweep.damage import look_through
from lrgan_jax.sweep.devices import same_bits
from lrgan_jax.sweep.earlier import EARLIER, FIRST
from lrgan_jax.sweep.errors import Damaged, SweepError
from lrgan_jax.sweep.objects import packed
from lrgan_jax.sweep.plan import NATURAL_ROOT
from lrgan_jax.sweep.store import SPAN, SPANS, Commit, Store
from lrgan_jax.sweep.sums import add_up, has_span, span_sum

COPIED = 8  # blocks on their way at once
SAME_BITS = ("memory", "versions")  # what last digits depend on


def merge(
    path: str | Path,
    shares: Sequence[str | Path] = (),
    *,
    verify: bool = False,
    report: Callable[[str], Any] = lambda text: None,
) -> None:
    """Copy the blocks of all shares into one store, and write its population. Called again, it goes on where it
    stopped.

    Args:
      path: the store to write, new or begun. Without `shares`, a store that several shares wrote into together.
      shares: stores of one sweep, as `run(..., shard=...)` wrote them, all of which is read and looked at.
      verify: read all that is in the store already, too; see `run`.
      report: is told of blocks that are damaged, which are left out, and of what last digits may differ by.
    Raises:
      SweepError: if the stores are not of one sweep, or some block is in none of them. What was copied stays.
      Interrupted: soon after SIGINT or SIGTERM. What was copied stays.
    """
    attended(same_bits(partial(_merge, path, shares, verify, report)))


def _merge(
    path: str | Path, shares: Sequence[str | Path], verify: bool, report: Callable[[str], Any], stop: StopRequest
) -> None:
    sources = [open_store(share) for share in shares]
    for source in sources:
        _compare(source, _target(path, source), report)
    target = open_store(path)
    if target.manifest["format"] in EARLIER:
        raise SweepError(f"{path} was begun by an earlier release: bring it together in another store")
    for block, reason in look_through(target, range(target.num_blocks), everything=verify).items():
        report(f"{target.place}: block {block} is discarded: {reason}")
    for source in sources:
        _copy(source, target, report, stop)
    if stop.number is not None:
        raise Interrupted(LEFT, stop.number)
    _finish(target, report)


def _target(path: str | Path, source: Store) -> Store:
    """Begun for the sweep of a source, unless it is there."""
    if source.manifest["format"] == FIRST:
        raise SweepError(
            f"{source.place} holds results of every method, as the first release wrote them: it is read only"
        )
    layouts = {name: layout for name, layout in source.layouts.items() if layout.axes[0] != "block"}
    constants = {name: source.values(name) for name in ("masks", NATURAL_ROOT) if name in layouts}
    return create(path, source.manifest, layouts, constants)


def _compare(source: Store, target: Store, report: Callable[[str], Any]) -> None:
    ours, theirs = ({name: store.manifest.get(name) for name in SAME_BITS} for store in (target, source))
    if different := "; ".join(differences(ours, theirs)):
        report(f"{source.place}: {different}: last digits may differ from the others'")


def _copy(source: Store, target: Store, report: Callable[[str], Any], stop: StopRequest) -> None:
    """What the target lacks, several at once, as long as nobody asks to stop."""
    commits, there = source.commits(), target.commits()

    def one(block: int) -> tuple[int, str | None]:
        try:
            _copy_block(source, target, block, commits[block])
        except Damaged as error:
            return block, str(error)
        return block, None

    with ThreadPoolExecutor(COPIED) as copiers:
        missing = takewhile(lambda block: stop.number is None, sorted(commits.keys() - there.keys()))
        for copying in ahead(missing, lambda block: copiers.submit(one, block), COPIED):
            block, reason = copying.result()
            if reason is not None:
                report(f"{source.place}: block {block} is left out: {reason}")


def _copy_block(source: Store, target: Store, block: int, commit: Commit) -> None:
    """With its sum; where that is gone, since its span was added up, with the span's."""
    results, sums, span = source.read(block, commit), source.sum_of(block), block // SPAN
    if sums is None and not has_span(target, span):
        whole = span_sum(source, span)
        if whole is None:
            raise Damaged("its sum is gone")
        target.objects.write(f"{SPANS}{span}", packed(whole))
    target.write(block, results, sums or {})


def _finish(store: Store, report: Callable[[str], Any]) -> None:
    population.check_all_there(store)
    if store.has_population():
        return
    damaged = {block: reason for span in range(store.num_spans) for block, reason in add_up(store, span).items()}
    for block, reason in (damaged or population.write(store)).items():
        report(f"{store.place}: block {block} is discarded: {reason}")
    population.check_all_there(store)
