"""Sweeps: the same as one by one, and whole or absent whatever happens to the process, the disk or the settings."""

import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from looks import look
from tolerances import worst

import lrgan_jax.__main__ as command
from lrgan_jax import Directions, analyse, find_directions, region_grams, sweep
from lrgan_jax.commands.options import Which
from lrgan_jax.generators import DCGAN, WS, W, Z, from_function, image_function, stylegan2
from lrgan_jax.generators.natural import own_latents
from lrgan_jax.models import checkpoint
from lrgan_jax.search import Search
from lrgan_jax.subspaces import TAO
from lrgan_jax.sweep import loop
from lrgan_jax.sweep.block import USABLE, Job, Keep, compensated_sum, every, symmetric, upper_triangle
from lrgan_jax.sweep.plan import job_of
from lrgan_jax.sweep.store import open_store
from lrgan_jax.targets import metric_root, targets
from tests.linear import D, linear

NUM, BLOCK = 22, 4  # six blocks, the last one not full
SAME = 1e-6  # relative, between ways of sharing the work
REGIONS = {
    "corner": np.pad(np.ones((5, 6), np.float32), ((0, 11), (0, 10))),
    "middle": np.pad(np.ones((4, 4), np.float32), 6),
}

NAMED = {"corner": {"size": 16, "boxes": [[0, 0, 5, 6]]}, "middle": {"size": 16, "boxes": [[6, 6, 4, 4]]}}


@pytest.fixture(autouse=True)
def steady_memory(monkeypatch):
    """What is free is written into a new store's manifest, and may change from test to test."""
    monkeypatch.setattr(loop, "default_memory", lambda: 2**31)


@pytest.fixture(scope="module")
def finished(small_dcgan, tmp_path_factory):
    """A store that nothing happened to, with all that can be kept."""
    path = tmp_path_factory.mktemp("sweep") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "default_memory", lambda: 2**31)
        run(small_dcgan, path)
    return path


def run(gen, path, **changed):
    options = {
        "latents": sweep.seeded(gen, 3, NUM),
        "regions": REGIONS,
        "num": 3,
        "block": BLOCK,
        "grams": "float32",
        "splits": True,
    }
    sweep.run(gen, path, **options | changed)


def contents(path):
    """Every file's bytes by name; locks of writers that were killed are no contents."""
    files = (file for file in Path(path).rglob("*") if file.is_file() and file.suffix != ".__lock")
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def read(path):
    """Every array of a store, and of its population."""
    opened = sweep.open(path)
    arrays = {name: np.asarray(array.read().result()) for name, array in opened.arrays.items()}
    return arrays | {f"population/{name}": array for name, array in opened.population.items()}


def assert_equal_within(path, other):
    """All results of two stores within `SAME` of each other, truths and numbers exactly."""
    left, right = read(path), read(other)
    assert left.keys() == right.keys()
    for name in left:
        if left[name].dtype.kind == "f":
            assert worst(left[name], right[name]) < SAME, name
        else:
            np.testing.assert_array_equal(left[name], right[name], err_msg=name)


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


def test_the_sum_of_many_terms_is_exact():
    """100,000 float32 terms to 1e-6 of the sum, where adding them up plainly is worse than that; skipped ones do not
    count.
    """
    terms = np.float32(1) + jax.random.uniform(jax.random.key(0), (100_000, 3), np.float32) * np.array(
        [1e-3, 1, 1e3], np.float32
    )
    counted = np.arange(100_000) % 7 != 0
    exact = np.asarray(terms, np.float64)[counted].sum(0)
    high, low = jax.jit(compensated_sum)(terms, counted)
    assert worst(np.asarray(high, np.float64) + low, exact) < 1e-7
    plain = jax.lax.scan(lambda total, term: (total + term, None), jnp.zeros(3, np.float32), terms[counted])[0]
    assert np.abs(plain / exact - 1).max() > SAME


def test_triangles_say_everything():
    matrix = np.random.default_rng(0).normal(size=(2, 5, 5)).astype(np.float32)
    matrix += matrix.swapaxes(1, 2)
    np.testing.assert_array_equal(symmetric(np.asarray(upper_triangle(jnp.asarray(matrix)))), matrix)


