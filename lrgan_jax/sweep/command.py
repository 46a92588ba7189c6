"""`lrgan sweep`: options to a job and a store."""
import dataclasses
import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np
import tyro
from tqdm import tqdm

from lrgan_jax import checkpoint
from lrgan_jax.generators import Generator
from lrgan_jax.options import Layers, Model, UsageError, chosen_layers
from lrgan_jax.pipeline import Method
from lrgan_jax.sweep import processes
from lrgan_jax.sweep.latents import SPACES, Latents, given, seeded
from lrgan_jax.sweep.merge import merge as merge_shares
from lrgan_jax.sweep.processes import Share
from lrgan_jax.sweep.results import open as open_sweep
from lrgan_jax.sweep.run import Progress, run


def sweep_command(
    store: Annotated[str, tyro.conf.Positional],
    *,
    model: Model = "faces-dcgan",
    regions: tuple[str, ...] = (),
    num_latents: int = 1000,
    seed: int = 0,
    labels: tuple[int, ...] = (),
    latents: Annotated[Path | None, tyro.conf.arg(metavar="FILE.npy")] = None,
    space: Literal["z", "w", "ws"] = "w",
    truncation: float = 1.0,
    layers: Layers = None,
    method: Method = "frontier",
    num: int = 4,
    lam: float | None = None,
    mu: float | None = None,
    num_relax: int = 0,
    mode: Literal["converged", "authors"] = "converged",
    grams: Literal["float32", "float16", "bfloat16"] | None = None,
    splits: bool = False,
    thumbnail: int = 64,
    block: int = 32,
    max_failures: int = 100,
    shard: Annotated[str | None, tyro.conf.arg(metavar="I/N")] = None,
    merge: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="STORE")] = None,
    status: bool = False,
    distributed: bool = False,
    coordinator: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS:PORT")] = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    log_json: bool = False,
) -> None:
    """Directions of many latents and regions, on all devices, into a store. The same command goes on where it was stopped or killed.

    Args:
        store: a folder, or a URL such as gs://bucket/name.
        model: a name that `lrgan info` lists, or a folder that `python -m convert` wrote.
        regions: names, or PNGs, white inside; four of the model's own by default.
        num_latents: how many random latents.
        seed: of the random latents: those of `lrgan sample`.
        labels: classes of a conditional model, taken in turn.
        latents: rows to take instead of random latents.
        space: what the rows are.
        truncation: below 1 pulls latents towards the mean.
        layers: the layers to differentiate and later to edit, such as 4-7; all by default.
        method: see `lrgan directions`.
        num: at most so many directions of each latent and region.
        lam: see `lrgan directions`.
        mu: see `lrgan directions`.
        num_relax: see `lrgan directions`.
        mode: see `lrgan directions`.
        grams: keep every latent's Gram matrices, too, as numbers of this type.
        splits: keep the parts of the robust PCA, too.
        thumbnail: side of the pictures kept, in pixels, at most.
        block: latents computed and written together.
        max_failures: stop after so many latents without finite results.
        shard: do only part I of N, counted from 0, for machines that do not talk to each other; `--merge` brings the parts together.
        merge: bring these stores together in STORE; with none named, finish a store that all parts were written into.
        status: only say how far a store is.
        distributed: one of several processes, as SLURM, Open MPI, Kubernetes or a TPU pod started them.
        coordinator: one of several processes, this being where process 0 listens.
        num_processes: how many there are, with --coordinator.
        process_id: which one this is, with --coordinator.
        log_json: progress as lines of JSON.
    """
    if merge is not None:
        merge_shares(store, merge, report=lambda text: print(text, file=sys.stderr))
    if merge is not None or status:
        print(_status(store))
        return
    if coordinator is not None or distributed:
        processes.join(coordinator, num_processes, process_id)
    elif (num_processes, process_id) != (None, None):
        raise UsageError("--num-processes and --process-id go with --coordinator")
    gen = checkpoint.load(model)
    regions = regions or tuple(gen.info.regions)[:4]
    if not regions:
        raise UsageError("this model has no named regions: name some of the papers' tables, such as --regions eyes mouth nose")
    if num_latents < 1:
        raise UsageError(f"--num-latents must be at least 1, got {num_latents}")
    random = partial(seeded, gen, seed, num_latents, labels=labels, truncation=truncation)
    rows = random() if latents is None else _rows(gen, latents, space, truncation)
    with tqdm(total=rows.num, unit="latent", delay=1, disable=log_json, position=jax.process_index()) as bar:

        def report(progress: Progress) -> None:
            if log_json:
                line = dataclasses.asdict(progress) | {"seconds_left": progress.seconds_left, "process": jax.process_index()}
                print(json.dumps(line), flush=True)
            bar.total, bar.n = progress.total, progress.done
            bar.set_postfix(failed=progress.failed, idle=f"{progress.idle_seconds / max(progress.seconds, 1e-9):.1%}")

        run(
            gen, store, rows, regions, layers=chosen_layers(layers, gen), method=method, num=num, lam=lam, mu=mu, num_relax=num_relax,
            mode=mode, grams=grams, splits=splits, thumbnail=thumbnail, block=block, shard=_share(shard), max_failures=max_failures,
            report=report,
        )  # fmt: skip
    print(_status(store))


def _status(store: str) -> str:
    sweep = open_sweep(store)
    done, usable = int(sweep.done().sum()), int(sweep.usable().sum())
    population = "there" if done == len(sweep) and sweep.population is not None else "not yet"
    return f"{store}: {done} of {len(sweep)} latents done, {done - usable} without finite results; population directions {population}"


def _rows(gen: Generator, path: Path, space: str, truncation: float) -> Latents:
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UsageError(f"{path}: not an .npy file of numbers, or a damaged one") from error
    return given(gen, SPACES[space](rows), truncation=truncation)


def _share(text: str | None) -> Share:
    if text is None:
        return Share()
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UsageError(f"--shard {text}: write it as 0/3, 1/3, 2/3")
    return Share(int(index), int(count))
