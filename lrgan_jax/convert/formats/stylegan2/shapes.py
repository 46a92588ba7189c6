"""Every hyper-parameter of a StyleGAN2 that the shapes of its tensors show, in the common language."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.rules import Origin
from lrgan_jax.convert.formats.settings import same
from lrgan_jax.convert.formats.sizes import Shape, agreed
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import StyleGAN2Config

DEFAULT_FILTER = (0.125, 0.375, 0.375, 0.125)  # [1, 3, 3, 1] / 8
LARGEST = 4096  # pixels, four times the largest published: noise pictures of that size may have to be made up
MOST_LAYERS = 100  # of the mapping network, which has 8
LONGEST = 64  # taps, twice the longest known


def infer(tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], origin: Origin) -> StyleGAN2Config:
    """Every hyper-parameter that the shapes show, plus `settings`.

    Args:
      settings: what the file or its user says. origin: of the tensors, by whose names messages call them.
    Raises:
      CheckpointError: if that cannot be told, or is no StyleGAN2.
    """
    shapes = {name: array.shape for name, array in tensors.items()}
    resolutions = _resolutions(shapes)
    layers = _mapping_layers(shapes, settings.get("mapping_layers"))
    sizes = agreed((_sides(name, layers), shape) for name, shape in shapes.items())

    def size(name: str, shown_by: str) -> int:
        if name not in sizes:
            raise origin.unseen(shown_by)
        return sizes[name]

    def there(part: str) -> bool:  # one tensor of a layer is enough to miss its others by name
        return any(name.startswith(f"{part}.") for name in shapes)

    w_dim = size("w", "synthesis.b4.conv1.affine.weight")
    concat = "mapping.label_weight" in shapes
    embedding = "mapping.label_weight" if concat else "mapping.embed.weight"
    labelled = concat or there("mapping.embed")
    embed = size("embed", embedding) if labelled else 0
    inputs = size("inputs", "mapping.fc0.weight") if layers else w_dim + embed
    inferred = dict(
        channels=tuple(size(f"b{r}", f"synthesis.b{r}.conv1.weight") for r in resolutions),
        z_dim=_z_dim(inputs, embed, w_dim, settings.get("z_dim"), origin.name("mapping.fc0.weight")),
        w_dim=w_dim,
        c_dim=size("c", embedding) if labelled else 0,
        img_channels=size("image", f"synthesis.b{resolutions[-1]}.torgb.weight"),
        architecture=_architecture(resolutions, there),
        mapping_layers=layers,
        mapping_features=size("hidden", "mapping.fc0.weight") if layers > 1 else w_dim,
        embed_features=embed,
        label_concat=concat,
        filter=_filter(tensors, origin),
        const_size=_const_size(shapes, len(resolutions), origin),
        use_noise=any(name.endswith((".noise_strength", ".noise_const")) for name in shapes),
    )
    for name in settings.keys() & inferred.keys():
        if settings[name] not in (inferred[name], None):
            raise CheckpointError(f"{name} is said to be {settings[name]!r:.40}, the tensors show {inferred[name]}")
    for name in ("mapping_lr", "conv_clamp"):
        if (value := settings.get(name)) is not None and not 0 < value < float("inf"):
            raise CheckpointError(f"{name} is {value}: it should be a number above 0")
    return StyleGAN2Config(**{**settings, **inferred})


def _sides(name: str, layers: int) -> tuple[str, ...]:
    """The sizes that the sides of a tensor show: "inputs" is z and embedding together, "b8" the width of a block."""
    match name.split("."):
        case ["mapping", "w_avg"]:
            return ("w",)
        case ["mapping", "label_weight"]:
            return "c", "embed"
        case ["mapping", "embed", kind]:
            return ("embed", "c") if kind == "weight" else ("embed",)
        case ["mapping", layer, kind]:
            index = int(layer.removeprefix("fc"))
            outputs = "w" if index == layers - 1 else "hidden"
            return (outputs, "hidden" if index else "inputs") if kind == "weight" else (outputs,)
        case ["synthesis", block, "const"]:
            return block, "", ""
        case ["synthesis", block, layer, *kind]:
            inputs = f"b{int(block[1:]) // 2}" if layer in ("conv0", "skip") else block
            outputs = "image" if layer == "torgb" else block
            sides = {
                ("affine", "weight"): (inputs, "w"),
                ("affine", "bias"): (inputs,),
                ("weight",): (outputs, inputs, "", ""),
                ("bias",): (outputs,),
            }
            return sides.get(tuple(kind), ())
    return ()


def _resolutions(shapes: Mapping[str, Shape]) -> list[int]:
    resolutions = sorted({int(match[1]) for name in shapes if (match := re.match(r"synthesis\.b(\d+)\.", name))})
    if not resolutions or resolutions != [4 * 2**k for k in range(len(resolutions))] or resolutions[-1] > LARGEST:
        raise CheckpointError(
            f"blocks of sizes {resolutions!r:.80} are no StyleGAN2: they should double from 4, to {LARGEST} at most"
        )
    return resolutions


def _const_size(shapes: Mapping[str, Shape], blocks: int, origin: Origin) -> tuple[int, int]:
    """Of the constant input, as most of it and the noise pictures show it: 4x4 but for pictures that are not square."""
    shown = Counter()
    for name, shape in shapes.items():
        match = re.fullmatch(r"synthesis\.b(\d+)\.(?:const|conv[01]\.noise_const)", name)
        times = int(match[1]) // 4 if match else 0
        if times and len(shape) > 1 and not any(side % times for side in shape[-2:]):
            shown[shape[-2] // times, shape[-1] // times] += 1
    size = shown.most_common(1)[0][0] if shown else (4, 4)
    if not 1 <= min(size) <= max(size) * 2 ** (blocks - 1) <= LARGEST:
        name = "synthesis.b4.const"
        raise CheckpointError(
            f"{origin.name(name)}: shape {origin.shape(name, ())} is no picture that blocks can double"
        )
    return size


def _architecture(resolutions: list[int], there) -> str:
    if any(there(f"synthesis.b{r}.skip") for r in resolutions):
        return "resnet"
    return "skip" if len(resolutions) == 1 or any(there(f"synthesis.b{r}.torgb") for r in resolutions[:-1]) else "orig"


def _mapping_layers(shapes: Mapping[str, Shape], told: Any) -> int:
    """How many there are, by the largest number: of one in between all tensors may be missed."""
    layers = 1 + max((int(match[1]) for name in shapes if (match := re.match(r"mapping\.fc(\d+)\.", name))), default=-1)
    if layers > MOST_LAYERS:
        raise CheckpointError(f"a mapping network of {layers} layers, where {MOST_LAYERS} are the most that is read")
    if not same(layers or None if told is None else told, layers):
        raise CheckpointError(
            "a synthesis network without its mapping network: no layer that makes w of z is there; "
            "export the whole generator"
            if told is None
            else f"the file says that it has {told!r:.40} mapping layers, {layers} are there"
        )
    return layers


def _z_dim(inputs: int, embed: int, w_dim: int, told: Any, shown_by: str) -> int:
    """Width of z: what the mapping network takes beside the label embedding.

    A conditional network whose embedding was left out looks like one of wider z. Where the file does not tell, twice
    the width of w is taken for that, which is how such networks are made.
    """
    takes = f"the mapping network takes {inputs} inputs ({shown_by})"
    if told is None and not embed and inputs == 2 * w_dim:
        raise CheckpointError(
            f"{takes}, twice the width of w: of a conditional network the label embedding is missing; "
            f"if z is so wide, say so with --z-dim {inputs}"
        )
    if told is not None and (type(told) is not int or inputs != told + embed):
        lost = not embed and type(told) is int and inputs > told
        more = ": of a conditional network the label embedding is missing" if lost else ""
        raise CheckpointError(f"{takes}, where z has {told!r:.40} and the label embedding {embed}{more}")
    if inputs <= embed:
        raise CheckpointError(f"{takes}, all for the label embedding: there is no z")
    return inputs - embed


def _filter(tensors: Mapping[str, np.ndarray], origin: Origin) -> tuple:
    """The resampling filter, off the buffers of blocks and up-convolutions.

    conv1's own buffer is unused and always the default. A square one that is exactly an outer product is given by its
    taps; any other is kept whole, so that not even rounding is lost.
    """
    pattern = r"synthesis\.b\d+(\.conv0|\.skip|\.torgb)?\.resample_filter"
    found = {name: np.asarray(a, np.float64) for name, a in tensors.items() if re.fullmatch(pattern, name)}
    if not found:
        return DEFAULT_FILTER
    if long := [name for name, kernel in found.items() if max(kernel.shape, default=0) > LONGEST]:
        shape = origin.shape(long[0], ())
        raise CheckpointError(f"{origin.name(long[0])}: shape {shape}, no filter has more than {LONGEST} taps")
    usual = Counter((kernel.shape, kernel.tobytes()) for kernel in found.values()).most_common(1)[0][0]
    if odd := [name for name, kernel in found.items() if (kernel.shape, kernel.tobytes()) != usual]:
        raise CheckpointError(
            f"the blocks use different resampling filters, which no StyleGAN2 does: {origin.name(odd[0])}"
        )
    name, kernel = next(iter(found.items()))
    if kernel.ndim == 1:
        return tuple(kernel.tolist())
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        shape = origin.shape(name, ())
        raise CheckpointError(f"{origin.name(name)}: shape {shape}, a filter is a row of taps or a square")
    return separated(kernel)


def separated(kernel: np.ndarray) -> tuple:
    """The taps of a square filter that is exactly an outer product, the rows of any other."""
    taps = kernel.sum(0)
    return tuple(taps.tolist()) if (np.outer(taps, taps) == kernel).all() else tuple(map(tuple, kernel.tolist()))
