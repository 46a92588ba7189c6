"""The layers of BigGAN and BigGAN-deep in Flax Linen, and what fixes their shapes: of whichever project, once its
checkpoint is converted.

A projection of z to a small picture, then blocks that condition their batch norms by z and class and mostly double the
size, self-attention between some of them, and a last norm, convolution and tanh.

Symbols: z [N, z_dim]; y [N, e], the class embedding, or the label itself where each norm has a table of classes of its
own, which is linear in it; r, where normalising statistics differ by truncation, their place in the table. All that a
picture is made of is w = [z, y, r].

Weights are kept as trained, beside the spectral norm that divides them. Projects estimate that norm in different ways,
from vectors that training leaves behind, so it is found once, when a checkpoint is converted.

Source: Brock et al. 2019, arXiv:1809.11096, appendix B; attention from Zhang et al. 2019, arXiv:1805.08318.
"""

from dataclasses import dataclass
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from lrgan_jax.generators import ops


@dataclass(frozen=True)
class BigGANConfig:
    """Everything that fixes the network's shape and arithmetic; hashable, so it is static under `jit`.

    Attributes:
      channels: width in front of each block, and after the last. ups: which blocks double the size.
      class_dim: e, of the class embedding; None where y is the label itself.
      deep: blocks of four convolutions through a quarter of the width (BigGAN-deep), instead of two.
      z_goes: to the first layer alone; a chunk there, and one to each block; or everywhere, whole, with the class.
      attention: in front of which blocks there is self-attention; the number of blocks stands for the end.
      bottom: side of the first small picture.
      norm: of the blocks: the usual conditional one; "added", which adds its gain where others multiply; or "none",
        which does not normalise.
      eps, last_eps: of the blocks' norms and of the last one.
      num_statistics: tables of means and variances, evenly spaced in truncation up to 1.
      counted: statistics are sums over a number of batches, which stands beside them.
    """

    channels: tuple[int, ...]
    ups: tuple[bool, ...]
    z_dim: int = 120
    c_dim: int = 1000
    class_dim: int | None = 128
    img_channels: int = 3
    deep: bool = False
    z_goes: Literal["first", "chunks", "everywhere"] = "chunks"
    attention: tuple[int, ...] = ()
    bottom: int = 4
    norm: Literal["usual", "added", "none"] = "usual"
    eps: float = 1e-5
    last_eps: float = 1e-5
    num_statistics: int = 1
    counted: bool = False
    num_ws = 1

    @property
    def size(self) -> int:
        return self.bottom * 2 ** sum(self.ups)

    @property
    def y_dim(self) -> int:
        return self.c_dim if self.class_dim is None else self.class_dim

    @property
    def by_truncation(self) -> bool:
        return self.num_statistics > 1

    @property
    def w_dim(self) -> int:
        return self.z_dim + self.y_dim + self.by_truncation

    def numbers(self, layer: int) -> tuple[int, ...]:
        """Those of w that condition a layer, 0 being the projection and 1 the first block, in the layer's order."""
        z, y = range(self.z_dim), range(self.z_dim, self.z_dim + self.y_dim)
        if self.z_goes == "everywhere":
            return (*z, *y)
        if self.z_goes == "first":
            return tuple(y if layer else z)
        chunk = self.z_dim // (len(self.ups) + 1)
        return (*z[chunk * layer : chunk * (layer + 1)], *(y if layer else ()))


# ---- The modules, which hold the weights.


def _weight(module: nn.Module, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """A kernel over its spectral norm, which is the sum of two numbers, the second what 32 bits leave of the first: so
    a network that is cast to 64 bits divides by what 64 bits would have found.
    """
    kernel = module.param("kernel", nn.initializers.lecun_normal(), shape, jnp.float32)
    norm = module.variable("buffers", "spectral_norm", lambda: jnp.array([1, 0], jnp.float32))
    return kernel / norm.value.sum()


def _bias(module: nn.Module, features: int) -> Float[Array, " o"]:
    return module.param("bias", nn.initializers.zeros, (features,), jnp.float32)


class Dense(nn.Module):
    features: int
    use_bias: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "n i"]) -> Float[Array, "n o"]:
        # HIGHEST for the same reason as StyleGAN2's styles: everything depends on it, and it costs next to nothing.
        y = jnp.matmul(x, _weight(self, (x.shape[-1], self.features)), precision=lax.Precision.HIGHEST)
        return y + _bias(self, self.features) if self.use_bias else y


class Conv(nn.Module):
    features: int
    width: int = 3
    up: bool = False  # of the picture at twice its size
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n g v o"]:
        kernel = _weight(self, (self.width, self.width, x.shape[-1], self.features))
        if self.up and self.width == 1:  # a pixel at a time, so it may as well come first
            y = ops.nearest(ops.conv(x, kernel))
        else:
            y = ops.nearest_conv(x, kernel) if self.up else ops.conv(x, kernel)
        return y + _bias(self, self.features) if self.use_bias else y


class Statistics(nn.Module):
    """Stored means and variances [N, C], those that belong to r."""

    config: BigGANConfig
    features: int

    @nn.compact
    def __call__(self, r: Float[Array, " n"] | None) -> tuple[Float[Array, "#n c"], Float[Array, "#n c"]]:
        cfg, shape = self.config, (self.config.num_statistics, self.features)
        tables = [
            self.variable("buffers", name, lambda value=value: jnp.full(shape, value, jnp.float32)).value
            for name, value in (("mean", 0), ("var", 1))
        ]
        if cfg.counted:
            count = self.variable("buffers", "count", lambda: jnp.ones((), jnp.float32)).value
            tables = [table / count for table in tables]
        mean, var = tables if r is None else (interpolated(table, r) for table in tables)
        return mean, var


