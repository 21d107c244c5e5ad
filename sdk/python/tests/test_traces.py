"""Spans: which are kept, and how they reach an OpenTelemetry endpoint, or do not, without harm."""

import asyncio
import gc
import json
import os
import time

import pytest

import lapwing
from conftest import Recorder
from lapwing import tracing
from lapwing.testing import capture


@pytest.fixture(autouse=True)
def nothing_is_left():
    lapwing._spans._spans.clear()
    yield
    tracing.configure()


def run_of(count, failing=(), slow=()):
    for n in range(count):
        try:
            with lapwing.span("outer", n=n):
                with lapwing.span("inner"):
                    if n in slow:
                        time.sleep(0.02)
                    if n in failing:
                        raise RuntimeError("no")
        except RuntimeError:
            pass


def test_everything_is_counted_and_a_share_of_whole_traces_is_kept():
    tracing.configure(share=0.2, slow=60)
    with capture() as seen:
        run_of(1_000)
    assert seen.value("lapwing_operations_total", operation="outer", outcome="success") == 1_000
    kept = lapwing.spans("outer")
    assert 120 <= len(kept) <= 280, len(kept)
    assert {s.parent_id for s in lapwing.spans("inner")} == {s.span_id for s in kept}


def test_what_failed_or_was_slow_is_kept_with_what_is_around_it():
    tracing.configure(share=0, slow=0.02)
    run_of(50, failing={7}, slow={9})
    assert [(s.name, s.error) for s in lapwing.spans()] == [
        ("inner", "RuntimeError: no"), ("outer", "RuntimeError: no"), ("inner", None), ("outer", None),
    ]
    assert {s.attributes.get("n") for s in lapwing.spans("outer")} == {7, 9}
    # A failure inside of a trace that goes on well.
    lapwing._spans._spans.clear()
    with lapwing.span("request"):
        with lapwing.span("fine"):
            pass
        with lapwing.span("cache") as cache:
            cache.fail("miss")
    assert [s.name for s in lapwing.spans()] == ["cache", "request"]


