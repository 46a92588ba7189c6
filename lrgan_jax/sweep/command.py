"""`lrgan sweep`: options to a job and a store."""
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import jax
import tyro
from tqdm import tqdm

from lrgan_jax import checkpoint
from lrgan_jax.checks import check_number, check_whole
from lrgan_jax.options import FromFile, Model, Search, UsageError, regions_or_own
from lrgan_jax.sweep import processes
from lrgan_jax.sweep.errors import Damaged
from lrgan_jax.sweep.latents import given, seeded
from lrgan_jax.sweep.loop import Progress, run
from lrgan_jax.sweep.merge import merge as merge_shares
from lrgan_jax.sweep.processes import Share
from lrgan_jax.sweep.results import open as open_sweep


@dataclass(frozen=True)
class Cluster:
    """This process as one of several.

    Attributes:
      distributed: one of several processes, as SLURM, Open MPI, Kubernetes or a TPU pod started them.
      coordinator: one of several processes, this being where process 0 listens.
      num_processes: how many there are, with --coordinator.
      process_id: which one this is, with --coordinator.
    """

    distributed: bool = False
    coordinator: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS:PORT")] = None
    num_processes: int | None = None
    process_id: int | None = None

    def join(self) -> None:
        if self.distributed or self.coordinator is not None:
            processes.join(self.coordinator, self.num_processes, self.process_id)
        elif (self.num_processes, self.process_id) != (None, None):
            raise UsageError("--num-processes and --process-id go with --coordinator")


def sweep_command(
    store: Annotated[str, tyro.conf.Positional],
    *,
    model: Model = "faces-dcgan",
    regions: tuple[str, ...] = (),
    num_latents: int | None = None,
    seed: int = 0,
    labels: tuple[int, ...] = (),
    from_file: Annotated[FromFile, tyro.conf.OmitArgPrefixes] = FromFile(),  # noqa: B008, a constant
    truncation: float = 1.0,
    search: Annotated[Search, tyro.conf.OmitArgPrefixes] = Search(),  # noqa: B008, a constant
    grams: Literal["float32", "float16", "bfloat16"] | None = None,
    splits: bool = False,
    thumbnail: int = 64,
    block: int = 32,
    max_failures: int = 100,
    memory: float | None = None,
    shard: Annotated[str | None, tyro.conf.arg(metavar="I/N")] = None,
    merge: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="STORE")] = None,
    status: bool = False,
    cluster: Annotated[Cluster, tyro.conf.OmitArgPrefixes] = Cluster(),  # noqa: B008, a constant
    log_json: bool = False,
) -> None:
    """Directions of many latents and regions, on all devices, into a store. The same command goes on where it was stopped or killed.

    Args:
        store: a folder, or a URL such as gs://bucket/name.
        model: a name that `lrgan info` lists, or a folder that `python -m convert` wrote.
        regions: names, PNGs, white inside, or labels of a label map, such as map.png:4,5; four of the model's own by default.
        num_latents: how many random latents, 1000 by default; of a file, all are taken.
        seed: of the random latents: those of `lrgan sample`.
        labels: classes of a conditional model, taken in turn.
        from_file: latents in place of random ones.
        truncation: below 1 pulls latents towards the mean.
        search: how to look for them, at each latent and region.
        grams: keep every latent's Gram matrices, too, as numbers of this type.
        splits: keep the parts of the robust PCA, too.
        thumbnail: side of the pictures kept, in pixels, at most.
        block: latents computed and written together.
        max_failures: stop after so many latents without finite results.
        memory: GB for a Jacobian, half of what is free by default; the same on machines that differ gives results equal to the bit.
        shard: do only part I of N, counted from 0, for machines that do not talk to each other; `--merge` brings the parts together.
        merge: bring these stores together in STORE; with none named, finish a store that all parts were written into.
        status: only say how far a store is.
        cluster: one of several processes.
        log_json: progress as lines of JSON.
    """
    if merge is not None:
        merge_shares(store, merge, report=partial(print, file=sys.stderr))
    elif not status:
        cluster.join()
        gen = checkpoint.load(model)
        check_whole("--num-latents", num_latents)
        check_number("--memory", memory, above=0)
        if (found := from_file.load(gen, seed=seed, truncation=truncation)) is None:
            rows = seeded(gen, seed, 1000 if num_latents is None else num_latents, labels=labels, truncation=truncation)
        elif num_latents is not None or labels:
            raise UsageError("--num-latents and --labels are of random latents, and do not go with --latents")
        else:
            rows = given(gen, found, truncation=truncation)
        with _shown(as_json=log_json) as report:
            run(
                gen, store, rows, regions_or_own(regions, gen), grams=grams, splits=splits, thumbnail=thumbnail, block=block,
                shard=_share(shard), max_failures=max_failures, memory=None if memory is None else round(memory * 2**30), report=report,
                **search.arguments(gen),
            )  # fmt: skip
    print(_status(store))


@contextmanager
def _shown(*, as_json: bool) -> Iterator[Callable[[Progress], Any]]:
    """Progress as lines of JSON, or as a bar."""
    if as_json:
        more = {"process": jax.process_index()}
        yield lambda progress: print(json.dumps(progress._asdict() | {"seconds_left": progress.seconds_left} | more), flush=True)
        return
    with tqdm(unit="latent", delay=1, position=jax.process_index()) as bar:

        def report(progress: Progress) -> None:
            if bar.total is None:
                bar.total = progress.total
                for block, reason in progress.damaged.items():
                    tqdm.write(f"block {block} is done again: {reason}", file=sys.stderr)
            bar.set_postfix(failed=progress.failed, idle=f"{progress.idle_seconds / max(progress.seconds, 1e-9):.1%}", refresh=False)
            bar.update(progress.done - bar.n)

        yield report


def _status(store: str) -> str:
    sweep = open_sweep(store)
    done, usable, converged = (int(which.sum()) for which in (sweep.done(), sweep.usable(), sweep.converged()))
    failed = f"{done - usable} without finite results"
    if converged < usable:
        failed += f", {usable - converged} with a robust PCA that stopped before it converged"
    try:
        population = "not yet" if sweep.population is None else "there"
    except Damaged:
        population = "damaged: the same command, or --merge, writes them again"
    return f"{store}: {done} of {len(sweep)} latents done, {failed}; population directions {population}"


def _share(text: str | None) -> Share:
    if text is None:
        return Share()
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UsageError(f"--shard {text}: write it as 0/3, 1/3, 2/3")
    return Share(int(index), int(count))
