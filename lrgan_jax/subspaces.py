"""From two Grams to directions: attribute space, null space, and three ways of moving the region while the rest stays.

Symbols: M_A, M_B the Grams of the region and of the rest; L_A, L_B their low-rank parts; for a unit vector v the
first-order change inside is a(v) = v^T M_A v and the leak b(v) = v^T M_B v, both per squared unit of step. Spectra
fall. A subspace is an orthonormal basis of d rows together with a mask that says which rows count, so no shape depends
on a rank and everything vmaps.

* projected (the paper): the attribute vectors, projected on the null space of the rest and normalised.
* constrained: the best inside that null space, the eigenvectors of P L_A P.
* frontier: the eigenvectors of M_A - mu M_B. The pairs (a, b) that no direction beats are exactly those of its top
  eigenvector, as mu runs from 0 to infinity, because the joint range of two quadratic forms on the sphere is convex
  (Brickman 1961, d >= 3). Those with positive eigenvalue span the mu-local subspace: the largest one in which every
  direction changes the inside more than mu times as much as the rest (Sylvester's law of inertia).

Source: Zhu et al. 2021, arXiv:2106.04488, section 3.3; Zhu et al. 2022, arXiv:2202.09649, for the generalised quotient.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from lrgan_jax import display
from lrgan_jax.base import linalg
from lrgan_jax.base.arrays import AnyArray

HIGHEST = lax.Precision.HIGHEST
LOOSE = 4.0  # times the best's price up to which further directions are worth having
TAO = 1e-3  # price of a step's length, over the trace of M_B; ReSeFa's released code takes the same


@display.record
class Subspace(NamedTuple):
    """Rows `basis[k]` where `mask[k]` span the space; `values[k]` are their eigenvalues, falling in magnitude."""

    basis: Float[Array, "d d"]
    values: Float[Array, " d"]
    mask: Bool[Array, " d"]

    @property
    def projector(self) -> Float[Array, "d d"]:
        """P = sum of v v^T: symmetric, P P = P."""
        kept = self.basis * self.mask[:, None]
        return jnp.matmul(kept.T, kept, precision=HIGHEST)

    def _repr_html_(self) -> str:
        (d,), mask = np.shape(self.mask), np.asarray(self.mask)
        eigenvalues = display.graph(self.values, "eigenvalues, those of the subspace in colour", mask)
        return display.card(f"a subspace of {mask.sum()} of {d} dimensions", {}, eigenvalues)


@display.record
class Candidates(NamedTuple):
    """Directions in order of merit, unit ones in the coordinates of the Grams, `vectors[k]` meaningful where `mask[k]`,
    and what each does to first order.
    """

    vectors: Float[Array, "k d"]
    inside: Float[Array, " k"]  # a = v^T M_A v
    outside: Float[Array, " k"]  # b = v^T M_B v
    mask: Bool[Array, " k"]
    # Share of the vector's squared length in the attribute space, or of projected ones what the projection left; None
    # without one.
    kept: Float[Array, " k"] | None = None

    def _repr_html_(self) -> str:
        (chosen,) = np.nonzero(self.mask)
        few = chosen[: display.SHOWN]
        columns = {"": [*map(str, few)]} | display.changes(np.asarray(self.inside)[few], np.asarray(self.outside)[few])
        return display.card(f"{len(chosen)} directions that count", {}, display.table(columns, len(chosen)))


def spectrum(
    matrix: Float[AnyArray, "d d"], *, by_magnitude: bool = False
) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
    """Eigenvalues, falling, and the unit eigenvectors as rows, each signed so that its largest entry is positive.

    Args:
      by_magnitude: absolute values fall, as singular values do. A low-rank part has a few negative eigenvalues, which
        count too.
    """
    values, vectors = linalg.eigh(matrix)
    order = jnp.argsort(-jnp.abs(values) if by_magnitude else -values)
    return values[order], signed(vectors.T[order])


def signed(rows: Float[AnyArray, "k d"]) -> Float[Array, "k d"]:
    """Rows of which either sign is as good, each with the one that makes its largest entry positive."""
    largest = jnp.take_along_axis(rows, jnp.argmax(jnp.abs(rows), axis=1, keepdims=True), axis=1)
    return jnp.where(largest < 0, -1, 1) * rows


def attribute_space(low_rank: Float[AnyArray, "d d"], rank: Int[ArrayLike, ""]) -> Subspace:
    """What moves the region: the leading `rank` eigenvectors of L_A."""
    values, basis = spectrum(low_rank, by_magnitude=True)
    return Subspace(basis, values, jnp.arange(len(values)) < rank)


def null_space(
    low_rank: Float[AnyArray, "d d"], rank: int | Int[AnyArray, ""], num_relax: int | Int[AnyArray, ""] = 0
) -> Subspace:
    """What leaves the rest alone: the eigenvectors of L_B past its rank.

    Args:
      num_relax: the authors' relaxation counts this many weakest directions of L_B as null too. As in their code the
        space starts at min(max(1, rank - num_relax), d - 1), so it is never empty and never everything.
    """
    values, basis = spectrum(low_rank, by_magnitude=True)
    d = len(values)
    start = jnp.clip(rank - num_relax, 1, d - 1)
    return Subspace(basis, values, jnp.arange(d) >= start)


def energies(vectors: Float[AnyArray, "k d"], gram: Float[AnyArray, "d d"]) -> Float[Array, " k"]:
    """v^T M v for each row."""
    return jnp.einsum("ki,ij,kj->k", vectors, gram, vectors, precision=HIGHEST)


def projected_directions(
    attribute: Subspace, null: Subspace, inside: Float[AnyArray, "d d"], outside: Float[AnyArray, "d d"]
) -> Candidates:
    """The paper's: n = P_null v / |P_null v| for the attribute vectors v, in the order of their eigenvalues.

    `kept` is |P_null v|^2, how much of v survives. A vector of which nothing but rounding survives is masked out:
    normalising it, as the authors' code does, would return noise.
    """
    vectors = jnp.matmul(attribute.basis, null.projector, precision=HIGHEST)
    kept = jnp.sum(jnp.square(vectors), axis=1)
    alive = kept > 100 * jnp.finfo(vectors.dtype).eps ** 2 * len(vectors)
    vectors = vectors / jnp.where(alive, jnp.sqrt(jnp.where(alive, kept, 1)), 1)[:, None]
    return _measured(vectors, attribute.mask & alive, inside, outside, kept)


def constrained_directions(
    attribute: Subspace, null: Subspace, inside: Float[AnyArray, "d d"], outside: Float[AnyArray, "d d"]
) -> Candidates:
    """The best inside the null space: eigenvectors of P L_A P, L_A cut to the attribute space; as many as the rank
    allows.

    The same as the eigenvectors of N^T L_A N for an orthonormal basis N of the null space, without a shape that depends
    on a rank.
    """
    weights = jnp.where(attribute.mask, attribute.values, 0)
    low_rank = jnp.matmul(attribute.basis.T * weights, attribute.basis, precision=HIGHEST)
    values, vectors = spectrum(_sandwich(null.projector, low_rank))
    count = jnp.minimum(attribute.mask.sum(), null.mask.sum())
    mask = (jnp.arange(len(values)) < count) & (values > jnp.finfo(values.dtype).eps * len(values) * values[0])
    return _measured(vectors, mask, inside, outside, energies(vectors, attribute.projector))


def frontier_directions(
    inside: Float[AnyArray, "d d"],
    outside: Float[AnyArray, "d d"],
    mu: Float[ArrayLike, ""],
    attribute: Subspace | None = None,
) -> Candidates:
    """The mu-local subspace: orthonormal eigenvectors of M_A - mu M_B with positive eigenvalue, the best direction
    first.

    Every unit v in their span has v^T M_A v > mu v^T M_B v. The first maximises a - mu b over the whole sphere.

    Args:
      mu: how many times more the inside must change than the rest; see `default_mu`.
      attribute: only for `kept`, which is None without it.
    """
    mu = jnp.asarray(mu, inside.dtype)  # a NumPy number would make everything its own dtype
    values, vectors = spectrum(inside - mu * outside)
    kept = None if attribute is None else energies(vectors, attribute.projector)
    noise = (
        4 * jnp.finfo(values.dtype).eps * (jnp.trace(inside) + mu * jnp.trace(outside))
    )  # what moves neither side has value 0
    return _measured(vectors, values > noise, inside, outside, kept)


def nearest_local_direction(
    vector: Float[AnyArray, " d"],
    inside: Float[AnyArray, "d d"],
    outside: Float[AnyArray, "d d"],
    mu: Float[ArrayLike, ""],
) -> Float[Array, " d"]:
    """The unit vector of the mu-local subspace nearest to `vector`; where that space is empty, the frontier's best,
    turned its way.

    So a direction found elsewhere is made local here and keeps its meaning.
    """
    local = frontier_directions(inside, outside, mu)
    rows = local.vectors * local.mask[:, None]
    projected = jnp.matmul(jnp.matmul(rows, vector, precision=HIGHEST), rows, precision=HIGHEST)
    best = local.vectors[0]
    best = jnp.where(jnp.vdot(best, vector) < 0, -best, best)
    length = jnp.linalg.norm(projected)
    return jnp.where(length > 1e-3 * jnp.linalg.norm(vector), projected / jnp.maximum(length, 1e-30), best)


def default_mu(
    inside: Float[AnyArray, "d d"], outside: Float[AnyArray, "d d"], tao: Float[ArrayLike, ""] = TAO
) -> Float[Array, ""]:
    """The mu that prices a step's length: the greatest a / (b + c) with c = tao * trace(M_B).

    A direction that leaks little per unit may need so long a step that curvature leaks instead; c is what a unit of
    length costs. At the maximum, (M_A - mu M_B) v = mu c v, so v is the frontier's direction for mu equal to the
    quotient itself.

    Source: the regularised quotient of ReSeFa (arXiv:2202.09649), whose released code takes tao = 1e-3.
    """
    return priced_mu(inside, outside, _share(inside, outside, tao))


def priced_mu(
    inside: Float[AnyArray, "d d"], outside: Float[AnyArray, "d d"], cost: Float[ArrayLike, ""]
) -> Float[Array, ""]:
    """The greatest a / (b + cost), of the first of the `priced_directions`."""
    return linalg.eigvalsh(_whitened(inside, outside, positive_cost(inside, outside, cost))[0])[-1]


def priced_directions(
    inside: Float[AnyArray, "d d"], outside: Float[AnyArray, "d d"], cost: Float[ArrayLike, ""]
) -> Candidates:
    """The stationary points of a / (b + cost), the greatest first: a direction of the frontier, and what is best beside
    it.

    A step that changes the region by x has the squared length x / a, to first order, and the leak b / a. So with
    cost = price * x, leak + price * length^2 is least in the first direction, which is the frontier's for mu equal to
    the greatest quotient. The others' changes are orthogonal to its own: those of the region, and those of the rest
    with lengths priced. Those count that cost at most LOOSE times as much.
    """
    quotients, vectors = stationary(inside, outside, positive_cost(inside, outside, cost))
    return _measured(vectors, (quotients > 0) & (quotients >= quotients[0] / LOOSE), inside, outside)


def positive_cost(
    inside: Float[AnyArray, "d d"], outside: Float[AnyArray, "d d"], cost: Float[ArrayLike, ""]
) -> Float[Array, ""]:
    """The cost, or what rounding makes of none: the quotient exists whatever the rank of M_B."""
    return jnp.maximum(jnp.asarray(cost, inside.dtype), _share(inside, outside, 10 * jnp.finfo(inside.dtype).eps))


def rayleigh_directions(
    inside: Float[AnyArray, "d d"], outside: Float[AnyArray, "d d"], tao: Float[ArrayLike, ""] = TAO
) -> Candidates:
    """ReSeFa's closed form: the stationary points of a / (b + c), c = tao * trace(M_B), the largest quotient first.

    Unit vectors, but not orthogonal to one another; they are the eigenvectors of (M_B + c I)^-1 M_A, by way of a
    symmetric problem. tao = 0 is the plain quotient, for an M_B of full rank.

    Source: Zhu et al. 2022, arXiv:2202.09649; their released code offers tao = 1e-3 for an M_B that lacks full rank.
    """
    _, vectors = stationary(inside, outside, _share(inside, outside, tao))
    return _measured(vectors, jnp.isfinite(vectors).all(1), inside, outside)


def ranked_directions(
    rows: Float[AnyArray, "k d"],
    inside: Float[AnyArray, "d d"],
    outside: Float[AnyArray, "d d"],
    costs: Float[AnyArray, " k"],
) -> Candidates:
    """Directions found elsewhere, in the order of their quotients a / (b + cost) here, the largest first.

    Args:
      costs: of each one's own length; see `priced_directions`.
    """
    found = _measured(jnp.asarray(rows, inside.dtype), jnp.full(len(rows), True), inside, outside)
    order = jnp.argsort(-found.inside / (found.outside + costs))
    return Candidates(found.vectors[order], found.inside[order], found.outside[order], found.mask[order])


def single_directions(
    inside: Float[AnyArray, "d d"], outside: Float[AnyArray, "d d"], costs: Float[AnyArray, " d"]
) -> Candidates:
    """Every number of the latent alone, in the order of `ranked_directions`; the Grams' diagonals say what each does.

    Those that do not move the region are masked out.
    """
    a, b = jnp.diagonal(inside), jnp.diagonal(outside)
    order = jnp.argsort(-a / (b + costs))
    a, b = a[order], b[order]
    vectors = jnp.where(jnp.isnan(a)[:, None], jnp.nan, jax.nn.one_hot(order, len(order), dtype=a.dtype))
    return Candidates(vectors, a, b, a > 0)


def weight_directions(weights: Float[AnyArray, "k d"]) -> Subspace:
    """SeFa's closed form: what the affine maps behind the styles amplify most, without any image.

    Args:
      weights: rows of the affine maps of the layers to edit, one per channel of a style; see `StyleGAN2.style_weights`.
    Returns:
      Eigenvectors of the sum of a a^T over the rows a, each scaled to unit length as in the authors' code; all of them
      count.
    Source: Shen and Zhou 2021, arXiv:2007.06600, section 3.
    """
    norms = jnp.linalg.norm(weights, axis=1, keepdims=True)
    rows = weights / jnp.where(norms > 0, norms, 1)  # a channel that these numbers do not reach says nothing
    values, basis = spectrum(jnp.matmul(rows.T, rows, precision=HIGHEST))
    return Subspace(basis, values, jnp.ones(len(values), bool))


def stationary(
    inside: Float[AnyArray, "d d"], outside: Float[AnyArray, "d d"], cost: Float[ArrayLike, ""]
) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
    """The stationary values of a / (b + cost), falling, and the unit vectors where they are taken."""
    whitened, factor = _whitened(inside, outside, cost)
    values, rows = spectrum(whitened)
    vectors = jsl.solve_triangular(factor, rows.T, lower=True, trans=1).T
    return values, vectors / jnp.linalg.norm(vectors, axis=1, keepdims=True)


def _share(inside, outside, tao):
    """tao * trace(M_B); of what moves nothing else, or nothing at all, still above 0."""
    c = jnp.maximum(jnp.trace(outside), jnp.finfo(inside.dtype).eps * jnp.trace(inside))
    c = jnp.maximum(c, jnp.where(jnp.isnan(c), jnp.nan, 1e-30))
    return jnp.asarray(tao, inside.dtype) * c


def _whitened(inside, outside, cost):
    """F^-1 M_A F^-T and F, the Cholesky factor of M_B + cost I, which is positive definite: so all stays symmetric."""
    factor = linalg.cholesky(outside + cost * jnp.eye(len(inside), dtype=inside.dtype))
    half = jsl.solve_triangular(factor, inside, lower=True)
    whitened = jsl.solve_triangular(factor, half.T, lower=True)
    return (whitened + whitened.T) / 2, factor


def _sandwich(projector, matrix):
    product = jnp.matmul(jnp.matmul(projector, matrix, precision=HIGHEST), projector, precision=HIGHEST)
    return (product + product.T) / 2


def _measured(vectors, mask, inside, outside, kept=None) -> Candidates:
    return Candidates(vectors, energies(vectors, inside), energies(vectors, outside), mask, kept)
