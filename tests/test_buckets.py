"""Stores in buckets of S3 and of GCS, on servers of this machine: as in a folder, and what is wrong is said."""

import re
import signal
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from buckets import contents, served
from sweeps import NUM, assert_equal_within, finish, run, start, words
from sweeps import contents as files

import lrgan_jax.__main__ as command
from lrgan_jax import sweep
from lrgan_jax.sweep import begin, buckets, patience
from lrgan_jax.sweep.begin import create
from lrgan_jax.sweep.damage import look_through
from lrgan_jax.sweep.errors import SweepError
from lrgan_jax.sweep.objects import Objects

READ_BY = {"s3": "s3fs", "gs": "gcsfs"}


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What is wrong at first contact is not tried for long."""
    monkeypatch.setattr(buckets, "FIRST", {"max_retries": 1, "initial_delay": "10ms", "max_delay": "10ms"})


@pytest.fixture(scope="module", params=["s3", "gs"])
def bucket(request):
    with served(request.param) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def stored(small_dcgan, finished, bucket):
    """The store of `finished`, made in a bucket, in two goes."""

    def give_up(progress):
        if progress.computed == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(small_dcgan, f"{bucket.url}/store", report=give_up)
    run(small_dcgan, f"{bucket.url}/store")
    return f"{bucket.url}/store"


def test_a_bucket_holds_what_a_folder_does(stored, finished):
    """Every object, byte for byte; read back by the library."""
    assert contents(stored) == files(finished)
    assert_equal_within(stored, finished)
    assert sweep.open(stored).counts() == (NUM, NUM, NUM)


def test_xarray_reads_a_bucket(stored, finished, monkeypatch):
    """With the package that its address needs, and the same variables; this GCS asks for no name, and has no gRPC."""
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    kind, xarray = stored.partition(":")[0], pytest.importorskip("xarray")
    pytest.importorskip(READ_BY[kind])
    found = xarray.open_zarr(stored, consolidated=False, storage_options={"token": "anon"} if kind == "gs" else None)
    there = sweep.open(finished)
    assert set(found) == set(there.arrays)
    for name in ("vectors", "mu", "image"):
        np.testing.assert_array_equal(found[name], np.asarray(there[name]), err_msg=name)


def test_stores_are_merged_into_and_out_of_a_bucket(finished, bucket, tmp_path):
    """What is damaged in one is left out, and said."""
    sweep.merge(f"{bucket.url}/merged", [finished])
    assert contents(f"{bucket.url}/merged") == files(finished)
    at, name, lines = Objects(f"{bucket.url}/merged/"), "mu/c/1/0", []
    at.write(name, at.read(name)[:-1])
    with pytest.raises(SweepError, match=r"missing \(1\)"):
        sweep.merge(tmp_path / "again", [f"{bucket.url}/merged"], report=lines.append)
    assert ["block 1 is left out" in line for line in lines] == [True]


def test_of_writers_at_once_one_wins(bucket):
    """Each adds one again and again, only where nobody has written since it read: nothing is lost."""
    each, name = 15, "counter"

    def add():
        at = Objects(f"{bucket.url}/counted/")
        for _ in range(each):
            while True:
                seen = at.seen(name)
                if at.write_if(name, str(int(seen.content or 0) + 1).encode(), seen.stamp):
                    break

    writers = [threading.Thread(target=add) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert int(Objects(f"{bucket.url}/counted/").read(name)) == each * len(writers)


def test_silence_is_said_and_ends(stored, bucket, monkeypatch, capsys):
    """A server that stands still, and goes on; and one that does not. That is nobody's damage, and costs nothing."""
    monkeypatch.setattr(patience, "SILENCE", 0.3)
    monkeypatch.setattr(buckets, "CONTACT", 0.3)
    store = begin.open_store(stored)
    before = store.commits()
    bucket.server.send_signal(signal.SIGSTOP)
    waking = threading.Timer(1.0, bucket.server.send_signal, [signal.SIGCONT])
    waking.start()
    assert store.commits() == before
    waking.join()
    first, last = capsys.readouterr().err.splitlines()
    assert re.search(r"no answer for .*: no answer from .* within 0 seconds; trying for up to 5 min", first)
    assert last == f"{stored}/: answers again"

    monkeypatch.setattr(patience, "LOST", 0.6)
    bucket.server.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(SweepError, match="no answer for 1 s; the same command goes on"):
            look_through(store, range(store.num_blocks), everything=True)
        monkeypatch.setattr(patience, "LOST", 60.0)
        monkeypatch.setattr(patience, "AGAIN", 0.1)
        began = time.monotonic()
        with pytest.raises(SweepError):
            store.commits()
        assert time.monotonic() - began < patience.LOST / 2  # whoever ends their work is not held up again
    finally:
        bucket.server.send_signal(signal.SIGCONT)
    assert begin.open_store(stored).commits() == before


