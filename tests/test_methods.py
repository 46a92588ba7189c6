"""What others find: their closed forms, by NumPy and SciPy in float64, on generators whose Grams, weights or Jacobians
are known.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from lrgan_jax import methods
from lrgan_jax.directions import FULL_CHANGE
from lrgan_jax.editing import edit
from lrgan_jax.generators import ModelInfo, W, Z, dcgan, sample_z
from lrgan_jax.generators.natural import own_latents
from lrgan_jax.methods.ganspace import find as ganspace
from lrgan_jax.methods.ganspace import regressed_components
from lrgan_jax.pipeline import find_directions, global_directions
from lrgan_jax.regions import region_mask
from lrgan_jax.search import Search
from lrgan_jax.targets import pair_grams, targets
from tests import reference
from tests.linear import REGIONS, SIDE, Linear, linear
from tests.linear import D as WIDTH
from tests.tolerances import rounding

KEY = jax.random.key(0)
# Eigenvectors and quadratic forms in float32, relative to the matrix's norm: a few hundred eps.
FLOAT32 = 3e-5


def assert_leading_eigenvectors(rows, matrix, num):
    """Orthonormal rows in which the matrix is diagonal with its largest eigenvalues, falling: then they are its
    eigenvectors.
    """
    rows = np.asarray(rows, np.float64)
    assert len(rows) == num
    np.testing.assert_allclose(rows @ rows.T, np.eye(num), rtol=0, atol=FLOAT32)
    values = np.linalg.eigvalsh(matrix)[::-1]
    np.testing.assert_allclose(rows @ matrix @ rows.T, np.diag(values[:num]), rtol=0, atol=FLOAT32 * values[0])


def priced(gen, outside, tao=None):
    """What the lengths of rows cost: price * change, or tao times the trace of the rest's Gram, of a squared standard
    deviation.
    """
    root = np.asarray(own_latents(gen).root, np.float64)
    cost = 3e-3 * 0.02 if tao is None else tao * np.trace(root @ outside @ root)
    return lambda rows: cost * np.square(np.linalg.solve(root, rows.T)).sum(0)


# ReSeFa


@pytest.fixture(scope="module")
def dense():
    """A linear generator of full rank everywhere, and its two Grams for the top band, in float64."""
    maps = np.random.default_rng(0).standard_normal((SIDE, SIDE, 3, WIDTH)).astype(np.float32)
    mask = region_mask("top", SIDE, REGIONS) > 0
    inside, outside = (maps[where].reshape(-1, WIDTH).astype(np.float64) for where in (mask, ~mask))
    return Linear(jnp.array(maps)), inside.T @ inside / len(inside), outside.T @ outside / len(outside)


LATENT = np.zeros((1, WIDTH), np.float32)


@pytest.mark.parametrize("tao", [0.0, 0.1])
def test_resefa_finds_the_stationary_points_of_the_quotient(dense, tao):
    """SciPy's generalised eigenproblem M_A v = q (M_B + tao trace(M_B) I) v: the same vectors, best first, and what
    each changes.
    """
    gen, inside, outside = dense
    priced = outside + tao * np.trace(outside) * np.eye(WIDTH)
    quotients, vectors = scipy.linalg.eigh(inside, priced)
    vectors = vectors.T[::-1][:4] / np.linalg.norm(vectors.T[::-1][:4], axis=1, keepdims=True)
    found = find_directions(gen, LATENT, "top", method="resefa", tao=tao)
    overlap = np.abs(np.sum(found.vectors * vectors, axis=1))
    np.testing.assert_allclose(
        overlap, 1, rtol=0, atol=1e-5
    )  # (eps times the condition of M_B, 10, over gaps of 0.1) squared
    for name, gram in (("inside", inside), ("outside", outside)):
        np.testing.assert_allclose(getattr(found, name), np.einsum("ki,ij,kj->k", vectors, gram, vectors), rtol=1e-3)
    priced_change = found.outside + tao * np.trace(outside)
    np.testing.assert_allclose(found.inside / priced_change, quotients[::-1][:4], rtol=1e-4)
    reach = (FULL_CHANGE / found.inside[0]) ** 0.5
    np.testing.assert_allclose(found.step_range, (-reach, reach), rtol=1e-5)
    assert found.region == "top" and found.search.tao == tao and found.kept is None


def test_resefas_first_direction_is_the_frontiers(dense):
    """At tao = 1e-3, with which the frontier sets its mu; up to sign."""
    gen, *_ = dense
    ours, theirs = (
        find_directions(gen, LATENT, "top", num=1, method=method, tao=1e-3, metric="latent")
        for method in ("frontier", "resefa")
    )
    np.testing.assert_allclose(np.abs(np.sum(ours.vectors * theirs.vectors)), 1, rtol=0, atol=1e-5)


def test_resefa_without_full_rank():
    """The rest moves along two directions of twelve: the plain quotient is refused in one line, the priced one is
    found.
    """
    gen = linear(top={0: 1.5, 1: 1.0}, middle={2: 1.0}, bottom={1: 0.5})
    with pytest.raises(ValueError, match="lacks full rank.*tao=1e-3") as caught:
        find_directions(gen, LATENT, "top", method="resefa")
    assert "\n" not in str(caught.value)
    found = find_directions(gen, LATENT, "top", method="resefa", num=2, tao=1e-3)
    assert np.isfinite(found.vectors).all() and abs(found.outside[0]) < 1e-6


# Single numbers of the latent


SPREAD = tuple(np.geomspace(0.01, 3.0, WIDTH).tolist())  # of w, number by number


@pytest.mark.parametrize("tao", [None, 0.1])
def test_single_numbers_are_ranked_as_directions_found_elsewhere(dense, tao):
    """The unit vectors by their priced quotients, each length by the generator's own root, all by NumPy."""
    gen, inside, outside = dense
    gen = dataclasses.replace(gen, spread=SPREAD)
    found = find_directions(gen, LATENT, "top", method="single", num=WIDTH, tao=tao)
    a, b, cost = np.diag(inside), np.diag(outside), priced(gen, outside, tao)
    best = np.argsort(-a / (b + cost(np.eye(WIDTH))))
    assert (best != np.argsort(-a / b)).any()  # the lengths make a difference
    np.testing.assert_array_equal(found.vectors, np.eye(WIDTH)[best])
    np.testing.assert_allclose(found.inside, a[best], rtol=1e-5)
    np.testing.assert_allclose(found.outside, b[best], rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in methods.LOCAL if name not in ("resefa", "authors")])
