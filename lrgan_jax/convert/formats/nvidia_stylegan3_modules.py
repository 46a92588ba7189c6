"""Every attribute and argument of NVIDIA's StyleGAN3 modules: what it must be for a network of some configuration.

Those that only made the filters, which are stored themselves, are harmless. `square` is StyleGAN-Human's, whose
pictures may be half as wide as high.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.records import compare
from lrgan_jax.convert.formats.settings import ANY, Table, one_of
from lrgan_jax.foreign.allowed import Record
from lrgan_jax.generators import StyleGAN3Config
from lrgan_jax.generators.stylegan3_design import Layer

POSITIONAL = {  # the names of what may stand in _init_args
    "Generator": ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs"),
    "MappingNetwork": ("z_dim", "c_dim", "w_dim", "num_ws", "num_layers", "lr_multiplier", "w_avg_beta"),
    "SynthesisNetwork": ("w_dim", "img_resolution", "img_channels", "channel_base", "channel_max", "num_layers"),
    "SynthesisInput": ("w_dim", "channels", "size", "sampling_rate", "bandwidth"),
    "SynthesisLayer": ("w_dim", "is_torgb", "is_critically_sampled", "use_fp16", "in_channels", "out_channels"),
    "FullyConnectedLayer": ("in_features", "out_features", "activation", "bias", "lr_multiplier"),
}
NEEDED = {  # attributes without which NVIDIA's own code does not run
    "MappingNetwork": ("z_dim", "c_dim", "num_ws", "num_layers"),
    "SynthesisNetwork": ("w_dim", "num_ws", "img_resolution", "img_channels", "output_scale", "layer_names"),
    "SynthesisInput": ("channels", "size", "sampling_rate", "bandwidth"),
    "SynthesisLayer": ("is_torgb", "in_channels", "conv_kernel", "conv_clamp", "up_factor", "down_factor", "padding"),
    "FullyConnectedLayer": ("activation", "weight_gain", "bias_gain"),
}
_RULE = dict.fromkeys(
    ("channel_base", "channel_max", "num_critical", "first_cutoff", "first_stopband", "last_stopband_rel"), ANY
)
_FILTERS = dict.fromkeys(("filter_size", "lrelu_upsampling"), ANY)
_TRAINING = dict.fromkeys(("magnitude_ema_beta", "num_fp16_res"), ANY)


def check(modules: Mapping[str, Record], names: Sequence[str], config: StyleGAN3Config) -> Iterator[str]:
    """Every disagreement between the modules of a file and the configuration read off them, in words."""
    yield from compare(modules, tables(config, names), POSITIONAL, NEEDED, "StyleGAN3")


def generator_table(cfg: StyleGAN3Config) -> Table:
    """Every argument of the generator's constructor."""
    return {**_latents(cfg), "mapping_kwargs": _mapping(cfg), **_synthesis(cfg)}


def tables(cfg: StyleGAN3Config, names: Sequence[str]) -> dict[str, tuple[str, Table]]:
    """Class and table of every module, by path."""
    found: dict[str, tuple[str, Table]] = {
        "": ("Generator", {**generator_table(cfg), "synthesis_kwargs": _synthesis(cfg)}),
        "mapping": ("MappingNetwork", {**_latents(cfg), **_mapping(cfg), "trainable_layers": ANY, "embed": None}),
        "synthesis": ("SynthesisNetwork", {**_latents(cfg), **_synthesis(cfg), "layer_names": list(names)}),
        "synthesis.input": ("SynthesisInput", _input(cfg)),
        "synthesis.input.affine": _dense(cfg.w_dim, 4),
    }
    if cfg.c_dim:
        found["mapping.embed"] = _dense(cfg.c_dim, cfg.embed_features)
    for i in range(cfg.mapping_layers):
        inputs = cfg.mapping_features if i else cfg.z_dim + (cfg.embed_features if cfg.c_dim else 0)
        outputs = cfg.w_dim if i == cfg.mapping_layers - 1 else cfg.mapping_features
        found[f"mapping.fc{i}"] = _dense(inputs, outputs, cfg.mapping_lr, "lrelu")
    for i, name in enumerate(names):
        below, own = cfg.layers[i : i + 2]
        found[f"synthesis.{name}"] = _layer(cfg, below, own, i == len(names) - 1)
        found[f"synthesis.{name}.affine"] = _dense(cfg.w_dim, below.channels)
    return found


