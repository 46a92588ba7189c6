"""Stores of sweeps: whole or absent whatever happens to the process, the disk or the settings."""

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sweeps import BLOCK, NUM, REGIONS, contents, run

from lrgan_jax import sweep
from lrgan_jax.search import Search
from lrgan_jax.subspaces import TAO
from lrgan_jax.sweep.plan import job_of


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
