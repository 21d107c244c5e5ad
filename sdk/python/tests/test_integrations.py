"""Integrations with libraries that are there, and with stand-ins of the same protocol for those that are too heavy."""

import asyncio
import json
import logging
from collections import namedtuple

import pytest

import lapwing
from lapwing.testing import capture


def test_fastapi_and_the_dashboard():
    fastapi = pytest.importorskip("fastapi")
    client_of = pytest.importorskip("starlette.testclient").TestClient
    from lapwing.integrations.fastapi import instrument

    app = fastapi.FastAPI()

    @app.get("/items/{item}")
    async def item(item: int):
        if item == 0:
            raise fastapi.HTTPException(503)
        return {"item": item}

    instrument(app, dashboard=True, model="a")
    with capture() as seen, client_of(app) as client:
        assert client.get("/items/1", headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}).status_code == 200
        assert client.get("/items/0").status_code == 503
        assert client.get("/nowhere").status_code == 404
        assert set(client.get("/dashboard/metrics").json()) == {"request_metrics", "system_metrics", "model_metrics"}
        page = client.get("/metrics").text
    assert seen.value("http_requests_total", route="/items/{item}", status="200") == 1
    assert seen.value("lapwing_operations_total", operation="/items/{item}", outcome="error") == 1
    assert 'http_requests_total{method="GET",route="/items/{item}",status="200"}' in page
    assert any(s.trace_id == int("ab" * 16, 16) for s in lapwing.spans("http.request"))

    plain = fastapi.FastAPI()
    from lapwing.dashboard_api import router

    plain.include_router(router())
    with client_of(plain) as client:
        assert set(client.get("/dashboard/alerts").json()) == {"active_alerts", "alert_history", "alert_statistics"}


def test_applications_that_are_mounted_are_told_apart(tmp_path):
    fastapi = pytest.importorskip("fastapi")
    client_of = pytest.importorskip("starlette.testclient").TestClient
    from lapwing.integrations.fastapi import instrument

    app = fastapi.FastAPI()
    for place in ("/v1", "/v2", "/tenants/{tenant}"):
        inner = fastapi.FastAPI()

        @inner.get("/mounted/{item}")
        async def item(item: int):
            return item

        app.mount(place, inner)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    app.mount("/files", pytest.importorskip("starlette.staticfiles").StaticFiles(directory=tmp_path))
    instrument(app, metrics_path=None)
    with capture() as seen, client_of(app, root_path="/behind/a/proxy") as client:
        for path in ("/v1/mounted/1", "/v2/mounted/1", "/v2/mounted/2", "/tenants/5/mounted/1", "/tenants/6/mounted/5", "/v1/nowhere"):
            client.get(f"/behind/a/proxy{path}")
        for path in ("/files/a.txt", "/files/b.txt", "/files/none.txt"):
            client.get(f"/behind/a/proxy{path}")
    routes = ("/v1/mounted/{item}", "/v2/mounted/{item}", "/tenants/{tenant}/mounted/{item}", "/files/*", "_unmatched_")
    assert [seen.value("http_requests_total", route=route) for route in routes] == [1, 2, 2, 2, 2]


def test_flask():
    flask = pytest.importorskip("flask")
    from lapwing.integrations.flask import instrument

    app = flask.Flask(__name__)

    @app.get("/users/<name>")
    def user(name):
        return name

    instrument(app)
    with capture() as seen:
        assert app.test_client().get("/users/ann").text == "ann"
    assert seen.value("http_requests_total", route="/users/<name>", status="200") == 1
    assert seen.value("lapwing_operations_total", operation="/users/<name>", outcome="success") == 1
    assert "http_requests_total" in app.test_client().get("/metrics").text