def _latents(cfg: StyleGAN3Config) -> Table:
    last = cfg.layers[-1]
    return {
        "z_dim": cfg.z_dim,
        "c_dim": cfg.c_dim,
        "w_dim": cfg.w_dim,
        "num_ws": cfg.num_ws,
        "img_resolution": last.size[0],
        "img_channels": last.channels,
        "square": last.size[0] == last.size[1],
    }


def _mapping(cfg: StyleGAN3Config) -> Table:
    training = dict.fromkeys(("w_avg_beta", "freeze_layers", "freeze_embed"), ANY)
    return {"num_layers": cfg.mapping_layers, "lr_multiplier": cfg.mapping_lr, **training}


def _synthesis(cfg: StyleGAN3Config) -> Table:
    return {
        **_RULE,
        **_FILTERS,
        **_TRAINING,
        "num_layers": cfg.num_ws - 2,
        "margin_size": _margin(cfg.layers),
        "output_scale": cfg.output_scale,
        "conv_kernel": one_of(*{layer.kernel for layer in cfg.layers[1:-1]}),
        "conv_clamp": one_of(*{layer.clamp for layer in cfg.layers[1:]}),
        "use_radial_filters": any(len(layer.down_filter) == 2 for layer in cfg.layers),
    }


def _margin(layers: Sequence[Layer]) -> Any:
    """The margin's width around a square picture: what the input has on either side."""
    own = layers[0]
    return (own.size[0] - own.rate) / 2 if layers[-1].size[0] == layers[-1].size[1] else ANY


def _input(cfg: StyleGAN3Config) -> Table:
    own = cfg.layers[0]
    return {
        "w_dim": cfg.w_dim,
        "channels": own.channels,
        "size": _size(own.size),
        "sampling_rate": own.rate,
        "bandwidth": own.cutoff,
        "square": ANY,
    }


def _layer(cfg: StyleGAN3Config, below: Layer, own: Layer, is_rgb: bool) -> tuple[str, Table]:
    taps = {"up_taps": max(own.up_filter, default=1), "down_taps": max(own.down_filter, default=1)}
    return "SynthesisLayer", {
        **_FILTERS,
        **_TRAINING,
        **taps,
        "w_dim": cfg.w_dim,
        "is_torgb": is_rgb,
        "is_critically_sampled": ANY,
        "use_fp16": ANY,
        "in_channels": below.channels,
        "out_channels": own.channels,
        "in_size": _size(below.size),
        "out_size": _size(own.size),
        "in_sampling_rate": below.rate,
        "out_sampling_rate": own.rate,
        "tmp_sampling_rate": own.rate * own.down,
        "in_cutoff": ANY,
        "out_cutoff": ANY,
        "in_half_width": ANY,
        "out_half_width": ANY,
        "conv_kernel": ANY if is_rgb else own.kernel,  # of the toRGB the argument is ignored
        "conv_clamp": own.clamp,
        "up_factor": own.up,
        "down_factor": own.down,
        "down_radial": one_of(len(own.down_filter) == 2, *([True] if not own.down_filter else [])),
        "use_radial_filters": ANY,
        "padding": list(_padding(below, own)),
        "square": ANY,
    }


def _padding(below: Layer, own: Layer) -> Iterator[int]:
    """Left, right, top, bottom: what stands behind follows from the sizes and what stands before."""
    up_taps, down_taps = max(own.up_filter, default=1), max(own.down_filter, default=1)
    for axis in (1, 0):
        finer = (own.size[axis] - 1) * own.down + down_taps
        given = (below.size[axis] + own.kernel - 1) * own.up - (up_taps - 1)
        yield own.before[axis]
        yield finer - given - own.before[axis]


def sides(value: Any) -> tuple[int, int] | None:
    """Height and width, of what NVIDIA's code calls a size: a width and a height, or the one side of a square."""
    match value.tolist() if isinstance(value, np.ndarray | np.generic) else value:
        case [int() as width, int() as height] | (int() as width, int() as height):
            return height, width
        case int() as side:
            return side, side
    return None


def _size(size: tuple[int, int]) -> Callable[[Any], bool]:
    return lambda value: sides(value) == size


def _dense(inputs: int, outputs: int, lr: float = 1.0, activation: str = "linear") -> tuple[str, Table]:
    return "FullyConnectedLayer", {
        "in_features": inputs,
        "out_features": outputs,
        "bias": True,
        "activation": activation,
        "lr_multiplier": lr,
        "weight_init": ANY,
        "bias_init": ANY,
        "trainable": ANY,
        "weight_gain": lr / sqrt(inputs),
        "bias_gain": lr,
    }
