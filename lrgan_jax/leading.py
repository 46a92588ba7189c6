"""Directions where no Gram fits: all layers of W+, style channels, the latents of a diffusion model.

`region_grams` takes one product with J for each of d numbers and makes d x d matrices; here `krylov.py` takes a few
hundred products with J and J^T in all, and memory for a hundred pictures. Symbols as in `jacobian` and `subspaces`.

Source: as for `subspaces`, whose frontier and projection these are.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from lrgan_jax.base.checks import check_number, check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.jacobian import CHANNELS, POOLINGS, Channels, Pooling, check_masks, pixel_grid, reduced
from lrgan_jax.krylov import BLOCK, Form, Leading, Products, fewest, in_blocks, leading, matmul
from lrgan_jax.subspaces import TAO


class LeadingDirections(NamedTuple):
    """The first k directions at one latent, best first, and how well they are known."""

    vectors: Float[Array, "k *latent"]  # unit
    inside: Float[Array, " k"]  # a = |J v|^2 per pixel of the region, by a product J v of its own
    outside: Float[Array, " k"]  # b, of the rest
    mask: Bool[Array, " k"]  # which count: a > mu b beyond rounding; of projected ones, where something is left
    residuals: Float[Array, " k"]  # |G v - lambda v| / lambda_1; of projected ones, of the attribute vectors
    mu: Float[Array, ""] | None  # of the frontier; None for projected ones
    mu_error: Float[Array, ""] | None  # relative standard error, from the trace's; 0 where mu was given
    kept: Float[Array, " k"] | None  # of projected ones, the squared length that the projection left
    products: Int[Array, ""]  # with J and with J^T, of a vector each
    converged: Bool[Array, ""]  # all residuals below tol, or at rounding


def leading_directions(
    f: Callable[[Array], Array],
    x: ArrayLike,
    mask: ArrayLike,
    k: int,
    *,
    mu: Float[ArrayLike, ""] | None = None,
    rank: int | None = None,
    tao: Float[ArrayLike, ""] = TAO,
    size: int | None = None,
    pooling: Pooling = "area",
    channels: Channels = "mean",
    tol: Float[ArrayLike, ""] = 1e-4,
    max_products: int | Int[ArrayLike, ""] = 2000,
) -> LeadingDirections:
    """The k leading directions of the frontier, or of the paper's projection, without any matrix of d x d.

    Without `rank`, the top eigenvectors of M_A - mu M_B, as `frontier_directions` has them. With it, the leading
    eigenvectors of M_A, projected off the leading `rank` ones of M_B, in their order. The rank must be given, since the
    paper takes it from a robust PCA of the Gram, which there is not; and the eigenvectors are those of the Grams, not of
    their low-rank parts.

    Pure: `jit` and `vmap` it over latents and masks. Of a generator, all layers of W+ are the latent ws itself, and
    chosen ones the numbers of a move:

        found = lr.leading_directions(lr.image_function(gen), ws, mask, 4)  # vectors [4, L, d]

        moves = moves_of("4-7", gen.num_ws, per_layer=True)
        f = Partial(moved, lr.image_function(gen, layers=moves), ws, moves)
        found = lr.leading_directions(f, jnp.zeros(moves.size(gen.w_dim)), mask, 4)
        rows = moves.spread(found.vectors, gen.w_dim)  # [4, L, d]

    Args:
      f: a pure function of one latent of any shape to one image [H, W, C], compiled as `region_grams` compiles it.
      mask: [h, w], weights in [0, 1] at the Jacobian's size.
      k: how many, at most the latent's numbers.
      mu: how many times more the inside must change than the rest. None takes the greatest a / (b + tao * trace(M_B)),
        as `default_mu` does, but by an estimate of the trace: `mu_error` says how good.
      rank: see above.
      size, pooling, channels: see `region_grams`.
      tol: largest residual, relative to the largest eigenvalue. An eigenvector is wrong by an angle of no more than its
        residual over the gap to the next eigenvalue, and mostly by much less.
      max_products: with J and J^T together; what is found by then is flagged as not converged.
    Raises:
      InputError: on shapes or numbers that do not fit, an empty mask, weights outside [0, 1], or a latent that is not
        finite.
    """
    f, x = f if isinstance(f, Partial) else Partial(f), jnp.asarray(x)
    check_number("x", x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        x = x.astype(float)
    image = jax.eval_shape(f, jax.ShapeDtypeStruct(x.shape, x.dtype))
    if not hasattr(image, "shape") or len(image.shape) != 3:
        raise InputError("f must map one latent to one image [H, W, C]")
    grid = pixel_grid(image.shape[:2], size)
    if jnp.ndim(mask) != 2:
        raise InputError(f"one mask [h, w] at a time, got shape {list(jnp.shape(mask))}; use jax.vmap for several")
    weights = check_masks(mask, grid, 1)[0]
    check_whole("k", k, most=x.size)
    check_whole("rank", rank, most=x.size - 1)
    check_number("mu", mu, least=0)
    check_number("tao", tao, above=0)
    check_number("tol", tol, above=0)
    check_whole("max_products", max_products, least=fewest(k) if rank is None else fewest(k) + fewest(rank) + k)
    for name, value, allowed in (("channels", channels, CHANNELS), ("pooling", pooling, POOLINGS)):
        if value not in allowed:
            raise InputError(f"{name} is {' or '.join(map(repr, allowed))}, got {value!r}")
    if rank is not None and mu is not None:
        raise InputError("mu is the frontier's and rank the projection's: give one of them")
    return _leading_directions(f, x, weights, mu, tao, tol, max_products, k, rank, (grid, pooling, channels))


@partial(jax.jit, static_argnums=(7, 8, 9))
def _leading_directions(f, x, mask, mu, tao, tol, most, k, rank, reduction) -> LeadingDirections:
    with jax.default_matmul_precision("highest"):
        products, inside, outside = _products(f, x, mask, reduction)
        mu, tao, tol = (None if a is None else jnp.asarray(a, inside.dtype) for a in (mu, tao, tol))
        if rank is None:
            found = _frontier(products, inside, outside, k, mu, tao, tol, most)
        else:
            found = _projected(products, inside, outside, k, rank, tol, most)
    return found._replace(vectors=found.vectors.reshape(k, *x.shape))


def _products(f, x, mask, reduction) -> tuple[Products, Float[Array, " p"], Float[Array, " p"]]:
    """J at x, pixels times channels by numbers of the latent, and the weights of its rows in M_A and M_B."""

    def rows(x):
        return reduced(f(x), *reduction).reshape(-1)

    values, push_forward = jax.linearize(rows, x)
    pull_back = jax.linear_transpose(push_forward, x)
    dtype = jnp.promote_types(values.dtype, jnp.float32)

    def push(vectors):
        return jax.vmap(push_forward)(vectors.reshape(-1, *x.shape).astype(x.dtype)).astype(dtype)

    def pull(images):
        (gradients,) = jax.vmap(pull_back)(images.astype(values.dtype))
        return gradients.reshape(len(images), -1).astype(dtype)

    weights = jnp.repeat(mask.reshape(-1).astype(dtype), values.size // mask.size)
    inside, outside = weights / jnp.maximum(weights.sum(), 1e-6), (1 - weights) / jnp.maximum((1 - weights).sum(), 1e-3)
    return Products(push, pull, x.size, float(jnp.finfo(values.dtype).eps)), inside, outside


def _frontier(products, inside, outside, k, mu, tao, tol, most) -> LeadingDirections:
    found = leading(products, Form(inside, outside, mu, tao), k, tol=tol, most=most)
    error = jnp.zeros_like(found.mu)
    if mu is None:  # d log mu / d log c = -c / (b + c)
        error = tao * found.trace_error / jnp.maximum(found.minus[0] + tao * found.trace, 1e-30)
    measured = found.vectors, found.plus, found.minus, found.values > found.noise, _relative(found)
    return LeadingDirections(*measured, found.mu, error, None, found.products, found.converged)


def _projected(products, inside, outside, k, rank, tol, most) -> LeadingDirections:
    """As `subspaces.projected_directions` has them: of what is less than the eigenvectors' own error nothing is left."""
    zero = jnp.zeros_like(tol)
    attribute = leading(products, Form(inside, outside, zero, zero), k, tol=tol, most=most - fewest(rank))
    rest = leading(products, Form(outside, inside, zero, zero), rank, tol=tol, most=most - attribute.products - k)
    still = rest.vectors * (rest.values > rest.noise)[:, None]
    vectors = attribute.vectors - matmul(matmul(attribute.vectors, still.T), still)
    kept = jnp.square(vectors).sum(1)
    alive = (attribute.values > attribute.noise) & (kept > jnp.square(tol))
    vectors = vectors / jnp.where(alive, jnp.sqrt(jnp.where(alive, kept, 1)), 1)[:, None]
    squares = jnp.square(in_blocks(products.push, vectors, min(k, BLOCK)))
    measured = vectors, matmul(squares, inside), matmul(squares, outside), alive, _relative(attribute)
    count = attribute.products + rest.products + k
    return LeadingDirections(*measured, None, None, kept, count, attribute.converged & rest.converged)


def _relative(found: Leading) -> Float[Array, " k"]:
    """Residuals over the eigenvalues, or over what rounding makes of one that is zero."""
    return found.residuals / jnp.maximum(jnp.maximum(jnp.abs(found.values), found.noise), 1e-30)
