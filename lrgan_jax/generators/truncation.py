"""The truncation trick of mapping networks: w pulled towards the mean latent, in all layers or in the first few."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from lrgan_jax.base.arrays import AnyArray
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators.latents import WS, W


def truncated(
    w: Float[Array, "n d"], w_avg: Float[AnyArray, " d"], truncation: float | Array, cutoff: int | None, num_ws: int
) -> W | WS:
    """`w_avg + truncation * (w - w_avg)`; with a cutoff as ws, of which only the first `cutoff` rows are truncated.

    Raises:
      InputError: on a cutoff outside 0..num_ws.
    Source: Karras et al. 2019, arXiv:1812.04948, appendix B.
    """
    pulled = w + jnp.asarray(1 - truncation, w.dtype) * (w_avg - w)  # in this order truncation 1 leaves w exactly alone
    if cutoff is None:
        return W(pulled)
    if not 0 <= cutoff <= num_ws:
        raise InputError(f"cutoff counts layers, 0 to {num_ws} for this model, got {cutoff}")
    layer = jnp.arange(num_ws)[:, None]
    return WS(jnp.where(layer < cutoff, pulled[:, None], w[:, None]))
