"""Keeping the devices busy: the next block is always queued, and a thread notes when each one is ready."""

import time
from collections import abc
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from lrgan_jax.base.ahead import ahead
from lrgan_jax.base.memory import default_memory, halving, platform_most
from lrgan_jax.generators import Generator
from lrgan_jax.generators.sampling import Latents
from lrgan_jax.lengths import Root
from lrgan_jax.sweep.block import AXIS, Job, compute
from lrgan_jax.targets import Targets

AHEAD = 2  # blocks that the devices have been given at any time: more would only take memory


class Running(NamedTuple):
    """A block on its way.

    `started` and `ready` are times of `time.perf_counter`; the results may be fetched from then on.
    """

    number: int
    results: dict[str, Any]
    started: float
    ready: Future[float]


def stream(
    gen: Generator,
    latents: Latents,
    targets: Targets,
    root: Root,
    job: Job,
    devices: Sequence[Any],
    numbers: Iterable[int],
) -> abc.Generator[Running, None, None]:
    """The blocks of these numbers, in turn. Asks for a number only when a device has room for its block."""
    mesh = jax.make_mesh((len(devices),), (AXIS,), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)
    whole, split = (NamedSharding(mesh, spec) for spec in (PartitionSpec(), PartitionSpec(AXIS)))
    size = job.keep.block
    padded = -(-size // len(devices)) * len(devices)
    gen, targets, root = jax.device_put((gen, targets, root), whole)

    def arguments(block: int):
        counts = block * size + np.arange(padded) < min((block + 1) * size, latents.num)
        return gen, *jax.device_put((latents.stretch(block * size, padded), counts), split), targets, root

    def begun(job: Job, given: tuple) -> tuple[Any, float]:
        """The results, on their way, and when that began: the first call compiles, and comes back once that is done."""
        return compute(job, mesh, *given), time.perf_counter()

    def first(given: tuple) -> tuple[Any, float]:
        """Waited for, as not all of the memory that the job says may be there; the others then take what was."""
        nonlocal within
        asked = default_memory() if job.keep.memory is None else job.keep.memory
        found, memory = halving(lambda memory: begun(_within(job, memory), given), asked)
        within = _within(job, memory)
        return found

    def start(block: int) -> Running:
        given = arguments(block)
        (results, sums), started = first(given) if within is None else begun(within, given)
        results |= {f"sum_{side}": total[None] for side, total in sums._asdict().items()}
        for result in results.values():
            result.copy_to_host_async()
        return Running(block, results, started, watcher.submit(_when_ready, results))

    within = None if platform_most().together else job  # a CPU's memory does not run out, it swaps
    with ThreadPoolExecutor(1) as watcher:
        yield from ahead(numbers, start, AHEAD)


def _within(job: Job, memory: int) -> Job:
    return job._replace(keep=replace(job.keep, memory=memory))


def _when_ready(results) -> float:
    jax.block_until_ready(results)
    return time.perf_counter()
