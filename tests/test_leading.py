"""Leading directions by products alone: against Grams known in closed form, against the way of `region_grams` on real
generators, and every claim of the record.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from lrgan_jax import krylov, leading, subspaces
from lrgan_jax.base.errors import InputError
from lrgan_jax.generators import image_function, sample_z
from lrgan_jax.jacobian import region_grams
from lrgan_jax.layers import moved, moves_of
from lrgan_jax.leading import leading_directions
from lrgan_jax.metrics import principal_angles
from lrgan_jax.models.checkpoint import load
from lrgan_jax.regions import region_mask
from lrgan_jax.search import CHANGE, PRICE
from tests.tolerances import rounding

SIDE, D = 8, 40
MASK = np.zeros((SIDE, SIDE), np.float32)
MASK[2:6, 1:5] = 1
COST = PRICE * CHANGE
# An eigenvector is off by rounding of the matrix, in float32 a few eps of its norm, over the gap, and by tol over it.
ANGLE = np.radians(0.1)
RANDOM = np.random.default_rng(0)


def image(maps, x):
    return jnp.tensordot(maps, x, x.ndim, precision="highest")


def planted(inside, outside):
    """A linear image [8, 8, 3] of a latent in which axis q_k moves the region by inside[k], in the mean square of a
    unit step, and the rest by outside[k]; the axes, and the Grams: the sums of these times q q^T.
    """
    d = len(inside)
    axes = np.linalg.qr(RANDOM.standard_normal((d, d)))[0]
    maps = np.zeros((SIDE * SIDE, 3, d))
    for pixels, squares in ((MASK.ravel() > 0, inside), (MASK.ravel() == 0, outside)):
        rows = 3 * int(pixels.sum())
        patterns = np.linalg.qr(RANDOM.standard_normal((rows, d)))[0] * rows**0.5
        maps[pixels] = ((patterns * np.sqrt(squares)) @ axes).reshape(-1, 3, d)
    f = Partial(image, jnp.array(maps.reshape(SIDE, SIDE, 3, d), jnp.float32))
    return f, axes, (axes.T * inside) @ axes, (axes.T * outside) @ axes


# What moves the region moves the rest, too, by amounts of all sizes, as generators have it.
INSIDE, OUTSIDE = 0.8 ** np.arange(D), 0.7 ** np.roll(np.arange(D), 9)
F, AXES, A, B = planted(INSIDE, OUTSIDE)
X = jnp.zeros(D)


def off(rows, truth):
    """The angle between each row and its true one."""
    pairs = zip(np.asarray(rows).reshape(len(rows), -1), np.asarray(truth).reshape(len(truth), -1), strict=True)
    return np.array([principal_angles(a[None], b[None])[0] for a, b in pairs])


@pytest.fixture(scope="module")
def found():
    return leading_directions(F, X, MASK, 4, mu=3.0, channels="stack")


def test_the_frontier_of_planted_grams(found):
    """Eigenvalues a - mu b of known axes: the largest four, in order."""
    values = INSIDE - 3 * OUTSIDE
    best = np.argsort(-values)[:4]
    assert found.converged and found.mask.all() and found.kept is None
    assert off(found.vectors, AXES[best]).max() < ANGLE
    np.testing.assert_allclose(found.inside, INSIDE[best], rtol=1e-4)
    np.testing.assert_allclose(found.outside, OUTSIDE[best], rtol=1e-3)  # small, hence in the square of a small length
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(4), rtol=0, atol=1e-5)
    assert (np.abs(found.vectors).max(1) == np.asarray(found.vectors).max(1)).all()  # the sign rule


def test_float64_is_used_to_its_end():
    """In, and out; and a residual that float32 cannot have."""
    with jax.enable_x64(True):
        f = Partial(image, F.args[0].astype(jnp.float64))
        found = leading_directions(f, X.astype(jnp.float64), MASK, 4, channels="stack", tol=1e-9)
    assert {a.dtype for a in found[:3]} == {np.dtype("float64")}
    assert found.converged and found.residuals.max() < 1e-8 and found.mask.all()


def test_half_precision_is_known_to_round():
    """A generator in bfloat16: it ends where its own rounding is reached, not at float32's."""
    f = Partial(lambda maps, x: image(maps, x).astype(jnp.bfloat16), *F.args)
    found = leading_directions(f, X, MASK, 2, mu=0.1, channels="stack")
    assert found.converged and found.vectors.dtype == jnp.float32
    assert off(found.vectors, AXES[np.argsort(0.1 * OUTSIDE - INSIDE)[:2]]).max() < 0.02


