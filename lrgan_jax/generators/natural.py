"""The latents that a generator draws itself: how they lie around their mean, and how far out another one is."""

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax import display
from lrgan_jax.base import linalg
from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.checks import check_key, check_number, check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators.latents import WS, Latent, W
from lrgan_jax.generators.parts import HasParts, numbers_of_z
from lrgan_jax.generators.protocol import Generator
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.generators.view import to_ws

SAMPLES = 8192
NARROWEST = 1e-4  # variance that counts for directions which vary less, of the largest: a hundredth of its length
SLOPE = 5.0  # undoes the leaky ReLU, of slope 0.2, that a StyleGAN's mapping ends in


@display.record
class OwnLatents(NamedTuple):
    """Mean and covariance of `SAMPLES` latents, of all classes in turn.

    Attributes:
      root: S, the symmetric root of the covariance of w, which hardly turns the axes; see `lengths`.
      mean, whitener: of p, w before the mapping's last activation, where latents are nearly normal: (p - mean) whitener
        is white in what varies. varying: how many numbers that is; a mapping may leave some of p without any variance.
    Source: Zhu et al. 2020, Improved StyleGAN Embedding, arXiv:2012.09036, for the space of p.
    """

    root: Float[AnyArray, "d d"]
    mean: Float[AnyArray, " d"]
    whitener: Float[AnyArray, "d d"]
    varying: Float[AnyArray, ""]


_known: "weakref.WeakKeyDictionary[Any, OwnLatents]" = weakref.WeakKeyDictionary()


def own_latents(gen: Generator) -> OwnLatents | None:
    """Of a generator with a mapping network, remembered as long as it lives; None where latents are white already."""
    if gen.space is not W:
        return None
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(gen)):
        return _of(gen)
    try:
        if gen not in _known:
            _known[gen] = _measured(gen)
        return _known[gen]
    except TypeError:  # somebody else's class that cannot be hashed or pointed at
        return _measured(gen)


def own_root(gen: Generator, numbers: tuple[int, int] | None = None) -> Float[AnyArray, "m m"] | None:
    """S of these numbers of w, or of all; None where they are white."""
    first, end = numbers or (0, gen.w_dim)
    if numbers_of_z(gen, numbers) == end - first:
        return None
    known = own_latents(gen)
    return None if known is None else known.root[first:end, first:end]


def alike(gen: Generator, w: ArrayLike | Latent, key: ArrayLike, amount: int | float, num: int = 1) -> WS:
    """Latents like the one given, and as natural as it is: u becomes cos(t) u + sin(t) n in coordinates in which the
    generator's own are white, and so is n.

    All layers turn by the same n. Of a latent that is made of parts z alone turns, so that its class stays.

    Args:
      w: w [1, w_dim] or ws [1, num_ws, w_dim].
      amount: from 0, the same, to 1, any other of the generator's: t is that share of a right angle.
    Returns:
      ws [num, num_ws, w_dim], with its class.
    Raises:
      InputError: on several latents, or numbers that do not fit.
    """
    check_key(key)
    check_whole("num", num)
    check_number("amount", amount, least=0, most=1)
    ws = to_ws(gen, w)
    if len(ws) != 1:
        raise InputError(f"one latent at a time, got {len(ws)}")
    n = np.asarray(jax.random.normal(key, (num, 1, gen.w_dim)), np.float64)
    angle = amount * np.pi / 2
    turned = _turned(gen, np.asarray(ws.array, np.float64), n, np.cos(angle), np.sin(angle))
    return WS(jnp.asarray(turned, ws.dtype), None if ws.c is None else jnp.repeat(ws.c, num, 0))


def _turned(
    gen: Generator, ws: Float[np.ndarray, "1 l d"], n: Float[np.ndarray, "n 1 d"], cos: float, sin: float
) -> Float[np.ndarray, "n l d"]:
    """By NumPy, which has nothing to compile."""
    if isinstance(gen, HasParts):
        first, end = dict(gen.parts).get("z", (0, 0))
        number = np.arange(gen.w_dim)
        return np.where((number >= first) & (number < end), cos * ws + sin * n, ws)
    if (of := own_latents(gen)) is None:
        return cos * ws + sin * n
    away = n @ np.linalg.inv(of.whitener)  # which is symmetric
    turned = of.mean + cos * (_straightened(gen, ws) - of.mean) + sin * away
    return np.where(turned < 0, turned / SLOPE, turned)


