"""Any number of processes at one store, which come and go, are asked to stop and are killed."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sweeps import BLOCK, SAME, assert_equal_within, contents, finish, start, words
from tolerances import worst

import lrgan_jax.__main__ as command
from lrgan_jax import Directions, sweep
from lrgan_jax.base.interrupt import GRACE
from lrgan_jax.base.progress import in_command
from lrgan_jax.sweep import agenda, claims
from lrgan_jax.sweep.arrays import Layout
from lrgan_jax.sweep.begin import create
from lrgan_jax.sweep.claims import Worker
from lrgan_jax.sweep.objects import Objects, unpacked

PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}


@pytest.fixture
def objects(tmp_path):
    return Objects(f"file://{tmp_path}/")


def elsewhere(monkeypatch):
    """Workers that are made from now on are on another machine, as far as others can tell."""
    monkeypatch.setattr(claims, "_processes", lambda: None)


def test_an_item_has_one_worker(objects):
    """Until it is given back, or its worker leaves."""
    with Worker(objects) as first, Worker(objects) as second:
        assert first.take("block-0") and not second.take("block-0") and second.take("block-1")
        assert first.taken() == second.taken() == {"block-0": first.name, "block-1": second.name}
        first.release("block-0")
        assert second.take("block-0") and second.holds("block-0") and not first.holds("block-0")
    assert objects.names() == []


def test_the_claim_of_the_dead_lapses(objects, monkeypatch, capsys):
    """By the observer's own clock; who only stood still finds that it has lost what it had."""
    elsewhere(monkeypatch)
    now = [0.0]
    monkeypatch.setattr(claims.time, "monotonic", lambda: now[0])
    with in_command("lrgan sweep", quiet=False), Worker(objects) as slow, Worker(objects) as other:

        def pass_by(seconds):
            end = now[0] + seconds
            while now[0] < end:
                now[0] = min(now[0] + claims.BEAT, end)
                other._beat(0)

        assert slow.take("block-0") and not other.take("block-0")
        pass_by(claims.LAPSE - 1)
        assert other.taken() == {"block-0": slow.name}
        slow._beat(1)
        pass_by(2)
        assert other.taken() == {"block-0": slow.name} and not other.take("block-0")
        pass_by(claims.LAPSE + 1)
        assert not other.taken() and other.take("block-0")
        assert not slow.holds("block-0")
        slow.release("block-0")
        assert other.holds("block-0")
        slow._beat(2)
        assert not slow.take("block-0")
    ends = ("has not been heard of for 61 s", "has not been heard of in time")
    said = [f"{claims.plain(slow.name)} {end}: what it was at is done by others" for end in ends]
    assert capsys.readouterr().err.splitlines() == said


def test_who_was_not_heard_itself_calls_nobody_dead(objects, monkeypatch):
    """While a server fails, nobody's heart beats; after that all get time to be heard again."""
    elsewhere(monkeypatch)
    now = [0.0]
    monkeypatch.setattr(claims.time, "monotonic", lambda: now[0])
    with Worker(objects) as first, Worker(objects) as second:
        assert first.take("block-0") and second.taken()
        now[0] = 2 * claims.LAPSE
        assert second.taken()
        second._beat(1)
        for _ in range(5):
            assert second.taken()
            now[0] += claims.BEAT
            second._beat(2)
        assert not second.taken()


@pytest.mark.parametrize("asked", [True, False])
def test_a_process_that_has_gone_from_this_machine_is_dead_at_once(objects, asked, capsys):
    """Even if nobody has asked how it ended, as in a container without an init."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    if asked:
        dead.wait()
    with Worker(objects) as worker, in_command("lrgan sweep", quiet=False):
        heart = json.loads(objects.read(f"progress/workers/{worker.name}") or b"")
        objects.write("progress/workers/node7-12-34ab", json.dumps(heart | {"pid": dead.pid}).encode())
        objects.write("progress/claims/block-0", b"node7-12-34ab")
        assert worker.take("block-0")
    dead.wait()
    assert capsys.readouterr().err == "node7-12 has gone: what it was at is done by others\n"


HOLD = """
import sys
from lrgan_jax.sweep import agenda, claims
from lrgan_jax.sweep.objects import Objects
claims.BEAT = 0.1
with claims.Worker(Objects(sys.argv[1])) as worker:
    worker.take("block-0")
    worker.take("block-1")
    print(worker.name, flush=True)
    sys.stdin.read()
