"""StyleGAN3, T and R, in Flax Linen: a picture of waves, then layers that keep to their bands; there is no noise.

Variables are a plain dict of two collections: `params` (trained) and `buffers` (`w_avg`; the input's `frequencies`,
`phases` and `transform`; each layer's filters and the mean square of what comes in, `magnitude`).

Latents: z [N, z_dim] -> mapping -> w [N, w_dim], or ws [N, num_ws, w_dim]: row 0 turns and shifts the input, row i + 1
styles layer i, and the last row the toRGB.

Source: Karras et al. 2021, arXiv:2106.12423; the mapping network is StyleGAN2's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.base.checks import check_number
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import ops
from lrgan_jax.generators.alias_free import filtered_leaky_relu
from lrgan_jax.generators.latents import Latent, check_ws, weights_dtype
from lrgan_jax.generators.protocol import ModelInfo, Noise, check_no_label, check_noise
from lrgan_jax.generators.stored import Mapped
from lrgan_jax.generators.stylegan2_network import Dense, MappingNetwork
from lrgan_jax.generators.stylegan3_design import Layer, filters
from lrgan_jax.generators.windows import Window, crop
from lrgan_jax.layers import Choice, check_layers


@dataclass(frozen=True)
class StyleGAN3Config:
    """Everything that fixes the network's shape and arithmetic; hashable, so it is static under `jit`.

    Attributes:
      layers: the input, then every layer, of which the last is the toRGB; see `stylegan3_design.Design.layers`.
      mapping_features: width of the hidden mapping layers. embed_features: of the label embedding.
      output_scale: of the toRGB's output, after its clamp. final_tanh: whether the image is its tanh.
    """

    layers: tuple[Any, ...]  # each a Layer; in JSON they are plain lists
    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0
    mapping_layers: int = 2
    mapping_features: int = 512
    mapping_lr: float = 0.01
    embed_features: int = 512
    output_scale: float = 0.25
    final_tanh: bool = False
    label_concat = False  # as StyleGAN2's mapping network asks for it

    def __post_init__(self):
        object.__setattr__(self, "layers", tuple(Layer(*layer) for layer in self.layers))

    @property
    def num_ws(self) -> int:
        return len(self.layers)

    @property
    def size(self) -> tuple[int, int]:
        return self.layers[-1].size


class Input(nn.Module):
    """Waves on a plane that w turns and shifts, mixed: the features [N, H, W, C] on which all else is drawn."""

    config: StyleGAN3Config

    def setup(self):
        own, init = self.config.layers[0], nn.initializers.normal(1.0)
        self.affine = Dense(4, bias_init=_upright)
        self.kernel = self.param("kernel", init, (own.channels, own.channels), jnp.float32)
        self.transform = self.variable("buffers", "transform", jnp.eye, 3, dtype=jnp.float32)
        self.frequencies = self.variable("buffers", "frequencies", lambda: _disc(self.make_rng("params"), own))
        self.phases = self.variable("buffers", "phases", lambda: _phases(self.make_rng("params"), own))

    def style(self, w: Float[Array, "n d"]) -> Float[Array, "n 4"]:
        """Cosine and sine of the turn, and the shift, all to be divided by the length of the first two."""
        return self.affine(w)

    def __call__(self, w: Float[Array, "n d"]) -> Float[Array, "n h w c"]:
        own, frequencies = self.config.layers[0], self.frequencies.value
        turned = jnp.einsum("nij,jk->nik", _plane(self.style(w)), self.transform.value, precision="highest")
        waves = jnp.einsum("cx,nxy->ncy", frequencies, turned[:, :2, :2], precision="highest")
        phases = self.phases.value + jnp.einsum("cx,nx->nc", frequencies, turned[:, :2, 2], precision="highest")
        # Waves that the transform makes too fine for the samples fade out, as in the paper's appendix F.
        length = jnp.sqrt(jnp.square(waves).sum(-1))
        strength = jnp.clip(1 - (length - own.cutoff) / (own.rate / 2 - own.cutoff), 0, 1)
        y, x = ((jnp.arange(side, dtype=w.dtype) + 0.5 - side / 2) / own.rate for side in own.size)
        angle = x[:, None] * waves[:, None, None, :, 0] + y[:, None, None] * waves[:, None, None, :, 1]
        features = jnp.sin(2 * np.pi * (angle + phases[:, None, None])) * strength[:, None, None]
        return jnp.einsum("nhwi,io->nhwo", features, self.kernel / float(np.sqrt(own.channels)), precision="highest")


def _upright(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """No turn and no shift."""
    return jnp.zeros(shape, dtype).at[0].set(1)


def _disc(key: Array, own: Layer) -> Float[Array, "c 2"]:
    """Frequencies from a disc of the cutoff's radius, uniform but for the rim."""
    drawn = jax.random.normal(key, (own.channels, 2), jnp.float32)
    radius = jnp.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn / (radius * jnp.exp(radius**2 / 4)) * own.cutoff


def _phases(key: Array, own: Layer) -> Float[Array, " c"]:
    return jax.random.uniform(key, (own.channels,), jnp.float32, -0.5, 0.5)


