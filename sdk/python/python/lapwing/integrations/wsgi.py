"""WSGI: `application = LapwingMiddleware(application)`."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator

from .. import _native
from .._core import counter, registry
from .._spans import _span, Span
from ..tracing import extract

#: Routes that are told apart.
ROUTES_MAX = 500


class LapwingMiddleware:
    """Counts and times requests by method and status, and makes each a span (continuing the caller's trace); a request lasts until its last byte was given
    out, by whichever thread."""

    def __init__(self, app: Callable[..., Iterable[bytes]], *, metrics_path: str | None = None, model: str = ""):
        self.app = app
        self.metrics_path = metrics_path
        self.model = model
        self._handles: dict[str, _native.OperationHandle] = {}
        self._requests = counter("http_requests_total", "HTTP requests.", ("method", "route", "status"))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self.metrics_path is not None and environ.get("PATH_INFO") == self.metrics_path:
            start_response("200 OK", [("content-type", "text/plain; version=0.0.4; charset=utf-8")])
            return [registry.exposition().encode()]
        started, seen = _native.now_ns(), [500]
        method = environ.get("REQUEST_METHOD", "GET")
        trace = extract({"traceparent": environ.get("HTTP_TRACEPARENT", "")})
        span = Span("http.request", {"method": method, "path": environ.get("PATH_INFO", "")}, trace).begin()
        span.kind = "server"

        def watched(status: str, headers: Any, *rest: Any) -> Any:
            seen[0] = int(status.split(" ", 1)[0])
            return start_response(status, headers, *rest)

        def done(error: BaseException | None = None) -> None:
            route = environ.get("lapwing.route") or "wsgi"
            if route not in self._handles and len(self._handles) >= ROUTES_MAX:
                route = "_other_"
            self._requests.labels(method, route, seen[0]).inc()
            handle = self._handles.get(route)
            if handle is None:
                handle = self._handles[route] = _native.OperationHandle("request", route, {"model": self.model})
            # What breaks off after its first line was sent has failed, whatever that line said.
            (handle.failed if error is not None or seen[0] >= 500 else handle.ok)(started)
            span.attributes["route"], span.attributes["status"] = route, seen[0]
            if seen[0] >= 500 and error is None:
                span.fail(f"status {seen[0]}")
            span.finish(error)

        # Around what the application does, and not around what its thread does afterwards.
        token = _span.set(span)
        try:
            answer = self.app(environ, watched)
        except BaseException as error:
            done(error)
            raise
        finally:
            _span.reset(token)
        return _Watched(answer, done)


class _Watched:
    def __init__(self, answer: Iterable[bytes], done: Callable[[BaseException | None], None]):
        self._answer, self._done, self._over = answer, done, False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer
        except BaseException as error:
            # Whoever reads may have enough.
            self._finish(None if isinstance(error, GeneratorExit) else error)
            raise
        self._finish()

    def close(self) -> None:
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                close()
        finally:
            self._finish()

    def _finish(self, error: BaseException | None = None) -> None:
        if not self._over:
            self._over = True
            self._done(error)
