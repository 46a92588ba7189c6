"""Subspaces and directions: the theory that the module claims, held on random Grams; NumPy and SciPy as oracles, in
float64.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from lrgan_jax import subspaces
from lrgan_jax.methods import Pair
from lrgan_jax.methods.frontier import FRONTIER
from lrgan_jax.subspaces import Subspace
from tests.tolerances import EXACT

D = 7
# A float64 eigendecomposition of matrices of norm about 1 leaves a few eps; an eigenvector, eps over the gap of its
# eigenvalue, and the spectra below are 0.05 apart at least.
SPECTRAL = dict(rtol=0, atol=1e-12)


@pytest.fixture(autouse=True)
def double():
    """All of this file in float64, unless a test says otherwise."""
    with jax.enable_x64(True):
        yield


def rotation(seed, d=D):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


def gram(values, seed):
    """A symmetric matrix with this spectrum and random eigenvectors, and those as rows."""
    rows = rotation(seed, len(values))
    return (rows.T * np.asarray(values, float)) @ rows, rows


def random_psd(seed, rank=D, d=D):
    """What a Gram is, J^T J / n; of a lower rank when there are few pixels."""
    J = np.random.default_rng(seed).standard_normal((rank, d))
    return J.T @ J / rank


def numpy_spectrum(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1], vectors.T[::-1]


def basis(candidates):
    return np.asarray(candidates.vectors)[np.asarray(candidates.mask)]


def quadratic(vectors, matrix):
    return np.einsum("ki,ij,kj->k", vectors, matrix, vectors)


def sphere(num, d=D, seed=0):
    x = np.random.default_rng(seed).standard_normal((num, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def assert_same_up_to_sign(actual, expected, atol=1e-10):
    """Row by row; eps over the smallest gap in use, and a wide margin."""
    assert actual.shape == expected.shape
    signs = np.sign(np.sum(actual * expected, axis=1, keepdims=True))
    np.testing.assert_allclose(actual, signs * expected, rtol=0, atol=atol)


# Spectrum and subspaces


@pytest.mark.parametrize(
    ("by_magnitude", "expected"), [(False, [3, 1.5, 1, 0.5, 0, -0.1, -2]), (True, [3, -2, 1.5, 1, 0.5, -0.1, 0])]
)
def test_spectrum_falls_and_reproduces_the_matrix(by_magnitude, expected):
    """Eigenvalues in falling order, negative ones last or among the others; orthonormal rows; M = V^T
    diag(values) V.
    """
    matrix, _ = gram([3, -2, 0.5, 0, 1, -0.1, 1.5], 0)
    values, rows = map(np.asarray, subspaces.spectrum(jnp.array(matrix), by_magnitude=by_magnitude))
    np.testing.assert_allclose(values, expected, **SPECTRAL)
    np.testing.assert_allclose(rows @ rows.T, np.eye(D), **SPECTRAL)
    np.testing.assert_allclose((rows.T * values) @ rows, matrix, **SPECTRAL)


@pytest.mark.parametrize("seed", range(4))
def test_the_largest_entry_of_an_eigenvector_is_positive(seed):
    """The sign rule, which makes results comparable between machines."""
    _, rows = map(np.asarray, subspaces.spectrum(jnp.array(random_psd(seed))))
    assert (rows[np.arange(D), np.abs(rows).argmax(1)] > 0).all()


@pytest.mark.parametrize("rank", range(D + 1))
def test_attribute_space_is_the_leading_eigenvectors(rank):
    """A projector: symmetric, idempotent, trace = rank; together with its complement the identity."""
    matrix, rows = gram([7, 6, 5, 4, 3, 2, 1], 1)
    space = subspaces.attribute_space(jnp.array(matrix), rank)
    P = np.asarray(space.projector)
    np.testing.assert_allclose(P, P.T, **SPECTRAL)
    np.testing.assert_allclose(P @ P, P, **SPECTRAL)
    np.testing.assert_allclose(np.trace(P), rank, **SPECTRAL)
    np.testing.assert_allclose(P, rows[:rank].T @ rows[:rank], **SPECTRAL)
    complement = np.asarray(space._replace(mask=~space.mask).projector)
    np.testing.assert_allclose(P + complement, np.eye(D), **SPECTRAL)
    np.testing.assert_allclose(P @ complement, 0, **SPECTRAL)


@pytest.mark.parametrize("num_relax", [0, 1, 3, D, 100])
@pytest.mark.parametrize("rank", [0, 1, 2, D - 1, D, D + 5])
def test_null_space_starts_where_the_authors_start_it(rank, num_relax):
    """min(max(1, rank - num_relax), d - 1): never empty, never everything."""
    matrix, rows = gram([7, 6, 5, 4, 3, 2, 1], 2)
    space = subspaces.null_space(jnp.array(matrix), rank, num_relax)
    start = min(max(1, rank - num_relax), D - 1)
    np.testing.assert_array_equal(space.mask, np.arange(D) >= start)
    np.testing.assert_allclose(space.projector, rows[start:].T @ rows[start:], **SPECTRAL)


def test_attribute_and_null_space_of_one_matrix_complement_each_other():
    matrix = jnp.array(random_psd(3))
    total = subspaces.attribute_space(matrix, 3).projector + subspaces.null_space(matrix, 3).projector
    np.testing.assert_allclose(total, np.eye(D), **SPECTRAL)


def test_energies_are_quadratic_forms():
    matrix, vectors = random_psd(4), sphere(5)
    expected = [v @ matrix @ v for v in vectors]
    np.testing.assert_allclose(subspaces.energies(jnp.array(vectors), jnp.array(matrix)), expected, **SPECTRAL)


# Projected and constrained directions

INSIDE, _ = gram([9, 6, 4, 1, 0.3, 0.1, 0], 5)
OUTSIDE, _ = gram([8, 5, 2, 0.5, 0.2, 0.05, 0], 6)
RANKS = [(1, 1), (3, 2), (2, 5), (5, 3), (D, 1), (3, D)]


def spaces(rank_a, rank_b, num_relax=0):
    return subspaces.attribute_space(jnp.array(INSIDE), rank_a), subspaces.null_space(
        jnp.array(OUTSIDE), rank_b, num_relax
    )


def candidates(method, rank_a, rank_b, num_relax=0):
    return method(*spaces(rank_a, rank_b, num_relax), jnp.array(INSIDE), jnp.array(OUTSIDE))


@pytest.mark.parametrize(("rank_a", "rank_b", "num_relax"), [(*pair, 0) for pair in RANKS] + [(3, 4, 2), (3, 2, 9)])
def test_projected_directions_are_the_authors(rank_a, rank_b, num_relax):
    """FIELD.md in NumPy, by SVD as they do it: n = P_null V_A, rows normalised, in the order of the attribute's
    spectrum.
    """
    _, _, V_A = np.linalg.svd(INSIDE)
    _, _, V_B = np.linalg.svd(OUTSIDE)
    null = V_B[min(max(1, rank_b - num_relax), D - 1) :]
    expected = V_A[:rank_a] @ null.T @ null
    length = np.linalg.norm(expected, axis=1)
    found = candidates(subspaces.projected_directions, rank_a, rank_b, num_relax)
    np.testing.assert_array_equal(found.mask, np.arange(D) < rank_a)
    assert_same_up_to_sign(basis(found), expected / length[:, None])
    np.testing.assert_allclose(found.kept[:rank_a], length**2, **SPECTRAL)


@pytest.mark.parametrize(("rank_a", "rank_b"), [(2, 1), (3, 2), (4, 4)])
def test_negative_eigenvalues_count_as_singular_values_do(rank_a, rank_b):
    """A low-rank part from robust PCA may be indefinite; the authors' SVD ranks its directions by magnitude."""
    low_a, low_b = gram([5, -4, 3, -1, 0.5, 0.2, 0], 8)[0], gram([-6, 3, 2, -1, 0.4, 0.1, 0], 9)[0]
    V_A, V_B = (np.linalg.svd(m)[2] for m in (low_a, low_b))
    expected = V_A[:rank_a] @ V_B[rank_b:].T @ V_B[rank_b:]
    attribute, null = (
        subspaces.attribute_space(jnp.array(low_a), rank_a),
        subspaces.null_space(jnp.array(low_b), rank_b),
    )
    found = subspaces.projected_directions(attribute, null, jnp.array(INSIDE), jnp.array(OUTSIDE))
    assert_same_up_to_sign(basis(found), expected / np.linalg.norm(expected, axis=1, keepdims=True))


