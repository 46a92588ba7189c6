"""Stores of sweeps: whole or absent whatever happens to the process, the disk or the settings."""

import json
import os
import shutil
import signal
import subprocess
import time
import warnings
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from looks import look
from sweeps import BLOCK, NUM, REGIONS, SAME, contents, run
from tolerances import rounding, worst

from lrgan_jax import sweep
from lrgan_jax.base.interrupt import Interrupted
from lrgan_jax.search import Search
from lrgan_jax.subspaces import TAO
from lrgan_jax.sweep import claims, keeper
from lrgan_jax.sweep.arrays import Layout
from lrgan_jax.sweep.begin import create, open_store
from lrgan_jax.sweep.damage import look_through
from lrgan_jax.sweep.objects import Objects, as_json, unpacked
from lrgan_jax.sweep.plan import job_of, usual_block
from lrgan_jax.sweep.unfinished import resumed, save


def test_stopped_and_resumed_is_the_same_bit_for_bit(small_dcgan, finished, tmp_path):
    """By an exception of the caller's, in the middle of a block: what was finished of it is not computed again."""
    path, reports = tmp_path / "store", []

    def give_up(progress):
        if progress.computed == BLOCK + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(small_dcgan, path, report=give_up)
    assert sweep.open(path).counts().done == BLOCK
    run(small_dcgan, path, report=reports.append)
    assert reports[-1].done == NUM and NUM - BLOCK - 2 - 2 <= reports[-1].computed <= NUM - BLOCK - 2
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
    """In any chunk of any array: what is gone whenever a sweep goes on, what has changed when everything is read."""
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
    run(small_dcgan, path, verify=harm != "gone", report=reports.append)
    assert len(reports[0].damaged) == 6 and reports[-1].computed == NUM
    assert contents(path) == contents(finished)


def test_what_others_leave_in_a_store_does_no_harm(small_dcgan, finished, tmp_path):
    """As a Mac's file manager does in every folder that it shows."""
    path, reports = tmp_path / "store", []
    shutil.copytree(finished, path)
    for folder in ("usable/c", "progress/commits", "progress/spans"):
        (path / folder / ".DS_Store").touch()
    run(small_dcgan, path, verify=True, report=reports.append)
    assert not reports[0].damaged and reports[-1].computed == 0


@pytest.mark.parametrize("name", ["vectors", "usable", "gram_outside", "progress/commits"])
def test_one_damaged_file_costs_one_block(small_dcgan, finished, tmp_path, name):
    path, reports = tmp_path / "store", []
    shutil.copytree(finished, path)
    file = next(file for file in sorted((path / name).rglob("*")) if file.is_file() and "1" in file.parts)
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    run(small_dcgan, path, verify=True, report=reports.append)
    assert list(reports[0].damaged) == [1] and reports[0].done == NUM - BLOCK and reports[-1].computed == BLOCK
    assert contents(path) == contents(finished)


@pytest.mark.parametrize("harm", [lambda file: file.write_bytes(file.read_bytes()[:-9]), Path.unlink])
def test_sums_are_mended_if_they_are_needed(small_dcgan, finished, tmp_path, harm):
    """As long as there is no population: of the span's blocks, which are all there are."""
    path, reports = tmp_path / "store", []
    shutil.copytree(finished, path)
    harm(path / "progress" / "spans" / "0")
    run(small_dcgan, path, report=reports.append)
    assert reports[-1].computed == 0
    (path / "population" / "zarr.json").unlink()
    run(small_dcgan, path, report=reports.append)
    assert len(reports[-1].damaged) == 6 and reports[-1].computed == NUM
    assert contents(path) == contents(finished)


