"""The truncation trick of mapping networks: w pulled towards the mean latent, in all layers or in the first few."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators.latents import WS, W


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
