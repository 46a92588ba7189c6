"""The sweep itself: blocks to the devices, results to the store, neither waiting for the other."""

from collections import abc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import jax
import numpy as np

from lrgan_jax import display, methods
from lrgan_jax.base.ahead import ahead
from lrgan_jax.base.checks import check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.interrupt import Interrupted, stop_request
from lrgan_jax.base.memory import default_memory
from lrgan_jax.generators import Generator, Latent
from lrgan_jax.generators.sampling import Latents, given
from lrgan_jax.regions import Region
from lrgan_jax.search import Search, Settings
from lrgan_jax.sweep import plan, population, processes
from lrgan_jax.sweep.block import USABLE, Job, Keep, KeepSettings
from lrgan_jax.sweep.devices import Running, stream
from lrgan_jax.sweep.errors import Damaged, SweepError
from lrgan_jax.sweep.processes import Share
from lrgan_jax.sweep.store import Store, create, location, open_store
from lrgan_jax.targets import metric_root, protected_names, search_moves, targets

WRITING = 3  # blocks that wait to be written at any time, or are: more would only take memory


class SweepSettings(Settings, KeepSettings, total=False):
    """Those of a `Search` and a `Keep` as arguments of `run`."""


@display.record
class Progress(NamedTuple):
    """How far this process's share is.

    Attributes:
      total, done, failed: latents. damaged: blocks of an earlier call that are done again, and what was wrong with
        them.
      computed, seconds, idle_seconds: of this call alone: latents, the time since its first block, and how much of it
        the devices had nothing to do.
    """

    total: int
    done: int = 0
    failed: int = 0
    damaged: Mapping[int, str] = {}
    computed: int = 0
    seconds: float = 0.0
    idle_seconds: float = 0.0

    @property
    def seconds_left(self) -> float:
        """At the rate of this call."""
        return (self.total - self.done) * self.seconds / max(self.computed, 1)


def run(
    gen: Generator,
    path: str | Path,
    latents: Latents | Latent | np.ndarray,
    regions: str | Sequence[str] | Mapping[str, Region],
    search: Search | None = None,
    *,
    keep: Keep = Keep(),  # noqa: B008, a constant
    shard: Share = Share(),  # noqa: B008, a constant
    max_failures: int | None = 100,
    devices: Sequence[Any] | None = None,
    report: Callable[[Progress], object] = lambda progress: None,
    **overrides: Unpack[SweepSettings],
) -> None:
    """Directions of every latent and region, into a store. The same call again goes on where the last one ended.

    Args:
      path: a folder, or a URL that TensorStore knows, such as gs://bucket/name.
      latents: `seeded` or `given` ones, or an array of w or ws.
      regions: a name, names, or name -> anything that `region_mask` takes.
      search: what to look for, as in `find_directions`, by a method that looks at the region.
      keep: what to store, and how the work is cut.
      shard: do only this share of the blocks, in a store of its own or in a common one; `merge` brings the shares
        together.
      max_failures: so many latents may have no finite results; None for any number.
      devices: to share each block; all of this process by default. report: is told how far it is, at the start and
        after every block.
      overrides: settings of `search` or `keep`, layers="4-7" or block=64.
    Raises:
      InputError: on settings that make no sense.
      SweepError: if the store holds another sweep or cannot be written, or too many latents fail. What was committed
        stays.
      Interrupted: after SIGINT or SIGTERM, once the blocks at hand are committed.
    """
    latents = latents if isinstance(latents, Latents) else given(gen, latents)
    regions = [regions] if isinstance(regions, str) else regions
    regions = regions if isinstance(regions, Mapping) else {str(region): region for region in regions}
    check_whole("max_failures", max_failures, least=0)
    job, protect = _job(gen, search or Search(), keep, overrides)
    aims = targets(gen, list(regions.values()), protect)
    names, root = [*regions, *protected_names(protect.protect)], metric_root(gen, job.search)
    with processes.together():
        if jax.process_index() == 0:
            arrays = plan.layouts(gen, latents, aims, root, job)
            constants = {"masks": np.asarray(aims.masks)[: aims.num_regions]}
            constants |= {} if root is None else {plan.NATURAL_ROOT: np.asarray(root)}
            create(location(path), plan.manifest(gen, latents, names, aims, job), arrays, constants)
    store, share = open_store(path), processes.own(shard)
    job = plan.job_of(store.manifest)
    devices = list(jax.local_devices() if devices is None else devices)
    with stop_request() as stop, processes.together() as told:
        todo, progress = _look_through(store, range(share.index, store.num_blocks, share.count))
        report(progress)
        numbers = _until(lambda: stop.number is not None or told() is not None, todo)
        running = stream(gen, latents, aims, root, job, devices, numbers)
        progress = _write_all(store, running, progress, max_failures, report)
        if stop.number is not None:
            raise Interrupted(
                f"stopped at {progress.done} of {progress.total} latents, all kept; the same command goes on",
                stop.number,
            )
    with processes.together():
        if jax.process_index() == 0 and shard.count == 1:
            population.write(store)


