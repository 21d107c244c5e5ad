"""ASGI: FastAPI, Starlette, and whatever else speaks it.

    app.add_middleware(lapwing.integrations.asgi.LapwingMiddleware)      # or: lapwing.integrations.fastapi.instrument(app)
"""

from __future__ import annotations

from typing import Any, Awaitable, Callable

from .. import _native
from .._core import counter, gauge, registry
from .._text import is_cancelled
from .._spans import _span, Span
from ..tracing import extract

#: Paths that are told apart; further ones are `_other_`, so that a scanner cannot fill the memory.
ROUTES_MAX = 500


class LapwingMiddleware:
    """Counts and times requests by method, route and status, and makes each a span (continuing the caller's trace). Answers
    `metrics_path` with the process's metrics, unless it is None."""

    def __init__(self, app: Any, *, metrics_path: str | None = None, model: str = "", skip: tuple[str, ...] = ()):
        self.app = app
        self.metrics_path = metrics_path
        self.model = model
        self.skip = skip
        self._handles: dict[str, _native.OperationHandle] = {}
        self._requests = counter("http_requests_total", "HTTP requests.", ("method", "route", "status"))
        self._running = gauge("http_requests_in_progress", "HTTP requests that are going on.")

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        if scope.get("type") != "http" or scope["path"] in self.skip:
            await self.app(scope, receive, send)
            return
        if self.metrics_path is not None and scope["path"] == self.metrics_path:
            await _answer(send, registry.exposition())
            return
        status, is_answered = 500, False

        async def watched(message: Any) -> None:
            nonlocal status, is_answered
            if message["type"] == "http.response.start":
                status, is_answered = message["status"], True
            await send(message)

        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope.get("headers", ()) if k == b"traceparent"}
        started, root = _native.now_ns(), scope.get("root_path", "")
        self._running.inc()
        with Span("http.request", {"method": scope["method"], "path": scope["path"]}, extract(headers)) as span:
            span.kind = "server"
            is_given_up = is_broken = False
            try:
                await self.app(scope, receive, watched)
            except BaseException as error:
                # Whoever asked went away: no failure of ours. 499 is nginx's word for it.
                is_given_up = is_cancelled(error)
                # What breaks off after its first line was sent has failed, whatever that line said.
                is_broken = not is_given_up
                status = 499 if is_given_up and not is_answered else status
                raise
            finally:
                self._running.dec()
                route = self._route(scope, root, status)
                span.attributes["route"], span.attributes["status"] = route, status
                if status >= 500:
                    span.fail(f"status {status}")
                self._requests.labels(scope["method"], route, status).inc()
                handle = self._handles.get(route)
                if handle is None:
                    handle = self._handles[route] = _native.OperationHandle("request", route, {"model": self.model})
                if is_given_up:
                    handle.abandoned()
                else:
                    (handle.failed if is_broken or status >= 500 else handle.ok)(started)

    def _route(self, scope: dict[str, Any], root: str, status: int) -> str:
        # The pattern, not the path: `/users/{id}` is one route, and so is a folder of files.
        pattern, mounted = getattr(scope.get("route"), "path", None), _mounted(scope, root)
        if pattern is not None:
            route = mounted + pattern
        elif scope.get("endpoint") is None or status == 404:
            route = "_unmatched_"
        else:
            route = f"{mounted}/*" if mounted else scope["path"]
        return route if route in self._handles or len(self._handles) < ROUTES_MAX else "_other_"


def _mounted(scope: dict[str, Any], root: str) -> str:
    """Where the application that answered is mounted, so that `/v1` and `/v2` of one program are told apart; with names for what its path names."""
    now = str(scope.get("root_path") or "")
    named = {str(value): "{" + name + "}" for name, value in (scope.get("path_params") or {}).items()}
    return "/".join(named.get(part, part) for part in now[len(root) :].split("/")) if now.startswith(root) else ""


async def _answer(send: Callable[[Any], Awaitable[None]], text: str) -> None:
    headers = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def current_span() -> Span | None:
    return _span.get()
