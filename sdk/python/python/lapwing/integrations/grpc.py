"""gRPC, servers and clients, with threads or with asyncio; one line each:

    grpc.server(pool, interceptors=[lapwing.integrations.grpc.server_interceptor()])
    grpc.aio.server(interceptors=[lapwing.integrations.grpc.aio_server_interceptor()])
    channel = grpc.intercept_channel(channel, lapwing.integrations.grpc.client_interceptor())
    grpc.aio.insecure_channel(address, interceptors=lapwing.integrations.grpc.aio_client_interceptors())

Calls are counted by method and code, timed, and spans that carry the caller's trace on. On a server only what is the server's fault is a failure
(UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS): a caller who asks for what is not there is no error of the model. To a client
everything but OK is one. A call that was cancelled is neither.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, AsyncIterator, Callable, Iterator

from .. import _native
from .._core import counter
from .._spans import Span
from .._text import is_cancelled
from ..tracing import extract

#: Methods that are told apart; further ones are `_other_`. Only a server that answers to any name has so many.
METHODS_MAX = 500
_SERVERS_FAULT = frozenset(("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"))
_KINDS = ("unary_unary", "stream_unary", "unary_stream", "stream_stream")


class Calls:
    """What one side counts."""

    def __init__(self, side: str, model: str):
        self._side, self._model = side, model
        self._handles: dict[str, _native.OperationHandle] = {}
        self._requests = counter(f"grpc_{side}_requests_total", f"gRPC calls that ended, as the {side} saw them.", ("method", "code"))

    def begin(self, method: Any, metadata: Any = None) -> "Call":
        name = method.decode("utf-8", "replace") if isinstance(method, bytes) else str(method)
        if name not in self._handles and len(self._handles) >= METHODS_MAX:
            name = "_other_"
        handle = self._handles.get(name)
        if handle is None:
            kind = "request" if self._side == "server" else "call"
            handle = self._handles[name] = _native.OperationHandle(kind, name, {"model": self._model})
        headers = {str(k): v for k, v in metadata or () if str(k) == "traceparent" and isinstance(v, str)}
        span = Span(f"grpc.{self._side}", {"method": name}, extract(headers))
        span.kind = self._side
        return Call(self, name, handle, span)


class Call:
    """One call that is going on. It ends once, whoever says so first."""

    __slots__ = ("_calls", "_name", "_handle", "_started", "_over", "span")

    def __init__(self, calls: Calls, name: str, handle: Any, span: Span):
        self._calls, self._name, self._handle, self.span = calls, name, handle, span
        self._started, self._over = _native.now_ns(), False

    def end(self, code: Any, error: BaseException | None = None) -> None:
        if self._over:
            return
        self._over = True
        code = _name_of(code) or "OK"
        if error is not None and code == "OK":
            code = "UNKNOWN"
        if error is not None and (is_cancelled(error) or isinstance(error, GeneratorExit)):
            code = "CANCELLED"
        self.span.attributes["code"] = code
        self._calls._requests.labels(self._name, code).inc()
        if code == "CANCELLED":
            self._handle.abandoned()
        elif code in _SERVERS_FAULT or (self._calls._side == "client" and code != "OK"):
            self.span.fail(code)
            self._handle.failed(self._started)
        else:
            self._handle.ok(self._started)

    def finish(self, code: Any, error: BaseException | None = None) -> None:
        """Ends it and its span, which is not around anything."""
        self.end(code, error)
        self.span.finish()


def _name_of(code: Any) -> str:
    """`StatusCode.OK` and the number 0 are both OK; empty where nothing was said."""
    if code is None:
        return ""
    if isinstance(code, int):
        import grpc

        return next((c.name for c in grpc.StatusCode if c.value[0] == code), "UNKNOWN")
    return str(getattr(code, "name", code))


def _code_of(context: Any) -> Any:
    """What the method said about itself; None while it has said nothing."""
    try:
        return context.code()
    except Exception:  # Contexts of tests and of old versions do not tell.
        return None


def server_interceptor(model: str = "") -> Any:
    """For `grpc.server`."""
    import grpc

    calls = Calls("server", model)

    class Interceptor(grpc.ServerInterceptor):  # type: ignore[misc]
        def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
            handler, method = continuation(handler_call_details), handler_call_details.method
            return None if handler is None else _replaced(handler, lambda inner, streams: watched(inner, calls, method, streams))

    return Interceptor()


def aio_server_interceptor(model: str = "") -> Any:
    """For `grpc.aio.server`."""
    import grpc.aio

    calls = Calls("server", model)

    class Interceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
        async def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
            handler, method = await continuation(handler_call_details), handler_call_details.method
            return None if handler is None else _replaced(handler, lambda inner, streams: watched_aio(inner, calls, method, streams))

    return Interceptor()


def _replaced(handler: Any, watch: Callable[[Any, bool], Any]) -> Any:
    for kind in _KINDS:
        inner = getattr(handler, kind, None)
        if inner is not None:
            return handler._replace(**{kind: watch(inner, kind.endswith("stream"))})
    return handler


def _metadata(context: Any) -> Any:
    try:
        return context.invocation_metadata()
    except Exception:
        return ()


def watched(inner: Callable[..., Any], calls: Calls, method: str, streams: bool) -> Callable[..., Any]:
    """A method of a server with threads; what it answers is passed on as it comes."""
    if streams:
        def stream(request: Any, context: Any) -> Iterator[Any]:
            call = calls.begin(method, _metadata(context))
            # Not around what happens in it: a generator's thread goes on to other calls, with whatever is current there.
            call.span.begin()
            try:
                yield from inner(request, context)
            except BaseException as error:
                call.finish(_code_of(context), error)
                raise
            call.finish(_code_of(context))

        return stream

    def unary(request: Any, context: Any) -> Any:
        call = calls.begin(method, _metadata(context))
        with call.span:
            try:
                answer = inner(request, context)
            except BaseException as error:
                call.end(_code_of(context), error)
                raise
            call.end(_code_of(context))
            return answer

    return unary


def watched_aio(inner: Callable[..., Any], calls: Calls, method: str, streams: bool) -> Callable[..., Any]:
    """A method of a server with asyncio: coroutines, generators of either kind, and streams that are written to the context."""
    if not (inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)):
        # It runs on a thread of grpc's own, as it would in the other server.
        return watched(inner, calls, method, streams)
    if inspect.isasyncgenfunction(inner):
        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            call = calls.begin(method, _metadata(context))
            with call.span:
                try:
                    async for answer in inner(request, context):
                        yield answer
                except BaseException as error:
                    call.end(_code_of(context), error)
                    raise
                call.end(_code_of(context))

        return stream

    async def coroutine(request: Any, context: Any) -> Any:
        call = calls.begin(method, _metadata(context))
        with call.span:
            try:
                answer = await inner(request, context)
            except BaseException as error:
                call.end(_code_of(context), error)
                raise
            call.end(_code_of(context))
            return answer

    return coroutine


def _traced(details: Any, span: Span) -> list[tuple[str, Any]]:
    """The call's metadata, with where its trace goes on unless that is said already."""
    metadata = [(k, v) for k, v in getattr(details, "metadata", None) or ()]
    return metadata if any(k == "traceparent" for k, _ in metadata) else [*metadata, ("traceparent", span.traceparent)]


