"""A generator's weights by their place in its tree of arrays, whichever architecture or function it is."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.tree_util import keystr, tree_flatten_with_path

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError, InputTypeError
from lrgan_jax.generators import Generator
from lrgan_jax.models.checkpoint import fingerprint

Gen = TypeVar("Gen", bound=Generator)
TRAINED = "params"  # what Flax calls what is trained; buffers and running statistics lie elsewhere


def arrays(gen: Any) -> dict[str, AnyArray]:
    """All arrays by their places, such as `variables/params/up0`."""
    return {_place(path): leaf for path, leaf in tree_flatten_with_path(gen)[0] if hasattr(leaf, "dtype")}


def trained(gen: Any) -> dict[str, AnyArray]:
    """The floating arrays among what is trained, or, where nothing is called so, as in somebody's function, all.

    Raises:
      InputError: if there are none, as in a function that closes over its weights.
    """
    floating = {place: a for place, a in arrays(gen).items() if jnp.issubdtype(a.dtype, jnp.floating)}
    if not floating:
        raise InputError("this generator has no weights that can be seen: give from_function a pytree that holds them")
    return {place: a for place, a in floating.items() if TRAINED in place.split("/")} or floating


def placed(gen: Gen, changed: Mapping[str, AnyArray]) -> Gen:
    """The generator with other arrays in some places, and its own record: for the inside of programs."""
    return jax.tree_util.tree_map_with_path(lambda path, leaf: changed.get(_place(path), leaf), gen)


def derived(gen: Gen, changed: Mapping[str, AnyArray], mark: str) -> Gen:
    """`placed`, as a generator that can be told apart: with `mark` behind the name, a fingerprint of its own, and where
    it comes from.

    Raises:
      InputTypeError: if its record cannot be changed, as that of a style space, which is its network's.
    """
    if not dataclasses.is_dataclass(gen) or "info" not in {field.name for field in dataclasses.fields(gen)}:
        raise InputTypeError(f"a {type(gen).__name__} has no record of its own: take the network that it is made of")
    made, known = placed(gen, changed), gen.info
    origin = {mark: {"from": known.name, "fingerprint": identity(gen)}}
    about = {"name": f"{known.name}-{mark}", "fingerprint": _fingerprint(made)}
    return dataclasses.replace(
        made, info=dataclasses.replace(known, **about, provenance=dict(known.provenance) | origin)
    )


def identity(gen: Generator) -> str:
    """The fingerprint in its record, or, where that has none, the one of its weights."""
    return gen.info.fingerprint or _fingerprint(gen)


def _fingerprint(gen: Any) -> str:
    """As a saved model's, so that it is the same after `save` and `load`."""
    return fingerprint(getattr(gen, "variables", arrays(gen)))


def _place(path: tuple) -> str:
    return keystr(path, simple=True, separator="/")