@pytest.mark.parametrize("method", [subspaces.projected_directions, subspaces.constrained_directions])
@pytest.mark.parametrize(("rank_a", "rank_b"), RANKS)
def test_directions_are_unit_lie_in_the_null_space_and_are_measured(method, rank_a, rank_b):
    """|n| = 1, P_null n = n, and the energies are those of the vectors themselves."""
    found, (_, null) = candidates(method, rank_a, rank_b), spaces(rank_a, rank_b)
    rows = basis(found)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, **SPECTRAL)
    np.testing.assert_allclose(rows @ np.asarray(null.projector), rows, **SPECTRAL)
    np.testing.assert_allclose(found.inside, quadratic(np.asarray(found.vectors), INSIDE), rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.outside, quadratic(np.asarray(found.vectors), OUTSIDE), rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_attribute_vectors_that_the_projection_kills_are_masked(dtype):
    """Two of three attribute vectors lie in what moves the rest: only the third is offered, and nothing is NaN."""
    rows = rotation(7)
    inside = jnp.array((rows[:3].T * [3.0, 2.0, 1.0]) @ rows[:3], dtype)
    outside = jnp.array((rows[[0, 2, 4]].T * [5.0, 4.0, 3.0]) @ rows[[0, 2, 4]], dtype)
    attribute, null = subspaces.attribute_space(inside, 3), subspaces.null_space(outside, 3)
    found = subspaces.projected_directions(attribute, null, inside, outside)
    np.testing.assert_array_equal(found.mask, np.arange(D) == 1)
    assert all(np.isfinite(np.asarray(a)).all() for a in found)
    # eps over gaps of 1, and a wide margin for float32
    assert_same_up_to_sign(basis(found).astype(float), rows[1:2], atol=1e-10 if dtype == np.float64 else 1e-5)
    found = subspaces.projected_directions(attribute._replace(mask=jnp.arange(D) == 0), null, inside, outside)
    assert not found.mask.any()


@pytest.mark.parametrize(("rank_a", "rank_b"), RANKS)
def test_constrained_directions_are_the_eigenvectors_inside_the_null_space(rank_a, rank_b):
    """NumPy: eigenvectors of N^T L_A N for an orthonormal basis N of the null space, L_A cut to its rank."""
    values, V_A = numpy_spectrum(INSIDE)
    _, V_B = numpy_spectrum(OUTSIDE)
    low_rank = (V_A[:rank_a].T * values[:rank_a]) @ V_A[:rank_a]
    N = V_B[min(max(1, rank_b), D - 1) :]
    small_values, small = numpy_spectrum(N @ low_rank @ N.T)
    count = min(rank_a, len(N))
    expected = small[:count] @ N
    found = candidates(subspaces.constrained_directions, rank_a, rank_b)
    big = small_values[:count] > 1e-9  # the last ones may be zero
    assert_same_up_to_sign(basis(found)[: big.sum()], expected[big], atol=1e-9)
    assert int(found.mask.sum()) == big.sum()
    np.testing.assert_allclose(quadratic(basis(found), low_rank), small_values[:count][big], rtol=0, atol=1e-11)


@pytest.mark.parametrize(("rank_a", "rank_b"), RANKS)
def test_constrained_directions_beat_everything_in_the_null_space(rank_a, rank_b):
    """The first one's v^T L_A v is reached by no projected direction and by none of 2,000 random ones there."""
    attribute, null = spaces(rank_a, rank_b)
    weights = np.where(attribute.mask, attribute.values, 0)
    low_rank = (np.asarray(attribute.basis).T * weights) @ np.asarray(attribute.basis)
    best = quadratic(basis(candidates(subspaces.constrained_directions, rank_a, rank_b))[:1], low_rank)[0]
    rivals = [basis(candidates(subspaces.projected_directions, rank_a, rank_b))]
    random = sphere(2000) @ np.asarray(null.projector)
    rivals.append(random / np.linalg.norm(random, axis=1, keepdims=True))
    assert quadratic(np.concatenate(rivals), low_rank).max() <= best + 1e-11


def test_kept_is_the_share_of_the_direction_in_the_attribute_space():
    """For constrained and frontier directions; None where no attribute space is given."""
    attribute, _ = spaces(3, 2)
    for found in (
        candidates(subspaces.constrained_directions, 3, 2),
        subspaces.frontier_directions(jnp.array(INSIDE), jnp.array(OUTSIDE), 1.0, attribute),
    ):
        expected = np.linalg.norm(np.asarray(found.vectors) @ np.asarray(attribute.basis)[:3].T, axis=1) ** 2
        np.testing.assert_allclose(found.kept, expected, **SPECTRAL)
    found = subspaces.frontier_directions(jnp.array(INSIDE), jnp.array(OUTSIDE), 1.0)
    assert found.kept is None


def test_constrained_directions_of_nothing_are_none():
    """A zero low-rank part, or rank 0: all masked, nothing NaN."""
    zero, eye = jnp.zeros((D, D)), jnp.eye(D)
    null = subspaces.null_space(jnp.array(OUTSIDE), 2)
    for attribute in (subspaces.attribute_space(zero, 3), subspaces.attribute_space(jnp.array(INSIDE), 0)):
        found = subspaces.constrained_directions(attribute, null, eye, eye)
        assert not found.mask.any()
        assert all(np.isfinite(np.asarray(a)).all() for a in found)


# The frontier

PAIRS = [(random_psd(20 + 2 * k), random_psd(21 + 2 * k)) for k in range(3)] + [
    (INSIDE, OUTSIDE),
    (random_psd(30, 3), random_psd(31, 4)),
]
MUS = [0.0, 0.1, 0.7, 1.0, 3.0, 30.0]
SLACK = 1e-11  # rounding of quadratic forms of norm up to 10


@pytest.fixture(params=range(len(PAIRS)), ids=lambda k: f"pair{k}")
def pair(request):
    return PAIRS[request.param]


def frontier(pair, mu):
    return subspaces.frontier_directions(*map(jnp.array, pair), mu)


@pytest.mark.parametrize("mu", MUS)
def test_nothing_beats_the_frontier(pair, mu):
    """No direction changes the inside as much and leaks as little, one of them strictly: not 10,000 random ones, nor
    10,000 close by, nor the paper's, nor the constrained ones of any pair of ranks.
    """
    inside, outside = pair
    top = np.asarray(frontier(pair, mu).vectors)[0]
    near = top + 0.05 * sphere(10_000, seed=1)
    rivals = [sphere(10_000), near / np.linalg.norm(near, axis=1, keepdims=True)]
    for rank_a, rank_b in RANKS[1:4]:
        attribute, null = (
            subspaces.attribute_space(jnp.array(inside), rank_a),
            subspaces.null_space(jnp.array(outside), rank_b),
        )
        for method in (subspaces.projected_directions, subspaces.constrained_directions):
            rivals.append(basis(method(attribute, null, jnp.array(inside), jnp.array(outside))))
    rivals = np.concatenate(rivals)
    (a,), (b,) = quadratic(top[None], inside), quadratic(top[None], outside)
    rival_a, rival_b = quadratic(rivals, inside), quadratic(rivals, outside)
    better = (rival_a >= a - SLACK) & (rival_b <= b + SLACK) & ((rival_a > a + SLACK) | (rival_b < b - SLACK))
    if mu > 0:
        assert not better.any()
    else:
        assert rival_a.max() <= a + SLACK  # at mu = 0 the leak does not count


@pytest.mark.parametrize("mu", MUS)
def test_the_first_direction_maximises_the_balance(pair, mu):
    """a - mu b is at most the top eigenvalue, which the first direction reaches."""
    inside, outside = pair
    found = frontier(pair, mu)
    balance = float(found.inside[0] - mu * found.outside[0])
    np.testing.assert_allclose(balance, np.linalg.eigvalsh(inside - mu * outside)[-1], rtol=0, atol=SLACK * (1 + mu))
    rivals = sphere(10_000)
    assert (quadratic(rivals, inside) - mu * quadratic(rivals, outside)).max() <= balance + SLACK * (1 + mu)
    np.testing.assert_allclose(found.inside, quadratic(np.asarray(found.vectors), inside), rtol=0, atol=SLACK)
    np.testing.assert_allclose(found.outside, quadratic(np.asarray(found.vectors), outside), rtol=0, atol=SLACK)


@pytest.mark.parametrize("mu", MUS)
def test_every_vector_of_the_local_subspace_keeps_the_promise(pair, mu):
    """a > mu b for 2,000 random unit vectors of the span and for the worst one, and the basis is orthonormal."""
    inside, outside = pair
    rows = basis(frontier(pair, mu))
    np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), **SPECTRAL)
    if len(rows):
        inner = sphere(2000, len(rows)) @ rows
        assert (quadratic(inner, inside) - mu * quadratic(inner, outside) > 0).all()
        assert np.linalg.eigvalsh(rows @ (inside - mu * outside) @ rows.T)[0] > 0


