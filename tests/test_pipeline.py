"""The whole method on generators whose right answer is known, and on small real ones."""

import importlib.util
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrgan_jax import pipeline, sweep
from lrgan_jax.directions import FULL_CHANGE, Directions
from lrgan_jax.editing import edit
from lrgan_jax.generators import W, Z, image_function, render, sample_z, to_ws
from lrgan_jax.generators.sampling import seeded
from lrgan_jax.jacobian import region_grams
from lrgan_jax.metrics import region_change
from lrgan_jax.pipeline import analyse, find_directions
from lrgan_jax.regions import RegionError, region_mask
from lrgan_jax.search import Search
from lrgan_jax.subspaces import default_mu
from lrgan_jax.targets import _kept_still, pair_grams, targets
from tests.linear import AXES, REGIONS, SIDE, D, Linear, linear
from tests.tolerances import rounding

METHODS = ("frontier", "constrained", "projected", "attribute")
# Eigenvectors of float32 Grams of norm about 1 whose eigenvalues are 0.3 apart: eps over the gap times a solver of
# tolerance 1e-5.
CLOSE = 1e-4


def latents(num=1):
    return W(jax.random.normal(jax.random.key(0), (num, D)))


def grams(gen, w, region, protect=None, **options):
    """M_A and M_B of one region at every latent."""
    search = Search(protect=protect, **options)
    return (gram[:, 0] for gram in pair_grams(gen, w, targets(gen, [region], search), search)[:2])


def find(gen, region, **options):
    """With lam = 1 robust PCA keeps the Grams as they are: nothing sparse to explain away, the ranks are the
    true ones. Latent units, in which what was built in is exact.
    """
    return find_directions(gen, latents(), region, **{"lam": 1.0, "metric": "latent", **options})


def assert_found(found, expected, atol=CLOSE):
    """Exactly these axes, best first, up to sign."""
    assert found.vectors.shape == (len(expected), D)
    overlap = np.abs(np.sum(found.vectors * AXES[list(expected)], axis=1))
    np.testing.assert_allclose(overlap, 1, rtol=0, atol=atol)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=0, atol=1e-5)


# Known answers


@pytest.fixture(scope="module")
def disjoint():
    """q0 and q1 move the top, q2 to q4 the rest: the top's own directions are q0 and q1, in this order."""
    return linear(top={0: 1.5, 1: 1.0}, middle={2: 1.0, 3: 0.7}, bottom={4: 1.2, 2: 0.5})


@pytest.mark.parametrize("method", METHODS)
def test_every_method_recovers_disjoint_directions(disjoint, method):
    """Nothing to trade: all four give q0 and q1, with the energies built in, no leak and nothing lost."""
    found = find(disjoint, "top", method=method)
    assert_found(found, [0, 1])
    np.testing.assert_allclose(found.inside, [2.25, 1.0], rtol=CLOSE)
    np.testing.assert_allclose(found.outside, [0, 0], rtol=0, atol=1e-6)  # rounding of a quadratic form of norm 1
    if method == "frontier":
        assert found.kept is None and found.found.rank_inside is None  # which need a robust PCA
    else:
        np.testing.assert_allclose(found.kept, [1, 1], rtol=0, atol=CLOSE)