def test_plain_wsgi():
    """What any WSGI server does: the answer is read after the application has returned, and closed."""
    from wsgiref.util import setup_testing_defaults

    from lapwing.integrations.wsgi import LapwingMiddleware

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/raise":
            raise RuntimeError("boom")
        with lapwing.span("wsgi.inside"):
            start_response("503 Busy" if environ["PATH_INFO"] == "/busy" else "200 OK", [])
        return iter([b"a", b"b"])

    def ask(path, **more):
        environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET", **more}
        setup_testing_defaults(environ)
        seen = []
        answer = watched(environ, lambda status, headers: seen.append(status))
        try:
            return b"".join(answer), seen
        finally:
            answer.close()

    watched = LapwingMiddleware(application, metrics_path="/metrics")
    with capture() as seen:
        assert ask("/", HTTP_TRACEPARENT=f"00-{'12' * 16}-{'34' * 8}-01") == (b"ab", ["200 OK"])
        assert ask("/busy") == (b"ab", ["503 Busy"])
        with pytest.raises(RuntimeError):
            ask("/raise")
    page = b"".join(watched({"PATH_INFO": "/metrics"}, lambda *_: None)).decode()
    assert 'http_requests_total{method="GET",route="wsgi",status="200"}' in page
    assert [seen.value("http_requests_total", status=s) for s in (200, 503, 500)] == [1, 1, 1]
    assert [seen.value("lapwing_operations_total", operation="wsgi", outcome=o) for o in ("success", "error")] == [1, 2]
    first, busy, raised = lapwing.spans("http.request")[-3:]
    assert first.trace_id == int("12" * 16, 16) and first.parent_id == int("34" * 8, 16) and first.kind == "server"
    assert lapwing.spans("wsgi.inside")[-2].parent_id == first.span_id
    assert (first.error, busy.error, raised.error) == (None, "status 503", "RuntimeError: boom")
    assert lapwing._spans._span.get() is None


