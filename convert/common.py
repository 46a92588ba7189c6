"""The common language of all StyleGAN2 files: NVIDIA's PyTorch names and layouts. From here to our variables.

Every format is first renamed to these names; the hyper-parameters are then read off the shapes, in one place for all formats, and
`TO_OURS` carries the tensors over. What no shape shows (`conv_clamp`, the mapping's learning rate) comes with the format as a setting.
"""
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import jax
import numpy as np
from jax.tree_util import tree_flatten_with_path

from convert.networks import Network
from convert.rules import Rule, fill, refuse, rename
from lrgan_jax.foreign.errors import CheckpointError
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config
from lrgan_jax.generators.stylegan2 import init, map_latents

Pictures = Literal["random", "zeros"]

DEFAULT_FILTER = (0.125, 0.375, 0.375, 0.125)  # [1, 3, 3, 1] / 8

_LAYER = r"synthesis\.(b\d+)\.(conv[01]|torgb)"
TO_OURS = (
    Rule(_LAYER + r"\.weight", r"params/synthesis/\1/\2/kernel", "OIHW to HWIO", lambda a: a.transpose(2, 3, 1, 0)),
    Rule(r"synthesis\.(b\d+)\.skip\.weight", r"params/synthesis/\1/skip/kernel", "OIHW to HWIO", lambda a: a.transpose(2, 3, 1, 0)),
    Rule(_LAYER + r"\.bias", r"params/synthesis/\1/\2/bias", "as it is"),
    Rule(_LAYER + r"\.affine\.weight", r"params/synthesis/\1/\2/affine/kernel", "out,in to in,out", lambda a: a.transpose(1, 0)),
    Rule(_LAYER + r"\.affine\.bias", r"params/synthesis/\1/\2/affine/bias", "as it is, the 1 included"),
    Rule(_LAYER + r"\.noise_strength", r"params/synthesis/\1/\2/noise_strength", "a scalar", lambda a: a.reshape(())),
    Rule(_LAYER + r"\.noise_const", r"buffers/synthesis/\1/\2/noise_const", "as it is"),
    Rule(r"synthesis\.b4\.const", "params/synthesis/b4/const", "CHW to HWC", lambda a: a.transpose(1, 2, 0)),
    Rule(r"synthesis\.b\d+(\.\w+)?\.resample_filter", None, "a constant of the configuration"),
    Rule(r"mapping\.(fc\d+|embed)\.weight", r"params/mapping/\1/kernel", "out,in to in,out", lambda a: a.transpose(1, 0)),
    Rule(r"mapping\.(fc\d+|embed)\.bias", r"params/mapping/\1/bias", "as it is"),
    Rule(r"mapping\.label_weight", "params/mapping/label_weight", "as it is"),
    Rule(r"mapping\.w_avg", "buffers/mapping/w_avg", "as it is"),
)  # fmt: skip


def build(network: Network, settings: Mapping[str, Any], *, w_avg: np.ndarray | None, noise: Pictures) -> tuple[StyleGAN2, list[str]]:
    """The generator, and remarks: whatever had to be assumed or made up, a sentence each.

    Args:
      settings: fields of StyleGAN2Config that the file does not tell. w_avg, noise: see `read_checkpoint`.
    Raises:
      CheckpointError: one line with all disagreements between the file, its settings and the model.
    """
    problems: list[str] = []
    origin: dict[str, str] = {}
    tensors = rename(network.tensors, network.rules, problems, origin=origin)
    if w_avg is not None:
        tensors["mapping.w_avg"], origin["mapping.w_avg"] = w_avg, "the mean latent given"
    if "mapping.w_avg" in tensors:
        tensors["mapping.w_avg"] = _one_row(tensors["mapping.w_avg"], origin["mapping.w_avg"], problems)
    try:
        config = infer(tensors, {**network.settings, **settings})
    except KeyError as error:  # without this tensor not even the shapes can be told
        refuse([*problems, f"{error.args[0]}: nothing in the checkpoint fills it"])
        raise
    remarks = [*_assumed(config, [name for name in network.untold if name not in settings]), *_inputs(config, network, settings)]
    tensors, made = _completed(_silenced(tensors, config, network.silent), config, noise)
    ours = rename(tensors, TO_OURS, problems, check_values=False, origin=(places := {}))
    shapes, structure = _wanted(config)
    fill(ours, shapes, problems, {name: origin[common] for name, common in places.items() if common in origin})
    refuse([*problems, *network.check(config)])
    variables = jax.tree.unflatten(structure, [np.asarray(ours[name], np.float32) for name in shapes])
    if "mapping.w_avg" not in origin:
        variables["buffers"]["mapping"]["w_avg"] = mean_latent(config, variables)
    return StyleGAN2(config, variables), remarks + made


def _one_row(mean: np.ndarray, name: str, problems: list[str]) -> np.ndarray:
    """The mean latent of a file that has it once, or once for every layer."""
    if mean.ndim < 2 or not mean.size:
        return mean
    rows = mean.reshape(-1, mean.shape[-1])
    if (rows != rows[0]).any():
        problems.append(f"{name}: {len(rows)} rows that differ, where one mean latent is wanted")
    return rows[0]


