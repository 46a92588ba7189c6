"""The projects whose own code can be run beside ours: where a checkout has its generator, and how that is called.

A peer is made with the arguments that the file itself carries, never with what we inferred, so that a mistake of ours
cannot agree with itself. For a file without any there is what the shapes show, and that is said.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from lrgan_jax.convert.formats import hammer, nvidia, rosinality, sefa
from lrgan_jax.convert.write.back import nvidia_arguments
from lrgan_jax.generators import StyleGAN2Config

Arguments = dict[str, Any]


class Peer(NamedTuple):
    """Where one project has its generator, and how that is made and called."""

    format: str  # of the files that belong to it
    file: str  # in the checkout
    name: str  # of the class
    own: Callable[[Mapping[str, Any]], Arguments]  # what it takes, from the arguments in a file
    assumed: Callable[[StyleGAN2Config], Arguments]  # and from the shapes, for a file without
    image: Callable[[Any, Any, Any], Any]  # network, z, c -> image with constant noise
    sums_up: bool = False  # whether a toRGB returns the picture so far, and not only its own part


# ---- NVIDIA, both repositories.

OF_GENERATOR = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs")


def _nested(arguments: Mapping[str, Any]) -> Arguments:
    """As stylegan2-ada-pytorch takes them: those of the synthesis in a dict of their own."""
    inner = {name: value for name, value in arguments.items() if name not in (*OF_GENERATOR, "synthesis_kwargs")}
    kept = {name: value for name, value in arguments.items() if name in OF_GENERATOR}
    return {**kept, "synthesis_kwargs": {**arguments.get("synthesis_kwargs", {}), **inner}}


def _flat(arguments: Mapping[str, Any]) -> Arguments:
    """As stylegan3's repository takes them."""
    nested = _nested(arguments)
    inner = nested.pop("synthesis_kwargs")
    return {**nested, **inner}


def _nvidia_image(net: Any, z: Any, c: Any) -> Any:
    return net(z, c, noise_mode="const", force_fp32=True)


NVIDIA = (
    Peer(nvidia.NAME, "training/networks.py", "Generator", _nested, nvidia_arguments, _nvidia_image),
    Peer(
        nvidia.NAME,
        "training/networks_stylegan2.py",
        "Generator",
        _flat,
        lambda config: _flat(nvidia_arguments(config)),
        _nvidia_image,
    ),
)


# ---- rosinality.


def _rosinality_own(arguments: Mapping[str, Any]) -> Arguments:
    names = {"size": "size", "latent": "style_dim", "n_mlp": "n_mlp", "channel_multiplier": "channel_multiplier"}
    return {theirs: arguments[name] for name, theirs in names.items() if name in arguments}


def _rosinality_assumed(config: StyleGAN2Config) -> Arguments:
    widths = dict(zip(config.resolutions, config.channels, strict=True))
    return {
        "size": config.resolutions[-1],
        "style_dim": config.w_dim,
        "n_mlp": config.mapping_layers,
        "lr_mlp": config.mapping_lr,
        "channel_multiplier": max(1, widths.get(64, 512) // 256),  # 64 has the first width in its table that varies
        "blur_kernel": np.array(config.filter).tolist(),
    }


def _rosinality_image(net: Any, z: Any, c: Any) -> Any:
    return net([z], randomize_noise=False)[0]


ROSINALITY = Peer(
    rosinality.NAME, "model.py", "Generator", _rosinality_own, _rosinality_assumed, _rosinality_image, sums_up=True
)


# ---- genforce, Hammer and before.


def _hammer_own(arguments: Mapping[str, Any]) -> Arguments:
    return {name: value for name, value in arguments.items() if name != "model_type"}


def _genforce_assumed(config: StyleGAN2Config) -> Arguments:
    """What both generators have."""
    synthesis = nvidia_arguments(config)["synthesis_kwargs"]
    return {
        "resolution": config.resolutions[-1],
        "image_channels": config.img_channels,
        "mapping_layers": config.mapping_layers,
        "mapping_fmaps": config.mapping_features,
        "mapping_lr_mul": config.mapping_lr,
        "architecture": config.architecture.replace("orig", "origin"),
        "fmaps_base": synthesis["channel_base"],
        "fmaps_max": synthesis["channel_max"],
    }


def _hammer_assumed(config: StyleGAN2Config) -> Arguments:
    return {
        **_genforce_assumed(config),
        "z_dim": config.z_dim,
        "w_dim": config.w_dim,
        "label_dim": config.c_dim,
        "embedding_dim": config.embed_features,
        "conv_clamp": config.conv_clamp,
        "noise_type": "spatial" if config.use_noise else "none",
        "filter_kernel": np.array(config.filter).tolist(),
    }


def _sefa_assumed(config: StyleGAN2Config) -> Arguments:
    own = {"z_space_dim": config.z_dim, "w_space_dim": config.w_dim, "label_size": config.c_dim}
    return {**_genforce_assumed(config), **own}


def _hammer_image(net: Any, z: Any, c: Any) -> Any:
    return net(z, label=c, noise_mode="const", impl="ref")["image"]


def _sefa_image(net: Any, z: Any, c: Any) -> Any:
    return net(z, label=c, randomize_noise=False)["image"]


CODE = "models/stylegan2_generator.py", "StyleGAN2Generator"
GENFORCE = (
    Peer(hammer.NAME, *CODE, _hammer_own, _hammer_assumed, _hammer_image),
    Peer(sefa.NAME, *CODE, dict, _sefa_assumed, _sefa_image),
)

PEERS = (*NVIDIA, ROSINALITY, *GENFORCE)