@pytest.mark.parametrize("mu", MUS)
def test_no_larger_subspace_keeps_the_promise(pair, mu):
    """Sylvester: the dimension is the number of positive eigenvalues, the same for any congruent matrix; and every one
    of 200 random subspaces of one more dimension, among them enlargements of ours, holds a vector with a <= mu b.
    """
    inside, outside = pair
    difference = inside - mu * outside
    rows = basis(frontier(pair, mu))
    zero = 1e-10 * (1 + mu)
    random = np.random.default_rng(2)
    C = random.standard_normal((D, D))
    assert (
        len(rows)
        == (np.linalg.eigvalsh(difference) > zero).sum()
        == (np.linalg.eigvalsh(C.T @ difference @ C) > zero).sum()
    )
    for k in range(200 if len(rows) < D else 0):
        wider = random.standard_normal((len(rows) + 1, D))
        if k % 2:
            wider[:-1] = rows
        wider = np.linalg.qr(wider.T)[0].T
        values, vectors = numpy_spectrum(wider @ difference @ wider.T)
        violating = vectors[-1] @ wider
        assert violating @ inside @ violating <= mu * (violating @ outside @ violating) + zero
        assert values[-1] <= zero


def test_the_local_subspace_counts_generalised_eigenvalues():
    """Where M_B is definite, as many as generalised eigenvalues of (M_A, M_B) exceed mu; so it shrinks as mu grows."""
    inside, outside = PAIRS[0]
    quotients = scipy.linalg.eigh(inside, outside, eigvals_only=True)
    for mu in [*(quotients[1:] + quotients[:-1]) / 2, 0.0, quotients[-1] * 1.01]:
        assert int(frontier(PAIRS[0], mu).mask.sum()) == (quotients > mu).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mu", [0.0, 0.5, 2.0])