def test_energies_and_residuals_are_those_of_the_vectors(found):
    """By the Grams themselves, in float64."""
    V = np.asarray(found.vectors, np.float64)
    a, b = (np.einsum("ki,ij,kj->k", V, gram, V) for gram in (A, B))
    np.testing.assert_allclose(found.inside, a, **rounding(np.float32, 100))
    np.testing.assert_allclose(found.outside, b, **rounding(np.float32, 100))
    G = A - 3 * B
    residuals = np.linalg.norm(V @ G - (a - 3 * b)[:, None] * V, axis=1) / (a - 3 * b)
    np.testing.assert_allclose(found.residuals, residuals, rtol=0, atol=1e-5)
    assert residuals.max() < 2e-4


@pytest.mark.parametrize("basis", [12, 128])
def test_products_are_counted_and_a_full_basis_goes_on(basis, monkeypatch):
    """Every row that J and J^T are asked about, whichever way; and a basis of a third of the latent finds the same."""
    made, true_products = [], leading._products

    def counting(*args):
        products = true_products(*args)

        def counted(product):
            def run(rows):
                jax.debug.callback(lambda: made.append(len(rows)))
                return product(rows)

            return run

        return products._replace(push=counted(products.push), pull=counted(products.pull))

    monkeypatch.setattr(leading, "_products", counting)
    monkeypatch.setattr(krylov, "BASIS", basis)
    f = Partial(lambda maps, x: image(maps, x), *F.args)  # new to jit
    for options in ({"mu": 3.0}, {"cost": 0.03}, {"rank": 3}):
        made.clear()
        few = leading_directions(f, X, MASK, 1, channels="stack", **options)
        jax.effects_barrier()
        assert int(few.products) == sum(made) and few.converged
        if "mu" in options:
            assert off(few.vectors, AXES[[np.argmax(INSIDE - 3 * OUTSIDE)]]) < ANGLE


@pytest.mark.parametrize("cost", [COST, 0.03])
def test_mu_is_the_greatest_quotient(cost):
    """a / (b + cost), of an axis."""
    found = leading_directions(F, X, MASK, 1, channels="stack", cost=cost)
    quotients = INSIDE / (OUTSIDE + cost)
    np.testing.assert_allclose(found.mu, quotients.max(), rtol=1e-4)
    assert found.converged and off(found.vectors, AXES[[np.argmax(quotients)]]) < ANGLE


def test_the_projection_of_planted_grams():
    """As `projected_directions` makes it of the same eigenvectors; what is kept, too."""
    f, _, A, B = planted(INSIDE, OUTSIDE)
    turned, _, _, B = planted(INSIDE, OUTSIDE)  # the rest's axes are others
    maps = jnp.where(MASK[..., None, None] > 0, f.args[0], turned.args[0])
    found = leading_directions(Partial(image, maps), X, MASK, 3, rank=5, channels="stack")
    with jax.enable_x64(True):
        spaces = subspaces.attribute_space(A, 3), subspaces.null_space(B, 5)
        exact = subspaces.projected_directions(*spaces, A, B)
    assert found.converged and found.mask.all() and found.mu is None
    assert off(found.vectors, exact.vectors[:3]).max() < ANGLE
    for name in ("inside", "outside", "kept"):
        np.testing.assert_allclose(getattr(found, name), getattr(exact, name)[:3], rtol=1e-3)


