"""Serve a folder's files over HTTP on the loopback interface, so that the demo downloads as the paper scale does."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pointrend.errors import MachineError

_CHUNK = 1 << 16


@contextlib.contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve the plain files directly in ``folder`` and yield the base URL, ``http://127.0.0.1:<port>``.

    The system picks the port. Ranges are answered, If-Range included. The server ends with the block.
    """

    class Handler(_FileHandler):
        root = Path(folder)

    with serve(Handler) as base_url:
        yield base_url


@contextlib.contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run ``handler`` on a free loopback port in a thread and yield the base URL.

    Raises MachineError where this machine has no loopback interface or no free port.
    """
    try:
        listening = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    except OSError as problem:
        do = "bring the loopback interface up (ip link set lo up) and try again"
        raise MachineError(f"cannot serve on 127.0.0.1: {problem.strerror or problem}", do) from problem
    with listening as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _FileHandler(BaseHTTPRequestHandler):
    root: Path
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = unquote(urlsplit(self.path).path).removeprefix("/")
        path = self.root / name
        if not name or "/" in name or name.startswith(".") or not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with open(path, "rb") as stream:
            self._send(stream, path)

    def _send(self, stream: Any, path: Path) -> None:
        state = path.stat()
        size, etag = state.st_size, f'"{state.st_mtime_ns:x}-{state.st_size:x}"'
        first = self._first_byte(size, etag)
        if first is not None and first >= size:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(HTTPStatus.OK if first is None else HTTPStatus.PARTIAL_CONTENT)
        if first is not None:
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size - (first or 0)))
        self.send_header("Last-Modified", formatdate(state.st_mtime, usegmt=True))
        self.send_header("ETag", etag)
        self.end_headers()
        stream.seek(first or 0)
        with contextlib.suppress(ConnectionError):  # the other side may have gone
            while chunk := stream.read(_CHUNK):
                self.wfile.write(chunk)

    def _first_byte(self, size: int, etag: str) -> int | None:
        """Where to begin, for a range ``bytes=<first>-``; None for the whole file (which any range allows)."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None or self.headers.get("If-Range", etag) != etag:
            return None
        return int(asked[1])

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: what is fetched is reported by the fetching side."""
