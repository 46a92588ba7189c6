"""The comparison of methods.

One run of the command on a small network, and everything that must hold of its figures.
"""

import contextlib
import dataclasses
import io
import json
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.tree_util import Partial
from looks import look

import lrgan_jax.__main__ as main
from lrgan_jax import LrganError, Search, from_function, sweep
from lrgan_jax.commands import compare as command
from lrgan_jax.commands.tables import text_table
from lrgan_jax.compare import as_json, effects, experiment, methods, naturalness, summary, walks
from lrgan_jax.compare.figures import median_interval
from lrgan_jax.compare.page import page
from lrgan_jax.compare.plane import free_spots, letters, merged_labels, picture
from lrgan_jax.compare.setup import AROUND, Setup, redrawn
from lrgan_jax.compare.stages import Stages
from lrgan_jax.evaluation import Scene, first, measure, one_by_one
from lrgan_jax.generators import DCGAN, ModelInfo, render, sample_z
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.methods import METHODS, Pair
from lrgan_jax.metrics.oddity import oddity
from lrgan_jax.models import checkpoint
from lrgan_jax.search import CHANGE, PRICE
from tests.tolerances import EXACT, rounding

BOXES = {"upper": [2, 3, 4, 6], "lower": [9, 5, 5, 7]}
INFO = ModelInfo("small", "", {name: {"size": 16, "boxes": [box]} for name, box in BOXES.items()})
MASKS = np.zeros((2, 16, 16), np.float32)
MASKS[0, 2:6, 3:9], MASKS[1, 9:14, 5:12] = 1, 1
LATENTS, REGIONS, WALKED, SAMPLES = 3, 2, 1, 256
WITHOUT_MAPPING = [name for name in METHODS if name != "local_basis"]
TITLES = [METHODS[name].title for name in WITHOUT_MAPPING]
FRONT = "strangeness against leak"
VARIANTS = (*methods.OTHERS, *AROUND)
# Images are float32 with errors of about 1e-6, changes a root mean square of 0.14 inside, 0.02 at least outside.
RENDERED = 1e-3
ASKED = 1e-3 + RENDERED  # of the change asked for: steps are solved for to 1 part in 1,000


@pytest.fixture(scope="module")
def few_samples():
    """GANSpace of fewer latents."""
    ganspace = METHODS["ganspace"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "ganspace", dataclasses.replace(ganspace, find=partial(ganspace.find, samples=SAMPLES)))
        yield


def run_command(*words):
    """`lrgan compare` with these words -> exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["lrgan", "compare", *map(str, words)])
        return main.main()


@pytest.fixture(scope="module")
def written(tmp_path_factory, small_dcgan, few_samples):
    """`lrgan compare` in an empty folder, without metric networks.

    Exit code, output, the folder, and the comparison behind it all.
    """
    folder = tmp_path_factory.mktemp("compare")
    checkpoint.save(folder / "model", DCGAN(small_dcgan.config, small_dcgan.variables, INFO))
    kept = []
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setattr(effects, "networks", dict)
        patch.setattr(
            command, "run", lambda *args, **options: kept.append(experiment.run(*args, **options)) or kept[-1]
        )
        numbers = ("--num-latents", LATENTS, "--num-walked", WALKED)
        code = run_command("--model", folder / "model", "--out", folder / "out", *numbers, "--regions", *BOXES)
    return code, out.getvalue(), folder / "out", kept[0]


@pytest.fixture(scope="module")
def compared(written):
    return written[-1]


@pytest.fixture(scope="module")
def figures(compared):
    return summary(compared)


def test_a_comparison_shows_itself(compared, figures):
    """Medians of the leaks, of every method and region; with their intervals in the figures."""
    shown, of_figures = look(compared), look(figures)
    for k, name in enumerate(compared.methods):
        for leak in 100 * np.median(compared.measured.leak[k], 0):
            assert f"{leak:.3g}" in shown.text
        title = METHODS[name].title
        low, median, high = sorted(100 * float(value) for value in figures.leaks[title][figures.regions[0]])
        assert title in shown.text and title in of_figures.text
        assert not np.isfinite(median) or f"{median:.3g} ({low:.3g} to {high:.3g})" in of_figures.text
    assert len(repr(compared)) < 1000


def images_at(setup, moves):
    """Images [..., H, W, C] of the setup's latents [N] moved by [..., N, d], in float64."""
    latents = np.asarray(setup.scene.ws)[:, 0] + np.asarray(moves)
    images = np.asarray(setup.scene.gen.synthesis(jnp.asarray(latents.reshape(-1, latents.shape[-1]), jnp.float32)))
    return images.reshape(*latents.shape[:-1], *images.shape[1:]).astype(np.float64)


def measured_of(setup, vectors):
    """`measure` with the setup's Grams."""
    return measure(setup.scene, setup.inside, setup.outside, np.asarray(vectors))


def mean_squares(before, after, masks):
    """Inside and outside each region, for images [..., R, 2, H, W, C]: [..., R, 2]."""
    squared = np.square(after - before).mean(-1)
    weights = masks[:, None]
    return tuple(np.sum(squared * m, (-1, -2)) / np.sum(m, (-1, -2)) for m in (weights, 1 - weights))


# Setup


def test_latents_regions_and_methods(compared):
    """What was asked for; without a mapping network there is no Local Basis, and nothing else is left out."""
    setup, scene = compared.setup, compared.setup.scene
    assert (scene.regions, compared.methods) == (tuple(BOXES), tuple(WITHOUT_MAPPING))
    assert scene.ws.shape == (LATENTS, 1, 10) and np.abs(np.asarray(scene.ws)[:, 0] - np.asarray(setup.z)).max() == 0
    np.testing.assert_array_equal(setup.z, sample_z(scene.gen, jax.random.key(0), LATENTS))
    np.testing.assert_allclose(scene.masks, MASKS, **EXACT)
    np.testing.assert_allclose(np.linalg.norm(compared.vectors, axis=-1), 1, rtol=0, atol=1e-5)