"""


def test_a_peer_that_is_killed_elsewhere_is_named(objects, monkeypatch, capsys):
    """Once, as soon as it has not been heard of for long enough; no sooner."""
    elsewhere(monkeypatch)
    monkeypatch.setattr(claims, "LAPSE", 0.5)
    peer = subprocess.Popen([sys.executable, "-c", HOLD, objects.place], **PIPES)
    name = claims.plain(peer.stdout.readline())
    with Worker(objects) as worker, in_command("lrgan sweep", quiet=False):
        for _ in range(8):
            time.sleep(0.1)
            assert not worker.take("block-0")
        peer.kill()
        killed = time.monotonic()
        peer.communicate()
        while not worker.take("block-0"):
            assert time.monotonic() - killed < 10 * claims.LAPSE
        assert time.monotonic() - killed > claims.LAPSE / 2
        assert worker.take("block-1")
    said = rf"{name} has not been heard of for \d+ s: what it was at is done by others\n"
    assert re.fullmatch(said, capsys.readouterr().err)


def test_who_is_waited_for_is_named_once(objects, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(agenda, "PATIENCE", 0)
    store = begun(tmp_path / "store", num=2)
    with Worker(objects) as slow, Worker(objects) as other, in_command("lrgan sweep", quiet=False):
        assert slow.take("block-0") and slow.take("block-1")
        waiting = agenda.Agenda(store, other, range(2), population=True)
        for _ in range(4):
            waiting.look_soon()
            assert waiting.next() is None
    assert capsys.readouterr().err == f"waiting for 2 blocks at work elsewhere: {claims.plain(slow.name)}\n"


RACE = """
import sys
from lrgan_jax.sweep.claims import Worker
from lrgan_jax.sweep.objects import Objects, unpacked
with Worker(Objects(sys.argv[1])) as worker:
    print(*(k for k in range(60) if worker.take(str(k))))
    sys.stdout.flush()
    sys.stdin.read()
"""


def test_processes_that_race_for_claims(objects):
    """Each item is one process's."""
    racing = [subprocess.Popen([sys.executable, "-c", RACE, objects.place], **PIPES) for _ in range(3)]
    won = [process.stdout.readline().split() for process in racing]
    for process in racing:
        process.communicate()
    assert sorted(int(item) for items in won for item in items) == list(range(60))


def begun(path, **latents):
    """A store without anything in it."""
    manifest = {"settings": {"latents": latents, "block": 1}}
    layouts = {"masks": Layout((1,), "uint8", ("region",), 1)}
    return create(path, manifest, layouts, {"masks": np.ones(1, "u1")})


