"""NVIDIA's PyTorch code: stylegan2-ada-pytorch, and stylegan3's repository, which holds StyleGAN2 as well."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrgan_jax.convert.check.peers.protocol import Arguments, Named, Peer
from lrgan_jax.convert.formats import nvidia, nvidia_stylegan3
from lrgan_jax.convert.write import nvidia_stylegan3 as nvidia_stylegan3_writer
from lrgan_jax.convert.write.back import nvidia_arguments
from lrgan_jax.generators import StyleGAN2Config, StyleGAN3Config

OF_GENERATOR = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs")


class _Nvidia(Peer):
    """Arguments of the synthesis beside those of the generator; modules that keep what they had when saved."""

    name = "Generator"

    def own(self, arguments: Mapping[str, Any]) -> Arguments:
        own = {name: value for name, value in arguments.items() if name not in ("num_ws", "note")}
        return {**own.pop("synthesis_kwargs", {}), **own}

    def prepare(self, net: Any, network: Any, gen: Any) -> None:
        """As its own loader does: whatever the arguments made of a module, it has the attributes of the file."""
        for path, attributes in network.attributes.items():
            module = net.get_submodule(path)
            for name, value in attributes.items():
                if name != "training":
                    setattr(module, name, value.item() if isinstance(value, np.generic) else value)

    def image(self, net: Any, z: Any, c: Any, gen: Any) -> Any:
        return net(z, c, noise_mode="const", force_fp32=True)


class _StyleGAN2(_Nvidia):
    format, file = nvidia.NAME, "training/networks_stylegan2.py"

    def assumed(self, config: StyleGAN2Config, network: Named) -> Arguments:
        return self.own(nvidia_arguments(config))


class _Ada(_StyleGAN2):
    """The older one takes those of the synthesis in a dict of their own."""

    file = "training/networks.py"

    def own(self, arguments: Mapping[str, Any]) -> Arguments:
        own = super().own(arguments)
        outer = {name: own.pop(name) for name in OF_GENERATOR if name in own}
        return {**outer, "synthesis_kwargs": own}


class _StyleGAN3(_Nvidia):
    format, file = nvidia_stylegan3.NAME, "training/networks_stylegan3.py"

    def assumed(self, config: StyleGAN3Config, network: Named) -> Arguments:
        return self.own(nvidia_stylegan3_writer.arguments(config))


NVIDIA = (_Ada(), _StyleGAN2(), _StyleGAN3())
