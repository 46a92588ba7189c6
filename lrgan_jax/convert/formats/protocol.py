"""What a format is: one file here, and its row in `FORMATS`. Nothing else knows which formats there are."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import numpy as np

from lrgan_jax.convert.formats.places import Place
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import StoredGenerator


class Network(Protocol):
    """A network as its file has it, not built yet."""

    @property
    def format(self) -> str:
        """The name of its format."""
        ...

    @property
    def tensors(self) -> Mapping[str, np.ndarray]:
        """By their names in the file."""
        ...

    def build(self, given: Mapping[str, Any]) -> tuple[StoredGenerator, list[str]]:
        """The generator, and remarks: whatever had to be assumed or made up, a sentence each.

        Args:
          given: what the user says of the network, by the names of `read_checkpoint`; nothing is the rule. What this
            kind of network does not have is to be refused, see `refuse_given`.
        Raises:
          CheckpointError: in one line, with all disagreements between the file, what is given and the model.
        """
        ...


class Format(Protocol):
    """One project's way to write down a network; a module is one, if it has these.

    Attributes:
      NAME: for people, and for the provenance of what is converted.
      SIGN: the name of one tensor that every such network has and few others, by which its place in a file is found.
      USUAL: where the project itself keeps its generator; one found elsewhere gets a remark.
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802, a constant where it is defined
    @property
    def SIGN(self) -> str: ...  # noqa: N802
    @property
    def USUAL(self) -> tuple[str, ...]: ...  # noqa: N802

    def read(self, place: Place) -> Network | None:
        """The network there; None if it has the sign and is of another format nevertheless."""
        ...


def refuse_given(given: Mapping[str, Any], known: Collection[str], network: str) -> None:
    """Refuse by name what is given and is none of those `known`, lest it be ignored.

    Raises:
      CheckpointError: with the options of the command, too.
    """
    if others := [f"{name} (--{name.replace('_', '-')})" for name in given if name not in known]:
        raise CheckpointError(f"{network} has no {', no '.join(others)}")
