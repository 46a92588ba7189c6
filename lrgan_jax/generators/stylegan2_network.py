"""StyleGAN2's configuration and its network in Flax Linen; `stylegan2.py` makes a generator of it.

The modules hold parameters, `ops.py` does the arithmetic. Variables are a plain dict of two collections: `params`
(trained) and `buffers` (`w_avg`, the constant noise pictures). Names follow NVIDIA's PyTorch code:
`synthesis/b64/conv0/affine/kernel`. Weights are stored with unit variance; the equalised learning rate is applied at
run time.

Source: Karras et al. 2020, arXiv:1912.04958; conditioning and clamping from Karras et al. 2020, arXiv:2006.06676.
"""

from dataclasses import dataclass
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from lrgan_jax.generators import ops
from lrgan_jax.generators.protocol import Modulated, Noise
from lrgan_jax.generators.windows import Size, Window, crop, needed


@dataclass(frozen=True)
class StyleGAN2Config:
    """Everything that fixes the network's shape and arithmetic; hashable, so it is static under `jit`.

    Attributes:
      channels: width of each block, from the smallest upwards.
      const_size: height and width of the learned constant, from which each block after the first doubles: images are
        2^(len(channels) - 1) times as large. 4x2 in StyleGAN-Human, of twice as high pictures.
      mapping_features: width of the hidden mapping layers. embed_features: of the label embedding.
      label_concat: labels pick a row of a plain table, put after z and normalised together with it, as in the
        TensorFlow StyleGAN2's LabelConcat and genforce's sefa; otherwise an equalised layer embeds them and z is
        normalised alone (StyleGAN2-ADA).
      filter: resampling filter, unit sum; taps of a separable one or rows of taps.
      use_noise: whether the layers have noise at all.
      conv_clamp: bound on every convolution's output, or None.
      scaled_demodulation: whether the equalising factor 1/(3 sqrt(I)) stands inside the demodulation's root, as in the
        TensorFlow and rosinality codes. It cancels but for the root's 1e-8: a relative difference of 1e-8, seen in
        float64 only.
    """

    channels: tuple[int, ...]
    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0
    img_channels: int = 3
    architecture: Literal["skip", "resnet", "orig"] = "skip"
    mapping_layers: int = 8
    mapping_features: int = 512
    mapping_lr: float = 0.01
    embed_features: int = 512
    label_concat: bool = False
    filter: ops.Filter = (0.125, 0.375, 0.375, 0.125)
    use_noise: bool = True
    conv_clamp: float | None = None
    scaled_demodulation: bool = False
    const_size: Size = (4, 4)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """What the blocks are called by: their size, were the constant of 4x4."""
        return tuple(4 * 2**k for k in range(len(self.channels)))

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Height and width of each block."""
        height, width = self.const_size
        return tuple((height * 2**k, width * 2**k) for k in range(len(self.channels)))

    @property
    def num_ws(self) -> int:
        return 2 * len(self.channels)

    @property
    def modulated(self) -> tuple[Modulated, ...]:
        """Every convolution that has a style, in the order of the network: conv0, conv1 and, where there is one, the
        toRGB of each block.
        """
        found, last = [], len(self.channels) - 1
        for k, (resolution, width) in enumerate(zip(self.resolutions, self.channels, strict=True)):
            if k > 0:
                found.append(Modulated(f"b{resolution}/conv0", 2 * k - 1, self.channels[k - 1]))
            found.append(Modulated(f"b{resolution}/conv1", 2 * k, width))
            if self.architecture == "skip" or k == last:
                found.append(Modulated(f"b{resolution}/torgb", 2 * k + 1, width))
        return tuple(found)


class Dense(nn.Module):
    """Fully connected layer with equalised learning rate."""

    features: int
    lr_multiplier: float = 1.0
    bias_init: nn.initializers.Initializer = nn.initializers.zeros

    @nn.compact
    def __call__(self, x: Float[Array, "n i"]) -> Float[Array, "n o"]:
        std = 1 / self.lr_multiplier
        kernel = self.param("kernel", nn.initializers.normal(std), (x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", self.bias_init, (self.features,), jnp.float32)
        return ops.dense(x, kernel, bias, self.lr_multiplier)


class MappingNetwork(nn.Module):
    """z (and label c) -> w, before truncation."""

    config: Any  # StyleGAN2's, or another family's that says as much of this network

    @nn.compact
    def __call__(self, z: Float[Array, "n z"], c: Float[Array, "n c"] | None) -> Float[Array, "n d"]:
        cfg = self.config
        self.variable(
            "buffers", "w_avg", jnp.zeros, (cfg.w_dim,), jnp.float32
        )  # read by truncation, held here like its peers do
        if c is not None and cfg.label_concat:
            table = self.param(
                "label_weight", nn.initializers.normal(1.0), (cfg.c_dim, cfg.embed_features), jnp.float32
            )
            z = jnp.concatenate([z, jnp.matmul(c, table, precision="highest")], axis=-1)
        x = ops.normalize_2nd_moment(z)
        if c is not None and not cfg.label_concat:
            embedding = Dense(cfg.embed_features, name="embed")(c)
            x = jnp.concatenate([x, ops.normalize_2nd_moment(embedding)], axis=-1)
        for i in range(cfg.mapping_layers):
            features = cfg.mapping_features if i < cfg.mapping_layers - 1 else cfg.w_dim
            x = ops.leaky_relu(Dense(features, cfg.mapping_lr, name=f"fc{i}")(x))
        return x


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU; doubles the size when `up`."""

    config: StyleGAN2Config
    features: int
    size: Size  # of the whole image here, of which `window` says the part that is computed
    up: bool = False
    gain: float = 1.0

    @nn.compact
    def __call__(
        self, x: Float[Array, "n h w i"], w: Float[Array, "n d"], noise: Noise, window: Window
    ) -> Float[Array, "n g v o"]:
        cfg = self.config
        style = Dense(x.shape[-1], bias_init=nn.initializers.ones, name="affine")(w)
        kernel = self.param("kernel", nn.initializers.normal(1.0), (3, 3, x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        eps = 1e-8 * (9 * x.shape[-1] if cfg.scaled_demodulation else 1)
        x = ops.modulated_conv(x, kernel, style, demodulation_eps=eps, up_filter=cfg.filter if self.up else None)
        if cfg.use_noise:
            x = x + self.noise_picture(noise, x, window)[..., None]
        clamp = None if cfg.conv_clamp is None else cfg.conv_clamp * self.gain
        return ops.leaky_relu(x + bias, float(np.sqrt(2)) * self.gain, clamp)

    def noise_picture(self, noise: Noise, x, window: Window) -> Float[Array, "#n h w"]:
        """One picture for all channels: the same for every sample when const, a fresh one each when random."""
        strength = self.param("noise_strength", nn.initializers.zeros, (), jnp.float32)
        shape = self.size
        stored = self.variable(
            "buffers", "noise_const", lambda: jax.random.normal(self.make_rng("params"), shape, jnp.float32)
        )
        if noise == "none":
            return jnp.zeros((1, 1, 1), x.dtype)
        fresh = noise == "random"
        picture = jax.random.normal(self.make_rng("noise"), (len(x), *shape), x.dtype) if fresh else stored.value[None]
        return strength * crop(picture[..., None], Window(0, 0, *shape), window)[..., 0]


class ToRGB(nn.Module):
    """Modulated 1x1 convolution without demodulation or noise. The equalising 1/sqrt(I) goes on the style."""

    config: StyleGAN2Config

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"], w: Float[Array, "n d"]) -> Float[Array, "n h w c"]:
        style = Dense(x.shape[-1], bias_init=nn.initializers.ones, name="affine")(w) / float(np.sqrt(x.shape[-1]))
        kernel = self.param(
            "kernel", nn.initializers.normal(1.0), (1, 1, x.shape[-1], self.config.img_channels), jnp.float32
        )
        bias = self.param("bias", nn.initializers.zeros, (self.config.img_channels,), jnp.float32)
        x = ops.modulated_conv(x, kernel, style, demodulation_eps=None) + bias
        clamp = self.config.conv_clamp
        return x if clamp is None else jnp.clip(x, -clamp, clamp)


class SynthesisBlock(nn.Module):
    """One resolution: (upsampling conv0,) conv1 and, where the architecture has one, a toRGB added to the picture."""

    config: StyleGAN2Config
    index: int

    @nn.compact
    def __call__(self, x, image, rows: list[Float[Array, "n d"]], noise: Noise, have: Window, want: Window):
        """`x` and `image` hold the part `have` of the block below; what comes out is the part `want` of this one."""
        cfg, k, features = self.config, self.index, self.config.channels[self.index]
        size = cfg.sizes[k]
        wider = want.grown(1, size)  # what conv1 looks at
        residual = cfg.architecture == "resnet" and k > 0
        gain = float(np.sqrt(0.5)) if residual else 1.0  # two branches of unit variance add up to unit variance
        if k == 0:
            const = self.param("const", nn.initializers.normal(1.0), (*size, features), jnp.float32)
            const = crop(const[None], Window(0, 0, *size), wider)
            x = skip = jnp.broadcast_to(const, (rows[0].shape[0], *const.shape[1:]))
        else:
            skip = Conv1x1(features, name="skip")(x) if residual else x
            x = SynthesisLayer(cfg, features, size, up=True, name="conv0")(x, rows[2 * k - 1], noise, have.doubled())
            x = crop(x, have.doubled(), wider)
        x = crop(
            SynthesisLayer(cfg, features, size, gain=gain, name="conv1")(x, rows[2 * k], noise, wider), wider, want
        )
        if residual:
            x = x + crop(ops.upsample(skip, cfg.filter), have.doubled(), want) * gain
        if image is not None:
            image = crop(ops.upsample(image, cfg.filter), have.doubled(), want)
        if cfg.architecture == "skip" or k == len(cfg.channels) - 1:
            rgb = ToRGB(cfg, name="torgb")(x, rows[2 * k + 1])
            image = rgb if image is None else image + rgb
        return x, image


class Conv1x1(nn.Module):
    """The residual branch's linear 1x1 convolution, equalised, no bias."""

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n h w o"]:
        kernel = self.param("kernel", nn.initializers.normal(1.0), (1, 1, x.shape[-1], self.features), jnp.float32)
        return ops.conv(x, kernel / float(np.sqrt(x.shape[-1])))


class SynthesisNetwork(nn.Module):
    """ws -> image, or the part of it that a window shows."""

    config: StyleGAN2Config

    @nn.compact
    def __call__(
        self,
        ws: Float[Array, "n l d"],
        noise: Noise = "const",
        moving: tuple[int, ...] | None = None,
        window: Window | None = None,
    ) -> Float[Array, "n h w c"]:
        sizes = self.config.sizes
        # A row that is held still has no tangent at all, so differentiation starts at the first one that moves.
        rows = [
            w if moving is None or i in moving else lax.stop_gradient(w) for i, w in enumerate(jnp.moveaxis(ws, 1, 0))
        ]
        windows = needed(window or Window(0, 0, *sizes[-1]), sizes, len(self.config.filter))
        x: Any = None
        image: Any = None
        for k, resolution in enumerate(self.config.resolutions):
            x, image = SynthesisBlock(self.config, k, name=f"b{resolution}")(
                x, image, rows, noise, windows[k - 1], windows[k]
            )
        return image


class Network(nn.Module):
    """Mapping and synthesis as one module, so that one dict holds all variables."""

    config: StyleGAN2Config

    def setup(self):
        self.mapping = MappingNetwork(self.config)
        self.synthesis = SynthesisNetwork(self.config)

    def __call__(self, z, c=None):
        w = self.mapping(z, c)
        return self.synthesis(jnp.repeat(w[:, None], self.config.num_ws, axis=1))
