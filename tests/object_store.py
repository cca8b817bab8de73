"""A server of a folder on the loopback, as HTTP and in as much of Google's storage API as reads.

It answers those alone that bring its key, and keeps what was asked for.
"""

import contextlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BUCKET = "bucket"


class FolderServer(http.server.ThreadingHTTPServer):
    """Serves a folder; ``asked`` is the keys of objects that were found."""

    def __init__(self, folder: Path, *, key: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.key = folder, key
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        """Of the server, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FolderServer

    def do_GET(self) -> None:
        if self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            self._answer(401, b"no key")
            return
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        _, is_api, rest = parts.path.partition(f"/storage/v1/b/{BUCKET}/o")
        if is_api and not rest.strip("/"):
            self._list(query)
            return
        name = urllib.parse.unquote(rest if is_api else parts.path).strip("/")
        file = self.server.folder / name
        if not file.is_file():
            self._answer(404, b"{}")
        elif is_api and query.get("alt") != "media":
            self._answer(200, json.dumps(self._describe(name)).encode())
        else:
            self.server.asked.append(name)
            self._answer(200, file.read_bytes())

    def do_HEAD(self) -> None:
        self.do_GET()

    def _list(self, query: dict[str, str]) -> None:
        folder, prefix = self.server.folder, query.get("prefix", "")
        files = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
        items = [self._describe(name) for name in files if name.startswith(prefix)]
        self._answer(200, json.dumps({"kind": "storage#objects", "items": items}).encode())

    def _describe(self, name: str) -> dict[str, Any]:
        size = (self.server.folder / name).stat().st_size
        return {"kind": "storage#object", "name": name, "bucket": BUCKET, "size": str(size)}

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve(folder: Path, *, key: str | None = None) -> Iterator[FolderServer]:
    """Server of a folder, which ends with the block."""
    with FolderServer(folder, key=key) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