def test_directions_that_move_nothing_are_not_in_the_local_subspace(dtype, mu):
    """Few pixels, many latents: what moves neither side has eigenvalue zero and must not come in by rounding. The
    subspace can have no more dimensions than the region has pixels.
    """
    for seed in range(5):
        inside, outside = (jnp.array(random_psd(40 + 2 * seed + k, rank, 24), dtype) for k, rank in enumerate((3, 4)))
        found = subspaces.frontier_directions(inside, outside, mu)
        assert 1 <= int(found.mask.sum()) <= 3


def test_a_smaller_leak_costs_inside_change():
    """Along growing mu both energies of the first direction fall, from the leading eigenvector of M_A to the quietest
    there is.
    """
    pair = PAIRS[1]
    tops = [frontier(pair, mu) for mu in (0.0, 0.1, 0.5, 1.0, 4.0, 1e3, 1e6)]
    for energy in ("inside", "outside"):
        values = np.array([float(getattr(top, energy)[0]) for top in tops])
        assert (np.diff(values) <= SLACK).all() and values[-1] < values[0]
    np.testing.assert_allclose(float(tops[0].inside[0]), np.linalg.eigvalsh(pair[0])[-1], rtol=0, atol=SLACK)
    # At mu = 1e6 the leak is least up to |M_A| / mu.
    np.testing.assert_allclose(float(tops[-1].outside[0]), np.linalg.eigvalsh(pair[1])[0], rtol=0, atol=1e-5)


