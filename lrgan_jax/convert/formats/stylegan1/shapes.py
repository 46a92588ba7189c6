"""Every hyper-parameter of a StyleGAN (1) that the shapes of its tensors show, under our names."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.growing import resolutions
from lrgan_jax.convert.formats.rules import Origin
from lrgan_jax.convert.formats.sizes import agreed
from lrgan_jax.convert.formats.stylegan2.shapes import MOST_LAYERS, separated
from lrgan_jax.foreign import CheckpointError

BLUR = (0.25, 0.5, 0.25)


def infer(tensors: Mapping[str, np.ndarray], origin: Origin, z_dim: int | None) -> dict[str, Any]:
    """Fields of StyleGAN1Config.

    Args:
      origin: of the tensors, by whose names messages call them. z_dim: if the file or its user says it.
    Raises:
      CheckpointError: if they cannot be told, or are those of no StyleGAN.
    """
    sides = resolutions(tensors, "StyleGAN")
    layers = _mapping_layers(tensors)
    sizes = agreed((_sides(name, layers), array.shape) for name, array in tensors.items())

    def size(name: str, shown_by: str) -> int:
        if name not in sizes:
            raise origin.unseen(shown_by)
        return sizes[name]

    labelled = "params/mapping/label_weight" in tensors
    embed = size("embed", "params/mapping/label_weight") if labelled else 0
    w_dim = size("w", "params/synthesis/b4/conv1/affine/kernel")
    inputs = size("inputs", "params/mapping/fc0/kernel")
    outputs = size("outputs", f"params/mapping/fc{layers - 1}/kernel")
    return dict(
        channels=tuple(size(f"b{r}", f"params/synthesis/b{r}/conv1/kernel") for r in sides),
        z_dim=_z_dim(inputs, embed, w_dim, z_dim, origin.name("params/mapping/fc0/kernel")),
        w_dim=w_dim,
        c_dim=size("c", "params/mapping/label_weight") if labelled else 0,
        img_channels=size("image", f"params/synthesis/b{sides[-1]}/torgb/kernel"),
        repeat_w=outputs != 2 * len(sides) * w_dim,  # else it makes a w for each layer
        mapping_layers=layers,
        mapping_features=size("hidden", "params/mapping/fc0/kernel") if layers > 1 else w_dim,
        embed_features=embed,
        use_noise=any(re.search(r"/noise(_strength|\d)$", name) for name in tensors),
        filter=_filter(tensors, origin),
    )


def _sides(name: str, layers: int) -> tuple[str, ...]:
    """The sizes that the sides of a tensor show: "inputs" is z and embedding together, "b8" the width of a block."""
    match name.split("/"):
        case ["params", "mapping", "label_weight"]:
            return "c", "embed"
        case ["params", "mapping", layer, kind]:
            index = int(layer.removeprefix("fc"))
            outputs = "outputs" if index == layers - 1 else "hidden"
            return ("hidden" if index else "inputs", outputs) if kind == "kernel" else (outputs,)
        case ["params", "synthesis", block, "const"]:
            return "", "", block
        case ["params", "synthesis", _, _, "affine", "kernel"]:
            return "w", ""
        case ["params", "synthesis", block, "torgb", kind]:
            return ("", "", block, "image") if kind == "kernel" else ("image",)
        case ["params", "synthesis", block, layer, kind]:
            inputs = f"b{int(block[1:]) // 2}" if layer == "conv0" else block
            return ("", "", inputs, block) if kind == "kernel" else (block,)
    return ()


def _mapping_layers(tensors: Mapping[str, np.ndarray]) -> int:
    """How many there are, by the largest number: of one in between all tensors may be missed."""
    numbers = [int(match[1]) for name in tensors if (match := re.match(r"params/mapping/fc(\d+)/", name))]
    layers = 1 + max(numbers, default=-1)
    if not layers:
        raise CheckpointError(
            "a synthesis network without its mapping network: no layer that makes w of z is there; "
            "export the whole generator"
        )
    if layers > MOST_LAYERS:
        raise CheckpointError(f"a mapping network of {layers} layers, where {MOST_LAYERS} are the most that is read")
    return layers


def _z_dim(inputs: int, embed: int, w_dim: int, told: int | None, shown_by: str) -> int:
    """Width of z: what the mapping network takes beside the label embedding.

    A conditional network whose embedding was left out looks like one of wider z; twice the width of w is taken for
    that, if nobody says how wide z is.
    """
    takes = f"the mapping network takes {inputs} inputs ({shown_by})"
    if told is None and not embed and inputs == 2 * w_dim:
        raise CheckpointError(
            f"{takes}, twice the width of w: of a conditional network the label embedding is missing; "
            "if z is so wide, say so with its width in --arguments"
        )
    if told is not None and (type(told) is not int or inputs != told + embed):
        raise CheckpointError(f"{takes}, where z has {told!r:.40} and the label embedding {embed}")
    if inputs <= embed:
        raise CheckpointError(f"{takes}, all for the label embedding: there is no z")
    return inputs - embed


def _filter(tensors: Mapping[str, np.ndarray], origin: Origin) -> tuple:
    """The blur, off the buffers of the upsampling layers, all of which have the same. Theirs are of a correlation."""
    found = {name: np.asarray(a, np.float64) for name, a in tensors.items() if name.startswith("filter/")}
    if not found:
        return BLUR
    kernel = next(iter(found.values()))
    for name, other in found.items():
        if other.shape != (3, 3):
            raise CheckpointError(f"{origin.name(name)}: shape {origin.shape(name, ())}, the blur is one of 3x3")
        if (other != kernel).any():
            raise CheckpointError(f"the blocks blur differently, which no StyleGAN does: {origin.name(name)}")
    return separated(kernel[::-1, ::-1])
