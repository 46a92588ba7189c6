"""StyleGAN (1): its network (`stylegan1_network.py`) as pure functions, and as a generator.

Latents: z [N, z_dim] -> mapping -> w [N, w_dim], or ws [N, num_ws, w_dim] with a row for each layer: row 2k styles
conv0 and row 2k + 1 conv1 of the block of resolution 4 * 2^k; with `paired`, row k styles both.

Source: Karras et al. 2019, arXiv:1812.04948.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.generators.growth import Growing
from lrgan_jax.generators.latents import Latent, check_ws, weights_dtype
from lrgan_jax.generators.protocol import ModelInfo, Noise, check_no_label, check_noise
from lrgan_jax.generators.stored import Mapped
from lrgan_jax.generators.stylegan1_network import Network, StyleGAN1Config
from lrgan_jax.generators.windows import Window, crop
from lrgan_jax.layers import Choice, check_layers


def init(key: Array, config: StyleGAN1Config) -> dict[str, Any]:
    """Fresh variables in float32, {"params": ..., "buffers": ...}, of all blocks whatever `config.lod` is."""
    z, c = (jnp.zeros((1, size), jnp.float32) for size in (config.z_dim, config.c_dim))
    whole = dataclasses.replace(config, lod=0.0)
    return dict(Network(whole).init(key, z, c if config.c_dim else None))


@partial(jax.jit, static_argnames="config")
def map_latents(config: StyleGAN1Config, variables, z, c) -> Float[Array, "n *rows d"]:
    """z -> w, or ws of a network that makes one for each layer, no truncation. A pure function of `variables`."""
    network: Any = Network(config)  # Linen's type of `apply` has room for mutated variables, which are never asked for
    return network.apply(variables, z, c, method=lambda net, z, c: net.mapping(z, c))


@partial(jax.jit, static_argnames=("config", "noise", "moving"))
def synthesize(
    config: StyleGAN1Config, variables, ws, noise: Noise = "const", key=None, moving: tuple[int, ...] | None = None
) -> Float[Array, "n h w c"]:
    """ws -> images about [-1, 1]. A pure function of `variables`; `key` feeds random noise only.

    Args:
      moving: rows of ws that have a derivative; None for all.
    """
    network: Any = Network(config)
    rngs = {"noise": key} if noise == "random" else None
    return network.apply(variables, ws, noise, moving, rngs=rngs, method=lambda net, *args: net.synthesis(*args))


@partial(jax.tree_util.register_dataclass, data_fields=("variables",), meta_fields=("config", "info"))
@dataclass(frozen=True, eq=False, repr=False)
class StyleGAN1(Growing, Mapped):
    """A StyleGAN (1) with its weights: a pytree, so it passes through `jit`, `vmap` and `jax.tree.map` (to float64,
    say).
    """

    config: StyleGAN1Config
    variables: Mapping[str, Any] = field(repr=False)
    info: ModelInfo = ModelInfo()
    map_latents = staticmethod(map_latents)

    @property
    def size(self) -> tuple[int, int]:
        return self.config.resolutions[-1], self.config.resolutions[-1]

    def synthesis(
        self,
        w: ArrayLike | Latent,
        c: ArrayLike | None = None,
        *,
        noise: Noise = "const",
        key: Array | None = None,
    ) -> Float[Array, "n h w c"]:
        """w [N, w_dim] or ws [N, num_ws, w_dim] -> images [N, H, W, C], about [-1, 1].

        Args:
          c: nothing: a label goes into the mapping, and w says the rest.
          noise: "const" adds the stored pictures, "none" nothing, "random" fresh ones from `key`.
        Raises:
          InputTypeError, InputError: as `StyleGAN2.synthesis`.
        """
        check_noise(noise, key)
        check_no_label(self, c)
        ws = check_ws(w, self.num_ws, self.w_dim, weights_dtype(self.variables))
        return synthesize(self.config, self.variables, ws, noise, key)

    def partial_synthesis(
        self, ws: ArrayLike | Latent, noise: Noise, moving: tuple[int, ...] | None, window: Window | None
    ) -> Float[Array, "n h w c"]:
        """See `view.image_function`. The instance norms look at all of the picture, so a part costs as much."""
        ws = check_ws(ws, self.num_ws, self.w_dim, weights_dtype(self.variables))
        image = synthesize(self.config, self.variables, ws, noise, None, moving)
        return image if window is None else crop(image, Window(0, 0, *self.size), window)

    def style_weights(self, layers: Choice = None) -> Float[Array, "k d"]:
        """Rows of the affine maps that turn these rows of ws into styles: one per scale and one per shift of a channel,
        as in SeFa's released code. None takes all layers.
        """
        chosen = range(self.num_ws) if layers is None else check_layers(layers, self.num_ws)
        blocks = self.variables["params"]["synthesis"]
        maps = [
            blocks[f"b{resolution}"][f"conv{i}"]["affine"]["kernel"].T
            for row in chosen
            for k, resolution in enumerate(self.config.resolutions)
            for i in (0, 1)
            if self.config.row(k, i) == row
        ]
        return jnp.concatenate(maps)