def test_an_answer_that_breaks_off_has_failed():
    """The first line said 200, and what came after it was cut."""
    from lapwing.integrations import asgi, wsgi

    def streaming(environ, start_response):
        start_response("200 OK", [])
        yield b"a"
        if environ["PATH_INFO"] == "/broken":
            raise RuntimeError("boom")
        yield b"b"

    async def asynchronous(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("boom")

    async def nowhere(message):
        pass

    watched = wsgi.LapwingMiddleware(streaming, model="broken")
    with capture() as seen:
        with pytest.raises(RuntimeError):
            list(watched({"PATH_INFO": "/broken", "REQUEST_METHOD": "GET"}, lambda *_: None))
        # A reader who has enough is no failure.
        answer = watched({"PATH_INFO": "/", "REQUEST_METHOD": "GET"}, lambda *_: None)
        assert next(iter(answer)) == b"a"
        answer.close()
        with pytest.raises(RuntimeError):
            asyncio.run(asgi.LapwingMiddleware(asynchronous, model="broken")({"type": "http", "method": "GET", "path": "/"}, None, nowhere))
    assert [seen.value("lapwing_operations_total", model="broken", outcome=o) for o in ("error", "success")] == [2, 1]
    assert [s.error for s in lapwing.spans("http.request")[-3:]] == ["RuntimeError: boom", None, "RuntimeError: boom"]


def test_plain_asgi():
    """Without a framework: HTTP is counted, a websocket and the lifespan pass by, and a failure goes on."""
    from lapwing.integrations.asgi import LapwingMiddleware

    async def application(scope, receive, send):
        if scope["type"] != "http":
            await send({"type": f"{scope['type']}.done"})
            return
        if scope["path"] == "/raise":
            raise RuntimeError("boom")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def main():
        watched, sent = LapwingMiddleware(application, skip=("/quiet",)), []

        async def send(message):
            sent.append(message["type"])

        for scope in ({"type": "lifespan"}, {"type": "websocket", "path": "/"}, {"type": "http", "method": "GET", "path": "/quiet"},
                      {"type": "http", "method": "GET", "path": "/plain"}):
            await watched(scope, None, send)
        with pytest.raises(RuntimeError):
            await watched({"type": "http", "method": "GET", "path": "/raise"}, None, send)
        return sent

    with capture() as seen:
        sent = asyncio.run(main())
    assert sent == ["lifespan.done", "websocket.done"] + ["http.response.start", "http.response.body"] * 2
    assert [seen.value("http_requests_total", route="_unmatched_", status=s) for s in (200, 500)] == [1, 1]
    assert seen.value("http_requests_in_progress") == 0


def test_prometheus_client():
    prometheus_client = pytest.importorskip("prometheus_client")
    from lapwing.integrations.prometheus import bridge

    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("adopted", "Help.", ["x"], registry=registry).labels("1").inc(3)
    loop = bridge(registry, interval=60)
    assert 'adopted_total{x="1"} 3' in lapwing.exposition()
    loop.stop()


def test_logging():
    from lapwing.integrations.logging import install

    logger = logging.getLogger("counted")
    handler = install(logger)
    with capture() as seen:
        logger.error("x")
    logger.removeHandler(handler)
    assert seen.value("log_records_total", level="ERROR", logger="counted") == 1


def test_a_record_that_comes_twice_is_counted_once():
    import logging

    from lapwing.integrations.logging import install

    inner = logging.getLogger("twice.inner")
    handlers = [install(logging.getLogger("twice")), install(inner), install(inner)]
    try:
        with capture() as seen:
            inner.warning("a")
            inner.warning("b")
        assert seen.value("log_records_total", level="WARNING", logger="twice") == 2
    finally:
        for logger, handler in zip((logging.getLogger("twice"), inner, inner), handlers):
            logger.removeHandler(handler)



def test_structlog():
    structlog = pytest.importorskip("structlog")
    from lapwing.integrations.structlog import processor

    written = structlog.testing.LogCapture()
    logger = structlog.wrap_logger(None, processors=[processor(), written], wrapper_class=structlog.BoundLogger).bind(logger="app.db")
    with capture() as seen:
        logger.warning("slow")
        with lapwing.span("query") as span:
            logger.error("gone")
    assert seen.value("log_records_total", level="WARNING", logger="app") == 1
    assert seen.value("log_records_total", level="ERROR", logger="app") == 1
    assert "trace_id" not in written.entries[0]
    assert written.entries[1]["trace_id"] == f"{span.trace_id:032x}"


def test_torch_stand_in():
    """A stand-in with torch's protocol; an event that is not passed yet is not waited for."""
    from lapwing.integrations import torch as integration

    class Event:
        passed = False

        def __init__(self, enable_timing):
            pass

        def record(self):
            pass

        def query(self):
            return Event.passed

        def elapsed_time(self, _end):
            assert Event.passed, "the host would have waited"
            return 250.0

        def synchronize(self):
            raise AssertionError("synchronised")

    Cuda = namedtuple("Cuda", "is_available device_count memory_allocated memory_reserved Event")
    torch = namedtuple("Torch", "cuda")(Cuda(lambda: True, lambda: 2, lambda d: 100 + d, lambda d: 200, Event))
    assert integration.read_memory(torch) == 2
    with capture() as seen:
        with integration.cuda_time("forward", torch=torch, model="a"):
            pass
        assert integration.resolve() == 0
        Event.passed = True
        assert integration.resolve() == 1
    assert seen.value("lapwing_operations_total", operation="forward", outcome="success") == 1
    assert 'torch_cuda_memory_allocated_bytes{device="1"} 101' in lapwing.exposition()


def test_trainers_stand_in():
    """Stand-ins for the callbacks of transformers and Lightning."""
    from lapwing.integrations import lightning, transformers

    callback = transformers.callback("m", base=object)
    with capture() as seen:
        callback.on_step_begin(None, None, None)
        callback.on_step_end(None, None, None)
        callback.on_log(None, None, None, logs={"loss": 0.5, "text": "x"})
        other = lightning.callback("m", base=object)
        other.on_train_batch_start()
        other.on_train_batch_end(namedtuple("T", "logged_metrics")({"loss": 0.25}))
    assert seen.value("training_steps_total", model="m") == 2
    assert lapwing.gauge("training_value", labels=("model", "name")).labels("m", "loss").value == 0.25


def test_presets_are_rules_that_are_understood():
    from lapwing.integrations import ray, vllm

    for found in (vllm.preset("gpu1:8000"), ray.preset()):
        assert found["rules"] and found["scrape"]["static_configs"][0]["targets"]


def test_the_pytest_plugin(tmp_path):
    import os
    import subprocess
    import sys

    (tmp_path / "test_x.py").write_text("def test_a(): pass\ndef test_b(lapwing_capture): assert lapwing_capture.value('x') == 0\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    plugin = [] if _has_entry_point() else ["-p", "lapwing.pytest_plugin"]
    run = lambda *more: subprocess.run([sys.executable, "-m", "pytest", "-q", *plugin, *more], cwd=tmp_path, env=env, capture_output=True, text=True)  # noqa: E731
    assert run("--lapwing-save", "main").returncode == 0
    done = run("--lapwing-gate", "main")
    assert done.returncode == 0 and "gate passed" in done.stdout, done.stdout + done.stderr
    done = run("--lapwing-gate", "nope")
    assert done.returncode == 4 and "no baseline is called 'nope'" in done.stdout and "Traceback" not in done.stdout + done.stderr


def _has_entry_point():
    from importlib.metadata import entry_points

    return any(e.name == "lapwing" for e in entry_points(group="pytest11"))


def test_track_goes_over_everything():
    class Thing:
        @lapwing.track
        def method(self):
            return 1

        @lapwing.track("t_class")
        @classmethod
        def of_class(cls):
            return 2

    @lapwing.track("t_gen")
    def gen():
        yield from (1, 2)

    @lapwing.track("t_async")
    async def coroutine():
        return 3

    @lapwing.track("t_agen")
    async def agen():
        yield 4
        yield 5

    @lapwing.track("t_fail", model="a")
    def fail():
        raise KeyError("x")

    async def all_async():
        first = [x async for x in agen()]
        async for _ in agen():
            break
        return await coroutine(), first

    with capture() as seen:
        assert Thing().method() == 1 and Thing.of_class() == 2 and list(gen()) == [1, 2]
        assert asyncio.run(all_async()) == (3, [4, 5])
        with pytest.raises(KeyError):
            fail()
        with pytest.raises(KeyError):
            with lapwing.track("t_with", model="b", kind="pipeline") as op:
                op.set(tokens=3)
                raise KeyError("y")
    assert seen.value("lapwing_operations_total", outcome="error", operation="t_fail", model="a") == 1
    assert seen.value("lapwing_operations_total", outcome="error", operation="t_with", model="b", type="pipeline") == 1
    for name in ("t_class", "t_gen", "t_async"):
        assert seen.value("lapwing_operations_total", outcome="success", operation=name) == 1
    assert seen.value("lapwing_operations_total", operation="t_agen", outcome="success") >= 1
    assert op.result["metadata"]["tokens"] == 3 and op.result["error"] == "KeyError: 'y'"


def test_what_is_sent_and_thrown_into_a_generator_arrives():
    @lapwing.track("t_conversation")
    async def agen():
        heard = []
        try:
            heard.append((yield "first"))
            heard.append((yield "second"))
        except KeyError as error:
            heard.append(error.args[0])
            yield heard
        finally:
            heard.append("closed")

    kept_agen = lapwing.track("t_conversation_kept", keep=True)(agen.__wrapped__)

    @lapwing.track("t_kept_gen", keep=True)
    def gen():
        heard = yield "first"
        try:
            yield heard
        except KeyError:
            yield "caught"
        return "last"

    async def talked(to):
        conversation = to()
        assert await conversation.asend(None) == "first" and await conversation.asend("hello") == "second"
        heard = await conversation.athrow(KeyError("thrown"))
        assert heard == ["hello", "thrown"]
        await conversation.aclose()
        assert heard[-1] == "closed"

    with capture() as seen:
        asyncio.run(talked(agen))
        asyncio.run(talked(kept_agen))
        conversation = gen()
        assert next(conversation) == "first" and conversation.send("x") == "x" and conversation.throw(KeyError()) == "caught"
        with pytest.raises(StopIteration) as last:
            next(conversation)
    assert last.value.value == "last"
    for name in ("t_conversation", "t_conversation_kept", "t_kept_gen"):
        assert seen.value("lapwing_operations_total", operation=name, outcome="success") == 1, name
        assert seen.value("lapwing_operations_total", operation=name) == 1, name


def test_a_kept_generator_is_an_operation_until_its_end():
    """Its making took no time and never failed; what came after it was nobody's."""
    from lapwing._track import _current

    @lapwing.track("t_kept_failing", keep=True)
    def failing():
        with lapwing.track("t_kept_inner"):
            yield 1
        raise KeyError("late")

    @lapwing.track("t_kept_failing_async", keep=True)
    async def failing_async():
        assert _current.get().name == "t_kept_failing_async"
        yield 1
        raise KeyError("late")

    async def read():
        async for _ in failing_async():
            assert _current.get() is None

    with capture() as seen:
        steps = failing()
        next(steps)
        assert seen.value("lapwing_operations_total", operation="t_kept_failing") == 0
        with pytest.raises(KeyError):
            list(steps)
        with pytest.raises(KeyError):
            asyncio.run(read())
    for name in ("t_kept_failing", "t_kept_failing_async"):
        assert seen.value("lapwing_operations_total", operation=name, outcome="error") == 1, name
        assert seen.value("lapwing_operations_total", operation=name) == 1, name
    assert _current.get() is None


def test_a_decorator_notes_resources(monkeypatch):
    from lapwing import _core, _track

    ended = []

    class Tracker:
        running = 0

        def start(self, *given):
            return _core.tracker.start(*given)

        def end(self, *given):
            ended.append(json.loads(_core.tracker.end(*given)))
            return json.dumps(ended[-1])

    monkeypatch.setattr(_track, "tracker", Tracker())

    @lapwing.track("t_resources", resources=True)
    def work():
        return 1

    assert work() == 1 and ended[0]["name"] == "t_resources" and ended[0]["resources"]


def test_track_leaves_every_signature_as_it_is():
    """Functions whose parameters are known by name get a wrapper of the same parameters; the others one that passes on what comes."""
    marker = object()

    @lapwing.track
    def f(a, b=marker, /, c=2, *, d, e=marker):
        return a, b, c, d, e

    assert f(1, d=4) == (1, marker, 2, 4, marker)
    assert f(1, 2, 3, d=4, e=5) == (1, 2, 3, 4, 5)
    assert f(1, c=7, d=4) == (1, marker, 7, 4, marker)
    for wrong in (lambda: f(), lambda: f(a=1, d=1), lambda: f(1, d=1, z=1), lambda: f(1, 2, 3, 4, d=1)):
        with pytest.raises(TypeError, match=r"f\(\)"):
            wrong()

    @lapwing.track
    def g(*args, **kwargs):
        return args, kwargs

    assert g(1, x=2) == ((1,), {"x": 2})

    @lapwing.track
    def _lapwing_named(_lapwing_now):
        return _lapwing_now

    assert _lapwing_named(3) == 3

    class Model:
        @lapwing.track
        def __private(self, __x=1):
            return __x

        def call(self):
            return self.__private(), self.__private(5)

    assert Model().call() == (1, 5)
    assert lapwing.track(len)("abc") == 3
    import inspect

    assert str(inspect.signature(f)) == str(inspect.signature(f.__wrapped__)) and f.__doc__ is None


def test_spans_nest_deeper_than_the_interpreter_recurses():
    spans = [lapwing.span("deep").__enter__() for _ in range(3000)]
    innermost = spans[-1].trace_id
    for span in reversed(spans):
        span.finish()
    assert innermost == spans[0].trace_id
    assert len({s.trace_id for s in spans}) == 1
    assert [s.parent_id for s in spans[1:]] == [s.span_id for s in spans[:-1]]


def test_nested_operations_know_their_parents():
    with lapwing.track("outer") as outer:
        with lapwing.track("inner") as inner:
            pass
    assert inner.result["parent"] == outer.id


def outcomes(operation):
    lines = [line for line in lapwing.exposition().splitlines() if line.startswith("lapwing_operations_total") and f'operation="{operation}"' in line]
    return {line.split('outcome="')[1].split('"')[0]: float(line.split()[-1]) for line in lines}


def test_a_client_that_goes_away_is_no_failure_of_the_service():
    async def app(scope, receive, send):
        scope["endpoint"], scope["route"] = app, type("Route", (), {"path": "/slow"})
        await asyncio.sleep(60)

    async def main():
        watched = lapwing.integrations.asgi.LapwingMiddleware(app)
        task = asyncio.create_task(watched({"type": "http", "path": "/slow", "method": "GET", "headers": []}, None, None))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    found = outcomes("/slow")
    assert found["abandoned"] == 1 and found["error"] == 0
    assert 'http_requests_total{method="GET",route="/slow",status="499"} 1' in lapwing.exposition()


def test_a_stream_that_nobody_reads_to_its_end_is_no_failure():
    from lapwing.integrations.grpc import Calls, watched

    stream = watched(lambda request, context: iter(range(10)), Calls("server", ""), "/s.S/Stream", True)(None, None)
    assert next(stream) == 0
    stream.close()
    assert outcomes("/s.S/Stream") == {"success": 0, "error": 0, "abandoned": 1}


def test_work_on_a_device_that_fails_is_a_failure():
    class Event:
        def __init__(self, enable_timing):
            pass

        def record(self):
            pass

        def query(self):
            return True

        def elapsed_time(self, other):
            return 5.0

    from types import SimpleNamespace

    from lapwing.integrations.torch import cuda_time, resolve

    torch = SimpleNamespace(cuda=SimpleNamespace(Event=Event, is_available=lambda: True))

    with pytest.raises(ZeroDivisionError), cuda_time("fails_on_device", torch):
        1 / 0
    with cuda_time("fails_on_device", torch):
        pass
    resolve()
    assert outcomes("fails_on_device") == {"success": 1, "error": 1}
