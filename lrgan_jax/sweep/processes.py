"""This process's part, where a sweep is started as several.

Processes at one store need not know of one another: claims (claims.py) are all that they share. So nothing here joins
JAX's distributed runtime, in which one that is late, dead or asked to stop holds up or ends the others, and whose
notice of preemption swallows SIGTERM.
"""

from dataclasses import dataclass

from lrgan_jax import display
from lrgan_jax.base.deprecation import deprecated
from lrgan_jax.sweep.tasks import own_gpus


@display.record
@dataclass(frozen=True)
class Share:
    """Of the blocks, those with number % count == index."""

    index: int = 0
    count: int = 1


def join(coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None) -> None:
    """Nothing needs to be joined any more: `run` on each machine, with the same store."""
    deprecated("sweep.join", instead="sweep.run alone, in any number of processes", since="0.2")
    own_gpus()
