"""Our names and layouts of a StyleGAN3's tensors, and the shapes that a configuration gives them."""

from collections.abc import Callable, Mapping

import numpy as np

from lrgan_jax.convert.formats.layouts import hwio_to_oihw, oihw_to_hwio, scalar
from lrgan_jax.convert.formats.rules import Rule
from lrgan_jax.convert.formats.sizes import Shape, agreed

OURS = r"(?:params|buffers)/synthesis/(layer\d+)/"


def layer_rules(layer: str, ours: Callable, tensors: Mapping[str, str]) -> tuple[Rule, ...]:
    """The rules of a layer's tensors.

    Args:
      layer: pattern of its place in the file, the first group what `ours` makes our layer's name of.
      tensors: what the file calls its tensors, by NVIDIA's names.
    """

    def to(target: str) -> Callable:
        return lambda match: f"{target.split('/')[0]}/synthesis/{ours(match)}/{target.partition('/')[2]}"

    kinds = (
        ("weight", "params/kernel", "OIHW to HWIO", oihw_to_hwio),
        ("bias", "params/bias", "as it is", _same),
        ("affine.weight", "params/affine/kernel", "out,in to in,out", np.transpose),
        ("affine.bias", "params/affine/bias", "as it is, the 1 included", _same),
        ("magnitude_ema", "buffers/magnitude", "a scalar", scalar),
        ("up_filter", "buffers/up_filter", "as it is", _same),
        ("down_filter", "buffers/down_filter", "as it is", _same),
    )
    return tuple(
        Rule(rf"{layer}\.{tensors[name].replace('.', '[.]')}", to(target), why, turn)
        for name, target, why, turn in kinds
    )


def layer_back(theirs: Callable, tensors: Mapping[str, str]) -> tuple[Rule, ...]:
    """The way back: `theirs` makes the file's place of a layer of our layer's name."""

    def to(name: str) -> Callable:
        return lambda match: f"{theirs(match[1])}.{tensors[name]}"

    return (
        Rule(OURS + "kernel", to("weight"), "HWIO to OIHW", hwio_to_oihw),
        Rule(OURS + "bias", to("bias"), "as it is"),
        Rule(OURS + "affine/kernel", to("affine.weight"), "in,out to out,in", np.transpose),
        Rule(OURS + "affine/bias", to("affine.bias"), "as it is, the 1 included"),
        Rule(OURS + "magnitude", to("magnitude_ema"), "as it is"),
        Rule(OURS + "up_filter", to("up_filter"), "as it is"),
        Rule(OURS + "down_filter", to("down_filter"), "as it is"),
    )


def dense_rules(theirs: str, ours: str) -> tuple[Rule, ...]:
    """The weight and the bias of a fully connected layer: the end of a pattern, and what it becomes."""
    return (
        Rule(theirs + r"\.weight", ours + "/kernel", "out,in to in,out", np.transpose),
        Rule(theirs + r"\.bias", ours + "/bias", "as it is"),
    )


def dense_back(ours: str, theirs: str) -> tuple[Rule, ...]:
    """The way back."""
    return (
        Rule(ours + "/kernel", theirs + ".weight", "in,out to out,in", np.transpose),
        Rule(ours + "/bias", theirs + ".bias", "as it is"),
    )


def _same(array: np.ndarray) -> np.ndarray:
    return array


def sizes_of(shapes: Mapping[str, Shape], mapping_layers: int) -> dict[str, int]:
    """Every size that the tensors show: "w", "c", "embed", "inputs" and "hidden" of the mapping network, and by its
    number, 0 the input, what each layer gives.
    """
    return agreed((_sides(name, mapping_layers), shape) for name, shape in shapes.items())


def _sides(name: str, mapping_layers: int) -> tuple[str, ...]:
    match name.split("/")[1:]:
        case ["mapping", "w_avg"]:
            return ("w",)
        case ["mapping", "embed", kind]:
            return ("c", "embed") if kind == "kernel" else ("embed",)
        case ["mapping", layer, kind]:
            index = int(layer.removeprefix("fc"))
            outputs = "w" if index == mapping_layers - 1 else "hidden"
            return ("hidden" if index else "inputs", outputs) if kind == "kernel" else (outputs,)
        case ["synthesis", "input", "kernel"]:
            return "0", "0"
        case ["synthesis", "input", "affine", "kernel"]:
            return "w", ""
        case ["synthesis", "input", "frequencies"]:
            return "0", ""
        case ["synthesis", "input", "phases"]:
            return ("0",)
        case ["synthesis", layer, *kind] if layer != "input":
            index = int(layer.removeprefix("layer"))
            sides = {
                ("kernel",): ("", "", f"{index}", f"{index + 1}"),
                ("bias",): (f"{index + 1}",),
                ("affine", "kernel"): ("w", f"{index}"),
                ("affine", "bias"): (f"{index}",),
            }
            return sides.get(tuple(kind), ())
    return ()
