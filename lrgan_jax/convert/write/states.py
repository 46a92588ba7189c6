"""What all writers share: a state dict of a project's names, what it says of itself, and how it is read again."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.find import find_network
from lrgan_jax.convert.formats.own import OWN
from lrgan_jax.convert.formats.rules import Rule, refuse, rename
from lrgan_jax.foreign import CheckpointError, containers
from lrgan_jax.foreign.allowed import StateDict
from lrgan_jax.generators import StoredGenerator


def renamed(
    tensors: Mapping[str, np.ndarray], back: tuple[Rule, ...], names: dict[str, str] | None = None
) -> dict[str, np.ndarray]:
    """By the project's names, and as it lays them out; `names` is told what each is with us.

    Raises:
      CheckpointError: on numbers that are none.
    """
    problems: list[str] = []
    named = rename(tensors, back, problems, names=names)
    refuse(problems)
    return {name: np.asarray(array, np.float32, order="C") for name, array in named.items()}


def with_own_words(tensors: Mapping[str, np.ndarray], words: Mapping[str, Any]) -> StateDict:
    """The state dict, which our reader is told by what no tensor shows, and `load_state_dict` is not."""
    state = StateDict({name: np.asarray(array, order="C") for name, array in tensors.items()})
    state.attributes = {"_metadata": {"": {"version": 1, OWN: dict(words)}}}
    return state


def read_again(data: memoryview, given: Mapping[str, Any] | None = None) -> StoredGenerator:
    """The network in a file's content."""
    network, _ = find_network(containers.parse(bytes(data)))
    return network.build(given or {})[0]


def refuse_another(same: bool, project: str) -> None:
    """Keep nothing if what was written and read again is not what it was.

    Raises:
      CheckpointError: saying so.
    """
    if not same:
        raise CheckpointError(
            f"what was written for {project} does not come back as the same network; nothing was kept"
        )