def test_the_authors_solver_recovers_them_too(disjoint):
    """Their float64 ADMM inside the same program, without a warning about the dtype."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_found(find(disjoint, "top", method="projected", mode="authors"), [0, 1])


def test_an_edit_moves_the_region_and_nothing_else(disjoint):
    """The record as a user applies it: at the end of the suggested range the top has changed by 0.04, the rest not at
    all.
    """
    found, w = find(disjoint, "top"), latents(2)
    before = disjoint.synthesis(w)
    for step in found.step_range:
        after = disjoint.synthesis(edit(w, found[0], step))
        for k in range(2):
            change = region_change(before[k], after[k], jnp.array(region_mask("top", SIDE, REGIONS)))
            np.testing.assert_allclose(change.inside, FULL_CHANGE, rtol=1e-3)
            assert float(change.outside) < 1e-8 * float(change.inside)


def test_a_direction_that_also_moves_the_rest_is_left_out():
    """q0 moves the top most but the rest too: the paper's projection kills it, the others outvote it, `attribute` does
    not care.
    """
    gen = linear(top={0: 2.0, 1: 1.0}, middle={0: 3.0, 2: 1.0}, bottom={0: 3.0})
    for method in ("projected", "constrained", "frontier"):
        assert_found(find(gen, "top", method=method, mu=1.0 if method == "frontier" else None), [1])
    found = find(gen, "top", method="attribute")
    assert_found(found, [0, 1])
    np.testing.assert_allclose(found.outside, [9, 0], rtol=1e-3, atol=CLOSE)


def test_mu_says_how_much_leak_is_allowed():
    """q0 has 4 inside against 9 outside: it comes back, as the best, when the inside need only change 0.1 times as
    much.
    """
    gen = linear(top={0: 2.0, 1: 1.0}, middle={0: 3.0, 2: 1.0}, bottom={0: 3.0})
    assert_found(find(gen, "top", mu=0.1), [0, 1])  # 4 - 0.9 = 3.1 and 1
    assert_found(find(gen, "top", mu=0.4), [1, 0])  # 4 - 3.6 = 0.4
    assert_found(find(gen, "top", mu=0.5), [1])


def test_relaxing_lets_weak_directions_of_the_rest_pass():
    """num_relax: the weakest direction of the rest counts as still, so q1 survives the projection."""
    gen = linear(top={1: 1.0}, middle={1: 0.5, 2: 2.0}, bottom={1: 0.5, 2: 2.0})
    with pytest.raises(ValueError, match="no attribute direction survives"):
        find(gen, "top", method="projected")
    assert_found(find(gen, "top", method="projected", num_relax=1), [1])


@pytest.mark.parametrize("method", ["frontier", "projected"])
def test_protecting_one_part_frees_the_others(method):
    """q0 leaks into the middle, q1 into the bottom: protecting one leaves the direction of the other; protecting all
    leaves none.
    """
    gen = linear(top={0: 1.5, 1: 1.0}, middle={0: 2.0}, bottom={1: 2.0})
    mu = 2.0 if method == "frontier" else None
    assert_found(find(gen, "top", method=method, mu=mu, protect="middle"), [1])
    assert_found(find(gen, "top", method=method, mu=mu, protect="bottom"), [0])
    found = find(gen, "top", method=method, mu=mu, protect="middle")
    np.testing.assert_allclose(found.outside, [0], rtol=0, atol=CLOSE)  # of what is protected
    with pytest.raises(ValueError, match="no "):
        find(gen, "top", method=method, mu=mu, protect="rest")


def test_a_rest_that_never_moves_costs_nothing():
    """Only the top reacts to the latent: all of its directions are free of leak."""
    gen = linear(top={0: 1.5, 1: 1.0})
    for method in ("attribute", "frontier"):
        assert_found(find(gen, "top", method=method), [0, 1])


def test_a_region_that_never_moves_is_refused():
    """Nothing to find; the message names no number that is none."""
    for method in METHODS:
        with pytest.raises(ValueError) as caught:
            find(linear(bottom={0: 1.0}), "top", method=method)
        assert "nan" not in str(caught.value) and "\n" not in str(caught.value)


def test_at_most_as_many_as_asked_for(disjoint):
    assert_found(find(disjoint, "top", num=1), [0])


@pytest.mark.parametrize("form", ["array", "soft", "file"])
def test_regions_in_any_form(disjoint, tmp_path, form):
    """An array, soft weights and a picture give the directions of the name."""
    from PIL import Image

    mask = region_mask("top", SIDE, REGIONS)
    if form == "file":
        Image.fromarray((255 * np.kron(mask, np.ones((4, 4)))).astype(np.uint8)).save(tmp_path / "top.png")
    region = {"array": mask, "soft": mask * 0.5, "file": str(tmp_path / "top.png")}[form]
    found = find(disjoint, region, method="attribute")
    assert found.region == ("mask" if form != "file" else region)
    if form != "soft":
        assert_found(found, [0, 1])
    np.testing.assert_allclose(found.inside, [2.25, 1.0], rtol=CLOSE)  # per unit of weight


def test_all_fields_are_filled(disjoint, tmp_path):
    """Where the directions come from, how far to go, what was found; and the record can be saved as it is."""
    found = find(disjoint, "top", method="constrained", layers=[2, 0, 2])
    assert (found.region, found.method, found.model, found.fingerprint) == ("top", "constrained", "linear", "f00d")
    assert found.layers == (0, 2)
    reach = (0.04 / found.inside[0]) ** 0.5
    np.testing.assert_allclose(found.step_range, (-reach, reach), rtol=1e-5)
    assert all(type(a) is np.ndarray for a in (found.vectors, found.inside, found.outside, found.kept))
    known = found.found
    assert (known.rank_inside, known.rank_outside, known.converged, known.mu, known.average) == (2, 3, True, None, 1)
    assert find(disjoint, "top").found.mu > 1
    assert found.search == Search(method="constrained", layers=(0, 2), lam=1.0, metric="latent")
    loaded = Directions.load(found.save(tmp_path / "a.npz"))
    np.testing.assert_array_equal(loaded.vectors, found.vectors)
    assert loaded == found and loaded.layers == (0, 2)


# What must keep still


@pytest.fixture(scope="module")
def dense():
    """Every band reacts to every direction, the top most; and the Gram of any weights of the pixels, in float64."""
    maps = np.random.default_rng(5).standard_normal((SIDE, SIDE, 3, D)).astype(np.float32)
    maps[:4] *= 2

    def gram(weights):
        rows = maps.astype(np.float64)
        return np.einsum("hv,hvci,hvcj->ij", weights, rows, rows) / (3 * np.sum(weights))

    return Linear(jnp.array(maps)), gram


def band(name):
    return region_mask(name, SIDE, REGIONS)


SUMS = rounding(np.float32, 3 * SIDE * SIDE)  # of a Gram of norm about 10
SOFT = np.random.default_rng(6).random((SIDE, SIDE)).astype(np.float32)


@pytest.mark.parametrize(
    "protect",
    ["middle", ["middle"], ("middle",), {"middle": 1.0}, band("middle"), [band("middle")], 0.5 * band("middle")],
    ids=["name", "list", "tuple", "weights", "array", "arrays", "soft"],
)
def test_one_protected_region_in_any_form(dense, protect):
    """The same Gram by name or as a mask, alone or in a list; half the weight everywhere is no other mean."""
    gen, gram = dense
    inside, outside = grams(gen, latents(), "top", protect)
    np.testing.assert_allclose(inside[0], gram(band("top")), **SUMS)
    np.testing.assert_allclose(outside[0], gram(band("middle")), **SUMS)


def test_a_list_of_rows_is_one_mask():
    """Nested lists are a mask, or a list of masks one level deeper. (The tests' type checks let no list into
    `region_mask` itself.)
    """
    rows = band("middle").tolist()
    assert _kept_still(rows) == ([rows], [1.0])
    assert _kept_still([rows, rows, "top"]) == ([rows, rows, "top"], [1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("protect", "weights"),
    [
        (None, {"rest": 1.0}),
        (["middle", "bottom"], {"middle": 1.0, "bottom": 1.0}),
        ({"middle": 1.0, "bottom": 0.5}, {"middle": 1.0, "bottom": 0.5}),
        ({"bottom": 3, "rest": 0.25}, {"bottom": 3.0, "rest": 0.25}),
    ],
)
def test_protected_regions_add_up_by_weight(dense, protect, weights):
    """M_B is the weighted sum of their Grams, each a mean over its own pixels, summed here by hand; M_A does not
    change.
    """
    gen, gram = dense
    inside, outside = grams(gen, latents(2), "top", protect)
    expected = sum(weight * gram(band(name)) for name, weight in weights.items())
    for k in range(2):
        np.testing.assert_allclose(inside[k], gram(band("top")), **SUMS)
        np.testing.assert_allclose(outside[k], expected, rtol=0, atol=SUMS["atol"] * np.abs(expected).max())


def test_soft_masks_count_by_weight(dense):
    """Pixels of a protected picture count as much as they are white."""
    gen, gram = dense
    _, outside = grams(gen, latents(), "top", [SOFT, "bottom"])
    np.testing.assert_allclose(outside[0], gram(SOFT) + gram(band("bottom")), **SUMS)


def test_the_frontier_keeps_its_promise_beside_each_protected_region(dense):
    """Every direction found, and 500 of their span, changes the top more than mu times as much as the middle, and as
    the bottom.
    """
    gen, gram = dense
    mu = 1.5
    found = find(gen, "top", protect=["middle", "bottom"], mu=mu, num=D)
    assert 2 <= len(found) < D
    span = np.random.default_rng(7).standard_normal((500, len(found))) @ found.vectors
    for v in (*found.vectors, *span):
        inside = v @ gram(band("top")) @ v
        for name in ("middle", "bottom"):
            assert inside > mu * (v @ gram(band(name)) @ v)
        assert inside > mu * (v @ (gram(band("middle")) + gram(band("bottom"))) @ v)  # of both together, which is more


def test_what_is_not_protected_may_do_as_it_likes():
    """q0 leaks into the bottom alone and q1 into the middle: with both rows of the middle protected q0 is found, its
    leak unseen.
    """
    gen = linear(top={0: 1.5, 1: 1.2}, middle={1: 2.0}, bottom={0: 3.0})
    rows = [np.float32(np.arange(SIDE)[:, None] == row) * np.ones((1, SIDE), np.float32) for row in (4, 5)]
    found = find(gen, "top", protect=rows, mu=2.0)
    assert_found(found, [0])
    np.testing.assert_allclose(found.outside, [0], rtol=0, atol=CLOSE)
    with pytest.raises(ValueError, match="no direction changes the region 2 times more"):
        find(gen, "top", mu=2.0)


@pytest.mark.parametrize(
    ("protect", "match"),
    [
        ([], "protect is empty"),
        ((), "protect is empty"),
        ({}, "at least one region"),
        ({"middle": 0.0}, "must be above 0 and finite"),
        ({"middle": 1.0, "bottom": -1.0}, "must be above 0 and finite"),
        ({"middle": float("nan")}, "must be above 0 and finite"),
        (["middle", "tail"], "no region 'tail'"),
        (["middle", np.zeros((SIDE, SIDE))], "empty"),
    ],
)
def test_keep_sets_that_say_nothing_are_refused(protect, match):
    one_line(match, protect=protect)


def test_edits_of_two_regions_do_not_disturb_each_other():
    """Two directions, each with the other's region protected, both spilling into what neither protects: in either order
    the same latents, and each region looks as if its own direction alone had moved. The image is linear, so first order
    is all there is.
    """
    gen = linear(top={0: 1.5, 2: 1.0}, middle={1: 1.2, 2: 2.0}, bottom={0: 1.0, 1: 2.0})
    top, middle = find(gen, "top", protect="middle", mu=2.0)[0], find(gen, "middle", protect="top", mu=10.0)[0]
    assert_found(top, [0])
    assert_found(middle, [1])
    ws = to_ws(gen, latents(2))
    one, other = edit(edit(ws, top, 0.7), middle, -1.3), edit(edit(ws, middle, -1.3), top, 0.7)
    np.testing.assert_allclose(one.array, other.array, **rounding(np.float32, 2))
    edited = {"both": one, "top": edit(ws, top, 0.7), "middle": edit(ws, middle, -1.3)}
    images = {name: np.asarray(gen.synthesis(latent)) for name, latent in edited.items()}
    before = np.asarray(gen.synthesis(ws))
    for name, (start, end) in (("top", (0, 4)), ("middle", (4, 6))):
        np.testing.assert_allclose(images["both"][:, start:end], images[name][:, start:end], rtol=0, atol=CLOSE)
        assert np.abs(images["both"] - before)[:, start:end].max() > 0.1


# Small real generators


@pytest.fixture(scope="module")
def stylegan2_latents(small_stylegan2):
    return small_stylegan2.mapping(sample_z(small_stylegan2, jax.random.key(3), 2))


BOX = np.zeros((16, 16), np.float32)
BOX[4:10, 3:12] = 1


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2", "stylegan3", "pggan", "biggan", "dcgan"])
def test_every_family_is_searched_swept_and_edited(family, request, tmp_path):
    """A sweep finds what a search finds, and a small step along it changes the image by the energies of the record."""
    gen = request.getfixturevalue(f"small_{family}")
    two = seeded(gen, 0, 2, labels=range(gen.c_dim))
    w = two.stretch(1, 1)
    found = find_directions(gen, w, BOX, num=1)
    sweep.run(gen, tmp_path / "store", two, {"box": BOX}, num=1, block=1)
    swept = sweep.open(tmp_path / "store").directions("box", 1)
    np.testing.assert_allclose(swept.vectors, found.vectors, rtol=1e-3, atol=1e-4 * np.abs(found.vectors).max())
    before, after = render(gen, edit(w, found, [-1e-2, 1e-2])[:, 0])
    change = region_change(before, after, BOX)
    # Leaky and plain ReLUs bend between the two images.
    np.testing.assert_allclose(change.inside / 2e-2**2, found.inside[0], rtol=0.05)
    np.testing.assert_allclose(change.outside / 2e-2**2, found.outside[0], rtol=0.05, atol=2e-3 * found.inside[0])


def test_directions_of_some_layers_do_what_they_say(small_stylegan2, stylegan2_latents):
    """The record remembers the layers; a small step on just those changes the image by the energies of the record."""
    gen, w = small_stylegan2, stylegan2_latents[:1]
    found = find_directions(gen, w, BOX, layers=[3, 2])
    assert found.layers == (2, 3)
    ws, step = to_ws(gen, w), 1e-2
    before, after = (gen.synthesis(edit(ws, found[0], s))[0] for s in (-step, step))
    change = region_change(before, after, jnp.array(BOX))
    # Central differences in float32: eps over the step, 1e-5, of an image of size 1.
    np.testing.assert_allclose(change.inside / (2 * step) ** 2, found.inside[0], rtol=0.01)
    np.testing.assert_allclose(
        change.outside / (2 * step) ** 2, found.outside[0], rtol=0.01, atol=1e-3 * found.inside[0]
    )
    moved = np.asarray(edit(ws, found[0], step).array - ws.array)
    assert (moved[0, [0, 1, 4, 5]] == 0).all() and np.abs(moved[0, [2, 3]]).min() > 0


def test_several_latents_are_averaged(small_stylegan2, stylegan2_latents):
    """The Grams are averaged before anything is factorised: mu, energies and the first direction are those of
    the mean.
    """
    gen, w = small_stylegan2, stylegan2_latents
    found = find_directions(gen, w, BOX, metric="latent", tao=1e-3)
    grams = region_grams(image_function(gen), to_ws(gen, w).array, BOX, channels="stack")
    inside, outside = (np.asarray(a[:, 0], np.float64).mean(0) for a in (grams.inside, grams.outside))
    mu = found.found.mu
    np.testing.assert_allclose(
        mu, float(default_mu(*(jnp.array(a, jnp.float32) for a in (inside, outside)))), rtol=1e-3
    )
    for name, gram in (("inside", inside), ("outside", outside)):
        expected = np.einsum("ki,ij,kj->k", found.vectors, gram, found.vectors)
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-4, atol=1e-5 * np.trace(gram))
    top = np.linalg.eigvalsh(inside - mu * outside)[-1]
    np.testing.assert_allclose(
        found.inside[0] - mu * found.outside[0], top, rtol=1e-2
    )  # a difference of larger numbers


def test_w_and_ws_are_the_same_latent(small_stylegan2, stylegan2_latents):
    """Given once for all layers or once per layer."""
    w = stylegan2_latents
    one, other = (find_directions(small_stylegan2, latent, BOX, num=1) for latent in (w, to_ws(small_stylegan2, w)))
    np.testing.assert_array_equal(one.vectors, other.vectors)


def test_dcgan_from_its_z(small_dcgan):
    """A generator whose latent is z: found, edited and measured; the leak per change is below the unprojected
    direction's.
    """
    gen = small_dcgan
    z = gen.mapping(sample_z(gen, jax.random.key(4), 1))
    found, raw = (find_directions(gen, z, BOX, method=method) for method in ("frontier", "attribute"))
    assert found.vectors.shape[1] == 10 and found.layers is None
    assert found.outside[0] / found.inside[0] < raw.outside[0] / raw.inside[0]
    before, after = (edit(z, found[0], s) for s in (-1e-2, 1e-2))
    assert isinstance(after, Z)
    change = region_change(gen.synthesis(before)[0], gen.synthesis(after)[0], jnp.array(BOX))
    np.testing.assert_allclose(change.inside / 4e-4, found.inside[0], rtol=0.01)


def test_a_smaller_grid_means_means_of_blocks(small_dcgan):
    """size: the Jacobian, and a mask given as an array, at that size."""
    z = small_dcgan.mapping(sample_z(small_dcgan, jax.random.key(4), 1))
    small = BOX.reshape(8, 2, 8, 2).mean((1, 3))
    found = find_directions(small_dcgan, z, small, size=8, method="attribute", num=1)
    grams = region_grams(image_function(small_dcgan), z.array[:, None], small, size=8, channels="stack")
    expected = found.vectors[0] @ np.asarray(grams.inside[0, 0]) @ found.vectors[0]
    np.testing.assert_allclose(found.inside[0], expected, rtol=1e-4)


# The pure part


def test_analyse_maps_over_regions(disjoint):
    """vmap = one at a time, for every method; the candidates go by the methods' names."""
    masks = np.stack([region_mask(name, SIDE, REGIONS) for name in ("top", "rest")])
    grams = region_grams(image_function(disjoint), to_ws(disjoint, latents()).array, masks, channels="stack")
    batch = jax.vmap(lambda a, b: analyse(a, b, several=METHODS, lam=1.0))(grams.inside[0], grams.outside[0])
    assert set(batch.candidates) == set(METHODS)
    for k in range(2):
        alone = analyse(grams.inside[0, k], grams.outside[0, k], several=METHODS, lam=1.0)
        assert int(alone.inside.rank) == int(batch.inside.rank[k]) == 2 + k
        np.testing.assert_allclose(batch.mu[k], alone.mu, rtol=1e-4)
        for name in METHODS:
            one, other = alone.candidates[name], jax.tree.map(lambda a, k=k: a[k], batch.candidates[name])
            for field in ("vectors", "inside", "outside") + (() if name == "frontier" else ("kept",)):
                a, b = (np.abs(np.asarray(getattr(c, field))[:2]) for c in (one, other))
                # The rest's eigenvalues are 0.1 apart only.
                np.testing.assert_allclose(a, b, rtol=0, atol=1e-3, err_msg=f"{name} {field}")


