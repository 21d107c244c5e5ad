"""A server on this machine: whether one is there, and one of this program's own that ends with it."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger("lapwing")


def answers(url: str) -> bool:
    """Whether a Lapwing is there; a moment at most."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), timeout=0.2) as connection:
            connection.settimeout(0.5)
            connection.sendall(f"GET /-/ready HTTP/1.0\r\nHost: {parts.hostname}\r\n\r\n".encode())
            return b"Lapwing" in connection.recv(4096)
    except OSError:
        return False


def start_server(data: Any) -> tuple[str, Any]:
    """Its address, and the process; it listens where only this machine can ask."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "lapwing", "serve", "--listen", f"127.0.0.1:{port}", "--log-level", "warn", "--exit-with-stdin"]
    command += ["--memory"] if data is None else ["--data", os.fspath(data)]
    # It holds the other end of a pipe: when this process is gone, however it went, the server reads the end of it and stops.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None and not answers(url):
        time.sleep(0.05)
    if process.poll() is not None:
        log.warning("lapwing: the server with the web page ended with status %s; what is recorded waits for one at %s", process.returncode, url)
    return url, process


def end_server(process: Any, at_most: float) -> None:
    """Asks it to end and takes its exit status, so that it is no zombie; one that takes longer ends by itself."""
    try:
        process.stdin.close()
    except OSError:
        pass
    process.terminate()
    try:
        process.wait(at_most)
    except subprocess.TimeoutExpired:
        log.debug("lapwing: the server is still ending")
