"""The panel as a page of this machine: a few files and one address that answers, for whoever has the token.

What protects a person's models from other pages in the same browser: it listens on loopback alone; the Host header
must name loopback (a rebound name does not); a request from another origin is refused, and no header ever allows one;
the page and every question need the token; a body has a length, bounded, and is read after the
token.
"""

import hmac
import ipaddress
import json
import re
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lrgan_jax.base.errors import InputError
from lrgan_jax.panel.models import Models
from lrgan_jax.panel.studio import Studio
from lrgan_jax.panel.wire import LARGEST_FILE

PAGE = Path(__file__).parent / "page"
LARGEST_REQUEST = LARGEST_FILE * 4 // 3 + 2**20  # bytes: a photograph as base64, and some words
KINDS = {".js": "text/javascript", ".css": "text/css"}
FILES = {f"/{path.relative_to(PAGE).as_posix()}" for path in PAGE.rglob("*") if path.suffix in KINDS}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Refused(Exception):
    """A request that is not answered: a status and one line."""

    def __init__(self, status: HTTPStatus, why: str):
        super().__init__(why)
        self.status = status


class Server(ThreadingHTTPServer):
    """Answers for one studio, or several models, until `shutdown`.

    Args:
      host: a loopback address. port: 0 takes a free one.
    Raises:
      InputError: on an address that other machines could reach. OSError: on a port in use.
    """

    daemon_threads = True

    def __init__(self, studio: Studio | Models, token: str, *, host: str = "127.0.0.1", port: int = 0):
        if not is_loopback(host):
            raise InputError(
                f"{host} can be reached from other machines; the panel listens on 127.0.0.1, ::1 or localhost only"
            )
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.studio, self.token, self.one_at_a_time = studio, token, threading.Lock()
        super().__init__((host, port), Handler)

    @property
    def url(self) -> str:
        """The page's address, token included."""
        host, port = self.server_address[:2]
        return f"http://{f'[{host}]' if ':' in str(host) else host}:{port}/?token={self.token}"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    server_version, sys_version = "lrgan", ""
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a client may keep a connection without a word

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _get(self) -> tuple[str, bytes]:
        address = urlsplit(self.path)
        if address.path in FILES:
            return KINDS[Path(address.path).suffix], (PAGE / address.path[1:]).read_bytes()
        if address.path != "/":
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        self._check_token(parse_qs(address.query).get("token", [""])[0])
        return "text/html", (PAGE / "page.html").read_bytes()

    def _post(self) -> tuple[str, bytes]:
        if self.path != "/ask":
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        self._check_token(self.headers.get("X-Token", ""))
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "requests are JSON")
        try:
            request = json.loads(self._body())
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, "the request is not JSON") from error
        with self.server.one_at_a_time:
            reply = self.server.studio.reply(request)
        if "error" in reply:
            raise Refused(HTTPStatus.BAD_REQUEST, reply["error"])
        return "application/json", json.dumps(reply).encode()

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "a request has a length")
        if int(length) > LARGEST_REQUEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {LARGEST_REQUEST >> 20} MB")
        return self.rfile.read(int(length))

    def _check_origin(self) -> None:
        host = self.headers.get("Host", "")
        if not re.fullmatch(r"(localhost|127\.[\d.]+|\[::1\])(:\d+)?", host):
            raise Refused(HTTPStatus.FORBIDDEN, "this page is for this machine only")
        origin = self.headers.get("Origin")
        if origin not in (None, f"http://{host}"):
            raise Refused(HTTPStatus.FORBIDDEN, "other pages may not ask")

    def _check_token(self, token: str) -> None:
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise Refused(
                HTTPStatus.UNAUTHORIZED, "the token is missing or wrong: open the address that lrgan explore printed"
            )

    def _answer(self, method: Any) -> None:
        try:
            self._check_origin()
            kind, content, status = *method(), HTTPStatus.OK
        except Refused as refused:
            asked = self.command == "POST"
            kind, status = ("application/json" if asked else "text/plain"), refused.status
            content = (json.dumps({"error": str(refused)}) if asked else str(refused)).encode()
            self.close_connection = True  # the body of a refused request may still be on its way
        try:
            self._send(kind, content, status)
        except ConnectionError:  # the page was closed or loaded again meanwhile
            self.close_connection = True

    def _send(self, kind: str, content: bytes, status: HTTPStatus) -> None:
        self.send_response(status)
        for name, value in (
            HEADERS | {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(content))}
        ).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: addresses hold the token."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
