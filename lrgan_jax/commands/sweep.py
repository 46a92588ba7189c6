"""`lrgan sweep`: options to a job and a store."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import tyro

from lrgan_jax.base.checks import check_number, check_whole
from lrgan_jax.base.progress import say, show_lines_alone
from lrgan_jax.commands.options import Model, SearchOptions, UsageError, Which, load_model, regions_or_own
from lrgan_jax.sweep import Keep, Progress, Share, run
from lrgan_jax.sweep import merge as merge_shares
from lrgan_jax.sweep import open as open_sweep
from lrgan_jax.sweep.errors import Damaged
from lrgan_jax.sweep.tasks import own_gpus


@dataclass(frozen=True)
class Cluster:
    """This process as one of several. Any number may work at one store, and need no options for it.

    Attributes:
      distributed: deprecated, and of no effect.
      coordinator: deprecated, and of no effect.
      num_processes: deprecated, and of no effect.
      process_id: deprecated, and of no effect.
    """

    distributed: bool = False
    coordinator: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS:PORT")] = None
    num_processes: int | None = None
    process_id: int | None = None

    def tell(self) -> None:
        if (self.distributed, self.coordinator, self.num_processes, self.process_id) != (False, None, None, None):
            say("--distributed, --coordinator, --num-processes, --process-id: not needed any more")


@dataclass(frozen=True)
class Server:
    """Of a bucket; what is not given comes from the environment.

    Attributes:
      endpoint: the URL of a server that speaks S3, as AWS_ENDPOINT_URL; Amazon's own by default.
      region: what that server calls its region, as AWS_REGION.
    """

    endpoint: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    region: str | None = None

    def choose(self, stores: Sequence[str]) -> None:
        """For this process. Other tools read the same variables, and so do the processes that it starts."""
        given = {"AWS_ENDPOINT_URL_S3": self.endpoint, "AWS_REGION": self.region}
        given = {name: value for name, value in given.items() if value is not None}
        if given and not any(store.startswith("s3://") for store in stores):
            raise UsageError("--endpoint and --region are of s3:// buckets")
        os.environ |= given


@dataclass(frozen=True)
class KeepOptions(Keep):
    """What to keep of each latent, and how the work is cut.

    Attributes:
      memory: GB for a Jacobian, half of what is free by default; the same on machines that differ gives results equal
        to the bit.
    """

    memory: float | None = None  # pyright: ignore[reportIncompatibleVariableOverride]

    def __post_init__(self) -> None:
        """What makes no sense is refused by `keep`, in one line, and not by the parser."""

    def keep(self) -> Keep:
        """As the library takes it: memory in bytes."""
        check_number("--memory", self.memory, above=0)
        size = None if self.memory is None else round(self.memory * 2**30)
        return Keep(self.grams, self.splits, self.thumbnail, self.block, size)


def sweep_command(
    store: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="STORE")],
    *,
    model: Model = "faces-dcgan",
    regions: tuple[str, ...] = (),
    num_latents: int | None = None,
    max_failures: int = 100,
    shard: Annotated[str | None, tyro.conf.arg(metavar="I/N")] = None,
    merge: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="STORE")] = None,
    status: bool = False,
    verify: bool = False,
    log_json: bool = False,
    search: Annotated[SearchOptions, tyro.conf.OmitArgPrefixes] = SearchOptions(),  # noqa: B008, a constant
    which: Annotated[Which, tyro.conf.OmitArgPrefixes] = Which(),  # noqa: B008, a constant
    keep: Annotated[KeepOptions, tyro.conf.OmitArgPrefixes] = KeepOptions(),  # noqa: B008, a constant
    cluster: Annotated[Cluster, tyro.conf.OmitArgPrefixes] = Cluster(),  # noqa: B008, a constant
    server: Annotated[Server, tyro.conf.OmitArgPrefixes] = Server(),  # noqa: B008, a constant
) -> None:
    """Directions of many latents and regions, on all devices, into a store. The same command goes on where it was
    stopped or killed, and in other processes, on any machines that reach the store, shares the work.

    Args:
        store: a folder, or a bucket's URL: gs://bucket/name or s3://bucket/name.
        regions: names, PNGs, white inside, or labels of a label map, such as map.png:4,5; four of the model's own by
          default.
        num_latents: how many random latents, 1000 by default; of a file, all are taken.
        max_failures: stop after so many latents without finite results.
        shard: do only part I of N, counted from 0, for machines that reach no common store; `--merge` brings the parts
          together.
        merge: bring these stores together in STORE; with none named, finish a store that all parts were written into.
        status: only say how far a store is.
        verify: read all that is there first, and do again what has changed since it was written; files that are gone
          are always found.
        log_json: progress as lines of JSON.
        search: how to look for them, at each latent and region.
        which: which latents.
        keep: what to keep.
        cluster: one of several processes.
        server: where s3:// buckets are.
    """
    server.choose([store, *(merge or ())])
    if merge is not None:
        merge_shares(store, merge, verify=verify, report=partial(print, file=sys.stderr))
    elif not status:
        cluster.tell()
        own_gpus()
        gen = load_model(model)
        check_whole("--num-latents", num_latents)
        if which.latents is not None and num_latents is not None:
            raise UsageError("--num-latents is of random latents, and does not go with --latents")
        latents, chosen = which.of(gen, 1000 if num_latents is None else num_latents), regions_or_own(regions, gen)
        how = {"keep": keep.keep(), "shard": _share(shard), "verify": verify, "max_failures": max_failures}
        run(gen, store, latents, chosen, search.search(), report=_reporter(as_json=log_json), **how)
    print(_status(store))


def _reporter(*, as_json: bool) -> Callable[[Progress], Any]:
    """Progress as lines of JSON instead of words; or the damage that was found, once."""
    told: set[int] = set()

    def say_damage(progress: Progress) -> None:
        for block in progress.damaged.keys() - told:
            say(f"block {block} is done again: {progress.damaged[block]}")
        told.update(progress.damaged)

    def line(progress: Progress) -> None:
        more = {"seconds_left": progress.seconds_left, "process": os.getpid()}
        print(json.dumps(progress._asdict() | more), flush=True)

    if not as_json:
        return say_damage
    show_lines_alone()
    return line


def _status(store: str) -> str:
    sweep = open_sweep(store)
    done, usable, converged = sweep.counts()
    failed = f"{done - usable} without finite results"
    if converged < usable:
        failed += f", {usable - converged} with a robust PCA that stopped before it converged"
    try:
        population = "not yet" if sweep.population is None else "there"
    except Damaged:
        population = "damaged: the same command, or --merge, writes them again"
    begun = f" and parts of {unfinished} more blocks" if (unfinished := len(sweep.unfinished())) else ""
    return f"{store}: {done} of {len(sweep)} latents done{begun}, {failed}; population directions {population}"


def _share(text: str | None) -> Share:
    if text is None:
        return Share()
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UsageError(f"--shard {text}: write it as 0/3, 1/3, 2/3")
    return Share(int(index), int(count))