# The default mu


@pytest.mark.parametrize("tao", [1e-3, 1e-2, 1.0])
def test_default_mu_is_the_greatest_quotient(pair, tao):
    """max a / (b + c), c = tao trace(M_B), by SciPy's generalised eigensolver; no random direction has more."""
    inside, outside = pair
    priced = outside + tao * np.trace(outside) * np.eye(D)
    mu = float(subspaces.default_mu(jnp.array(inside), jnp.array(outside), tao))
    # The condition of the priced matrix, at most 1 + 1/tao, multiplies the rounding.
    np.testing.assert_allclose(mu, scipy.linalg.eigh(inside, priced, eigvals_only=True)[-1], rtol=1e-11)
    rivals = sphere(10_000)
    assert (quadratic(rivals, inside) / quadratic(rivals, priced)).max() <= mu * (1 + 1e-11)


def test_the_frontier_at_the_default_mu_is_the_maximiser(pair):
    """Its first direction reaches the quotient, so pricing the step's length lands on the frontier; tao defaults to
    ReSeFa's 1e-3.
    """
    inside, outside = pair
    mu = subspaces.default_mu(*map(jnp.array, pair))
    top = np.asarray(frontier(pair, mu).vectors)[0]
    c = 1e-3 * np.trace(outside)
    np.testing.assert_allclose((top @ inside @ top) / (top @ outside @ top + c), float(mu), rtol=1e-9)
    np.testing.assert_allclose((inside - float(mu) * outside) @ top, float(mu) * c * top, rtol=0, atol=1e-9)


def test_default_mu_in_float32_agrees_with_float64(pair):
    mu = float(subspaces.default_mu(*(jnp.array(m, jnp.float32) for m in pair)))
    exact = float(subspaces.default_mu(*map(jnp.array, pair)))
    # The priced matrix has a condition of 1,000 and float32 an eps of 1e-7.
    np.testing.assert_allclose(mu, exact, rtol=1e-3)


# What is best at a price of length


COSTS = [1e-3, 0.05, 2.0]


@pytest.mark.parametrize("cost", COSTS)
def test_priced_directions_are_the_generalised_eigenvectors(pair, cost):
    """SciPy's of (M_A, M_B + cost I), the greatest first, unit; those count whose quotient is a LOOSE-th of the best's
    at least.
    """
    inside, outside = pair
    values, vectors = scipy.linalg.eigh(inside, outside + cost * np.eye(D))
    values, vectors = values[::-1], (vectors / np.linalg.norm(vectors, axis=0)).T[::-1]
    found = subspaces.priced_directions(*map(jnp.array, pair), cost)
    apart = values > 1e-9  # of those that do not move the region at all, any turn is as good
    assert_same_up_to_sign(np.asarray(found.vectors)[apart], vectors[apart], atol=1e-9)
    np.testing.assert_allclose(found.inside, quadratic(vectors, inside), **SPECTRAL)
    np.testing.assert_allclose(found.outside, quadratic(np.asarray(found.vectors), outside), **SPECTRAL)
    np.testing.assert_array_equal(found.mask, values >= values[0] / 4)
    assert 1 <= found.mask.sum() < D


@pytest.mark.parametrize("price", [1e-3, 1.0])
def test_the_first_priced_direction_costs_least(pair, price):
    """leak + price * length^2 of a step that changes the region by 0.02, of any direction."""
    inside, outside = pair
    change = 0.02

    def costs(rows):
        length_squared = change / quadratic(rows, inside)
        return quadratic(rows, outside) / quadratic(rows, inside) + price * length_squared

    best = np.asarray(subspaces.priced_directions(*map(jnp.array, pair), price * change).vectors)[:1]
    near = best + 0.03 * sphere(5_000, seed=1)
    assert costs(best)[0] <= min(costs(sphere(10_000)).min(), costs(near / np.linalg.norm(near)).min()) * (1 + 1e-12)


