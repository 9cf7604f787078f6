"""Serve a folder's files over HTTP on the loopback interface, so that the demo downloads as the paper scale does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pointrend.errors import MachineError


def serve_folder(folder: Path) -> contextlib.AbstractContextManager[str]:
    """Serve the plain files directly in ``folder`` until the block ends, under the base URL that it yields."""
    return serve(partial(_FileHandler, directory=str(folder)))


@contextlib.contextmanager
def serve(handler: Any) -> Iterator[str]:
    """Run a request handler on a free loopback port in a thread and yield the base URL, ``http://127.0.0.1:<port>``.

    Raises MachineError if this machine has no loopback interface or no free port.
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


class _FileHandler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def send_head(self) -> Any:
        """The file to send, or None after an error: only plain files directly in the folder are served."""
        name = unquote(urlsplit(self.path).path).removeprefix("/")
        path = Path(self.directory) / name
        if not name or "/" in name or name.startswith(".") or not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send the file; the other side may have gone."""
        with contextlib.suppress(ConnectionError):
            super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the fetching side reports what is fetched."""
