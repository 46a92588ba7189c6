"""The arguments of genforce's StyleGAN constructors, Hammer's and the one before it, of which SeFa's are a part."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.formats.settings import ANY, Table, one_of, taps_of, word
from lrgan_jax.convert.formats.told import Told
from lrgan_jax.foreign import CheckpointError
from lrgan_jax.generators import StyleGAN1Config
from lrgan_jax.generators.stylegan1_network import ROOT_2

DEFAULTS = {  # of what no tensor shows and images depend on
    "fused_scale": "auto",
    "mapping_lr_mul": 0.01,
    "use_wscale": True,
    "final_tanh": False,
}
AUTO = 128  # resolution from which on fused_scale "auto" fuses, where nothing else is said


def fields(told: Told) -> Mapping[str, Any]:
    """Those of StyleGAN1Config; what a constructor does not take is at its default."""
    gain, eps = told.number("wscale_gain", ROOT_2), told.number("eps", 1e-8)
    equalized = told.flag("use_wscale", True)
    mapping_gain = told.number("mapping_wscale_gain", ROOT_2)
    return {
        "latent_eps": eps if told.flag("normalize_z", True) else None,
        "norm_eps": eps,
        "mapping_gain": mapping_gain if told.flag("mapping_use_wscale", equalized) else None,
        "mapping_lr": told.number("mapping_lr_mul", 0.01),
        "conv_gain": gain if equalized else None,
        "conv_lr": told.number("lr_mul", 1.0),
        "style_gain": 1.0 if equalized else None,
        "rgb_gain": 1.0 if equalized else None,
        "final_tanh": told.flag("final_tanh", False),
    }


def fused(told: Told, resolution: int) -> bool:
    """Whether the layer that upsamples to it is one transposed convolution."""
    scale = told.get("fused_scale", "auto")
    if not isinstance(scale, bool) and scale != "auto":
        raise CheckpointError(f"fused_scale should be true, false or 'auto', it is {scale!r:.40}")
    return resolution >= told.number("fused_scale_res", AUTO) if scale == "auto" else scale


def table(told: Told, config: StyleGAN1Config) -> Table:
    """Every argument of Hammer's constructor. What fixes the arithmetic only is in the configuration by now, so it is
    compared with what it was read as: the file's own value with the user's.
    """
    cfg = config
    honoured = ("fused_scale", "fused_scale_res", "mapping_use_wscale", "mapping_wscale_gain", "wscale_gain")
    return {
        **{name: told.get(name) for name in honoured},
        "model_type": "StyleGANGenerator",
        "z_dim": cfg.z_dim,
        "w_dim": cfg.w_dim,
        "repeat_w": cfg.repeat_w,
        "normalize_z": cfg.latent_eps is not None,
        "mapping_layers": cfg.mapping_layers,
        "mapping_fmaps": cfg.mapping_features if cfg.mapping_layers > 1 else ANY,
        "mapping_lr_mul": cfg.mapping_lr,
        "label_dim": cfg.c_dim,
        "embedding_dim": cfg.embed_features if cfg.c_dim else ANY,
        "resolution": cfg.resolutions[-1],
        "init_res": 4,
        "image_channels": cfg.img_channels,
        "final_tanh": cfg.final_tanh,
        "use_wscale": cfg.conv_gain is not None,
        "lr_mul": cfg.conv_lr,
        "noise_type": word("spatial" if cfg.use_noise else "none"),
        "fmaps_base": ANY,
        "fmaps_max": ANY,
        "filter_kernel": taps_of(np.flip(cfg.filter)),  # theirs are of a correlation
        "eps": cfg.norm_eps,
    }


OLD_NAMES = {  # SeFa's arguments, by those of Hammer's
    "resolution": "resolution",
    "z_dim": "z_space_dim",
    "w_dim": "w_space_dim",
    "label_dim": "label_size",
    "mapping_layers": "mapping_layers",
    "mapping_fmaps": "mapping_fmaps",
    "mapping_lr_mul": "mapping_lr_mul",
    "repeat_w": "repeat_w",
    "image_channels": "image_channels",
    "final_tanh": "final_tanh",
    "fused_scale": "fused_scale",
    "use_wscale": "use_wscale",
    "fmaps_base": "fmaps_base",
    "fmaps_max": "fmaps_max",
}


def old_table(told: Told, config: StyleGAN1Config) -> Table:
    """Every argument of the older constructor."""
    new = table(told, config)
    return {"const_input": one_of(True), **{old: new[name] for name, old in OLD_NAMES.items()}}
