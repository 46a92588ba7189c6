"""How a sweep takes what schedulers do to it, and how large a store may be: `python -m tests.benchmarks.sweeps stops`
asks one to stop at random moments, `workers` lets several join and leave one store and kills them, in a folder or in a
bucket of this machine (`--where s3`, `--where gs`), `million` looks at the commits and adds up the sums of a million
latents of 512 numbers and four regions, on paper but for those.
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from lrgan_jax import sweep
from lrgan_jax.sweep.arrays import Layout
from lrgan_jax.sweep.begin import create
from lrgan_jax.sweep.block import SIDES
from lrgan_jax.sweep.damage import look_through
from lrgan_jax.sweep.objects import as_json, packed
from lrgan_jax.sweep.plan import usual_block
from lrgan_jax.sweep.sums import add_up, total
from tests.buckets import contents, served


def start(store: Path | str, *options: Any) -> subprocess.Popen:
    line = [sys.executable, "-m", "lrgan_jax", "sweep", store, "--log-json", "--memory", 1, *options]
    return subprocess.Popen(list(map(str, line)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def progress(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def phase(lines: list[dict[str, Any]], num: int) -> str:
    if not lines:
        return "starting"
    if lines[-1]["done"] == num:
        return "adding up"
    return "computing" if lines[-1]["computed"] else "compiling"


def stops(*, model: str = "faces-dcgan", num: int = 16, block: int = 8, moments: int = 20, seed: int = 0) -> None:
    """SIGINT and SIGTERM in turn, after times from 0 to that of a whole run; a store goes on until it is done."""
    place, random_ = Path(tempfile.mkdtemp()), random.Random(seed)
    options = ["--model", model, "--num-latents", num, "--block", block]
    for name in ("compiled", "timed"):
        began = time.monotonic()
        start(place / name, *options).communicate()
    longest = time.monotonic() - began
    print(f"a whole run takes {longest:.1f} s")
    seconds: dict[str, list[float]] = {}
    while sum(map(len, seconds.values())) < moments:
        number = random_.choice((signal.SIGINT, signal.SIGTERM))
        process = start(place / "store", *options)
        time.sleep(random_.uniform(0, longest))
        began = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate()
        took, when = time.monotonic() - began, phase(progress(out), num)
        if process.returncode == 0:  # it was faster
            shutil.rmtree(place / "store")
            continue
        seconds.setdefault(when, []).append(took)
        last = err.strip().splitlines()[-1:] or [""]
        print(f"{number.name} while {when}: exit {process.returncode} after {took:.2f} s; {last[0]}", flush=True)
    for when, found in seconds.items():
        print(f"{when}: {len(found)} stops, {np.median(found):.2f} s, at most {max(found):.2f} s")
    shutil.rmtree(place)


def workers(
    *,
    model: str = "faces-dcgan",
    num: int = 400,
    block: int = 8,
    at_once: int = 8,
    kills: int = 20,
    seed: int = 0,
    where: Literal["folder", "s3", "gs"] = "folder",
) -> None:
    """Processes at one store; one of them is killed, and another one joins, again and again."""
    place, random_ = Path(tempfile.mkdtemp()), random.Random(seed)
    with nullcontext() if where == "folder" else served(where) as bucket:
        store = place / "store" if bucket is None else f"{bucket.url}/store"
        options = ["--model", model, "--num-latents", num, "--block", block]
        began = time.monotonic()
        start(place / "whole", *options).communicate()
        print(f"one process alone: {time.monotonic() - began:.0f} s")
        began, latents, left = time.monotonic(), 0, kills
        at_work = [start(store, *options) for _ in range(at_once)]
        while left and all(process.poll() is None for process in at_work):
            time.sleep(random_.uniform(0, 10))
            victim = at_work.pop(random_.randrange(len(at_work)))
            victim.kill()
            lines = progress(victim.communicate()[0])
            latents += lines[-1]["computed"] if lines else 0
            left -= 1
            print(f"{time.monotonic() - began:.0f} s: killed one while {phase(lines, num)}", flush=True)
            at_work.append(start(store, *options))
        for process in at_work:
            out, err = process.communicate()
            assert process.returncode == 0, err
            latents += progress(out)[-1]["computed"]
        print(f"{kills - left} kills, {time.monotonic() - began:.0f} s; {latents} latents computed for {num}")
        print("the same as of one process, byte for byte:", contents(store) == contents(place / "whole"))
    shutil.rmtree(place)


def million(*, num: int = 1_000_000, numbers: int = 512, regions: int = 4) -> None:
    """Of a store with the commits of so many latents, and sums of all spans, but one whose blocks are still to add."""
    place, size = Path(tempfile.mkdtemp()), usual_block(num)
    layout = Layout((num,), "uint8", ("latent",), size)
    manifest = {"settings": {"latents": {"num": num}, "block": size}, "regions": [], "versions": {}, "memory": 0}
    store = create(place, manifest, {"usable": layout}, {})
    for block in range(store.num_blocks):
        counts = {"checksum": 1, "usable": store.length(block), "converged": store.length(block)}
        write(place / "progress" / "commits" / str(block), as_json(counts))
        write(place / "usable" / "c" / str(block), b"")
    sums = packed({side: np.ones((regions, numbers * (numbers + 1) // 2)) for side in SIDES})
    for span in range(1, store.num_spans):
        write(place / "progress" / "spans" / str(span), sums)
    for block in store.blocks_of(0):
        write(place / "progress" / "sums" / str(block), sums)
    timed(f"status of {store.num_blocks} blocks", lambda: sweep.open(place).counts())
    timed("what is lost, by lists of names", lambda: look_through(store, range(store.num_blocks), everything=False))
    timed(f"one span of {len(store.blocks_of(0))} sums of {len(sums) / 1e6:.1f} MB", lambda: add_up(store, 0))
    timed(f"all {store.num_spans} spans", lambda: total(store))
    shutil.rmtree(place)


def write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def timed(name: str, function: Callable[[], Any]) -> None:
    began = time.monotonic()
    function()
    print(f"{name}: {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"stops": stops, "workers": workers, "million": million})
