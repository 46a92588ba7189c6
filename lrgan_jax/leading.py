"""Directions where no Gram fits: all layers of W+, style channels, the latents of a diffusion model.

`region_grams` takes a product with J for each of d numbers and makes matrices of d x d; here `krylov.py` takes a few
hundred products with J and J^T, whatever d is, and memory for a hundred pictures. Symbols as in `jacobian` and
`subspaces`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from lrgan_jax import display
from lrgan_jax.base.checks import check_number, check_whole
from lrgan_jax.base.errors import InputError
from lrgan_jax.jacobian import Channels, Pooling, check_masks, pixel_grid, reduced
from lrgan_jax.krylov import Form, Leading, Products, fewest, leading
from lrgan_jax.search import CHANGE, PRICE
from lrgan_jax.subspaces import HIGHEST, signed


@display.record
class LeadingDirections(NamedTuple):
    """The first k directions at one latent, best first, and how well they are known."""

    vectors: Float[Array, " k *latent"]  # unit, where the mask counts them
    inside: Float[Array, " k"]  # a = v^T M_A v, by a product J v of its own
    outside: Float[Array, " k"]  # b = v^T M_B v
    mask: Bool[Array, " k"]  # where a - mu b is more than rounding; of projected ones, where something is left
    residuals: Float[Array, " k"]  # |G v - lambda v| / |lambda|; of projected ones, of the attribute vectors
    mu: Float[Array, ""] | None  # of the frontier; None of projected ones
    kept: Float[Array, " k"] | None  # of projected ones, the squared length that is left
    products: Int[Array, ""]  # with J and with J^T, of a vector each
    converged: Bool[Array, ""]  # to `tol`, or to rounding

    def _repr_html_(self) -> str:
        (k,), few = np.shape(self.mask), slice(display.SHOWN)
        inside, outside, residuals, counts = (
            np.asarray(a)[few] for a in (self.inside, self.outside, self.residuals, self.mask)
        )
        columns = {"": [*map(str, range(len(inside)))]} | display.changes(inside, outside)
        columns |= {"residual": [f"{r:.1e}" for r in residuals], "counts": [*map(display.span, counts)]}
        facts = {
            "mu": None if self.mu is None else display.span(self.mu),
            "converged": display.span(self.converged),
            "products": display.span(self.products),
        }
        return display.card(f"{k} leading directions", facts, display.table(columns, k))


def leading_directions(
    f: Callable[[Array], Array],
    x: ArrayLike,
    mask: ArrayLike,
    k: int,
    *,
    mu: Float[ArrayLike, ""] | None = None,
    rank: int | None = None,
    cost: Float[ArrayLike, ""] = PRICE * CHANGE,
    size: int | None = None,
    pooling: Pooling = "area",
    channels: Channels = "mean",
    tol: Float[ArrayLike, ""] = 1e-4,
    max_products: int | Int[ArrayLike, ""] = 2000,
) -> LeadingDirections:
    """The k leading directions of the frontier, or of the paper's projection, without any matrix of d x d.

    Without `rank`, the top eigenvectors of M_A - mu M_B, as `frontier_directions` has them. With it, the leading
    eigenvectors of M_A, projected off the leading `rank` ones of M_B, in their order: the paper's projection but for
    its robust PCA, which needs the matrices. So the rank must be given, and the eigenvectors are those of the Grams
    themselves, not of their low-rank parts.

    Pure: `jit` it, `vmap` it over latents and masks. W+ of all layers is the latent ws itself, and of some of them the
    numbers of a move:

        found = lr.leading_directions(lr.image_function(gen), ws, mask, 4)  # vectors [4, L, d]

        moves = moves_of("4-7", gen.num_ws, per_layer=True)
        f = Partial(moved, lr.image_function(gen, layers=moves), ws, moves)
        found = lr.leading_directions(f, jnp.zeros(moves.size(gen.w_dim)), mask, 4)
        rows = moves.spread(found.vectors, gen.w_dim)  # [4, L, d]

    Args:
      f: a pure function of one latent of any shape to one image [H, W, C]; compiled once, as for `region_grams`.
      mask: [h, w], weights in [0, 1] at the Jacobian's size.
      k: at most as many as the latent has numbers.
      mu: how many times more the inside must change than the rest. None takes the greatest a / (b + cost), at which
        often no other direction than the first counts: a smaller mu, or a higher cost, has more of them.
      cost: of a squared unit of length, beside the change outside: `price * change` of a `Search`, so that the first
        direction has the least leak + price * length^2, to first order, when the region changes by `change`. Lengths
        are those of x: where a generator's own x are not white, as w is not, give the function of what is,
        Partial(lambda f, root, v: f(root @ v), f, root).
      size, pooling, channels: see `region_grams`.
      tol: largest residual over the eigenvalue. A direction is off by an angle of at most this over the relative gap
        to the next eigenvalue, and mostly by much less. In float32, rounding of the eigenvalue of largest magnitude
        comes first for directions that are worth less than about a hundredth of the best.
      max_products: with J and J^T together; what is found by then is flagged as not converged.
    Raises:
      InputError: on shapes or numbers that do not fit, an empty mask, weights outside [0, 1], or a latent that is not
        finite.
    """
    f, x = f if isinstance(f, Partial) else Partial(f), jnp.asarray(x)
    check_number("x", x)
    image = jax.eval_shape(f, jax.ShapeDtypeStruct(x.shape, x.dtype))
    if len(image.shape) != 3:
        raise InputError(f"f must map one latent to one image [H, W, C], it returns {list(image.shape)}")
    if not (jnp.issubdtype(x.dtype, jnp.floating) and x.size):
        raise InputError(f"x must be a latent of floating-point numbers, got {x.dtype} {list(x.shape)}")
    if jnp.ndim(mask) != 2:
        raise InputError(f"mask is one region, [h, w], got {list(jnp.shape(mask))}; use jax.vmap for several")
    weights = check_masks(mask, pixel_grid(image.shape[:2], size), 1)[0]
    check_whole("k", k, most=x.size)
    check_whole("rank", rank, most=x.size - 1)
    check_number("mu", mu, least=0)
    check_number("cost", cost, above=0)
    check_number("tol", tol, above=0)
    check_whole("max_products", max_products, least=_fewest(k, rank))
    if rank is not None and mu is not None:
        raise InputError("mu is the frontier's and rank the projection's: give one of them")
    reduction = (weights.shape, pooling, channels)
    inside, outside = _row_weights(weights, image.shape[2] if channels == "stack" else 1, image.dtype)
    accuracy = jnp.asarray(tol, inside.dtype)
    weighing = {"cost": jnp.asarray(cost, inside.dtype)} if mu is None else {"mu": jnp.asarray(mu, inside.dtype)}
    form = Form(inside, outside, **weighing)
    search, measure = partial(_leading, f, x, reduction), partial(_measured, f, x, reduction)
    if rank is None:
        found = _frontier(search, measure, form, k, accuracy, max_products)
    else:
        found = _projected(search, measure, form, k, rank, accuracy, max_products)
    return found._replace(vectors=found.vectors.reshape(k, *x.shape))


def _fewest(k: int, rank: int | None) -> int:
    """The products that a search takes at least, with the measuring."""
    return fewest(k) + 2 * k + (0 if rank is None else fewest(rank) + k)


def _row_weights(mask, per_pixel: int, dtype) -> tuple[Float[Array, " p"], Float[Array, " p"]]:
    """Of J's rows in M_A and in M_B."""
    rows = jnp.repeat(mask.reshape(-1).astype(jnp.promote_types(dtype, jnp.float32)), per_pixel)
    return rows / jnp.maximum(rows.sum(), 1e-6), (1 - rows) / jnp.maximum((1 - rows).sum(), 1e-3)


