"""This process's part, where a sweep is started as several.

Processes at one store need not know of one another: claims (claims.py) are all that they share. So nothing here joins
JAX's distributed runtime, in which one that is late, dead or asked to stop holds up or ends the others, and whose
notice of preemption swallows SIGTERM.
"""

import os
from dataclasses import dataclass

import jax

from lrgan_jax import display
from lrgan_jax.base.deprecation import deprecated

LOCAL_NUMBERS = ("JAX_LOCAL_DEVICE_IDS", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "PMIX_LOCAL_RANK")


@display.record
@dataclass(frozen=True)
class Share:
    """Of the blocks, those with number % count == index."""

    index: int = 0
    count: int = 1


def own_devices() -> str | None:
    """Take of a machine's GPUs the ones of this task's number there, as its launcher counts them, or those that
    JAX_LOCAL_DEVICE_IDS names; to be called before anything else is asked of JAX. All where nothing counts, or where
    the launcher shows this task no more than one.

    Returns:
      Their numbers; None for all.
    """
    numbers = next((os.environ[name] for name in LOCAL_NUMBERS if os.environ.get(name)), None)
    shown = os.environ.get("CUDA_VISIBLE_DEVICES") or os.environ.get("ROCR_VISIBLE_DEVICES")
    if numbers is None or (shown is not None and "," not in shown):
        return None
    for platform in ("cuda", "rocm"):
        jax.config.update(f"jax_{platform}_visible_devices", numbers)
    return numbers


def join(coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None) -> None:
    """Nothing needs to be joined any more: `run` on each machine, with the same store."""
    deprecated("sweep.join", instead="sweep.run alone, in any number of processes", since="0.2")
    own_devices()
