"""A small server of Google's Cloud Storage: objects in memory, with generations and their conditions, lists in pages.

Buckets are there whose names do not begin with "no-"; of "fails-403" and the like that status is all one gets.
`python tests/gcs_server.py` prints its port.

https://cloud.google.com/storage/docs/json_api/v1/objects
"""

import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = 7  # names, so that every list is of several pages

Key = tuple[str, str]  # a bucket and a name
objects: dict[Key, tuple[int, bytes]] = {}  # generation and content
generations = itertools.count(1)
lock = threading.Lock()


class Refused(Exception):
    """A status, and why."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        self.asked = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        found = re.fullmatch(r"/(?:upload/|download/)?storage/v1/b/([^/]+)(?:/o(?:/(.+))?)?", url.path)
        try:
            if found is None:
                raise Refused(400, f"no such request: {self.path}")
            bucket, name = found[1], unquote(found[2] or self.asked.get("name", ""))
            admit(bucket)
            with lock:
                self.of_object((bucket, name), body) if name else self.send_json(self.listed(bucket))
        except Refused as refused:
            status, why = refused.args
            self.send_json({"error": {"code": status, "message": why}}, status)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815, the names that http.server looks for

    def of_object(self, key: Key, body: bytes) -> None:
        generation, content = objects.get(key, (0, b""))
        self.check(generation)
        if self.command == "POST":
            objects[key] = next(generations), body
            self.send_json(about(key))
        elif key not in objects:
            raise Refused(404, f"No such object: {'/'.join(key)}")
        elif self.command == "DELETE":
            del objects[key]
            self.send(204, b"")
        elif self.asked.get("alt") == "media":
            self.send_content(generation, content)
        else:
            self.send_json(about(key))

    def check(self, generation: int) -> None:
        """The conditions of a request; generation 0 is that of no object."""
        if int(self.asked.get("ifGenerationMatch", generation)) != generation:
            raise Refused(412, "conditionNotMet")
        if self.command == "GET" and self.asked.get("ifGenerationNotMatch") == str(generation):
            raise Refused(304, "not modified")

    def listed(self, bucket: str) -> dict[str, Any]:
        asked = self.asked
        start, end = (
            max(asked.get("startOffset", ""), asked.get("pageToken", "")),
            asked.get("endOffset") or "\U0010ffff",
        )
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter")
        names = sorted(name for of, name in objects if of == bucket and start <= name < end and name.startswith(prefix))
        page, rest = names[:PAGE], names[PAGE:]
        folders = {name: name[len(prefix) :].partition(delimiter) for name in page} if delimiter else {}
        deeper = {name for name, (_, found, _) in folders.items() if found}
        listed = {
            "kind": "storage#objects",
            "items": [about((bucket, name)) for name in page if name not in deeper],
            "prefixes": sorted({prefix + folders[name][0] + folders[name][1] for name in deeper}),
        }
        return listed | ({"nextPageToken": rest[0]} if rest else {})

    def send_content(self, generation: int, content: bytes) -> None:
        status, more = 200, {"x-goog-generation": str(generation)}
        if wanted := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or ""):
            first, last = wanted[1], wanted[2]
            start = int(first) if first else max(len(content) - int(last), 0)
            stop = min(int(last) + 1, len(content)) if first and last else len(content)
            status, more["Content-Range"] = 206, f"bytes {start}-{stop - 1}/{len(content)}"
            content = content[start:stop]
        self.send(status, content, "application/octet-stream", more)

    def send_json(self, value: Any, status: int = 200) -> None:
        self.send(status, b"" if status == 304 else json.dumps(value).encode())

    def send(
        self, status: int, body: bytes, kind: str = "application/json", more: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def admit(bucket: str) -> None:
    if found := re.fullmatch(r"fails-(\d+)", bucket):
        raise Refused(int(found[1]), "as its name says.")
    if bucket.startswith("no-"):
        raise Refused(404, "The specified bucket does not exist.")


def about(key: Key) -> dict[str, str]:
    (bucket, name), (generation, content) = key, objects[key]
    now = "2000-01-01T00:00:00.000Z"
    known = {"generation": str(generation), "metageneration": "1", "size": str(len(content)), "updated": now}
    return {"kind": "storage#object", "bucket": bucket, "name": name, "timeCreated": now, **known}


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
