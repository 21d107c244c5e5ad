"""gRPC with the library itself: servers and clients, with threads and with asyncio."""

import asyncio
import concurrent.futures
import threading

import pytest

import lapwing
from lapwing.testing import capture

grpc = pytest.importorskip("grpc")
pytest.importorskip("grpc.aio")

from lapwing.integrations.grpc import aio_client_interceptors, aio_server_interceptor, client_interceptor, server_interceptor  # noqa: E402

OK, FAILED = "success", "error"


def method(code=None):
    """What the client sends says what happens: an echo, a failure, a mistake of the caller."""
    def unary(request, context):
        if request == b"boom":
            raise RuntimeError("boom")
        if request == b"missing":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
        if request == b"down":
            context.set_code(grpc.StatusCode.UNAVAILABLE)
            return b""
        with lapwing.span("inside"):
            return request

    return unary


def streamed(request, context):
    for byte in request:
        yield bytes([byte])
    if request.endswith(b"!"):
        raise RuntimeError("boom")


def collected(requests, context):
    return b"".join(requests)


def echoed(requests, context):
    yield from requests


def service(unary, unary_stream, stream_unary, stream_stream, name):
    return grpc.method_handlers_generic_handler(name, {
        "Unary": grpc.unary_unary_rpc_method_handler(unary), "Streamed": grpc.unary_stream_rpc_method_handler(unary_stream),
        "Collected": grpc.stream_unary_rpc_method_handler(stream_unary), "Echoed": grpc.stream_stream_rpc_method_handler(stream_stream),
    })


def ended(seen, side, name, code):
    """A client learns of the end before the server's thread has counted it."""
    return seen.wait(f"grpc_{side}_requests_total", method=name, code=code)


