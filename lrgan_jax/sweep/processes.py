"""Several processes at one sweep, on JAX's distributed runtime. They share the blocks out by number, and speak only to
begin and to end.

One that fails or is asked to stop tells the others, who stop too. One that dies misses its heartbeats; JAX's runtime
then ends the others, with a message that names it.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import jax

from lrgan_jax import display
from lrgan_jax.base.progress import waiting
from lrgan_jax.sweep.errors import SweepError

HEARTBEAT = 30  # seconds without one after which a process counts as dead
PATIENCE = 60  # seconds that processes which end wait for one another
DAYS = 10 * 24 * 3600  # seconds to wait for the others' share of the work
_numbers = itertools.count()  # names never come twice in the runtime; every process counts alike


@display.record
@dataclass(frozen=True)
class Share:
    """Of the blocks, those with number % count == index."""

    index: int = 0
    count: int = 1


def join(coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None) -> None:
    """Become one of several processes; to be called before anything else is asked of JAX.

    Args:
      coordinator: address:port of process 0. All None: found out from SLURM, Open MPI, Kubernetes or the TPU pod.
    """
    with waiting("waiting for the other processes"):
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process_id,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=PATIENCE,
        )


def own(share: Share) -> Share:
    """This process's part of a share."""
    return Share(share.index * jax.process_count() + jax.process_index(), share.count * jax.process_count())


@contextmanager
def together() -> Iterator[Callable[[], str | None]]:
    """Work that ends at the same time in all processes. What one raises, the others raise as a `SweepError` that says
    who and why.

    Inside, the yielded function tells why another one wants to stop, or None.
    """
    if jax.process_count() == 1:
        yield lambda: None
        return
    from orbax.checkpoint import multihost  # half a second that a single process does not need

    runtime, name = multihost.get_jax_distributed_client(), f"lrgan_jax/sweep/{next(_numbers)}"
    everyone = set(range(jax.process_count()))  # said in full, so that the coordinator waits, and no device

    def reason() -> str | None:
        try:
            return runtime.key_value_try_get(f"{name}/stop")
        except jax.errors.JaxRuntimeError:  # nobody said anything
            return None

    try:
        yield reason
    except Exception as error:
        runtime.key_value_set(f"{name}/stop", f"process {jax.process_index()}: {error}", allow_overwrite=True)
        multihost.sync_global_processes(name, timeout=DAYS, processes=everyone)
        raise
    with waiting("waiting for the other processes"):
        multihost.sync_global_processes(name, timeout=DAYS, processes=everyone)
    if (why := reason()) is not None:
        raise SweepError(why)