def test_a_region_that_does_not_react(name):
    """Whatever the method, the region is to blame."""
    with pytest.raises(ValueError, match="the region does not react"):
        find_directions(linear(bottom={0: 1.0, 1: 0.5}), LATENT, "top", method=name)


# SeFa


@pytest.mark.parametrize("layers", [None, (0,), (2, 1), (3, 4), (5,), (4, 5), "3-5"])
def test_sefa_is_what_the_normalised_weights_amplify(small_stylegan2, layers):
    """NumPy on the affine maps of the chosen layers, read by name: rows of unit length, then the eigenvectors of their
    sum. The last layer is the last toRGB, as `factorize_weight` of the authors' code has it.
    """
    names = [("b4", "conv1"), ("b8", "conv0"), ("b8", "conv1"), ("b16", "conv0"), ("b16", "conv1"), ("b16", "torgb")]
    blocks = small_stylegan2.variables["params"]["synthesis"]
    numbers = {None: range(6), "3-5": (3, 4, 5)}.get(layers, layers)
    chosen = [names[layer] for layer in numbers]
    rows = np.concatenate([np.asarray(blocks[block][conv]["affine"]["kernel"], np.float64).T for block, conv in chosen])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = global_directions(small_stylegan2, method="sefa", layers=layers, num=4)
    assert_leading_eigenvectors(found.vectors, rows.T @ rows, 4)
    assert found.layers == (None if layers is None else tuple(sorted(numbers)))