def test_grams_predict_small_steps(compared):
    """Central differences along every method's direction, over every region, as it is and drawn otherwise.

    V^T M v inside and outside.
    """
    setup, h = compared.setup, 1e-3
    steps = np.moveaxis(compared.vectors, 1, 2) * h  # [M, R, N, d]
    slope = np.moveaxis((images_at(setup, steps) - images_at(setup, -steps)) / (2 * h), 2, 1)  # [M, N, R, H, W, C]
    drawn = [(setup.inside, setup.outside, MASKS)]
    for p, change in enumerate(AROUND.values()):
        drawn.append(
            (
                setup.inside_around[:, p],
                setup.outside_around[:, p],
                np.stack([redrawn(mask, *change) for mask in MASKS]),
            )
        )
    for inside, outside, masks in drawn:
        found = mean_squares(0, slope[:, :, :, None], masks)
        for gram, change in zip((inside, outside), found, strict=True):
            expected = np.einsum(
                "mnri,nrij,mnrj->mnr", *(np.asarray(a, np.float64) for a in (compared.vectors, gram, compared.vectors))
            )
            # A pixel's difference has an error of 1e-7 / 2h, of a slope of 1e-2; ReLUs that turn within 2h add some.
            np.testing.assert_allclose(change[..., 0], expected, rtol=0.02, atol=1e-3 * expected.max())
    for name, gram in (("first_inside", setup.inside), ("first_outside", setup.outside)):
        expected = np.einsum("mnri,nrij,mnrj->mnr", compared.vectors, gram, compared.vectors)
        np.testing.assert_allclose(getattr(compared.measured, name), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "box"),
    [
        ((0.0, 0.0, 1.0), (4, 8, 5, 10)),
        ((0.5, 0.0, 1.0), (6, 10, 5, 10)),
        ((-0.25, 0.4, 1.0), (3, 7, 7, 12)),
        ((0.0, 0.0, 2.0), (2, 10, 2, 13)),
        ((0.0, 0.0, 0.5), (5, 7, 6, 9)),
        ((2.5, 0.0, 1.0), (14, 16, 5, 10)),
        ((0.0, -1.4, 1.0), (4, 8, 0, 3)),
    ],
)
def test_regions_are_redrawn(change, box):
    """A box of 4 x 5, shifted by shares of its own size, scaled about its centre, and cut off where it leaves the
    image.
    """
    mask, expected = np.zeros((2, 16, 14), np.float32)
    mask[4:8, 5:10] = 1
    top, bottom, left, right = box
    expected[top:bottom, left:right] = 1
    moved = redrawn(mask, *change)
    rows, columns = (np.flatnonzero(moved.any(axis)) for axis in (1, 0))
    if change[2] == 1:
        np.testing.assert_array_equal(moved, expected)
    else:  # nearest pixels: a side may be one pixel off
        assert (
            np.abs(np.array([rows[0] - top, rows[-1] + 1 - bottom, columns[0] - left, columns[-1] + 1 - right])).max()
            <= 1
        )
        assert moved.sum() == len(rows) * len(columns) and set(np.unique(moved)) == {0, 1}


def test_a_region_at_the_border_leaves_it():
    """Moved inwards it keeps its size, and scaled down it shrinks: what comes in from beyond the border is outside."""
    mask = np.zeros((10, 10), np.float32)
    mask[:4, 6:] = 1
    down = redrawn(mask, 0.5, -0.25, 1.0)
    np.testing.assert_array_equal(np.argwhere(down)[[0, -1]], [[2, 5], [5, 8]])
    assert down.sum() == 16
    assert redrawn(mask, 0.0, 0.0, 0.5).sum() == 4
    np.testing.assert_array_equal(redrawn(0.5 * mask, 0.0, 0.0, 1.0), 0.5 * mask)  # soft weights go along


# Measuring


def test_every_edit_changes_its_region_as_asked(compared):
    """Rendered once more at the steps found.

    The change inside is the one asked for, backwards and forwards, the one outside as said.
    """
    setup, measured = compared.setup, compared.measured
    assert measured.reached.mean() > 0.9
    steps = np.stack([-measured.size[..., 0], measured.size[..., 1]])[..., None] * compared.vectors  # [2, M, N, R, d]
    after = images_at(setup, np.moveaxis(steps, 2, 3))
    after = np.moveaxis(after, (0, 3), (3, 1))  # [M, N, R, 2, H, W, C]
    before = images_at(setup, np.zeros(10))[:, None, None]
    inside, outside = mean_squares(before, after, MASKS)
    assert (measured.size > 0).all()
    np.testing.assert_allclose(inside[measured.reached], CHANGE, rtol=0.01)  # what `reached` promises
    np.testing.assert_allclose(np.median(inside), CHANGE, rtol=ASKED)
    np.testing.assert_allclose(measured.inside, inside.mean(-1), rtol=RENDERED)
    np.testing.assert_allclose(measured.outside, outside.mean(-1), rtol=RENDERED)
    np.testing.assert_allclose(measured.leak, outside.mean(-1) / inside.mean(-1), rtol=2 * RENDERED)


def test_directions_are_measured_on_their_own(compared):
    """Two together = each alone, in the order given, and as in the whole comparison."""
    vectors = compared.vectors[[0, 5]]
    together = measured_of(compared.setup, vectors)
    for k in range(2):
        for one, other in zip(together, measured_of(compared.setup, vectors[k : k + 1]), strict=True):
            np.testing.assert_allclose(one[k : k + 1], other, rtol=1e-6)
    np.testing.assert_allclose(together.outside, compared.measured.outside[[0, 5]], rtol=RENDERED)


def test_a_direction_that_does_not_exist_leaks_without_end(compared):
    """NaN in, infinite leak and not reached out; its neighbours are not harmed."""
    vectors = compared.vectors[-2:].copy()
    vectors[0] = np.nan
    measured = measured_of(compared.setup, vectors)
    assert np.isinf(measured.leak[0]).all() and not measured.reached[0].any()
    np.testing.assert_allclose(measured.leak[1], compared.measured.leak[-1], rtol=RENDERED)


# First-order theory

# Quadratic forms of float32 vectors, relative to the largest: and bisection in log mu to 2^-24 of 20.
FIRST_ORDER = 1e-4


def test_the_frontier_dominates_to_first_order(compared):
    """At each method's own first-order change inside, the frontier's direction leaks at most as much.

    Both equal where it is reachable.
    """
    method, matched = compared.measured, compared.matched
    np.testing.assert_allclose(
        matched.first_inside, method.first_inside, rtol=1e-3
    )  # eigenvectors turn fast at avoided crossings
    slack = FIRST_ORDER * compared.measured.first_outside.max() + 1e-3 * method.first_outside
    assert (matched.first_outside <= method.first_outside + slack).all()
    loose = [k for k, name in enumerate(compared.methods) if name in ("random", "attribute", "sefa")]
    assert (matched.first_outside[loose] < 0.99 * method.first_outside[loose]).any()


COST = PRICE * CHANGE  # of a squared unit of length; z is white, so latent units are natural ones


def greatest_quotients(setup):
    """The largest a / (b + cost) of any direction, [N, R], by SciPy's generalised eigensolver in float64."""
    inside, outside = (np.asarray(gram, np.float64) for gram in (setup.inside, setup.outside))
    eye = COST * np.eye(inside.shape[-1])
    return np.array(
        [
            [scipy.linalg.eigh(a, b + eye, eigvals_only=True)[-1] for a, b in zip(*of_latent, strict=True)]
            for of_latent in zip(inside, outside, strict=True)
        ]
    )


def test_no_method_lies_beyond_the_curve(compared):
    """a - mu b of every direction is at most the curve's for the same mu, which is what the frontier maximises."""
    mus = greatest_quotients(compared.setup) * experiment.CURVE[:, None, None]
    curve, others = compared.curve, [compared.measured, compared.matched, *compared.variants.values()]
    top = curve.first_inside - mus * curve.first_outside  # [G, N, R]
    for measured in others:
        balance = measured.first_inside[:, None] - mus * measured.first_outside[:, None]
        scale = measured.first_inside[:, None] + mus * measured.first_outside[:, None]
        assert (balance <= top + 1e-5 * (scale + top.max())).all()
    assert (np.diff(curve.first_inside, axis=0) <= FIRST_ORDER * curve.first_inside.max()).all()
    assert (np.diff(curve.first_outside, axis=0) <= FIRST_ORDER * curve.first_outside.max()).all()


