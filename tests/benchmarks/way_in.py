"""What it takes to come from a downloaded StyleGAN2 to its first edit: time and memory, by the size of its images.

    python -m tests.benchmarks.way_in [SIZE ...] [--columns N]

Random weights of the paper's configuration F, which cost what FFHQ's do; they are written as NVIDIA's code keeps them
and converted back. On a CPU seconds are those that its cores worked, over their number, so that other work on the
machine does not count; elsewhere they are those that passed. Of a Jacobian `--columns` columns are timed, 16 on a CPU
and all elsewhere, and the rest is estimated from them. Every size and stage has a process of its own, whose peak memory
is told: the device's where it tells one, else the process's.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lrgan_jax as lr
from lrgan_jax import bench
from lrgan_jax.__main__ import main as lrgan
from lrgan_jax.targets import metric_root, targets
from tests.benchmarks.inversion_step import random_generator

SIZES = (256, 512, 1024)
COLUMNS = 16  # on a CPU, which pushes as many at once or fewer
REPEATS = 2  # of which the better counts
FRAMES = 7  # of a strip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--columns", type=int, help="of the Jacobian, to time")
    options = parser.parse_args()
    print(alone(machine), flush=True)
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            alone(written, size, Path(folder))
            taken = alone(converted, Path(folder)) | alone(used, Path(folder) / "model", options.columns)
        print(f"\n{size} x {size}")
        print("\n".join(f"  {what:52} {amount:9.2f}" for what, amount in taken.items()), flush=True)


def alone(stage: Callable, *arguments: Any) -> Any:
    """What a stage gives, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(stage, *arguments).result()


def machine() -> str:
    device = jax.devices()[0]
    return f"{device.device_kind} ({device.platform}), {os.cpu_count()} cores, JAX {jax.__version__}; seconds and GB"


def written(size: int, folder: Path) -> None:
    """What one downloads, but for its numbers."""
    lr.save(folder / "random", random_generator(size))
    assert not lrgan(["convert", "--to", "nvidia", str(folder / "random"), str(folder / "network.pt")])


def converted(folder: Path) -> dict[str, float]:
    taken = seconds(partial(lrgan, ["convert", str(folder / "network.pt"), str(folder / "model")]))
    return {"convert": taken, "convert: memory": bench.peak_memory() / 2**30}


def used(model: Path, columns: int | None) -> dict[str, float]:
    """Load, sample, directions, edit, as in README's ten lines."""
    taken = {"load": seconds(lambda: lr.load(model))}
    gen, search = lr.load(model), lr.Search()
    w = gen.mapping(lr.sample_z(gen, jax.random.key(1), 1))
    taken["first image, with compiling"] = seconds(lambda: gen.synthesis(w))
    taken["image"] = seconds(lambda: gen.synthesis(w))
    few = COLUMNS if jax.default_backend() == "cpu" else gen.w_dim
    taken |= jacobian(gen, w, targets(gen, ["mouth"], search).masks, columns or few)

    taken["lengths, once a model"] = seconds(lambda: metric_root(gen, search))
    rows = np.random.default_rng(0).standard_normal((2, 4 * gen.w_dim, gen.w_dim), np.float32)
    solve = partial(lr.analyse, *rows.swapaxes(1, 2) @ rows, search, root=metric_root(gen, search))
    taken["directions from Grams, with compiling"] = seconds(solve)
    taken["search: memory"] = bench.peak_memory() / 2**30

    ws, steps = lr.to_ws(gen, w), np.linspace(-2, 2, FRAMES)
    strip = lr.edit(ws, np.eye(1, gen.w_dim, dtype=np.float32), steps)[:, 0]
    taken[f"strip of {FRAMES}, with compiling"] = seconds(lambda: lr.render(gen, strip))
    taken["strip: memory"] = bench.peak_memory() / 2**30
    return taken


def jacobian(gen: lr.Generator, w: lr.generators.Latent, masks: np.ndarray, columns: int) -> dict[str, float]:
    """With the Grams of a region and of the rest. The image is computed once, however many columns follow: a sample is
    scaled up by what its second half adds.
    """
    latent = lr.to_ws(gen, w).array[0]
    f = jax.tree_util.Partial(bench.along, lr.image_function(gen), latent)

    def run(num: int) -> Any:
        return lr.region_grams(f, jnp.zeros((1, num)), masks, channels="stack")

    first, *again = (seconds(partial(run, columns)) for _ in range(1 + REPEATS))
    half = min(seconds(partial(run, columns // 2)) for _ in range(1 + REPEATS))
    column = (min(again) - half) / (columns - columns // 2)
    operations = jax.jit(lr.image_function(gen)).lower(latent).cost_analysis()["flops"]
    return {
        "Jacobian: compiling": first - min(again),
        "Jacobian: a column": column,
        "Jacobian: columns timed": columns,
        "Jacobian, estimated from these": min(again) + (gen.w_dim - columns) * column,
        "Jacobian: TFLOP, by the count of an image": operations * gen.w_dim / 1e12,
    }


def seconds(run: Callable[[], Any]) -> float:
    """Of a CPU's cores while they worked, over their number; of the clock elsewhere."""
    clock, share = (
        (time.process_time, os.cpu_count() or 1) if jax.default_backend() == "cpu" else (time.perf_counter, 1)
    )
    start = clock()
    jax.block_until_ready(run())
    return (clock() - start) / share


if __name__ == "__main__":
    main()
