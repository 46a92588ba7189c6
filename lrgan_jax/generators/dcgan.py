"""DCGAN's generator, as the PyTorch tutorial builds it: any width, any size 4 * 2^k; its latent is z.

A projection of z to 4x4, then transposed 4x4 convolutions that double the size, each followed by batch norm (running
statistics) and ReLU; the last one by tanh. Nothing lies between z and the layers, so z itself plays the part of w, with
a single row of ws.

Source: Radford et al. 2016, arXiv:1511.06434.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.base.checks import check_number
from lrgan_jax.base.deprecation import deprecated
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import ops
from lrgan_jax.generators.latents import Latent, Z, check_label, check_ws, check_z, weights_dtype
from lrgan_jax.generators.protocol import ModelInfo, Noise, check_no_label, check_noise
from lrgan_jax.generators.stored import Stored
from lrgan_jax.layers import Choice, check_layers


@dataclass(frozen=True)
class DCGANConfig:
    """channels: width at each resolution from 4x4 up to half the image's; resolution = 4 * 2^len(channels)."""

    channels: tuple[int, ...] = (512, 256, 128, 64)
    z_dim: int = 100
    img_channels: int = 3
    c_dim = 0
    num_ws = 1

    @property
    def w_dim(self) -> int:
        return self.z_dim

    @property
    def resolution(self) -> int:
        return 4 * 2 ** len(self.channels)


class Network(nn.Module):
    """z -> image."""

    config: DCGANConfig

    def setup(self):
        cfg, init = self.config, nn.initializers.normal(0.02)
        widths = (*cfg.channels, cfg.img_channels)
        self.project = self.param("project", init, (4, 4, cfg.z_dim, widths[0]), jnp.float32)
        self.ups = [
            self.param(f"up{k}", init, (4, 4, *widths[k : k + 2]), jnp.float32) for k in range(len(cfg.channels))
        ]
        for k in range(len(cfg.channels)):
            setattr(self, f"norm{k}", nn.BatchNorm(use_running_average=True, epsilon=1e-5))

    def __call__(self, z: Float[Array, "n z"]) -> Float[Array, "n h w c"]:
        return self.stages(z)[-1]

    def stages(self, z: Float[Array, "n z"]) -> list[Float[Array, "n ..."]]:
        """What each layer gives, ReLU not yet taken: [N, 4, 4, C0], [N, 8, 8, C1], ..., and at last the image."""
        # HIGHEST for the same reason as StyleGAN2's styles: everything depends on it, and it costs next to nothing.
        found = [self.norm0(jnp.einsum("ni,hwio->nhwo", z, self.project, precision="highest"))]
        for k in range(len(self.ups)):
            found.append(self.layer(k, nn.relu(found[-1])))
        return found

    def layer(self, k: int, x: Float[Array, "n h w c"]) -> Float[Array, "n 2*h 2*w d"]:
        """Features, ReLU taken, to the next ones, or by the last layer to the image."""
        y = ops.conv_transpose_4x4(x, self.ups[k])
        return jnp.tanh(y) if k == len(self.ups) - 1 else getattr(self, f"norm{k + 1}")(y)


def init(key: Array, config: DCGANConfig) -> dict[str, Any]:
    """Fresh variables in float32, {"params": ..., "batch_stats": ...}."""
    return dict(Network(config).init(key, jnp.zeros((1, config.z_dim), jnp.float32)))


@partial(jax.jit, static_argnames="config")
def synthesize(config: DCGANConfig, variables, z: Float[Array, "n z"]) -> Float[Array, "n h w c"]:
    """z -> images in [-1, 1]. A pure function of `variables`."""
    network: Any = Network(config)  # Linen's type of `apply` has room for mutated variables, which are never asked for
    return network.apply(variables, z)


@partial(jax.tree_util.register_dataclass, data_fields=("variables",), meta_fields=("config", "info"))
@dataclass(frozen=True, eq=False, repr=False)
class DCGAN(Stored):
    """A DCGAN generator with its weights; a pytree. `mapping` is the identity on z, `synthesis` takes z."""

    config: DCGANConfig
    variables: Mapping[str, Any] = field(repr=False)
    info: ModelInfo = ModelInfo()
    space = Z
    classes = None

    @property
    def size(self) -> tuple[int, int]:
        return self.config.resolution, self.config.resolution

    @property
    def resolution(self) -> int:
        """Deprecated: `size`."""
        deprecated("resolution", instead="size, (height, width)", since="0.2")
        return self.size[0]

    def mapping(
        self,
        z: ArrayLike | Latent,
        c: ArrayLike | None = None,
        truncation: float | Array = 1.0,
        cutoff: int | None = None,
    ) -> Z:
        """z [N, z_dim] -> truncation * z: the mean latent is 0. `cutoff` 1 (the only layer) or None truncates, 0 does
        not.

        Raises:
          InputTypeError, InputError: as `StyleGAN2.mapping`.
        """
        check_number("truncation", truncation)
        z = check_z(z, self.z_dim, weights_dtype(self.variables))
        check_label(c, self.c_dim, len(z))
        if cutoff not in (None, 0, 1):
            raise InputError(f"cutoff counts layers, 0 or 1 for this model, got {cutoff}")
        return Z(z if cutoff == 0 else jnp.asarray(truncation, z.dtype) * z)

    def synthesis(
        self,
        w: ArrayLike | Latent,
        c: ArrayLike | None = None,
        *,
        noise: Noise = "const",
        key: Array | None = None,
    ) -> Float[Array, "n h w c"]:
        """z [N, z_dim], or with one layer axis [N, 1, z_dim], -> images [N, H, W, C] in [-1, 1]. There is no noise to
        choose.

        Raises:
          InputTypeError, InputError: as `StyleGAN2.synthesis`.
        """
        check_noise(noise, key)
        check_no_label(self, c)
        z = w.array if isinstance(w, Z) else w  # here z is the latent to edit
        return synthesize(self.config, self.variables, check_ws(z, 1, self.z_dim, weights_dtype(self.variables))[:, 0])

    def style_weights(self, layers: Choice = None) -> Float[Array, "k d"]:
        """Rows of the projection of z to the first features, one per feature; they are what SeFa factorises here."""
        if layers is not None:
            check_layers(layers, self.num_ws)
        return jnp.moveaxis(self.variables["params"]["project"], 2, -1).reshape(-1, self.z_dim)
