"""Directions made exact: from Grams of a Jacobian that was rounded to those of the Jacobian itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from lrgan_jax import find_directions, lengths, sample_z, subspaces, to_ws
from lrgan_jax.base.errors import InputError
from lrgan_jax.exact import exact_directions
from lrgan_jax.layers import Moves, moves_of
from lrgan_jax.mixed import exact_candidates
from lrgan_jax.pipeline import analyse
from lrgan_jax.search import Search
from lrgan_jax.targets import metric_root, pair_grams, targets
from tests.tolerances import rounding, worst

SHAPE, D, LAYERS, NUM, COST = (6, 5, 2), 12, 3, 2, 1e-4
ROWS = int(np.prod(SHAPE))
REDUCTION = (SHAPE[:2], "area", "stack")


def image(A, x):
    return jnp.tanh(jnp.tensordot(A, x, x.ndim))


def jacobians(A, xs, moves):
    """J of every latent by the numbers of a move, [N, P, m], in closed form."""
    out = []
    for x in np.asarray(xs):
        J = (1 - np.tanh(np.tensordot(A, x, x.ndim)) ** 2).reshape(ROWS, *[1] * x.ndim) * A.reshape(ROWS, *x.shape)
        if x.ndim > 1:
            J = J.reshape(ROWS, -1) if moves.per_layer else J[:, list(moves.moving)].sum(1)
        out.append(J)
    return np.stack(out)


def grams(J, weights):
    return tuple(np.einsum("npi,p,npj->ij", J, m, J) / len(J) for m in weights)


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("per_layer", [None, False, True])
@pytest.mark.parametrize("num_latents", [1, 3])
@pytest.mark.parametrize("natural", [False, True])
def test_rounded_grams_lead_to_the_exact_directions(double, per_layer, num_latents, natural):
    """Off by degrees before, by nothing that matters after; and the energies are the exact ones."""
    random = np.random.default_rng(0)
    latent = (D,) if per_layer is None else (LAYERS, D)
    moves = Moves() if per_layer is None else moves_of(None, LAYERS, per_layer=per_layer)
    A, xs = random.standard_normal((*SHAPE, *latent)), random.standard_normal((num_latents, *latent)) / 4
    mask = random.random(ROWS)
    weights = mask / mask.sum(), (1 - mask) / (1 - mask).sum()
    half = random.standard_normal((D, D))
    root = half @ half.T / D + np.eye(D) / 2 if natural else None
    J = jacobians(A, xs, moves)
    rounded = grams(J * (1 + 4e-3 * random.standard_normal(J.shape)), weights)
    exact = [lengths.natural_gram(gram, root) for gram in grams(J, weights)]
    before = subspaces.priced_directions(*(lengths.natural_gram(gram, root) for gram in rounded), COST)
    after = exact_directions(
        Partial(image, jnp.asarray(A)),
        (jnp.asarray(xs),),
        tuple(map(jnp.asarray, weights)),
        rounded,
        root,
        jnp.asarray(COST),
        reduction=REDUCTION,
        moves=moves,
        num=NUM,
    )
    truth = subspaces.priced_directions(*exact, COST)
    off = [np.arccos(np.clip(np.abs((of.vectors[:NUM] * truth.vectors[:NUM]).sum(1)), 0, 1)) for of in (before, after)]
    assert off[0].max() > 1e-3 and off[1].max() < 2e-2 * off[0].max(), off
    for gram, energies in zip(exact, (after.inside, after.outside), strict=True):
        np.testing.assert_allclose(energies, subspaces.energies(after.vectors, gram), rtol=1e-9)
    np.testing.assert_array_equal(after.mask, truth.mask[:NUM])
    quotient = [of.inside[:NUM] / (of.outside[:NUM] + COST) for of in (after, truth)]
    np.testing.assert_allclose(*quotient, rtol=1e-5)


def test_exact_grams_are_left_as_they_are():
    """In float32: what nothing is wrong with stays so, beyond rounding."""
    random = np.random.default_rng(1)
    A, x = random.standard_normal((*SHAPE, D)), random.standard_normal((1, D)) / 4
    weights = np.eye(ROWS)[:9].sum(0) / 9, 1 - np.eye(ROWS)[:9].sum(0)
    exact = grams(jacobians(A, x, Moves()), weights)
    found = exact_directions(
        Partial(image, jnp.asarray(A, jnp.float32)),
        (jnp.asarray(x, jnp.float32),),
        tuple(jnp.asarray(m, jnp.float32) for m in weights),
        tuple(jnp.asarray(gram, jnp.float32) for gram in exact),
        None,
        jnp.float32(COST),
        reduction=REDUCTION,
        moves=Moves(),
        num=NUM,
    )
    truth = subspaces.priced_directions(*(np.asarray(gram, np.float32) for gram in exact), COST)
    np.testing.assert_allclose(found.inside, truth.inside[:NUM], **rounding(np.float32, ROWS * D))
    np.testing.assert_allclose(np.abs((found.vectors * truth.vectors[:NUM]).sum(1)), 1, atol=1e-5)


# A search in mixed precision


REGIONS = [np.eye(16, dtype=np.float32), np.tri(16, dtype=np.float32) - np.eye(16, dtype=np.float32)]


@pytest.mark.parametrize(
    "settings", [{}, {"layers": "2-4", "metric": "latent"}, {"per_layer": True, "protect": REGIONS[1]}]
)
def test_a_mixed_search_finds_what_a_full_one_does(small_stylegan2, settings):
    """A CPU has one precision, so the Grams are the same; what is looked for again is the same thing, too."""
    w = small_stylegan2.mapping(sample_z(small_stylegan2, jax.random.key(0), 2))
    full, mixed = (
        find_directions(small_stylegan2, w, REGIONS[0], num=2, precision=precision, **settings)
        for precision in ("highest", "mixed")
    )
    for name in ("vectors", "inside", "outside"):
        assert worst(getattr(mixed, name), getattr(full, name)) < 1e-3, name
    assert mixed.found.mu == pytest.approx(full.found.mu, rel=1e-3) and mixed.search.precision == "mixed"


def test_grams_that_are_off_are_made_good(small_stylegan2):
    """By a thousandth of the Jacobian, as TF32 rounds: every region's own, at every latent's own."""
    gen, search = small_stylegan2, Search(num=2)
    aims, ws = targets(gen, REGIONS, search), to_ws(gen, gen.mapping(sample_z(gen, jax.random.key(0), 1)))
    pairs, noise = (
        pair_grams(gen, ws, aims, search),
        np.random.default_rng(0).standard_normal((2, 2, gen.w_dim, gen.w_dim)),
    )
    off = [
        np.asarray(gram[0]) * (1 + 1e-3 * (each + each.swapaxes(1, 2)))
        for gram, each in zip(pairs[:2], noise, strict=True)
    ]
    found, mu = exact_candidates(gen, ws, aims, search, *off)
    for r in range(2):
        truth = analyse(pairs.inside[0, r], pairs.outside[0, r], root=metric_root(gen, search))
        best = truth.candidates["frontier"]
        assert float(mu[r]) == pytest.approx(float(truth.mu), rel=1e-4)
        np.testing.assert_allclose(found.inside[r][0], best.inside[0], rtol=1e-2)
        assert worst(found.vectors[r, :1], best.vectors[:1]) < 1e-2


def test_only_the_frontier_at_a_price_is_made_exact():
    for settings in ({"method": "projected"}, {"mu": 3.0}, {"mu": "measured"}):
        with pytest.raises(InputError, match='precision="mixed" is for the frontier at a price'):
            Search(precision="mixed", **settings)
