"""latents + directions -> latents: straight edits, and walks that follow the curve along which the rest keeps still."""
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from lrgan_jax.checks import LONGEST_STEP, check_number, check_whole
from lrgan_jax.directions import Directions
from lrgan_jax.generators import WS, Generator, Latent, to_ws
from lrgan_jax.jacobian import check_layers, layer_weights
from lrgan_jax.pipeline import masks_to_keep, protected_grams
from lrgan_jax.subspaces import default_mu, nearest_local_direction


def edit(
    ws: ArrayLike | Latent,
    directions: Directions | ArrayLike,
    steps: ArrayLike | Sequence[float],
    *,
    layers: Sequence[int] | str | None = None,
) -> Any:
    """`ws + sum_k steps[k] * n_k` on the chosen layers.

    Args:
      ws: latents [N, d], or [N, L, d] with one row per layer, of any of our latent types or plain.
      directions: k directions, or plain rows [k, d], one row [d], or moves of ws (W+) [k, L, d].
      steps: [..., k], units of latent length; the k moves are added up, leading axes make one batch of edits each. With a single
        direction the last axis may be left out: a number is one edit, [S] are S edits.
      layers: rows of ws to move; None takes the directions' own, which may be all.
    Returns:
      Latents of the same type and dtype, [..., N, d] or [..., N, L, d], the leading axes being those of `steps`.
    Raises:
      ValueError: if the widths, the number of steps or the layers do not fit, or a number is not finite or a step longer than 1e6.
    """
    rows = jnp.atleast_2d(jnp.asarray(directions.vectors if isinstance(directions, Directions) else directions))
    if layers is None and isinstance(directions, Directions):
        layers = directions.layers
    latents, steps = jnp.asarray(ws), jnp.asarray(steps, rows.dtype)
    check_number("directions", rows)
    check_number("latents", latents)
    check_number("steps", steps, least=-LONGEST_STEP, most=LONGEST_STEP)
    if latents.shape[-1] != rows.shape[-1]:
        raise ValueError(f"the directions have {rows.shape[-1]} numbers, the latents {latents.shape[-1]}: not the same model")
    if rows.ndim == 3 and latents.shape[1:] != rows.shape[1:]:
        raise ValueError(f"these directions move {rows.shape[1]} layers: they take ws [N, {rows.shape[1]}, d], got {list(latents.shape)}")
    if len(rows) == 1 and steps.shape[-1:] != (1,):
        steps = steps[..., None]
    if steps.shape[-1:] != (len(rows),):
        raise ValueError(f"{len(rows)} directions take steps of shape [..., {len(rows)}], got {list(steps.shape)}")
    rows = rows[:, None] if rows.ndim < latents.ndim else rows  # [k, 1 or L, d] for ws
    move = jnp.tensordot(steps, rows, 1, precision="highest")  # [..., d] or [..., 1 or L, d]; bfloat16 would turn long steps
    move = jnp.expand_dims(move, -latents.ndim)  # the latents' own axis
    if layers is not None:
        if latents.ndim != 3:
            raise ValueError("layers can be chosen only in ws [N, L, d]; spread w over the layers first, with to_ws(gen, w)")
        chosen = check_layers(layers, latents.shape[1])
        move = move * layer_weights(chosen, latents.shape[1], move.dtype)[:, None]
    edited = latents + move
    if jnp.issubdtype(latents.dtype, jnp.floating):  # directions and steps may be of more bits, or fewer
        edited = edited.astype(latents.dtype)
    return type(ws)(edited) if isinstance(ws, Latent) else edited


def walk(
    gen: Generator,
    w: ArrayLike | Latent,
    direction: Directions | ArrayLike,
    region: Any,
    *,
    length: ArrayLike,
    num_steps: int = 16,
    protect: Any = None,
    mu: float | None = None,
    layers: Sequence[int] | str | None = None,
) -> WS:
    """Move along `direction` in short steps, and turn it before each so that it stays local where it has come to.

    A straight edit is local only as long as the Jacobian stays what it was. Here the Grams are computed again at every step, and the
    direction is replaced by the nearest one in the mu-local subspace found there, so it keeps its meaning; the farther an edit,
    the more that saves (README). Costs a Jacobian a step.

    Args:
      w: w [N, w_dim] or ws [N, num_ws, w_dim].
      direction: one direction for all latents, or rows [N, d].
      region, protect: as `find_directions` takes them.
      length: of the whole path in latent units, one number or [N]; negative ones walk the other way.
      mu: inside-to-outside ratio to keep; None for `default_mu` at each point.
      layers: rows of ws to move; None takes the directions' own, which may be all.
    Returns:
      The points of the path, [num_steps + 1, N, num_ws, w_dim], the latents themselves first.
    Raises:
      ValueError: on a direction, layers, regions or numbers that do not fit.
    """
    check_whole("num_steps", num_steps)
    check_number("length", length, least=-LONGEST_STEP, most=LONGEST_STEP)
    check_number("mu", mu, least=0)
    masks, weights = masks_to_keep(gen, region, protect)
    if layers is None and isinstance(direction, Directions):
        layers = direction.layers
    point = to_ws(gen, w).array
    rows = jnp.atleast_2d(jnp.asarray(direction.vectors if isinstance(direction, Directions) else direction, point.dtype))
    if rows.shape not in ((1, gen.w_dim), (len(point), gen.w_dim)):
        wanted = f"one direction, or one for each of the {len(point)} latents, of {gen.w_dim} numbers"
        raise ValueError(f"a walk takes {wanted}, got {list(rows.shape)}")
    check_number("direction", rows)
    rows = jnp.broadcast_to(rows, (len(point), gen.w_dim))
    moved = layer_weights(None if layers is None else check_layers(layers, gen.num_ws), gen.num_ws, point.dtype)
    stride = jnp.broadcast_to(jnp.asarray(length, point.dtype) / num_steps, len(point))[:, None, None] * moved[:, None]
    points = [point]
    for _ in range(num_steps):
        rows = _turned(rows, *protected_grams(gen, points[-1], masks, weights, layers=layers), mu)
        points.append(points[-1] + stride * rows[:, None])
    return WS(jnp.stack(points))


@jax.jit
def _turned(rows: Float[Array, "n d"], inside: Float[Array, "n d d"], outside: Float[Array, "n d d"], mu) -> Float[Array, "n d"]:
    def of_one(row, a, b):
        return nearest_local_direction(row, a, b, default_mu(a, b) if mu is None else mu)

    return jax.vmap(of_one)(rows, inside, outside)