def test_what_there_is_of_a_block_is_saved_now_and_then(small_dcgan, finished, tmp_path, monkeypatch):
    """So a kill costs little; once the block is written, that is gone."""
    path, kept = tmp_path / "store", []
    objects = Objects(f"file://{path}/")
    monkeypatch.setattr(keeper, "SAVED", 0.0)

    def look_slowly(progress):
        if 0 < progress.done < BLOCK:
            time.sleep(0.3)
            kept.extend(
                objects.read_all(f"progress/partial/{name}" for name in objects.names("progress/partial/")).values()
            )

    run(small_dcgan, path, report=look_slowly)
    assert {len(unpacked(content)["usable"]) for content in kept} & {1, 2, 3}
    assert contents(path) == contents(finished)


def test_what_was_left_of_a_block_comes_back(tmp_path):
    """To the bit, of types that NumPy has not, too; later latents are no part of it."""
    layouts = {
        "usable": Layout((3,), "uint8", ("latent",), 3),
        "gram_inside": Layout((3, 2), "bfloat16", ("latent", "pair"), 3),
    }
    manifest = {"settings": {"latents": {"num": 3}, "block": 3}}
    store = create(tmp_path, manifest, layouts, {})
    block, random = resumed(store, 0), np.random.default_rng(0)
    steps = [
        (
            {"usable": np.uint8([usable]), "gram_inside": random.normal(size=(1, 2)).astype(jnp.bfloat16)},
            random.normal(size=(1, 1, 2)),
        )
        for usable in (1, 2, 1)
    ]
    for results, grams in steps[:2]:
        block.add(results, {"inside": grams, "outside": -grams})
    parts = block.so_far()
    block.add(steps[2][0], {"inside": steps[2][1], "outside": -steps[2][1]})
    save(store, 0, parts)
    again = resumed(store, 0)
    assert (again.done, again.failed) == (2, 1)
    for name, a in again.results.items():
        np.testing.assert_array_equal(a[:2], block.results[name][:2])
    np.testing.assert_array_equal(again.sums["outside"], -steps[0][1][0])  # of the usable one
    again.add(steps[2][0], {"inside": steps[2][1], "outside": -steps[2][1]})
    np.testing.assert_array_equal(again.sums["inside"], block.sums["inside"])


def test_what_was_left_of_a_block_may_be_damaged(small_dcgan, finished, tmp_path):
    """It is computed anew."""
    path, reports = tmp_path / "store", []
    shutil.copytree(finished, path)
    (path / "progress" / "commits" / "2").unlink()
    (path / "progress" / "partial").mkdir(exist_ok=True)
    (path / "progress" / "partial" / "2").write_bytes(b"no such thing")
    run(small_dcgan, path, report=reports.append)
    assert reports[-1].computed == BLOCK and contents(path) == contents(finished)


def test_who_loses_a_block_drops_it(small_dcgan, finished, tmp_path, monkeypatch):
    """Another one took it, and died: it is computed again, and the store is the same."""
    path, reports = tmp_path / "store", []
    objects = Objects(f"file://{path}/")
    monkeypatch.setattr(claims, "LAPSE", 1.0)

    def lose(progress):
        if progress.computed == 2 and not objects.names("progress/commits/"):
            objects.write("progress/workers/other", b"a beat")
            objects.write("progress/claims/block-0", b"other")
        reports.append(progress)

    run(small_dcgan, path, report=lose)
    assert NUM < reports[-1].computed <= NUM + BLOCK and contents(path) == contents(finished)


def test_who_died_after_the_last_word_leaves_nothing(small_dcgan, finished, tmp_path):
    """A claim on what is committed: nobody would ever take it over."""
    path = tmp_path / "store"
    shutil.copytree(finished, path)
    Objects(f"file://{path}/").write(f"{claims.CLAIMS}block-1", b"somebody")
    run(small_dcgan, path)
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


def test_any_folder_will_do(tmp_path):
    """One whose name would mean something in a URL, too."""
    layouts = {"usable": Layout((1,), "uint8", ("latent",), 1)}
    create(tmp_path / "50%41 #1?", {"settings": {"latents": {"num": 1}, "block": 1}}, layouts, {})
    assert (tmp_path / "50%41 #1?" / "usable").is_dir() and [file.name for file in tmp_path.iterdir()] == ["50%41 #1?"]


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


