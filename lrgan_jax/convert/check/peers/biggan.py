"""The two projects with BigGANs: ajbrock's BigGAN-PyTorch, whose BigGAN-deep has a file of its own, and HuggingFace's
pytorch-pretrained-BigGAN.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.check.peers.protocol import Arguments, Named, Peer
from lrgan_jax.convert.formats import ajbrock, huggingface
from lrgan_jax.convert.formats.ajbrock_names import Style
from lrgan_jax.generators import BigGAN, BigGANConfig


class _BigGAN(Peer):
    format, file, name, deep = ajbrock.NAME, "BigGAN.py", "Generator", False

    def fits(self, config: BigGANConfig) -> bool:
        return config.deep == self.deep

    def own(self, arguments: Mapping[str, Any]) -> Arguments:
        """Activations are modules there, and flags of its scripts no arguments."""
        others = ("model", "accumulate_standing", "G_activation", "G_nl")
        return {name: value for name, value in arguments.items() if name not in others}

    def assumed(self, config: BigGANConfig, network: Named) -> Arguments:
        arch, style = ajbrock.architecture(config.channels, config.deep), Style.of(network.tensors)
        vectors = sum(name.startswith("linear.u") for name in network.tensors)
        attended = [str(8 * 2 ** (block // arch.depth - 1)) for block in config.attention]
        return {
            "G_ch": arch.ch,
            "G_depth": arch.depth,
            "dim_z": config.z_dim,
            "bottom_width": config.bottom,
            "resolution": arch.resolution,
            "G_attn": "_".join(attended or ["0"]),
            "n_classes": config.c_dim,
            "num_G_SVs": max(vectors, 1),
            "G_shared": style.shared,
            "shared_dim": config.class_dim or 0,
            "hier": config.z_goes != "first",
            "cross_replica": style.added,
            "mybn": not style.added and style.nested == "bn.",
            "BN_eps": config.eps,
            "G_param": "SN" if vectors else "none",
            "norm_style": "nonorm" if config.norm == "none" else "bn",
            "skip_init": True,
            "no_optim": True,
        }

    def prepare(self, net: Any, network: Named, gen: BigGAN) -> None:
        for module in net.modules():
            if hasattr(module, "accumulate_standing"):
                module.accumulate_standing = gen.config.counted

    def image(self, net: Any, z: Any, c: Any, gen: BigGAN) -> Any:
        return net(z, net.shared(c.argmax(1)))

    def as_ours(self, layer: str, output: np.ndarray, gen: BigGAN) -> np.ndarray:
        """The projection's channels come first there, and last here."""
        if layer != "project":
            return output
        return output.reshape(len(output), gen.config.channels[0], -1).swapaxes(1, 2).reshape(len(output), -1)


class _BigGANDeep(_BigGAN):
    file, deep = "BigGANdeep.py", True


class _HuggingFace(Peer):
    format, file, name = huggingface.NAME, "pytorch_pretrained_biggan/model.py", "BigGAN"
    truncation = 0.73  # between two of its statistics

    def assumed(self, config: BigGANConfig, network: Named) -> Arguments:
        ch = config.channels[-1]
        widths = zip(config.ups, config.channels, config.channels[1:], strict=False)
        return {
            "output_dim": config.size,
            "z_dim": config.z_dim,
            "class_embed_dim": config.class_dim,
            "channel_width": ch,
            "num_classes": config.c_dim,
            "layers": [[up, before // ch, after // ch] for up, before, after in widths],
            "attention_layer_position": next(iter(config.attention), -1),
            "eps": config.eps,
            "n_stats": config.num_statistics,
        }

    def made(self, module: Any, arguments: Arguments) -> Any:
        return module.BigGAN(module.BigGANConfig.from_dict(arguments))

    def image(self, net: Any, z: Any, c: Any, gen: BigGAN) -> Any:
        return net(z, c, self.truncation)

    def as_ours(self, layer: str, output: np.ndarray, gen: BigGAN) -> np.ndarray:
        """It makes more colours than it keeps."""
        return output[:, : gen.config.img_channels] if layer == "rgb" else output


BIGGAN = (_BigGAN(), _BigGANDeep(), _HuggingFace())
