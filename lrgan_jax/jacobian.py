"""How every pixel answers to every latent direction: the Grams of image regions, for any pure function from a latent to an image.

Symbols: f one latent -> one image [H, W, C]; J = df/dw [P, d], its P rows being pixels (times channels when they are stacked) at the
size asked for; region r weighs pixel p by m_p in [0, 1] and counts n_r = sum m_p rows. Then

    inside  M_r = J^T diag(m) J / n_r          outside  M_rest = J^T diag(1 - m) J / (P - n_r)

Forward mode: d tangents, in chunks, through the linearised f, so P does not matter to the cost. All regions share one J, and the
rest of the image is the total minus the region, so J is computed once, reduced to d x d matrices and forgotten.

Source: Zhu et al. 2021, arXiv:2106.04488, section 3.2; the authors take reverse mode, one pass per pixel, and the same matrices.
"""
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Float

Channels = Literal["mean", "sum", "stack"]
Pooling = Literal["area", "nearest"]


class RegionGrams(NamedTuple):
    """Units: (image value per unit of latent) squared."""

    inside: Float[Array, "n r d d"]
    outside: Float[Array, "n r d d"]  # of the rest of the image; zeros where a region covers all of it
    image: Float[Array, "n h w c"]
    jacobian: Float[Array, "n g v c d"] | None  # only if asked for


def region_grams(
    f: Callable[[Array], Array],
    latents: ArrayLike,
    masks: ArrayLike,
    *,
    layers: Sequence[int] | None = None,
    size: int | None = None,
    pooling: Pooling = "area",
    channels: Channels = "mean",
    chunk: int | None = None,
    precision: str = "highest",
    keep_jacobian: bool = False,
) -> RegionGrams:
    """Grams of every region and of the rest of the image, at every latent, from one pass over the Jacobian.

    Args:
      f: any pure function of one latent, [d] or [L, d], to one image [H, W, C]. Compiled once per function object: pass the same one
        again, or a `jax.tree_util.Partial` (as `image_function` returns), whose arguments are then no part of the program.
      latents: [N, d], or [N, L, d] with one row per layer.
      masks: weights in [0, 1] at the Jacobian's size: [R, h, w] shared by all latents, or [N, R, h, w]. A single [h, w] is R = 1.
      layers: rows of ws that move together; None moves all. With [N, L, d] latents only.
      size: side of the (square) Jacobian's pixel grid; None keeps the image's up to 256, the authors' size, and 256 above it.
      pooling: from the image's size to `size`: means of blocks, or every k-th pixel as the authors do.
      channels: "mean" is the authors' way, "sum" ReSeFa's, "stack" keeps each channel as rows of its own.
      chunk: tangents computed at once; None fits them to the memory that is free.
      precision: of matrix products inside f and its tangents, a `jax.default_matmul_precision`. The Grams are always "highest".
      keep_jacobian: also return J, [N, h, w, C or 1, d].
    Raises:
      ValueError: on shapes that do not fit, empty masks, or weights outside [0, 1].
    """
    f = f if isinstance(f, Partial) else Partial(f)
    latents = jnp.asarray(latents)
    if latents.ndim not in (2, 3):
        raise ValueError(f"latents are [N, d] or [N, L, d], got {list(latents.shape)}; give one latent a leading axis of 1")
    if layers is not None:
        if latents.ndim == 2:
            raise ValueError("layers can be chosen only in ws [N, L, d]; these latents are [N, d]")
        layers = check_layers(layers, latents.shape[1])
    image = jax.eval_shape(f, jax.ShapeDtypeStruct(latents.shape[1:], latents.dtype))
    if len(image.shape) != 3:
        raise ValueError(f"f must map one latent to one image [H, W, C], it returns {list(image.shape)}")
    grid = _grid(image.shape, size)
    masks = check_masks(masks, grid, len(latents))
    chunk = fitting_chunk(f, latents[0]) if chunk is None else chunk
    if chunk < 1:
        raise ValueError(f"chunk counts tangents, at least 1, got {chunk}")
    return _region_grams(f, latents, masks, layers, grid, pooling, channels, chunk, precision, keep_jacobian)


@partial(jax.jit, static_argnums=(3, 4, 5, 6, 7, 8, 9))
def _region_grams(f, latents, masks, layers, grid, pooling, channels, chunk, precision, keep_jacobian):
    def reduced(latent):
        image = f(latent)
        return _reduce(image, grid, pooling, channels), image

    def of_one(item):
        latent, masks = item
        with jax.default_matmul_precision(precision):
            pixels, push_forward, image = jax.linearize(reduced, latent, has_aux=True)
            rows = _columns(push_forward, latent, layers, chunk)  # [d, h, w, c]: J transposed
        per_pixel = rows.reshape(len(rows), -1, pixels.shape[-1])
        total = _gram(per_pixel, per_pixel)
        num_rows = pixels.size
        weights = masks.reshape(len(masks), -1)
        counts = weights.sum(1) * pixels.shape[-1]
        # One region at a time: a batched product would hold R weighted copies of J.
        parts = lax.map(lambda m: _gram(per_pixel * m[:, None], per_pixel), weights)
        inside = parts / jnp.maximum(counts, 1e-6)[:, None, None]
        rest = num_rows - counts
        outside = jnp.where(rest[:, None, None] > 1e-3, (total - parts) / jnp.maximum(rest, 1e-3)[:, None, None], 0)
        return RegionGrams(inside, outside, image, jnp.moveaxis(rows, 0, -1) if keep_jacobian else None)

    if masks.ndim == 4:
        return lax.map(of_one, (latents, masks))
    return lax.map(lambda latent: of_one((latent, masks)), latents)


