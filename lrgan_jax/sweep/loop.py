"""The sweep itself: what is asked for, and this process at work on it beside any number of others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Unpack

import jax
import numpy as np

from lrgan_jax import methods
from lrgan_jax.base.checks import check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.base.interrupt import Interrupted, StopRequest, attended
from lrgan_jax.base.memory import default_memory
from lrgan_jax.generators import Generator, Latent
from lrgan_jax.generators.sampling import Latents, given
from lrgan_jax.lengths import Root
from lrgan_jax.regions import Region
from lrgan_jax.search import Search, Settings
from lrgan_jax.sweep import plan
from lrgan_jax.sweep.agenda import Agenda
from lrgan_jax.sweep.begin import create, location, open_store
from lrgan_jax.sweep.block import Job, Keep, KeepSettings
from lrgan_jax.sweep.claims import Worker
from lrgan_jax.sweep.damage import look_through
from lrgan_jax.sweep.devices import Devices, same_bits
from lrgan_jax.sweep.objects import Objects
from lrgan_jax.sweep.processes import Share
from lrgan_jax.sweep.results import Sweep
from lrgan_jax.sweep.store import Store
from lrgan_jax.sweep.work import Progress, Work
from lrgan_jax.targets import Targets, metric_root, protected_names, search_moves, targets


class SweepSettings(Settings, KeepSettings, total=False):
    """Those of a `Search` and a `Keep` as arguments of `run`."""


def run(
    gen: Generator,
    path: str | Path,
    latents: Latents | Latent | np.ndarray,
    regions: str | Sequence[str] | Mapping[str, Region],
    search: Search | None = None,
    *,
    keep: Keep = Keep(),  # noqa: B008, a constant
    shard: Share = Share(),  # noqa: B008, a constant
    verify: bool = False,
    max_failures: int | None = 100,
    devices: Sequence[Any] | None = None,
    report: Callable[[Progress], object] = lambda progress: None,
    **overrides: Unpack[SweepSettings],
) -> Sweep:
    """Directions of every latent and region, into a store. The same call again goes on where the last one ended; the
    same call in other processes, on any machines that reach the store, shares the work with this one.

    Args:
      path: a folder, or a bucket's URL, gs://bucket/name or s3://bucket/name, with what the environment adds (see
        buckets.py).
      latents: `seeded` or `given` ones, or an array of w or ws.
      regions: a name, names, or name -> anything that `region_mask` takes.
      search: what to look for, as in `find_directions`, by a method that looks at the region.
      keep: what to store, and how the work is cut.
      shard: do only this share of the blocks, for machines without a common store; `merge` brings the stores together.
      verify: read all that is there, to find what has changed since it was written. Files that are gone are always
        found; both are computed again.
      max_failures: so many latents may have no finite results; None for any number.
      devices: that share each step; all of this process by default. report: is told how far it is, at the start and
        after every step, from a thread of its own.
      overrides: settings of `search` or `keep`, layers="4-7" or block=64.
    Returns:
      The store, opened; it is finished, but for shares of others.
    Raises:
      InputError: on settings that make no sense.
      SweepError: if the store holds another sweep or cannot be written, or too many latents fail. What was finished
        stays.
      Interrupted: soon after SIGINT or SIGTERM, with all finished latents kept.
    """
    Objects(location(path))  # a bucket that cannot be reached is said before anything is compiled
    latents = latents if isinstance(latents, Latents) else given(gen, latents)
    regions = [regions] if isinstance(regions, str) else regions
    regions = regions if isinstance(regions, Mapping) else {str(region): region for region in regions}
    check_whole("max_failures", max_failures, least=0)
    job, protect = _job(gen, search or Search(), keep, latents.num, overrides)
    aims = targets(gen, list(regions.values()), protect)
    names, root = [*regions, *protected_names(protect.protect)], metric_root(gen, job.search)
    devices = list(jax.local_devices() if devices is None else devices)

    blocks = range(shard.index, -(-latents.num // job.block), shard.count)

    def work(stop: StopRequest) -> None:
        store = _store(gen, path, latents, names, aims, root, job)
        damaged = look_through(store, blocks, everything=verify)
        ready = Devices(gen, latents, aims, root, plan.job_of(store.manifest), devices)
        with Worker(store.objects) as worker:
            agenda = Agenda(store, worker, blocks, population=shard.count == 1)
            part = Work(store, worker, agenda, ready, damaged, max_failures, report, stop)
            part.go()
        if stop.number is not None:
            done, total = part.progress.done, part.progress.total
            text = f"stopped at {done} of {total} latents, all kept; the same command goes on"
            raise Interrupted(text, stop.number, at_work=True)

    attended(same_bits(work))
    return Sweep(open_store(path))


def _store(
    gen: Generator, path: str | Path, latents: Latents, names: Sequence[str], aims: Targets, root: Root, job: Job
) -> Store:
    """A new one, or the one that is there."""
    constants = {"masks": np.asarray(aims.masks)[: aims.num_regions]}
    constants |= {} if root is None else {plan.NATURAL_ROOT: np.asarray(root)}
    arrays = plan.layouts(gen, latents, aims, root, job)
    return create(path, plan.manifest(gen, latents, names, aims, job), arrays, constants)


def _job(gen: Generator, search: Search, keep: Keep, num: int, overrides: Mapping[str, Any]) -> tuple[Job, Search]:
    """What to compute, and the search with what it protects."""
    stored = {field.name: overrides[field.name] for field in fields(Keep) if field.name in overrides}
    search = search.but(**{name: value for name, value in overrides.items() if name not in stored})
    keep = replace(keep, **stored)
    methods.local(search.method)
    if search.measures:
        raise InputError('mu="measured" takes real steps, which a sweep does not: give a number, or leave it out')
    moves = search_moves(gen, search)
    chosen = search.but(layers=moves.rows, part=moves.numbers, num=min(search.num, moves.size(gen.w_dim)), protect=None)
    memory, block = default_memory() if keep.memory is None else keep.memory, keep.block or plan.usual_block(num)
    return Job(chosen, replace(keep, memory=memory, block=block)), search
