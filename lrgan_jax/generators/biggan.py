"""BigGAN and BigGAN-deep with their weights: from z and a class to images. The layers are in `biggan_network.py`, whose
symbols are used here.

The latent is w = [z, y, r], one row for all layers: whatever of it is edited, and a direction never moves r.

Source: Brock et al. 2019, arXiv:1809.11096.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.base.checks import check_number
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators.biggan_network import BigGANConfig, Network
from lrgan_jax.generators.latents import Latent, W, Z, check_label, check_ws, check_z, weights_dtype
from lrgan_jax.generators.protocol import Classes, ModelInfo, Noise, check_noise
from lrgan_jax.generators.stored import Stored
from lrgan_jax.layers import Choice, check_layers

WIDEST = 2.0  # where the normal distribution is cut that z is drawn from, if statistics differ by truncation


def init(key: Array, config: BigGANConfig) -> dict[str, Any]:
    """Fresh variables in float32, {"params": ..., "buffers": ...}."""
    return dict(Network(config).init(key, jnp.zeros((1, config.w_dim), jnp.float32)))


@partial(jax.jit, static_argnames="config")
def synthesize(config: BigGANConfig, variables, w: Float[Array, "n d"]) -> Float[Array, "n h w c"]:
    """w -> images in [-1, 1]. A pure function of `variables`."""
    network: Any = Network(config)  # Linen's type of `apply` has room for mutated variables, which are never asked for
    return network.apply(variables, w)


@partial(jax.tree_util.register_dataclass, data_fields=("variables",), meta_fields=("config", "info"))
@dataclass(frozen=True, eq=False, repr=False)
class BigGAN(Stored):
    """A BigGAN or BigGAN-deep with its weights; a pytree. `mapping` puts the class beside z."""

    config: BigGANConfig
    variables: Mapping[str, Any] = field(repr=False)
    info: ModelInfo = ModelInfo()
    space = W

    @property
    def size(self) -> tuple[int, int]:
        return self.config.size, self.config.size

    @property
    def classes(self) -> Classes | None:
        return "mapping"

    @property
    def parts(self) -> dict[str, tuple[int, int]]:
        """See `protocol.HasParts`. r belongs to none."""
        end = self.z_dim + self.config.y_dim
        return {"z": (0, self.z_dim), "class": (self.z_dim, end)}

    def mapping(
        self,
        z: ArrayLike | Latent,
        c: ArrayLike | None = None,
        truncation: float | Array = 1.0,
        cutoff: int | None = None,
    ) -> W:
        """z and class -> w = [z, y], or [z, y, r] where statistics differ by truncation.

        Args:
          z: [N, z_dim], standard normal.
          c: labels [N, c_dim], one-hot or soft.
          truncation: times z, as the mean latent is 0. Where statistics differ by it, it only chooses them, as in the
            released code, whose users draw z for it; see `drawn`. It must then be a number, above 0 and at most 1.
          cutoff: 1 (the only layer) or None truncates, 0 does not.
        Raises:
          InputTypeError, InputError: as `StyleGAN2.mapping`.
        """
        dtype = weights_dtype(self.variables)
        z = check_z(z, self.z_dim, dtype)
        y = self._embedded(check_label(c, self.c_dim, len(z), dtype))
        if cutoff not in (None, 0, 1):
            raise InputError(f"cutoff counts layers, 0 or 1 for this model, got {cutoff}")
        truncation = 1.0 if cutoff == 0 else truncation
        if not self.config.by_truncation:
            check_number("truncation", truncation)
            return W(jnp.concatenate([jnp.asarray(truncation, z.dtype) * z, y], axis=1))
        if isinstance(truncation, Tracer):
            raise InputError("truncation chooses among this model's statistics, so it is a number and not traced")
        r = place(float(truncation), self.config.num_statistics)
        return W(jnp.concatenate([z, y, jnp.full((len(z), 1), r, z.dtype)], axis=1))

    def drawn(self, z: Z, truncation: float) -> Z:
        """See `protocol.DrawsZ`: where statistics differ by truncation, normal numbers cut at 2, times it."""
        if not self.config.by_truncation:
            return z
        uniform, edge = (jax.scipy.special.ndtr(jnp.asarray(a)) for a in (z, -WIDEST))
        return Z(jax.scipy.special.ndtri(edge + uniform * (1 - 2 * edge)).astype(z.dtype) * truncation, z.c)

    def synthesis(
        self,
        w: ArrayLike | Latent,
        c: ArrayLike | None = None,
        *,
        noise: Noise = "const",
        key: Array | None = None,
    ) -> Float[Array, "n h w c"]:
        """w [N, w_dim], or with one layer axis [N, 1, w_dim], -> images [N, H, W, C] in [-1, 1].

        Args:
          w: also z [N, z_dim] together with c, which is then mapped.
          c: labels [N, c_dim], one-hot or soft, that take the place of the class in w.
          noise: there is none to choose.
        Raises:
          InputTypeError, InputError: as `StyleGAN2.synthesis`.
        """
        check_noise(noise, key)
        if isinstance(w, Z) or not isinstance(w, Latent) and jnp.shape(w)[1:] == (self.z_dim,):
            w, c = self.mapping(w, c), None
        dtype = weights_dtype(self.variables)
        rows = check_ws(w, 1, self.w_dim, dtype)[:, 0]
        if c is not None:
            first, end = self.parts["class"]
            rows = rows.at[:, first:end].set(self._embedded(check_label(c, self.c_dim, len(rows), dtype)))
        return synthesize(self.config, self.variables, rows)

    def style_weights(self, layers: Choice = None) -> Float[Array, "k d"]:
        """Rows of all linear maps that w goes through, those to the first features and to the gains and shifts of the
        norms; they are what SeFa factorises here.
        """
        if layers is not None:
            check_layers(layers, self.num_ws)
        params, buffers, cfg = self.variables["params"], self.variables["buffers"], self.config
        maps = [(0, params["project"], buffers["project"])]
        for k in range(len(cfg.ups)):
            norms, theirs = params[f"block{k}"], buffers[f"block{k}"]
            names = [(norm, of) for norm in norms if norm.startswith("norm") for of in ("gain", "shift")]
            maps += [(k + 1, norms[norm][of], theirs[norm][of]) for norm, of in names]
        rows = [_rows(cfg, layer, own["kernel"] / kept["spectral_norm"].sum()) for layer, own, kept in maps]
        return jnp.concatenate(rows)

    def _embedded(self, label: Float[Array, "n c"] | None) -> Float[Array, "n e"]:
        """y: the class embedding, or the label itself."""
        assert label is not None  # as there are classes
        if self.config.class_dim is None:
            return label
        return jnp.matmul(label, self.variables["params"]["embedding"], precision=lax.Precision.HIGHEST)


def _rows(config: BigGANConfig, layer: int, kernel: Float[Array, "i o"]) -> Float[Array, "o d"]:
    """A layer's linear map of its numbers of w as one of all of w."""
    numbers = jnp.array(config.numbers(layer))
    return jnp.zeros((kernel.shape[1], config.w_dim), kernel.dtype).at[:, numbers].set(kernel.T)


def place(truncation: float, num_statistics: int) -> float:
    """r, where in a table of statistics those of a truncation stand.

    As the released code computes it, in 64 bits and with its slips: between two rows the nearer one has the smaller
    weight, and a quotient that misses a whole number by rounding counts as one between rows.

    Raises:
      InputError: if it is not above 0 and at most 1, or lies past the table by that rounding.
    """
    check_number("truncation", truncation, above=0, most=1)
    share, row = math.modf(truncation / (1.0 / (num_statistics - 1)))
    if share and row + 1 >= num_statistics:
        raise InputError(f"truncation {truncation} lies past the last of this model's {num_statistics} statistics")
    return row + 1 - share if share else row