def test_shares_merge_to_the_whole(small_dcgan, finished, tmp_path):
    """Three machines without a common store, or with one and fixed shares; and with one of them missing."""
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


def test_merging_goes_on_after_a_stop(small_dcgan, finished, tmp_path):
    """Asked for while blocks are copied."""
    shutil.copytree(finished, tmp_path / "part")
    (tmp_path / "part" / "vectors" / "c" / "1" / "0" / "0" / "0").write_bytes(b"")

    def ask_to_stop(text):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.5)

    with pytest.raises(Interrupted, match="the same command goes on") as stopped:
        sweep.merge(tmp_path / "whole", [tmp_path / "part"], report=ask_to_stop)
    assert stopped.value.exit_code == 143 and not stopped.value.at_work
    sweep.merge(tmp_path / "whole", [finished])
    assert contents(tmp_path / "whole") == contents(finished)


def test_merging_mends_what_it_merges_into(small_dcgan, finished, tmp_path):
    """A lost chunk of a common store would read as zeros: it is found, and taken from a share that has it."""
    shutil.copytree(finished, tmp_path / "common")
    shutil.rmtree(tmp_path / "common" / "population")
    (tmp_path / "common" / "vectors" / "c" / "1" / "0" / "0" / "0").unlink()
    reports = []
    with pytest.raises(sweep.SweepError, match=r"1 of 6 blocks are missing \(1\)"):
        sweep.merge(tmp_path / "common", report=reports.append)
    assert len(reports) == 1 and "block 1 is discarded" in reports[0]
    sweep.merge(tmp_path / "common", [finished])
    assert contents(tmp_path / "common") == contents(finished)


def test_merging_says_what_last_digits_depend_on(small_dcgan, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "part")
    manifest = json.loads((tmp_path / "part" / "zarr.json").read_text())
    manifest["attributes"] |= {"memory": 1, "versions": manifest["attributes"]["versions"] | {"jax": "0.9"}}
    (tmp_path / "part" / "zarr.json").write_text(json.dumps(manifest))
    shutil.copytree(finished, tmp_path / "whole")
    reports = []
    sweep.merge(tmp_path / "whole", [tmp_path / "part"], report=reports.append)
    (line,) = reports
    assert f"memory is 1, not {2**31}" in line and "versions.jax is 0.9, not" in line


def test_other_tools_read_it(finished):
    """zarr-python and xarray: names of axes, values, settings."""
    zarr, xarray = pytest.importorskip("zarr"), pytest.importorskip("xarray")
    opened = sweep.open(finished)
    group = zarr.open_group(str(finished), mode="r")
    with warnings.catch_warnings(action="error"):  # on things that zarr does not know
        assert {"vectors", "progress"} <= {name for name, _ in group.members()}
    np.testing.assert_array_equal(group["vectors"][:], np.asarray(opened["vectors"]))
    assert group.attrs["settings"]["options"]["num"] == 3
    data = xarray.open_zarr(str(finished), consolidated=False)
    assert data["vectors"].dims == ("latent", "region", "direction", "latent_dim")
    np.testing.assert_array_equal(data["spectrum_inside"][4].values, np.asarray(opened["spectrum_inside"])[4])
    population = xarray.open_zarr(str(finished), group="population", consolidated=False)
    np.testing.assert_array_equal(population["mean_inside"].values, opened.population["mean_inside"])


@pytest.fixture(scope="module")
def earlier(tmp_path_factory) -> Path:
    """Stores that earlier releases wrote, of five latents in blocks of two, and one with the first and last of them."""
    folder = tmp_path_factory.mktemp("earlier")
    shutil.unpack_archive(Path(__file__).parent / "data" / "earlier_sweeps.zip", folder)
    return folder