def test_dcgans_style_weights_are_its_first_layer(small_dcgan):
    """Pushed through the network, z gives features (before batch norm, which is undone here) that are these rows times
    z.
    """
    z = jnp.asarray(np.random.default_rng(1).standard_normal((2, 10)), jnp.float32)
    network, variables = dcgan.Network(small_dcgan.config), small_dcgan.variables
    _, state = network.apply(variables, z, capture_intermediates=lambda module, _: isinstance(module, nn.BatchNorm))
    after = np.asarray(state["intermediates"]["norm0"]["__call__"][0], np.float64)
    norm, running = variables["params"]["norm0"], variables["batch_stats"]["norm0"]
    features = (after - norm["bias"]) / norm["scale"] * np.sqrt(np.asarray(running["var"]) + 1e-5) + running["mean"]
    by_hand = np.asarray(z) @ np.asarray(small_dcgan.style_weights()).T
    np.testing.assert_allclose(by_hand.reshape(features.shape), features, **rounding(np.float32, 10))
    np.testing.assert_array_equal(small_dcgan.style_weights([0]), small_dcgan.style_weights())
    weights = np.asarray(small_dcgan.style_weights(), np.float64)
    rows = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    assert_leading_eigenvectors(global_directions(small_dcgan, method="sefa", num=3).vectors, rows.T @ rows, 3)


@pytest.mark.parametrize("layers", [[1], [0, 1], []])
def test_dcgan_has_one_layer(small_dcgan, layers):
    """Others are refused in one line."""
    with pytest.raises(ValueError, match="layers must be among 0 to 0"):
        global_directions(small_dcgan, method="sefa", layers=layers)


# GANSpace


def test_components_of_the_latents_themselves():
    """With the latents for features: their principal components, largest variance first."""
    random = np.random.default_rng(2)
    turned = np.linalg.qr(random.standard_normal((7, 7)))[0]
    latents = (random.standard_normal((300, 7)) * np.linspace(1, 2, 7) @ turned + 3).astype(np.float32)
    covariance = np.cov(latents.astype(np.float64).T, bias=True)
    assert_leading_eigenvectors(regressed_components(latents, latents), covariance, 7)


def singular_map(d, k, singular):
    """A map [k, d] with these singular values and random vectors, and its right singular vectors."""
    random = np.random.default_rng(3)
    left, right = (np.linalg.qr(random.standard_normal((n, n)))[0][: len(singular)] for n in (k, d))
    return (left.T * singular) @ right, right


@pytest.mark.parametrize("white", [True, False], ids=["whitened", "drawn"])
def test_components_carried_over_to_the_latents(white):
    """Features are a linear map of isotropic latents: its right singular vectors, in order.

    Exactly so where the sample is whitened first. Else the sample's covariance differs from the identity by n^-1/2 =
    1/64 per entry and mixes vectors by as much times s t / (s^2 - t^2) <= 1.2: overlaps fall by half of the square sum
    over five others, five sigma below 0.02.
    """
    A, right = singular_map(6, 9, [5.0, 3.0, 2.0, 1.0])
    latents = np.random.default_rng(4).standard_normal((4096, 6))
    if white:
        latents -= latents.mean(0)
        latents = latents @ np.linalg.inv(np.linalg.cholesky(latents.T @ latents / len(latents))).T
    found = regressed_components(latents.astype(np.float32), (latents @ A.T).astype(np.float32))
    overlap = np.abs(np.sum(np.asarray(found)[:4] * right, axis=1))
    np.testing.assert_allclose(overlap, 1, rtol=0, atol=FLOAT32 if white else 0.02)


def test_ganspace_is_the_principal_components_of_w(small_stylegan2):
    """Of the very latents that the key gives, by NumPy."""
    w = np.asarray(small_stylegan2.mapping(sample_z(small_stylegan2, KEY, 500)), np.float64)
    found = ganspace(small_stylegan2, Search(), samples=500)[:3]
    assert_leading_eigenvectors(found, np.cov(w.T, bias=True), 3)