def client_interceptor(model: str = "") -> Any:
    """For `grpc.intercept_channel`."""
    import grpc

    calls = Calls("client", model)

    class Details(grpc.ClientCallDetails):  # type: ignore[misc]
        def __init__(self, given: Any, metadata: Any):
            self.method, self.metadata = given.method, metadata
            self.timeout, self.credentials = getattr(given, "timeout", None), getattr(given, "credentials", None)
            self.wait_for_ready, self.compression = getattr(given, "wait_for_ready", None), getattr(given, "compression", None)

    def sent(continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        call = calls.begin(details.method)
        call.span.begin()
        try:
            answer = continuation(Details(details, _traced(details, call.span)), request)
            answer.add_done_callback(lambda done: call.finish(_code_of(done)))
        except BaseException as error:
            call.finish(None, error)
            raise
        return answer

    class Interceptor(  # type: ignore[misc]
        grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamUnaryClientInterceptor, grpc.StreamStreamClientInterceptor
    ):
        def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
            return sent(continuation, client_call_details, request)

        intercept_unary_stream = intercept_unary_unary

        def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
            return sent(continuation, client_call_details, request_iterator)

        intercept_stream_stream = intercept_stream_unary

    return Interceptor()


def aio_client_interceptors(model: str = "") -> list[Any]:
    """For `grpc.aio.insecure_channel(…, interceptors=…)`: one for each kind of call, because such a channel asks an interceptor for one kind only."""
    import asyncio

    import grpc
    import grpc.aio as aio

    calls = Calls("client", model)
    # A task that nobody holds may be collected before it has run.
    telling: set[Any] = set()

    async def told(call: Call, done: Any) -> None:
        call.finish(await done.code())

    def over(call: Call, done: Any) -> None:
        try:
            task = asyncio.get_running_loop().create_task(told(call, done))
        except RuntimeError:  # The loop has ended: what came of it is not to be known any more.
            call.finish("CANCELLED")
            return
        telling.add(task)
        task.add_done_callback(telling.discard)

    async def sent(continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        call = calls.begin(details.method)
        call.span.begin()
        metadata = aio.Metadata(*_traced(details, call.span))
        try:
            answer = await continuation(aio.ClientCallDetails(details.method, details.timeout, metadata, details.credentials, details.wait_for_ready), request)
        except BaseException as error:
            call.finish(error.code() if isinstance(error, grpc.RpcError) else None, error)
            raise
        answer.add_done_callback(functools.partial(over, call))
        return answer

    def made(base: Any, name: str) -> Any:
        async def intercept(self: Any, continuation: Any, details: Any, request: Any) -> Any:
            return await sent(continuation, details, request)

        return type("Interceptor", (base,), {name: intercept})()

    return [
        made(aio.UnaryUnaryClientInterceptor, "intercept_unary_unary"), made(aio.UnaryStreamClientInterceptor, "intercept_unary_stream"),
        made(aio.StreamUnaryClientInterceptor, "intercept_stream_unary"), made(aio.StreamStreamClientInterceptor, "intercept_stream_stream"),
    ]
