"""Which of a machine's GPUs this process takes, where a launcher has started several tasks on the machine.

JAX takes each GPU that it is shown, with most of its memory, so that a second process there finds none. What launchers
say of a task is in its environment. Looked at were those of SLURM 22.05, Open MPI 4.1 and 5.0, MPICH 5.0 and Intel MPI
2021; of the others their names are known.
"""

import os
import re
from collections.abc import Sequence
from itertools import chain, repeat
from pathlib import Path

import jax

from lrgan_jax.base.errors import InputError
from lrgan_jax.base.progress import mention

# A task's number on its machine, and how many there are.
LAUNCHERS = (
    ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),  # Open MPI
    ("MPI_LOCALRANKID", "MPI_LOCALNRANKS"),  # MPICH, Intel MPI
    ("MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_SIZE"),  # MVAPICH
    ("PALS_LOCAL_RANKID", "PALS_LOCAL_SIZE"),  # HPE Cray
    ("LOCAL_RANK", "LOCAL_WORLD_SIZE"),  # torchrun
)
SHOWN = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
SHARED = (
    ", which it shares. JAX takes most of a GPU's memory: start as many tasks as GPUs, or set "
    "XLA_PYTHON_CLIENT_PREALLOCATE=false"
)
DEVICES = Path("/dev")
BY_HAND = "JAX_LOCAL_DEVICE_IDS"


def own_gpus() -> Sequence[int] | None:
    """Take this task's part of the GPUs, or those that `JAX_LOCAL_DEVICE_IDS` names; to be called before anything else
    is asked of JAX. A line says so, if it is not all.

    Returns:
      Their numbers among those that it is shown; None for all, or those of JAX's own settings.
    Raises:
      InputError: if `JAX_LOCAL_DEVICE_IDS` names what is not there.
    """
    settings = [f"jax_{platform}_visible_devices" for platform in ("cuda", "rocm")]
    if any(name.upper() in os.environ for name in settings):
        return None
    shown = _shown()
    numbers = _by_hand(named, shown) if (named := os.environ.get(BY_HAND)) else _dealt(*_task(), shown)
    if numbers is not None:
        for name in settings:
            jax.config.update(name, ",".join(map(str, numbers)))
    return numbers


def _task() -> tuple[int, int]:
    """The number of this one on its machine, and how many there are, by its launcher. SLURM comes last, as in an
    allocation it counts what has started the launcher.
    """
    pairs = [(os.environ.get(number, ""), os.environ.get(count, "")) for number, count in LAUNCHERS]
    for number, count in (*pairs, (os.environ.get("SLURM_LOCALID", ""), _tasks_of_step())):
        if number.isdecimal() and count.isdecimal() and int(number) < int(count):
            return int(number), int(count)
    return 0, 1


def _tasks_of_step() -> str:
    """How many `srun` has started on this machine, of "4(x2),3" on three. Nothing in a batch script, which is one
    process, whatever is asked for its steps.
    """
    parts = re.findall(r"(\d+)(?:\(x(\d+)\))?", os.environ.get("SLURM_STEP_TASKS_PER_NODE", ""))
    machines = list(chain.from_iterable(repeat(count, int(times or 1)) for count, times in parts))
    number = int(os.environ.get("SLURM_NODEID") or 0)
    return machines[number] if number < len(machines) else ""


def _there() -> int:
    """GPUs of this machine that SLURM has given this job, or all NVIDIA ones."""
    return int(os.environ.get("SLURM_GPUS_ON_NODE") or 0) or len(list(DEVICES.glob("nvidia[0-9]*")))


def _shown() -> int:
    """GPUs that this process sees, and JAX is to use."""
    if (platforms := getattr(jax.config, "jax_platforms", None)) and not re.search("cuda|gpu|rocm", platforms):
        return 0
    for name in SHOWN:
        if (shown := os.environ.get(name)) is not None:
            return len(re.findall(r"(?:^|,)\s*(?:\d|GPU-|MIG-)", shown))  # "", -1 and NoDevFiles mean none
    return _there()


def _by_hand(named: str, shown: int) -> Sequence[int]:
    if not re.fullmatch(r"\d+(,\d+)*", named):
        raise InputError(f"{BY_HAND}={named}: write it as 0,1")
    numbers = [int(number) for number in named.split(",")]
    if shown and max(numbers) >= shown:
        raise InputError(f"{BY_HAND}={named}: there are {shown} GPUs here, counted from 0")
    if len(numbers) < shown:
        mention(f"{_gpus(numbers, shown)}, by {BY_HAND}: the others stand idle if no other process takes them")
    return numbers


def _dealt(task: int, count: int, shown: int) -> Sequence[int] | None:
    """As evenly as can be, and all of them, unless its launcher or a script has given this task its own."""
    if count == 1 or not shown:
        return None
    there = _there()
    if shown != there and ("SLURM_GPUS_ON_NODE" in os.environ or shown < count):
        if (idle := there - count * shown) > 0:
            mention(f"{count} tasks on this machine are shown {shown} of {there} GPUs each: {idle} stand idle")
        return None
    first, end = task * shown // count, (task + 1) * shown // count
    numbers = range(first, max(first + 1, end))
    mention(f"task {task} of {count} on this machine: {_gpus(numbers, shown)}{SHARED if shown < count else ''}")
    return numbers


def _gpus(numbers: Sequence[int], shown: int) -> str:
    return f"GPU{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))} of {shown}"