def _frontier(search, measure, form: Form, k: int, tol, most) -> LeadingDirections:
    found = search(form, k, tol, most - 2 * k)
    vectors = signed(found.vectors)
    a, b, residuals = measure(vectors, Form(form.plus, form.minus, found.mu))
    values, noise = a - found.mu * b, 4 * found.rounding
    converged = found.done & (residuals <= jnp.maximum(tol * jnp.abs(values), noise)).all()
    relative = _over(residuals, jnp.abs(values))
    count = found.products + 2 * k
    return LeadingDirections(vectors, a, b, values > noise, relative, found.mu, None, count, converged)


def _projected(search, measure, form: Form, k: int, rank: int, tol, most) -> LeadingDirections:
    """As `subspaces.projected_directions` has them; what is shorter than the eigenvectors are exact is nothing."""
    region = Form(form.plus, form.minus, jnp.zeros_like(tol))
    rest = region._replace(plus=form.minus, minus=form.plus)
    attribute = search(region, k, tol, most - 3 * k - fewest(rank))
    a, _, residuals = measure(attribute.vectors, region)
    moving = search(rest, rank, tol, most - 3 * k - attribute.products)
    rows = moving.vectors * (moving.values > 4 * moving.rounding)[:, None]  # fewer than `rank` may move it at all
    vectors = signed(attribute.vectors)
    vectors = vectors - jnp.matmul(jnp.matmul(vectors, rows.T, precision=HIGHEST), rows, precision=HIGHEST)
    kept = jnp.square(vectors).sum(1)
    mask = (a > 4 * attribute.rounding) & (kept > jnp.square(tol))
    vectors = vectors / jnp.where(mask, jnp.sqrt(jnp.where(mask, kept, 1)), 1)[:, None]
    a_left, b_left, _ = measure(vectors, region, residuals=False)
    converged = attribute.done & moving.done & (residuals <= jnp.maximum(tol * a, 4 * attribute.rounding)).all()
    count = attribute.products + moving.products + 3 * k
    return LeadingDirections(vectors, a_left, b_left, mask, _over(residuals, a), None, kept, count, converged)