def test_two_that_begin_a_store_at_once(tmp_path):
    """The first one's settings count: others agree, or are refused with the difference."""
    refused, barrier = [], threading.Barrier(4)

    def begin(seed):
        barrier.wait()
        try:
            begun(tmp_path / "store", num=1, seed=seed)
        except sweep.SweepError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=begin, args=(seed,)) for seed in (0, 0, 1, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 2 and all("latents.seed is" in text for text in refused)


# From here on the command, in processes of its own.


def test_many_devices_in_one_process(saved, whole, tmp_path):
    finish(start(saved, tmp_path / "store", devices=8))
    assert contents(tmp_path / "store") == contents(whole)


def computed(out):
    """Latents of one process."""
    return max((json.loads(line)["computed"] for line in out.splitlines() if line.startswith("{")), default=0)


def test_processes_come_and_go(saved, tmp_path):
    """Two at a time, killed in the middle of blocks: the same store, byte for byte, with no latent computed twice but
    those that a dead process had not written.
    """
    num, latents, kills = 100, 0, (3, 10)
    at_work = [start(saved, tmp_path / "store", num=num) for _ in range(2)]
    for lines in kills:
        victim = at_work.pop(0)
        out = "".join(victim.stdout.readline() for _ in range(lines))
        victim.kill()
        latents += computed(out + victim.stdout.read())
        victim.wait()
        at_work.append(start(saved, tmp_path / "store", num=num))
    latents += sum(computed(finish(process)[0]) for process in at_work)
    assert num <= latents <= num + len(kills) * 4 * BLOCK  # three blocks that wait to be written, and one in the making
    assert command.main(words(saved, tmp_path / "whole", num=num)) == 0
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_asked_to_stop(saved, tmp_path):
    """While it compiles, and in the middle of a block: soon, with the shell's exit code. What is finished is kept, in
    units of latents.
    """
    for number, lines in ((signal.SIGTERM, 1), (signal.SIGINT, 4)):
        process = start(saved, tmp_path / "store", num=2000, block=1000)
        line = [process.stdout.readline() for _ in range(lines)][-1]
        process.send_signal(number)
        began = time.monotonic()
        _, err = finish(process, 128 + number)
        assert time.monotonic() - began < GRACE + 5 and "Traceback" not in err
        kept = int(re.search(r"stopped at (\d+) of 2000 latents, all kept", err)[1])
        assert kept >= json.loads(line)["done"] and kept <= 20 * lines - 20
    assert len(unpacked((tmp_path / "store" / "progress" / "partial" / "0").read_bytes())["usable"]) == kept
    assert sweep.open(tmp_path / "store").unfinished() == [0]


def test_a_stop_does_not_wait_for_what_cannot_be_ended(tmp_path):
    """As a compilation that takes longer than anybody waits, or a server that does not answer."""
    lines = """
import signal, sys, time
from lrgan_jax.base import interrupt
interrupt.GRACE = 0.5
try:
    interrupt.attended(lambda stop: (print("ready", flush=True), time.sleep(1000)))
except interrupt.Interrupted as stopped:
    print(stopped, file=sys.stderr)
    interrupt.leave(stopped.exit_code)
"""
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(
            [sys.executable, "-c", lines], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert "stopped" in finish(process, 128 + number)[1]


def test_the_command(saved, whole, tmp_path, capsys, monkeypatch):
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
    common = ["--model", saved / "small", "--num-latents", 22, "--seed", 3, "--num", 3, "--block", 4]
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
    assert lrgan("edit", "one.npz", "--model", saved / "small", "--out", "edit.png")[0] == 0

    np.save("w.npy", np.asarray(sweep.open(whole)["ws"])[:, 0])
    assert lrgan("sweep", "given", "--model", saved / "small", "--latents", "w.npy", "--num", 3, "--block", 4)[0] == 0
    assert worst(np.asarray(sweep.open("given")["vectors"]), np.asarray(sweep.open("merged")["vectors"])) < SAME
    Path("text.npy").write_text("no array")
    for args, message in (
        (["sweep", "nowhere", "--status"], "holds no sweep"),
        (["sweep", "x", *common, "--shard", "2/2"], "--shard 2/2"),
        (["sweep", "x", *common, "--num-latents", 0], "at least 1"),
        (["sweep", "x", *common, "--memory", 0], "--memory must be above 0"),
        (["sweep", "x", *common, "--labels", 1], "this model has no classes"),
        (["sweep", "x", "--model", saved / "small", "--latents", "text.npy"], "text.npy: no file of arrays"),
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
    code, _, err = lrgan("sweep", "part0", *common, "--shard", "0/2", "--verify")
    assert code == 0 and "block 0 is done again: " in err