NOTHING = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("url", "changed", "message"),
    [
        ("s3://no-bucket/store", {}, "there is no such bucket"),
        ("s3://bucket/a", {"AWS_ENDPOINT_URL": f"http://{NOTHING}"}, f"nothing answers at {NOTHING}"),
        ("s3://bucket/b", {"AWS_ENDPOINT_URL": "http://no.such.host.invalid"}, "no host no.such.host.invalid"),
        ("s3://bucket/c", {"AWS_ENDPOINT_URL": "minio:9000"}, "no URL: https://minio:9000"),
        ("s3://Bucket_/store", {}, "Invalid S3 bucket name"),
        ("gs://no-bucket/store", {}, "no such bucket"),
        ("gs://bucket/a", {"STORAGE_EMULATOR_HOST": f"http://{NOTHING}"}, f"nothing answers at {NOTHING}"),
        ("gs://other/store", {"STORAGE_EMULATOR_HOST": "no.such.host.invalid"}, "no host no.such.host.invalid"),
        ("gs://fails-403/store", {}, "access denied; shown are the application default credentials"),
        ("gs://fails-400/store", {}, "gs://fails-400/store/: as its name says."),
        ("gs://fails-501/store", {}, "the server fails, with status 501"),
        ("ftp://bucket/store", {}, 'unsupported URL scheme "ftp"'),
        ("https://minio:9000/bucket", {}, "no bucket: that is s3://bucket/name, and AWS_ENDPOINT_URL says"),
        (Path("s3://bucket/store"), {}, "write s3://bucket/name, as text"),
    ],
)
def test_first_contact(bucket, url, changed, message, monkeypatch):
    """One line says what is wrong, whatever is asked."""
    if str(url)[:2] in READ_BY and not bucket.url.startswith(str(url)[:2]):
        pytest.skip("of the other server")
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    for ask in (sweep.open, lambda url: create(url, {"settings": {}}, {}, {})):
        with pytest.raises(SweepError) as error:
            ask(url)
        assert message in str(error.value) and len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            "Error reading mu/c/0: ExpiredToken: It has expired. [http_response_code='400']",
            "the session of these keys is",
        ),
        ("UNKNOWN: Error reading mu/c/0: Elsewhere. [http_response_code='301']", "Error reading mu/c/0: Elsewhere."),
        ("DATA_LOSS: Error reading mu/c/0: Digest mismatch [source locations='a.cc:1']", None),
        ("Error reading mu/c/0: The range is not satisfiable [http_response_code='416']", None),
    ],
)
def test_what_a_server_refuses_is_no_damage(error, why):
    found = buckets.meaning(ValueError(error), "s3://bucket/store/")
    assert found is why is None or found.startswith(why)


def test_keys(bucket, monkeypatch):
    """That the server does not know."""
    if not bucket.url.startswith("s3"):
        pytest.skip("of the other server")
    asked_without_keys(bucket, "0")
    try:
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        keys = "AWS_ACCESS_KEY_ID is set, /nowhere is not there"
        with pytest.raises(SweepError, match=f"the server does not know these keys; {keys}"):
            sweep.open(f"{bucket.url}/strange")
    finally:
        asked_without_keys(bucket, "inf")


def asked_without_keys(bucket, times):
    """So often moto answers whoever asks; after that it looks at keys, and knows none."""
    url, plain = f"{bucket.environment['AWS_ENDPOINT_URL']}/moto-api/reset-auth", {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(url, times.encode(), plain)).close()


def test_the_command_takes_an_endpoint(stored, bucket, monkeypatch, capsys):
    """In place of the variable, for s3:// alone."""
    monkeypatch.setattr("sys.argv", ["lrgan", "sweep", stored, "--status", "--endpoint", f"http://{NOTHING}"])
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "")  # put back in the end
    assert command.main() == 1
    of_s3 = bucket.url.startswith("s3")
    assert (f"nothing answers at {NOTHING}" if of_s3 else "are of s3:// buckets") in capsys.readouterr().err
    if of_s3:
        monkeypatch.setattr("sys.argv", [*sys.argv[:-1], bucket.environment["AWS_ENDPOINT_URL"]])
        assert command.main() == 0 and f"{NUM} of {NUM} latents done" in capsys.readouterr().out


@pytest.mark.slow
def test_killed_and_gone_on_with_in_a_bucket(saved, bucket, tmp_path):
    """Two at a time, killed in the middle of blocks, as in a folder: the same store."""
    num, url = 100, f"{bucket.url}/killed"
    at_work = [start(saved, url, num=num) for _ in range(2)]
    for lines in (3, 10):
        victim = at_work.pop(0)
        for _ in range(lines):
            victim.stdout.readline()
        victim.kill()
        victim.communicate()
        at_work.append(start(saved, url, num=num))
    for process in at_work:
        finish(process)
    assert command.main(words(saved, tmp_path / "whole", num=num)) == 0
    assert contents(url) == files(tmp_path / "whole")
