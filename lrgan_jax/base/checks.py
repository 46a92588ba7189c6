"""Numbers that make no sense are refused where they come in, by name and in one line.

A traced number has no value yet and passes. One that lies on a device is fetched, which waits for it: so this belongs
where a person's call comes in or where values are fetched anyway, not into the networks.
"""

import difflib
import operator
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lrgan_jax.base.errors import InputError, InputTypeError

LONGEST_STEP = 1e6  # latent units; beyond, float32 has hardly a digit left of the latent that a step starts from
LARGEST_SEED = (
    2**32 - 1
)  # JAX takes others modulo 2^32 unless 64 bits are on, so that two seeds would silently be one; folded in alike


def check_number(
    name: str, value: Any, *, least: int | float = -np.inf, above: int | float = -np.inf, most: int | float = np.inf
) -> None:
    """Refuse what is not a finite real number within the bounds, or an array of such. None passes: it stands for a
    default.

    Looked at is what JAX will make of it: without jax_enable_x64 1e300 is infinite.

    Raises:
      InputError: naming the first number that does not fit.
    """
    if value is None or isinstance(value, Tracer):
        return
    values = np.asarray(value)
    if not jnp.issubdtype(values.dtype, jnp.number) or jnp.issubdtype(values.dtype, jnp.complexfloating):
        raise InputError(f"{name} must be a number, got {_shortly(value)}")
    if jnp.issubdtype(values.dtype, jnp.floating):
        with np.errstate(over="ignore"):
            values = values.astype(jax.dtypes.canonicalize_dtype(values.dtype))
    fits = np.isfinite(values) & (values >= least) & (values > above) & (values <= most)
    if not fits.all():
        bounds = (("at least", least), ("above", above), ("at most", most))
        words = [f"{word} {bound:g}" for word, bound in bounds if np.isfinite(bound)]
        wanted = " and ".join(words if np.isfinite(most) else [*words, "finite"])
        raise InputError(f"{name} must be {wanted}, got {values[~fits].flat[0]:g}")


def check_whole(name: str, value: Any, *, least: int = 1, most: int | None = None) -> None:
    """Refuse what is not a whole number within the bounds. None passes."""
    if value is None or isinstance(value, Tracer):
        return
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} must be a whole number, got {_shortly(value)}") from None
    if number < least or most is not None and number > most:
        raise InputError(
            f"{name} must be {f'at least {least}' if most is None else f'from {least} to {most}'}, got {number}"
        )


def check_seed(seed: Any) -> None:
    """Refuse what is not a whole number from 0 to LARGEST_SEED."""
    check_whole("seed", seed, least=0, most=LARGEST_SEED)


def random_key(seed: Any) -> jax.Array:
    """The key of a seed that `check_seed` lets pass."""
    check_seed(seed)
    return jax.random.key(seed)


def check_key(key: Any) -> None:
    """Refuse what is no random key, such as a seed.

    Raises:
      InputTypeError: saying how a key is made.
    """
    dtype = getattr(key, "dtype", None)
    if dtype is None or not (jnp.issubdtype(dtype, jax.dtypes.prng_key) or dtype == np.uint32 and np.ndim(key)):
        seed = key if isinstance(key, int) else 0
        raise InputTypeError(
            f"a random key is wanted, got {type(key).__name__} {str(key)[:40]}: pass jax.random.key({seed})"
        )


def meant(word: str, known: Iterable[str]) -> str:
    """ "; did you mean ...?" where something that is known looks like it, otherwise nothing."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _shortly(value: Any) -> str:
    """What a person gave, in less than a line, be it a whole array."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:60]}..."
