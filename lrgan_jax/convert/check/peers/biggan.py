"""The two projects with BigGANs: ajbrock's BigGAN-PyTorch, whose BigGAN-deep has a file of its own, and HuggingFace's
pytorch-pretrained-BigGAN.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.check.peers.protocol import Arguments, Named, Peer
from lrgan_jax.convert.formats import ajbrock, huggingface
from lrgan_jax.convert.formats.ajbrock_names import Style
from lrgan_jax.convert.write import ajbrock as ajbrock_writer
from lrgan_jax.convert.write import huggingface as huggingface_writer
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
        style = Style.of(network.tensors)
        vectors = sum(name.startswith("linear.u") for name in network.tensors)
        return {
            **self.own(ajbrock_writer.arguments(config)),
            "mybn": not style.added and style.nested == "bn.",
            "G_param": "SN" if vectors else "none",
            "num_G_SVs": max(vectors, 1),
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
        return huggingface_writer.arguments(config)

    def made(self, module: Any, arguments: Arguments) -> Any:
        return module.BigGAN(module.BigGANConfig.from_dict(arguments))

    def image(self, net: Any, z: Any, c: Any, gen: BigGAN) -> Any:
        return net(z, c, self.truncation)

    def as_ours(self, layer: str, output: np.ndarray, gen: BigGAN) -> np.ndarray:
        """It makes more colours than it keeps."""
        return output[:, : gen.config.img_channels] if layer == "rgb" else output


BIGGAN = (_BigGAN(), _BigGANDeep(), _HuggingFace())
