"""StyleGAN2: its network (`stylegan2_network.py`) as pure functions, and as a generator.

Latents: z [N, z_dim] -> mapping -> w [N, w_dim], or ws [N, num_ws, w_dim] with one row per layer. In the block of
resolution 4 * 2^k, row 2k-1 styles conv0, row 2k conv1 and row 2k+1 the toRGB, which therefore shares its row with the
next block's conv0.

Source: Karras et al. 2020, arXiv:1912.04958.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.base.deprecation import deprecated
from lrgan_jax.generators import ops
from lrgan_jax.generators.latents import Latent, check_ws, weights_dtype
from lrgan_jax.generators.protocol import (
    ModelInfo,
    Modulated,
    Noise,
    check_no_label,
    check_noise,
)
from lrgan_jax.generators.stored import Mapped
from lrgan_jax.generators.stylegan2_network import Network, StyleGAN2Config, SynthesisBlock
from lrgan_jax.generators.windows import Window
from lrgan_jax.layers import Choice, check_layers


def init(key: Array, config: StyleGAN2Config) -> dict[str, Any]:
    """Fresh variables in float32, {"params": ..., "buffers": ...}."""
    z, c = (jnp.zeros((1, size), jnp.float32) for size in (config.z_dim, config.c_dim))
    return dict(Network(config).init(key, z, c if config.c_dim else None))


@partial(jax.jit, static_argnames="config")
def map_latents(config: StyleGAN2Config, variables, z, c) -> Float[Array, "n d"]:
    """z -> w, no truncation. A pure function of `variables`."""
    network: Any = Network(config)  # Linen's type of `apply` has room for mutated variables, which are never asked for
    return network.apply(variables, z, c, method=lambda net, z, c: net.mapping(z, c))


@partial(jax.jit, static_argnames=("config", "noise", "moving", "window"))
def synthesize(
    config: StyleGAN2Config,
    variables,
    ws,
    noise: Noise = "const",
    key=None,
    moving: tuple[int, ...] | None = None,
    window: Window | None = None,
) -> Float[Array, "n h w c"]:
    """ws -> images about [-1, 1]. A pure function of `variables`; `key` feeds random noise only.

    Args:
      moving: rows of ws that have a derivative; None for all. window: the part of the image to compute; None for all of
        it.
    """
    network: Any = Network(config)
    rngs = {"noise": key} if noise == "random" else None
    return network.apply(
        variables, ws, noise, moving, window, rngs=rngs, method=lambda net, *args: net.synthesis(*args)
    )


@partial(jax.jit, static_argnames="config")
def styles_of(config: StyleGAN2Config, variables, ws: Float[Array, "n l d"]) -> Float[Array, "n s"]:
    """ws -> what the affine maps make of them, one after the other as `config.modulated` has them.

    A pure function of `variables`.
    """
    affines = [(ws[:, conv.row], _affine(variables, conv)) for conv in config.modulated]
    return jnp.concatenate([ops.dense(w, affine["kernel"], affine["bias"]) for w, affine in affines], axis=1)


def _affine(variables, conv: Modulated) -> Mapping[str, Array]:
    """The map from w to a convolution's style."""
    block, name = conv.name.split("/")
    return variables["params"]["synthesis"][block][name]["affine"]


@partial(jax.jit, static_argnames=("config", "noise", "window"))
def synthesize_styles(
    config: StyleGAN2Config,
    variables,
    styles: Float[Array, "n s"],
    noise: Noise = "const",
    key=None,
    window: Window | None = None,
) -> Float[Array, "n h w c"]:
    """Images of styles, such as `styles_of` gives: the same network, in which these stand for what its affine maps
    say. A pure function of `variables`.
    """
    ends = np.cumsum([conv.channels for conv in config.modulated])
    each = zip(config.modulated, jnp.split(styles, ends[:-1], axis=1), strict=True)
    own = {f"synthesis/{conv.name}/affine": style for conv, style in each}

    def given(call, args, kwargs, context):
        style = own.get("/".join(context.module.path))
        return call(*args, **kwargs) if style is None else style

    nowhere = jnp.zeros((len(styles), config.num_ws, config.w_dim), styles.dtype)  # read by affine maps alone
    # Not by way of `synthesize`: its compiled programs know nothing of what is put in here.
    network: Any = Network(config)
    rngs = {"noise": key} if noise == "random" else None
    with nn.intercept_methods(given):
        return network.apply(
            variables, nowhere, noise, None, window, rngs=rngs, method=lambda net, *args: net.synthesis(*args)
        )


