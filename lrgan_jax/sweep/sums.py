"""Grams added up, in float64 and in the latents' order, so that neither the number of devices nor where a run was cut
shows in them.

A block's sum takes as much room as the results of some eighty latents. So it is kept only until all of its span are
there; then the span's sum takes the place of theirs, and at the end only spans are read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lrgan_jax.base.ahead import ahead
from lrgan_jax.sweep.errors import Damaged
from lrgan_jax.sweep.objects import packed, unpacked
from lrgan_jax.sweep.store import SPANS, SUMS, Store

READERS = 4  # sums on their way at once: of all layers of W+ each may be a gigabyte

Sums = Mapping[str, np.ndarray]  # of either side [R, d (d + 1) / 2], the upper triangles


def add_up(store: Store, span: int) -> dict[int, str]:
    """Write the sum of a span whose blocks are all there, unless that was done. It does no harm if several do it.

    Returns:
      What is wrong with blocks whose sums are gone or damaged. They are discarded, and the span is not written.
    """
    blocks = store.blocks_of(span)
    if not has_span(store, span):
        total, damaged = _added(blocks, store.sum_of)
        if damaged and not has_span(store, span):  # else somebody was faster, and has removed them
            for block in damaged:
                store.discard(block)
            return damaged
        if not damaged:
            store.objects.write(f"{SPANS}{span}", packed(total))
    store.objects.delete(*(f"{SUMS}{block}" for block in blocks))
    return {}


def total(store: Store) -> tuple[Sums, dict[int, str]]:
    """Over all spans; and what is wrong with blocks whose span cannot be read. They are discarded."""
    found, damaged = _added(range(store.num_spans), lambda span: span_sum(store, span))
    store.objects.delete(*(f"{SPANS}{span}" for span in damaged))  # first, as blocks of a span have no sums
    lost = {block: reason for span, reason in damaged.items() for block in store.blocks_of(span)}
    for block in lost:
        store.discard(block)
    return found, lost


def span_sum(store: Store, span: int) -> Sums | None:
    """None where there is none.

    Raises:
      Damaged: if it is not what was written.
    """
    content = store.objects.read(f"{SPANS}{span}")
    return None if content is None else unpacked(content)


def has_span(store: Store, span: int) -> bool:
    return span in store.objects.numbers(SPANS)


def _added(numbers: Iterable[int], read: Callable[[int], Sums | None]) -> tuple[Sums, dict[int, str]]:
    """The sum of what `read` gives for these numbers, in their order; and what was wrong with those that it does not
    give.
    """
    total: dict[str, np.ndarray] = {}
    damaged: dict[int, str] = {}
    for number, sums in _reading(numbers, read):
        if isinstance(sums, Damaged):
            damaged[number] = str(sums)
        else:
            total = {side: total[side] + a if total else a for side, a in sums.items()}
    return total, damaged


def _reading(numbers: Iterable[int], read: Callable[[int], Sums | None]) -> Iterator[tuple[int, Sums | Damaged]]:
    """A few ahead of the one that is added."""

    def one(number: int) -> tuple[int, Sums | Damaged]:
        try:
            sums = read(number)
            return number, Damaged("its sum is gone") if sums is None else sums
        except Damaged as error:
            return number, error

    with ThreadPoolExecutor(READERS) as readers:
        for found in ahead(numbers, lambda number: readers.submit(one, number), READERS):
            yield found.result()
