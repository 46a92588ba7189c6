"""Buckets: what TensorStore has to be told to reach one, and what is wrong where it does not.

Where an S3 server is that is not Amazon's, what it calls its region, and whose certificates it may show says the
environment, as it does to other tools: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION or AWS_DEFAULT_REGION,
AWS_CA_BUNDLE. Of Amazon's own buckets TensorStore finds the region. Keys come from AWS_ACCESS_KEY_ID and its
companions, ~/.aws, or the machine's own role. For GCS they are Google's application default credentials, and
STORAGE_EMULATOR_HOST names another server.
"""

import os
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import tensorstore as ts

from lrgan_jax.sweep.errors import SweepError

BUCKETS = {"s3": "s3_request_retries", "gcs": "gcs_request_retries"}  # drivers, and what their retries are called
FIRST = {"max_retries": 3, "initial_delay": "0.5s", "max_delay": "1s"}
LATER = {"max_retries": 12, "initial_delay": "1s", "max_delay": "32s"}  # some four minutes
GROUP = "zarr.json"  # what every store has
CONTACT = 6.0  # seconds for a first answer
ENDPOINTS, REGIONS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), ("AWS_REGION", "AWS_DEFAULT_REGION")

# A connection over which nothing comes is given up, and tried again; by itself TensorStore would wait forever.
GIVEN_UP = {
    "TENSORSTORE_CURL_CONNECT_TIMEOUT_SECONDS": "10",
    "TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS": "30",
    "TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES": "1",
}

FAILURES = ValueError, NotImplementedError  # what TensorStore raises, whatever went wrong; the latter for status 501

# What TensorStore and servers say of a bucket, and what that means.
MEANINGS = (
    (r"Could not resolve host: (?P<what>\S+)", "there is no host {what}"),
    (r"Failed to connect to (?P<host>\S+) port (?P<port>\d+)", "nothing answers at {host}:{port}"),
    (
        r"NoSuchBucket|bucket does not exist|resolve aws_region|http_response_code='404'",
        "there is no such bucket, or not in this region",
    ),
    (r"peer certificate", "its certificate is none that is trusted here; AWS_CA_BUNDLE names a file of more"),
    (r"WRONG_VERSION_NUMBER", "the server speaks no TLS: is its URL http://, not https://?"),
    (r"ExpiredToken", "the session of these keys is over; {keys}"),
    (r"RequestTimeTooSkewed", "the clock of this machine is not the server's"),
    (r"InvalidAccessKeyId|SignatureDoesNotMatch", "the server does not know these keys; {keys}"),
    (r"Failed to (get|create) credentials", "no credentials; {keys}"),
    (r"^PERMISSION_DENIED|http_response_code='40[13]'", "access denied; {keys}"),
    (r"http_response_code='(?P<code>5\d\d)'", "the server fails, with status {code}"),
)
# Whatever else is of a server or a disk, and no damage: any status but that of an object that was cut.
NOT_REACHED = (
    "^(PERMISSION_DENIED|ABORTED|UNAVAILABLE|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|CANCELLED)"
    "|CURL error|http_response_code='(?!416)"
)


def spec(place: str) -> dict[str, Any]:
    """What a URL is to TensorStore.

    Raises:
      ValueError: on one that it does not know.
      SweepError: on a server's URL in place of a bucket's, or the reverse.
    """
    found, endpoint, region = ts.KvStore.Spec(place).to_json(), _first_set(ENDPOINTS).rstrip("/"), _first_set(REGIONS)
    if found["driver"] == "http":
        raise SweepError(f"{place} is no bucket: that is s3://bucket/name, and AWS_ENDPOINT_URL says of which server")
    if found["driver"] != "s3" or not endpoint:
        return found
    if not re.match("https?://", endpoint):
        raise SweepError(f"the endpoint {endpoint} is no URL: https://{endpoint} or http://{endpoint}?")
    return found | {"endpoint": endpoint} | ({"aws_region": region} if region else {})


def context(retries: dict[str, Any] = LATER) -> ts.Context:
    """How often requests are tried again, and whose keys they show."""
    for name, value in GIVEN_UP.items():
        os.environ.setdefault(name, value)
    if server := os.environ.get("STORAGE_EMULATOR_HOST"):
        os.environ["TENSORSTORE_GCS_HTTP_URL"] = server if "://" in server else f"http://{server}"
    if certificates := os.environ.get("AWS_CA_BUNDLE"):
        os.environ["TENSORSTORE_CA_BUNDLE"] = certificates
    return ts.Context(dict.fromkeys(BUCKETS.values(), retries), _keys("AWS_ACCESS_KEY_ID" in os.environ))


@cache
def _keys(in_environment: bool) -> ts.Context:
    """One for all stores, as it may ask other servers. The default looks everywhere, and says so where nothing is."""
    return ts.Context({"aws_credentials": {"type": "environment" if in_environment else "default"}})


def trouble(place: str) -> str | None:
    """What is wrong with a bucket, found within `CONTACT` seconds; None where it answers, and of a folder."""
    kvstore = spec(place)
    if kvstore["driver"] not in BUCKETS:
        return None
    try:
        found, listed = _asked(ts.KvStore.open(kvstore, context=context(FIRST)).result())
    except TimeoutError:
        return f"no answer from {kvstore.get('endpoint', 'the server')} within {CONTACT:.0f} seconds"
    except FAILURES as error:
        return meaning(error, place) or cause(error)
    if found and not listed:  # where listing is denied TensorStore takes a bucket of GCS for an empty one
        return f"objects can be read and not listed; {_whose_keys(place)}"
    return None


def _asked(root: Any) -> tuple[bool, bool]:
    """Whether what every store has is there to read, and to list. Either request tells of what the other one hides."""
    deadline = time.time() + CONTACT
    reading, listing = root.read(GROUP), root.list(ts.KvStore.KeyRange(GROUP, f"{GROUP}\0"))
    return reading.result(deadline=deadline).state == "value", bool(listing.result(deadline=deadline))


def meaning(error: Exception, place: str) -> str | None:
    """Of an error that says that a store is not reached, or not allowed: what is wrong. None of any other."""
    for pattern, text in MEANINGS if not place.startswith("file:") else ():
        if found := re.search(pattern, str(error)):
            return text.format(**found.groupdict(), keys=_whose_keys(place))
    return cause(error) if re.search(NOT_REACHED, str(error)) else None


def cause(error: Exception) -> str:
    """TensorStore's message without its codes and the trace of its own sources."""
    return re.sub(r"^[A-Z_]+: | \[[\w ]+='.*", "", str(error), flags=re.DOTALL).strip()


def _whose_keys(place: str) -> str:
    if place.startswith("gs:"):
        return "shown are the application default credentials, of GOOGLE_APPLICATION_CREDENTIALS or `gcloud auth`"
    keys = "set" if "AWS_ACCESS_KEY_ID" in os.environ else "not set"
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
    there = "there" if file.expanduser().exists() else "not there"
    return f"AWS_ACCESS_KEY_ID is {keys}, {file} is {there}"


def _first_set(names: tuple[str, ...]) -> str:
    return next((os.environ[name] for name in names if os.environ.get(name)), "")