def depth(gen: Generator, ws: Latent | ArrayLike) -> Float[np.ndarray, "*n"]:
    """How far out latents ws [..., L, d] lie, of the row that is farthest: 1 for a typical one of the generator's own.

    The root mean square over the whitened numbers that vary, which hardly changes from sample to sample.
    """
    rows, of = np.asarray(ws), own_latents(gen)
    white = rows if of is None else (np.asarray(_straightened(gen, rows)) - of.mean) @ of.whitener
    return np.sqrt(np.square(white).sum(-1) / (gen.w_dim if of is None else of.varying)).max(-1)


def _measured(gen: Generator) -> OwnLatents:
    """As NumPy arrays, even while something else is traced."""
    with jax.ensure_compile_time_eval():
        return OwnLatents(*map(np.asarray, _of(gen)))


def _of(gen: Generator) -> OwnLatents:
    ws = jnp.asarray(to_ws(gen, seeded(gen, 0, SAMPLES, labels=range(gen.c_dim)).all()))[:, 0]
    ws = ws.astype(jnp.promote_types(ws.dtype, jnp.float32))  # halves have no decompositions
    if isinstance(gen, HasParts):
        return _of_parts(gen, ws)
    return _of_numbers(
        ws, jnp.asarray(_straightened(gen, ws)), _of_each if getattr(gen, "numbers_apart", False) else _covariance
    )


def _of_numbers(ws: Float[Array, "n d"], before: Float[Array, "n d"], covariance: Callable) -> OwnLatents:
    """Of samples, and of these before the mapping's last activation."""
    values, axes = covariance(ws)
    widths, own = covariance(before)
    raised = _raised(widths)
    return OwnLatents(
        root=(axes * jnp.sqrt(_raised(values))) @ axes.T,
        mean=before.mean(0),
        whitener=(own / jnp.sqrt(raised)) @ own.T,
        varying=jnp.sum(widths / raised),
    )


def _of_parts(gen: HasParts, ws: Float[Array, "n d"]) -> OwnLatents:
    """Part by part, as they are drawn apart; z is white, and a number in no part does not vary."""
    d, dtype = ws.shape[1], ws.dtype
    root = whitener = jnp.zeros((d, d), dtype)
    mean, varying = jnp.zeros(d, dtype), jnp.zeros((), dtype)
    for name, (first, end) in gen.parts.items():
        row, block = slice(first, end), (slice(first, end), slice(first, end))
        own = _white(end - first, dtype) if name == "z" else _of_numbers(ws[:, row], ws[:, row], _covariance)
        root, whitener = root.at[block].set(own.root), whitener.at[block].set(own.whitener)
        mean, varying = mean.at[row].set(own.mean), varying + own.varying
    return OwnLatents(root, mean, whitener, varying)


def _white(d: int, dtype: Any) -> OwnLatents:
    one = jnp.eye(d, dtype=dtype)
    return OwnLatents(one, jnp.zeros(d, dtype), one, jnp.asarray(d, dtype))


def _covariance(samples: Float[Array, "n d"]) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
    """Its eigenvalues, rising, and its eigenvectors as columns."""
    return linalg.eigh(jnp.cov(samples, rowvar=False).reshape(samples.shape[1], -1))


def _of_each(samples: Float[Array, "n d"]) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
    """The same of numbers that may move one by one, whatever the others do: their variances alone."""
    order = jnp.argsort(samples.var(0))
    return samples.var(0)[order], jnp.eye(samples.shape[1], dtype=samples.dtype)[:, order]


def _raised(values: Float[Array, " d"]) -> Float[Array, " d"]:
    """The same, those that hardly are any raised."""
    return jnp.maximum(values, jnp.maximum(NARROWEST * values[-1], 1e-30))


def _straightened(gen: Any, w: Float[AnyArray, "*n d"]) -> Float[AnyArray, "*n d"]:
    if isinstance(gen, HasParts):  # whose mapping has no activation
        return w
    return (np if isinstance(w, np.ndarray) else jnp).where(w < 0, SLOPE * w, w)
