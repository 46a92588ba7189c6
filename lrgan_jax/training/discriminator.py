"""StyleGAN2's discriminator in Flax Linen: residual blocks from the image down to 4x4, then one score per image.

Names follow NVIDIA's PyTorch code (`b64/conv0/kernel`, `b4/out/bias`), weights are equalised as in the generator. The
last block sees the standard deviation over small groups of the batch, which betrays a generator that always makes the
same image.

Source: Karras et al. 2020, arXiv:1912.04958 (appendix B, "residual discriminator"); minibatch standard deviation:
Karras et al. 2018, arXiv:1710.10196, section 3.
"""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import ops
from lrgan_jax.generators.stylegan2_network import Conv1x1, Dense


@dataclass(frozen=True)
class DiscriminatorConfig:
    """channels: width at each resolution, from 4x4 upwards. group: images that the minibatch standard deviation
    compares.
    """

    channels: tuple[int, ...]
    img_channels: int = 3
    group: int = 4
    filter: ops.Filter = (0.125, 0.375, 0.375, 0.125)

    @property
    def resolution(self) -> int:
        return 4 * 2 ** (len(self.channels) - 1)


class Conv(nn.Module):
    """Equalised convolution, bias, leaky ReLU; halves the size when `down`."""

    features: int
    size: int = 3
    down: ops.Filter | None = None
    gain: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n g v o"]:
        kernel = self.param(
            "kernel", nn.initializers.normal(1.0), (self.size, self.size, x.shape[-1], self.features), jnp.float32
        )
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        kernel = kernel / float(np.sqrt(self.size**2 * x.shape[-1]))
        x = ops.conv(x, kernel) if self.down is None else ops.down_conv(x, kernel, self.down)
        return ops.leaky_relu(x + bias, float(np.sqrt(2)) * self.gain)


class Block(nn.Module):
    """Two convolutions beside a linear shortcut, to half the size. Their sum of two keeps unit variance."""

    config: DiscriminatorConfig
    index: int

    @nn.compact
    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n h//2 w//2 o"]:
        cfg, k, gain = self.config, self.index, float(np.sqrt(0.5))
        if k == len(cfg.channels) - 1:
            x = Conv(cfg.channels[k], size=1, name="fromrgb")(x)
        skip = Conv1x1(cfg.channels[k - 1], name="skip")(ops.downsample(x, cfg.filter)) * gain
        x = Conv(cfg.channels[k], name="conv0")(x)
        return skip + Conv(cfg.channels[k - 1], down=cfg.filter, gain=gain, name="conv1")(x)


class Epilogue(nn.Module):
    """4x4 features -> score."""

    config: DiscriminatorConfig

    @nn.compact
    def __call__(self, x: Float[Array, "n 4 4 c"]) -> Float[Array, " n"]:
        features = self.config.channels[0]
        x = jnp.concatenate([x, group_deviation(x, self.config.group)], axis=-1)
        x = Conv(features, name="conv")(x)
        x = ops.leaky_relu(Dense(features, name="fc")(x.reshape(len(x), -1)))
        return Dense(1, name="out")(x)[:, 0]


class Discriminator(nn.Module):
    """Images -> scores, high for real ones."""

    config: DiscriminatorConfig

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"]) -> tuple[Float[Array, " n"], list[Array]]:
        """Scores, and the features that each block but the last gives."""
        features = []
        for k in range(len(self.config.channels) - 1, 0, -1):
            x = Block(self.config, k, name=f"b{4 * 2**k}")(x)
            features.append(x)
        return Epilogue(self.config, name="b4")(x), features


def group_deviation(x: Float[Array, "n h w c"], group: int) -> Float[Array, "n h w 1"]:
    """Standard deviation over each run of `group` consecutive images, averaged over pixels and channels, as one more
    channel.

    Consecutive, where others stride through the batch: so a batch split over devices, or reals put before fakes, keeps
    its groups.

    Raises:
      InputError: if the batch is not made of whole groups.
    """
    if len(x) % group:
        raise InputError(f"a batch of {len(x)} images is not made of groups of {group}")
    groups = x.reshape(-1, group, *x.shape[1:])
    deviation = jnp.sqrt(jnp.var(groups, axis=1) + 1e-8).mean((1, 2, 3))
    return jnp.broadcast_to(jnp.repeat(deviation, group)[:, None, None, None], (*x.shape[:-1], 1))


def init(key: Array, config: DiscriminatorConfig) -> dict[str, Any]:
    """Fresh parameters, in float32."""
    images = jnp.zeros((config.group, config.resolution, config.resolution, config.img_channels), jnp.float32)
    return dict(Discriminator(config).init(key, images)["params"])


def score(config: DiscriminatorConfig, params, images: Float[Array, "n h w c"]) -> Float[Array, " n"]:
    """One number per image, high for real ones. A pure function; the batch must be made of whole groups."""
    return score_and_features(config, params, images)[0]


def score_and_features(
    config: DiscriminatorConfig, params, images: Float[Array, "n h w c"]
) -> tuple[Float[Array, " n"], list[Array]]:
    """The score, and features [N, h, w, C] after each block from the image's size down to 4x4."""
    network: Any = Discriminator(config)
    return network.apply({"params": params}, images)
