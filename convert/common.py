"""The common language of all StyleGAN2 files: NVIDIA's PyTorch names and layouts. From here to our variables.

Every format is first renamed to these names; the hyper-parameters are then read off the shapes, in one place for all formats, and
`TO_OURS` carries the tensors over. What no shape shows (`conv_clamp`, the mapping's learning rate) comes with the format as a setting.
"""
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import tree_flatten_with_path

from convert.rules import Rule, fill, refuse, rename
from lrgan_jax.foreign.errors import CheckpointError
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config
from lrgan_jax.generators.stylegan2 import init, map_latents

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


def build(tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], problems: list[str]) -> tuple[StyleGAN2, str]:
    """The generator made of tensors in the common language, and a remark on what had to be made up (or "").

    Args:
      tensors: the common names and layouts. settings: fields of StyleGAN2Config that no shape shows.
      problems: disagreements found so far; those found here join them.
    Raises:
      CheckpointError: one line with all of `problems`.
    """
    tensors, remark = dict(tensors), ""
    try:
        config = infer(tensors, settings)
    except KeyError as error:  # without this tensor not even the shapes can be told
        refuse([*problems, f"{error.args[0]}: nothing in the checkpoint fills it"])
        raise
    estimate = "mapping.w_avg" not in tensors
    if estimate:
        tensors["mapping.w_avg"] = np.zeros(config.w_dim, np.float32)
        remark = "the file has no mean latent (w_avg), it was estimated from 10,000 samples of seed 0"
    ours = rename(tensors, TO_OURS, problems, check_values=False)
    shapes, structure = _wanted(config)
    fill(ours, shapes, problems)
    refuse(problems)
    variables = jax.tree.unflatten(structure, [np.asarray(ours[name], np.float32) for name in shapes])
    if estimate:
        variables["buffers"]["mapping"]["w_avg"] = mean_latent(config, variables)
    return StyleGAN2(config, variables), remark


def infer(tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> StyleGAN2Config:
    """Every hyper-parameter that the shapes show, plus `settings`. KeyError names a tensor without which that cannot be done."""
    shape = {name: array.shape for name, array in tensors.items()}
    resolutions = sorted({int(match[1]) for name in shape if (match := re.match(r"synthesis\.b(\d+)\.", name))})
    if resolutions != [4 * 2**k for k in range(len(resolutions))]:
        raise CheckpointError(f"blocks of sizes {resolutions} are no StyleGAN2: they should double from 4")
    last = f"synthesis.b{resolutions[-1]}" if resolutions else "synthesis.b4"
    w_dim = _size(shape, "synthesis.b4.conv1.affine.weight", 1)
    layers = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in shape)
    concat = "mapping.label_weight" in shape
    c_dim, embed = shape["mapping.label_weight"] if concat else shape.get("mapping.embed.weight", (0, 0))[::-1]
    if any(f"synthesis.b{r}.skip.weight" in shape for r in resolutions):
        architecture = "resnet"
    elif all(f"synthesis.b{r}.torgb.weight" in shape for r in resolutions[:-1]):
        architecture = "skip"
    else:
        architecture = "orig"
    inferred = dict(
        channels=tuple(_size(shape, f"synthesis.b{r}.conv1.weight", 0) for r in resolutions),
        z_dim=(_size(shape, "mapping.fc0.weight", 1) if layers else w_dim) - embed,
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
    return StyleGAN2Config(**{**inferred, **settings})


@lru_cache(maxsize=8)
def _wanted(config: StyleGAN2Config) -> tuple[dict[str, tuple[int, ...]], Any]:
    """Our names and shapes, and the tree that they make."""
    wanted, structure = tree_flatten_with_path(jax.eval_shape(lambda: init(jax.random.key(0), config)))
    return {"/".join(entry.key for entry in path): leaf.shape for path, leaf in wanted}, structure


def mean_latent(config: StyleGAN2Config, variables, samples: int = 10_000) -> np.ndarray:
    """w averaged over random z (and random labels), as the peers do when a file carries no mean."""
    key_z, key_c = jax.random.split(jax.random.key(0))
    z, c = jax.random.normal(key_z, (samples, config.z_dim), jnp.float32), None
    if config.c_dim:
        c = jax.nn.one_hot(jax.random.randint(key_c, (samples,), 0, config.c_dim, jnp.int32), config.c_dim, dtype=jnp.float32)
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