def test_only_what_is_asked_for_is_computed(disjoint):
    """The frontier needs no robust PCA, the paper's methods no mu; whoever wants the splits gets them."""
    gram = jnp.eye(D)
    frontier, projected = (analyse(gram, gram, method=name) for name in ("frontier", "projected"))
    assert (set(frontier.candidates), frontier.inside, frontier.outside) == ({"frontier"}, None, None)
    assert frontier.mu is not None and projected.mu is None and projected.outside is not None
    assert analyse(gram, gram, splits=True).inside is not None
    text = jax.jit(lambda a, b: analyse(a, b)).lower(gram, gram).as_text()
    assert "stablehlo.while" not in text  # which the solver is made of
    assert "stablehlo.while" in jax.jit(lambda a, b: analyse(a, b, method="projected")).lower(gram, gram).as_text()


# Errors


def one_line(match, error=ValueError, **options):
    gen = options.pop("gen", None) or linear(top={0: 1.0}, middle={0: 1.0}, bottom={0: 1.0})
    with pytest.raises(error, match=match) as caught:
        find(gen, options.pop("region", "top"), **options)
    assert "\n" not in str(caught.value)


def test_an_unknown_method_is_refused():
    """Without the tests' own type checks, which would refuse it earlier."""
    spec = importlib.util.spec_from_file_location("plain_pipeline", pipeline.__file__)
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    with pytest.raises(ValueError, match="method is one of random, .*, constrained, frontier, refined, got 'magic'"):
        plain.find_directions(linear(top={0: 1.0}), latents(), "top", method="magic")


