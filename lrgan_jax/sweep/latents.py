"""Which latents a sweep takes: those of a seed, or the rows of an array. Any stretch of them can be had without the ones before."""
import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.checks import LARGEST_SEED, check_number, check_whole, random_key
from lrgan_jax.generators import WS, Generator, Latent, W, Z, sample_z, to_ws
from lrgan_jax.sweep.errors import SweepError


class Latents(NamedTuple):
    """`num` latents. `stretch(first, n)` gives ws [n, L, d] of those from `first` on, past the end the last one again.

    `record` is what the store's manifest says of them: equal records, equal latents.
    """

    num: int
    stretch: Callable[[int, int], Float[Array, "n l d"]]
    record: dict[str, Any]


def seeded(gen: Generator, seed: int, num: int, *, labels: Sequence[int] = (), truncation: float = 1.0) -> Latents:
    """Random latents, number i with key `fold_in(key(seed), i)`: those of `lrgan sample`, whatever `num` is.

    Args:
      labels: classes of a conditional model, taken in turn: latent i is of class `labels[i % len(labels)]`.
    Raises:
      ValueError: if a number makes no sense. SweepError: if the labels do not fit the model.
    """
    key = random_key(seed)
    check_whole("num", num, most=LARGEST_SEED)
    check_number("truncation", truncation)
    if bool(gen.c_dim) != bool(labels) or any(not 0 <= label < gen.c_dim for label in labels):
        has = f"classes 0 to {gen.c_dim - 1}: name at least one" if gen.c_dim else "no classes"
        raise SweepError(f"labels {list(labels)}: this model has {has}")

    @jax.jit
    def of_numbers(gen, numbers):
        keys = jax.vmap(partial(jax.random.fold_in, key))(numbers)
        z = jax.vmap(lambda key: sample_z(gen, key, 1).array[0])(keys)
        c = jax.nn.one_hot(jnp.asarray(labels)[numbers % len(labels)], gen.c_dim) if labels else None
        return to_ws(gen, gen.mapping(Z(z), c, truncation)).array

    def stretch(first: int, n: int):
        return of_numbers(gen, np.minimum(np.arange(first, first + n), num - 1))

    return Latents(num, stretch, {"num": num, "seed": seed, "labels": list(labels), "truncation": truncation})


def given(gen: Generator, latents: Latent | ArrayLike, *, truncation: float = 1.0) -> Latents:
    """The rows of an array, or a Latent.

    Args:
      latents: Z [N, z_dim], W [N, w_dim] or WS [N, num_ws, w_dim]; a bare array is w or ws. May be memory-mapped. Rows that are not
        finite are not refused: the sweep counts them among the latents without results.
      truncation: of z only, which is mapped first.
    Raises:
      ValueError: if the truncation is not finite. SweepError: if the array does not fit the model.
    """
    check_number("truncation", truncation)
    kind = type(latents) if isinstance(latents, Latent) else WS if np.ndim(latents) == 3 else W
    rows = latents.array if isinstance(latents, Latent) else latents
    rows = rows if isinstance(rows, np.ndarray) else np.asarray(rows)
    expected = {Z: (gen.z_dim,), W: (gen.w_dim,), WS: (gen.num_ws, gen.w_dim)}[kind]
    if rows.shape[1:] != expected or not len(rows) or not np.issubdtype(rows.dtype, np.floating):
        shape = ", ".join(map(str, ("N", *expected)))
        raise SweepError(f"{kind.space} of this model are floats [{shape}], got {rows.dtype} {list(rows.shape)}")
    if kind is Z and gen.c_dim:
        raise SweepError("z of a conditional model need their labels: map them first, and give w")
    if kind is not Z and truncation != 1:
        raise SweepError("truncation is for z: w and ws are taken as they are")

    @jax.jit
    def of_rows(gen, rows):
        return to_ws(gen, gen.mapping(Z(rows), None, truncation) if kind is Z else kind(rows)).array

    def stretch(first: int, n: int):
        part = np.asarray(rows[first : first + n])
        return of_rows(gen, np.concatenate([part, np.repeat(part[-1:], n - len(part), axis=0)]))

    record = {"num": len(rows), "space": kind.space, "sha256": _digest(rows), "truncation": truncation}
    return Latents(len(rows), stretch, record)


def _digest(rows: np.ndarray) -> str:
    """Of the values, piece by piece, so that a memory-mapped file is never whole in memory."""
    digest = hashlib.sha256(f"{rows.dtype} {rows.shape}".encode())
    for first in range(0, len(rows), 4096):
        digest.update(np.ascontiguousarray(rows[first : first + 4096]).tobytes())
    return digest.hexdigest()