def test_stopped_and_resumed_is_the_same_bit_for_bit(small_dcgan, finished, tmp_path):
    """By an exception of the caller's, with blocks on the devices and being written."""
    path, reports = tmp_path / "store", []

    def give_up(progress):
        if progress.computed:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(small_dcgan, path, report=give_up)
    done = int(sweep.open(path).done().sum())
    run(small_dcgan, path, report=reports.append)
    assert 0 < done < NUM and (reports[0].done, reports[-1].computed, reports[-1].done) == (done, NUM - done, NUM)
    assert contents(path) == contents(finished)


def chunks(path):
    """One file of every array and of the population's, by name."""
    folders = sorted({file.parent for file in Path(path).rglob("c/**/*") if file.is_file()})
    return {
        str(folder.relative_to(path)): sorted(file for file in folder.iterdir() if file.is_file())[-1]
        for folder in folders
    }


@pytest.mark.parametrize("harm", ["one byte", "cut", "gone"])
def test_damage_is_found_reported_and_mended(small_dcgan, finished, tmp_path, harm):
    """In any chunk of any array."""
    path = tmp_path / "store"
    shutil.copytree(finished, path)
    harmed = chunks(path)
    assert len(harmed) > 40
    for file in harmed.values():
        content = bytearray(file.read_bytes())
        content[len(content) // 3] ^= 4
        if harm == "one byte":
            file.write_bytes(content)
        elif harm == "cut":
            file.write_bytes(content[: len(content) // 2])
        else:
            file.unlink()
    reports = []
    run(small_dcgan, path, report=reports.append)
    assert harm == "gone" or len(reports[0].damaged) == 6
    assert contents(path) == contents(finished)


@pytest.mark.parametrize("name", ["vectors", "usable", "committed", "sum_inside", "gram_outside"])
def test_one_damaged_chunk_costs_one_block(small_dcgan, finished, tmp_path, name):
    path = tmp_path / "store"
    shutil.copytree(finished, path)
    file = next(
        file for file in sorted((path / name / "c").rglob("1*")) if "1" in file.relative_to(path / name / "c").parts[0]
    )
    file = file if file.is_file() else next(file.rglob("0"))
    while file.is_dir():
        file = file / "0"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    reports = []
    run(small_dcgan, path, report=reports.append)
    assert list(reports[0].damaged) == [1] and reports[0].done == NUM - BLOCK and reports[-1].computed == BLOCK
    assert contents(path) == contents(finished)


def test_other_settings_are_refused_with_the_difference(small_dcgan, small_stylegan2, finished):
    before = contents(finished)
    for changed, message in (
        ({"num": 2}, r"options.num is 3, not 2"),
        ({"latents": sweep.seeded(small_dcgan, 4, NUM)}, r"latents.seed is 3, not 4"),
        ({"block": 5}, "block is 4, not 5"),
        ({"regions": {"corner": REGIONS["middle"]}}, "regions.corner is .* regions.middle is .*, not None"),
        ({"lam": 0.5}, "options.lam is None, not 0.5"),
    ):
        with pytest.raises(sweep.SweepError, match=message):
            run(small_dcgan, finished, **changed)
    assert contents(finished) == before


def test_places_that_hold_no_sweep(small_dcgan, finished, tmp_path):
    """Nothing there, something else there, a lost or a foreign manifest, a place where no folder can be."""
    with pytest.raises(sweep.SweepError, match="holds no sweep"):
        sweep.open(tmp_path / "nowhere")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(sweep.SweepError, match="something else"):
        run(small_dcgan, tmp_path / "mine")
    shutil.copytree(finished, tmp_path / "lost")
    (tmp_path / "lost" / "zarr.json").unlink()
    with pytest.raises(sweep.SweepError, match="zarr.json is lost"):
        run(small_dcgan, tmp_path / "lost")
    for text in ("{}", "[1", '{"attributes": {"format": "other"}}'):
        (tmp_path / "lost" / "zarr.json").write_text(text)
        with pytest.raises(sweep.SweepError, match="not the manifest"):
            sweep.open(tmp_path / "lost")
    with pytest.raises(sweep.SweepError, match="thesis.txt"):
        run(small_dcgan, tmp_path / "mine" / "thesis.txt" / "store")
    with pytest.raises(sweep.SweepError, match="scheme"):
        run(small_dcgan, "nonsense://place/store")


def test_a_store_shows_itself(finished, tmp_path):
    """How far it is, pictures of the first latents, the median leak of each region's best direction; half done, too."""
    opened = sweep.open(finished)
    shown = look(opened)
    inside, outside = (opened[name].read().result()[..., 0] for name in ("inside", "outside"))
    leak = 100 * np.median((outside / inside)[opened.usable()], 0)
    for told in (f"{NUM} of {NUM}", "corner", "middle", *(f"{percent:.2g} %" for percent in leak)):
        assert told in shown.text
    (picture,) = shown.pictures()
    thumbnails = opened["image"][:8].read().result()
    for n, thumbnail in enumerate(thumbnails):
        left = n * (thumbnail.shape[1] + 2)
        np.testing.assert_array_equal(picture[:, left : left + thumbnail.shape[1], :3], thumbnail)
    assert repr(opened).startswith(f"<sweep of {NUM} latents")
    shutil.copytree(finished, tmp_path / "half")
    half = open_store(tmp_path / "half")
    for block in range(half.num_blocks):
        half.discard(block)
    assert f"0 of {NUM}" in look(sweep.open(tmp_path / "half")).text


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 200 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_and_a_read_only_disk(small_dcgan, finished, tiny_disk):
    """One line that says so; what was committed is whole, and with room again the sweep goes on to the same store."""
    with pytest.raises(sweep.SweepError, match="No space left on device") as error:
        run(small_dcgan, tiny_disk / "store")
    assert "\n" not in str(error.value)
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    with pytest.raises(sweep.SweepError, match="Read-only file system"):
        run(small_dcgan, tiny_disk / "store")
    subprocess.run(["mount", "-o", "remount,rw,size=8m", tiny_disk], check=True)
    run(small_dcgan, tiny_disk / "store")
    assert contents(tiny_disk / "store") == contents(finished)


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


def test_shares_merge_to_the_whole(small_dcgan, finished, tmp_path):
    """Three machines that never spoke: apart, in one folder, and with one of them missing."""
    for k in range(3):
        run(small_dcgan, tmp_path / f"part{k}", shard=sweep.Share(k, 3))
        run(small_dcgan, tmp_path / "common", shard=sweep.Share(k, 3))
    with pytest.raises(sweep.SweepError, match=r"2 of 6 blocks are missing \(2, 5\)"):
        sweep.merge(tmp_path / "whole", [tmp_path / "part0", tmp_path / "part1"])
    with pytest.raises(sweep.SweepError, match="population directions come when all are"):
        sweep.open(tmp_path / "whole").directions("corner")
    sweep.merge(tmp_path / "whole", [tmp_path / "part2"])
    sweep.merge(tmp_path / "common")
    assert contents(tmp_path / "whole") == contents(finished) == contents(tmp_path / "common")
    run(small_dcgan, tmp_path / "other", num=2)
    with pytest.raises(sweep.SweepError, match="options.num is 3, not 2"):
        sweep.merge(tmp_path / "whole", [tmp_path / "other"])


def test_merging_leaves_out_what_is_damaged(small_dcgan, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "part")
    file = tmp_path / "part" / "vectors" / "c" / "1" / "0" / "0" / "0"
    file.write_bytes(file.read_bytes()[:-9])
    reports = []
    with pytest.raises(sweep.SweepError, match=r"1 of 6 blocks are missing \(1\)"):
        sweep.merge(tmp_path / "whole", [tmp_path / "part"], report=reports.append)
    assert len(reports) == 1 and "block 1 is left out" in reports[0]


def test_merging_mends_what_it_merges_into(small_dcgan, finished, tmp_path):
    """A lost chunk of a common store would read as zeros: it is found, and taken from a share that has it."""
    shutil.copytree(finished, tmp_path / "common")
    shutil.rmtree(tmp_path / "common" / "population")
    (tmp_path / "common" / "sum_inside" / "c" / "1" / "0" / "0").unlink()
    reports = []
    with pytest.raises(sweep.SweepError, match=r"1 of 6 blocks are missing \(1\)"):
        sweep.merge(tmp_path / "common", report=reports.append)
    assert len(reports) == 1 and "block 1 is discarded" in reports[0]
    sweep.merge(tmp_path / "common", [finished])
    assert contents(tmp_path / "common") == contents(finished)


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


def test_other_tools_read_it(finished):
    """zarr-python and xarray: names of axes, values, settings."""
    zarr, xarray = pytest.importorskip("zarr"), pytest.importorskip("xarray")
    opened = sweep.open(finished)
    group = zarr.open_group(str(finished), mode="r")
    np.testing.assert_array_equal(group["vectors"][:], np.asarray(opened["vectors"]))
    assert group.attrs["settings"]["options"]["num"] == 3
    data = xarray.open_zarr(str(finished), consolidated=False)
    assert data["vectors"].dims == ("latent", "region", "direction", "latent_dim")
    np.testing.assert_array_equal(data["spectrum_inside"][4].values, np.asarray(opened["spectrum_inside"])[4])
    population = xarray.open_zarr(str(finished), group="population", consolidated=False)
    np.testing.assert_array_equal(population["mean_inside"].values, opened.population["mean_inside"])


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


def test_stores_of_earlier_releases_are_read(finished, tmp_path, small_dcgan):
    """One with the first form's manifest: everything in it is read, and it is not gone on with."""
    shutil.copytree(finished, tmp_path / "old")
    manifest = json.loads((tmp_path / "old" / "zarr.json").read_text())
    attributes = manifest["attributes"]
    attributes["format"] = "lrgan_jax sweep 1"
    known = ("layers", "method", "num", "lam", "mu", "num_relax", "mode", "channels", "grams", "splits", "thumbnail")
    attributes["settings"]["options"] = {name: attributes["settings"]["options"][name] for name in known}
    for name in ("num_ws", "w_dim"):
        del attributes[name]
    (tmp_path / "old" / "zarr.json").write_text(json.dumps(manifest))
    old, new = sweep.open(tmp_path / "old"), sweep.open(finished)
    for latent in (5, None):  # the same numbers, of a search whose lengths were others
        now = new.directions("corner", latent)
        before = dataclasses.replace(now, search=now.search.but(metric="latent", tao=TAO))
        assert old.directions("corner", latent) == before
    np.testing.assert_array_equal(old.converged(), new.converged())
    with pytest.raises(sweep.SweepError, match="begun by an earlier release"):
        run(small_dcgan, tmp_path / "old")


@pytest.mark.parametrize(
    ("method", "tao", "meant"),
    [("frontier", None, TAO), ("frontier", 0.1, 0.1), ("random", None, TAO), ("resefa", None, None)],
)
def test_what_settings_without_a_metric_meant(method, tao, meant):
    """Latent units, and a price over the trace; ReSeFa's own was none."""
    options = {"method": method, "tao": tao, "num": 2, "splits": False}
    job = job_of({"settings": {"options": options, "block": 4}, "memory": 1})
    assert job.search == Search(method=method, num=2, metric="latent", tao=meant)


@pytest.mark.parametrize("shape, dtype", [((3, 7), "f4"), ((0, 10), "f4"), ((3, 10), "i4"), ((3, 2, 10), "f4")])
def test_rows_that_do_not_fit(small_dcgan, shape, dtype):
    rows = np.zeros(shape, dtype)
    with pytest.raises(ValueError, match="of this model are floats"):
        sweep.given(small_dcgan, rows)


# From here on the command, in processes of its own.


@pytest.fixture(scope="module")
def model(small_dcgan, tmp_path_factory):
    """The small model on disk, with regions of its own, and what its sweeps are started with."""
    folder = tmp_path_factory.mktemp("model")
    regions = {"corner": {"size": 16, "boxes": [[0, 0, 5, 6]]}, "middle": {"size": 16, "boxes": [[6, 6, 4, 4]]}}
    info = dataclasses.replace(small_dcgan.info, name="small", regions=regions)
    checkpoint.save(folder / "small", DCGAN(small_dcgan.config, small_dcgan.variables, info))
    return folder


def start(model, store, *args, devices=1, num=NUM):
    """`lrgan sweep` as a process."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = os.environ | {"XLA_FLAGS": flags}
    options = [
        "--model",
        model / "small",
        "--num-latents",
        num,
        "--seed",
        3,
        "--num",
        3,
        "--block",
        BLOCK,
        "--memory",
        2,
    ]
    line = [sys.executable, "-m", "lrgan_jax", "sweep", store, *options, "--log-json", *args]
    return subprocess.Popen(
        list(map(str, line)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def finish(process, code=0):
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, err
    return out, err


@pytest.fixture(scope="module")
def whole(model):
    """One process, one device, uninterrupted."""
    finish(start(model, model / "whole"))
    return model / "whole"


def group(model, store, count, *args, **options):
    """`count` processes that find each other at a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    flags = ["--coordinator", f"127.0.0.1:{port}", "--num-processes", count]
    return [start(model, store, *flags, "--process-id", k, *args, **options) for k in range(count)]


@pytest.mark.parametrize("devices", [8])
def test_many_devices_in_one_process(model, whole, tmp_path, devices):
    finish(start(model, tmp_path / "store", devices=devices))
    assert_equal_within(tmp_path / "store", whole)


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_many_processes(model, whole, tmp_path, count):
    for process in group(model, tmp_path / "store", count):
        finish(process)
    assert_equal_within(tmp_path / "store", whole)


def test_a_process_that_is_stopped_stops_all(model, tmp_path):
    """SIGTERM to one of two: it exits with 143, the other with an error that names it; the store goes on."""
    first, second = group(model, tmp_path / "store", 2, num=2000)
    second.stdout.readline()
    second.stdout.readline()
    second.send_signal(signal.SIGTERM)
    _, err = finish(second, 143)
    assert "the same command goes on" in err
    _, err = finish(first, 1)
    assert err.splitlines()[-1].startswith("error: process 1: stopped at")
    assert 0 < sweep.open(tmp_path / "store").done().sum() < 2000


@pytest.mark.slow
@pytest.mark.parametrize("dead", [0, 1])
def test_a_process_that_dies_ends_the_others(model, tmp_path, dead):
    """Within a minute, with a message that names it; the store goes on."""
    both = group(model, tmp_path / "store", 2, num=2000)
    for process in both:
        process.stdout.readline()
        process.stdout.readline()
    both[dead].kill()
    began = time.monotonic()
    _, err = both[1 - dead].communicate(timeout=60)
    assert both[1 - dead].returncode not in (0, None) and time.monotonic() - began < 60
    assert ("leader task" if dead == 0 else "unhealthy (stopped sending heartbeats):\n1") in err
    before = sweep.open(tmp_path / "store").done().sum()
    process = start(model, tmp_path / "store", num=2000)
    assert before <= json.loads(process.stdout.readline())["done"] < 2000
    process.kill()
    process.wait()


@pytest.mark.slow
def test_killed_at_any_moment(model, whole, tmp_path):
    """SIGKILL after more and more time, from before the first block to the end: the same store, byte for byte."""
    kills, wait = 0, 1.0
    while True:
        process = start(model, tmp_path / "store")
        try:
            process.communicate(timeout=wait)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills, wait = kills + 1, wait * 1.25
    assert process.returncode == 0 and kills
    assert contents(tmp_path / "store") == contents(whole)


def test_asked_to_stop(model, whole, tmp_path):
    """SIGTERM and SIGINT: the blocks at hand are committed, the exit code is the shells'."""
    for number in (signal.SIGTERM, signal.SIGINT):
        process = start(model, tmp_path / "store", num=2000)
        process.stdout.readline()
        process.stdout.readline()
        process.send_signal(number)
        _, err = finish(process, 128 + number)
        assert "Traceback" not in err and "stopped at" in err
    assert open_store(tmp_path / "store").committed().sum() >= 2


def test_the_command(model, whole, tmp_path, capsys, monkeypatch):
    """Status, shares, merging, export, and one line for whatever does not fit."""

    def lrgan(*args):
        monkeypatch.setattr("sys.argv", ["lrgan", *map(str, args)])
        try:
            code = command.main()
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    monkeypatch.chdir(tmp_path)
    assert lrgan("sweep", "--status", whole)[1].strip() == (
        f"{whole}: 22 of 22 latents done, 0 without finite results; population directions there"
    )
    common = ["--model", model / "small", "--num-latents", 22, "--seed", 3, "--num", 3, "--block", 4]
    for k in range(2):
        assert lrgan("sweep", f"part{k}", *common, "--shard", f"{k}/2")[0] == 0
    assert "12 of 22 latents done" in lrgan("sweep", "part0", "--status")[1]
    assert lrgan("sweep", "merged", "--merge", "part0", "part1")[0] == 0
    assert_equal_within("merged", whole)

    assert lrgan("directions", "corner", "--from-sweep", "merged", "--out", "all.npz")[0] == 0
    assert lrgan("directions", "corner", "--from-sweep", "merged", "--image", 4, "--num", 1, "--out", "one.npz")[0] == 0
    np.testing.assert_array_equal(Directions.load("all.npz").vectors, sweep.open("merged").directions("corner").vectors)
    np.testing.assert_array_equal(
        Directions.load("one.npz").vectors, sweep.open("merged").directions("corner", 4).vectors[:1]
    )
    assert lrgan("edit", "one.npz", "--model", model / "small", "--out", "edit.png")[0] == 0

    np.save("w.npy", np.asarray(sweep.open(whole)["ws"])[:, 0])
    assert lrgan("sweep", "given", "--model", model / "small", "--latents", "w.npy", "--num", 3, "--block", 4)[0] == 0
    assert worst(np.asarray(sweep.open("given")["vectors"]), np.asarray(sweep.open("merged")["vectors"])) < SAME
    Path("text.npy").write_text("no array")
    for args, message in (
        (["sweep", "nowhere", "--status"], "holds no sweep"),
        (["sweep", "x", *common, "--shard", "2/2"], "--shard 2/2"),
        (["sweep", "x", *common, "--process-id", 1], "go with --coordinator"),
        (["sweep", "x", *common, "--num-latents", 0], "at least 1"),
        (["sweep", "x", *common, "--memory", 0], "--memory must be above 0"),
        (["sweep", "x", *common, "--labels", 1], "this model has no classes"),
        (["sweep", "x", "--model", model / "small", "--latents", "text.npy"], "text.npy: no file of arrays"),
        (["sweep", "x", *common, "--regions", "elbow"], "elbow"),
        (["sweep", "x", *common, "--layers", "3"], "layers 0 to 0"),
        (["sweep", "merged", *common, "--block", 5], "block is 4, not 5"),
        (["directions", "elbow", "--from-sweep", "merged"], "no region 'elbow'"),
        (["directions", "corner", "--from-sweep", "merged", "--image", 22], "no latent 22"),
    ):
        code, _, err = lrgan(*args)
        assert code == 1 and message in err and len(err.strip().splitlines()) == 1, err
    assert not Path("x").exists()

    file = next(file for file in Path("part0").glob("vectors/c/0/0/0/*"))
    file.write_bytes(file.read_bytes()[:-1])
    code, _, err = lrgan("sweep", "part0", *common, "--shard", "0/2")
    assert code == 0 and "block 0 is done again: " in err


@pytest.mark.parametrize(("dtype", "usable"), [("float16", False), ("bfloat16", True), (None, True)])
def test_grams_that_do_not_fit_their_dtype_are_no_results(dtype, usable):
    """A change of 3,000 per unit has a Gram of 9,000,000, more than float16 holds."""
    gen = linear(top={0: 3000.0}, middle={1: 1.0})
    search = Search(num=1)
    job, aims = Job(search, Keep(grams=dtype, thumbnail=8, memory=2**28)), targets(gen, ["top"], search)
    root = metric_root(gen, search)
    results, _ = jax.jit(every, static_argnums=0)(job, gen, WS(jnp.zeros((1, gen.num_ws, D))), aims, root)
    assert bool(results["usable"][0] == USABLE) == usable
