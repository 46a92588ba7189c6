"""What is wrong with a store: files that are gone, found by lists of names, and files that changed, by reading all.

TensorStore tells whoever reads a changed file, by its checksum; a lost one it takes for zeros. So the lists are gone
through whenever work begins, seconds at a million latents, and the rest when it is asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from lrgan_jax.base.ahead import ahead
from lrgan_jax.sweep.errors import Damaged
from lrgan_jax.sweep.store import SPAN, SPANS, SUMS, UNREADABLE, Commit, Store
from lrgan_jax.sweep.sums import span_sum

READERS = 8  # blocks read at once


def look_through(store: Store, blocks: Sequence[int], *, everything: bool) -> dict[int, str]:
    """Discard what is damaged of these blocks, and population directions that are.

    Sums matter only until the population is there.

    Args:
      everything: read all of it.
    Returns:
      What was wrong with each block that is absent now.
    """
    commits = {block: commit for block, commit in store.commits().items() if block in blocks}
    damaged = _lost(store, commits)
    if everything:
        damaged |= dict(_changed(store, {block: commits[block] for block in commits.keys() - damaged.keys()}))
    if not _population_is_there(store):
        damaged |= dict(_without_sums(store, commits, everything=everything))
    for block in damaged:
        store.discard(block)
    return damaged


def _lost(store: Store, commits: Mapping[int, Commit]) -> dict[int, str]:
    damaged = {block: "its commit cannot be read" for block, commit in commits.items() if commit == UNREADABLE}
    for name in store.by_latent:
        there = {key.partition("/")[0] for key in store.objects.names(f"{name}/c/")}
        damaged |= {block: f"its file of {name} is gone" for block in commits if str(block) not in there}
    return damaged


def _changed(store: Store, commits: Mapping[int, Commit]) -> Iterator[tuple[int, str]]:
    def look(block: int) -> tuple[int, str | None]:
        try:
            store.read(block, commits[block])
        except Damaged as error:
            return block, str(error)
        return block, None

    with ThreadPoolExecutor(READERS) as readers:
        for looking in ahead(commits, lambda block: readers.submit(look, block), READERS):
            block, reason = looking.result()
            if reason is not None:
                yield block, reason


def _population_is_there(store: Store) -> bool:
    try:
        return store.population() is not None
    except Damaged:
        store.discard_population()
        return False


def _without_sums(store: Store, commits: Mapping[int, Commit], *, everything: bool) -> Iterator[tuple[int, str]]:
    sums = store.objects.numbers(SUMS)
    spans = store.objects.numbers(SPANS)  # after the sums, which go when their span is there
    if everything:
        spans -= set(_bad_spans(store, spans))
    for block in commits:
        if block // SPAN in spans:
            continue
        try:
            if block not in sums or (everything and store.sum_of(block) is None):
                yield block, "its sum is gone"
        except Damaged as error:
            yield block, f"its sum is damaged: {error}"


def _bad_spans(store: Store, spans: set[int]) -> Iterator[int]:
    """Those that are not what was written; they are discarded."""
    for span in spans:
        try:
            span_sum(store, span)
        except Damaged:
            store.objects.delete(f"{SPANS}{span}")
            yield span
