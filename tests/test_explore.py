"""`lrgan explore`: the page answers whoever has the token, on this machine, and refuses everyone else."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import jax
import numpy as np
import pytest

import lrgan_jax as lr
from lrgan_jax.panel.masks import pack
from lrgan_jax.panel.server import LARGEST_REQUEST, Server, is_loopback
from lrgan_jax.panel.studio import Studio
from lrgan_jax.regions import box_mask

TOKEN = "a-token"


@pytest.fixture(scope="module")
def server(small_stylegan2):
    faces = small_stylegan2.mapping(lr.sample_z(small_stylegan2, jax.random.key(0), 2))
    server = Server(Studio(small_stylegan2, faces), TOKEN)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def talk(server, method, path, body=None, **headers):
    """Status, headers and body of one request; a header of None is left out, Host among them."""
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    usual = {"Host": f"127.0.0.1:{port}"}
    if method == "POST":
        usual |= {"X-Token": TOKEN, "Content-Type": "application/json", "Content-Length": str(len(body or b""))}
    for name, value in (usual | {name.replace("_", "-"): value for name, value in headers.items()}).items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, reply.headers, content


def ask(server, request, **headers):
    return talk(server, "POST", "/ask", json.dumps(request).encode(), **headers)


def test_the_page_and_its_files(server):
    """The page for the token, its files for the page; no script of another origin may run in it, nor frame it."""
    status, headers, page = talk(server, "GET", f"/?token={TOKEN}")
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert (
        "script-src 'self'" in headers["Content-Security-Policy"]
        and "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    )
    assert headers["Referrer-Policy"] == "no-referrer" and "Access-Control-Allow-Origin" not in headers
    for name in re.findall(r'(?:src|href)="([\w.]+)"', page.decode()):
        assert talk(server, "GET", f"/{name}")[0] == 200


def test_it_answers(server):
    """From a drawing to a picture, from the page's own origin or from a program that has none."""
    own = f"http://127.0.0.1:{server.server_address[1]}"
    status, _, reply = ask(server, {"kind": "find", "face": 0, "mask": pack(box_mask(3, 4, 6, 7, 16))}, Origin=own)
    assert status == 200
    found = json.loads(reply)
    edits = [[found["found"], [0.5] * len(found["leaks"])]]
    status, _, reply = ask(server, {"kind": "render", "face": 0, "edits": edits})
    assert status == 200 and json.loads(reply)["image"].startswith("data:image/png")


def test_it_answers_under_every_name_of_this_machine(server):
    """A forwarded port has another number."""
    for host in ("localhost:8000", "127.0.0.1:1", "[::1]:99", "localhost"):
        assert ask(server, {"kind": "hello"}, Host=host, Origin=f"http://{host}")[0] == 200


@pytest.mark.parametrize("token", [None, "", "a-toke", "a-token2", "ä"])
def test_no_token_no_answer(server, token):
    assert ask(server, {"kind": "hello"}, **{"X-Token": None if token is None else token.encode()})[0] == 401
    query = "" if token is None else f"?token={'%C3%A4' if token == 'ä' else token}"
    status, _, page = talk(server, "GET", f"/{query}")
    assert status == 401 and page.decode().startswith("the token is missing or wrong")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", ""])
def test_other_origins_are_refused(server, origin):
    """Even with the token; and no header tells a browser otherwise."""
    status, headers, reply = ask(server, {"kind": "hello"}, Origin=origin)
    assert status == 403 and not [name for name in headers if name.lower().startswith("access-control")]
    assert json.loads(reply) == {"error": "other pages may not ask"}
    assert talk(server, "OPTIONS", "/ask", Origin=origin)[0] == 501


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.0.7", "", None, "[::1", "localhost@evil"],
)
def test_other_hosts_are_refused(server, host):
    """A name that was made to point here is still another name."""
    assert ask(server, {"kind": "hello"}, Host=host)[0] == 403
    assert talk(server, "GET", f"/?token={TOKEN}", Host=host)[0] == 403


@pytest.mark.parametrize("path", ["/studio.py", "/../server.py", "/panel.js/..", "/%2e%2e/server.py", "/ask"])
def test_nothing_else_is_served(server, path):
    assert talk(server, "GET", path)[0] == 404


def test_huge_uploads_are_refused_unread(server):
    """By their announced length: not one byte of the body has to come."""
    status, _, reply = talk(server, "POST", "/ask", **{"Content-Length": str(LARGEST_REQUEST + 1)})
    assert status == 413 and "at most 65 MB" in reply.decode()


@pytest.mark.parametrize("length", [None, "-1", "1e3", "²"])
def test_a_body_has_a_length(server, length):
    headers = {"Content-Length": None if length is None else length.encode()}
    assert talk(server, "POST", "/ask", **headers)[0] == 411
    assert talk(server, "POST", "/ask", Transfer_Encoding="chunked", **headers)[0] == 411


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_requests_are_json(server, body):
    assert talk(server, "POST", "/ask", body)[0] == 400


@pytest.mark.parametrize("kind", [None, "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"])
def test_forms_are_refused(server, kind):
    """What a page of another origin can send without asking first."""
    assert ask(server, {"kind": "hello"}, Content_Type=kind)[0] == 415


def test_a_bad_mask_is_a_bad_request(server):
    status, _, reply = ask(server, {"kind": "find", "face": 0, "mask": pack(np.ones((8, 8)))})
    assert status == 400 and "wants 16 x 16" in json.loads(reply)["error"]
    assert ask(server, {"kind": "hello"})[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_it_listens_to_this_machine_only(small_stylegan2, host):
    assert not is_loopback(host)
    with pytest.raises(ValueError, match="other machines"):
        Server(Studio(small_stylegan2, np.zeros((1, 12), np.float32)), TOKEN, host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_loopback_has_several_names(host):
    assert is_loopback(host)


def test_the_command(tmp_path, small_stylegan2):
    """Prints an address that answers; ends when asked, while it compiles, without a word; what is wrong is one line."""
    lr.save(tmp_path / "model", small_stylegan2)
    environment = os.environ | {"PYTHONPATH": str(Path(lr.__file__).parents[1]), "JAX_PLATFORMS": "cpu"}
    command = [
        sys.executable,
        "-m",
        "lrgan_jax",
        "explore",
        "--model",
        "model",
        "--no-browser",
        "--quiet",
        "--num-faces",
        "2",
        "--port",
    ]
    process = subprocess.Popen(
        [*command, "0", "--protect", "eyes", "mouth"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"open http://127.0.0.1:(\d+)/\?token=([\w-]{20,})\n", line)
    assert found, (line, process.stderr.read())
    connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
    connection.request("GET", f"/?token={found[2]}")
    assert connection.getresponse().status == 200
    connection.close()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and errors == ""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for more, told in (
            ([port], "--port"),
            (["0", "--method", "sefa"], "sefa"),
            (["0", "--protect", "tail"], "no region 'tail'"),
        ):
            done = subprocess.run(
                [*command, *more], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120
            )
            assert done.returncode == 1 and done.stderr.startswith(f"error: {told}") and done.stderr.count("\n") == 1
