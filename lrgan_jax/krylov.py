"""The leading eigenvectors of M_A - mu M_B for latents too large for any d x d matrix: by products with J and J^T.

Symbols: J [P, d]; M_A = J^T diag(plus) J and M_B = J^T diag(minus) J for weights of its P rows; G = M_A - mu M_B. The
space found so far is an orthonormal basis V [q, d] together with its images W = V J^T [q, P], so that V M V^T =
W diag(m) W^T is known for both, and with it G's best vectors x in the space, for any mu. What G makes of them beyond
the space, the residuals J^T diag(plus - mu minus) J x - theta x, joins it: one product with J^T and one with J for
each new row. For a fixed mu this is the block Lanczos method with every row kept orthogonal.

Why not LOBPCG, which keeps three blocks: the eigenvalues asked for are a thousandth of the least one, -mu |M_B|, but
few of M_B's are large. A basis that is kept finds these few early, and then converges as though they were not there:
60 to 100 rows for four vectors of faces64, whatever the latent's size. When it is full, half of it is kept, the top and
the bottom of the spectrum: to forget the bottom is to find it again.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from lrgan_jax.subspaces import priced_mu, spectrum

HIGHEST = lax.Precision.HIGHEST
BLOCK = 2  # rows that join at once: of one fewer products are needed, of four a third more, but fewer passes
BASIS = 128  # rows kept at most: pictures, 100 MB of 256x256 in colour


class Products(NamedTuple):
    """J [P, d] as two maps of rows, and the relative rounding of what they compute with."""

    push: Callable[[Float[Array, "n d"]], Float[Array, "n p"]]  # rows J^T
    pull: Callable[[Float[Array, "n p"]], Float[Array, "n d"]]  # rows J
    d: int
    eps: float


class Form(NamedTuple):
    """G = J^T diag(plus - mu minus) J; where mu is None it is the greatest a / (b + cost)."""

    plus: Float[Array, " p"]
    minus: Float[Array, " p"]
    mu: Float[Array, ""] | None = None
    cost: Float[Array, ""] | None = None


class Leading(NamedTuple):
    """The top k eigenvectors as far as they were found, the largest eigenvalue first."""

    vectors: Float[Array, "k d"]
    values: Float[Array, " k"]
    mu: Float[Array, ""]
    rounding: Float[Array, ""]  # of G's largest eigenvalue
    products: Int[Array, ""]  # with J and with J^T, of a vector each
    done: Bool[Array, ""]


class _Space(NamedTuple):
    """Rows past `filled`, and those for which there was no room, are zero."""

    rows: Float[Array, "q d"]
    images: Float[Array, "q p"]
    plus: Float[Array, "q q"]
    minus: Float[Array, "q q"]
    filled: Int[Array, ""]


class _Pairs(NamedTuple):
    """What the space has to offer."""

    turn: Float[Array, "q q"]  # makes G's eigenvectors in the space of its rows, best first
    vectors: Float[Array, "k d"]
    values: Float[Array, " k"]
    residuals: Float[Array, " k"]  # when last looked at; infinite where the pair has changed since
    limits: Float[Array, " k"]  # for them
    new: Float[Array, "b d"]  # what is to join
    mu: Float[Array, ""]


class _State(NamedTuple):
    space: _Space
    pairs: _Pairs
    products: Int[Array, ""]
    grown: Bool[Array, ""]


def leading(products: Products, form: Form, k: int, *, tol: Float[Array, ""], most: Int[Array, ""]) -> Leading:
    """The top k eigenvectors of G, each to a residual of `tol` times its eigenvalue, or to rounding.

    Args:
      most: products to make at most; at least `fewest(k)`.
    """
    block = min(k, BLOCK)

    def unfinished(state):
        pairs, room = state.pairs, state.products + 2 * block <= most
        return (pairs.residuals > pairs.limits).any() & room & state.grown

    def step(state):
        space, pairs = state.space, state.pairs
        space = lax.while_loop(  # no cond, which would copy it
            lambda space: space.filled + block > len(space.rows), lambda space: _halved(space, pairs.turn, form), space
        )
        joining = _joining(space, pairs.new)
        space = _joined(space, joining, products.push(joining), form)
        pairs = _looked_at(space, pairs, products, form, tol)
        return _State(space, pairs, state.products + 2 * block, (joining != 0).any())

    last = lax.while_loop(unfinished, step, _first(products.d, form, k))
    pairs, rounding = last.pairs, products.eps * _radius(last.space, last.pairs.mu)
    done = (pairs.residuals <= pairs.limits).all() | ~last.grown  # or the space is all there is
    return Leading(pairs.vectors, pairs.values, pairs.mu, rounding, last.products, done)


def _first(d: int, form: Form, k: int) -> _State:
    """An empty space, which random rows will join."""
    P, dtype, block = len(form.plus), form.plus.dtype, min(k, BLOCK)
    q = min(d + 2 * block, max(BASIS, 8 * k))  # of a small latent all, and a block to see that it is
    zeros, count = lambda *shape: jnp.zeros(shape, dtype), jnp.zeros((), jnp.int32)  # noqa: E731
    pairs = _Pairs(
        turn=zeros(q, q),
        vectors=zeros(k, d),
        values=zeros(k),
        residuals=jnp.full(k, jnp.inf, dtype),
        limits=zeros(k),
        new=jax.random.normal(jax.random.key(0), (block, d), dtype),
        mu=zeros() if form.mu is None else form.mu,
    )
    space = _Space(zeros(q, d), zeros(q, P), zeros(q, q), zeros(q, q), count)
    return _State(space, pairs, count, jnp.array(True))


def fewest(k: int) -> int:
    """The products that it takes to have k vectors at all."""
    block = min(k, BLOCK)
    return 2 * (k + -k % block)


def _looked_at(space: _Space, before: _Pairs, products: Products, form: Form, tol) -> _Pairs:
    """The best pairs of the space, and what is to join it: the residuals of the first ones that are not done."""
    k, block = len(before.values), len(before.new)
    mu = before.mu if form.cost is None else priced_mu(space.plus, space.minus, form.cost)
    radius = _radius(space, mu)
    turn = spectrum(space.plus - mu * space.minus - _last(~_there(space.rows), radius))[1]
    weights = form.plus - mu * form.minus
    upper = max(2 * k, len(turn) - len(turn) // 4)  # all but what is largest, whose rounding is larger than the best
    vectors, images, values = _refined(turn[:upper], space, weights, radius, k)
    limits = jnp.maximum(tol * jnp.abs(values), products.eps * radius / 16)  # far below, rounding was seen to stop it
    residuals = jnp.where(jnp.abs(values - before.values) > limits, jnp.inf, before.residuals)
    chosen = jnp.argsort(residuals <= limits, stable=True)[:block]
    new = products.pull(images[chosen] * weights) - values[chosen, None] * vectors[chosen]
    new = new - _matmul(_matmul(new, space.rows.T), space.rows)  # zero but for rounding, which is largest there
    lengths = jnp.where(_there(vectors[chosen]), jnp.linalg.norm(new, axis=1), jnp.inf)
    return _Pairs(turn, vectors, values, residuals.at[chosen].set(lengths), limits, new, mu)


def _refined(turn, space: _Space, weights, radius, k: int):
    """The first k eigenvectors of G in the span of some of the space, J times them, and their values.

    The small matrix of the whole space is exact to rounding of its largest eigenvalue, a thousand times those wanted
    and more; that of these to rounding of theirs: a tenth to a hundredth of the angle to the true ones.
    """
    vectors, images = _matmul(turn, space.rows), _matmul(turn, space.images)
    gram = _matmul(images * weights, images.T)
    values, turn = spectrum((gram + gram.T) / 2 - _last(~_there(vectors), radius))
    return _matmul(turn[:k], vectors), _matmul(turn[:k], images), values[:k]


def _joining(space: _Space, new):
    """Rows made orthonormal to the space and to one another; random ones in place of those that it spans; zero if it
    spans everything.
    """
    rows, joining = space.rows, []
    for i, row in enumerate(new):
        other = jax.random.normal(jax.random.fold_in(jax.random.key(2), space.filled + i), row.shape, row.dtype)
        row, other = _orthogonal(row, rows), _orthogonal(other, rows)
        joining.append(jnp.where((row != 0).any(), row, other))
        rows = lax.dynamic_update_slice_in_dim(rows, joining[-1][None], space.filled + i, 0)
    return jnp.stack(joining)


def _orthogonal(row, rows):
    """The unit part of `row` that `rows` do not span; zero if that is rounding alone, which a second pass shows."""
    for _ in range(2):
        row = row / jnp.maximum(jnp.linalg.norm(row), 1e-30)
        row = row - _matmul(_matmul(rows, row), rows)
    length = jnp.linalg.norm(row)
    return jnp.where(length > 0.5, row / jnp.where(length > 0.5, length, 1), 0)


def _joined(space: _Space, new, shown, form: Form) -> _Space:
    """The space with orthonormal rows and their images."""
    rows = lax.dynamic_update_slice_in_dim(space.rows, new, space.filled, 0)
    images = lax.dynamic_update_slice_in_dim(space.images, shown, space.filled, 0)

    def grown(gram, weights):
        part = _matmul(shown * weights, images.T)
        gram = lax.dynamic_update_slice_in_dim(gram, part, space.filled, 0)
        return lax.dynamic_update_slice_in_dim(gram, part.T, space.filled, 1)

    plus, minus = grown(space.plus, form.plus), grown(space.minus, form.minus)
    return _Space(rows, images, plus, minus, space.filled + len(new))


def _halved(space: _Space, turn, form: Form) -> _Space:
    """The half at both ends of the spectrum, with Grams taken anew."""
    q = len(turn)
    bottom = _there(space.rows).sum() - q // 4 + jnp.arange(q // 4)
    kept = jnp.concatenate([turn[: q // 4], jnp.where((bottom >= q // 4)[:, None], turn[bottom], 0)])
    missing = ((0, q - len(kept)), (0, 0))
    rows, images = (jnp.pad(_matmul(kept, a), missing) for a in (space.rows, space.images))
    plus, minus = (_matmul(images * weights, images.T) for weights in (form.plus, form.minus))
    return _Space(rows, images, plus, minus, jnp.array(len(kept), jnp.int32))


def _radius(space: _Space, mu) -> Float[Array, ""]:
    """A bound on the magnitude of G's eigenvalues in the space, which soon has the largest."""
    return jnp.linalg.norm(space.plus) + mu * jnp.linalg.norm(space.minus)


def _there(rows) -> Bool[Array, " n"]:
    """Which are vectors, not zero."""
    return jnp.square(rows).sum(1) > 0.5


def _last(missing, radius):
    """What makes the eigenvalues of missing rows smaller than all others, when taken off."""
    return jnp.diag(jnp.where(missing, 2 * radius + 1e-30, 0))


def _matmul(a, b):
    return jnp.matmul(a, b, precision=HIGHEST)
