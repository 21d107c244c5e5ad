"""gRPC: `grpc.server(pool, interceptors=[lapwing.integrations.grpc.server_interceptor()])`."""

from __future__ import annotations

from typing import Any, Callable, Iterator

from .. import _native


def server_interceptor(model: str = "") -> Any:
    """Counts and times calls by method: unary and streaming."""
    import grpc

    class Interceptor(grpc.ServerInterceptor):  # type: ignore[misc]
        def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
            handler = continuation(details)
            if handler is None:
                return None
            operation = _native.OperationHandle("request", details.method, {"model": model})
            for kind in ("unary_unary", "stream_unary", "unary_stream", "stream_stream"):
                inner = getattr(handler, kind, None)
                if inner is not None:
                    return handler._replace(**{kind: watched(inner, operation, kind.endswith("stream"))})
            return handler

    return Interceptor()


def watched(inner: Callable[..., Any], operation: Any, streams: bool) -> Callable[..., Any]:
    """A method that counts; what it answers is passed on as it comes."""
    if streams:
        def stream(request: Any, context: Any) -> Iterator[Any]:
            started = _native.now_ns()
            try:
                yield from inner(request, context)
            except GeneratorExit:
                # Whoever reads had enough, or is gone.
                operation.abandoned()
                raise
            except BaseException:
                operation.failed(started)
                raise
            operation.ok(started)

        return stream

    def unary(request: Any, context: Any) -> Any:
        started = _native.now_ns()
        try:
            answer = inner(request, context)
        except BaseException:
            operation.failed(started)
            raise
        operation.ok(started)
        return answer

    return unary