def test_threads():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), interceptors=[server_interceptor(model="a")])
    server.add_generic_rpc_handlers((service(method(), streamed, collected, echoed, "t.Threads"),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with capture() as seen, grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
            channel = grpc.intercept_channel(plain, client_interceptor(model="a"))
            unary = channel.unary_unary("/t.Threads/Unary")
            with lapwing.span("caller") as caller:
                assert unary(b"hello") == b"hello"
            for word, code in ((b"boom", "UNKNOWN"), (b"missing", "NOT_FOUND"), (b"down", "UNAVAILABLE")):
                with pytest.raises(grpc.RpcError):
                    unary(word)
                assert ended(seen, "server", "/t.Threads/Unary", code) == 1 and ended(seen, "client", "/t.Threads/Unary", code) == 1
            assert list(channel.unary_stream("/t.Threads/Streamed")(b"abc")) == [b"a", b"b", b"c"]
            with pytest.raises(grpc.RpcError):
                list(channel.unary_stream("/t.Threads/Streamed")(b"ab!"))
            assert channel.stream_unary("/t.Threads/Collected")(iter([b"a", b"b"])) == b"ab"
            assert list(channel.stream_stream("/t.Threads/Echoed")(iter([b"a", b"b"]))) == [b"a", b"b"]
            with pytest.raises(grpc.RpcError):
                channel.unary_unary("/t.Threads/Nothing")(b"")
            assert ended(seen, "client", "/t.Threads/Nothing", "UNIMPLEMENTED") == 1
            for name in ("Streamed", "Collected", "Echoed", "Unary"):
                assert ended(seen, "server", f"/t.Threads/{name}", "OK") == ended(seen, "client", f"/t.Threads/{name}", "OK") == 1
            assert ended(seen, "server", "/t.Threads/Streamed", "UNKNOWN") == 1
    finally:
        server.stop(None)
    # What the caller did wrong is no failure of the server, and one of the client.
    of = {"operation": "/t.Threads/Unary", "model": "a"}
    assert [seen.value("lapwing_operations_total", type="request", outcome=o, **of) for o in (OK, FAILED)] == [2, 2]
    assert [seen.value("lapwing_operations_total", type="call", outcome=o, **of) for o in (OK, FAILED)] == [1, 3]
    # One trace from the caller through the client and the server to what the method did.
    trace = {s.name: s for s in lapwing.spans() if s.trace_id == caller.trace_id}
    assert [trace[n].parent_id for n in ("grpc.client", "grpc.server", "inside")] == [caller.span_id, trace["grpc.client"].span_id, trace["grpc.server"].span_id]
    assert (trace["grpc.client"].kind, trace["grpc.server"].kind) == ("client", "server")


def test_a_stream_that_its_reader_leaves_is_neither():
    gone = threading.Event()

    def endless(request, context):
        context.add_callback(gone.set)
        while not gone.is_set():
            yield b"x"

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), interceptors=[server_interceptor()])
    server.add_generic_rpc_handlers((service(method(), endless, collected, echoed, "t.Left"),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with capture() as seen, grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
            call = grpc.intercept_channel(plain, client_interceptor()).unary_stream("/t.Left/Streamed")(b"")
            assert next(call) == b"x"
            call.cancel()
            assert gone.wait(20)
            assert ended(seen, "client", "/t.Left/Streamed", "CANCELLED") == 1
    finally:
        server.stop(None)
    assert seen.value("lapwing_operations_total", operation="/t.Left/Streamed", type="call", outcome="abandoned") == 1
    assert not seen.value("lapwing_operations_total", operation="/t.Left/Streamed", type="call", outcome=FAILED)


async def aio_unary(request, context):
    if request == b"boom":
        raise RuntimeError("boom")
    if request == b"missing":
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
    if request == b"wait":
        await asyncio.sleep(60)
    with lapwing.span("inside"):
        await asyncio.sleep(0)
        return request


async def aio_streamed(request, context):
    for byte in request:
        yield bytes([byte])
    if request.endswith(b"!"):
        raise RuntimeError("boom")


async def aio_collected(requests, context):
    return b"".join([r async for r in requests])


async def aio_written(requests, context):
    async for request in requests:
        await context.write(request)


async def asyncio_program(seen):
    server = grpc.aio.server(interceptors=[aio_server_interceptor(model="a")])
    server.add_generic_rpc_handlers((service(aio_unary, aio_streamed, aio_collected, aio_written, "t.Asyncio"), service(method(), streamed, collected, echoed, "t.Mixed")))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", interceptors=aio_client_interceptors(model="a")) as channel:
            unary = channel.unary_unary("/t.Asyncio/Unary")
            with lapwing.span("caller") as caller:
                assert await unary(b"hello") == b"hello"
            for word, code in ((b"boom", "UNKNOWN"), (b"missing", "NOT_FOUND")):
                with pytest.raises(grpc.aio.AioRpcError):
                    await unary(word)
                assert await asyncio.to_thread(ended, seen, "server", "/t.Asyncio/Unary", code) == 1
                assert await asyncio.to_thread(ended, seen, "client", "/t.Asyncio/Unary", code) == 1
            assert [m async for m in channel.unary_stream("/t.Asyncio/Streamed")(b"abc")] == [b"a", b"b", b"c"]
            with pytest.raises(grpc.aio.AioRpcError):
                [m async for m in channel.unary_stream("/t.Asyncio/Streamed")(b"ab!")]
            assert await channel.stream_unary("/t.Asyncio/Collected")(iter([b"a", b"b"])) == b"ab"
            assert [m async for m in channel.stream_stream("/t.Asyncio/Echoed")(iter([b"a", b"b"]))] == [b"a", b"b"]
            with pytest.raises(grpc.aio.AioRpcError):
                await unary(b"wait", timeout=0.2)
            assert await asyncio.to_thread(ended, seen, "client", "/t.Asyncio/Unary", "DEADLINE_EXCEEDED") == 1
            call = unary(b"wait")
            await asyncio.sleep(0.05)
            call.cancel()
            # Methods that are no coroutines, on the same server.
            assert await channel.unary_unary("/t.Mixed/Unary")(b"hello") == b"hello"
            assert [m async for m in channel.unary_stream("/t.Mixed/Streamed")(b"ab")] == [b"a", b"b"]
            for name in ("Asyncio/Unary", "Asyncio/Streamed", "Asyncio/Collected", "Asyncio/Echoed", "Mixed/Unary", "Mixed/Streamed"):
                for side in ("server", "client"):
                    assert await asyncio.to_thread(ended, seen, side, f"/t.{name}", "OK") == 1, (side, name)
            assert await asyncio.to_thread(ended, seen, "client", "/t.Asyncio/Unary", "CANCELLED") == 1
            return caller
    finally:
        await server.stop(None)


def test_asyncio():
    with capture() as seen:
        caller = asyncio.run(asyncio_program(seen))
    of = {"operation": "/t.Asyncio/Unary", "model": "a"}
    assert [seen.value("lapwing_operations_total", type="request", outcome=o, **of) for o in (OK, FAILED)] == [2, 1]
    assert [seen.value("lapwing_operations_total", type="call", outcome=o, **of) for o in (OK, FAILED)] == [1, 3]
    trace = {s.name: s for s in lapwing.spans() if s.trace_id == caller.trace_id}
    assert [trace[n].parent_id for n in ("grpc.client", "grpc.server", "inside")] == [caller.span_id, trace["grpc.client"].span_id, trace["grpc.server"].span_id]


def test_methods_of_a_server_that_answers_to_any_name_are_bounded():
    from lapwing.integrations import grpc as integration

    calls = integration.Calls("server", "")
    for n in range(integration.METHODS_MAX + 50):
        calls.begin(f"/t.Any/M{n}").finish(None)
    assert len(calls._handles) == integration.METHODS_MAX + 1 and "_other_" in calls._handles