class Norm(nn.Module):
    """Batch norm by stored statistics, its gain and shift following from a condition [N, k]."""

    config: BigGANConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "n h w c"], condition: Float[Array, "n k"], r: Float[Array, " n"] | None
    ) -> Float[Array, "n h w c"]:
        cfg, features = self.config, x.shape[-1]
        gain, shift = 1 + Dense(features, name="gain")(condition), Dense(features, name="shift")(condition)
        if cfg.norm == "none":
            return _scaled(x, gain, shift)
        return _normalised(x, *Statistics(cfg, features, name="statistics")(r), gain, shift, cfg.eps, cfg.norm)


class LastNorm(nn.Module):
    """The same with gain and shift of its own."""

    config: BigGANConfig

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"], r: Float[Array, " n"] | None) -> Float[Array, "n h w c"]:
        cfg, features = self.config, x.shape[-1]
        gain, shift = self.param("gain", nn.initializers.ones, (features,), jnp.float32), _bias(self, features)
        return _normalised(x, *Statistics(cfg, features, name="statistics")(r), gain, shift, cfg.last_eps, cfg.norm)


class Block(nn.Module):
    """BigGAN's: two convolutions beside a linear one."""

    config: BigGANConfig
    features: int
    up: bool

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"], condition, r) -> Float[Array, "n g v o"]:
        h = nn.relu(Norm(self.config, name="norm1")(x, condition, r))
        h = Conv(self.features, up=self.up, name="conv1")(h)
        h = nn.relu(Norm(self.config, name="norm2")(h, condition, r))
        return Conv(self.features, name="conv2")(h) + Conv(self.features, width=1, up=self.up, name="skip")(x)


class DeepBlock(nn.Module):
    """BigGAN-deep's: four convolutions beside the input's first channels."""

    config: BigGANConfig
    features: int
    up: bool

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"], condition, r) -> Float[Array, "n g v o"]:
        inner, h = x.shape[-1] // 4, x
        convolutions = (
            Conv(inner, width=1, name="conv1"),
            Conv(inner, up=self.up, name="conv2"),
            Conv(inner, name="conv3"),
            Conv(self.features, width=1, name="conv4"),
        )
        for k, convolution in enumerate(convolutions):
            h = convolution(nn.relu(Norm(self.config, name=f"norm{k + 1}")(h, condition, r)))
        kept = x[..., : self.features]
        return h + (ops.nearest(kept) if self.up else kept)


class Attention(nn.Module):
    """Every pixel looks at all of the picture at half its size, and adds gamma times what it finds."""

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        features = x.shape[-1]

        def linear(features, name):
            return Conv(features, width=1, use_bias=False, name=name)

        def flat(a):
            return a.reshape(len(a), -1, a.shape[-1])

        query = flat(linear(features // 8, "query")(x))
        key = flat(ops.max_pool(linear(features // 8, "key")(x)))
        value = flat(ops.max_pool(linear(features // 2, "value")(x)))
        weights = nn.softmax(jnp.einsum("nqc,nkc->nqk", query, key), axis=-1)
        seen = jnp.einsum("nqk,nkc->nqc", weights, value).reshape(*x.shape[:3], -1)
        gamma = self.param("gamma", nn.initializers.zeros, (), jnp.float32)
        return x + gamma * linear(features, "out")(seen)


class Network(nn.Module):
    config: BigGANConfig

    def setup(self):
        if (width := self.config.class_dim) is not None:
            shape = (self.config.c_dim, width)
            self.embedding = self.param("embedding", nn.initializers.normal(1.0), shape, jnp.float32)

    @nn.compact
    def __call__(self, w: Float[Array, "n d"]) -> Float[Array, "n h w c"]:
        cfg, block = self.config, DeepBlock if self.config.deep else Block
        r = lax.stop_gradient(w[:, -1]) if cfg.by_truncation else None
        condition = [w[:, jnp.array(cfg.numbers(layer))] for layer in range(len(cfg.ups) + 1)]
        x = Dense(cfg.bottom**2 * cfg.channels[0], use_bias=True, name="project")(condition[0])
        x = x.reshape(len(w), cfg.bottom, cfg.bottom, cfg.channels[0])
        for k, (features, up) in enumerate(zip(cfg.channels[1:], cfg.ups, strict=True)):
            if k in cfg.attention:
                x = Attention(name=f"attention{k}")(x)
            x = block(cfg, features, up, name=f"block{k}")(x, condition[k + 1], r)
        if len(cfg.ups) in cfg.attention:
            x = Attention(name=f"attention{len(cfg.ups)}")(x)
        x = nn.relu(LastNorm(cfg, name="norm")(x, r))
        return jnp.tanh(Conv(cfg.img_channels, name="rgb")(x))


# ---- Their arithmetic.


def _scaled(x: Float[Array, "n h w c"], gain: Float[Array, "*#n c"], shift: Float[Array, "*#n c"]):
    gain, shift = (a.reshape(-1, 1, 1, a.shape[-1]) for a in (gain, shift))
    return x * gain + shift


def _normalised(x, mean, var, gain, shift, eps: float, kind: str):
    """Normalising and all after it as one scale and shift per channel."""
    scale = lax.rsqrt(var + eps)
    if kind == "added":
        return _scaled(x, scale, gain + shift - mean * scale)
    return _scaled(x, scale * gain, shift - mean * scale * gain)


def interpolated(table: Float[Array, "s c"], r: Float[Array, " n"]) -> Float[Array, "n c"]:
    """Rows of a table at places between them."""
    below = jnp.clip(jnp.floor(r), 0, len(table) - 1)
    share = (r - below)[:, None]
    index = below.astype(jnp.int32)
    return table[index] * (1 - share) + table[jnp.minimum(index + 1, len(table) - 1)] * share
