"""How long something will take, as far as that can be known: from the last time on this machine, or from a count.

A job says how many operations it is, to within a factor of a few. Their speed is the one of the last job of its name
and nearest size here, as `durations.json` in the cache folder holds it, or where there was none that of a usual device.
"""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import jax

from lrgan_jax.base.errors import PlaceError
from lrgan_jax.base.files import cache_folder, write_whole

PER_PIXEL = 2.5e5  # operations for one pixel of an image: StyleGAN2s of 64 to 1024 pixels have 0.6e5 to 14e5
CORE, ACCELERATOR = 5e10, 1e13  # operations a second of a processor's core, and of a GPU or TPU, when kept busy
UNITS = ("s", 1), ("min", 60), ("h", 3600), ("d", 86400)
SOME = 10  # seconds below which their number is not worth saying
FILE = "durations.json"


def of_images(size: Sequence[int], num: int) -> float:
    """Operations for so many images [H, W]; a tangent counts for two of them."""
    return PER_PIXEL * math.prod(size) * num


def expected(what: str, operations: float) -> float:
    """Seconds that a job of this name may take."""
    known = _read().get(_here(what), {})
    if not known:
        return operations / _usual_speed()
    near = min(known, key=lambda size: abs(math.log(float(size) / operations)))
    return known[near] * operations / float(near)


def remember(what: str, operations: float, seconds: float) -> None:
    """For the next time; where nothing can be written it is forgotten."""
    known = _read()
    known.setdefault(_here(what), {})[f"{operations:.3g}"] = round(seconds, 1)
    try:
        write_whole(_file(), json.dumps(known, indent=1).encode())
    except PlaceError:
        return


def clock(seconds: float) -> str:
    """Time gone by, in whole units."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def about(seconds: float) -> str:
    """In words that claim no more than is known: one digit."""
    if seconds < SOME:
        return "some seconds"
    name, size = next(unit for unit in reversed(UNITS) if seconds >= 0.95 * unit[1])
    count = seconds / size
    digit = 10 ** math.floor(math.log10(count))
    return f"about {max(1, round(round(count / digit) * digit))} {name}"


def _read() -> dict[str, dict[str, float]]:
    """Job on a device -> operations -> seconds; empty where there is no such file, or it holds something else."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
        return {job: {f"{float(size):.3g}": float(took) for size, took in of.items()} for job, of in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _file() -> Path:
    return cache_folder() / FILE


def _here(what: str) -> str:
    """The job on the devices of this process."""
    return f"{what} on {jax.local_device_count()} {jax.local_devices()[0].device_kind} beside {os.cpu_count()} cores"


def _usual_speed() -> float:
    on_cores = jax.default_backend() == "cpu"
    return CORE * (os.cpu_count() or 1) if on_cores else ACCELERATOR * jax.local_device_count()
