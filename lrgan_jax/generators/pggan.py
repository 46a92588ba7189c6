"""PGGAN, the progressively grown generator, in Flax Linen; its latent is z.

Every layer begins with the pixel norm, the first one included, and with it z, which is normalised once before a class
label joins it and once together with that; so its length means nothing. Nothing lies between z and the layers: z itself
plays the part of w, with a single row of ws. A class goes into the synthesis.

Variables are a plain dict of one collection, `params`: `b4/project`, `b8/conv0/kernel`, `b8/torgb/kernel`, ... Weights
are stored with unit variance; the equalised learning rate is applied at run time.

Source: Karras et al. 2018, arXiv:1710.10196.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.base.checks import check_number
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import growth, ops
from lrgan_jax.generators.growth import Growing
from lrgan_jax.generators.latents import Latent, Z, check_label, check_ws, check_z, weights_dtype
from lrgan_jax.generators.protocol import Classes, ModelInfo, Noise, check_no_label, check_noise
from lrgan_jax.generators.stored import Stored
from lrgan_jax.layers import Choice, check_layers


@dataclass(frozen=True)
class PGGANConfig:
    """Everything that fixes the network's shape and arithmetic; hashable, so it is static under `jit`.

    Attributes:
      channels: width of each block, from 4x4 upwards; its length fixes the resolution, 4 * 2^(len - 1).
      conv_gain, rgb_gain: of equalised weights, which are used as gain / sqrt(number of inputs) times what is stored;
        None: as they are stored.
      eps: inside the root of the pixel norms.
      lod: level of detail, see `growth`. final_tanh: whether the image ends in tanh.
    """

    channels: tuple[int, ...]
    z_dim: int = 512
    c_dim: int = 0
    img_channels: int = 3
    conv_gain: float | None = float(np.sqrt(2))
    rgb_gain: float | None = 1.0
    eps: float = 1e-8
    lod: float = 0.0
    final_tanh: bool = False
    num_ws = 1

    @property
    def w_dim(self) -> int:
        return self.z_dim

    @property
    def resolutions(self) -> tuple[int, ...]:
        return tuple(4 * 2**k for k in range(len(self.channels)))


class Layer(nn.Module):
    """Pixel norm, convolution, bias; doubles the size when `up`."""

    config: PGGANConfig
    features: int
    window: int = 3
    up: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n g v o"]:
        cfg = self.config
        shape = self.window, self.window, x.shape[-1], self.features
        kernel = self.param("kernel", nn.initializers.normal(1.0), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        kernel = ops.equalized(kernel, cfg.conv_gain if self.window > 1 else cfg.rgb_gain)
        x = ops.pixel_norm(x, cfg.eps)
        return (ops.nearest_conv(x, kernel) if self.up else ops.conv(x, kernel)) + bias


class Project(nn.Module):
    """z and label to the first features: a 4x4 convolution of a picture of one pixel, its kernel reversed here."""

    config: PGGANConfig

    @nn.compact
    def __call__(self, z: Float[Array, "n z"]) -> Float[Array, "n 4 4 o"]:
        cfg = self.config
        shape = 4, 4, cfg.z_dim + cfg.c_dim, cfg.channels[0]
        kernel = self.param("kernel", nn.initializers.normal(1.0), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (cfg.channels[0],), jnp.float32)
        # HIGHEST for the same reason as StyleGAN2's styles: everything depends on it, and it costs next to nothing.
        kernel = ops.equalized(kernel, cfg.conv_gain)
        return jnp.einsum("ni,hwio->nhwo", ops.pixel_norm(z, cfg.eps), kernel, precision="highest") + bias


class Block(nn.Module):
    """One resolution: two layers, and what its toRGB makes of them."""

    config: PGGANConfig
    index: int

    @nn.compact
    def __call__(self, x: Any):
        """x: features of the block below; of the first block z and label, [N, z_dim + c_dim]."""
        cfg, features = self.config, self.config.channels[self.index]
        first = Layer(cfg, features, up=True, name="conv0") if self.index else Project(cfg, name="project")
        x = ops.leaky_relu(first(x), 1.0)
        x = ops.leaky_relu(Layer(cfg, features, name="conv1")(x), 1.0)
        return x, Layer(cfg, cfg.img_channels, window=1, name="torgb")(x)


class Network(nn.Module):
    """z (and label c) -> image."""

    config: PGGANConfig

    @nn.compact
    def __call__(self, z: Float[Array, "n z"], c: Float[Array, "n k"] | None = None) -> Float[Array, "n h w c"]:
        cfg, last = self.config, len(self.config.channels) - 1
        x: Any = ops.pixel_norm(z, cfg.eps)
        x = x if c is None else jnp.concatenate([x, c], axis=-1)
        image: Any = None
        for k, resolution in enumerate(cfg.resolutions):
            share = growth.share(cfg.lod, last - k)
            rgb: Any = None
            if share > 0:
                x, rgb = Block(cfg, k, name=f"b{resolution}")(x)
            image = growth.faded(image, rgb, share)
        return jnp.tanh(image) if cfg.final_tanh else image


def init(key: Array, config: PGGANConfig) -> dict[str, Any]:
    """Fresh variables in float32, {"params": ...}, of all blocks whatever `config.lod` is."""
    z, c = (jnp.zeros((1, size), jnp.float32) for size in (config.z_dim, config.c_dim))
    whole = dataclasses.replace(config, lod=0.0)
    return dict(Network(whole).init(key, z, c if config.c_dim else None))


@partial(jax.jit, static_argnames="config")
def synthesize(
    config: PGGANConfig, variables, z: Float[Array, "n z"], c: Float[Array, "n k"] | None = None
) -> Float[Array, "n h w c"]:
    """z -> images about [-1, 1]. A pure function of `variables`."""
    network: Any = Network(config)  # Linen's type of `apply` has room for mutated variables, which are never asked for
    return network.apply(variables, z, c)


@partial(jax.tree_util.register_dataclass, data_fields=("variables",), meta_fields=("config", "info"))
@dataclass(frozen=True, eq=False, repr=False)
class PGGAN(Growing, Stored):
    """A PGGAN generator with its weights; a pytree. `mapping` leaves z as it is, `synthesis` takes z, and its class."""

    config: PGGANConfig
    variables: Mapping[str, Any] = field(repr=False)
    info: ModelInfo = ModelInfo()
    space = Z

    @property
    def size(self) -> tuple[int, int]:
        return self.config.resolutions[-1], self.config.resolutions[-1]

    @property
    def classes(self) -> Classes | None:
        return "synthesis" if self.c_dim else None

    def mapping(
        self,
        z: ArrayLike | Latent,
        c: ArrayLike | None = None,
        truncation: float | Array = 1.0,
        cutoff: int | None = None,
    ) -> Z:
        """z [N, z_dim] -> truncation * z, with its classes; a z that is merely shorter makes the same image. `cutoff` 1
        (the only layer) or None truncates, 0 does not.

        Raises:
          InputTypeError, InputError: as `StyleGAN2.mapping`.
        """
        check_number("truncation", truncation)
        dtype = weights_dtype(self.variables)
        z = check_z(z, self.z_dim, dtype)
        c = check_label(c, self.c_dim, len(z), dtype)
        if cutoff not in (None, 0, 1):
            raise InputError(f"cutoff counts layers, 0 or 1 for this model, got {cutoff}")
        return Z(z if cutoff == 0 else jnp.asarray(truncation, z.dtype) * z, c)

    def synthesis(
        self,
        w: ArrayLike | Latent,
        c: ArrayLike | None = None,
        *,
        noise: Noise = "const",
        key: Array | None = None,
    ) -> Float[Array, "n h w c"]:
        """z [N, z_dim], or with one layer axis [N, 1, z_dim], and classes [N, c_dim] -> images [N, H, W, C], about
        [-1, 1]. There is no noise to choose.

        Raises:
          InputTypeError, InputError: as `StyleGAN2.synthesis`; on classes that do not fit.
        """
        check_noise(noise, key)
        dtype = weights_dtype(self.variables)
        z = check_ws(w.array if isinstance(w, Z) else w, 1, self.z_dim, dtype)[:, 0]
        if not self.c_dim:
            check_no_label(self, c)
            return synthesize(self.config, self.variables, z)
        own = w.c if isinstance(w, Latent) and c is None else c
        return synthesize(self.config, self.variables, z, check_label(own, self.c_dim, len(z), dtype))

    def style_weights(self, layers: Choice = None) -> Float[Array, "k d"]:
        """Rows of the projection of z to the first features, one per feature; they are what SeFa factorises here."""
        if layers is not None:
            check_layers(layers, self.num_ws)
        kernel = self.variables["params"]["b4"]["project"]["kernel"][:, :, : self.z_dim]  # labels are no directions
        return jnp.moveaxis(kernel, 2, -1).reshape(-1, self.z_dim)