def _over(residuals, values):
    """The quotient, 0 where nothing moves."""
    return jnp.where(residuals > 0, residuals / jnp.where(residuals > 0, jnp.maximum(values, 1e-30), 1), 0)


# The two programs. Each holds the tangents of `f` once and their transpose once: these are what compiling costs.


@partial(jax.jit, static_argnums=(2, 4))
def _leading(f, x, reduction, form: Form, k: int, tol, most) -> Leading:
    with jax.default_matmul_precision("highest"):
        return leading(_products(f, x, reduction), form, k, tol=tol, most=most)


@partial(jax.jit, static_argnums=2, static_argnames="residuals")
def _measured(f, x, reduction, vectors, form: Form, *, residuals: bool = True):
    """a, b and |G v - (a - mu b) v| of each vector, by products of its own."""
    mu = jnp.asarray(form.mu)

    def of_one(v):
        image = products.push(v[None])[0]
        a, b = (jnp.vdot(jnp.square(image), m, precision=HIGHEST) for m in (form.plus, form.minus))
        if not residuals:
            return a, b, jnp.zeros_like(a)
        gradient = products.pull((image * (form.plus - mu * form.minus))[None])[0]
        return a, b, jnp.linalg.norm(gradient - (a - mu * b) * v)

    with jax.default_matmul_precision("highest"):
        products = _products(f, x, reduction)
        return jax.lax.map(of_one, vectors)


def _products(f, x, reduction) -> Products:
    """With J at x: pixels times channels by numbers of the latent."""
    values, push_forward = jax.linearize(lambda x: reduced(f(x), *reduction).reshape(-1), x)
    pull_back = jax.linear_transpose(push_forward, x)
    dtype = jnp.promote_types(values.dtype, jnp.float32)

    def push(rows):
        return jax.vmap(push_forward)(rows.reshape(-1, *x.shape).astype(x.dtype)).astype(dtype)

    def pull(images):
        (gradients,) = jax.vmap(pull_back)(images.astype(values.dtype))
        return gradients.reshape(len(images), -1).astype(dtype)

    return Products(push, pull, x.size, float(jnp.finfo(values.dtype).eps))
