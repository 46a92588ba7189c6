"""What a sweep finds: the same as one by one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from sweeps import BLOCK, NAMED, NUM, REGIONS, SAME, run
from tolerances import worst

from lrgan_jax import analyse, find_directions, region_grams, sweep
from lrgan_jax.base.memory import Most
from lrgan_jax.commands.options import Which
from lrgan_jax.generators import WS, W, Z, from_function, image_function, stylegan2
from lrgan_jax.generators.natural import own_latents
from lrgan_jax.search import Search
from lrgan_jax.sweep import devices
from lrgan_jax.sweep.block import USABLE, Job, Keep, every, symmetric, upper_triangle
from lrgan_jax.targets import metric_root, targets
from tests.linear import D, linear


@pytest.mark.parametrize("region", REGIONS)
def test_every_latent_as_if_alone(small_dcgan, finished, region):
    """Vectors, energies and ranks of `find_directions` at the same latent."""
    opened = sweep.open(finished)
    for latent in (0, 5, 21):
        w = Z(np.asarray(opened["ws"][latent : latent + 1, 0]))
        alone, found = find_directions(small_dcgan, w, REGIONS[region], num=3), opened.directions(region, latent)
        for name in ("vectors", "inside", "outside"):
            assert worst(getattr(found, name), getattr(alone, name)) < 1e-4, name  # eigenvectors of two programs
        assert (
            found.kept is None and found.found.rank_inside is not None
        )  # of the splits kept, which the frontier needs none of
        assert (found.layers, found.method, found.search) == (alone.layers, alone.method, alone.search)
        np.testing.assert_allclose(found.step_range, alone.step_range, rtol=1e-4)


def test_a_mixed_sweep_finds_what_a_full_one_does(small_dcgan, finished, tmp_path):
    """A CPU has one precision: what is found once more for each latent and region is the same, and goes on as such."""
    run(small_dcgan, tmp_path / "mixed", latents=sweep.seeded(small_dcgan, 3, 4), splits=False, precision="mixed")
    found, full = sweep.open(tmp_path / "mixed"), sweep.open(finished)
    for name in ("vectors", "inside", "outside", "mu"):
        assert worst(np.asarray(found[name][:4]), np.asarray(full[name][:4])) < 1e-3, name
    assert found.directions("corner", 1).search.precision == "mixed"


def test_steps_of_several_latents(small_dcgan, finished, tmp_path, monkeypatch):
    """As on devices that one latent does not fill; a block's last step may be longer than what is left of it."""
    monkeypatch.setattr(devices, "platform_most", lambda: Most(30, 2**31, True))
    run(small_dcgan, tmp_path / "store", splits=False)
    found, alone = sweep.open(tmp_path / "store"), sweep.open(finished)
    assert found.counts() == alone.counts()
    for name in ("mean_inside", "mean_outside"):
        assert worst(found.population[name], alone.population[name]) < SAME
    for name in ("vectors", "inside", "outside"):
        assert worst(np.asarray(found[name]), np.asarray(alone[name])) < 1e-4, name  # eigenvectors of two programs


def test_latents_are_those_of_sample(small_dcgan, finished):
    """Number i of a seed, whatever the number of latents and the block."""
    w = Which(seed=3).images(small_dcgan, 0, NUM).all()
    np.testing.assert_array_equal(np.asarray(sweep.open(finished)["ws"]), np.asarray(w))


def test_the_grams_kept_are_the_jacobians_own(small_dcgan, finished):
    opened = sweep.open(finished)
    w = np.asarray(opened["ws"])[:2]
    grams = region_grams(image_function(small_dcgan), w, np.stack(list(REGIONS.values())), channels="stack")
    assert worst(symmetric(np.asarray(opened["gram_inside"][:2].read().result())), grams.inside) < 1e-5
    assert worst(symmetric(np.asarray(opened["gram_outside"][:2].read().result())), grams.outside) < 1e-5
    low, sparse = (
        symmetric(np.asarray(opened[name][:2].read().result())) for name in ("low_rank_inside", "sparse_inside")
    )
    assert worst(low + sparse, grams.inside) < 1e-4  # the solver's own residual


def test_population_is_the_mean_over_all_latents(finished):
    """The mean Gram is the float64 mean of the Grams, and its directions are those of `analyse`."""
    opened = sweep.open(finished)
    for k, region in enumerate(REGIONS):
        means = [
            symmetric(np.asarray(opened[f"gram_{side}"]).astype(np.float64).mean(0))[k]
            for side in ("inside", "outside")
        ]
        assert worst(opened.population["mean_inside"][k], means[0]) < SAME
        assert worst(opened.population["mean_outside"][k], means[1]) < SAME
        best = analyse(*(np.asarray(mean, np.float32) for mean in means)).candidates["frontier"]
        found = opened.directions(region)
        assert worst(found.vectors[0], best.vectors[0]) < 1e-3 and found.found.average == NUM


def test_triangles_say_everything():
    matrix = np.random.default_rng(0).normal(size=(2, 5, 5)).astype(np.float32)
    matrix += matrix.swapaxes(1, 2)
    np.testing.assert_array_equal(symmetric(np.asarray(upper_triangle(jnp.asarray(matrix)))), matrix)


