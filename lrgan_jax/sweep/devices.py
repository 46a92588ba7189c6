"""Keeping the devices busy: the next step is always queued, and a thread notes when each one is ready."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from lrgan_jax.base.memory import default_memory, halving, platform_most
from lrgan_jax.generators import WS, Generator
from lrgan_jax.generators.sampling import Latents
from lrgan_jax.lengths import Root
from lrgan_jax.sweep.block import AXIS, Job, compute
from lrgan_jax.targets import Targets, search_moves


class Step(NamedTuple):
    """Some latents' results and Grams, in the host's memory. `started` and `ready`: times of `time.perf_counter`."""

    results: Mapping[str, np.ndarray]
    grams: Mapping[str, np.ndarray]
    started: float
    ready: float


class Devices:
    """Those of one process, as one.

    Attributes:
      width: latents of a step.
    """

    def __init__(
        self, gen: Generator, latents: Latents, targets: Targets, root: Root, job: Job, devices: Sequence[Any]
    ):
        mesh = jax.make_mesh((len(devices),), (AXIS,), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)
        whole, self._split = (NamedSharding(mesh, spec) for spec in (PartitionSpec(), PartitionSpec(AXIS)))
        self._mesh, self._latents, self._job = mesh, latents, job
        self._whole = jax.device_put((gen, targets, root), whole)
        self.width = len(devices) * min(_together(gen, job), -(-job.block // len(devices)))
        self._fits = not platform_most().together  # a CPU's memory does not run out, it swaps
        self._stretch: tuple[int, WS] | None = None
        self._starter, self._watcher = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    def start(self, block: int, first: int) -> "Future[Step]":
        """A block's latents from `first` on; past its end the last one again, or the next block's."""
        begun = self._starter.submit(same_bits(self._begin), block, first)
        return self._watcher.submit(_fetched, begun)

    def close(self, *, wait: bool) -> None:
        """Drop what is queued, and wait for what the devices do, or not."""
        self._starter.shutdown(wait, cancel_futures=True)
        self._watcher.shutdown(wait, cancel_futures=True)

    def _begin(self, block: int, first: int) -> tuple[Any, float]:
        """The results, on their way, and when that began: the first call compiles, and comes back once that is done."""
        ws = jax.device_put(self._ws(block, first), self._split)
        if not self._fits:
            asked = default_memory() if self._job.keep.memory is None else self._job.keep.memory
            found, memory = halving(lambda memory: self._compute(_within(self._job, memory), ws), asked)
            self._job, self._fits = _within(self._job, memory), True
            return found, time.perf_counter()
        return self._compute(self._job, ws), time.perf_counter()

    def _compute(self, job: Job, ws: WS) -> Any:
        found = compute(job, self._mesh, ws, *self._whole)
        for array in jax.tree.leaves(found):
            array.copy_to_host_async()
        return found

    def _ws(self, block: int, first: int) -> WS:
        """Mapped a block at once, so that no bit depends on how it is cut into steps."""
        size = self._job.block
        if self._stretch is None or self._stretch[0] != block:
            self._stretch = block, self._latents.stretch(block * size, size)
        return self._stretch[1][np.minimum(np.arange(first, first + self.width), size - 1)]


def _together(gen: Generator, job: Job) -> int:
    """Latents that fill a device: one on a CPU; elsewhere as many as have the tangents that it makes use of."""
    most = platform_most()
    return max(1, most.tangents // search_moves(gen, job.search).size(gen.w_dim)) if most.together else 1


def _within(job: Job, memory: int) -> Job:
    return job._replace(keep=replace(job.keep, memory=memory))


def _fetched(begun: "Future[tuple[Any, float]]") -> Step:
    found, started = begun.result()
    jax.block_until_ready(found)
    ready = time.perf_counter()
    results, grams = jax.tree.map(np.asarray, found)
    return Step(results, grams, started, ready)


def same_bits(function: Callable[..., Any]) -> Callable[..., Any]:
    """For another thread: JAX knows by thread whether it computes in 64 bits."""
    wide = jnp.result_type(float) == jnp.float64

    def inner(*args: Any) -> Any:
        with jax.enable_x64(wide):
            return function(*args)

    return inner
