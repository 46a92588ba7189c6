"""What a peer is: where a checkout has its generator, how that is made and called, and which of its modules are ours.

A peer is made with the arguments that the file itself carries, never with what we inferred, so that a mistake of ours
cannot agree with itself. For a file without any there is what the shapes show and the user gives, and that is said.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from lrgan_jax.convert.formats.rules import Rule, rename

Arguments = dict[str, Any]


class Named(Protocol):
    """A network as its file has it, of a format whose names of tensors are those of a project's PyTorch code.

    Attributes:
      rules: rename the tensors to ours.
      arguments: of the project's constructor, as the file carries them; None if it carries none.
    """

    @property
    def format(self) -> str: ...
    @property
    def tensors(self) -> Mapping[str, np.ndarray]: ...
    @property
    def rules(self) -> tuple[Rule, ...]: ...
    @property
    def arguments(self) -> Mapping[str, Any] | None: ...


class Peer:
    """One project's generator. What most of them share stands here; each says what is its own.

    Attributes:
      format: of the files that belong to it. file: in the checkout, where its class `name` is.
      truncation: at which images are compared.
    """

    format: str
    file: str
    name: str
    truncation = 1.0

    def fits(self, config: Any) -> bool:
        """Whether it is the code of such a network, for projects that have several for one format."""
        return True

    def own(self, arguments: Mapping[str, Any]) -> Arguments:
        """What its class takes, from arguments in a file or given by the user."""
        return dict(arguments)

    def assumed(self, config: Any, network: Named) -> Arguments:
        """The same from what the tensors show.

        Raises:
          CheckpointError: if the project's code makes no such network.
        """
        raise NotImplementedError

    def called(self, module: Any, arguments: Arguments) -> Arguments:
        """The same as the class in its imported file calls them, of a project whose versions differ."""
        return arguments

    def made(self, module: Any, arguments: Arguments) -> Any:
        """The generator, of its imported file."""
        return getattr(module, self.name)(**arguments)

    def prepare(self, net: Any, network: Named, gen: Any) -> None:
        """Set what neither the arguments nor the tensors do."""

    def image(self, net: Any, z: Any, c: Any, gen: Any) -> Any:
        """z and labels [N, c_dim] or None -> image with constant noise."""
        raise NotImplementedError

    def layers(self, network: Named) -> dict[str, str]:
        """Its modules to compare -> our layers: those that hold the same weights. Of several for one layer it is the
        one that adds the bias, as layers do in the end.
        """
        names: dict[str, str] = {}
        rename(network.tensors, network.rules, [], check_values=False, names=names)
        found: dict[str, str] = {}
        for kinds in (("gamma",), ("kernel", "weight"), ("bias",)):
            for ours, theirs in names.items():
                layer, _, kind = ours.removeprefix("params/").replace("/", ".").rpartition(".")
                if kind in kinds:
                    found[layer] = theirs.rpartition(".")[0]
        return {theirs: layer for layer, theirs in found.items()}

    def as_ours(self, layer: str, output: np.ndarray, gen: Any) -> np.ndarray:
        """What it gives for a layer of ours, in our order of numbers."""
        return output