def _plane(style: Float[Array, "n 4"]) -> Float[Array, "n 3 3"]:
    """The turn times the shift, of the plane under the picture: so both are the picture's own, inverted."""
    style = style / jnp.sqrt(jnp.square(style[:, :2]).sum(-1, keepdims=True))
    cos, sin, x, y = jnp.moveaxis(style, 1, 0)
    zero, one = jnp.zeros_like(cos), jnp.ones_like(cos)
    rows = [(cos, -sin, sin * y - cos * x), (sin, cos, -sin * x - cos * y), (zero, zero, one)]
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


class SynthesisLayer(nn.Module):
    """Modulated convolution, bias, and the leaky ReLU between its filters; as toRGB a plain 1x1 convolution."""

    config: StyleGAN3Config
    index: int  # in config.layers

    def setup(self):
        below, own = self.config.layers[self.index - 1 : self.index + 1]
        self.is_rgb = self.index == len(self.config.layers) - 1
        self.affine = Dense(below.channels, bias_init=nn.initializers.ones)
        shape = (own.kernel, own.kernel, below.channels, own.channels)
        self.kernel = self.param("kernel", nn.initializers.normal(1.0), shape, jnp.float32)
        self.bias = self.param("bias", nn.initializers.zeros, (own.channels,), jnp.float32)
        self.magnitude = self.variable("buffers", "magnitude", jnp.ones, (), jnp.float32)
        if not self.is_rgb:
            self.up_filter = self.variable("buffers", "up_filter", lambda: _designed(below, own, 0))
            self.down_filter = self.variable("buffers", "down_filter", lambda: _designed(below, own, 1))

    def style(self, w: Float[Array, "n d"]) -> Float[Array, "n i"]:
        return self.affine(w)

    def __call__(self, x: Float[Array, "n h w i"], w: Float[Array, "n d"]) -> Float[Array, "n g v o"]:
        own = self.config.layers[self.index]
        kernel, style, gain = self.kernel, self.style(w), lax.rsqrt(self.magnitude.value)
        if self.is_rgb:
            scaled = style * (gain / float(np.sqrt(x.shape[-1])))
            x = ops.conv(x * scaled[:, None, None], kernel, "VALID") + self.bias
            return x if own.clamp is None else jnp.clip(x, -own.clamp, own.clamp)
        # The peers divide the style by its root mean square over the whole batch, which demodulation takes back but for
        # its 1e-8. Over each sample for itself an image is the same whatever others are computed with it.
        kernel = kernel * lax.rsqrt(jnp.square(kernel).mean((0, 1, 2)))
        style = style * lax.rsqrt(jnp.square(style).mean(-1, keepdims=True))
        margin = (own.kernel - 1, own.kernel - 1)  # a full convolution: what leaves the picture is cut off later
        x = ops.conv(x * (style * gain)[:, None, None], kernel, (margin, margin))
        x = x * ops.demodulation(kernel, style, 1e-8)[:, None, None] + self.bias
        return filtered_leaky_relu(
            x,
            self.up_filter.value,
            self.down_filter.value,
            up=own.up,
            down=own.down,
            before=own.before,
            size=own.size,
            clamp=own.clamp,
        )


def _designed(below: Layer, own: Layer, which: int) -> Array:
    return jnp.asarray(filters(below, own)[which], jnp.float32)


class SynthesisNetwork(nn.Module):
    """ws -> image."""

    config: StyleGAN3Config

    def setup(self):
        self.input = Input(self.config)
        self.layers = [SynthesisLayer(self.config, i + 1, name=f"layer{i}") for i in range(len(self.config.layers) - 1)]

    def __call__(self, ws: Float[Array, "n l d"], moving: tuple[int, ...] | None = None) -> Float[Array, "n h w c"]:
        # A row that is held still has no tangent at all, so differentiation starts at the first one that moves.
        first, *rows = [
            w if moving is None or i in moving else lax.stop_gradient(w) for i, w in enumerate(jnp.moveaxis(ws, 1, 0))
        ]
        x = self.input(first)
        for layer, w in zip(self.layers, rows, strict=True):
            x = layer(x, w)
        x = x * self.config.output_scale
        return jnp.tanh(x) if self.config.final_tanh else x

    def styles(self, w: Float[Array, "n d"]) -> list[Float[Array, "n s"]]:
        """What the affine maps of all rows make of one w."""
        return [part.style(w) for part in (self.input, *self.layers)]


class Network(nn.Module):
    """Mapping and synthesis as one module, so that one dict holds all variables."""

    config: StyleGAN3Config

    def setup(self):
        self.mapping = MappingNetwork(self.config)
        self.synthesis = SynthesisNetwork(self.config)

    def styles(self, z: Float[Array, "n z"], c: Float[Array, "n c"] | None) -> list[Float[Array, "n s"]]:
        """z -> the styles of all layers: every weight is declared, and no picture is drawn."""
        return self.synthesis.styles(self.mapping(z, c))


