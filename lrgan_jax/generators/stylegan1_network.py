"""StyleGAN (1)'s configuration and its network in Flax Linen; `stylegan1.py` makes a generator of it.

Variables are a plain dict of two collections: `params` (trained) and `buffers` (`w_avg`, the constant noise pictures).
Names are those of `stylegan2_network.py`, `synthesis/b64/conv0/affine/kernel`; the 4x4 block's conv0 is the constant,
which has no kernel. Weights are stored with unit variance; the equalised learning rate is applied at run time.

A layer is convolution (behind an upsampling and before a blur in conv0), noise, bias, leaky ReLU, instance norm, style.
The style is a scale and a shift of the layer's output channels, so a row of ws acts behind its layer's convolution.

Source: Karras et al. 2019, arXiv:1812.04948.
"""

import math
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from lrgan_jax.generators import growth, ops
from lrgan_jax.generators.protocol import Noise

ROOT_2 = float(np.sqrt(2))


@dataclass(frozen=True)
class StyleGAN1Config:
    """Everything that fixes the network's shape and arithmetic; hashable, so it is static under `jit`.

    The projects that train it differ in scales and in the order of a layer. The defaults are NVIDIA's and genforce's;
    in rosinality's code every gain is the root of 2, mapping_lr 1, norm_eps 1e-5, and the style holds its 1, the bias
    comes first and layers are paired.

    Attributes:
      channels: width of each block, from 4x4 upwards; its length fixes the resolution, 4 * 2^(len - 1).
      repeat_w: the mapping network makes one w for all layers; else one for each, and `mapping` gives ws.
      mapping_features: width of the hidden mapping layers. embed_features: of the label embedding, put after z.
      latent_eps: inside the root that normalises z and embedding together; None: they are not normalised.
      mapping_gain, conv_gain, style_gain, rgb_gain, noise_gain: of equalised weights, which are used as
        gain / sqrt(number of inputs) times what is stored; None: as they are stored.
      mapping_lr, conv_lr: multipliers of weights and biases of the mapping network, and of all convolutions.
      use_noise: whether the layers have noise at all. filter: the blur, unit sum; see `ops.Filter`.
      norm_eps: inside the root of the instance norm.
      adds_one: whether a style scales by 1 + its affine map, whose bias lacks the 1 then.
      bias_first: the bias comes right after the convolution, before blur and noise; the constant has none then.
      paired: both layers of a block share their row of ws and their noise picture.
      lod: level of detail, see `growth`. final_tanh: whether the image ends in tanh.
    """

    channels: tuple[int, ...]
    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0
    img_channels: int = 3
    repeat_w: bool = True
    mapping_layers: int = 8
    mapping_features: int = 512
    embed_features: int = 0
    latent_eps: float | None = 1e-8
    mapping_gain: float | None = ROOT_2
    mapping_lr: float = 0.01
    conv_gain: float | None = ROOT_2
    conv_lr: float = 1.0
    style_gain: float | None = 1.0
    rgb_gain: float | None = 1.0
    noise_gain: float | None = None
    use_noise: bool = True
    filter: ops.Filter = (0.25, 0.5, 0.25)
    norm_eps: float = 1e-8
    adds_one: bool = True
    bias_first: bool = False
    paired: bool = False
    lod: float = 0.0
    final_tanh: bool = False

    @property
    def resolutions(self) -> tuple[int, ...]:
        return tuple(4 * 2**k for k in range(len(self.channels)))

    @property
    def num_ws(self) -> int:
        return len(self.channels) * (1 if self.paired else 2)

    @property
    def mapped(self) -> tuple[int, ...]:
        """What the mapping network makes of one z: [w_dim], or [num_ws, w_dim]."""
        return (self.w_dim,) if self.repeat_w else (self.num_ws, self.w_dim)

    def row(self, block: int, layer: int) -> int:
        """The row of ws that styles conv{layer} of the block."""
        return block if self.paired else 2 * block + layer


