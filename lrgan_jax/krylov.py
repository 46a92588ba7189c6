"""The leading eigenvectors of M_A - mu M_B for latents too large for any d x d matrix: by products with J and J^T alone.

Symbols: J [P, d]; M_A = J^T diag(plus) J and M_B = J^T diag(minus) J for weights of its P rows; G = M_A - mu M_B. The
space found so far is an orthonormal basis V [q, d] together with W = V J^T [q, P], what its rows make of the image, so
that V M V^T = W diag(m) W^T is known for both, and with it G's best vectors in the space for any mu. What G makes of
them beyond the space, the residuals J^T diag(plus - mu minus) J x - theta x, joins it: a product with J^T and one with
J for each new row. For a fixed mu this is the block Lanczos method with every row kept orthogonal.

Why not LOBPCG, which keeps three blocks: the eigenvalues asked for are a thousandth of the least one, -mu |M_B|, and few
of M_B's are large. A basis that is kept finds these few early and then converges as though they were not there; on faces64
60 to 100 rows are enough for four vectors of any latent size. When it is full, half of it is kept, the top and the
bottom of the spectrum: forgetting the bottom would mean to find it again.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from lrgan_jax.subspaces import default_mu, signed, spectrum

HIGHEST = lax.Precision.HIGHEST
BLOCK = 2  # rows that join at once: fewer need fewer products, more need fewer passes through the network
BASIS = 128  # rows kept at most; a hundred pictures of 256x256 in colour are 80 MB
PROBES = 16  # random latents by which the trace of what the basis does not span is estimated


class Products(NamedTuple):
    """J [P, d] as two maps of rows."""

    push: Callable[[Float[Array, "n d"]], Float[Array, "n p"]]  # rows J^T
    pull: Callable[[Float[Array, "n p"]], Float[Array, "n d"]]  # rows J
    d: int
    eps: float  # rounding of what they compute with, relative


class Form(NamedTuple):
    """G = J^T diag(plus - mu minus) J; where mu is None it is the greatest a / (b + c), c = tao * trace(M_B)."""

    plus: Float[Array, " p"]
    minus: Float[Array, " p"]
    mu: Float[Array, ""] | None
    tao: Float[Array, ""]


class Leading(NamedTuple):
    """The top k eigenpairs, the largest eigenvalue first, each measured once more by products of its own."""

    vectors: Float[Array, "k d"]
    values: Float[Array, " k"]
    plus: Float[Array, " k"]  # x^T M_A x
    minus: Float[Array, " k"]  # x^T M_B x
    residuals: Float[Array, " k"]  # |G x - theta x|
    noise: Float[Array, ""]  # what rounding leaves of a value or a residual that is zero
    mu: Float[Array, ""]
    trace: Float[Array, ""]  # of M_B, and its standard error; NaN where mu was given
    trace_error: Float[Array, ""]
    products: Int[Array, ""]  # with J and with J^T, of a vector each
    converged: Bool[Array, ""]


class _Space(NamedTuple):
    """Rows past `filled`, and those that turned out to depend on others, are zero."""

    rows: Float[Array, "q d"]
    images: Float[Array, "q p"]
    plus: Float[Array, "q q"]
    minus: Float[Array, "q q"]
    filled: Int[Array, ""]


class _State(NamedTuple):
    space: _Space
    kept: Float[Array, "h q"]  # rotates the basis to the half that is worth keeping
    vectors: Float[Array, "k d"]
    values: Float[Array, " k"]
    residuals: Float[Array, " k"]  # when last looked at; infinite where that was before the pair changed
    limits: Float[Array, " k"]
    new: Float[Array, "b d"]  # what is to join
    mu: Float[Array, ""]
    trace: Float[Array, ""]
    trace_error: Float[Array, ""]
    products: Int[Array, ""]
    grown: Bool[Array, ""]


def leading(products: Products, form: Form, k: int, *, tol: Float[Array, ""], most: Int[ArrayLike, ""]) -> Leading:
    """The top k eigenvectors of G, each to a residual of `tol` times the largest eigenvalue, or to rounding.

    Args:
      most: products to make at most.
    """
    block, d = min(k, BLOCK), products.d
    size = min(d + -d % block, max(BASIS, 8 * k))
    dtype = form.plus.dtype
    start = jax.random.normal(jax.random.key(0), (block, d), dtype)
    probes = _probes(d, dtype)
    pushed = None if form.mu is not None else in_blocks(products.push, probes, block)
    empty = _Space(
        jnp.zeros((size, d), dtype),
        jnp.zeros((size, len(form.plus)), dtype),
        *(jnp.zeros((size, size), dtype) for _ in range(2)),
        jnp.array(0),
    )
    nan, inf = jnp.array(jnp.nan, dtype), jnp.full(k, jnp.inf, dtype)
    first = _State(
        empty,
        jnp.zeros((size // 2, size), dtype),
        jnp.zeros((k, d), dtype),
        jnp.zeros(k, dtype),
        inf,
        jnp.zeros(k, dtype),
        start,
        nan if form.mu is None else form.mu,
        nan,
        jnp.array(jnp.inf, dtype) if form.mu is None else nan,
        jnp.array(0 if pushed is None else len(probes)),
        jnp.array(True),
    )

    def unfinished(state):
        room = state.products + 2 * block + 2 * k <= most
        return (state.residuals > state.limits).any() & room & state.grown

    def step(state):
        space, grown = _extended(state.space, state.new, state.kept, products, form)
        state = state._replace(space=space, grown=grown, products=state.products + 2 * block)
        return _looked_at(state, products, form, probes, pushed, block, tol)

    state = lax.while_loop(unfinished, step, first)
    return _measured(state, products, form, block, tol)


def fewest(k: int) -> int:
    """The products that it takes to have k vectors at all, and to measure them."""
    block = min(k, BLOCK)
    return PROBES + 2 * (k + -k % block) + 2 * k


def _extended(space: _Space, new, kept, products: Products, form: Form) -> tuple[_Space, Bool[Array, ""]]:
    """The space with the part of `new` rows that it lacks, or a random one; and whether there was room for any."""
    block, size = len(new), len(space.rows)
    space = lax.cond(space.filled + block > size, lambda: _halved(space, kept, form), lambda: space)
    rows = space.rows
    for i in range(block):
        row = _orthogonal(new[i], rows)
        other = jax.random.normal(jax.random.fold_in(jax.random.key(2), space.filled + i), row.shape, row.dtype)
        row = jnp.where((row != 0).any(), row, _orthogonal(other, rows))
        rows = lax.dynamic_update_slice(rows, row[None], (space.filled + i, 0))
    joined = lax.dynamic_slice_in_dim(rows, space.filled, block)
    shown = products.push(joined)
    images = lax.dynamic_update_slice(space.images, shown, (space.filled, 0))

    def grown(gram, weights):
        part = matmul(shown * weights, images.T)
        gram = lax.dynamic_update_slice(gram, part, (space.filled, 0))
        return lax.dynamic_update_slice(gram, part.T, (0, space.filled))

    grams = grown(space.plus, form.plus), grown(space.minus, form.minus)
    return _Space(rows, images, *grams, space.filled + block), (joined != 0).any()


def _orthogonal(row, rows):
    """The unit part of `row` that `rows` do not span; zero if that is rounding alone, which a second pass shows."""
    for _ in range(2):
        row = row / jnp.maximum(jnp.linalg.norm(row), 1e-30)
        row = row - matmul(matmul(rows, row), rows)
    length = jnp.linalg.norm(row)
    return jnp.where(length > 0.5, row / jnp.where(length > 0.5, length, 1), 0)


def _halved(space: _Space, kept, form: Form) -> _Space:
    """The basis rotated to its best half. The Grams are taken anew, which is exact to rounding of each row's own size."""
    missing = ((0, len(space.rows) - len(kept)), (0, 0))
    rows, images = (jnp.pad(matmul(kept, a), missing) for a in (space.rows, space.images))
    grams = (matmul(images * weights, images.T) for weights in (form.plus, form.minus))
    return _Space(rows, images, *grams, jnp.array(len(kept)))


