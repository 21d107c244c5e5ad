"""Rules over the past: in the process, and by a server over the same samples, with the same result."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

import lapwing
from lapwing import AlertRule, MetricsCollector
from lapwing._child import answers

MINUTES = 180
ANOMALY = {"anomaly": {"of": "bt_latency", "over": "1h"}, "severity": "critical"}
THRESHOLD = {"condition": "bt_latency > 40", "duration": "2m"}


def history(now_ms):
    """A steady quantity, with ten odd minutes two hours later."""
    return [(now_ms - (MINUTES - m) * 60_000, 10.0 + m % 3 + (80.0 if 140 <= m < 150 else 0.0)) for m in range(MINUTES)]


@pytest.fixture
def now_ms():
    # The last whole minute: slots and samples stand at the same instants, whoever asks.
    return time.time_ns() // 60_000_000_000 * 60_000


@pytest.fixture
def collector(now_ms):
    made = MetricsCollector()
    for at, value in history(now_ms):
        made._store.append("bt_latency", {"model": "a"}, at, value, now_ms)
    return made


def told(events):
    return [(e["kind"], e["labels"].get("model")) for e in events if e["kind"] in ("firing", "resolved")]


def test_an_anomaly_that_is_recorded_is_found(collector):
    """An anomaly rule records its scores and alerts on what it recorded: over the past, too."""
    rule = AlertRule("odd", **ANOMALY)
    events = rule.backtest(collector, hours=3)
    assert told(events)[:2] == [("firing", "a"), ("resolved", "a")], events
    took_s = (events[-1]["at_ms"] - events[0]["at_ms"]) / 1000
    assert 300 <= took_s <= 3600, events
    # Nothing of it is left in the collector.
    assert collector.query("count(lapwing_anomaly_score)") == []
    assert told(AlertRule("high", **THRESHOLD).backtest(collector, 3)) == [("firing", "a"), ("resolved", "a")]


def test_an_engine_and_the_client_of_it(now_ms):
    with lapwing.init(embedded=True) as client:
        store = client._engine.store()
        for at, value in history(now_ms):
            store.append("bt_latency", {"model": "a"}, at, value, now_ms)
        assert told(AlertRule("high", **THRESHOLD).backtest(3)) == told(AlertRule("high", **THRESHOLD).backtest(client, 3)) == [("firing", "a"), ("resolved", "a")]


def test_a_server_says_the_same(tmp_path, collector, now_ms):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{s.getsockname()[1]}"
    env = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PATH": "/usr/bin:/bin"}
    server = subprocess.Popen([sys.executable, "-m", "lapwing", "serve", "--memory", "--listen", url.removeprefix("http://"), "--log-level", "error"], cwd=tmp_path, env=env)
    try:
        deadline = time.monotonic() + 30
        while not answers(url):
            assert time.monotonic() < deadline and server.poll() is None
            time.sleep(0.05)
        points = history(now_ms)
        line = {"metric": {"__name__": "bt_latency", "model": "a"}, "timestamps": [t for t, _ in points], "values": [v for _, v in points]}
        urllib.request.urlopen(urllib.request.Request(f"{url}/api/v1/import", json.dumps(line).encode())).read()
        with lapwing.init(url, interval=60) as client:
            for rule in (AlertRule("odd", **ANOMALY), AlertRule("high", **THRESHOLD)):
                here, there = rule.backtest(collector, 3), rule.backtest(client, 3)
                assert told(here) == told(there) != [], (here, there)
                # Each has its own now, and a step of a minute.
                assert all(abs(a["at_ms"] - b["at_ms"]) <= 60_000 for a, b in zip([e for e in here if e["kind"] in ("firing", "resolved")], there))
            with pytest.raises(ValueError, match="answered 400"):
                client.backtest({"name": "x", "condition": "up >"}, now_ms - 60_000, now_ms, 1_000)
    finally:
        server.terminate()
        assert server.wait(20) == 0


def test_what_cannot_be_looked_at_is_said(collector):
    rule = AlertRule("high", **THRESHOLD)
    with pytest.raises(ValueError, match="needs a past"):
        rule.backtest()
    with pytest.raises(TypeError, match="collector"):
        rule.backtest({"bt_latency": 1})
    for wrong in ({"hours": 0}, {"step": 0}, {"hours": float("nan")}):
        with pytest.raises(ValueError, match="more than nothing"):
            rule.backtest(collector, **wrong)
