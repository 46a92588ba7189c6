"""BigGAN-PyTorch's names of weights, there and back, in all of its variants."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lrgan_jax.convert.formats.layouts import hwio_to_oihw, oihw_to_hwio, scalar, with_first, without_first
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.generators import BigGANConfig


class Style(NamedTuple):
    """Which of the code's variants the names are of.

    Attributes:
      shared: one class embedding; else a table in every norm. nested: norms have their statistics one name deeper.
      mean, var: what those are called.
    """

    shared: bool
    nested: str
    mean: str
    var: str

    @classmethod
    def of(cls, tensors: Mapping[str, np.ndarray]) -> "Style":
        # Tables have no spectral norm, the linear maps of an embedding do: so one that is lost is missed.
        shared = "shared.weight" in tensors or any(name.endswith(".gain.u0") for name in tensors)
        if "output_layer.0.bn.running_mean" in tensors:
            return cls(shared, "bn.", "running_mean", "running_var")
        mine = "output_layer.0.bn.stored_mean" in tensors
        return cls(shared, "bn." if mine else "", "stored_mean", "stored_var")

    @property
    def added(self) -> bool:
        """Whether norms are those of cross_replica."""
        return self.mean == "running_mean"


_BLOCK, _AFTER = r"blocks\.(\d+)\.0", r"blocks\.(\d+)\.1"
_PARTS = {"theta": "query", "phi": "key", "g": "value", "o": "out"}
_KINDS = {"gain": "gain", "bias": "shift"}


def _attention(match: re.Match) -> str:
    """blocks.{k}.1 comes after block k, which is in front of the next one."""
    return f"params/attention{int(match[1]) + 1}"


def rules(style: Style) -> tuple[Rule, ...]:
    """To our names, our axes, but not our order along them."""

    def of_norm(match: re.Match) -> str:
        return f"params/block{match[1]}/norm{match[2]}/{_KINDS[match[3]]}/kernel"

    table = ("out, in to in, out", np.transpose) if style.shared else ("a row for each class", lambda a: a)
    deeper = re.escape(style.nested)
    found = [
        Rule(r"shared\.weight", "params/embedding", "as it is"),
        Rule(r"linear\.weight", "params/project/kernel", "out, in to in, out", np.transpose),
        Rule(r"linear\.bias", "params/project/bias", "as it is"),
        Rule(_BLOCK + r"\.conv(\d)\.weight", r"params/block\1/conv\2/kernel", "OIHW to HWIO", oihw_to_hwio),
        Rule(_BLOCK + r"\.conv(\d)\.bias", r"params/block\1/conv\2/bias", "as it is"),
        Rule(_BLOCK + r"\.conv_sc\.weight", r"params/block\1/skip/kernel", "OIHW to HWIO", oihw_to_hwio),
        Rule(_BLOCK + r"\.conv_sc\.bias", r"params/block\1/skip/bias", "as it is"),
        Rule(_BLOCK + r"\.bn(\d)\.(gain|bias)\.weight", of_norm, *table),
        Rule(
            _AFTER + r"\.(theta|phi|g|o)\.weight",
            lambda m: f"{_attention(m)}/{_PARTS[m[2]]}/kernel",
            "OIHW to HWIO",
            oihw_to_hwio,
        ),
        Rule(_AFTER + r"\.gamma", lambda m: f"{_attention(m)}/gamma", "a scalar", scalar),
        Rule(r"output_layer\.0\.(gain|bias)", r"params/norm/\1", "as it is"),
        Rule(r"output_layer\.2\.weight", "params/rgb/kernel", "OIHW to HWIO", oihw_to_hwio),
        Rule(r"output_layer\.2\.bias", "params/rgb/bias", "as it is"),
        Rule(r".*\.(u|sv)\d+", None, "of the spectral norm, which is computed"),
        Rule(r".*\.num_batches_tracked", None, "a counter that evaluation never reads"),
    ]
    for theirs, ours in ((_BLOCK + r"\.bn(\d)", r"buffers/block\1/norm\2"), (r"output_layer\.0", "buffers/norm")):
        theirs = rf"{theirs}\.{deeper}"
        found += [
            Rule(theirs + style.mean, f"{ours}/statistics/mean", "one table of them", with_first),
            Rule(theirs + style.var, f"{ours}/statistics/var", "one table of them", with_first),
            Rule(theirs + "accumulation_counter", f"{ours}/statistics/count", "a scalar", scalar),
        ]
    return tuple(found)


def back(style: Style) -> tuple[Rule, ...]:
    """The way back, by which messages call what a file lacks."""

    def of_attention(match: re.Match) -> str:
        return f"blocks.{int(match[1]) - 1}.1"

    parts, kinds = ({ours: theirs for theirs, ours in table.items()} for table in (_PARTS, _KINDS))
    table = np.transpose if style.shared else lambda a: a
    statistics = {"mean": (style.mean, without_first), "var": (style.var, without_first)}
    statistics |= {"count": ("accumulation_counter", with_first)}
    found = [
        Rule(r"params/embedding", "shared.weight", "as it is"),
        Rule(r"params/project/kernel", "linear.weight", "in, out to out, in", np.transpose),
        Rule(r"params/project/bias", "linear.bias", "as it is"),
        Rule(r"params/block(\d+)/(conv\d)/kernel", r"blocks.\1.0.\2.weight", "HWIO to OIHW", hwio_to_oihw),
        Rule(r"params/block(\d+)/(conv\d)/bias", r"blocks.\1.0.\2.bias", "as it is"),
        Rule(r"params/block(\d+)/skip/kernel", r"blocks.\1.0.conv_sc.weight", "HWIO to OIHW", hwio_to_oihw),
        Rule(r"params/block(\d+)/skip/bias", r"blocks.\1.0.conv_sc.bias", "as it is"),
        Rule(
            r"params/block(\d+)/norm(\d)/(gain|shift)/kernel",
            lambda m: f"blocks.{m[1]}.0.bn{m[2]}.{kinds[m[3]]}.weight",
            "in, out to out, in",
            table,
        ),
        Rule(
            r"params/attention(\d+)/(query|key|value|out)/kernel",
            lambda m: f"{of_attention(m)}.{parts[m[2]]}.weight",
            "HWIO to OIHW",
            hwio_to_oihw,
        ),
        Rule(r"params/attention(\d+)/gamma", lambda m: f"{of_attention(m)}.gamma", "as it is"),
        Rule(r"params/norm/(gain|bias)", r"output_layer.0.\1", "as it is"),
        Rule(r"params/rgb/kernel", "output_layer.2.weight", "HWIO to OIHW", hwio_to_oihw),
        Rule(r"params/rgb/bias", "output_layer.2.bias", "as it is"),
    ]
    for ours, (theirs, turn) in statistics.items():
        theirs = f"{style.nested}{theirs}"
        found.append(Rule(rf"buffers/norm/statistics/{ours}", f"output_layer.0.{theirs}", "out of the table", turn))
        inner = rf"buffers/block(\d+)/norm(\d)/statistics/{ours}"
        found.append(Rule(inner, rf"blocks.\1.0.bn\2.{theirs}", "out of the table", turn))
    return tuple(found)


# ---- Order of numbers within an axis: theirs have the class in front of z, and the first picture's channels first.


def in_our_order(tensors: Mapping[str, np.ndarray], config: BigGANConfig) -> dict[str, np.ndarray]:
    """With z in front of the class, and the projection's channels last, as ours are."""
    return _reordered(tensors, config, (config.channels[0], -1), config.y_dim)


def in_their_order(tensors: Mapping[str, np.ndarray], config: BigGANConfig) -> dict[str, np.ndarray]:
    """The way back."""
    return _reordered(tensors, config, (-1, config.channels[0]), -config.y_dim)


def _reordered(
    tensors: Mapping[str, np.ndarray], config: BigGANConfig, picture: tuple[int, int], first: int
) -> dict[str, np.ndarray]:
    """The projection's numbers as another `picture` of them, and the conditions from their `first` one on in front."""

    def turned(name: str, array: np.ndarray) -> np.ndarray:
        if name.startswith("params/project/"):
            lead = array.shape[:-1]
            array = array.reshape(*lead, *picture).swapaxes(-1, -2).reshape(*lead, -1)
        conditioned = re.search(r"/(gain|shift)/kernel$", name)
        if conditioned or name == "params/project/kernel" and config.z_goes == "everywhere":
            array = np.concatenate([array[first:], array[:first]])
        return array

    return {name: turned(name, array) for name, array in tensors.items()}
