"""What makes images: one file per architecture, behind one protocol.

`ARCHITECTURES` is the only list of them. Their files load Flax, which takes longer than all the rest of this package,
so each is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from lrgan_jax.generators.functions import FunctionGenerator, from_function
from lrgan_jax.generators.latent_files import LatentsError, load_latents
from lrgan_jax.generators.latents import WS, Latent, W, Z
from lrgan_jax.generators.parts import HasParts
from lrgan_jax.generators.protocol import (
    DrawsZ,
    Generator,
    HasStyles,
    MakesParts,
    ModelInfo,
    StoredGenerator,
    TakesStyles,
    check_generator,
    grid,
)
from lrgan_jax.generators.sampling import near_frontal, sample_z
from lrgan_jax.generators.style_space import StyleSpace, style_space
from lrgan_jax.generators.view import image_function, render, to_ws
from lrgan_jax.generators.windows import Window

if TYPE_CHECKING:
    from lrgan_jax.generators.biggan import BigGAN, BigGANConfig
    from lrgan_jax.generators.dcgan import DCGAN, DCGANConfig
    from lrgan_jax.generators.pggan import PGGAN, PGGANConfig
    from lrgan_jax.generators.stylegan1 import StyleGAN1, StyleGAN1Config
    from lrgan_jax.generators.stylegan2 import StyleGAN2, StyleGAN2Config
    from lrgan_jax.generators.stylegan3 import StyleGAN3, StyleGAN3Config

ARCHITECTURES = {
    "stylegan2": "StyleGAN2",
    "stylegan3": "StyleGAN3",
    "stylegan1": "StyleGAN1",
    "pggan": "PGGAN",
    "dcgan": "DCGAN",
    "biggan": "BigGAN",
}  # file -> class; its config is called so, too, with Config at the end


class Architecture(NamedTuple):
    """A generator's class with its weights, its config's class, and its fresh variables, `init(key, config)`."""

    generator: Any
    config: Any
    init: Any


def architecture(name: str) -> Architecture:
    """The architecture of that name in `ARCHITECTURES`."""
    module, cls = import_module(f"lrgan_jax.generators.{name}"), ARCHITECTURES[name]
    return Architecture(getattr(module, cls), getattr(module, f"{cls}Config"), module.init)


if not TYPE_CHECKING:  # to which every name would then be one

    def __getattr__(name: str) -> Any:
        """The classes of the architectures, and their configs."""
        for file, cls in ARCHITECTURES.items():
            if name in (cls, f"{cls}Config"):
                return getattr(import_module(f"lrgan_jax.generators.{file}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ARCHITECTURES",
    "DCGAN",
    "PGGAN",
    "WS",
    "Architecture",
    "BigGAN",
    "BigGANConfig",
    "DCGANConfig",
    "DrawsZ",
    "FunctionGenerator",
    "Generator",
    "HasParts",
    "HasStyles",
    "Latent",
    "LatentsError",
    "MakesParts",
    "ModelInfo",
    "PGGANConfig",
    "StoredGenerator",
    "StyleGAN1",
    "StyleGAN1Config",
    "StyleGAN2",
    "StyleGAN2Config",
    "StyleGAN3",
    "StyleGAN3Config",
    "StyleSpace",
    "TakesStyles",
    "W",
    "Window",
    "Z",
    "architecture",
    "check_generator",
    "from_function",
    "grid",
    "image_function",
    "load_latents",
    "near_frontal",
    "render",
    "sample_z",
    "style_space",
    "to_ws",
]


def __dir__() -> list[str]:
    return __all__
