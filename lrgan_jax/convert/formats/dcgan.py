"""The PyTorch tutorial's DCGAN generator: `main.{i}` names, at any width and size."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.layouts import swapped_iohw
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.protocol import refuse_given
from lrgan_jax.convert.formats.rules import Origin, Rule, after, fill, refuse, rename
from lrgan_jax.convert.formats.sizes import agreed
from lrgan_jax.convert.formats.told import GIVEN, arguments_of
from lrgan_jax.convert.formats.variables import assembled, wanted
from lrgan_jax.generators import DCGAN, DCGANConfig
from lrgan_jax.generators.dcgan import init

NAME = "DCGAN (PyTorch tutorial)"
SIGN = "main.0.weight"
USUAL = ("generator", "netG")


def _norm(collection: str, name: str) -> Callable[[re.Match], str]:
    """main.{3k+1} is the batch norm after the k-th convolution."""
    return lambda match: f"{collection}/norm{int(match[1]) // 3}/{name}"


def _weight(match: re.Match) -> str:
    """main.{3k+3} is the k-th transposed convolution after the first."""
    index = int(match[1])
    return f"params/up{index // 3 - 1}" if index % 3 == 0 else _norm("params", "scale")(match)


def _of_either(weight: np.ndarray) -> np.ndarray:
    return swapped_iohw(weight) if weight.ndim == 4 else weight


RULES = (
    Rule(r"main\.0\.weight", "params/project", "a convolution of a 1x1 image: IOHW to HWIO", swapped_iohw),
    Rule(r"main\.((?!0\.)\d+)\.weight", _weight, "convolutions IOHW to HWIO; a norm's scale as it is", _of_either),
    Rule(r"main\.(\d+)\.bias", _norm("params", "bias"), "batch norm's shift"),
    Rule(r"main\.(\d+)\.running_mean", _norm("batch_stats", "mean"), "batch norm's statistics"),
    Rule(r"main\.(\d+)\.running_var", _norm("batch_stats", "var"), "batch norm's statistics"),
    Rule(r"main\.\d+\.num_batches_tracked", None, "a counter that evaluation never reads"),
)


def _theirs(after: int, name: str) -> Callable[[re.Match], str]:
    return lambda match: f"main.{3 * int(match[1]) + after}.{name}"


BACK = (
    Rule(r"params/project", "main.0.weight", "HWIO to IOHW", swapped_iohw),
    Rule(r"params/up(\d+)", _theirs(3, "weight"), "HWIO to IOHW", swapped_iohw),
    Rule(r"params/norm(\d+)/scale", _theirs(1, "weight"), "as it is"),
    Rule(r"params/norm(\d+)/bias", _theirs(1, "bias"), "as it is"),
    Rule(r"batch_stats/norm(\d+)/mean", _theirs(1, "running_mean"), "as it is"),
    Rule(r"batch_stats/norm(\d+)/var", _theirs(1, "running_var"), "as it is"),
)


@dataclass(frozen=True)
class DCGANNetwork:
    """A DCGAN as its file has it: the tensors say everything."""

    tensors: dict[str, np.ndarray]
    format = NAME

    def build(self, given: Mapping[str, Any]) -> tuple[DCGAN, list[str]]:
        """See `protocol.Network`."""
        refuse_given(given, (GIVEN,), "a DCGAN")
        problems: list[str] = []
        origin = Origin(self.tensors, BACK)
        ours = rename(self.tensors, RULES, problems, names=origin.names)
        with after(problems):
            config = _infer(ours, origin)
        fill(ours, wanted(init, config), problems, origin)
        table = {"nz": config.z_dim, "ngf": config.channels[-1], "nc": config.img_channels}
        refuse([*problems, *arguments_of(given).disagreements(table)])
        return DCGAN(config, assembled(ours, init, config)), []


def read(place: Place) -> DCGANNetwork | None:
    """The network there, if it is a generator; a discriminator has such names, but no norm after its first layer."""
    return DCGANNetwork(place.tensors) if any(name.startswith("main.1.") for name in place.tensors) else None


def _infer(ours: Mapping[str, np.ndarray], origin: Origin) -> DCGANConfig:
    """The configuration, off the shapes."""
    numbers = [int(match[1]) for name in ours if (match := re.match(r"\w+/(?:up|norm)(\d+)", name))]
    layers = 1 + max(numbers, default=0)
    sizes = agreed((_sides(name, layers), a.shape) for name, a in ours.items())
    shown_by = {
        "z": "params/project",
        **{str(k): f"params/up{k}" for k in range(layers)},
        "image": f"params/up{layers - 1}",
    }
    for size, name in shown_by.items():
        if size not in sizes:
            raise origin.unseen(name)
    return DCGANConfig(tuple(sizes[str(k)] for k in range(layers)), z_dim=sizes["z"], img_channels=sizes["image"])


def _sides(name: str, layers: int) -> tuple[str, ...]:
    """The sizes that the sides of a tensor show: "z", "image", and by its number the width before each convolution."""
    _, layer, *_ = name.split("/")
    if layer == "project":
        return "", "", "z", "0"
    k = int(layer.strip("upnorm"))
    return ("", "", str(k), str(k + 1) if k < layers - 1 else "image") if layer.startswith("up") else (str(k),)