def test_the_frontier_has_the_best_priced_quotient(compared):
    """a / (b + price * change): of all methods', curves' and variants' directions, and of any there is."""

    def quotient(measured):
        return measured.first_inside / (measured.first_outside + COST)

    best = quotient(compared.measured)[compared.methods.index("frontier")]
    np.testing.assert_allclose(best, greatest_quotients(compared.setup), rtol=1e-3)
    for measured in (compared.measured, compared.curve, compared.matched, *compared.variants.values()):
        assert (quotient(measured) <= best * (1 + 1e-3)).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_frontier_at_a_given_change(share):
    """Between the quietest direction's change inside and the largest there is.

    And none of 20,000 directions does better.
    """
    rng = np.random.default_rng(0)
    inside, outside = (m.T @ m / 10 for m in rng.standard_normal((2, 10, 4)).astype(np.float32))
    quietest = np.linalg.eigh(outside)[1][:, 0]
    low, high = quietest @ inside @ quietest, np.linalg.eigvalsh(inside)[-1]
    change = low + share * (high - low)
    found = np.asarray(jax.jit(lambda a, b, change: methods.frontier_at(Pair(a, b), change))(inside, outside, change))
    np.testing.assert_allclose(np.linalg.norm(found), 1, rtol=1e-5)
    np.testing.assert_allclose(found @ inside @ found, change, rtol=FIRST_ORDER)
    rivals = rng.standard_normal((20_000, 4))
    rivals /= np.linalg.norm(rivals, axis=1, keepdims=True)
    a, b = (np.einsum("ki,ij,kj->k", rivals, m, rivals) for m in (inside, outside))
    assert b[a >= change].min() >= (found @ outside @ found) * (1 - FIRST_ORDER)


# Methods


def test_methods_that_do_not_look_choose_their_best(compared):
    """Of the first ten rows the one with the largest priced quotient at each latent and region, by NumPy."""
    setup = compared.setup
    for name in ("random", "sefa"):
        rows = np.asarray(METHODS[name].find(setup.scene.gen, setup.scene.search, None))[: methods.OFFERED]
        a, b = (np.einsum("ki,nrij,kj->nrk", rows, gram, rows) for gram in (setup.inside, setup.outside))
        expected = rows[np.argmax(a / (b + COST), axis=-1)]
        found = compared.vectors[compared.methods.index(name)]
        np.testing.assert_allclose(found, expected, **rounding(np.float32))  # made of length 1 once more


def test_the_same_seed_gives_the_same_directions(compared, few_samples):
    """A second time, bit for bit; another seed gives other random ones."""
    blind = [name for name in WITHOUT_MAPPING if not METHODS[name].sees_region]
    again = {name: methods._found(compared.setup, METHODS[name], METHODS.get).vectors for name in blind}
    for name, vectors in again.items():
        np.testing.assert_array_equal(vectors, compared.vectors[compared.methods.index(name)], err_msg=name)
    scene = compared.setup.scene
    other = dataclasses.replace(scene, search=scene.search.but(draw=1))
    assert (
        methods._found(compared.setup._replace(scene=other), METHODS["random"], METHODS.get).vectors != again["random"]
    ).any()
    assert [*compared.seconds] == [name for name in WITHOUT_MAPPING if METHODS[name].sees_region]
    assert all(seconds > 0 for seconds in compared.seconds.values())


def test_the_table_of_methods_drives_all(compared, monkeypatch):
    """A row more, and it is compared; a method that needs what this generator or search lacks is not."""
    row = dataclasses.replace(
        METHODS["random"], name="mine", title="<Mine>", find=lambda gen, search, z: np.eye(10)[:3]
    )
    monkeypatch.setitem(METHODS, "mine", row)
    scene = compared.setup.scene
    assert [m.name for m in methods.compared(scene, compared.setup.z)] == [*WITHOUT_MAPPING, "mine"]
    assert set(np.abs(methods._chosen(compared.setup, row)).argmax(-1).ravel()) <= {0, 1, 2}
    local = [name for name in WITHOUT_MAPPING if METHODS[name].sees_region]
    of_layers = dataclasses.replace(scene, search=Search(per_layer=True))
    assert [m.name for m in methods.compared(of_layers, compared.setup.z)] == local


@pytest.mark.slow
def test_a_mapping_network_adds_its_local_basis(small_stylegan2, few_samples):
    """On StyleGAN2 all methods offer directions, in the table's order, unit rows of w."""
    z = sample_z(small_stylegan2, jax.random.key(1), 2)
    grams = np.broadcast_to(np.diag(np.arange(1.0, 13.0, dtype=np.float32)), (2, 2, 12, 12))
    gen = dataclasses.replace(small_stylegan2, info=INFO)
    scene = Scene.of(gen, gen.mapping(z), list(BOXES), Search(layers=(1, 3)))
    setup = Setup(scene, z, grams, grams[..., ::-1, ::-1], grams[:, None], grams[:, None])
    blind = [method for method in methods.compared(scene, z) if not method.sees_region]
    assert [method.title for method in blind] == ["random", "GANSpace", "SeFa", "Local Basis"]
    found = {method.name: methods._chosen(setup, method) for method in blind}
    for vectors in found.values():
        assert vectors.shape == (2, 2, 12)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), 1, rtol=0, atol=1e-5)
    local = METHODS["local_basis"].find(gen, Search(), z[:1])[0][: methods.OFFERED]
    assert np.abs(found["local_basis"][0, 0] - local).max(1).min() < 1e-6  # one of its rows, at the very latent


# Asked otherwise


def test_variants_are_the_method_at_other_grams(compared):
    """The next image's direction is that of the next image.

    A region drawn otherwise gives the direction of its own Grams.
    """
    setup, find = compared.setup, methods.finder(compared.setup, "frontier")
    found = dict(zip(VARIANTS, methods.variants(setup, find).vectors, strict=True))
    own = compared.vectors[compared.methods.index("frontier")]
    np.testing.assert_allclose(found[VARIANTS[0]], np.roll(own, -1, axis=0), rtol=0, atol=1e-5)
    pair = setup.inside_around[2, 3, 1], setup.outside_around[2, 3, 1]
    one = first(methods.analyse(*pair).candidates["frontier"])
    np.testing.assert_allclose(found[[*AROUND][3]][2, 1], one, rtol=0, atol=1e-4)
    assert np.abs(found[VARIANTS[1]] - found[VARIANTS[1]][:1]).max() == 0  # one direction for all images
    same = setup._replace(
        **{name: np.broadcast_to(getattr(setup, name)[:1], setup.inside.shape) for name in ("inside", "outside")}
    )
    of_same = dict(zip(VARIANTS, methods.variants(same, find).vectors, strict=True))
    np.testing.assert_allclose(
        of_same[VARIANTS[1]], np.broadcast_to(own[:1], own.shape), rtol=0, atol=1e-4
    )  # of equals
    np.testing.assert_allclose(of_same[VARIANTS[0]], np.broadcast_to(own[:1], own.shape), rtol=0, atol=1e-5)