def test_latents_without_results_are_recorded(small_dcgan, finished, tmp_path):
    """A NaN latent fails alone: the others' results and the population are as without it; too many end the sweep, all
    kept.
    """
    w = np.array(sweep.open(finished)["ws"])[:, 0]
    w[[2, 7]] = np.nan
    reports = []
    run(small_dcgan, tmp_path / "store", latents=W(w), report=reports.append)
    assert reports[-1].failed == 2
    opened, whole = sweep.open(tmp_path / "store"), sweep.open(finished)
    good = np.flatnonzero(opened.usable())
    np.testing.assert_array_equal(good, [k for k in range(NUM) if k not in (2, 7)])
    np.testing.assert_array_equal(np.asarray(opened["vectors"])[good], np.asarray(whole["vectors"])[good])
    mean = symmetric(np.asarray(whole["gram_inside"]).astype(np.float64)[good].mean(0))
    assert worst(opened.population["mean_inside"], mean) < SAME
    with pytest.raises(sweep.SweepError, match="latent 2 is not done, or has no finite results"):
        opened.directions("corner", 2)
    with pytest.raises(sweep.SweepError, match="2 latents have no finite results"):
        run(small_dcgan, tmp_path / "strict", latents=W(w), max_failures=1)
    assert 2 * BLOCK <= sweep.open(tmp_path / "strict").done().sum() < NUM
    with pytest.raises(sweep.SweepError, match="no latent has finite results"):
        run(small_dcgan, tmp_path / "none", latents=W(np.full((2, small_dcgan.w_dim), np.nan, np.float32)))


def test_the_authors_solver_too(small_dcgan, tmp_path):
    """In 64 bits on the device, in 32 in the store: ranks are those of `find_directions`."""
    run(
        small_dcgan,
        tmp_path / "store",
        latents=sweep.seeded(small_dcgan, 3, 2),
        mode="authors",
        method="projected",
        lam=0.2,
    )
    opened = sweep.open(tmp_path / "store")
    w = Z(np.asarray(opened["ws"])[:1, 0])
    alone = find_directions(small_dcgan, w, REGIONS["corner"], mode="authors", method="projected", lam=0.2, num=3)
    found = opened.directions("corner", 0)
    assert found.found.rank_inside == alone.found.rank_inside and worst(found.vectors, alone.vectors) < 1e-4


def test_one_region_of_some_layers_with_classes(tmp_path):
    """A conditional StyleGAN2: the labels in turn, the chosen layers, the thumbnail's size; misfits are refused."""
    config = stylegan2.StyleGAN2Config(
        channels=(6, 5), z_dim=5, w_dim=6, c_dim=3, mapping_layers=2, mapping_features=6, embed_features=6
    )
    gen = stylegan2.StyleGAN2(config, jax.jit(stylegan2.init, static_argnums=1)(jax.random.key(0), config))
    mask = np.pad(np.ones((3, 3), np.float32), ((0, 5), (0, 5)))
    latents = sweep.seeded(gen, 1, 3, labels=[2, 0])
    sweep.run(gen, tmp_path / "store", latents, {"corner": mask}, layers=[2, 3], num=2, block=4, thumbnail=4)
    opened = sweep.open(tmp_path / "store")
    z = jnp.concatenate(
        [jax.random.normal(jax.random.fold_in(jax.random.key(1), i), (1, 5), np.float32) for i in range(3)]
    )
    w = gen.mapping(Z(z), np.eye(3, dtype=np.float32)[[2, 0, 2]])
    assert worst(np.asarray(opened["ws"])[:, 0], w.array) < 1e-6
    assert opened["image"].shape == (3, 4, 4, 3) and opened["image"].dtype.name == "uint8"
    found = opened.directions("corner", 1)
    alone = find_directions(gen, w[1:2], mask, layers=[2, 3], num=2)
    assert found.layers == (2, 3) and worst(found.vectors, alone.vectors) < 1e-4
    for labels, message in (([], "classes 0 to 2"), ([3], "classes 0 to 2")):
        with pytest.raises(ValueError, match=message):
            sweep.seeded(gen, 0, 3, labels=labels)


def test_only_some_regions_keep_still(small_dcgan, tmp_path):
    """Protected regions with weights: directions are those of `find_directions`; another weight is another sweep."""
    protect, options = (
        {"middle": 2.0, "corner": 1.0},
        {"num": 2, "block": 2, "latents": sweep.seeded(small_dcgan, 3, 2)},
    )
    gen = dataclasses.replace(small_dcgan, info=dataclasses.replace(small_dcgan.info, regions=NAMED))
    options = options | {"regions": list(NAMED), "splits": False, "grams": None, "protect": protect}
    run(gen, tmp_path / "store", **options)
    opened = sweep.open(tmp_path / "store")
    assert "kept" not in opened.arrays and "converged" not in opened.arrays and opened.converged().all()
    for region in NAMED:
        w = Z(np.asarray(opened["ws"])[1:2, 0])
        found, alone = opened.directions(region, 1), find_directions(gen, w, region, num=2, protect=protect)
        assert worst(found.vectors, alone.vectors) < 1e-4 and worst(found.outside, alone.outside) < 1e-4
        assert found.search.protect == ["middle", "corner"] and found.found.mu == pytest.approx(
            alone.found.mu, rel=1e-4
        )
    with pytest.raises(sweep.SweepError, match="options.protect.weights is"):
        run(gen, tmp_path / "store", **options | {"protect": {"middle": 3.0, "corner": 1.0}})


