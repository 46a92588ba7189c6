"""Sweeps of a small model, here and in processes of their own, and what is in their stores."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from tolerances import worst

from lrgan_jax import sweep
from lrgan_jax.generators import DCGAN
from lrgan_jax.models import checkpoint

NUM, BLOCK = 22, 4  # six blocks, the last one not full
SAME = 1e-6  # relative, between ways of sharing the work
REGIONS = {
    "corner": np.pad(np.ones((5, 6), np.float32), ((0, 11), (0, 10))),
    "middle": np.pad(np.ones((4, 4), np.float32), 6),
}
NAMED = {"corner": {"size": 16, "boxes": [[0, 0, 5, 6]]}, "middle": {"size": 16, "boxes": [[6, 6, 4, 4]]}}


def save(gen, folder):
    """The model on disk, with regions of its own, as `words` asks for it."""
    info = dataclasses.replace(gen.info, name="small", regions=NAMED)
    checkpoint.save(folder / "small", DCGAN(gen.config, gen.variables, info))
    return folder


def run(gen, path, **changed):
    options = {
        "latents": sweep.seeded(gen, 3, NUM),
        "regions": REGIONS,
        "num": 3,
        "block": BLOCK,
        "grams": "float32",
        "splits": True,
        "memory": 2**31,
    }
    sweep.run(gen, path, **options | changed)


def contents(path):
    """Every file's bytes by name; what writers leave that were killed is no contents."""
    files = (file for file in Path(path).rglob("*") if file.is_file() and not file.name.endswith(".__lock"))
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def read(path):
    """Every array of a store, and of its population."""
    opened = sweep.open(path)
    arrays = {name: np.asarray(array.read().result()) for name, array in opened.arrays.items()}
    return arrays | {f"population/{name}": array for name, array in opened.population.items()}


def assert_equal_within(path, other):
    """All results of two stores within `SAME` of each other, truths and numbers exactly."""
    left, right = read(path), read(other)
    assert left.keys() == right.keys()
    for name in left:
        if left[name].dtype.kind == "f":
            assert worst(left[name], right[name]) < SAME, name
        else:
            np.testing.assert_array_equal(left[name], right[name], err_msg=name)


def words(model, store, *args, num=NUM, block=BLOCK):
    """`lrgan sweep` of the small model."""
    options = ["--num-latents", num, "--seed", 3, "--num", 3, "--block", block, "--memory", 2, "--log-json", *args]
    return [*map(str, ("sweep", store, "--model", model / "small", *options))]


def start(model, store, *args, devices=1, **options):
    """The same as a process."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    line = [sys.executable, "-m", "lrgan_jax", *words(model, store, *args, **options)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(line, **pipes, env=os.environ | {"XLA_FLAGS": flags})


def finish(process, code=0):
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, err
    return out, err
