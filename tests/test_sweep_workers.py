"""Any number of processes at one store, which come and go, are asked to stop and are killed."""

import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from sweeps import SAME, assert_equal_within, contents, finish, start
from tolerances import worst

import lrgan_jax.__main__ as command
from lrgan_jax import Directions, sweep
from lrgan_jax.sweep.store import open_store


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