def test_stores_of_earlier_releases_are_read(small_dcgan, earlier, tmp_path):
    """What this release finds in the same latents is in them; they are not gone on with."""
    options = {"latents": sweep.seeded(small_dcgan, 3, 5), "num": 2, "block": 2, "thumbnail": 4}
    options |= {"splits": False, "grams": None}
    run(small_dcgan, tmp_path / "now", **options)
    first, second, now = (sweep.open(path) for path in (earlier / "format1", earlier / "format2", tmp_path / "now"))
    for name, old in (("format1", first), ("format2", second)):
        assert old.counts() == now.counts() == (5, 5, 5) and old.usable().all()
        assert worst(np.asarray(old["spectrum_inside"]), np.asarray(now["spectrum_inside"])) < SAME
        assert worst(old.population["mean_inside"], now.population["mean_inside"]) < SAME
        with pytest.raises(sweep.SweepError, match="begun by an earlier release"):
            run(small_dcgan, earlier / name, **options)
    for latent in (3, None):
        old = second.directions("corner", latent)
        assert worst(old.vectors, now.directions("corner", latent).vectors) < 1e-4  # eigenvectors of two programs
        assert (old.search.metric, first.directions("corner", latent).search.metric) == ("natural", "latent")
    begun = sweep.open(earlier / "format2-begun")
    assert begun.counts() == (3, 3, 3) and begun.done().tolist() == [True, True, False, False, True]


def test_a_store_of_the_release_before_is_carried_over(small_dcgan, earlier, tmp_path):
    """Its blocks are not computed again; the first release's hold something else."""
    with pytest.raises(sweep.SweepError, match="1 of 3 blocks are missing"):
        sweep.merge(tmp_path / "store", [earlier / "format2-begun"])
    sweep.merge(tmp_path / "store", [earlier / "format2"])
    old, new = sweep.open(earlier / "format2"), sweep.open(tmp_path / "store")
    np.testing.assert_array_equal(np.asarray(new["vectors"]), np.asarray(old["vectors"]))
    assert worst(new.population["mean_outside"], old.population["mean_outside"]) < SAME
    with pytest.raises(sweep.SweepError, match="it is read only"):
        sweep.merge(tmp_path / "other", [earlier / "format1"])
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("method", "tao", "meant"),
    [("frontier", None, TAO), ("frontier", 0.1, 0.1), ("random", None, TAO), ("resefa", None, None)],
)
def test_what_settings_without_a_metric_meant(method, tao, meant):
    """Latent units, and a price over the trace; ReSeFa's own was none."""
    options = {"method": method, "tao": tao, "num": 2, "splits": False}
    job = job_of({"settings": {"options": options, "block": 4}, "memory": 1})
    assert job.search == Search(method=method, num=2, metric="latent", tao=meant)


def test_sums_of_spans_are_those_of_all_latents(finished):
    """In float64, which the Grams kept in float32 say exactly."""
    sums = unpacked((finished / "progress" / "spans" / "0").read_bytes())
    for side in ("inside", "outside"):
        grams = np.asarray(sweep.open(finished)[f"gram_{side}"]).astype(np.float64)
        np.testing.assert_allclose(sums[side], grams.sum(0), **rounding(np.float64, NUM))


def test_a_million_latents_in_seconds(finished, tmp_path):
    """Status, and what is lost: of a store with as many commits, no array of which is read."""
    manifest = json.loads((finished / "zarr.json").read_text())["attributes"]
    num, size = 1_000_000, usual_block(1_000_000)
    manifest["settings"]["latents"]["num"], manifest["settings"]["block"] = num, size
    manifest["arrays"] = {"usable": [[num], "uint8", ["latent"], size]}
    store = create(tmp_path / "store", manifest, {"usable": Layout((num,), "uint8", ("latent",), size)}, {})
    (tmp_path / "store" / "progress" / "commits").mkdir()
    for block in range(store.num_blocks):
        content = as_json({"checksum": 1, "usable": store.length(block) - 1, "converged": 0})
        (tmp_path / "store" / "progress" / "commits" / str(block)).write_bytes(content)
    opened = sweep.open(tmp_path / "store")
    assert store.num_blocks == 3907 and opened.counts() == (num, num - 3907, 0)
    assert len(look_through(store, range(10), everything=False)) == 10 and opened.counts().done == num - 10 * size
