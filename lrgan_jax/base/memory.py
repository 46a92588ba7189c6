"""How much to compute at once: what a device has free, and what a tangent of a function takes of it."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
from jaxtyping import Array


class Most(NamedTuple):
    """What a platform makes use of.

    Attributes:
      tangents: at once. memory: bytes for them. together: whether those of several latents fill it better than one's.
    """

    tangents: int
    memory: int
    together: bool


# Two CPU cores were 5 to 10 % slower per tangent with 16 than with 8 at 64x64, and with 8 (1 GB by the estimate below)
# than with 4 or 1 at 256x256. Other devices idle with few: 1,024 of 64x64 are as many pixels as 4 of 1024x1024.
MOST = {"cpu": Most(8, 2**29, False)}
ELSEWHERE = Most(1024, 2**62, True)
LEAST = 2**20  # bytes below which no cutting helps
Result = TypeVar("Result")


def free_memory() -> int:
    """Bytes free on the default device; for a CPU, in the machine. 4 GB where neither can be told."""
    stats: dict[str, Any] | None = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # no such figure on macOS or Windows
        return 4 * 2**30


def default_memory() -> int:
    """Half of what is free, as a power of two: what is free changes from call to call, programs should not."""
    return 1 << (free_memory() // 2).bit_length() - 1


def platform_most() -> Most:
    """Of the default device's platform."""
    return MOST.get(jax.default_backend(), ELSEWHERE)


def fitting_tangents(f: Callable, at: Sequence[Array], memory: int) -> int:
    """How many tangents of f, at these arguments, to push at once: as many as fit in `memory` bytes, at most what the
    platform makes use of, and one.

    The estimate takes four times the largest result in f for a tangent: XLA's temporaries measured 1.6 of it for a
    StyleGAN2 of 64x64, 3.5 for one of 256x256 (CPU). It errs to the safe side where weights are what is largest.
    """
    per_tangent = 4 * _largest_result(jax.make_jaxpr(f)(*at).jaxpr)
    most = platform_most()
    return max(1, min(most.tangents, min(memory, most.memory) // max(per_tangent, 1)))


def halving(compute: Callable[[int], Result], memory: int) -> tuple[Result, int]:
    """`compute(memory)` once it is there, and the memory it was given: half as much whenever the device runs out, which
    is warned of. Estimates are rough, and others may use the device, too.

    Raises:
      What `compute` raises, if it is anything else, or if there is nothing left to halve.
    """
    while True:
        try:
            return jax.block_until_ready(compute(memory)), memory
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error) or memory < LEAST:
                raise
        memory //= 2
        warnings.warn(f"the device has run out of memory: going on with {memory / 2**30:.3g} GB", stacklevel=2)


def fitting_chunk(f: Callable, at: Sequence[Array], d: int, memory: int) -> int:
    """The same of d tangents, in parts of about one size."""
    return even_parts(d, fitting_tangents(f, at, memory))


def fitting_reverse(f: Callable, at: Sequence[Any], memory: int) -> int:
    """How many reverse passes of f, at these arguments, to do at once: as many as fit in `memory` bytes where several
    fill the platform better than one, and one.

    The estimate adds up all results in f, of which a reverse pass keeps most.
    """
    if not platform_most().together:
        return 1
    return max(1, memory // max(1, _all_results(jax.make_jaxpr(f)(*at).jaxpr)))


def even_parts(num: int, most: int) -> int:
    """The size of parts of which `num` takes no more than of parts of `most`: the last one is then hardly shorter.

    At least 1.
    """
    return -(-num // -(-num // max(1, min(num, most))))


def _largest_result(jaxpr) -> int:
    """Bytes of the largest result of any operation."""
    return max(_results(jaxpr), default=0)


def _all_results(jaxpr) -> int:
    """Bytes of the results of all operations."""
    return sum(_results(jaxpr))


def _results(jaxpr) -> Iterator[int]:
    """Bytes of the result of each operation, looking into nested programs."""
    for eqn in jaxpr.eqns:
        inner = [p.jaxpr for p in eqn.params.values() if hasattr(p, "jaxpr")]
        if inner:
            for program in inner:
                yield from _results(program)
        else:
            arrays = [v.aval for v in eqn.outvars if hasattr(v.aval, "shape")]
            yield sum(a.size * a.dtype.itemsize for a in arrays)