@pytest.mark.parametrize("mu", [2.0, 1e9])
def test_a_mu_that_nothing_reaches_is_refused(mu):
    """Whatever moves the top moves the rest as much; the rounding of the latent's idle directions is no direction."""
    one_line("no direction changes the region .* times more than the rest: lower mu", mu=mu)


def test_a_region_without_low_rank_part_is_refused():
    """lam so small that everything is sparse: the message says to raise it."""
    one_line("low-rank part is zero: this lam is too small", lam=1e-6, method="projected")


def test_a_projection_that_leaves_nothing_is_refused():
    one_line("no attribute direction survives the projection.*num_relax.*frontier", method="projected")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (dict(region="tail"), "no region 'tail'; this model has top, middle, bottom, rest"),
        (dict(region=np.ones((SIDE, SIDE))), "covers the whole image"),
        (dict(region=np.zeros((SIDE, SIDE))), "empty"),
        (dict(region=np.eye(5)), r"shape \[5, 5\], wants \[8, 8\]"),
        (dict(region="missing.png"), "missing.png: no such file"),
        (dict(protect="tail"), "no region 'tail'"),
    ],
)
def test_regions_that_do_not_fit_are_refused(options, match):
    one_line(match, RegionError, **options)


def test_layers_that_the_model_lacks_are_refused():
    one_line(r"layers must be among 0 to 2, got \[3\]", layers=[3])


def test_sizes_that_do_not_divide_the_image_are_refused():
    one_line("a 8x8 image cannot be pooled to size 3", size=3)


def test_latents_of_another_space_or_model_are_refused(disjoint):
    with pytest.raises(TypeError, match="this is z: pass it through mapping first"):
        find_directions(disjoint, Z(jnp.zeros((1, D))), "top")
    with pytest.raises(ValueError, match=r"w of shape \[N, 12\] or ws of shape \[N, 3, 12\], got \[1, 7\]"):
        find_directions(disjoint, np.zeros((1, 7), np.float32), "top")