class Dense(nn.Module):
    """Fully connected layer with equalised learning rate."""

    features: int
    gain: float | None
    lr_multiplier: float = 1.0
    bias_init: nn.initializers.Initializer = nn.initializers.zeros

    @nn.compact
    def __call__(self, x: Float[Array, "n i"]) -> Float[Array, "n o"]:
        std = 1 / self.lr_multiplier
        kernel = self.param("kernel", nn.initializers.normal(std), (x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", self.bias_init, (self.features,), jnp.float32)
        kernel = ops.equalized(kernel, self.gain, self.lr_multiplier)
        # HIGHEST for the same reason as StyleGAN2's styles: everything depends on it, and it costs next to nothing.
        return jnp.matmul(x, kernel, precision="highest") + bias * self.lr_multiplier


class MappingNetwork(nn.Module):
    """z (and label c) -> w, before truncation."""

    config: StyleGAN1Config

    @nn.compact
    def __call__(self, z: Float[Array, "n z"], c: Float[Array, "n c"] | None) -> Float[Array, "n *rows d"]:
        cfg = self.config
        self.variable("buffers", "w_avg", jnp.zeros, cfg.mapped, jnp.float32)  # read by truncation
        x = z
        if c is not None:
            shape = cfg.c_dim, cfg.embed_features
            table = self.param("label_weight", nn.initializers.normal(1.0), shape, jnp.float32)
            x = jnp.concatenate([z, jnp.matmul(c, table, precision="highest")], axis=-1)
        if cfg.latent_eps is not None:
            x = ops.pixel_norm(x, cfg.latent_eps)
        for i in range(cfg.mapping_layers):
            features = cfg.mapping_features if i < cfg.mapping_layers - 1 else math.prod(cfg.mapped)
            x = ops.leaky_relu(Dense(features, cfg.mapping_gain, cfg.mapping_lr, name=f"fc{i}")(x), 1.0)
        return x.reshape(len(x), *cfg.mapped)


def _ones_and_zeros(key: Any, shape: tuple[int], dtype: Any) -> Float[Array, " two_o"]:
    """The bias of a style that does nothing yet: scales of 1, shifts of 0."""
    return jnp.repeat(jnp.array([1, 0], dtype), shape[0] // 2)


class SynthesisLayer(nn.Module):
    """Convolution, noise, bias, leaky ReLU, instance norm, style."""

    config: StyleGAN1Config
    features: int
    constant: bool = False  # the first layer, whose x is used as it is
    up: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "n h w i"], w: Float[Array, "n d"], picture: Float[Array, "#n g v"] | None
    ) -> Float[Array, "n g v o"]:
        cfg = self.config
        bias: Any = 0.0
        if not (self.constant and cfg.bias_first):
            bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32) * cfg.conv_lr
        if not self.constant:
            shape = 3, 3, x.shape[-1], self.features
            kernel = self.param("kernel", nn.initializers.normal(1 / cfg.conv_lr), shape, jnp.float32)
            kernel = ops.equalized(kernel, cfg.conv_gain, cfg.conv_lr)
            x = ops.nearest_conv(x, kernel) if self.up else ops.conv(x, kernel)
        if cfg.bias_first:
            x = x + bias
        if self.up:
            x = ops.blur(x, cfg.filter, (1, 1))
        if cfg.use_noise:
            strength = self.param("noise_strength", nn.initializers.zeros, (self.features,), jnp.float32)
            if picture is not None:
                x = x + picture[..., None] * ops.equalized(strength[:, None], cfg.noise_gain)[:, 0]
        if not cfg.bias_first:
            x = x + bias
        return self.styled(ops.instance_norm(ops.leaky_relu(x, 1.0), cfg.norm_eps), w)

    def styled(self, x: Float[Array, "n h w c"], w: Float[Array, "n d"]) -> Float[Array, "n h w c"]:
        """Each channel scaled and shifted by the style that the affine map makes of w."""
        cfg = self.config
        first = nn.initializers.zeros if cfg.adds_one else _ones_and_zeros
        style = Dense(2 * self.features, cfg.style_gain, bias_init=first, name="affine")(w)
        scale, shift = jnp.split(style[:, None, None], 2, axis=-1)
        return x * (1 + scale if cfg.adds_one else scale) + shift


