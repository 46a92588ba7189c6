"""The variables of a network of ours as one table: `params/synthesis/b4/conv1/kernel`, and so on."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax.tree_util import tree_flatten_with_path

from lrgan_jax.convert.formats.sizes import Shape


def wanted(init: Callable, config: Any) -> dict[str, Shape]:
    """What `init(key, config)` makes, and in which shapes."""
    return dict(_tree(init, config)[0])


def assembled(tensors: Mapping[str, np.ndarray], init: Callable, config: Any) -> Any:
    """All tensors that are wanted, of the right shapes, as the variables in float32."""
    shapes, structure = _tree(init, config)
    return jax.tree.unflatten(structure, [np.asarray(tensors[name], np.float32) for name in shapes])


def table(variables: Any) -> dict[str, np.ndarray]:
    """The other way."""
    return {_name(path): np.asarray(leaf) for path, leaf in tree_flatten_with_path(dict(variables))[0]}


@lru_cache(maxsize=8)
def _tree(init: Callable, config: Any) -> tuple[dict[str, Shape], Any]:
    leaves, structure = tree_flatten_with_path(jax.eval_shape(lambda: init(jax.random.key(0), config)))
    return {_name(path): leaf.shape for path, leaf in leaves}, structure


def _name(path: Any) -> str:
    return "/".join(entry.key for entry in path)