@pytest.mark.parametrize("options", [{}, {"price": 1.0}, {"change": 5.0}, {"tao": 1e-3}])
@pytest.mark.parametrize("stretched", [False, True])
def test_mu_is_the_best_quotient_and_the_frontiers(pair, options, stretched):
    """a / (b + cost) in natural coordinates, where the frontier for this mu has the same first direction."""
    S = gram(np.geomspace(0.2, 2.0, D), 9)[0] if stretched else np.eye(D)
    of = Pair(*map(jnp.array, pair), jnp.array(S) if stretched else None, **options)
    inside, outside = (S @ side @ S for side in pair)
    priced = options.get("price", 3e-3) * options.get("change", 0.02)
    cost = options["tao"] * np.trace(outside) if "tao" in options else priced
    greatest = scipy.linalg.eigh(inside, outside + cost * np.eye(D), eigvals_only=True)[-1]
    np.testing.assert_allclose(of.mu, greatest, rtol=1e-9)
    found, at = FRONTIER.find(of), subspaces.frontier_directions(*map(jnp.array, (inside, outside)), of.mu)
    best = np.asarray(found.vectors)[0] @ np.linalg.inv(S)
    np.testing.assert_allclose(np.linalg.norm(best), 1, rtol=1e-9)
    assert_same_up_to_sign(best[None], np.asarray(at.vectors)[:1], atol=1e-6)  # of small eigenvalues, mu * cost
    np.testing.assert_allclose(quadratic(np.asarray(found.vectors), pair[1]), found.outside, **SPECTRAL)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_price_on_a_rest_that_lacks_rank(dtype):
    """Rounding then stands for one: still a direction, and a mu that is finite and above zero, as are ranked ones."""
    inside, outside = random_psd(0).astype(dtype), random_psd(1, rank=3).astype(dtype)
    of = Pair(jnp.array(inside), jnp.array(outside), price=0.0)
    assert np.isfinite(of.mu) and of.mu > 1e3
    best = np.asarray(of.priced.vectors)[0]
    assert best @ outside @ best < 1e-4 * (best @ inside @ best)
    still = np.linalg.svd(outside)[2][-1:].astype(dtype)
    ranked = of.ranked(np.concatenate([np.eye(D, dtype=dtype)[:2], still]))
    np.testing.assert_allclose(ranked.vectors[0], still[0], rtol=0, atol=1e-6)


# The nearest local direction


def nearest(vector, pair, mu):
    return np.asarray(subspaces.nearest_local_direction(jnp.array(vector), *map(jnp.array, pair), mu))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_the_nearest_local_direction_is_local_and_nearest(pair, share):
    """A unit vector of the mu-local subspace, and none of 2,000 others there has a larger product with the vector; once
    there it stays.
    """
    mu = share * float(subspaces.default_mu(*map(jnp.array, pair)))
    rows = basis(frontier(pair, mu))
    assert len(rows)
    for vector in sphere(5, seed=3) * np.array([[1.0], [1.0], [5.0], [0.1], [1.0]]):
        found = nearest(vector, pair, mu)
        np.testing.assert_allclose(np.linalg.norm(found), 1, **SPECTRAL)
        np.testing.assert_allclose(rows.T @ (rows @ found), found, **SPECTRAL)
        assert found @ pair[0] @ found > mu * (found @ pair[1] @ found)
        inner = sphere(2000, len(rows), seed=4) @ rows
        assert (inner @ vector).max() <= found @ vector + SLACK
        np.testing.assert_allclose(
            found @ vector, np.linalg.norm(rows @ vector), rtol=1e-10
        )  # no vector there can have more
        np.testing.assert_allclose(nearest(found, pair, mu), found, **SPECTRAL)
        np.testing.assert_allclose(nearest(-vector, pair, mu), -found, **SPECTRAL)


@pytest.mark.parametrize("k", range(3))
def test_where_nothing_is_local_the_best_is_taken(k):
    """Past the largest quotient the subspace is empty: the frontier's first direction, turned the way the vector
    points.
    """
    pair = PAIRS[k]
    mu = 1.01 * scipy.linalg.eigh(*pair, eigvals_only=True)[-1]
    found = frontier(pair, mu)
    assert not found.mask.any()
    for vector in sphere(4, seed=5):
        best = np.asarray(found.vectors[0])
        np.testing.assert_allclose(nearest(vector, pair, mu), best if best @ vector >= 0 else -best, **SPECTRAL)


def test_a_vector_at_right_angles_to_the_local_subspace_falls_back():
    """What it has there, 1e-5, may be rounding and must not be blown up to unit length: the best is taken, which is
    another.
    """
    inside, outside = np.diag([3.0, 1, 0, 0]), np.diag([0.0, 0, 2, 1])
    found = nearest([0.0, 1e-5, 1, 0], (inside, outside), 1.0)
    np.testing.assert_allclose(np.abs(found), [1, 0, 0, 0], **SPECTRAL)