def test_ganspace_through_images(small_dcgan):
    """Where the latent is z: as many unit rows as z has dimensions."""
    found = ganspace(small_dcgan, Search(), samples=100)
    assert found.shape == (10, 10)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, **rounding(np.float32, 10))


def test_ganspaces_first_direction_moves_the_images(small_dcgan):
    """It explains more of the images' variance by regression than nine of ten random directions do."""
    z = np.asarray(sample_z(small_dcgan, KEY, 400))
    images = np.asarray(small_dcgan.synthesis(Z(jnp.asarray(z)))).reshape(400, -1)
    first = np.asarray(ganspace(small_dcgan, Search(), samples=400)[0])
    rivals = np.random.default_rng(5).standard_normal((100, 10))

    def explained(row):
        along = z @ row / np.std(z @ row)
        return np.square((images - images.mean(0)).T @ (along - along.mean())).sum()

    assert sum(explained(first) > explained(rival) for rival in rivals) >= 90


# Local Basis


def test_local_basis_is_the_mappings_jacobian(small_stylegan2):
    """Finite differences, in float64, of the NumPy mapping network: the leading eigenvectors of J J^T."""
    gen, h = small_stylegan2, 1e-6
    z = np.asarray(sample_z(gen, jax.random.key(7), 1))
    moved = z + h * np.concatenate([np.eye(10), -np.eye(10)])
    w = reference.mapping(gen.config, gen.variables, moved)
    J = (w[:10] - w[10:]).T / (2 * h)  # [w, z]
    found = global_directions(gen, method="local_basis", z=z, num=4)
    assert_leading_eigenvectors(found.vectors, J @ J.T, 4)
    other = global_directions(gen, method="local_basis", z=sample_z(gen, jax.random.key(8), 1), num=4)
    assert np.abs(other.vectors - found.vectors).max() > 0.1


def test_local_basis_needs_a_mapping_and_one_latent(small_stylegan2, small_dcgan):
    """Both refusals in one line."""
    with pytest.raises(ValueError, match="no mapping network, so it has no local basis"):
        global_directions(small_dcgan, method="local_basis", z=np.zeros((1, 10), np.float32))
    with pytest.raises(ValueError, match="belongs to one latent, got 2"):
        global_directions(small_stylegan2, method="local_basis", z=np.zeros((2, 10), np.float32))
    with pytest.raises(TypeError, match="already mapped"):
        global_directions(small_stylegan2, method="local_basis", z=W(jnp.zeros((1, 10))))


# Random ones, and what all have in common


def test_random_directions_are_orthonormal_and_the_seeds(small_stylegan2):
    """The same seed the same rows, another seed others."""
    found = (global_directions(small_stylegan2, method="random", draw=seed, num=5).vectors for seed in (0, 0, 1))
    one, again, other = found
    np.testing.assert_allclose(one @ one.T, np.eye(5), rtol=0, atol=1e-6)  # a few eps
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.1


def test_random_directions_favour_no_axis(small_stylegan2):
    """Uniform over the sphere: each coordinate has mean square 1/d, and mean 0, over 200 seeds of five rows.

    A coordinate's square has a standard deviation of about sqrt(2)/d; over 1,000 rows four sigma are 0.18 of its mean.
    """
    draw = jax.jit(lambda key: jnp.linalg.qr(jax.random.normal(key, (12, 12), jnp.float32))[0].T[:5])
    same = global_directions(small_stylegan2, method="random", draw=3, num=5).vectors
    np.testing.assert_allclose(draw(jax.random.key(3)), same, rtol=0, atol=1e-6)
    rows = np.concatenate([draw(jax.random.key(k)) for k in range(200)])
    np.testing.assert_allclose(12 * np.square(rows).mean(0), 1, rtol=0, atol=0.18)


# The table


MASK = np.eye(16, dtype=np.float32)


def found_by(name, gen, **options):
    """Directions of every method in the table, in the way that its kind asks for."""
    z = sample_z(gen, KEY, 1)
    if methods.named(name).sees_region:
        return find_directions(gen, gen.mapping(z), MASK, method=name, tao=1e-3, metric="latent", **options)
    return global_directions(gen, method=name, z=z, **options)


