"""latents + directions -> latents."""
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import ArrayLike

from lrgan_jax.directions import Directions
from lrgan_jax.generators import Latent
from lrgan_jax.jacobian import check_layers, layer_weights


def edit(
    ws: ArrayLike | Latent,
    directions: Directions | ArrayLike,
    steps: ArrayLike | Sequence[float],
    *,
    layers: Sequence[int] | None = None,
) -> Any:
    """`ws + sum_k steps[k] * n_k` on the chosen layers.

    Args:
      ws: latents [N, d], or [N, L, d] with one row per layer, of any of our latent types or plain.
      directions: k directions, or plain rows [k, d] or one row [d].
      steps: [..., k], units of latent length; the k moves are added up, leading axes make one batch of edits each. With a single
        direction the last axis may be left out: a number is one edit, [S] are S edits.
      layers: rows of ws to move; None takes the directions' own, which may be all.
    Returns:
      Latents of the same type, [..., N, d] or [..., N, L, d], the leading axes being those of `steps`.
    Raises:
      ValueError: if the widths, the number of steps or the layers do not fit.
    """
    rows = jnp.atleast_2d(jnp.asarray(directions.vectors if isinstance(directions, Directions) else directions))
    if layers is None and isinstance(directions, Directions):
        layers = directions.layers
    latents, steps = jnp.asarray(ws), jnp.asarray(steps, rows.dtype)
    if latents.shape[-1] != rows.shape[-1]:
        raise ValueError(f"the directions have {rows.shape[-1]} numbers, the latents {latents.shape[-1]}: not the same model")
    if len(rows) == 1 and steps.shape[-1:] != (1,):
        steps = steps[..., None]
    if steps.shape[-1:] != (len(rows),):
        raise ValueError(f"{len(rows)} directions take steps of shape [..., {len(rows)}], got {list(steps.shape)}")
    move = jnp.matmul(steps, rows, precision="highest")  # [..., d]; bfloat16 would turn long steps
    move = jnp.expand_dims(move, tuple(range(move.ndim - 1, move.ndim + latents.ndim - 2)))  # [..., 1, (1,) d]
    if layers is not None:
        if latents.ndim != 3:
            raise ValueError("layers can be chosen only in ws [N, L, d]; spread w over the layers first, with to_ws(gen, w)")
        chosen = check_layers(layers, latents.shape[1])
        move = move * layer_weights(chosen, latents.shape[1], move.dtype)[:, None]
    edited = latents + move
    return type(ws)(edited) if isinstance(ws, Latent) else edited