# Units and transformations


@pytest.mark.parametrize("scale", [1e-6, 1e4])
def test_units_do_not_matter(scale):
    """Both Grams in other units: the same directions and mu, energies in those units; also in float32."""
    pair = PAIRS[3]
    for dtype, atol in ((jnp.float64, 1e-10), (jnp.float32, 1e-4)):  # eps over the gaps, and a margin
        small, large = ([jnp.array(m * s, dtype) for m in pair] for s in (1.0, scale))
        mus = [float(subspaces.default_mu(*p)) for p in (small, large)]
        np.testing.assert_allclose(mus[1], mus[0], rtol=max(atol, 1e-9))
        results = []
        for inside, outside in (small, large):
            attribute, null = subspaces.attribute_space(inside, 3), subspaces.null_space(outside, 2)
            results.append(
                [
                    subspaces.projected_directions(attribute, null, inside, outside),
                    subspaces.constrained_directions(attribute, null, inside, outside),
                    subspaces.frontier_directions(inside, outside, 1.0),
                ]
            )
        for one, other in zip(*results, strict=True):
            np.testing.assert_array_equal(one.mask, other.mask)
            assert_same_up_to_sign(basis(other).astype(float), basis(one).astype(float), atol)
            keep = np.asarray(one.mask)
            np.testing.assert_allclose(
                np.asarray(other.inside)[keep] / scale, np.asarray(one.inside)[keep], rtol=0, atol=10 * atol
            )


def test_mu_carries_the_ratio_of_the_units():
    """M_A in other units than M_B: mu scales by their ratio and the frontier at that mu stays."""
    inside, outside = PAIRS[0]
    mu = float(subspaces.default_mu(jnp.array(inside), jnp.array(outside)))
    np.testing.assert_allclose(
        float(subspaces.default_mu(jnp.array(5 * inside), jnp.array(outside))), 5 * mu, rtol=1e-11
    )
    np.testing.assert_allclose(
        float(subspaces.default_mu(jnp.array(inside), jnp.array(5 * outside))), mu / 5, rtol=1e-11
    )
    assert_same_up_to_sign(basis(frontier((5 * inside, outside), 5 * mu)), basis(frontier((inside, outside), mu)))


@jax.jit
def everything(inside, outside, rank_a, rank_b, num_relax, mu):
    """All three methods as one traced program, ranks and mu being values."""
    attribute, null = subspaces.attribute_space(inside, rank_a), subspaces.null_space(outside, rank_b, num_relax)
    return (
        subspaces.projected_directions(attribute, null, inside, outside),
        subspaces.constrained_directions(attribute, null, inside, outside),
        subspaces.frontier_directions(inside, outside, mu, attribute),
    )


def assert_same_candidates(actual, expected):
    """Same masks; rows, energies and shares to rounding wherever a row counts."""
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)
        keep = np.asarray(other.mask)
        for a, b in zip(one[:4], other[:4], strict=True):
            np.testing.assert_allclose(np.asarray(a)[keep], np.asarray(b)[keep], rtol=0, atol=1e-10)


def test_ranks_are_values_that_can_be_mapped_over():
    """vmap over ranks = one at a time = without jit."""
    ranks = np.array(RANKS)
    mapped = jax.vmap(partial(everything, jnp.array(INSIDE), jnp.array(OUTSIDE)))
    batch = mapped(ranks[:, 0], ranks[:, 1], jnp.arange(len(ranks)) % 2, jnp.linspace(0.1, 2.0, len(ranks)))
    for k, (rank_a, rank_b) in enumerate(RANKS):
        single = everything(
            jnp.array(INSIDE), jnp.array(OUTSIDE), rank_a, rank_b, k % 2, jnp.linspace(0.1, 2.0, len(ranks))[k]
        )
        assert_same_candidates(jax.tree.map(lambda a, k=k: a[k], batch), single)
    attribute, null = subspaces.attribute_space(jnp.array(INSIDE), 5), subspaces.null_space(jnp.array(OUTSIDE), 3, 1)
    eager = (
        subspaces.projected_directions(attribute, null, jnp.array(INSIDE), jnp.array(OUTSIDE)),
        subspaces.constrained_directions(attribute, null, jnp.array(INSIDE), jnp.array(OUTSIDE)),
        frontier((INSIDE, OUTSIDE), 0.5),
    )
    jitted = everything(jnp.array(INSIDE), jnp.array(OUTSIDE), 5, 3, 1, 0.5)
    eager = (*eager[:2], eager[2]._replace(kept=jitted[2].kept))  # called without the attribute space
    assert_same_candidates(jitted, eager)


def test_a_batch_of_grams_equals_one_at_a_time():
    """vmap over images."""
    A, B = (jnp.array([pair[k] for pair in PAIRS[:3]]) for k in (0, 1))
    batch = jax.vmap(partial(everything, rank_a=3, rank_b=2, num_relax=0, mu=0.7))(A, B)
    for k in range(3):
        assert_same_candidates(jax.tree.map(lambda a, k=k: a[k], batch), everything(A[k], B[k], 3, 2, 0, 0.7))