def test_ranks_over_lambda(compared):
    """At lambda 4/sqrt(10) > 1 all is low rank, at 1/4/sqrt(10) < 1/10 nothing is, by the dual of the problem;
    between, the low-rank part grows, since its norm does (it is the trace, where no eigenvalue is negative).
    """
    ranks = compared.ranks
    for side in ("inside", "outside"):
        rank, energy = getattr(ranks, f"rank_{side}"), getattr(ranks, f"energy_{side}")
        assert rank.shape == energy.shape == (5, LATENTS, REGIONS)
        assert (rank[0] == 0).all() and (rank[-1] == 10).all()
        np.testing.assert_allclose(energy[0], 0, rtol=0, atol=1e-4)
        np.testing.assert_allclose(energy[-1], 1, rtol=1e-4)
        assert (np.diff(energy, axis=0) > -1e-3).all()


# Walks


def walk_images(compared):
    """Of the ends of both kinds of edit, [S, N, R, 2, 2, H, W, C]."""
    moves = np.moveaxis(compared.walks.moves[..., 0, :], 1, -2)  # [S, R, 2, 2, N, d]
    return np.moveaxis(images_at(compared.setup, moves)[..., :WALKED, :, :, :], -4, 1)


def test_straight_edits_are_what_they_say(compared):
    """At one, two and four times the usual step, rendered by hand.

    At the usual one, the figures of the frontier's measurement.
    """
    w, setup, frontier = compared.walks, compared.setup, compared.methods.index("frontier")
    assert w.inside.shape == (3, WALKED, REGIONS, 2) and w.moves.shape == (3, WALKED, REGIONS, 2, 2, 1, 10)
    images = walk_images(compared)
    size = compared.measured.size[frontier, 0] * np.array([-1, 1])  # [R, 2]
    before = images_at(setup, np.zeros(10))[0]
    for s, strength in enumerate(walks.STRENGTHS):
        moves = strength * size[..., None] * compared.vectors[frontier, 0][:, None]  # [R, 2, d]
        after = np.stack([images_at(setup, move)[0] for move in moves.reshape(-1, 10)]).reshape(REGIONS, 2, 16, 16, 3)
        np.testing.assert_allclose(images[s, 0, :, :, 0], after, rtol=0, atol=1e-5)
        inside, outside = mean_squares(before, after, MASKS)
        np.testing.assert_allclose(w.inside[s, 0], inside, rtol=RENDERED)
        np.testing.assert_allclose(w.straight[s, 0], outside, rtol=RENDERED)
    np.testing.assert_allclose(w.inside[0], CHANGE, rtol=ASKED)
    np.testing.assert_allclose(w.straight[0, 0].mean(-1), compared.measured.outside[frontier, 0], rtol=RENDERED)


def test_walks_are_cut_at_the_same_change(compared):
    """Where the walk came so far, its image has changed inside as much as the straight edit's.

    The ratio is of what changed outside.
    """
    w = compared.walks
    before = images_at(compared.setup, np.zeros(10))[0]
    images = walk_images(compared)
    inside, outside = mean_squares(before, images[:, :, :, :, 1], MASKS)
    assert w.reached[0].all()
    np.testing.assert_allclose(inside[w.reached], w.inside[w.reached], rtol=0.01)
    np.testing.assert_allclose(outside, w.walked, rtol=RENDERED)
    np.testing.assert_array_equal(np.isnan(w.ratio), ~w.reached)
    straight, walked = images[0, :, :, :, 0], images[0, :, :, :, 1]
    far, near = (np.square(walked - other).mean((-1, -2, -3)) for other in (straight[:, :, ::-1], straight))
    assert (near < far).all()  # the same way, not the other
    np.testing.assert_allclose(w.ratio[w.reached], (outside / w.straight)[w.reached], rtol=2 * RENDERED)


def test_along_a_path():
    """Piecewise linear through its points, on past the end along the last piece."""
    points = np.random.default_rng(2).standard_normal((5, 2, 3)).astype(np.float32)
    places = [*np.linspace(0, 1, 5), 0.1, 0.6, 1.25]
    expected = [
        *points,
        0.6 * points[0] + 0.4 * points[1],
        0.6 * points[2] + 0.4 * points[3],
        2 * points[4] - points[3],
    ]
    found = [walks._along(lambda w: w, jnp.array(points), jnp.array([place], jnp.float32)) for place in places]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_walks_are_cut_by_one_copy_of_the_image():
    """Compiling it takes longer than all the rest.

    Counted by a function that nothing else calls; and the cuts are where they should be.
    """

    def f(w):
        return jax.lax.erf_inv(w[0, :, None, None]) * jnp.ones((4, 4, 1))

    def cut(paths):
        return walks._cut(Partial(f), None, paths, jnp.array([[[0.01, 0.04], [0.01, 9.0]]]), jnp.ones((4, 4)))

    line = jnp.linspace(0, 0.5, 5)
    paths = jnp.stack([line, -line])[None, :, :, None, None]  # [N, 2, points, L, d]
    assert str(jax.make_jaxpr(cut)(paths)).count("erf_inv") == 1
    reached, ends = cut(paths)
    np.testing.assert_array_equal(reached, [[[True, True], [True, False]]])
    expected = jax.scipy.special.erf(jnp.array([0.1, 0.2]))
    np.testing.assert_allclose(ends[0, 0, :, 0, 0], expected, rtol=1e-3)
    np.testing.assert_allclose(ends[0, 1, 0, 0, 0], -expected[0], rtol=1e-3)


# Whether edits stay natural


@pytest.fixture(scope="module")
def parts(compared):
    return naturalness._parts(compared.setup.scene)


def test_depth_and_oddity_by_hand(compared, parts):
    """Of the pictures at the steps found: depth is the root mean square of z, which is white.

    Both are means over the two ways.
    """
    setup, measured, natural = compared.setup, compared.measured, compared.natural
    steps = np.stack([-measured.size[..., 0], measured.size[..., 1]])[..., None] * compared.vectors  # [2, M, N, R, d]
    latents = np.asarray(setup.scene.ws)[:, 0][:, None] + steps
    np.testing.assert_allclose(natural.depth, np.sqrt(np.square(latents).mean(-1)).mean(0), rtol=1e-5)
    after = images_at(setup, np.moveaxis(steps, 2, 3)).astype(np.float32)  # [2, M, R, N, H, W, C]
    odd = np.stack([oddity(part, after[:, :, r]) for r, part in enumerate(parts)], -1)  # [2, M, N, R]
    np.testing.assert_allclose(natural.oddity, odd.mean(0), rtol=1e-3)
    np.testing.assert_array_equal(natural.strangeness, natural.depth * natural.oddity**2)
    assert compared.curve_natural.depth.shape == (len(experiment.CURVE), LATENTS, REGIONS)