def test_who_calls_decides():
    tracing.configure(share=1, slow=60)
    for flags, kept in (("00", []), ("01", ["served"])):
        lapwing._spans._spans.clear()
        parent = tracing.extract({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-{flags}"})
        tracing.configure(share=0 if flags == "01" else 0.999999, slow=60)
        with lapwing.Tracer().start_active_span("served", child_of=parent) as span:
            pass
        assert [s.name for s in lapwing.spans()] == kept
        assert span.traceparent == f"00-{'ab' * 16}-{span.span_id:016x}-{flags}"


def test_a_span_that_is_begun_by_hand_is_around_nothing():
    tracer = lapwing.Tracer()
    first = tracer.start_span("first")
    second = tracer.start_span("second")
    active = tracer.start_active_span("active")
    inside = tracer.start_span("inside")
    for span in (inside, active, second, first):
        span.finish()
    assert first.parent_id is None and second.parent_id is None and inside.parent_id == active.span_id


@pytest.mark.parametrize("wrong", [{"share": 2}, {"share": -0.1}, {"share": float("nan")}, {"slow": -1}, {"url": "collector:4318"}, {"url": "ftp://x"}])
def test_what_makes_no_sense_is_said(wrong):
    with pytest.raises(ValueError):
        tracing.configure(**wrong)


def test_what_is_kept_is_bounded():
    class Tensor:
        """On a device: whoever looks at its numbers waits."""
        shape, device = (4, 4), "cuda:0"

        def item(self):
            raise AssertionError("the host would have waited")

        __str__ = __repr__ = item

    tensor = Tensor()
    holders = len(gc.get_referrers(tensor))
    with lapwing.span("large", prompt="p" * 5_000_000, tensor=tensor, ids=list(range(10_000)), few=[1, 2], **{f"a{n}": n for n in range(500)}) as span:
        for n in range(10_000):
            span.log_kv({"event": n, "error.object": ValueError("x")})
    assert len(span.attributes) <= 128 and len(span.attributes["prompt"]) == 4_096 and len(span.attributes["ids"]) <= 4_096
    assert span.attributes["tensor"] == "<Tensor of 4×4>" and span.attributes["few"] == [1, 2]
    assert len(span.events) == 128 and span.events[0][1]["error.object"] == "ValueError: x"
    assert len(gc.get_referrers(tensor)) <= holders


def received(recorder):
    """Spans by name, as the endpoint got them, and the attributes of what sent them."""
    found, resource = {}, {}
    for _, path, body in recorder.requests:
        assert path == "/v1/traces"
        for sent in json.loads(body)["resourceSpans"]:
            resource = {a["key"]: a["value"] for a in sent["resource"]["attributes"]}
            for scope in sent["scopeSpans"]:
                for span in scope["spans"]:
                    found.setdefault(span["name"], []).append(span)
    return found, resource


def test_spans_reach_an_endpoint(recorder):
    recorder.status = 200
    before = time.time_ns()
    with lapwing.init(embedded=True, traces=recorder.url, service="shop", trace_headers={"x-key": "k"}) as client:
        with pytest.raises(ValueError), lapwing.span("outer", model="a", n=3, share=0.5, on=True, nan=float("nan"), ids=[1, 2]) as outer:
            with lapwing.span("inner") as inner:
                inner.log_kv({"event": "cache", "hit": False})
            raise ValueError("no")
        assert client.flush(20), client.status()
        assert client.status()["spans_sent"] == 2 and client.status()["spans_waiting"] == 0
    found, resource = received(recorder)
    assert resource["service.name"] == {"stringValue": "shop"} and resource["process.pid"] == {"intValue": str(os.getpid())}
    (out,), (inn,) = found["outer"], found["inner"]
    assert (out["traceId"], out["spanId"]) == (f"{outer.trace_id:032x}", f"{outer.span_id:016x}") and "parentSpanId" not in out
    assert inn["parentSpanId"] == out["spanId"] and inn["traceId"] == out["traceId"] and inn["status"] == {"code": 0}
    assert out["status"] == {"code": 2, "message": "ValueError: no"} and out["kind"] == 1
    assert {a["key"]: a["value"] for a in out["attributes"]} == {
        "model": {"stringValue": "a"}, "n": {"intValue": "3"}, "share": {"doubleValue": 0.5}, "on": {"boolValue": True}, "nan": {"doubleValue": "NaN"},
        "ids": {"arrayValue": {"values": [{"intValue": "1"}, {"intValue": "2"}]}},
    }
    assert inn["events"][0]["name"] == "cache" and before <= int(out["startTimeUnixNano"]) <= int(inn["startTimeUnixNano"])
    assert int(inn["endTimeUnixNano"]) <= int(out["endTimeUnixNano"]) <= time.time_ns()


def test_an_endpoint_that_is_away_hangs_or_refuses_holds_up_nobody(dead_url):
    import socket

    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen(8)
        for url in (dead_url, f"http://127.0.0.1:{hanging.getsockname()[1]}"):
            tracing.configure(url, timeout=30)
            started = time.monotonic()
            run_of(20_000)
            exporter = lapwing._spans.exporter()
            assert exporter.flush(0.2) is False
            assert time.monotonic() - started < 20
            status = exporter.status()
            assert status["spans_waiting"] <= 16_384 and status["spans_dropped"] >= 40_000 - 16_384 - 512
            started = time.monotonic()
            tracing.configure()
            assert time.monotonic() - started < 2


def test_what_waited_is_sent_when_the_endpoint_is_back(dead_url):
    tracing.configure(dead_url)
    run_of(3)
    exporter = lapwing._spans.exporter()
    assert exporter.flush(20) is False and exporter.status()["spans_waiting"] == 6 and exporter.status()["traces_error"]
    server = Recorder(200, int(dead_url.rsplit(":", 1)[1]))
    try:
        assert exporter.flush(20) is True
        assert sorted(len(v) for v in received(server)[0].values()) == [3, 3]
    finally:
        server.close()


def test_what_is_refused_for_good_is_given_up(recorder):
    recorder.status = 400
    tracing.configure(recorder.url)
    run_of(3)
    exporter = lapwing._spans.exporter()
    assert exporter.flush(20) is True and exporter.status()["spans_refused"] == 6


def test_a_forked_child_sends_its_own_spans(recorder):
    from test_no_harm import program

    recorder.status = 200
    code = """
        import os, lapwing
        lapwing.init(embedded=True)
        with lapwing.span("of_the_parent"):
            pass
        pid = os.fork()
        if pid == 0:
            with lapwing.span("of_the_child"):
                pass
            ok = lapwing.init(embedded=True).flush(20)
            os._exit(0 if ok else 1)
        assert os.waitpid(pid, 0)[1] == 0
        lapwing.shutdown(20)
    """
    done, _ = program(code, LAPWING_TRACES=recorder.url)
    assert done.returncode == 0, done.stderr
    found, _ = received(recorder)
    assert {n: len(v) for n, v in found.items()} == {"of_the_parent": 1, "of_the_child": 1}


def test_a_program_that_ends_at_once_loses_no_span_and_a_wrong_variable_ends_none(recorder):
    from test_no_harm import program

    recorder.status = 200
    code = """
        import lapwing
        lapwing.init(embedded=True)
        with lapwing.span("short"):
            pass
    """
    for _ in range(5):
        done, _ = program(code, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=recorder.url + "/v1/traces")
        assert done.returncode == 0, done.stderr
        # The end of a program waits 200 ms, in which a busy machine may not have got round to it.
        if recorder.requests:
            break
    assert list(received(recorder)[0]) == ["short"]
    done, _ = program(code, LAPWING_TRACES="nonsense")
    assert done.returncode == 0 and "no spans are sent" in done.stderr


@pytest.mark.parametrize("headers, is_one", [
    ({"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, True),
    ({"traceparent": " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 "}, True),
    ({"traceparent": "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later"}, True),
    ({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later"}, False),
    ({"traceparent": "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, False),
    ({"traceparent": "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x"}, False),
    ({}, False),
])
def test_a_callers_trace_is_read_as_w3c_writes_it(headers, is_one):
    found = tracing.extract(headers)
    assert (found is not None) == is_one
    assert found is None or (found.trace_id, found.span_id, found.sampled) == (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, True)


def test_a_model_of_transformers_is_traced_in_its_parts():
    class Tensor(list):
        shape = (1, 3)

    class Tokenizer:
        def __call__(self, text, return_tensors=None, truncation=False):
            assert (return_tensors, truncation) == ("pt", False)
            return {"input_ids": text.split(), "attention_mask": [1]}

        def decode(self, tokens, skip_special_tokens=False):
            assert skip_special_tokens
            return " ".join(tokens)

    class Model:
        def generate(self, inputs=None, **kwargs):
            assert kwargs.pop("attention_mask") == [1] and inputs is None
            ids = kwargs.pop("input_ids")
            self.asked = kwargs
            return Tensor([ids + ["there"]])

    model = Model()
    server = lapwing.TracingModelServer(model, tokenizer=Tokenizer())
    answer = asyncio.run(server.generate_text_traced(lapwing.PredictionRequest("hello you", max_length=7, temperature=0.5)))
    assert answer == lapwing.PredictionResponse("hello you there", None, 3)
    assert model.asked == {"max_length": 7, "temperature": 0.5, "top_p": 1.0, "do_sample": True}
    assert [s.name for s in lapwing.spans()] == ["tokenize", "generate", "decode", "generate_text"]
    assert lapwing.spans("generate_text")[0].attributes["response.tokens_used"] == 3
