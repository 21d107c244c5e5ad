"""What all tests share: a server that records what it is sent, and a clean end."""

from __future__ import annotations

import http.server
import threading
from typing import Any, Iterator

import pytest

import lapwing


class Recorder:
    """A server on a port of its own that answers everything with one status."""

    def __init__(self, status: int = 204, port: int = 0):
        self.requests: list[tuple[str, str, bytes]] = []
        self.status = status
        self.kind = "text/plain"
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.requests.append((self.command, self.path, body))
                self.send_response(outer.status)
                self.send_header("content-type", outer.kind)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST = _answer

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_client_is_left() -> Iterator[None]:
    yield
    lapwing.shutdown(0.5)


@pytest.fixture
def dead_url() -> str:
    """An address at which nobody listens."""
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}"
