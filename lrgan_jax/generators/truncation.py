"""The truncation trick: a latent pulled towards the mean one, in all layers or in the first few."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.checks import check_number
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators.latents import WS, Latent, W, Z
from lrgan_jax.generators.parts import HasParts
from lrgan_jax.generators.protocol import Generator
from lrgan_jax.generators.view import to_ws


def truncated(
    w: Float[Array, "n *rows d"],
    w_avg: Float[AnyArray, "*rows d"],
    truncation: float | Array,
    cutoff: int | None,
    num_ws: int,
) -> W | WS:
    """`w_avg + truncation * (w - w_avg)`; with a cutoff as ws, of which only the first `cutoff` rows are truncated.

    Both may have a row for each layer, [num_ws, d].

    Raises:
      InputError: on a cutoff outside 0..num_ws.
    Source: Karras et al. 2019, arXiv:1812.04948, appendix B.
    """
    pulled = w + jnp.asarray(1 - truncation, w.dtype) * (w_avg - w)  # in this order truncation 1 leaves w exactly alone
    if cutoff is None:
        return W(pulled) if w.ndim == 2 else WS(pulled)
    if not 0 <= cutoff <= num_ws:
        raise InputError(f"cutoff counts layers, 0 to {num_ws} for this model, got {cutoff}")
    layer = jnp.arange(num_ws)[:, None]
    pulled, w = (a[:, None] if a.ndim == 2 else a for a in (pulled, w))
    return WS(jnp.where(layer < cutoff, pulled, w))


def towards_mean(gen: Generator, w: ArrayLike | Latent, truncation: int | float) -> WS:
    """Latents that are there already, w [N, w_dim] or ws [N, num_ws, w_dim], pulled as `mapping` would have.

    Of a latent that is made of parts z alone is pulled, so that its class stays.

    Raises:
      InputError: on a truncation that is not from 0 to 1, or latents that do not fit.
    """
    check_number("truncation", truncation, least=0, most=1)
    ws = to_ws(gen, w)
    return WS(ws.array + (1 - truncation) * (_mean(gen, ws) - ws.array), ws.c)


def _mean(gen: Generator, ws: WS) -> Float[AnyArray, "n l d"]:
    """The latent that each is pulled to."""
    if isinstance(gen, HasParts):
        first, end = dict(gen.parts).get("z", (0, 0))
        return jnp.asarray(ws.array).at[..., first:end].set(0)
    label = np.eye(gen.c_dim, dtype=np.float32)[:1] if gen.c_dim else None  # of any class: the mean is of all
    mean = gen.mapping(Z(jnp.zeros((1, gen.z_dim), ws.array.dtype)), label, 0.0)
    return jnp.broadcast_to(jnp.asarray(mean).reshape(1, -1, gen.w_dim), ws.shape)
