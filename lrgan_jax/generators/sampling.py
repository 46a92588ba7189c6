"""Which latents: those of a seed, those of an array or a file, and which of them show a face from the front.

Latent number i of a seed has the key `fold_in(key(seed), i)`, here and wherever else a seed is asked for: seed 0 is the
same faces everywhere, and any stretch of them can be had without the ones before.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from lrgan_jax import display
from lrgan_jax.base.checks import LARGEST_SEED, check_key, check_number, check_whole, random_key
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators.latents import WS, Latent, W, Z, weights_dtype
from lrgan_jax.generators.protocol import DrawsZ, Generator, check_generator
from lrgan_jax.generators.view import render, to_ws

POOL = 512  # random latents that near-frontal ones are picked from


def sample_z(gen: Generator, key: ArrayLike, num: int, *, first: int = 0) -> Z:
    """`num` standard normal latents, [num, z_dim]: numbers `first` and on of all those that a key stands for.

    In the dtype of the weights, but drawn in 32 bits whatever that is: a key is the same picture in any precision.

    Raises:
      InputTypeError: if `key` is no random key, or `gen` a name. InputError: if `num` is not at least 1, or `first` is
        below 0.
    """
    check_generator(gen)
    check_key(key)
    check_whole("num", num)
    check_whole("the number of an image", first, least=0, most=LARGEST_SEED - num + 1)  # keys are folded with 32 bits
    return Z(jnp.asarray(_draw(key, first, num, gen.z_dim), weights_dtype(gen)))


@partial(jax.jit, static_argnums=(2, 3))
def _draw(key, first, num: int, width: int) -> Float[Array, "n z"]:
    keys = jax.vmap(partial(jax.random.fold_in, key))(first + jnp.arange(num, dtype=jnp.uint32))
    return jax.vmap(lambda key: jax.random.normal(key, (width,), jnp.float32))(keys)


def drawn(gen: Generator, z: Z, truncation: float = 1.0) -> Z:
    """The z that a generator of its own distribution draws where others draw `z`."""
    return gen.drawn(z, truncation) if isinstance(gen, DrawsZ) else z


@display.record
class Latents(NamedTuple):
    """`num` latents, not necessarily in memory. `stretch(first, n)` gives ws of those from `first` on, past the end the
    last one again.

    `record` says which they are, for whoever writes it down: equal records, equal latents.
    """

    num: int
    stretch: Callable[[int, int], WS]
    record: dict[str, Any]

    def _repr_html_(self) -> str:
        facts = {name: display.cut(str(value)) for name, value in self.record.items()}
        return display.card(f"{self.num} latents", facts)

    def all(self) -> WS:
        """Every one of them."""
        return self.stretch(0, self.num)


def seeded(
    gen: Generator,
    seed: int,
    num: int,
    *,
    labels: Sequence[int] = (),
    truncation: float = 1.0,
    cutoff: int | None = None,
) -> Latents:
    """Random latents: those of `sample_z` with the seed's key, whatever `num` is, as the generator draws them.

    Args:
      labels: classes of a conditional model, taken in turn: latent i is of class `labels[i % len(labels)]`.
      truncation, cutoff: see `Generator.mapping`.
    Raises:
      InputError: if a number makes no sense, or the labels do not fit the model.
    """
    key = random_key(seed)
    check_whole("num", num, most=LARGEST_SEED)
    check_number("truncation", truncation)
    check_classes(gen, labels)

    def stretch(first: int, n: int) -> WS:
        numbers = np.minimum(np.arange(first, first + n), num - 1)
        z = sample_z(gen, key, len(set(numbers)), first=int(numbers[0]))[numbers - numbers[0]]
        z = drawn(gen, z, 1.0 if cutoff == 0 else truncation)
        return to_ws(gen, gen.mapping(z, one_hot(gen, labels, numbers), truncation, cutoff))

    record = {"num": num, "seed": seed, "labels": list(labels), "truncation": truncation}
    return Latents(num, stretch, record if cutoff is None else record | {"cutoff": cutoff})


def given(
    gen: Generator,
    latents: Latent | ArrayLike,
    *,
    labels: Sequence[int] = (),
    truncation: float = 1.0,
    cutoff: int | None = None,
) -> Latents:
    """The rows of an array, or a Latent.

    Args:
      latents: Z [N, z_dim], W [N, w_dim] or WS [N, num_ws, w_dim]; a bare array is w or ws. May be memory-mapped. Rows
        that are not finite are not refused: a sweep counts them among the latents without results.
      labels, truncation, cutoff: of z only, which is mapped first; see `seeded`.
    Raises:
      InputError: if a number makes no sense, or the array or the labels do not fit the model.
    """
    check_number("truncation", truncation)
    kind = type(latents) if isinstance(latents, Latent) else WS if np.ndim(latents) == 3 else W
    rows = latents.array if isinstance(latents, Latent) else latents
    rows = rows if isinstance(rows, np.ndarray) else np.asarray(rows)
    expected = {Z: (gen.z_dim,), W: (gen.w_dim,), WS: (gen.num_ws, gen.w_dim)}[kind]
    if rows.shape[1:] != expected or not len(rows) or not np.issubdtype(rows.dtype, np.floating):
        shape = ", ".join(map(str, ("N", *expected)))
        raise InputError(f"{kind.space} of this model are floats [{shape}], got {rows.dtype} {list(rows.shape)}")
    if kind is Z:
        check_classes(gen, labels)
    elif truncation != 1 or cutoff is not None or labels:
        raise InputError("truncation, cutoff and labels are for z: w and ws are taken as they are")
    classes = latents.c if isinstance(latents, Latent) else None

    def stretch(first: int, n: int) -> WS:
        numbers = np.minimum(np.arange(first, first + n), len(rows) - 1)
        part = np.ascontiguousarray(rows[numbers])
        if kind is Z:
            return to_ws(gen, gen.mapping(Z(jnp.asarray(part)), one_hot(gen, labels, numbers), truncation, cutoff))
        own = jnp.asarray(part)  # on the device, where nobody looks whether they are finite
        return to_ws(gen, kind(own, None if classes is None else jnp.asarray(classes)[numbers]))

    record = {"num": len(rows), "space": kind.space, "sha256": _digest(rows), "truncation": truncation}
    further = {
        "labels": list(labels),
        "cutoff": cutoff,
        "classes": None if classes is None else _digest(np.asarray(classes)),
    }
    return Latents(
        len(rows), stretch, record | {name: value for name, value in further.items() if value not in (None, [])}
    )


def check_classes(gen: Generator, labels: Sequence[int]) -> None:
    """Refuse labels where there are no classes, none where there are, and such as are no class.

    Raises:
      InputError: saying which classes there are.
    """
    if bool(gen.c_dim) != bool(labels) or any(not 0 <= label < gen.c_dim for label in labels):
        has = f"classes 0 to {gen.c_dim - 1}: name at least one" if gen.c_dim else "no classes"
        raise InputError(f"labels {list(labels)}: this model has {has}")


def one_hot(gen: Generator, labels: Sequence[int], numbers: np.ndarray) -> Float[np.ndarray, "n c"] | None:
    """The classes of latents of these numbers, the labels being taken in turn; None without labels."""
    return np.eye(gen.c_dim, dtype=np.float32)[np.asarray(labels)[numbers % len(labels)]] if labels else None


def near_frontal(gen: Generator, key: ArrayLike, num: int, *, truncation: float = 1.0, pool: int = POOL) -> Latent:
    """The `num` of `pool` random latents whose faces are most nearly frontal, of all classes in turn.

    Raises:
      InputError: if `num` is not from 1 to `pool`.
    """
    return frontal(gen, key, num, truncation=truncation, pool=pool)[0]


def frontal(
    gen: Generator, key: ArrayLike, num: int, *, truncation: float = 1.0, pool: int = POOL
) -> tuple[Latent, Int[np.ndarray, " n"]]:
    """The same, and their numbers among those that the key draws."""
    check_whole("pool", pool)
    check_whole("num", num, most=pool)
    numbers = np.arange(pool)
    latents = gen.mapping(
        drawn(gen, sample_z(gen, key, pool), truncation), one_hot(gen, range(gen.c_dim), numbers), truncation
    )
    chosen = frontal_order(gen, latents)[:num]
    return latents[chosen], chosen


def frontal_order(gen: Generator, latents: Latent) -> np.ndarray:
    """Numbers of latents, those whose faces are most nearly frontal first."""
    return most_frontal(render(gen, to_ws(gen, latents)))


def most_frontal(images: Float[np.ndarray, "n h w c"]) -> np.ndarray:
    """Numbers of images of faces, the most nearly frontal first, those large, central and clear.

    The rule: grey values of the central window (rows 1/4 to 15/16, columns 1/6 to 5/6) are correlated with their own
    mirror image and with the mean image, made symmetric; the smaller of the two counts. Windows too dark or too flat to
    show a face (mean below -0.5, standard deviation below 0.18, on [-1, 1]) come last.
    """
    grey = images.mean(-1)
    height, width = grey.shape[1:]
    window = (slice(None), slice(height // 4, height * 15 // 16), slice(width // 6, width - width // 6))
    faces = grey[window]
    mean = np.broadcast_to((grey + grey[:, :, ::-1]).mean(0), grey.shape)[window]
    likeness = np.minimum(_correlation(faces, faces[:, :, ::-1]), _correlation(faces, mean))
    visible = (faces.mean((1, 2)) > -0.5) & (faces.std((1, 2)) > 0.18)
    return np.argsort(-np.where(visible, likeness, likeness - 2))


def _correlation(a: Float[np.ndarray, "n h w"], b: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, " n"]:
    a, b = (x - x.mean((1, 2), keepdims=True) for x in (a, b))
    product = np.sqrt(np.square(a).sum((1, 2)) * np.square(b).sum((1, 2)))
    return (a * b).sum((1, 2)) / np.maximum(product, np.finfo(product.dtype).tiny)  # 0 where nothing varies


def _digest(rows: np.ndarray) -> str:
    """Of the values, piece by piece, so that a memory-mapped file is never whole in memory."""
    digest = hashlib.sha256(f"{rows.dtype} {rows.shape}".encode())
    for first in range(0, len(rows), 4096):
        digest.update(np.ascontiguousarray(rows[first : first + 4096]).tobytes())
    return digest.hexdigest()