def test_what_does_not_move_is_as_natural_as_its_latent(compared, parts):
    """Steps of nothing; and where there is no direction, no number, while its neighbours keep theirs."""
    scene, vectors = compared.setup.scene, compared.vectors[:2].copy()
    vectors[0, 1, 0] = np.nan
    sizes = np.zeros((*vectors.shape[:3], 2), np.float32)
    sizes[0, 1, 0] = np.nan
    found = naturalness.naturalness(scene, vectors, sizes, one_by_one(LATENTS))
    depth = np.sqrt(np.square(np.asarray(scene.ws)[:, 0]).mean(-1))
    before = images_at(compared.setup, np.zeros(10)).astype(np.float32)
    odd = np.stack([oddity(part, before) for part in parts], -1)
    for a, expected in ((found.depth, np.repeat(depth[:, None], REGIONS, 1)), (found.oddity, odd)):
        np.testing.assert_allclose(a[1], expected, rtol=1e-3)
        assert np.isnan(a[0, 1, 0])
        np.testing.assert_allclose(np.delete(a[0].ravel(), 2), np.delete(expected.ravel(), 2), rtol=1e-3)
    assert np.isnan(found.strangeness[0, 1, 0])


def test_the_generators_own_pictures_are_typical(compared, parts):
    """The parts are learnt from so many of them, of another seed, a few at a time; others are not odd either."""
    scene = compared.setup.scene
    own, others = (
        render(scene.gen, seeded(scene.gen, seed, naturalness.SAMPLES).all()) for seed in (naturalness.SEED, 7)
    )
    for part in parts:
        np.testing.assert_allclose(np.mean(oddity(part, own) ** 2), 1, rtol=1e-3)
        assert 0.9 < np.mean(oddity(part, others) ** 2) < 1.5


def test_figures_of_naturalness(compared, figures):
    """Geometric means over the regions, medians over the latents; of the curve by its mu."""
    for k, title in enumerate(TITLES):
        for name in ("depth", "oddity", "strangeness"):
            values = getattr(compared.natural, name)[k]
            expected = np.median(np.sqrt(values[:, 0] * values[:, 1]))
            np.testing.assert_allclose(getattr(figures.natural[title], name).median, expected, rtol=1e-5)
    assert [of.mu for of in figures.curve] == [*experiment.CURVE]
    leak = compared.curve.leak[2]
    np.testing.assert_allclose(figures.curve[2].leak.median, np.median(np.sqrt(leak[:, 0] * leak[:, 1])), rtol=1e-5)


def test_the_front_is_a_file_of_its_own(written, figures):
    """XML without scripts: a dot and a name for each method, and a point of the line for each mu."""
    text = (written[2] / "front.svg").read_text()
    root = ElementTree.fromstring(text)
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert tags[0] == "svg" and "script" not in tags and "nan" not in text
    assert tags.count("circle") == len(TITLES)
    (line,) = (element.get("points").split() for element in root.iter() if element.tag.endswith("polyline"))
    assert len(line) == len(figures.curve)
    assert all(name in " ".join(root.itertext()) for name in (*TITLES, "leak", "strangeness of the edited pictures"))


# Some methods, and another change


@pytest.fixture(scope="module")
def some(written, tmp_path_factory):
    """The command with one method and another change, and the comparison behind it."""
    folder, kept = tmp_path_factory.mktemp("some"), []
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setattr(effects, "networks", dict)
        patch.setattr(
            command, "run", lambda *args, **options: kept.append(experiment.run(*args, **options)) or kept[-1]
        )
        model = Path(written[2]).parent / "model"
        options = ("--num-latents", 2, "--num-walked", 1, "--regions", *BOXES, "--change", 0.01)
        code = run_command("--model", model, "--out", folder, *options, "--methods", "random")
    return code, out.getvalue(), folder, kept[0]


def test_methods_that_are_named_are_compared_with_the_frontier(some):
    """These alone: in the table, the figures, the page and its pictures; without the paper's method no ranks."""
    code, out, folder, found = some
    assert code == 0 and found.methods == ("random", "frontier")
    assert found.ranks is None and [*found.variants] == ["frontier"]
    stored = json.loads((folder / "figures.json").read_text())
    assert stored["methods"] == [*stored["natural"]] == [*stored["leaks"]] == ["random", "frontier"]
    assert stored["ranks"] == {} and len(stored["curve"]) == len(experiment.CURVE)
    shown = read((folder / "index.html").read_text())
    assert "Does it stay natural?" in shown.text and "SeFa" not in " ".join(shown.text)
    assert sum(tag == "circle" for tag, _ in shown.tags) == (2 * REGIONS + 1) * 2
    assert "random" in out and "projected" not in out


def test_the_change_that_is_wanted_is_what_edits_do(some):
    """Of all that is measured, walks included; and the page says so."""
    *_, folder, found = some
    for measured in (found.measured, found.curve, found.matched, *found.variants.values()):
        np.testing.assert_allclose(measured.inside[measured.reached], 0.01, rtol=0.01)
    np.testing.assert_allclose(found.walks.inside[0], 0.01, rtol=ASKED)
    assert found.measured.reached.mean() > 0.9
    assert json.loads((folder / "figures.json").read_text())["search"] == {"change": 0.01}


@pytest.mark.parametrize(
    ("only", "says"),
    [
        (["magic"], "method is one of random, .*, got 'magic'"),
        (["random", "local_basis"], "local_basis cannot be compared here: it needs a model with mapping of its own"),
    ],
)
def test_methods_that_cannot_be_compared_are_refused_at_once(small_dcgan, monkeypatch, tmp_path, only, says):
    """By name, before anything is computed or kept: the right name then goes into the same folder."""
    monkeypatch.setattr(experiment, "prepare", None)
    with pytest.raises(LrganError, match=says) as caught:
        experiment.run(
            small(small_dcgan), np.eye(2, 10, dtype=np.float32), [*BOXES], only=only, folder=tmp_path / "new"
        )
    assert "\n" not in str(caught.value) and not (tmp_path / "new").exists()


def test_why_a_method_cannot_be_compared(small_stylegan2):
    gen = dataclasses.replace(small_stylegan2, info=INFO)
    w = np.eye(2, 12, dtype=np.float32)
    scene = Scene.of(gen, w, [*BOXES], Search())
    with pytest.raises(LrganError, match="local_basis .* needs the z that the latents were mapped from"):
        methods.compared(scene, None, ["local_basis"])
    of_layers = Scene.of(gen, w, [*BOXES], Search(per_layer=True))
    with pytest.raises(LrganError, match="sefa .* finds one vector for all layers: leave per_layer out"):
        methods.compared(of_layers, None, ["sefa"])
    assert [m.name for m in methods.compared(of_layers, None, ["refined"])] == ["frontier", "refined"]


# Medians


def test_constant_values_leave_no_doubt():
    """An interval of no width, in every column its own."""
    interval = median_interval(np.full((9, 2), [3.0, -1.0]))
    for a in interval:
        np.testing.assert_array_equal(a, [3, -1])