def test_a_vector_for_each_layer(small_stylegan2, tmp_path):
    """W+: the store holds the numbers of the moves, its directions are moves of ws on the chosen layers alone."""
    latents, options = sweep.seeded(small_stylegan2, 3, 2), {"layers": [1, 2], "per_layer": True, "num": 2}
    sweep.run(small_stylegan2, tmp_path / "store", latents, REGIONS, block=2, **options)
    opened = sweep.open(tmp_path / "store")
    assert opened["vectors"].shape == (2, 2, 2, 24) and opened["ws"].shape == (2, 6, 12)
    found = opened.directions("corner", 0)
    alone = find_directions(small_stylegan2, np.asarray(opened["ws"])[:1], REGIONS["corner"], **options)
    assert found.vectors.shape == (2, 6, 12) and worst(found.vectors, alone.vectors) < 1e-3
    assert not found.vectors[:, [0, 3, 4, 5]].any() and opened.directions("middle").vectors.shape[1:] == (6, 12)


def test_what_lengths_are_counted_in_is_kept(small_stylegan2, tmp_path):
    """In the store and in a merged one, of which the population is computed anew."""
    latents, root = sweep.seeded(small_stylegan2, 3, 2), own_latents(small_stylegan2).root
    search = Search(num=2, price=0.1)  # at which lengths matter
    sweep.run(small_stylegan2, tmp_path / "store", latents, REGIONS, search, block=2)
    sweep.merge(tmp_path / "merged", [tmp_path / "store"])
    for name in ("store", "merged"):
        opened = sweep.open(tmp_path / name)
        np.testing.assert_array_equal(np.asarray(opened["natural_root"]), root)
        population = opened.population
        for r, region in enumerate(opened.regions):
            grams = population["mean_inside"][r], population["mean_outside"][r]
            best, latent = (analyse(*grams, search, root=a).candidates["frontier"].vectors[0] for a in (root, None))
            assert worst(opened.directions(region).vectors[0], best) < 1e-3 < worst(latent, best)
    metric = {"metric": "latent"}
    sweep.run(small_stylegan2, tmp_path / "latent", latents, REGIONS, search.but(**metric), block=2)
    assert "natural_root" not in sweep.open(tmp_path / "latent").arrays
    with pytest.raises(sweep.SweepError, match="options.metric is natural, not latent"):
        sweep.run(small_stylegan2, tmp_path / "store", latents, REGIONS, search.but(**metric), block=2)


def test_classes_that_the_synthesis_takes(tmp_path):
    """The class goes with the latent: Grams, directions and pictures are those of each latent's own class."""
    maps = jnp.asarray(np.random.default_rng(0).standard_normal((3, 6, 8, 3, 4)), jnp.float32)
    gen = from_function(Partial(lambda maps, z, c: jnp.einsum("k,khwcd,d->hwc", c, maps, z), maps), 4, c_dim=3)
    mask = np.pad(np.ones((3, 3), np.float32), ((0, 3), (0, 5)))
    sweep.run(
        gen,
        tmp_path / "store",
        sweep.seeded(gen, 1, 3, labels=[2, 0]),
        {"corner": mask},
        num=2,
        block=2,
        grams="float32",
    )
    opened = sweep.open(tmp_path / "store")
    for k, label in enumerate([2, 0, 2]):
        inside = np.asarray(maps[label, :3, :3]).reshape(-1, 4)
        gram = symmetric(np.asarray(opened["gram_inside"][k].read().result()))[0]
        np.testing.assert_allclose(gram, inside.T @ inside / len(inside), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape, dtype", [((3, 7), "f4"), ((0, 10), "f4"), ((3, 10), "i4"), ((3, 2, 10), "f4")])
def test_rows_that_do_not_fit(small_dcgan, shape, dtype):
    rows = np.zeros(shape, dtype)
    with pytest.raises(ValueError, match="of this model are floats"):
        sweep.given(small_dcgan, rows)


@pytest.mark.parametrize(("dtype", "usable"), [("float16", False), ("bfloat16", True), (None, True)])
def test_grams_that_do_not_fit_their_dtype_are_no_results(dtype, usable):
    """A change of 3,000 per unit has a Gram of 9,000,000, more than float16 holds."""
    gen = linear(top={0: 3000.0}, middle={1: 1.0})
    search = Search(num=1)
    job, aims = Job(search, Keep(grams=dtype, thumbnail=8, memory=2**28)), targets(gen, ["top"], search)
    root = metric_root(gen, search)
    results, _ = jax.jit(every, static_argnums=0)(job, gen, WS(jnp.zeros((1, gen.num_ws, D))), aims, root)
    assert bool(results["usable"][0] == USABLE) == usable
