"""WSGI: `application = LapwingMiddleware(application)`."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator

from .. import _native
from .._core import counter, registry


class LapwingMiddleware:
    """Counts and times requests by method and status; a request lasts until its last byte was given out."""

    def __init__(self, app: Callable[..., Iterable[bytes]], *, metrics_path: str | None = None, model: str = ""):
        self.app = app
        self.metrics_path = metrics_path
        self._handle = _native.OperationHandle("request", "wsgi", {"model": model})
        self._requests = counter("http_requests_total", "HTTP requests.", ("method", "route", "status"))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self.metrics_path is not None and environ.get("PATH_INFO") == self.metrics_path:
            start_response("200 OK", [("content-type", "text/plain; version=0.0.4; charset=utf-8")])
            return [registry.exposition().encode()]
        started, seen = _native.now_ns(), [500]

        def watched(status: str, headers: Any, *rest: Any) -> Any:
            seen[0] = int(status.split(" ", 1)[0])
            return start_response(status, headers, *rest)

        def done() -> None:
            route = environ.get("lapwing.route") or "wsgi"
            self._requests.labels(environ.get("REQUEST_METHOD", "GET"), route, seen[0]).inc()
            (self._handle.failed if seen[0] >= 500 else self._handle.ok)(started)

        try:
            answer = self.app(environ, watched)
        except BaseException:
            done()
            raise
        return _Watched(answer, done)


class _Watched:
    def __init__(self, answer: Iterable[bytes], done: Callable[[], None]):
        self._answer, self._done, self._over = answer, done, False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer
        finally:
            self._finish()

    def close(self) -> None:
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                close()
        finally:
            self._finish()

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            self._done()