def test_intervals_move_and_stretch_with_the_values():
    """Of 2 x - 5 the interval is that; the same values give the same one, another seed another."""
    values = np.random.default_rng(3).standard_normal(40)
    one = median_interval(values)
    assert one.low < one.median < one.high and one.median == np.median(values)
    np.testing.assert_allclose(median_interval(2 * values - 5), 2 * np.array(one) - 5, rtol=1e-12)
    np.testing.assert_array_equal(median_interval(values), one)
    assert not np.array_equal(median_interval(values, seed=1), one)


def test_missing_values_are_left_out():
    """The median is that of the others, the interval finite and about theirs; the next column is not touched."""
    values = np.random.default_rng(4).standard_normal((30, 2))
    holes = values.copy()
    holes[::3, 0] = np.nan
    whole, found = median_interval(values), median_interval(holes)
    assert found.median[0] == np.median(values[np.arange(30) % 3 > 0, 0])
    assert found.low[0] < found.median[0] < found.high[0]
    assert all(np.isfinite(a).all() for a in found)
    np.testing.assert_array_equal([a[1] for a in found], [a[1] for a in whole])


def test_intervals_cover_the_truth_as_often_as_they_say(monkeypatch):
    """200 samples of 25 normal numbers: 95 % hold the median 0; binomial noise is 1.5 %, four sigma of it 6 %."""
    monkeypatch.setattr("lrgan_jax.compare.figures.RESAMPLES", 400)
    interval = median_interval(np.random.default_rng(5).standard_normal((25, 200)))
    covered = np.mean((interval.low <= 0) & (interval.high >= 0))
    assert 0.89 <= covered < 1


# Figures, page, command


def test_summary_by_hand(compared, figures):
    """Medians of leaks over the latents, "all" of geometric means over the regions.

    And every method has its row everywhere.
    """
    leak = compared.measured.leak
    for k, title in enumerate(TITLES):
        leaks = figures.leaks[title]
        for r, region in enumerate(BOXES):
            np.testing.assert_allclose(leaks[region].median, np.median(leak[k, :, r]), rtol=1e-6)
        np.testing.assert_allclose(leaks["all"].median, np.median(np.sqrt(leak[k, :, 0] * leak[k, :, 1])), rtol=1e-5)
        for interval in leaks.values():
            assert leak[k].min() * 0.999 <= interval.low <= interval.median <= interval.high <= leak[k].max() * 1.001
    assert [*figures.dominance] == [title for title in TITLES if title != "frontier"]
    for d in figures.dominance.values():
        assert d.first_order_largest <= 1.01 and 0 <= d.at_most_1 <= d.at_most_1_1 <= 1
    assert [*figures.variants["projected"]] == ["its own", *VARIANTS]
    assert figures.variants["frontier"]["its own"] == figures.leaks["frontier"]["all"]
    assert [*figures.walks] == ["1", "2", "4"] and [*figures.ranks] == ["0.25", "0.5", "1", "2", "4"]
    assert all(effect == {} for effect in figures.effects.values())


def test_command_writes_figures_and_a_page(written, figures):
    """figures.json is the summary and says of what model, index.html stands alone, the output holds the table.

    No piece is left.
    """
    code, out, folder, _ = written
    assert code == 0 and sorted(path.name for path in folder.iterdir()) == sorted(command.FILES)
    stored = json.loads(
        (folder / "figures.json").read_text(), parse_constant=lambda text: pytest.fail(f"{text} is no JSON")
    )
    latents = "3 random latents, seed 0, truncation 1"
    about = {"model": "small", "fingerprint": stored["fingerprint"], "search": {}, "latents": latents}
    assert stored == json.loads(json.dumps(as_json(about | figures._asdict()))) and len(stored["fingerprint"]) == 64
    assert {*stored["leaks"]["ReSeFa"]["upper"]} == {"median", "low", "high"}
    lines = out[out.index("change outside") :].splitlines()
    rows = {line[2:14].strip(): line[14:].split() for line in lines if line.startswith("  ") and "upper" not in line}
    assert [*rows] == TITLES
    for name, (*cells, strange) in rows.items():
        expected = [100 * leak.median for leak in figures.leaks[name].values()]
        np.testing.assert_allclose([float(cell) for cell in cells], expected, rtol=0, atol=0.051)  # one decimal
        assert float(strange) == pytest.approx(figures.natural[name].strangeness.median, abs=0.0051)  # two
    text = (folder / "index.html").read_text()
    assert text.rstrip().endswith("</html>") and "http" not in text and "3 random latents, seed 0" in text


def test_columns_are_as_wide_as_their_heads():
    """Names of regions may be files, which are long."""
    lines = text_table(("all", "left of it.png", "x"), {"random": ["1.0", "2.0", "none"]}).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [line.split() for line in lines] == [["all", "left", "of", "it.png", "x"], ["random", "1.0", "2.0", "none"]]


