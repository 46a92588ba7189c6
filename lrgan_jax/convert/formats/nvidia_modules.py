"""Every attribute and argument of NVIDIA's StyleGAN2 modules: what it must be for a network of some configuration.

Both repositories name the arguments of a constructor as the attributes that it makes of them, so one table a module
serves for both. Which convolution adds noise, the only attribute that may differ from layer to layer, is honoured in
`nvidia.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from math import sqrt
from typing import Any

from lrgan_jax.convert.formats.records import arguments_of, compare
from lrgan_jax.convert.formats.settings import ANY, Table, one_of, taps_of
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.generators import StyleGAN2Config

POSITIONAL = {  # the names of what may stand in _init_args
    "Generator": ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs", "synthesis_kwargs"),
    "MappingNetwork": (
        "z_dim",
        "c_dim",
        "w_dim",
        "num_ws",
        "num_layers",
        "embed_features",
        "layer_features",
        "activation",
        "lr_multiplier",
        "w_avg_beta",
    ),
    "SynthesisNetwork": ("w_dim", "img_resolution", "img_channels", "channel_base", "channel_max", "num_fp16_res"),
    "SynthesisBlock": (
        "in_channels",
        "out_channels",
        "w_dim",
        "resolution",
        "img_channels",
        "is_last",
        "architecture",
        "resample_filter",
        "conv_clamp",
        "use_fp16",
        "fp16_channels_last",
    ),
    "SynthesisLayer": (
        "in_channels",
        "out_channels",
        "w_dim",
        "resolution",
        "kernel_size",
        "up",
        "use_noise",
        "activation",
        "resample_filter",
        "conv_clamp",
        "channels_last",
    ),
    "ToRGBLayer": ("in_channels", "out_channels", "w_dim", "kernel_size", "conv_clamp", "channels_last"),
    "FullyConnectedLayer": ("in_features", "out_features", "bias", "activation", "lr_multiplier", "bias_init"),
    "Conv2dLayer": (
        "in_channels",
        "out_channels",
        "kernel_size",
        "bias",
        "activation",
        "up",
        "down",
        "resample_filter",
        "conv_clamp",
        "channels_last",
        "trainable",
    ),
}
NEEDED = {  # attributes without which NVIDIA's own code does not run
    "MappingNetwork": ("z_dim", "c_dim", "num_ws", "num_layers", "w_avg_beta"),
    "SynthesisNetwork": ("block_resolutions", "num_ws", "w_dim"),
    "SynthesisBlock": ("in_channels", "w_dim", "resolution", "is_last", "architecture", "num_conv", "num_torgb"),
    "SynthesisLayer": ("resolution", "up", "use_noise", "activation", "conv_clamp", "padding", "act_gain"),
    "ToRGBLayer": ("conv_clamp", "weight_gain"),
    "FullyConnectedLayer": ("activation", "weight_gain", "bias_gain"),
    "Conv2dLayer": ("activation", "up", "down", "conv_clamp", "padding", "weight_gain", "act_gain", "bias"),
}


def check(modules: Mapping[str, Record], config: StyleGAN2Config) -> Iterator[str]:
    """Every disagreement between the modules of a file and the configuration read off them, in words."""
    yield from compare(modules, tables(config), POSITIONAL, NEEDED, "StyleGAN2")


def arguments(module: Record) -> dict[str, Any]:
    """What a module was made with, by name."""
    return arguments_of(module, POSITIONAL)


def tables(config: StyleGAN2Config) -> dict[str, tuple[str, Table]]:
    """Class and table of every module, by path."""
    cfg = config
    latents = {"z_dim": cfg.z_dim, "c_dim": cfg.c_dim, "w_dim": cfg.w_dim, "num_ws": cfg.num_ws}
    mapping = {
        "num_layers": cfg.mapping_layers,
        "embed_features": _or_w(cfg.embed_features, cfg) if cfg.c_dim else ANY,
        "layer_features": _or_w(cfg.mapping_features, cfg) if cfg.mapping_layers > 1 else ANY,
        "activation": "lrelu",
        "lr_multiplier": cfg.mapping_lr,
        "w_avg_beta": ANY,
    }
    synthesis = {**_shared(cfg), "channel_base": ANY, "channel_max": ANY, "num_fp16_res": ANY}
    images = {"img_resolution": cfg.resolutions[-1], "img_channels": cfg.img_channels}
    sizes = {
        "w_dim": cfg.w_dim,
        "num_ws": cfg.num_ws,
        "img_resolution_log2": len(cfg.channels) + 1,
        "block_resolutions": list(cfg.resolutions),
    }
    parts = {"mapping_kwargs": mapping, "synthesis_kwargs": synthesis}
    found: dict[str, tuple[str, Table]] = {
        "": ("Generator", latents | images | synthesis | parts),
        "mapping": ("MappingNetwork", latents | mapping),
        "synthesis": ("SynthesisNetwork", sizes | images | synthesis),
    }
    if cfg.c_dim:
        found["mapping.embed"] = _dense(cfg.c_dim, cfg.embed_features)
    for i in range(cfg.mapping_layers):
        inputs = cfg.mapping_features if i else cfg.z_dim + (cfg.embed_features if cfg.c_dim else 0)
        outputs = cfg.w_dim if i == cfg.mapping_layers - 1 else cfg.mapping_features
        found[f"mapping.fc{i}"] = _dense(inputs, outputs, cfg.mapping_lr, "lrelu")
    for k, resolution in enumerate(cfg.resolutions):
        found |= {f"synthesis.b{resolution}{path}": entry for path, entry in _block(cfg, k).items()}
    return found


def _shared(cfg: StyleGAN2Config) -> Table:
    """What a synthesis network and its blocks hand on to the layers."""
    return {
        "architecture": cfg.architecture,
        "resample_filter": taps_of(cfg.filter),
        "conv_clamp": cfg.conv_clamp,
        "use_noise": cfg.use_noise,
        "activation": "lrelu",
        "kernel_size": 3,
        "square": _is_square(cfg),
        "fp16_channels_last": ANY,
        "fused_modconv_default": ANY,
    }


def _block(cfg: StyleGAN2Config, k: int) -> dict[str, tuple[str, Table]]:
    """A block and what is in it."""
    before, width, last = cfg.channels[k - 1] if k else 0, cfg.channels[k], k == len(cfg.channels) - 1
    has_rgb = last or cfg.architecture == "skip"
    whole = {
        **_shared(cfg),
        "in_channels": before,
        "out_channels": width,
        "w_dim": cfg.w_dim,
        "resolution": cfg.resolutions[k],
        "img_channels": cfg.img_channels,
        "is_last": last,
        "use_fp16": ANY,
        "channels_last": ANY,
        "num_conv": 2 if k else 1,
        "num_torgb": int(has_rgb),
    }
    found: dict[str, tuple[str, Table]] = {"": ("SynthesisBlock", whole)}
    for name, inputs, up in (("conv0", before, 2), ("conv1", width, 1))[0 if k else 1 :]:
        found[f".{name}"] = _layer(cfg, k, inputs, up)
        found[f".{name}.affine"] = _dense(cfg.w_dim, inputs)
    if has_rgb:
        found[".torgb"] = _torgb(cfg, width)
        found[".torgb.affine"] = _dense(cfg.w_dim, width)
    if k and cfg.architecture == "resnet":
        found[".skip"] = _skip(cfg, before, width)
    return found


def _is_square(cfg: StyleGAN2Config) -> bool:
    """What StyleGAN-Human's modules say beside NVIDIA's, whose pictures always are."""
    return cfg.const_size[0] == cfg.const_size[1]


def _layer(cfg: StyleGAN2Config, k: int, inputs: int, up: int) -> tuple[str, Table]:
    return "SynthesisLayer", {
        "in_channels": inputs,
        "out_channels": cfg.channels[k],
        "w_dim": cfg.w_dim,
        "resolution": cfg.resolutions[k],
        "kernel_size": 3,
        "up": up,
        "use_noise": one_of(False, cfg.use_noise),
        "square": _is_square(cfg),
        "activation": "lrelu",
        "resample_filter": taps_of(cfg.filter) if up == 2 else ANY,
        "conv_clamp": cfg.conv_clamp,
        "channels_last": ANY,
        "padding": 1,
        "act_gain": sqrt(2),
    }


def _torgb(cfg: StyleGAN2Config, width: int) -> tuple[str, Table]:
    return "ToRGBLayer", {
        "in_channels": width,
        "out_channels": cfg.img_channels,
        "w_dim": cfg.w_dim,
        "kernel_size": 1,
        "conv_clamp": cfg.conv_clamp,
        "channels_last": ANY,
        "weight_gain": 1 / sqrt(width),
    }


def _skip(cfg: StyleGAN2Config, before: int, width: int) -> tuple[str, Table]:
    return "Conv2dLayer", {
        "in_channels": before,
        "out_channels": width,
        "kernel_size": 1,
        "bias": one_of(False, None),
        "activation": "linear",
        "up": 2,
        "down": 1,
        "resample_filter": taps_of(cfg.filter),
        "conv_clamp": None,
        "channels_last": ANY,
        "trainable": ANY,
        "padding": 0,
        "weight_gain": 1 / sqrt(before),
        "act_gain": 1,
    }


def _dense(inputs: int, outputs: int, lr: float = 1.0, activation: str = "linear") -> tuple[str, Table]:
    return "FullyConnectedLayer", {
        "in_features": inputs,
        "out_features": outputs,
        "bias": True,
        "activation": activation,
        "lr_multiplier": lr,
        "bias_init": ANY,
        "weight_gain": lr / sqrt(inputs),
        "bias_gain": lr,
    }


def _or_w(features: int, config: StyleGAN2Config) -> Callable[[Any], bool]:
    """A width, of which None means w's."""
    return one_of(features, *([None] if features == config.w_dim else []))
