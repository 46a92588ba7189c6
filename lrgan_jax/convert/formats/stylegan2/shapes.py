"""Every hyper-parameter of a StyleGAN2 that the shapes of its tensors show, in the common language."""
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.settings import same
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import StyleGAN2Config

DEFAULT_FILTER = (0.125, 0.375, 0.375, 0.125)  # [1, 3, 3, 1] / 8
LARGEST = 4096  # pixels, four times the largest published: noise pictures of that size may have to be made up
MOST_LAYERS = 100  # of the mapping network, which has 8
LONGEST = 64  # taps, twice the longest known


def infer(tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> StyleGAN2Config:
    """Every hyper-parameter that the shapes show, plus `settings`. KeyError names a tensor without which that cannot be done."""
    shape = {name: array.shape for name, array in tensors.items()}
    resolutions = sorted({int(match[1]) for name in shape if (match := re.match(r"synthesis\.b(\d+)\.", name))})
    if resolutions != [4 * 2**k for k in range(len(resolutions))] or resolutions[-1:] > [LARGEST]:
        raise CheckpointError(f"blocks of sizes {resolutions!r:.80} are no StyleGAN2: they should double from 4, to {LARGEST} at most")
    last = f"synthesis.b{resolutions[-1]}" if resolutions else "synthesis.b4"
    _check_square(shape.get("synthesis.b4.const", ()))
    w_dim = _size(shape, "synthesis.b4.conv1.affine.weight", 1)
    layers = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in shape)
    if layers > MOST_LAYERS:
        raise CheckpointError(f"a mapping network of {layers} layers, where {MOST_LAYERS} are the most that is read")
    if not same(settings.get("mapping_layers", layers or None), layers):
        raise CheckpointError(_mapping_differs(layers, settings.get("mapping_layers")))
    concat = "mapping.label_weight" in shape
    c_dim, embed = shape["mapping.label_weight"] if concat else shape.get("mapping.embed.weight", (0, 0))[::-1]
    inputs = _size(shape, "mapping.fc0.weight", 1) if layers else w_dim + embed
    parts = {tuple(name.split(".")[1:3]) for name in shape}  # one tensor of a layer is enough to miss its others by name
    if any((f"b{r}", "skip") in parts for r in resolutions):
        architecture = "resnet"
    elif len(resolutions) == 1 or any((f"b{r}", "torgb") in parts for r in resolutions[:-1]):
        architecture = "skip"
    else:
        architecture = "orig"
    inferred = dict(
        channels=tuple(_size(shape, f"synthesis.b{r}.conv1.weight", 0) for r in resolutions),
        z_dim=_z_dim(inputs, embed, w_dim, settings.get("z_dim")),
        w_dim=w_dim,
        c_dim=c_dim,
        img_channels=_size(shape, f"{last}.torgb.weight", 0),
        architecture=architecture,
        mapping_layers=layers,
        mapping_features=_size(shape, "mapping.fc0.weight", 0) if layers > 1 else w_dim,
        embed_features=embed,
        label_concat=concat,
        filter=_filter(tensors),
        use_noise=any(name.endswith(".noise_strength") for name in shape),
    )
    for name in settings.keys() & inferred.keys():
        if settings[name] not in (inferred[name], None):
            raise CheckpointError(f"{name} is said to be {settings[name]!r:.40}, the tensors show {inferred[name]}")
    for name in ("mapping_lr", "conv_clamp"):
        if (value := settings.get(name)) is not None and not 0 < value < float("inf"):
            raise CheckpointError(f"{name} is {value}: it should be a number above 0")
    return StyleGAN2Config(**{**settings, **inferred})


def _check_square(const: tuple[int, ...]) -> None:
    if len(const) == 3 and const[1:] != (4, 4):
        what = "a network of non-square pictures" if const[1] != const[2] else "another network than StyleGAN2"
        raise CheckpointError(f"{what}: its constant input is {const[1]}x{const[2]}, where 4x4 is known")


def _mapping_differs(layers: int, told: Any) -> str:
    if told is not None:
        return f"the file says that it has {told!r:.40} mapping layers, {layers} are there"
    return "a synthesis network without its mapping network: no layer that makes w of z is there; export the whole generator"


def _z_dim(inputs: int, embed: int, w_dim: int, told: Any) -> int:
    """Width of z: what the mapping network takes beside the label embedding.

    A conditional network whose embedding was left out looks like one of wider z. Where the file does not tell, twice the width of w is
    taken for that, which is how such networks are made.
    """
    if told is None and not embed and inputs == 2 * w_dim:
        raise CheckpointError(
            f"the mapping network takes {inputs} inputs, twice the width of w: of a conditional network the label embedding is missing; "
            f"if z is so wide, say so with --z-dim {inputs}"
        )
    if told is not None and (type(told) is not int or inputs != told + embed):
        lost = ": of a conditional network the label embedding is missing" if not embed and type(told) is int and inputs > told else ""
        raise CheckpointError(f"the mapping network takes {inputs} inputs, where z has {told!r:.40} and the label embedding {embed}{lost}")
    if inputs <= embed:
        raise CheckpointError(f"the mapping network takes {inputs} inputs, all for the label embedding: there is no z")
    return inputs - embed


def _size(shape, name, axis):
    if len(shape[name]) <= axis:
        raise CheckpointError(f"{name}: shape {shape[name]} has no axis {axis}")
    return shape[name][axis]


def _filter(tensors):
    """The resampling filter, off the buffers of blocks and up-convolutions; conv1's own buffer is unused and always the default.

    A square buffer that is exactly an outer product is given by its taps; any other is kept whole, so that not even rounding is lost.
    """
    pattern = r"synthesis\.b\d+(\.conv0|\.skip|\.torgb)?\.resample_filter"
    found = [np.asarray(a, np.float64) for name, a in tensors.items() if re.fullmatch(pattern, name)]
    if not found:
        return DEFAULT_FILTER
    kernel = found[0]
    if max(kernel.shape, default=0) > LONGEST:
        raise CheckpointError(f"resample_filter: shape {kernel.shape}, no filter has more than {LONGEST} taps")
    if any(other.shape != kernel.shape or (other != kernel).any() for other in found):
        raise CheckpointError("the blocks use different resampling filters, which no StyleGAN2 does")
    if kernel.ndim == 1:
        return tuple(kernel.tolist())
    taps = kernel.sum(0)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise CheckpointError(f"resample_filter: shape {kernel.shape}, a filter is a row of taps or a square")
    return tuple(taps.tolist()) if (np.outer(taps, taps) == kernel).all() else tuple(map(tuple, kernel.tolist()))