class Reader(HTMLParser):
    """Keeps the tags and the text, and fails where an element is closed that is not open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(text):
    """The page taken apart: whole, without scripts and without anything from elsewhere."""
    found = Reader(text)
    assert not any(tag == "script" or any(name.startswith("on") for name in about) for tag, about in found.tags)
    assert all(about["src"].startswith("data:image/") for tag, about in found.tags if tag == "img")
    return found


def test_page_shows_every_method_and_region(written, compared):
    """A row of the first table for every method, a plane and strips for every region, a dot for every method in each
    plane, and one in the front.
    """
    found = read((written[2] / "index.html").read_text())
    assert [about["aria-label"].split(":")[0] for tag, about in found.tags if tag == "svg"] == [FRONT, *BOXES]
    labels = [about["alt"] for tag, about in found.tags if tag == "img"]
    assert {f"{title}, {region}, image {n}" for title in TITLES for region in BOXES for n in (0, 1)} < {*labels}
    assert sum(tag == "circle" for tag, _ in found.tags) == (2 * REGIONS + 1) * len(compared.methods)
    assert sum(tag == "polyline" for tag, _ in found.tags) == 2 * REGIONS + 1
    names = letters(compared.methods)
    assert len({*names.values()}) == len(compared.methods)
    assert all(found.text.count(title) >= 3 for title in TITLES)
    assert not any(
        "nan" in value for _, about in found.tags for value in about.values() if value and "base64" not in value
    )


def test_picture_is_a_file_of_its_own(written, compared):
    """plane.svg is XML without scripts: every region's name, every method's, and two dots for each in each region."""
    text = (written[2] / "plane.svg").read_text()
    tags = [element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()]
    assert tags[0] == "svg" and "script" not in tags and "nan" not in text
    assert tags.count("circle") == 2 * len(compared.methods) * REGIONS
    shown = " ".join(ElementTree.fromstring(text).itertext())
    assert all(name in shown for name in (*BOXES, *TITLES))


def test_names_cannot_break_the_page(compared, figures):
    """Regions, models and notes that look like markup are shown as they are."""
    evil = ["<b>&\"'</b>", "</td><script>alert(1)</script>"]
    scene = dataclasses.replace(compared.setup.scene, regions=tuple(evil))
    renamed = dataclasses.replace(compared, setup=compared.setup._replace(scene=scene))
    text = page(renamed, figures._replace(regions=evil), model="<i>model</i>", note="seed & <u>co</u>")
    found = read(text)
    assert (
        "<i>model" not in text
        and "<u>" not in text
        and "<script" not in text
        and not {"i", "u"} & {tag for tag, _ in found.tags}
    )
    assert all("".join(found.text).count(name) >= 3 for name in evil)
    assert evil[0] in ElementTree.fromstring(picture(renamed, "")).itertext()
    assert "Methods compared on <i>model</i>" in found.text and "seed & <u>co</u>" in found.text


def test_a_method_without_a_direction_is_shown_as_such(compared):
    """The plain quotient may not exist: the figures are JSON all the same, and the page and its picture hold no NaN."""
    k = compared.methods.index("resefa")
    vectors = compared.vectors.copy()
    vectors[k, 0] = np.nan
    lacking = dataclasses.replace(compared, vectors=vectors, measured=measured_of(compared.setup, vectors))
    found = summary(lacking)
    assert found.reached["ReSeFa"] < 1
    for one, other in zip(found.leaks["frontier"].values(), summary(compared).leaks["frontier"].values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=RENDERED)
    shown = read(page(lacking, found, model="small", note=""))
    assert not any(
        "nan" in value for _, about in shown.tags for value in about.values() if value and "base64" not in value
    )
    json.dumps(as_json(found), allow_nan=False)
    lacking_one = {"method": {"leak": {"median": np.inf, "low": np.float32(1)}}, "names": ["inf"], "count": 3}
    assert as_json(lacking_one) == {"method": {"leak": {"median": None, "low": 1.0}}, "names": ["inf"], "count": 3}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--model", "PLAIN"), "no named regions"),
        (("--model", "PLAIN", "--regions", "elbow"), "no region 'elbow'"),
        (("--model", "MODEL", "--regions", "elbow"), "no region 'elbow'; this model has upper, lower"),
        (("--model", "MODEL", "--num-latents", "1"), "at least 2 latents"),
        (("--model", "MODEL", "--num-walked", "0"), "1 walked from"),
        (("--model", "MODEL", "--layers", "0-3"), "layers 0 to 0"),
        (("--model", "MODEL", "--methods", "magic"), "method is one of random, "),
        (("--model", "nowhere"), "no model 'nowhere'"),
    ],
)
def test_bad_input_ends_in_one_line(written, small_dcgan, tmp_path, capsys, args, says):
    """One line on stderr, exit code 1, and nothing on disk."""
    checkpoint.save(tmp_path / "plain", small_dcgan)
    places = {"PLAIN": str(tmp_path / "plain"), "MODEL": str(Path(written[2]).parent / "model")}
    assert run_command("--out", tmp_path / "out", *(places.get(arg, arg) for arg in args)) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and says in err
    assert not (tmp_path / "out").exists()


# Stopped, and of a sweep


def test_ctrl_c_says_that_it_goes_on(written, tmp_path, monkeypatch, capsys):
    """In one line, with the exit code that shells expect."""

    def stopped(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", stopped)
    assert run_command("--model", Path(written[2]).parent / "model", "--out", tmp_path) == 130
    assert "the same command goes on" in capsys.readouterr().err


class Stopped(Exception):
    """As if someone had pulled the plug."""


def small(small_dcgan):
    return DCGAN(small_dcgan.config, small_dcgan.variables, INFO)


def stop_at(stage, count):
    """A progress that stops in the middle of a stage."""

    def progress(name, numbers):
        for n in numbers:
            if (name, n) == (stage, count):
                raise Stopped
            yield n

    return progress


@pytest.mark.parametrize("stage", ["grams", "edits", "walks"])
def test_goes_on_where_it_was_stopped(compared, small_dcgan, few_samples, monkeypatch, tmp_path, stage):
    """The same figures as without a stop, but for the seconds; and nothing that was done is done again."""
    monkeypatch.setattr(effects, "networks", dict)
    gen = small(small_dcgan)
    given = (gen, seeded(gen, 0, LATENTS), list(BOXES))
    options = {"num_walked": 2, "folder": tmp_path / "stages"}
    with pytest.raises(Stopped):
        experiment.run(*given, **options, progress=stop_at(stage, 1))
    done = {path: path.stat().st_mtime_ns for path in options["folder"].iterdir()}
    assert f"{stage}-00000.npz" in {path.name for path in done}
    found = experiment.run(*given, **options)
    assert done == {path: path.stat().st_mtime_ns for path in done}
    for field in ("vectors", "measured", "curve", "line", "matched", "variants", "ranks"):
        jax.tree.map(
            partial(np.testing.assert_allclose, rtol=RENDERED, atol=1e-5),
            getattr(found, field),
            getattr(compared, field),
        )
    with pytest.raises(LrganError, match=r"other settings: search\.layers is None, not .*walked is 2, not 1"):
        experiment.run(*given, Search(layers=[0]), num_walked=1, folder=options["folder"])


def test_pieces_are_kept_as_they_are(tmp_path):
    """Bit for bit, what is missing too; without a folder everything is computed every time."""
    record = effects.Effects(None, np.float32([[1.5, np.nan]]), None, None, None)
    counted = []
    for folder, times in ((tmp_path / "new", 1), (None, 2)):
        counted.clear()
        for _ in range(2):
            stages = Stages(folder, {"layers": (0, 1)})
            found = stages.keep("one", effects.Effects, lambda: counted.append(1) or record)
            np.testing.assert_array_equal(found.lpips_outside, record.lpips_outside)
            assert found.lpips_inside is None
        assert len(counted) == times


@pytest.fixture(scope="module")
def swept(small_dcgan, tmp_path_factory):
    """A sweep over the same latents that kept its Grams."""
    gen, place = small(small_dcgan), tmp_path_factory.mktemp("sweep") / "store"
    sweep.run(gen, place, seeded(gen, 0, LATENTS), list(BOXES), keep=sweep.Keep(grams="float32", block=2))
    return place


def test_grams_of_a_sweep(compared, swept, small_dcgan, few_samples, monkeypatch):
    """The same latents, Grams and directions as without it.

    Regions drawn otherwise are left out, and the page says so.
    """
    monkeypatch.setattr(effects, "networks", dict)
    monkeypatch.setattr(experiment, "prepare", None)  # not needed
    found = experiment.run(small(small_dcgan), sweep.open(swept), [*BOXES], num_walked=WALKED)
    np.testing.assert_array_equal(found.setup.scene.ws, compared.setup.scene.ws)
    np.testing.assert_array_equal(found.setup.z, compared.setup.z)
    for side in ("inside", "outside"):
        np.testing.assert_allclose(getattr(found.setup, side), getattr(compared.setup, side), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.measured.leak, compared.measured.leak, rtol=0.05)
    figures = summary(found)
    assert [*figures.variants["frontier"]] == ["its own", *methods.OTHERS]
    assert "left out" in "".join(read(page(found, figures, model="small", note="")).text)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"channels": "mean"}, "channels is stack, not mean"),
        ({"protect": "upper"}, "something else keeps still"),
        ({"size": 8}, "drawn otherwise, or at another size"),
    ],
)
def test_grams_of_another_search_are_refused(swept, small_dcgan, changes, says):
    """By name."""
    with pytest.raises(LrganError, match=says):
        experiment.run(small(small_dcgan), sweep.open(swept), ["lower"], Search(**changes))


def test_a_sweep_without_what_is_wanted_is_refused(swept, small_dcgan, tmp_path):
    """Other regions, more latents than there are, another model, no Grams."""
    gen = small(small_dcgan)
    with pytest.raises(LrganError, match="no region 'more', it has upper, lower"):
        experiment.run(gen, sweep.open(swept), {"more": MASKS[0]})
    with pytest.raises(LrganError, match="4 are asked for, and there are 3"):
        experiment.run(gen, sweep.open(swept), [*BOXES], num_latents=4)
    other = dataclasses.replace(gen, info=dataclasses.replace(INFO, fingerprint="f00d"))
    with pytest.raises(LrganError, match="model is , not f00d"):
        experiment.run(other, sweep.open(swept), [*BOXES])
    sweep.run(gen, tmp_path / "bare", seeded(gen, 0, 2), ["lower"], keep=sweep.Keep(block=2))
    with pytest.raises(LrganError, match="has not kept its Grams"):
        experiment.run(gen, sweep.open(tmp_path / "bare"), ["lower"])


# Other generators and searches


def wide(w, *label):
    """A picture of 8 x 12 whose left half answers to the first numbers of two layers, its right half to the last, and
    to the class.
    """
    base = jnp.concatenate([jnp.tile(w[0] @ KERNEL, (1, 1)).reshape(8, 6, 3), (w[1] @ KERNEL).reshape(8, 6, 3)], axis=1)
    return jnp.tanh(base + 0.3 * base**2 + (0 if not label else label[0] @ SHADES))


KERNEL = np.float32(np.random.default_rng(7).standard_normal((5, 144)) / 3)
SHADES = np.float32([[0.2, 0, 0], [0, 0.1, -0.2]])
HALVES = {"left": {"size": 12, "boxes": [[0, 0, 8, 6]]}, "corner": {"size": 12, "boxes": [[0, 6, 4, 6]]}}
HALVES["band"] = {"size": 12, "boxes": [[8, 0, 2, 12]]}


@pytest.mark.parametrize(
    "search",
    [
        pytest.param(Search(), marks=pytest.mark.slow),
        Search(per_layer=True, layers="0-1"),
        Search(protect={"corner": 0.5, "band": 2.0}, layers=[0, 1]),
    ],
)
def test_any_shape_of_image_classes_and_searches(monkeypatch, search):
    """A wide image drawn by class.

    Measured again by hand, the class of each latent kept, leak where it is not wanted alone.
    """
    monkeypatch.setattr(effects, "networks", dict)
    monkeypatch.setattr(methods, "METHODS", {name: METHODS[name] for name in ("random", "projected", "frontier")})
    gen = from_function(wide, (2, 5), c_dim=2, name="wide", regions=HALVES)
    found = experiment.run(gen, seeded(gen, 3, 2, labels=[1, 0]), ["left"], search, num_walked=1)
    scene, measured = found.setup.scene, found.measured
    np.testing.assert_array_equal(scene.ws.c, [[0, 1], [1, 0]])
    assert scene.masks.shape == (1, 8, 12) and found.vectors.shape[-1] == (10 if search.per_layer else 5)
    assert ("random" in found.methods) != search.per_layer
    k, inside = found.methods.index("frontier"), scene.masks[0]
    outside = (1 - inside) / (1 - inside).sum()
    if search.protect:
        corner, band = scene._at_image(scene.targets.masks[1:])
        outside = 0.5 * corner / corner.sum() + 2 * band / band.sum()
    steps = measured.size[k, :, 0] * [-1, 1]
    moves = scene.spread(found.vectors[k, :, 0])[:, None] * steps[..., None, None].astype(np.float32)
    before, after = scene.pictures(moves)
    np.testing.assert_allclose(before[0], wide(np.asarray(scene.ws)[0], jnp.array([0.0, 1])), rtol=0, atol=1e-5)
    squared = np.square(after - before[:, None]).mean(-1)  # [N, 2, H, W]
    changes = [(squared * weights).sum((-1, -2)).mean(-1) for weights in (inside / inside.sum(), outside)]
    np.testing.assert_allclose(changes[0], CHANGE, rtol=0.01)
    np.testing.assert_allclose(measured.outside[k, :, 0], changes[1], rtol=RENDERED, atol=1e-7)
    text = read(page(found, summary(found), model="wide", note=""))
    assert "left" in text.text and ("of what is to keep still" in " ".join(text.text)) == bool(search.protect)


# What networks see


def test_effects_without_networks(compared):
    """None of each, not zeros."""
    assert all(a is None for a in compared.effects)


def test_lpips_is_left_out_of_pictures_too_small_for_it(compared, monkeypatch):
    """It would refuse them after all else has been computed."""
    monkeypatch.setattr(effects, "networks", lambda: {"lpips_alexnet": {}})
    found = effects.effects(compared.setup.scene, compared.vectors, compared.measured.size, one_by_one(LATENTS))
    assert all(a is None for a in found)


def test_effects_are_means_over_both_ways(compared, monkeypatch):
    """With a stand-in for one network, whose answer is the mean difference.

    As rendered by hand; the others stay None.
    """
    monkeypatch.setattr(effects, "networks", lambda: {"face_expression": {"scale": jnp.float32(3)}})
    monkeypatch.setattr(
        effects, "expression_change", lambda network, a, b: network["scale"] * jnp.abs(a - b).mean((1, 2, 3))
    )
    vectors, sizes = compared.vectors[:2], compared.measured.size[:2]
    found = effects.effects(compared.setup.scene, vectors, sizes, one_by_one(LATENTS))
    assert [name for name, a in found._asdict().items() if a is not None] == ["expression"]
    before = images_at(compared.setup, np.zeros(10))
    for k, n, r in np.ndindex(2, LATENTS, REGIONS):
        moves = np.array([-1, 1])[:, None] * sizes[k, n, r][:, None] * compared.vectors[k, n, r]
        expected = np.mean([3 * np.abs(images_at(compared.setup, move)[n] - before[n]).mean() for move in moves])
        np.testing.assert_allclose(found.expression[k, n, r], expected, **{**rounding(np.float32), "rtol": 1e-4})


def test_letters_keep_clear_of_what_is_drawn():
    """Of every point and of each other, whether or not a method before them has no point.

    Methods that coincide share a place.
    """
    points = np.array([[10.0, 10], [np.nan, np.nan], [30, 10], [31, 11], [60, 40]])
    spots = free_spots(points, points)
    drawn = [k for k in range(len(points)) if k != 1]
    for k in drawn:
        assert np.hypot(*(spots[k] - points[k])) == pytest.approx(11)
        assert all(np.hypot(*(spots[k] - points[j])) > 9 for j in drawn if j != k)
        assert all(np.hypot(*(spots[k] - spots[j])) > 9 for j in drawn if j < k)
    assert merged_labels(list("ABCDE"), points) == ["A", "B", "CD", "", "E"]
