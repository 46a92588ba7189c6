"""What makes images: one file per architecture, behind one protocol.

`ARCHITECTURES` is the only list of them: name -> (class with its weights, config class, fresh variables).
"""

from lrgan_jax.generators import dcgan, stylegan2
from lrgan_jax.generators.dcgan import DCGAN, DCGANConfig
from lrgan_jax.generators.functions import FunctionGenerator, from_function
from lrgan_jax.generators.latent_files import LatentsError, load_latents
from lrgan_jax.generators.latents import WS, Latent, W, Z
from lrgan_jax.generators.protocol import (
    Generator,
    HasStyles,
    MakesParts,
    ModelInfo,
    StoredGenerator,
    check_generator,
    grid,
)
from lrgan_jax.generators.sampling import near_frontal, sample_z
from lrgan_jax.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from lrgan_jax.generators.view import image_function, render, to_ws
from lrgan_jax.generators.windows import Window

ARCHITECTURES = {
    "stylegan2": (StyleGAN2, StyleGAN2Config, stylegan2.init),
    "dcgan": (DCGAN, DCGANConfig, dcgan.init),
}

__all__ = [
    "ARCHITECTURES", "DCGAN", "WS", "DCGANConfig", "FunctionGenerator", "Generator", "HasStyles", "Latent", "LatentsError",
    "MakesParts", "ModelInfo", "StoredGenerator", "StyleGAN2", "StyleGAN2Config", "W", "Window", "Z", "check_generator",
    "from_function", "grid", "image_function", "load_latents", "near_frontal", "render", "sample_z", "to_ws",
]  # fmt: skip