def _looked_at(state: _State, products: Products, form: Form, probes, pushed, block: int, tol) -> _State:
    """The best pairs of the space, and what is to join it: the residuals of the first ones that are not done."""
    space, k, dtype = state.space, len(state.values), form.plus.dtype
    alive = jnp.square(space.rows).sum(1) > 0.5
    trace, trace_error = state.trace, state.trace_error
    mu = state.mu
    if pushed is not None:
        estimate, error = _trace(space, probes, pushed, form.minus)
        better = error <= trace_error  # after the basis was halved the old one is the better
        trace, trace_error = jnp.where(better, estimate, trace), jnp.where(better, error, trace_error)
        known = jnp.trace(space.minus)
        mu = default_mu(space.plus, space.minus, form.tao * jnp.where(known > 0, trace / known, 1))
    radius = _radius(space, mu)
    gram = space.plus - mu * space.minus - jnp.diag(jnp.where(alive, 0, 2 * radius))  # what is no row comes last
    turn = spectrum(gram)[1]
    vectors, images, values = _refined(turn[: min(2 * k, len(turn))], space, form, mu, radius, k)
    limits = jnp.maximum(tol * jnp.abs(values), products.eps * radius / 4)
    moved = jnp.abs(values - state.values) > limits
    residuals = jnp.where(moved, jnp.inf, state.residuals)
    chosen = jnp.argsort(residuals <= limits, stable=True)[:block]
    weights = form.plus - mu * form.minus
    new = products.pull(images[chosen] * weights) - values[chosen, None] * vectors[chosen]
    new = new - matmul(matmul(new, space.rows.T), space.rows)
    there = jnp.square(vectors[chosen]).sum(1) > 0.5
    residuals = residuals.at[chosen].set(jnp.where(there, jnp.linalg.norm(new, axis=1), jnp.inf))
    kept = _worth_keeping(turn, alive.sum(), len(state.kept))
    return _State(
        space, kept, vectors, values, residuals, limits, new, mu, trace, trace_error, state.products, state.grown
    )