def test_of_what_the_projection_takes_nothing_is_left():
    """Region and rest move along the same axes: the first two are taken whole, the third is left as it was."""
    f, axes, _, _ = planted(INSIDE, INSIDE * np.where(np.arange(D) == 2, 1e-3, 1))
    found = leading_directions(f, X, MASK, 3, rank=2, channels="stack")
    np.testing.assert_array_equal(found.mask, [False, False, True])
    assert off(found.vectors[2:], axes[2:3]) < ANGLE
    np.testing.assert_allclose(found.kept[2], 1, rtol=1e-5)


# On generators, against the Grams


SOFT = np.random.default_rng(3).integers(0, 9, (8, 8)).astype(np.float32) / 8 * np.where(MASK, 1, 0.125)


def assert_as_by_grams(found, f, latent, moves, num, **options):
    """The frontier at the same mu, of Grams in float32: as many directions as `num` count, and each is the same."""
    grams = region_grams(f, latent[None], SOFT, layers=moves, **options)
    inside, outside = grams.inside[0, 0], grams.outside[0, 0]
    exact = subspaces.frontier_directions(inside, outside, found.mu)
    assert found.converged and found.mask[:num].all() and exact.mask[:num].all()
    vectors = moves.spread(exact.vectors[:num], latent.shape[-1])
    assert off(found.vectors[:num], vectors).max() < ANGLE
    np.testing.assert_allclose(found.inside[:num], exact.inside[:num], rtol=1e-4)
    return subspaces.priced_mu(inside, outside, COST)


def test_all_layers_of_a_stylegan2(small_stylegan2):
    """W+: the latent is ws itself, vectors are moves [L, d]; soft masks, pooled, means of channels."""
    gen = small_stylegan2
    ws = jax.random.normal(jax.random.key(2), (gen.num_ws, gen.w_dim))
    found = leading_directions(image_function(gen), ws, SOFT, 2, size=8)
    moves = moves_of(None, gen.num_ws, per_layer=True)
    assert found.vectors.shape == (2, gen.num_ws, gen.w_dim)
    # The second is worth 0.7 % of the first, which float32 Grams have to 0.3 degrees only.
    mu = assert_as_by_grams(found, image_function(gen), ws, moves, 1, size=8)
    np.testing.assert_allclose(found.mu, mu, rtol=1e-4)


def test_some_layers_of_a_stylegan2(small_stylegan2):
    """The numbers of a move; layers that stay, stay."""
    gen = small_stylegan2
    ws = jax.random.normal(jax.random.key(2), (gen.num_ws, gen.w_dim))
    moves = moves_of("2-3", gen.num_ws, per_layer=True)
    view = image_function(gen, layers=moves)
    start = jnp.zeros(moves.size(gen.w_dim))
    found = leading_directions(Partial(moved, view, ws, moves), start, SOFT, 2, mu=0.3, size=8, channels="stack")
    rows = moves.spread(found.vectors, gen.w_dim)
    assert rows.shape == (2, gen.num_ws, gen.w_dim) and not rows[:, [0, 1, 4, 5]].any()
    assert_as_by_grams(found._replace(vectors=rows), view, ws, moves, 2, size=8, channels="stack")


@pytest.mark.slow  # a Jacobian in 64 bits
def test_it_is_more_exact_than_grams_of_its_own_precision():
    """At the default cost the best eigenvalue of G is a millionth of the least: float32 Grams are 0.1 to 0.3 degrees
    off the direction of float64 ones, this way is not.
    """
    gen = load("faces-dcgan")
    z, mask = sample_z(gen, jax.random.key(0), 1).array[0], region_mask("eyes", gen.size, gen.info.regions)
    found = leading_directions(image_function(gen), z, mask, 1, channels="stack")
    with jax.enable_x64(True):
        double = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), gen)
        latent = np.asarray(z, np.float64)[None, None]
        grams = region_grams(image_function(double), latent, mask, layers=moves_of(None, 1), channels="stack")
        exact = subspaces.priced_directions(grams.inside[0, 0], grams.outside[0, 0], COST)
    assert found.converged and off(found.vectors, exact.vectors[:1]).max() < ANGLE


