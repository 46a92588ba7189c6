"""genforce's code, Hammer's and the one before it (SeFa's): StyleGAN 1, 2 and 3, and PGGAN."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.check.peers.protocol import Arguments, Named, Peer
from lrgan_jax.convert.formats import (
    genforce_pggan,
    hammer,
    hammer_stylegan1,
    hammer_stylegan3,
    sefa,
    sefa_stylegan1,
)
from lrgan_jax.convert.formats.stylegan1.arguments import OLD_NAMES
from lrgan_jax.convert.write.back import nvidia_arguments
from lrgan_jax.convert.write.hammer import pggan_arguments, stylegan1_arguments, stylegan3_arguments
from lrgan_jax.generators import PGGANConfig, StyleGAN1Config, StyleGAN2Config, StyleGAN3Config


class _Genforce(Peer):
    def own(self, arguments: Mapping[str, Any]) -> Arguments:
        return {name: value for name, value in arguments.items() if name not in ("model_type", "num_ws", "note")}

    def image(self, net: Any, z: Any, c: Any, gen: Any) -> Any:
        """Each generator knows some of these words, and not the others."""
        words = {"noise_mode": "const", "randomize_noise": False, "impl": "ref"}
        known = inspect.signature(net.forward).parameters
        return net(z, label=c, **{word: value for word, value in words.items() if word in known})["image"]


def _old(arguments: Arguments) -> Arguments:
    """As the older code calls them; what it does not know is at its default there."""
    return {old: arguments[name] for name, old in OLD_NAMES.items() if name in arguments}


# ---- StyleGAN2.


class _StyleGAN2(_Genforce):
    format, file, name = hammer.NAME, "models/stylegan2_generator.py", "StyleGAN2Generator"

    def assumed(self, config: StyleGAN2Config, network: Named) -> Arguments:
        synthesis = nvidia_arguments(config)["synthesis_kwargs"]
        return {
            "resolution": config.resolutions[-1],
            "z_dim": config.z_dim,
            "w_dim": config.w_dim,
            "label_dim": config.c_dim,
            "embedding_dim": config.embed_features,
            "image_channels": config.img_channels,
            "mapping_layers": config.mapping_layers,
            "mapping_fmaps": config.mapping_features,
            "mapping_lr_mul": config.mapping_lr,
            "architecture": config.architecture.replace("orig", "origin"),
            "fmaps_base": synthesis["channel_base"],
            "fmaps_max": synthesis["channel_max"],
            "conv_clamp": config.conv_clamp,
            "noise_type": "spatial" if config.use_noise else "none",
            "filter_kernel": np.array(config.filter).tolist(),
        }


class _OldStyleGAN2(_StyleGAN2):
    format = sefa.NAME

    def assumed(self, config: StyleGAN2Config, network: Named) -> Arguments:
        shown = super().assumed(config, network)
        return {**_old(shown), "architecture": shown["architecture"]}


# ---- StyleGAN (1) and PGGAN.


class _StyleGAN1(_Genforce):
    format, file, name = hammer_stylegan1.NAME, "models/stylegan_generator.py", "StyleGANGenerator"

    def assumed(self, config: StyleGAN1Config, network: Named) -> Arguments:
        return _unsaid(stylegan1_arguments(config))

    def layers(self, network: Named) -> dict[str, str]:
        """A style is returned behind what it was applied to, which is the layer's output."""
        every = super().layers(network).items()
        return {theirs: layer for theirs, layer in every if not layer.endswith(".affine")}


class _OldStyleGAN1(_StyleGAN1):
    format = sefa_stylegan1.NAME

    def assumed(self, config: StyleGAN1Config, network: Named) -> Arguments:
        return _old(super().assumed(config, network))


class _PGGAN(_Genforce):
    """Its files are those of both codes, and so are the arguments given."""

    format, file, name = genforce_pggan.NAME, "models/pggan_generator.py", "PGGANGenerator"

    def own(self, arguments: Mapping[str, Any]) -> Arguments:
        new = {old: name for name, old in OLD_NAMES.items()}
        return {new.get(name, name): value for name, value in super().own(arguments).items()}

    def assumed(self, config: PGGANConfig, network: Named) -> Arguments:
        return _unsaid(pggan_arguments(config))

    def called(self, module: Any, arguments: Arguments) -> Arguments:
        is_old = "z_space_dim" in inspect.signature(getattr(module, self.name)).parameters
        return _old(arguments) if is_old else arguments


def _unsaid(arguments: Arguments) -> Arguments:
    """Without what the shapes do not show, whose defaults are what is assumed: our kernels are never fused."""
    return {name: value for name, value in arguments.items() if name not in ("model_type", "fused_scale")}


# ---- StyleGAN3.


class _StyleGAN3(_Genforce):
    format, file, name = hammer_stylegan3.NAME, "models/stylegan3_generator.py", "StyleGAN3Generator"

    def assumed(self, config: StyleGAN3Config, network: Named) -> Arguments:
        return self.own(stylegan3_arguments(config))


GENFORCE = (_StyleGAN2(), _OldStyleGAN2(), _StyleGAN1(), _OldStyleGAN1(), _PGGAN(), _StyleGAN3())