class ToRGB(nn.Module):
    """Linear 1x1 convolution to colours."""

    config: StyleGAN1Config

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n h w c"]:
        cfg = self.config
        shape = 1, 1, x.shape[-1], cfg.img_channels
        kernel = self.param("kernel", nn.initializers.normal(1 / cfg.conv_lr), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (cfg.img_channels,), jnp.float32)
        return ops.conv(x, ops.equalized(kernel, cfg.rgb_gain, cfg.conv_lr)) + bias * cfg.conv_lr


class SynthesisBlock(nn.Module):
    """One resolution: conv0, which upsamples except at 4x4, conv1, and what its toRGB makes of them."""

    config: StyleGAN1Config
    index: int

    @nn.compact
    def __call__(self, x: Any, rows: list[Float[Array, "n d"]], noise: Noise):
        cfg, k, features = self.config, self.index, self.config.channels[self.index]
        batch = rows[0].shape[0]
        if k == 0:
            const = self.param("const", nn.initializers.ones, (4, 4, features), jnp.float32)
            x = jnp.broadcast_to(const, (batch, *const.shape))
        pictures = self.noise_pictures(noise, batch, x.dtype)
        first = SynthesisLayer(cfg, features, constant=k == 0, up=k > 0, name="conv0")
        x = first(x, rows[cfg.row(k, 0)], pictures[0])
        x = SynthesisLayer(cfg, features, name="conv1")(x, rows[cfg.row(k, 1)], pictures[-1])
        return x, ToRGB(cfg, name="torgb")(x)

    def noise_pictures(self, noise: Noise, batch: int, dtype: Any) -> list[Float[Array, "#n h w"] | None]:
        """One for each layer, or one for both; the same for every sample when const, a fresh one each when random."""
        cfg, pictures = self.config, []
        shape = (cfg.resolutions[self.index],) * 2
        for i in range((1 if cfg.paired else 2) if cfg.use_noise else 0):
            stored = self.variable(
                "buffers",
                f"noise{i}",
                lambda: jax.random.normal(self.make_rng("params"), shape, jnp.float32),
            )
            match noise:
                case "const":
                    pictures.append(stored.value[None])
                case "random":
                    pictures.append(jax.random.normal(self.make_rng("noise"), (batch, *shape), dtype))
        return pictures or [None]


class SynthesisNetwork(nn.Module):
    """ws -> image."""

    config: StyleGAN1Config

    @nn.compact
    def __call__(
        self, ws: Float[Array, "n l d"], noise: Noise = "const", moving: tuple[int, ...] | None = None
    ) -> Float[Array, "n h w c"]:
        cfg, last = self.config, len(self.config.channels) - 1
        # A row that is held still has no tangent at all, so differentiation starts at the first one that moves.
        rows = [
            w if moving is None or i in moving else lax.stop_gradient(w) for i, w in enumerate(jnp.moveaxis(ws, 1, 0))
        ]
        x: Any = None
        image: Any = None
        for k, resolution in enumerate(cfg.resolutions):
            share = growth.share(cfg.lod, last - k)
            rgb: Any = None
            if share > 0:
                x, rgb = SynthesisBlock(cfg, k, name=f"b{resolution}")(x, rows, noise)
            image = growth.faded(image, rgb, share)
        return jnp.tanh(image) if cfg.final_tanh else image


class Network(nn.Module):
    """Mapping and synthesis as one module, so that one dict holds all variables."""

    config: StyleGAN1Config

    def setup(self):
        self.mapping = MappingNetwork(self.config)
        self.synthesis = SynthesisNetwork(self.config)

    def __call__(self, z, c=None):
        w = self.mapping(z, c)
        return self.synthesis(jnp.repeat(w[:, None], self.config.num_ws, axis=1) if self.config.repeat_w else w)