def _job(gen: Generator, search: Search, keep: Keep, overrides: Mapping[str, Any]) -> tuple[Job, Search]:
    """What to compute, and the search with what it protects."""
    stored = {field.name: overrides[field.name] for field in fields(Keep) if field.name in overrides}
    search = search.but(**{name: value for name, value in overrides.items() if name not in stored})
    keep = replace(keep, **stored)
    methods.local(search.method)
    if search.measures:
        raise InputError('mu="measured" takes real steps, which a sweep does not: give a number, or leave it out')
    moves = search_moves(gen, search)
    chosen = search.but(layers=moves.rows, part=moves.numbers, num=min(search.num, moves.size(gen.w_dim)), protect=None)
    return Job(chosen, replace(keep, memory=default_memory() if keep.memory is None else keep.memory)), search


def _until(ended: Callable[[], bool], numbers: Iterable[int]) -> Iterator[int]:
    for number in numbers:
        if ended():
            return
        yield number


def _look_through(store: Store, numbers: Sequence[int]) -> tuple[list[int], Progress]:
    """What is left to do of these blocks."""
    failed: dict[int, int] = {}
    damaged: dict[int, str] = {}
    for block, found in store.look_through(numbers):
        if isinstance(found, Damaged):
            damaged[block] = str(found)
        else:
            failed[block] = _unusable(found["usable"])
    done = sum(store.length(block) for block in failed)
    progress = Progress(sum(map(store.length, numbers)), done, sum(failed.values()), damaged)
    return [block for block in numbers if block not in failed], progress


def _write_all(
    store: Store,
    running: abc.Generator[Running, None, None],
    progress: Progress,
    max_failures: int | None,
    report: Callable[[Progress], object],
) -> Progress:
    """Commit block after block as they become ready, and keep count."""
    began = ended = None
    with closing(running), ThreadPoolExecutor(1) as writer:
        for block, writing in ahead(running, lambda block: (block, writer.submit(_write, store, block)), WRITING):
            failed, ready, length = writing.result(), block.ready.result(), store.length(block.number)
            began = block.started if began is None else began
            idle = 0 if ended is None else max(0, block.started - ended)
            ended = ready
            progress = progress._replace(
                done=progress.done + length,
                failed=progress.failed + failed,
                computed=progress.computed + length,
                seconds=ended - began,
                idle_seconds=progress.idle_seconds + idle,
            )
            report(progress)
            if max_failures is not None and progress.failed > max_failures:
                raise SweepError(
                    f"{progress.failed} latents have no finite results; "
                    f"--max-failures {max_failures} allows for no more"
                )
    return progress


def _write(store: Store, running: Running) -> int:
    """How many latents of the block are unusable."""
    running.ready.result()
    results = {name: np.asarray(result) for name, result in running.results.items()}
    store.write(running.number, results)
    return _unusable(results["usable"][: store.length(running.number)])


def _unusable(usable: np.ndarray) -> int:
    return int((usable != USABLE).sum())