def test_dtypes_are_kept():
    """float32 in, float32 out."""
    inside, outside = (jnp.array(m, jnp.float32) for m in (INSIDE, OUTSIDE))
    for found in everything(inside, outside, 3, 2, 0, 0.5):
        assert {a.dtype for a in found if a is not None and a.dtype != bool} == {jnp.dtype("float32")}
    assert subspaces.default_mu(inside, outside).dtype == jnp.float32


def test_a_subspace_is_a_pytree_of_basis_values_and_mask():
    """So it passes through jit and vmap, and a mask chosen by hand is as good as a rank."""
    hand = Subspace(jnp.eye(3), jnp.ones(3), jnp.array([True, False, True]))
    np.testing.assert_allclose(jax.jit(lambda s: s.projector)(hand), np.diag([1, 0, 1]), **EXACT)


# Closed forms


def test_rayleigh_directions_are_those_of_the_stored_runs(shared):
    """ReSeFa's released code, plain and regularised, on real Grams: the quotients, and the first vectors up to sign."""
    folder = shared / "fixtures" / "public" / "rpca"
    for name in ("dcgan_z29_mouth_rgb", "dcgan_z47_eyes_rgb", "jac_small_rgb"):
        arrays = dict(np.load(folder / f"{name}.npz"))
        sides = []
        for side in ("M_fore", "M_back"):
            n = int((np.sqrt(8 * len(arrays[side]) + 1) - 1) / 2)
            full = np.zeros((n, n))
            full[np.triu_indices(n)] = arrays[side]
            sides.append(full + np.triu(full, 1).T)
        for tao, prefix in ((0.0, "resefa"), (1e-3, "resefa_fullrank")):
            with jax.enable_x64(True):
                found = subspaces.rayleigh_directions(*sides, tao)
                priced = found.inside / (found.outside + tao * np.trace(sides[1]))
            values, vectors = arrays[f"{prefix}_eigenvalues"], arrays[f"{prefix}_directions"]
            np.testing.assert_allclose(priced, values, rtol=1e-6)
            apart = (
                np.abs(np.diff(values, append=0)[: len(vectors)]) > 1e-3 * values[: len(vectors)]
            )  # else vectors mix
            cosines = np.abs(np.sum(np.asarray(found.vectors[: len(vectors)]) * vectors, axis=1))
            assert apart.sum() >= 3 and cosines[apart].min() > 1 - 1e-6


def test_the_best_rayleigh_direction_is_the_frontiers_at_its_own_quotient():
    """(M_A - mu M_B) v = mu c v: and no random direction has a better quotient."""
    rng = np.random.default_rng(0)
    inside, outside = (m @ m.T / 8 for m in rng.standard_normal((2, 6, 8)))
    with jax.enable_x64(True):
        mu, best = subspaces.default_mu(inside, outside), subspaces.rayleigh_directions(inside, outside)
        frontier = subspaces.frontier_directions(inside, outside, mu)
    np.testing.assert_allclose(np.abs(best.vectors[0] @ frontier.vectors[0]), 1, rtol=0, atol=1e-9)
    c = 1e-3 * np.trace(outside)
    tried = rng.standard_normal((1000, 6))
    quotient = np.einsum("ki,ij,kj->k", tried, inside, tried) / (
        np.einsum("ki,ij,kj->k", tried, outside, tried) + c * np.sum(tried**2, axis=1)
    )
    assert quotient.max() < mu * (1 + 1e-9)


def test_weight_directions_are_what_the_styles_amplify(small_stylegan2):
    """Of chosen layers or all: a unit step along the first changes the normalised styles most; against NumPy's SVD."""
    for layers in (None, (0,), (1, 2), (3, 4), (5,)):
        weights = np.asarray(small_stylegan2.style_weights(layers), np.float64)
        rows = weights / np.linalg.norm(weights, axis=1, keepdims=True)
        found = subspaces.weight_directions(weights.astype(np.float32))
        _, singular, right = np.linalg.svd(rows)
        np.testing.assert_allclose(found.values[: len(singular)], singular**2, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            np.abs(np.sum(np.asarray(found.basis[:3]) * right[:3], axis=1)), 1, rtol=0, atol=1e-4
        )
    ws = np.zeros((6, 12), np.float32)
    channels = [8, 8, 8, 8, 6, 6]  # inputs of b4.conv1, b8.conv0, b8.conv1, b16.conv0, b16.conv1, b16.torgb
    assert len(small_stylegan2.style_weights()) == sum(channels) and ws.shape == (
        small_stylegan2.num_ws,
        small_stylegan2.w_dim,
    )
    with pytest.raises(ValueError, match="layers must be among 0 to 5"):
        small_stylegan2.style_weights([6])
