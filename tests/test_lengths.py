"""Lengths of moves: the map between latent and natural coordinates, against the matrix that is never made."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from lrgan_jax import from_function
from lrgan_jax.lengths import latent_moves, natural_gram, natural_moves
from lrgan_jax.pipeline import find_directions
from lrgan_jax.search import Search
from lrgan_jax.targets import metric_root
from tests.linear import AXES, SIDE, D, Linear, linear
from tests.tolerances import rounding, worst

random = np.random.default_rng(0)
TURN = np.linalg.qr(random.standard_normal((4, 4)))[0]
ROOT = TURN * [0.1, 0.5, 1.0, 2.0] @ TURN.T
MIXED = rounding(np.float32, 20)  # products of a root of condition 20


@pytest.fixture(params=[1, 3], ids=["w", "W+"])
def known(request):
    """T for as many layers, a Gram, and rows u, in float64."""
    layers = request.param
    m = 4 * layers
    T = layers**0.5 * scipy.linalg.block_diag(*[ROOT] * layers)
    J = random.standard_normal((2 * m, m))
    return T, J.T @ J / len(J), random.standard_normal((5, m))


def single(*arrays):
    return [np.asarray(a, np.float32) for a in arrays]


def test_moves_and_grams_are_those_of_the_matrix(known):
    T, gram, u = known
    root, M, rows, moves = single(ROOT, gram, u, u @ T.T)
    assert worst(latent_moves(rows, root), u @ T.T) < MIXED["atol"]
    assert worst(natural_moves(moves, root), u) < 20 * MIXED["atol"]  # the condition multiplies the rounding
    assert worst(natural_gram(M, root), T.T @ gram @ T) < MIXED["atol"]


def test_there_and_back(known):
    """T^-1 T u = u, and what a Gram says of a move does not depend on the coordinates."""
    T, gram, u = known
    root, M, rows = single(ROOT, gram, u)
    moves = latent_moves(rows, root)
    assert worst(natural_moves(moves, root), u) < 20 * MIXED["atol"]
    one = np.einsum("ki,ij,kj->k", rows, natural_gram(M, root), rows)
    np.testing.assert_allclose(one, np.einsum("ki,ij,kj->k", moves, M, moves), rtol=1e-5)


def test_moving_all_layers_alike_is_as_long_as_moving_w():
    root, rows = single(ROOT, random.standard_normal((5, 4)))
    alone, alike = natural_moves(rows, root), natural_moves(np.tile(rows, 3), root)
    np.testing.assert_allclose(np.linalg.norm(alike, axis=1), np.linalg.norm(alone, axis=1), rtol=1e-5)
    np.testing.assert_allclose(
        np.linalg.norm(alone, axis=1), np.linalg.norm(rows @ np.linalg.inv(ROOT), axis=1), rtol=1e-4
    )


@pytest.mark.parametrize("change", [natural_gram, latent_moves, natural_moves])
def test_without_a_root_nothing_changes(change):
    square = random.standard_normal((6, 6)).astype(np.float32)
    np.testing.assert_array_equal(change(square, None), square)


def test_of_layers_the_mean_counts_in_white_latents_too():
    """A layered latent without a mapping: moves of natural length one have a mean square of one, latent ones a sum."""
    kernel = jnp.asarray(random.standard_normal((2, 5, 192)), jnp.float32)
    gen = from_function(lambda w: jnp.einsum("ld,ldk->k", w, kernel).reshape(8, 8, 3), (2, 5))
    w, mask = np.zeros((1, 2, 5), np.float32), np.repeat(np.float32([1, 0]), 4)[:, None] * np.ones((1, 8), np.float32)
    for metric, squared in (("natural", 2), ("latent", 1)):
        found = find_directions(gen, w, mask, per_layer=True, layers="0-1", metric=metric, num=2)
        np.testing.assert_allclose(np.square(found.vectors).sum((1, 2)), squared, rtol=1e-5)


# A mapping that stretches: z_1 hardly moves w_1, so that a move of w_1 is a long one.

SPREAD = (1.0, 0.05, *(1.0,) * (D - 2))
COST = 0.1 * 0.02  # of a squared standard deviation, price * change
LEAKS = (0.1, 0.01)  # of w_0 and w_1, which change the top by one each


@pytest.fixture(scope="module")
def stretched():
    """The image of w alone says that w_1 is the better one."""
    along_q = linear(top={0: 1.0, 1: 1.0}, bottom={k: (2 * leak) ** 0.5 for k, leak in enumerate(LEAKS)})
    return Linear(
        jnp.asarray(np.asarray(along_q.maps) @ AXES.T, jnp.float32), spread=SPREAD
    )  # bottom: half of the rest


def test_a_narrow_direction_is_a_long_one(stretched):
    """In latent units the quiet w_1 is the best; in standard deviations, of which its step takes twenty, w_0 is."""
    w = np.zeros((1, D), np.float32)
    natural, latent = (find_directions(stretched, w, "top", price=0.1, metric=name) for name in ("natural", "latent"))
    assert len(natural) == 1  # the other one costs more than LOOSE times as much
    best, quiet = np.abs(natural.vectors[0]), np.abs(latent.vectors[0])
    # Of a covariance of 8,192 samples the entries are off by a hundredth or two.
    np.testing.assert_allclose(best, SPREAD[0] * np.eye(D)[0], rtol=0, atol=0.05)
    np.testing.assert_allclose(natural.found.mu, 1 / (LEAKS[0] + COST), rtol=0.05)
    np.testing.assert_allclose(quiet, np.eye(D)[1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(latent.found.mu, 1 / (LEAKS[1] + COST), rtol=1e-3)


def test_the_stretched_one_by_scipy(stretched):
    """With the root itself: the eigenvector of (M_A, M_B + cost S^-2), a problem in w, of length |S^-1 v| = 1."""
    w, root = np.zeros((1, D), np.float32), np.asarray(metric_root(stretched, Search()), np.float64)
    found = find_directions(stretched, w, "top", price=0.1)
    maps = np.asarray(stretched.maps, np.float64)
    inside, outside = (part.reshape(-1, D).T @ part.reshape(-1, D) / (4 * SIDE * 3) for part in (maps[:4], maps[4:]))
    values, vectors = scipy.linalg.eigh(inside, outside + COST * np.linalg.inv(root @ root))
    expected = vectors[:, -1] / np.linalg.norm(np.linalg.solve(root, vectors[:, -1]))
    expected *= np.sign(expected @ found.vectors[0])
    np.testing.assert_allclose(found.vectors[0], expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.found.mu, values[-1], rtol=1e-4)


@pytest.mark.parametrize("metric", ["natural", "latent"])
def test_how_long_the_directions_are(small_stylegan2, metric):
    """One, in the metric of the search, of all that are found."""
    w = small_stylegan2.mapping(jax.random.normal(jax.random.key(1), (1, 10)))
    mask = np.zeros((16, 16), np.float32)
    mask[4:10, 3:12] = 1
    found = find_directions(small_stylegan2, w, mask, metric=metric)
    root = metric_root(small_stylegan2, Search(metric=metric))
    white = found.vectors if root is None else found.vectors @ np.linalg.inv(root.astype(np.float64))
    np.testing.assert_allclose(np.linalg.norm(white, axis=1), 1, rtol=1e-4)
    assert (root is None) == (metric == "latent") and len(found) > 1
