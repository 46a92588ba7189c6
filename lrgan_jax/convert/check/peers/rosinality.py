"""rosinality's two projects: stylegan2-pytorch, and style-based-gan-pytorch, which is StyleGAN (1)."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.check.peers.protocol import Arguments, Named, Peer
from lrgan_jax.convert.formats import rosinality, rosinality_stylegan1
from lrgan_jax.generators import StyleGAN1, StyleGAN1Config, StyleGAN2Config


class _StyleGAN2(Peer):
    format, file, name = rosinality.NAME, "model.py", "Generator"

    def own(self, arguments: Mapping[str, Any]) -> Arguments:
        names = {"size": "size", "latent": "style_dim", "n_mlp": "n_mlp", "channel_multiplier": "channel_multiplier"}
        return {theirs: arguments[name] for name, theirs in names.items() if name in arguments}

    def assumed(self, config: StyleGAN2Config, network: Named) -> Arguments:
        widths = dict(zip(config.resolutions, config.channels, strict=True))
        return {
            "size": config.resolutions[-1],
            "style_dim": config.w_dim,
            "n_mlp": config.mapping_layers,
            "lr_mlp": config.mapping_lr,
            "channel_multiplier": max(1, widths.get(64, 512) // 256),  # 64 is the first in its table that varies
            "blur_kernel": np.array(config.filter).tolist(),
        }

    def image(self, net: Any, z: Any, c: Any, gen: Any) -> Any:
        return net([z], randomize_noise=False)[0]

    def layers(self, network: Named) -> dict[str, str]:
        """Its toRGB returns the picture so far, as our blocks do."""
        return {theirs: layer.removesuffix(".torgb") for theirs, layer in super().layers(network).items()}


class _StyleGAN1(Peer):
    format, file, name = rosinality_stylegan1.NAME, "model.py", "StyledGenerator"

    def own(self, arguments: Mapping[str, Any]) -> Arguments:
        return {name: arguments[name] for name in ("code_dim", "n_mlp") if name in arguments}

    def assumed(self, config: StyleGAN1Config, network: Named) -> Arguments:
        return {"code_dim": config.w_dim, "n_mlp": config.mapping_layers}

    def image(self, net: Any, z: Any, c: Any, gen: StyleGAN1) -> Any:
        blocks = gen.variables["buffers"]["synthesis"]
        pictures = [np.array(blocks[f"b{r}"]["noise0"])[None, None] for r in gen.config.resolutions]
        noise = [z.new_tensor(picture).expand(len(z), -1, -1, -1) for picture in pictures]
        alpha = 1 - gen.config.lod if gen.config.lod else -1  # which is its word for all of the last block
        return net(z, noise=noise, step=len(pictures) - 1, alpha=alpha)

    def layers(self, network: Named) -> dict[str, str]:
        """By what stands last in a layer: the activation, the style, the colours."""
        found = {}
        for name in network.tensors:
            if match := re.match(r"style\.(\d+)\.", name):
                found[f"style.{int(match[1]) + 1}"] = f"mapping.fc{int(match[1]) // 2}"
            elif match := re.match(r"generator\.progression\.(\d+)\.adain(\d)\.", name):
                found[match[0][:-1]] = f"synthesis.b{4 * 2 ** int(match[1])}.conv{int(match[2]) - 1}"
            elif match := re.match(r"generator\.to_rgb\.(\d+)\.", name):
                found[match[0][:-1]] = f"synthesis.b{4 * 2 ** int(match[1])}.torgb"
        return found


ROSINALITY = (_StyleGAN2(), _StyleGAN1())