METHODS = [name for name in methods.METHODS if name != "authors"]  # which is `projected`, but for the solver


def test_every_row_is_whole():
    """A name of its own, words for a person, and a need that everyone who reads the table knows."""
    for name, method in methods.METHODS.items():
        assert name == method.name and method.title and method.about and "\n" not in method.about
        assert method.needs in ("grams", "steps", "weights", "samples", "mapping", "nothing")
    assert {"frontier", "constrained", "projected", "attribute", "authors", "resefa", "single"} == set(methods.LOCAL)


def test_unknown_methods_and_such_as_see_no_region(small_stylegan2):
    """Refused by name, with those that there are."""
    gen, w = small_stylegan2, np.zeros((1, 12), np.float32)
    with pytest.raises(ValueError, match="method is one of random, ganspace.*got 'eigen'"):
        find_directions(gen, w, MASK, method="eigen")
    with pytest.raises(ValueError, match="sefa does not look at the region; here the method is one of single"):
        methods.local("sefa")
    for name in ("frontier", "refined"):
        with pytest.raises(ValueError, match=f"{name} looks at a region"):
            global_directions(gen, method=name)
    with pytest.raises(ValueError, match="one vector for all layers"):
        global_directions(gen, method="sefa", per_layer=True)


@pytest.mark.parametrize("name", [name for name, method in methods.METHODS.items() if not method.sees_region])
def test_directions_found_elsewhere_are_ranked_for_the_region(small_stylegan2, name):
    """The first ten of the method's own, those first that change the region most beside the rest at this latent, as
    NumPy sorts them.
    """
    gen, z = small_stylegan2, sample_z(small_stylegan2, KEY, 1)
    latent = z if name == "local_basis" else gen.mapping(z)
    found = find_directions(gen, latent, MASK, method=name, num=3, layers=[1, 3])
    own = global_directions(gen, method=name, z=z, num=10, layers=[1, 3]).vectors
    pairs = pair_grams(gen, gen.mapping(z), targets(gen, [MASK], Search()), Search(layers=[1, 3]))
    inside, outside = (np.asarray(gram[0, 0], np.float64) for gram in pairs[:2])
    changes, leaks = (np.einsum("ki,ij,kj->k", own, gram, own) for gram in (inside, outside))
    best = np.argsort(-changes / (leaks + priced(gen, outside)(own)))[:3]
    np.testing.assert_allclose(found.vectors, own[best], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.inside, changes[best], rtol=1e-3)
    assert found.method == name and found.layers == (1, 3)


@pytest.mark.parametrize("name", METHODS)
def test_all_are_records_that_edit(small_stylegan2, name):
    """Layers in order and once each, the method's name, the model's; unit rows; and an edit moves those
    layers alone.
    """
    gen = small_stylegan2.__class__(small_stylegan2.config, small_stylegan2.variables, ModelInfo("small", "beef"))
    found = found_by(name, gen, layers=[3, 1, 3], num=2)
    assert (found.layers, found.method, found.model, found.fingerprint) == ((1, 3), name, "small", "beef")
    assert 1 <= len(found) <= 2
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=0, atol=1e-6)
    assert type(found.vectors) is np.ndarray and found.step_range[0] < 0 < found.step_range[1]
    ws = np.zeros((1, 6, 12), np.float32)
    moved = np.asarray(edit(ws, found[0], 2.0))
    np.testing.assert_allclose(moved[0, [1, 3]], 2 * np.stack([found.vectors[0]] * 2), rtol=1e-6)
    assert (moved[0, [0, 2, 4, 5]] == 0).all()


@pytest.mark.parametrize("name", METHODS)
def test_layers_that_the_model_lacks_are_refused(small_stylegan2, name):
    """Even beside others that it has: a record with them could not edit."""
    with pytest.raises(ValueError, match="layers must be among 0 to 5"):
        found_by(name, small_stylegan2, layers=[1, 9])
