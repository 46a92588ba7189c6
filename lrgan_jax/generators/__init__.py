"""What makes images: one file per architecture, behind one protocol.

`ARCHITECTURES` is the only list of them: name -> (class with its weights, config class, fresh variables).
"""
from lrgan_jax.generators import dcgan, stylegan2
from lrgan_jax.generators.dcgan import DCGAN, DCGANConfig
from lrgan_jax.generators.latents import WS, Latent, W, Z
from lrgan_jax.generators.protocol import Generator, ModelInfo, StoredGenerator, check_generator, image_function, render, sample_z, to_ws
from lrgan_jax.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from lrgan_jax.generators.windows import Window

ARCHITECTURES = {
    "stylegan2": (StyleGAN2, StyleGAN2Config, stylegan2.init),
    "dcgan": (DCGAN, DCGANConfig, dcgan.init),
}

__all__ = [
    "ARCHITECTURES", "DCGAN", "WS", "DCGANConfig", "Generator", "Latent", "ModelInfo", "StoredGenerator", "StyleGAN2",
    "StyleGAN2Config", "W", "Window", "Z",
    "check_generator", "image_function", "render", "sample_z", "to_ws",
]  # fmt: skip
