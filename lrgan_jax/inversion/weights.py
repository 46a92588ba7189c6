"""A generator's weights by their place in its tree of arrays, whichever architecture or function it is."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import keystr, tree_flatten_with_path

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError, InputTypeError
from lrgan_jax.generators import Generator
from lrgan_jax.models.checkpoint import fingerprint

TRAINED = "['params']"  # in the places of what is trained, as Flax has it; buffers and running statistics lie elsewhere


def arrays(gen: Any) -> dict[str, AnyArray]:
    """All arrays, by their places, such as `.variables['params']['up0']`."""
    return {keystr(path): leaf for path, leaf in tree_flatten_with_path(gen)[0] if hasattr(leaf, "dtype")}


def trained(gen: Any) -> dict[str, AnyArray]:
    """The weights that training moves: the floating arrays among the parameters, or, where nothing is called so, as in
    somebody's function, all of them.

    Raises:
      InputError: if there are none, as in a function that closes over its weights.
    """
    floating = {place: a for place, a in arrays(gen).items() if jnp.issubdtype(a.dtype, jnp.floating)}
    if not floating:
        raise InputError("this generator has no weights that can be seen: give from_function a pytree that holds them")
    return {place: a for place, a in floating.items() if TRAINED in place} or floating


def placed(gen: Any, changed: Mapping[str, AnyArray]) -> Any:
    """The same generator with other arrays at some places; its record stays, so this is for inside of programs."""
    leaves, structure = tree_flatten_with_path(gen)
    return jax.tree.unflatten(structure, [changed.get(keystr(path), leaf) for path, leaf in leaves])


def identity(gen: Generator) -> str:
    """The fingerprint in its record, or, where that has none, the one of its weights."""
    return gen.info.fingerprint or _fingerprint(gen)


def derived(gen: Generator, changed: Mapping[str, AnyArray], mark: str) -> Any:
    """`placed`, with a record of its own: `mark` behind the name, its own fingerprint, and where it comes from.

    Raises:
      InputTypeError: if its record cannot be changed, as that of a style space, which is its network's.
    """
    if not dataclasses.is_dataclass(gen) or "info" not in {field.name for field in dataclasses.fields(gen)}:
        raise InputTypeError(f"a {type(gen).__name__} has no record of its own: take the network that it is made of")
    made = placed(gen, changed)
    info = dataclasses.replace(
        gen.info,
        name=f"{gen.info.name}-{mark}",
        fingerprint=_fingerprint(made),
        provenance=dict(gen.info.provenance) | {mark: {"from": gen.info.name, "fingerprint": identity(gen)}},
    )
    return dataclasses.replace(made, info=info)


def _fingerprint(gen: Any) -> str:
    """As a saved model's, so that it is the same after `save` and `load`."""
    return fingerprint(getattr(gen, "variables", arrays(gen)))