def _columns(push_forward, latent, layers, chunk):
    """J e_k for k < d, [d, h, w, c]; with layers, e_k moves just those rows of the latent, all alike."""
    d = latent.shape[-1]
    moved = jnp.ones((), latent.dtype) if latent.ndim == 1 else layer_weights(layers, len(latent), latent.dtype)

    def column(k):
        return push_forward(moved[..., None] * jax.nn.one_hot(k, d, dtype=latent.dtype))

    # Padded to whole chunks (a tangent past d is zero), since `lax.map`'s own remainder would be compiled as a second program.
    chunks = jnp.arange(-(-d // chunk) * chunk).reshape(-1, chunk)
    columns = lax.map(jax.vmap(column), chunks)
    return columns.reshape(-1, *columns.shape[2:])[:d]


def _gram(a: Float[Array, "d p c"], b: Float[Array, "d p c"]) -> Float[Array, "d d"]:
    gram = jnp.einsum("ipc,jpc->ij", a, b, precision=lax.Precision.HIGHEST)
    return (gram + gram.T) / 2  # rounding must not reach the symmetric solvers


def _reduce(image, grid, pooling, channels):
    """The image at the Jacobian's size and channels, [h, w, c]: a linear map."""
    height, width = image.shape[:2]
    if pooling == "nearest":  # floor(i * H / h), the rule of TensorFlow's resize that the authors call
        rows, columns = (np.arange(g) * n // g for g, n in zip(grid, (height, width), strict=True))
        image = image[rows][:, columns]
    elif pooling == "area":
        image = image.reshape(grid[0], height // grid[0], grid[1], width // grid[1], -1).mean((1, 3))
    else:
        raise ValueError(f'pooling is "area" or "nearest", got {pooling!r}')
    if channels == "stack":
        return image
    if channels not in ("mean", "sum"):
        raise ValueError(f'channels is "mean", "sum" or "stack", got {channels!r}')
    return getattr(image, channels)(-1, keepdims=True)


def _grid(shape, size) -> tuple[int, int]:
    """Height and width of the Jacobian's pixel grid; `size` is its longer side."""
    longer = max(shape[:2])
    size = min(longer, 256) if size is None else size
    if not 1 <= size <= longer or longer % size or any(side * size % longer for side in shape[:2]):
        raise ValueError(f"a {shape[0]}x{shape[1]} image cannot be pooled to size {size}: take a divisor of {longer}")
    return shape[0] * size // longer, shape[1] * size // longer


def check_layers(layers: Sequence[int], num_ws: int) -> tuple[int, ...]:
    """`layers` sorted and without repetition; ValueError if one is not in 0..num_ws-1."""
    chosen = tuple(sorted({int(layer) for layer in layers}))
    if not chosen or chosen[0] < 0 or chosen[-1] >= num_ws:
        raise ValueError(f"layers must be among 0 to {num_ws - 1}, got {list(layers)}")
    return chosen


def layer_weights(layers: tuple[int, ...] | None, num_ws: int, dtype: Any) -> Float[Array, " l"]:
    """1 for the rows of ws that move, 0 for the others; None moves all."""
    return jnp.asarray([layers is None or layer in layers for layer in range(num_ws)], dtype)


def check_masks(masks: ArrayLike, grid: tuple[int, int], num_latents: int) -> Float[Array, "*n r h w"]:
    """Masks as floats with a region axis; refuses wrong sizes, empty regions and weights outside [0, 1]."""
    masks = jnp.asarray(masks, jnp.float32)
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim not in (3, 4) or masks.shape[-2:] != grid:
        raise ValueError(f"masks must cover the Jacobian's {grid[0]}x{grid[1]} pixels, got shape {list(masks.shape)}")
    if masks.ndim == 4 and len(masks) != num_latents:
        raise ValueError(f"one set of masks per latent: {len(masks)} sets for {num_latents} latents")
    if not isinstance(masks, Tracer):  # inside jit the values are not there to be looked at
        values = np.asarray(masks)
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError("mask weights must lie in [0, 1]")
        if not values.any(axis=(-2, -1)).all():
            raise ValueError("a region is empty: its mask is zero everywhere")
    return masks


def fitting_chunk(f: Callable, latent: Array, memory: int | None = None) -> int:
    """How many tangents to push at once: as many as fit in a quarter of the free memory, at most 64: on a CPU, 100 were slower.

    The estimate takes four times the largest result in f for a tangent: XLA's temporaries measured 1.6 of it for a StyleGAN2 of
    64x64, 3.5 for one of 256x256 (CPU). It errs to the safe side where weights are what is largest.

    Args:
      memory: bytes to use; None looks at the device.
    """
    memory = memory or free_memory() // 4
    per_tangent = 4 * _largest_result(jax.make_jaxpr(f)(latent).jaxpr)
    d = latent.shape[-1]
    most = max(1, min(64, d, memory // max(per_tangent, 1)))
    return -(-d // -(-d // most))  # the smallest chunk that takes as few passes: less padding


def free_memory() -> int:
    """Bytes free on the default device; for a CPU, in the machine. 4 GB where neither can be told."""
    stats: dict[str, Any] | None = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # no such figure on macOS or Windows
        return 4 * 2**30


def _largest_result(jaxpr) -> int:
    """Bytes of the largest result of any operation, looking into nested programs."""
    largest = 0
    for eqn in jaxpr.eqns:
        inner = [p.jaxpr for p in eqn.params.values() if hasattr(p, "jaxpr")]
        if inner:
            largest = max(largest, *map(_largest_result, inner))
        else:
            arrays = [v.aval for v in eqn.outvars if hasattr(v.aval, "shape")]
            largest = max(largest, sum(a.size * a.dtype.itemsize for a in arrays))
    return largest
