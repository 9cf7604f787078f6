"""A loopback server that behaves as a test tells it to, and remembers what it was asked."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from pointrend.archives.loopback import serve


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        """Answer and end the connection; ``length`` None declares the body's own. ``ETag=...`` sets a header."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    @property
    def first_byte(self) -> int | None:
        """Where the asked range begins; None where none is asked for."""
        asked = self.headers.get("Range")
        return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else None

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


@dataclass
class Asked:
    """What a server was asked: paths with their headers, in order."""

    url: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.requests]


@contextlib.contextmanager
def misbehaving(behave: Callable[[Request], None]) -> Iterator[Asked]:
    """Serve with ``behave`` answering every GET."""
    asked = Asked()

    class Handler(Request):
        def do_GET(self) -> None:
            asked.requests.append((self.path, dict(self.headers.items())))
            behave(self)

    with serve(Handler) as asked.url:
        yield asked


def resumable(body: bytes, cut: Callable[[int], int], etag: str = '"one"') -> Callable[[Request], None]:
    """Serve ``body`` with ranges, but cut every answer: ``cut(n)`` of the n bytes that are due are sent."""

    def behave(request: Request) -> None:
        first = request.first_byte or 0
        due = body[first:]
        headers = {"ETag": etag}
        if request.first_byte is not None:
            headers["Content_Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
        request.answer(200 if request.first_byte is None else 206, due[: cut(len(due))], len(due), **headers)

    return behave
