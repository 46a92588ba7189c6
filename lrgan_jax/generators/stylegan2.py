"""StyleGAN2 in Flax Linen: the modules hold parameters, `ops.py` does the arithmetic.

Variables are a plain dict of two collections: `params` (trained) and `buffers` (`w_avg`, the constant noise pictures).
Names follow NVIDIA's PyTorch code: `synthesis/b64/conv0/affine/kernel`. Weights are stored with unit variance; the
equalised learning rate is applied at run time.

Latents: z [N, z_dim] -> mapping -> w [N, w_dim], or ws [N, num_ws, w_dim] with one row per layer. In the block of
resolution 4 * 2^k, row 2k-1 styles conv0, row 2k conv1 and row 2k+1 the toRGB, which therefore shares its row with the
next block's conv0.

Source: Karras et al. 2020, arXiv:1912.04958; conditioning and clamping from Karras et al. 2020, arXiv:2006.06676.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.base.checks import check_number
from lrgan_jax.base.deprecation import deprecated
from lrgan_jax.generators import ops
from lrgan_jax.generators.latents import WS, Latent, W, check_label, check_ws, check_z, weights_dtype
from lrgan_jax.generators.protocol import (
    Classes,
    ModelInfo,
    Modulated,
    Noise,
    StoredWeights,
    check_no_label,
    check_noise,
)
from lrgan_jax.generators.shown import Shown
from lrgan_jax.generators.truncation import truncated
from lrgan_jax.generators.windows import Size, Window, crop, needed
from lrgan_jax.layers import Choice, check_layers


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
class StyleGAN2(Shown, StoredWeights):
    """A StyleGAN2 with its weights: a pytree, so it passes through `jit`, `vmap` and `jax.tree.map` (to
    float64, say).
    """

    config: StyleGAN2Config
    variables: Mapping[str, Any] = field(repr=False)
    info: ModelInfo = ModelInfo()
    space = W

    @property
    def z_dim(self) -> int:
        return self.config.z_dim

    @property
    def w_dim(self) -> int:
        return self.config.w_dim

    @property
    def c_dim(self) -> int:
        return self.config.c_dim

    @property
    def num_ws(self) -> int:
        return self.config.num_ws

    @property
    def size(self) -> tuple[int, int]:
        return self.config.sizes[-1]

    @property
    def classes(self) -> Classes | None:
        return "mapping" if self.c_dim else None

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
    ) -> W | WS:
        """z -> w, pulled towards the mean latent: `w_avg + truncation * (w - w_avg)` (arXiv:1812.04948, appendix B).

        Args:
          z: [N, z_dim], standard normal.
          c: one-hot labels [N, c_dim] of a conditional model.
          truncation: psi; 1 leaves w alone, 0 gives the mean.
          cutoff: truncate only the first `cutoff` of the num_ws layers.
        Returns:
          w [N, w_dim]; with a cutoff, ws [N, num_ws, w_dim].
        Raises:
          InputTypeError: if `z` is w or ws. InputError: on wrong shapes, missing or needless labels, a cutoff outside
            0..num_ws, a truncation that is not finite.
        """
        check_number("truncation", truncation)
        dtype = weights_dtype(self.variables)
        z = check_z(z, self.z_dim, dtype)
        w = map_latents(self.config, self.variables, z, check_label(c, self.c_dim, len(z), dtype))
        return truncated(w, self.variables["buffers"]["mapping"]["w_avg"], truncation, cutoff, self.num_ws)

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