def _silenced(tensors: Mapping[str, np.ndarray], config: StyleGAN2Config, layers: Sequence[str]) -> dict[str, np.ndarray]:
    """The tensors, noise of no strength in these layers if the network has noise at all."""
    out = dict(tensors)
    for layer in layers if config.use_noise else ():
        side = int(re.findall(r"\d+", layer)[0])
        out[f"{layer}.noise_strength"] = np.zeros((), np.float32)
        out.setdefault(f"{layer}.noise_const", np.zeros((side, side), np.float32))
    return out


def _completed(tensors: Mapping[str, np.ndarray], config: StyleGAN2Config, noise: Pictures) -> tuple[dict[str, np.ndarray], list[str]]:
    """The tensors with what files may lack: the mean latent, as zeros for now, and all noise pictures; and what there is to say of it."""
    out, remarks = dict(tensors), []
    if "mapping.w_avg" not in out:
        out["mapping.w_avg"] = np.zeros(config.w_dim, np.float32)
        remarks.append("the file has no mean latent (w_avg), it was estimated from 10,000 samples of seed 0")
    if config.use_noise and not any(name.endswith(".noise_const") for name in out):
        random = np.random.default_rng(0)
        for name in [name for name in out if name.endswith(".noise_strength")]:
            side = int(re.findall(r"\d+", name)[0])
            picture = random.standard_normal((side, side), np.float32)
            out[name.replace("noise_strength", "noise_const")] = picture if noise == "random" else np.zeros_like(picture)
        how = "made from seed 0" if noise == "random" else "zeros"
        remarks.append(f"the file has no noise pictures; they are {how} (--noise), so details of images differ from those of its project")
    return out, remarks


def _assumed(config: StyleGAN2Config, names: Sequence[str]) -> Iterator[str]:
    """What a state dict leaves open and networks differ in."""
    if names:
        options = ", ".join(f"{name} {getattr(config, name)} (--{name.replace('_', '-')})" for name in names)
        yield f"tensors alone do not show it, so this is assumed: {options}; networks with layers in float16 clamp, mostly at 256"


def _inputs(config: StyleGAN2Config, network: Network, settings: Mapping[str, Any]) -> Iterator[str]:
    if "z_dim" not in {*network.settings, *settings} and not config.c_dim and config.z_dim > config.w_dim:
        yield f"z is {config.z_dim} wide, as the mapping network takes no labels; of a conditional network their embedding would be missing"


def infer(tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> StyleGAN2Config:
    """Every hyper-parameter that the shapes show, plus `settings`. KeyError names a tensor without which that cannot be done."""
    shape = {name: array.shape for name, array in tensors.items()}
    resolutions = sorted({int(match[1]) for name in shape if (match := re.match(r"synthesis\.b(\d+)\.", name))})
    if resolutions != [4 * 2**k for k in range(len(resolutions))]:
        raise CheckpointError(f"blocks of sizes {resolutions} are no StyleGAN2: they should double from 4")
    last = f"synthesis.b{resolutions[-1]}" if resolutions else "synthesis.b4"
    _check_square(shape.get("synthesis.b4.const", ()))
    w_dim = _size(shape, "synthesis.b4.conv1.affine.weight", 1)
    layers = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in shape)
    if layers != settings.get("mapping_layers", layers or None):
        raise CheckpointError(_mapping_differs(layers, settings.get("mapping_layers")))
    concat = "mapping.label_weight" in shape
    c_dim, embed = shape["mapping.label_weight"] if concat else shape.get("mapping.embed.weight", (0, 0))[::-1]
    inputs = _size(shape, "mapping.fc0.weight", 1) if layers else w_dim + embed
    if any(f"synthesis.b{r}.skip.weight" in shape for r in resolutions):
        architecture = "resnet"
    elif all(f"synthesis.b{r}.torgb.weight" in shape for r in resolutions[:-1]):
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


@lru_cache(maxsize=8)
def _wanted(config: StyleGAN2Config) -> tuple[dict[str, tuple[int, ...]], Any]:
    """Our names and shapes, and the tree that they make."""
    wanted, structure = tree_flatten_with_path(jax.eval_shape(lambda: init(jax.random.key(0), config)))
    return {"/".join(entry.key for entry in path): leaf.shape for path, leaf in wanted}, structure


def mean_latent(config: StyleGAN2Config, variables, samples: int = 10_000) -> np.ndarray:
    """w averaged over random z (and random labels), as the peers do when a file carries no mean."""
    key_z, key_c = jax.random.split(jax.random.key(0))
    z = jax.random.normal(key_z, (samples, config.z_dim))
    c = jax.nn.one_hot(jax.random.randint(key_c, (samples,), 0, config.c_dim), config.c_dim) if config.c_dim else None
    return np.asarray(map_latents(config, variables, z, c).mean(0))


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
    if any(other.shape != kernel.shape or (other != kernel).any() for other in found):
        raise CheckpointError("the blocks use different resampling filters, which no StyleGAN2 does")
    if kernel.ndim == 1:
        return tuple(kernel.tolist())
    taps = kernel.sum(0)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise CheckpointError(f"resample_filter: shape {kernel.shape}, a filter is a row of taps or a square")
    return tuple(taps.tolist()) if (np.outer(taps, taps) == kernel).all() else tuple(map(tuple, kernel.tolist()))
