"""Our StyleGAN2 -> state dicts that NVIDIA's and rosinality's PyTorch code loads, by the names in `formats`.

What no tensor shows (clamp, learning rate, the root's factor, ...) goes into the state dict's metadata, where torch
keeps versions and looks at nothing else: `load_state_dict` is content, and our own reader gives back exactly the model
that was written. What the other code cannot be told is refused before anything is written, and what was written is read
again.
"""

import dataclasses
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.rosinality import BACK
from lrgan_jax.convert.formats.stylegan2.names import common_tensors
from lrgan_jax.convert.formats.stylegan2.own import SETTINGS
from lrgan_jax.convert.formats.stylegan2.shapes import DEFAULT_FILTER
from lrgan_jax.convert.write import torch_writer
from lrgan_jax.convert.write.states import read_again, refuse_another, renamed, with_own_words
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.foreign.allowed import StateDict
from lrgan_jax.generators import StyleGAN2, StyleGAN2Config

MAPPING_LR = 0.01  # the one that rosinality's scripts know


def nvidia(gen: StyleGAN2) -> StateDict:
    """What NVIDIA's `Generator.load_state_dict` takes."""
    cfg = gen.config
    if cfg.label_concat:
        raise CheckpointError("NVIDIA's PyTorch code has no labels concatenated before the norm (LabelConcat)")
    _check_square(cfg, "NVIDIA's")
    nvidia_arguments(cfg)  # or widths that its code cannot be told are refused
    used, default = _square(cfg.filter), _square(DEFAULT_FILTER)
    filters = {}
    for (
        resolution
    ) in cfg.resolutions:  # at every place where its modules keep it; conv1's is never used and always the default
        block = f"synthesis.b{resolution}"
        filters |= {f"{block}.resample_filter": used, f"{block}.conv1.resample_filter": default}
        if resolution > 4:
            filters[f"{block}.conv0.resample_filter"] = used
            if cfg.architecture == "resnet":
                filters[f"{block}.skip.resample_filter"] = used
    return _with_settings(common_tensors(gen) | filters, cfg)


def rosinality(gen: StyleGAN2) -> dict[str, Any]:
    """What rosinality's scripts load: `g_ema`, and `latent_avg` beside it, with their learning rate of the mapping."""
    cfg = gen.config
    _check_square(cfg, "rosinality's")
    table = [tuple(_width(r, multiplier) for r in cfg.resolutions) for multiplier in (1, 2)]
    unknown = {
        f"architecture {cfg.architecture}": cfg.architecture != "skip",
        "labels": cfg.c_dim > 0,
        "conv_clamp": cfg.conv_clamp is not None,
        "layers without noise": not cfg.use_noise,
        f"images of {cfg.img_channels} channels": cfg.img_channels != 3,
        "latents and mapping layers of different widths": len({cfg.z_dim, cfg.w_dim, cfg.mapping_features}) > 1,
        f"a filter of {len(cfg.filter)} taps, not 4": len(cfg.filter) != 4,
        f"widths {cfg.channels}, not those of its table, {table[-1]}": cfg.channels not in table,
        "no mapping layers": cfg.mapping_layers == 0,
    }
    if refused := [what for what, true in unknown.items() if true]:
        raise CheckpointError(f"rosinality's code cannot hold this model: {', '.join(refused)}")
    up = [f"synthesis.b{r}.{layer}" for r in cfg.resolutions[1:] for layer in ("conv0", "torgb")]
    tensors = common_tensors(gen) | {f"{layer}.resample_filter": _square(cfg.filter) for layer in up}
    named = renamed(tensors, BACK)
    # Its code multiplies the mapping's weights and biases with its one learning rate; ours goes into them.
    scale = np.float32(cfg.mapping_lr / MAPPING_LR)
    named = {name: a * scale if name.startswith("style.") else a for name, a in named.items()}
    mean = named.pop("latent_avg")
    return {"latent_avg": mean, "g_ema": _with_settings(named, dataclasses.replace(cfg, mapping_lr=MAPPING_LR))}


def _check_square(cfg: StyleGAN2Config, whose: str) -> None:
    if cfg.const_size != (4, 4):
        height, width = cfg.sizes[-1]
        raise CheckpointError(f"{whose} code begins at 4x4 and makes no pictures of {width}x{height}")


def _width(resolution: int, multiplier: int) -> int:
    """rosinality's table of widths, which its code keeps to itself."""
    return 512 if resolution < 64 else 16384 * multiplier // resolution


WRITERS = {"nvidia": nvidia, "rosinality": rosinality}


def written(gen: StyleGAN2, project: str) -> memoryview:
    """The file's content, which was read again and is the same network.

    Raises:
      CheckpointError: if the project's code cannot hold the model.
    """
    data = torch_writer.dumps(WRITERS[project](gen))
    again = read_again(data, {"noise": "zeros"})
    refuse_another(isinstance(again, StyleGAN2) and _alike(gen, again), project)
    return data


def _alike(gen: StyleGAN2, again: StyleGAN2) -> bool:
    ours, theirs = _effective(gen), _effective(again)
    same = ours.keys() == theirs.keys() and all(
        np.allclose(ours[name], theirs[name], rtol=1e-6, atol=0) for name in ours
    )
    return same and again.config == dataclasses.replace(gen.config, mapping_lr=again.config.mapping_lr)


def _effective(gen: StyleGAN2) -> dict[str, np.ndarray]:
    """All tensors, the mapping's learning rate multiplied in."""
    rate = np.float32(gen.config.mapping_lr)
    return {name: a * rate if name.startswith("mapping.fc") else a for name, a in common_tensors(gen).items()}


def nvidia_arguments(config: StyleGAN2Config) -> dict[str, Any]:
    """What NVIDIA's `Generator(...)` is made with for such weights.

    Raises:
      CheckpointError: on widths that follow no base and maximum.
    """
    largest, base = max(config.channels), max(c * r for c, r in zip(config.channels, config.resolutions, strict=True))
    if config.channels != tuple(min(base // r, largest) for r in config.resolutions):
        raise CheckpointError(f"widths {config.channels} follow no channel_base and channel_max")
    mapping = {
        "num_layers": config.mapping_layers,
        "layer_features": config.mapping_features,
        "lr_multiplier": config.mapping_lr,
    }
    if config.c_dim:
        mapping["embed_features"] = config.embed_features
    synthesis = {
        "channel_base": base,
        "channel_max": largest,
        "architecture": config.architecture,
        "conv_clamp": config.conv_clamp,
        "resample_filter": np.array(config.filter).tolist(),
        "use_noise": config.use_noise,
    }
    return {
        **{name: getattr(config, name) for name in ("z_dim", "c_dim", "w_dim", "img_channels")},
        "img_resolution": config.resolutions[-1],
        "mapping_kwargs": mapping,
        "synthesis_kwargs": synthesis,
    }


def _with_settings(tensors: dict[str, np.ndarray], config: StyleGAN2Config) -> StateDict:
    return with_own_words(tensors, {name: getattr(config, name) for name in SETTINGS})


def _square(taps: Any) -> np.ndarray:
    """A filter as NVIDIA's modules keep it: long ones stay rows."""
    return np.asarray(np.outer(taps, taps) if np.ndim(taps) == 1 and len(taps) < 8 else taps, np.float32)