def init(key: Array, config: StyleGAN3Config) -> dict[str, Any]:
    """Fresh variables in float32, {"params": ..., "buffers": ...}, with the filters of the rule."""
    z, c = (jnp.zeros((1, size), jnp.float32) for size in (config.z_dim, config.c_dim))
    return dict(Network(config).init(key, z, c if config.c_dim else None, method="styles"))


@partial(jax.jit, static_argnames="config")
def map_latents(config: StyleGAN3Config, variables, z, c) -> Float[Array, "n d"]:
    """z -> w, no truncation. A pure function of `variables`."""
    network: Any = Network(config)  # Linen's type of `apply` has room for mutated variables, which are never asked for
    return network.apply(variables, z, c, method=lambda net, z, c: net.mapping(z, c))


@partial(jax.jit, static_argnames=("config", "moving", "window"))
def synthesize(
    config: StyleGAN3Config,
    variables,
    ws: Float[Array, "n l d"],
    moving: tuple[int, ...] | None = None,
    window: Window | None = None,
) -> Float[Array, "n h w c"]:
    """ws -> images about [-1, 1]. A pure function of `variables`.

    Args:
      moving: rows of ws that have a derivative; None for all. window: the part of the image that is wanted; None for
        all of it. The whole is computed in any case: the filters of the layers together look across the picture.
    """
    network: Any = Network(config)
    image = network.apply(variables, ws, moving, method=lambda net, *args: net.synthesis(*args))
    return image if window is None else crop(image, Window(0, 0, *config.size), window)


@partial(jax.tree_util.register_dataclass, data_fields=("variables",), meta_fields=("config", "info"))
@dataclass(frozen=True, eq=False, repr=False)
class StyleGAN3(Mapped):
    """A StyleGAN3 with its weights: a pytree, so it passes through `jit`, `vmap` and `jax.tree.map` (to
    float64, say).
    """

    config: StyleGAN3Config
    variables: Mapping[str, Any] = field(repr=False)
    info: ModelInfo = ModelInfo()
    map_latents = staticmethod(map_latents)

    @property
    def size(self) -> tuple[int, int]:
        return self.config.size

    @property
    def transform(self) -> Float[Array, "3 3"]:
        """See `with_transform`."""
        return jnp.asarray(self.variables["buffers"]["synthesis"]["input"]["transform"])

    def with_transform(self, matrix: ArrayLike) -> "StyleGAN3":
        """The same generator, which draws its pictures turned, shifted or scaled; to be edited as the upright ones.

        Args:
          matrix: [3, 3], from the plane of the picture to the plane on which the network draws, that is the inverse of
            what happens to the picture, as in NVIDIA's gen_images.py. Columns are x (to the right), y (down) and 1; the
            picture is 1 wide and high, its centre 0. A turn by the angle a and a shift by (x, y) are
            inv([[cos a, sin a, x], [-sin a, cos a, y], [0, 0, 1]]). The one of a file is kept by default.
        Raises:
          InputError: if it is no such matrix, or not finite.
        """
        check_number("transform", matrix)
        matrix = jnp.asarray(matrix, weights_dtype(self.variables))
        if matrix.shape != (3, 3):
            raise InputError(f"a transform is a matrix of shape [3, 3], got {list(matrix.shape)}")
        buffers = self.variables["buffers"]
        drawn = {**buffers["synthesis"], "input": {**buffers["synthesis"]["input"], "transform": matrix}}
        return replace(self, variables={**self.variables, "buffers": {**buffers, "synthesis": drawn}})

    def synthesis(
        self,
        w: ArrayLike | Latent,
        c: ArrayLike | None = None,
        *,
        noise: Noise = "const",
        key: Array | None = None,
    ) -> Float[Array, "n h w c"]:
        """w [N, w_dim] or ws [N, num_ws, w_dim] -> images [N, H, W, C], about [-1, 1]. There is no noise to choose.

        Raises:
          InputTypeError, InputError: as `StyleGAN2.synthesis`.
        """
        check_noise(noise, key)
        check_no_label(self, c)
        return self.partial_synthesis(w, noise, None, None)

    def partial_synthesis(
        self, ws: ArrayLike | Latent, noise: Noise, moving: tuple[int, ...] | None, window: Window | None
    ) -> Float[Array, "n h w c"]:
        """See `view.image_function`, which is how this is called."""
        ws = check_ws(ws, self.num_ws, self.w_dim, weights_dtype(self.variables))
        return synthesize(self.config, self.variables, ws, moving, window)

    def style_weights(self, layers: Choice = None) -> Float[Array, "k d"]:
        """Rows of the affine maps behind these rows of ws, one per number that they make; None takes all layers.

        Those of row 0 are four, of the turn and the shift of the whole picture; the others are styles, one per channel.
        """
        drawn = self.variables["params"]["synthesis"]
        wanted = range(self.num_ws) if layers is None else check_layers(layers, self.num_ws)
        parts = [drawn["input"] if row == 0 else drawn[f"layer{row - 1}"] for row in wanted]
        return jnp.concatenate([part["affine"]["kernel"].T for part in parts])
