"""Servers of S3 and of GCS on this machine, as processes of their own, and the variables that lead there."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from lrgan_jax.sweep.begin import location
from lrgan_jax.sweep.objects import Objects

BUCKET = "bucket"
KEYS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-north-1"}


class Bucket(NamedTuple):
    """One that is empty, and the process that serves it."""

    url: str
    server: subprocess.Popen
    environment: dict[str, str]


@contextmanager
def served(kind: str) -> Iterator[Bucket]:
    """A server of "s3" or "gs", and this process's environment such that it is used."""
    serve = {"s3": _s3, "gs": _gcs}[kind]
    with serve() as bucket, pytest.MonkeyPatch.context() as patch:
        for name, value in bucket.environment.items():
            patch.setenv(name, value)
        try:
            yield bucket
        finally:
            bucket.server.kill()
            bucket.server.wait()


def contents(store: Path | str) -> dict[str, bytes]:
    """Every object's bytes by name, in a bucket or a folder."""
    objects = Objects(location(store))
    return objects.read_all(objects.names())


@contextmanager
def _s3() -> Iterator[Bucket]:
    pytest.importorskip("moto")
    import boto3

    port = _free_port()
    line = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        endpoint = f"http://127.0.0.1:{port}"
        _wait_for(port, server)
        keys = {"aws_access_key_id": "somebody", "aws_secret_access_key": "secret", "region_name": "eu-north-1"}
        where = {"LocationConstraint": "eu-north-1"}
        boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        yield Bucket(f"s3://{BUCKET}", server, KEYS | {"AWS_ENDPOINT_URL": endpoint})


@contextmanager
def _gcs() -> Iterator[Bucket]:
    line = [sys.executable, Path(__file__).with_name("gcs_server.py")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as server:
        port = server.stdout.readline().strip()
        somebody = {"GOOGLE_AUTH_TOKEN_FOR_TESTING": "somebody", "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}
        yield Bucket(f"gs://{BUCKET}", server, somebody)


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _wait_for(port: int, server: subprocess.Popen) -> None:
    while server.poll() is None:
        with closing(socket.socket()) as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"no server at port {port}")