def features(
    config: StyleGAN2Config, variables, ws: Float[Array, "n l d"]
) -> tuple[Float[Array, "n h w c"], list[Array]]:
    """ws -> image without noise, and what each block hands to the next one, from 4x4 up.

    A pure function of `variables`.
    """
    network: Any = Network(config)
    image, state = network.apply(
        variables,
        ws,
        "none",
        method=lambda net, *args: net.synthesis(*args),
        mutable=["intermediates"],
        capture_intermediates=lambda module, _: isinstance(module, SynthesisBlock),
    )
    blocks = state["intermediates"]["synthesis"]
    return image, [blocks[f"b{r}"]["__call__"][0][0] for r in config.resolutions]


@partial(jax.tree_util.register_dataclass, data_fields=("variables",), meta_fields=("config", "info"))
@dataclass(frozen=True, eq=False, repr=False)
class StyleGAN2(Mapped):
    """A StyleGAN2 with its weights: a pytree, so it passes through `jit`, `vmap` and `jax.tree.map` (to
    float64, say).
    """

    config: StyleGAN2Config
    variables: Mapping[str, Any] = field(repr=False)
    info: ModelInfo = ModelInfo()
    map_latents = staticmethod(map_latents)

    @property
    def size(self) -> tuple[int, int]:
        return self.config.sizes[-1]

    @property
    def resolution(self) -> int:
        """Deprecated: `size`."""
        deprecated("resolution", instead="size, (height, width)", since="0.2")
        return self.size[0]

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
          InputTypeError: if `w` is z. InputError: on wrong shapes, an unknown noise, or random noise without a key.
        """
        check_noise(noise, key)
        check_no_label(self, c)
        ws = check_ws(w, self.num_ws, self.w_dim, weights_dtype(self.variables))
        return synthesize(self.config, self.variables, ws, noise, key)

    def partial_synthesis(
        self, ws: ArrayLike | Latent, noise: Noise, moving: tuple[int, ...] | None, window: Window | None
    ) -> Float[Array, "n h w c"]:
        """See `view.image_function`, which is how this is called."""
        ws = check_ws(ws, self.num_ws, self.w_dim, weights_dtype(self.variables))
        return synthesize(self.config, self.variables, ws, noise, None, moving, window)

    def style_weights(self, layers: Choice = None) -> Float[Array, "k d"]:
        """Rows of the affine maps that turn these rows of ws into styles, one per channel. None takes all layers.

        Row k of ws styles one convolution, or if it is the last row the last toRGB; the other toRGBs, which share their
        rows with a convolution, are left out, as in SeFa's released code.
        """
        by_row = {conv.row: conv for conv in self.config.modulated}  # the later one where two share a row
        wanted = range(self.num_ws) if layers is None else check_layers(layers, self.num_ws)
        return jnp.concatenate([_affine(self.variables, by_row[layer])["kernel"].T for layer in wanted])

    @property
    def modulated(self) -> tuple[Modulated, ...]:
        """See `StyleGAN2Config.modulated`."""
        return self.config.modulated

    def styles(self, w: ArrayLike | Latent) -> Float[Array, "n s"]:
        """w [N, w_dim] or ws [N, num_ws, w_dim] -> the styles that the affine maps make of them, one convolution's
        after the other's.

        Raises:
          InputTypeError, InputError: as `synthesis`.
        """
        return styles_of(
            self.config, self.variables, check_ws(w, self.num_ws, self.w_dim, weights_dtype(self.variables))
        )

    def synthesis_of_styles(
        self, styles: Float[Array, "n s"], noise: Noise, key: Array | None = None, window: Window | None = None
    ) -> Float[Array, "n h w c"]:
        """See `StyleSpace`, which is how this is called."""
        return synthesize_styles(self.config, self.variables, styles, noise, key, window)
