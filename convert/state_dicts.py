"""A network's tensors inside whatever a training script saved around them."""
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lrgan_jax.foreign.allowed import StateDict
from lrgan_jax.foreign.errors import CheckpointError

OWN = "lrgan_jax"  # under this name the metadata of a state dict that we wrote hold the settings that no shape shows
SETTINGS = {"conv_clamp": (float, type(None)), "mapping_lr": (float,), "scaled_demodulation": (bool,)}

Found = tuple[dict[str, np.ndarray], dict[str, Any]]  # tensors by the file's own names, and known fields of StyleGAN2Config


def find(tree: Any, keys: tuple[str, ...], sign: str) -> Found | None:
    """The first of `tree[key]`, and last `tree` itself, that holds a tensor named `sign`; None if there is none.

    A leading "module." of the names, left by DataParallel, is dropped; what is no tensor is left out.
    """
    for state in _candidates(tree, keys):
        tensors = {str(name).removeprefix("module."): value for name, value in state.items() if isinstance(value, np.ndarray)}
        if sign in tensors:
            return tensors, _own_settings(state)
    return None


def number(value: Any, name: str) -> float:
    """`value`, if it is a number and no boolean."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise CheckpointError(f"{name} should be a number, the file has {value!r:.40}")
    return float(value)


def _candidates(tree: Any, keys: tuple[str, ...]) -> Iterator[Mapping]:
    if isinstance(tree, Mapping):
        yield from (tree[key] for key in keys if isinstance(tree.get(key), Mapping))
        yield tree


def _own_settings(state: Mapping) -> dict[str, Any]:
    match state.attributes if isinstance(state, StateDict) else None:
        case {"_metadata": {"": dict() as versions}} if isinstance(versions.get(OWN), dict):
            for name, value in versions[OWN].items():
                if not isinstance(value, SETTINGS.get(name, ())):
                    raise CheckpointError(f"the state dict's setting {name!r:.40} is {value!r:.40}, which is none of ours")
            return versions[OWN]
    return {}
