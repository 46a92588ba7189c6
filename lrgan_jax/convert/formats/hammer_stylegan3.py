"""genforce's StyleGAN3 as Hammer saves and ReSeFa loads it, `.pth`.

Published files are tensors alone, of which no size but the input's is seen. Those of Hammer's runner and converters
carry the constructor's arguments beside the models.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from lrgan_jax.convert.formats import genforce
from lrgan_jax.convert.formats.hammer import ARGUMENTS, arguments_in
from lrgan_jax.convert.formats.places import Place
from lrgan_jax.convert.formats.rules import Origin, Rule
from lrgan_jax.convert.formats.settings import ANY, Table, disagreements, number
from lrgan_jax.convert.formats.stylegan3.names import dense_back, dense_rules, layer_back, layer_rules
from lrgan_jax.convert.formats.stylegan3.network import Plan, StyleGAN3Network
from lrgan_jax.convert.formats.stylegan3.planned import Told, planned, widths
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import StyleGAN3Config

NAME = "genforce/Hammer StyleGAN3 (ReSeFa)"
SIGN, USUAL = "synthesis.early_layer.frequency", genforce.USUAL
GRID = "synthesis.early_layer.grid"

_TENSORS = {
    "weight": "conv.weight",
    "bias": "filter.bias",
    "affine.weight": "conv.style.weight",
    "affine.bias": "conv.style.bias",
    "magnitude_ema": "magnitude_ema",
    "up_filter": "filter.up_filter",
    "down_filter": "filter.down_filter",
}
_INPUT = "synthesis/input"
RULES = (
    Rule(r"w_avg", "buffers/mapping/w_avg", "as it is"),
    *dense_rules(r"mapping\.dense(\d+)", r"params/mapping/fc\1"),
    *dense_rules(r"mapping\.embedding", "params/mapping/embed"),
    *dense_rules(r"synthesis\.early_layer\.affine", f"params/{_INPUT}/affine"),
    Rule(r"synthesis\.early_layer\.weight", f"params/{_INPUT}/kernel", "out,in to in,out", np.transpose),
    Rule(r"synthesis\.early_layer\.frequency", f"buffers/{_INPUT}/frequencies", "as it is"),
    Rule(r"synthesis\.early_layer\.phase", f"buffers/{_INPUT}/phases", "as it is"),
    Rule(r"synthesis\.early_layer\.transform", f"buffers/{_INPUT}/transform", "as it is"),
    Rule(r"synthesis\.early_layer\.grid", None, "the places of the samples, which `_plan` looks at"),
    *layer_rules(r"synthesis\.(layer\d+)", lambda match: match[1], _TENSORS),
)
BACK = (
    Rule(r"buffers/mapping/w_avg", "w_avg", "as it is"),
    *dense_back(r"params/mapping/fc(\d+)", r"mapping.dense\1"),
    *dense_back(r"params/mapping/embed", "mapping.embedding"),
    *dense_back(f"params/{_INPUT}/affine", "synthesis.early_layer.affine"),
    Rule(f"params/{_INPUT}/kernel", "synthesis.early_layer.weight", "in,out to out,in", np.transpose),
    Rule(f"buffers/{_INPUT}/frequencies", "synthesis.early_layer.frequency", "as it is"),
    Rule(f"buffers/{_INPUT}/phases", "synthesis.early_layer.phase", "as it is"),
    Rule(f"buffers/{_INPUT}/transform", "synthesis.early_layer.transform", "as it is"),
    *layer_back(lambda layer: f"synthesis.{layer}", _TENSORS),
)

# What fixes the arithmetic, in our words, which are NVIDIA's, and in Hammer's; then what its constructor takes where it
# is left out.
DESIGN = {
    "img_resolution": "resolution",
    "img_channels": "image_channels",
    "channel_base": "fmaps_base",
    "channel_max": "fmaps_max",
    "num_layers": "num_layers",
    "num_critical": "num_critical",
    "first_cutoff": "first_cutoff",
    "first_stopband": "first_stopband",
    "last_stopband_rel": "last_stopband_rel",
    "margin_size": "margin_size",
    "conv_kernel": "kernel_size",
    "filter_size": "filter_size",
    "lrelu_upsampling": "act_upsampling",
    "use_radial_filters": "use_radial_filter",
    "conv_clamp": "conv_clamp",
}
DEFAULTS = {
    "z_dim": 512,
    "w_dim": 512,
    "mapping_layers": 2,
    "mapping_fmaps": 512,
    "mapping_lr_mul": 0.01,
    "label_dim": 0,
    "embedding_dim": 512,
    "embedding_bias": True,
    "image_channels": 3,
    "final_tanh": False,
    "output_scale": 0.25,
    "num_layers": 14,
    "num_critical": 2,
    "fmaps_base": 32768,
    "fmaps_max": 512,
    "kernel_size": 1,
    "conv_clamp": 256,
    "first_cutoff": 2,
    "first_stopband": 2**2.1,
    "last_stopband_rel": 2**0.3,
    "margin_size": 10,
    "filter_size": 6,
    "act_upsampling": 2,
    "use_radial_filter": False,
}


def read(place: Place) -> StyleGAN3Network:
    """The network there, with its arguments if the file has them."""
    own = arguments_in(place)
    return StyleGAN3Network(
        NAME,
        place.tensors,
        RULES,
        BACK,
        partial(_plan, own, place.tensors.get(GRID)),
        partial(_check, own),
        arguments=own,
    )


def _plan(
    own: Mapping[str, Any] | None,
    grid: np.ndarray | None,
    tensors: Mapping[str, np.ndarray],
    given: Mapping[str, Any],
    origin: Origin,
) -> Plan:
    side, rate = _sampling(grid)
    known = {**(DEFAULTS if own is not None else {}), **(own or {}), **given}
    design = {ours: known[theirs] for ours, theirs in DESIGN.items() if theirs in known}
    settings: dict[str, Any] = {"z_dim": known["z_dim"]} if "z_dim" in known else {}
    for ours, theirs in (("mapping_lr", "mapping_lr_mul"), ("output_scale", "output_scale")):
        if theirs in known:
            settings[ours] = number(known[theirs], theirs)
    if "final_tanh" in known:
        settings["final_tanh"] = bool(known["final_tanh"])
    told = Told(design, settings, biased=bool(known.get("embedding_bias", True)), certain=own is not None)
    return planned(tensors, told, {-1: side}, rate, origin)


def _sampling(grid: np.ndarray | None) -> tuple[int, float]:
    """The side of the input and its samples across the image, of the picture of their places [1, S, S, 2].

    Raises:
      CheckpointError: if it is no such picture, as the input's centre is 0 and its samples are as far apart as high.
    """
    if grid is None:
        raise CheckpointError(f"{GRID}: nothing in the checkpoint fills it")
    if grid.ndim != 4 or grid.shape[0] != 1 or grid.shape[1] != grid.shape[2] or grid.shape[3] != 2 or not grid.size:
        raise CheckpointError(f"{GRID}: shape {grid.shape}, the model wants (1, S, S, 2)")
    side = grid.shape[1]
    span = 2 * float(grid[0, -1, -1, 0]) * side / max(side - 1, 1)
    rate = float(np.round(side / span, 3)) if np.isfinite(span) and span > 0 else 0.0
    x = (np.arange(side) + 0.5 - side / 2) / (rate or 1)
    if not rate or not np.allclose(grid[0], np.stack(np.meshgrid(x, x), -1), rtol=0, atol=1e-5):
        raise CheckpointError(f"{GRID}: these are not the places of evenly spaced samples around 0")
    return side, rate


def _check(own: Mapping[str, Any] | None, config: StyleGAN3Config, given: Mapping[str, Any]) -> Iterator[str]:
    if own is not None:
        yield from disagreements({**DEFAULTS, **own}, _table(config), ARGUMENTS)
    yield from disagreements(given, _table(config), "the arguments given")
    known = {**(own or {}), **given}
    if own is not None or known.keys() & {"fmaps_base", "fmaps_max"}:
        yield from widths(config, known.get("fmaps_base"), known.get("fmaps_max"))


def _table(config: StyleGAN3Config) -> Table:
    """Every argument of the constructor."""
    cfg, last = config, config.layers[-1]
    labels = {
        "embedding_dim": cfg.embed_features,
        "embedding_bias": ANY,  # there is one or none: zeros
        "embedding_lr_mul": 1,
        "normalize_embedding": True,
        "normalize_embedding_latent": False,
    }
    return {
        "model_type": "StyleGAN3Generator",
        "z_dim": cfg.z_dim,
        "w_dim": cfg.w_dim,
        "repeat_w": True,
        "normalize_z": True,
        "mapping_layers": cfg.mapping_layers,
        "mapping_fmaps": cfg.mapping_features if cfg.mapping_layers > 1 else ANY,
        "mapping_lr_mul": cfg.mapping_lr,
        "label_dim": cfg.c_dim,
        **(labels if cfg.c_dim else dict.fromkeys(labels, ANY)),
        "resolution": last.size[0],
        "image_channels": last.channels,
        "final_tanh": cfg.final_tanh,
        "output_scale": cfg.output_scale,
        "num_layers": cfg.num_ws - 2,
        "kernel_size": cfg.layers[1].kernel,
        "conv_clamp": last.clamp,
        "margin_size": (cfg.layers[0].size[0] - cfg.layers[0].rate) / 2,
        **dict.fromkeys(("fmaps_base", "fmaps_max", "num_critical", "first_cutoff", "first_stopband"), ANY),
        **dict.fromkeys(("last_stopband_rel", "filter_size"), ANY),  # the filters show them
        "act_upsampling": lambda value: number(value, "act_upsampling") > 1,  # at 1 its code leaves the ReLU out
        "use_radial_filter": any(len(layer.down_filter) == 2 for layer in cfg.layers),
        "eps": 1e-8,
        "num_ws": cfg.num_ws,
        "note": ANY,  # JSON has no comments
    }