def _refined(turn, space: _Space, form: Form, mu, radius, k: int):
    """The first k eigenvectors of G in the span of a few, J times them, and their values.

    The small matrix of the whole basis is exact to rounding of its largest eigenvalue, a thousand times those wanted;
    that of these few to rounding of theirs.
    """
    vectors, images = matmul(turn, space.rows), matmul(turn, space.images)
    there = jnp.square(vectors).sum(1) > 0.5
    gram = matmul(images * (form.plus - mu * form.minus), images.T)
    gram = (gram + gram.T) / 2 - jnp.diag(jnp.where(there, 0, 2 * radius))
    values, turn = spectrum(gram)
    return matmul(turn[:k], vectors), matmul(turn[:k], images), values[:k]


def _worth_keeping(turn, alive, num: int):
    """The top and the bottom of the spectrum, half and half; zeros where they would overlap."""
    top = num - num // 2
    bottom = alive - num // 2 + jnp.arange(num // 2)
    lower = jnp.where((bottom >= top)[:, None], turn[jnp.maximum(bottom, 0)], 0)
    return jnp.concatenate([turn[:top], lower])


def _trace(space: _Space, probes, pushed, minus) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """trace(M_B), and its standard error: exact on the space, and by the probes' parts outside of it, which have little.

    Source: Meyer et al. 2021, arXiv:2010.09649 (Hutch++).
    """
    outside = pushed - matmul(matmul(probes, space.rows.T), space.images)
    samples = matmul(jnp.square(outside), minus)
    exact = len(probes) == space.rows.shape[1]
    error = jnp.zeros((), samples.dtype) if exact else samples.std(ddof=1) / len(samples) ** 0.5
    return jnp.trace(space.minus) + samples.mean(), error


def _probes(d: int, dtype) -> Float[Array, "s d"]:
    """Random signs; where the latent has no more numbers than there are probes, its axes, which make the trace exact."""
    if d <= PROBES:
        return d**0.5 * jnp.eye(d, dtype=dtype)
    return jax.random.rademacher(jax.random.key(1), (PROBES, d), dtype)


def _measured(state: _State, products: Products, form: Form, block: int, tol) -> Leading:
    """The pairs found, by products with the vectors themselves."""
    vectors = state.vectors / jnp.maximum(jnp.linalg.norm(state.vectors, axis=1, keepdims=True), 1e-30)
    vectors = signed(vectors)
    images = in_blocks(products.push, vectors, block)
    squares = jnp.square(images)
    plus, minus = matmul(squares, form.plus), matmul(squares, form.minus)
    mu, noise = state.mu, 4 * products.eps * _radius(state.space, state.mu)
    values = plus - mu * minus
    gradients = in_blocks(products.pull, images * (form.plus - mu * form.minus), block)
    residuals = jnp.linalg.norm(gradients - values[:, None] * vectors, axis=1)
    count = state.products + 2 * len(vectors)
    known = state.trace, state.trace_error, count, (residuals <= jnp.maximum(tol * jnp.abs(values), noise)).all()
    return Leading(vectors, values, plus, minus, residuals, noise, mu, *known)


def _radius(space: _Space, mu) -> Float[Array, ""]:
    """A bound on the eigenvalues of G in the space, which soon has the largest."""
    return jnp.linalg.norm(space.plus) + mu * jnp.linalg.norm(space.minus)


def in_blocks(product, rows, block: int):
    """`product` of any number of rows, a block at a time."""
    padded = jnp.pad(rows, ((0, -len(rows) % block), (0, 0))).reshape(-1, block, rows.shape[1])
    found = lax.map(product, padded)
    return found.reshape(-1, found.shape[-1])[: len(rows)]


def matmul(a, b):
    return jnp.matmul(a, b, precision=HIGHEST)