# What it is worth as a function


def test_it_can_be_mapped_and_compiled(small_dcgan):
    """vmap over latents and masks = one at a time; under jit, with mu and the budget traced."""
    f = image_function(small_dcgan)
    z = jax.random.normal(jax.random.key(0), (2, 1, 10))
    masks = jnp.stack([jnp.zeros((16, 16)).at[4 * k : 4 * k + 8, 4:12].set(1) for k in (0, 1)])

    @jax.jit
    def both(f, z, masks, mu, most):
        return jax.vmap(lambda z, mask: leading_directions(f, z, mask, 2, mu=mu, max_products=most))(z, masks)

    together = both(f, z, masks, 0.5, 500)
    for n in range(2):
        alone = leading_directions(f, z[n], masks[n], 2, mu=0.5)
        assert off(together.vectors[n], alone.vectors).max() < ANGLE
        np.testing.assert_allclose(together.inside[n], alone.inside, rtol=1e-4)
        assert together.converged[n] and alone.converged


def test_a_budget_that_ends_early_is_flagged():
    early = leading_directions(F, X, MASK, 4, mu=3.0, channels="stack", max_products=40)
    assert not early.converged and int(early.products) <= 40 and float(early.residuals.max()) > 1e-3
    np.testing.assert_allclose(np.linalg.norm(early.vectors, axis=1), 1, rtol=1e-5)


def test_nothing_is_found_where_nothing_is_local():
    """A mu that no direction reaches; an image that does not move at all, and all of its latent's directions."""
    assert not leading_directions(F, X, MASK, 4, mu=1e6, channels="stack").mask.any()
    still = leading_directions(Partial(image, jnp.zeros((SIDE, SIDE, 3, 5))), jnp.zeros(5), MASK, 5)
    assert still.converged and not still.mask.any() and float(still.mu) == 0 and not still.residuals.any()


@pytest.mark.parametrize("k", [1, 5])
def test_a_small_latent_is_searched_to_its_end(k):
    """As many directions as numbers, to rounding."""
    inside, outside = np.array([5.0, 3, 2, 1, 0.5]), np.array([1.0, 2, 0.1, 3, 4])
    f, axes, _, _ = planted(inside, outside)
    found = leading_directions(f, jnp.zeros(5), MASK, k, mu=1.0, channels="stack", tol=1e-6)
    best = np.argsort(outside - inside)[:k]
    assert found.converged and off(found.vectors, axes[best]).max() < ANGLE
    np.testing.assert_array_equal(found.mask, (inside > outside)[best])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, "k must be from 1 to 40, got 0"),
        ({"k": 41}, "k must be from 1 to 40, got 41"),
        ({"rank": 40}, "rank must be from 1 to 39, got 40"),
        ({"rank": 2, "mu": 1.0}, "give one of them"),
        ({"mu": -1.0}, "mu must be at least 0"),
        ({"tol": 0.0}, "tol must be above 0"),
        ({"cost": 0.0}, "cost must be above 0"),
        ({"max_products": 7}, "max_products must be at least"),
        ({"mask": np.ones((2, SIDE, SIDE))}, "one region"),
        ({"mask": np.zeros((SIDE, SIDE))}, "a region is empty"),
        ({"mask": np.ones((4, 4))}, "must cover the Jacobian's 8x8 pixels"),
        ({"size": 5}, "cannot be pooled to size 5"),
        ({"x": X.at[0].set(jnp.nan)}, "x must be finite"),
        ({"x": jnp.zeros(D, int)}, "floating-point"),
        ({"f": jnp.sum}, "one image"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    arguments = {"f": F, "x": X, "mask": MASK, "k": 2} | changes
    with pytest.raises(InputError, match=message):
        leading_directions(**arguments)
