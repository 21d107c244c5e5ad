"""The package as such: its names, its types, its import, its command line."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lapwing
from lapwing._names import MODULES, NAMES

PACKAGE = Path(lapwing.__file__).parent


def test_the_types_list_what_there_is():
    text = (PACKAGE / "__init__.pyi").read_text()
    listed = set(re.findall(r"(\w+) as \1\b", text)) | set(re.findall(r"^(\w+): Gate", text, re.MULTILINE))
    assert listed == set(NAMES) | set(MODULES)
    assert (PACKAGE / "py.typed").exists()
    for name in NAMES:
        assert getattr(lapwing, name) is not None
    assert set(NAMES) <= set(dir(lapwing))
    with pytest.raises(AttributeError):
        lapwing.never_heard_of


def test_importing_pulls_in_nothing_that_is_not_needed():
    code = "import sys, lapwing; print([m for m in ('asyncio', 'cProfile', 'numpy', 'torch', 'json', 'inspect', 'urllib.request') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_arrays_are_taken_as_they_are():
    numpy = pytest.importorskip("numpy")
    histogram = lapwing.histogram("package_array_seconds", buckets=(1, 2))
    assert histogram.observe_many(numpy.array([0.5, 1.5, float("nan"), 9.0])) == 1
    assert histogram.observe_many(numpy.arange(3, dtype="float32")[::2]) == 0
    histogram.observe(numpy.float64(0.5))
    assert histogram.read()[1] == [3, 2, 1]
    with histogram.time():
        pass
    assert sum(histogram.read()[1]) == 7


def test_a_hand_turned_clock_lives_a_day_at_once():
    from lapwing import _native

    engine = _native.Engine(start_ms=1_700_000_000_000, rules=json.dumps([{"name": "never", "condition": "absent_metric > 1"}]))
    engine.advance(24 * 3600)
    assert engine.now_ms() == 1_700_000_000_000 + 24 * 3_600_000
    engine.stop()
    engine.stop()


def test_the_wheel_carries_the_server(tmp_path):
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = {"PYTHONPATH": ":".join(p for p in sys.path if p), "PATH": "/usr/bin:/bin"}
    run = lambda *args: subprocess.run([sys.executable, "-m", "lapwing", *args], cwd=tmp_path, env=env, capture_output=True, text=True)  # noqa: E731
    assert "lapwing" in run("--version").stdout
    (tmp_path / "a.json").write_text('{"latency": 1}')
    (tmp_path / "b.json").write_text('{"latency": 2}')
    assert run("gate", "check", "b.json", "--baseline", "a.json").returncode == 1
    assert run("monitor", "setup").returncode == 0
    server = subprocess.Popen([sys.executable, "-m", "lapwing", "serve", "--memory", "--listen", f"127.0.0.1:{port}", "--log-level", "error"], cwd=tmp_path, env=env)
    try:
        from lapwing._child import answers

        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while not answers(url):
            assert time.monotonic() < deadline and server.poll() is None
            time.sleep(0.05)
        with lapwing.init(url, service="tests") as client:
            assert client.mode == "remote"
            client.counter("shipped_total").inc(3)
            with lapwing.track("etl", kind="pipeline"):
                pass
            assert client.flush(20), client.status()
            found = client.query("shipped_total")
            assert found[0]["value"][1] == 3.0 and found[0]["metric"]["job"] == "tests"
            assert client.pipelines()["pipelines"]["etl"]["total_executions"] >= 1
            assert client.performance_report(1)["total_operations"] >= 1
            with pytest.raises(ValueError, match=r'answered 400: invalid parameter "query": 1:5: parse error: '):
                client.query("sum(")
            with pytest.raises(ValueError, match="unknown field `slow`"):
                client.performance_report(1, slow=3)
    finally:
        server.terminate()
        assert server.wait(20) == 0


def test_gate_files(tmp_path):
    baselines = lapwing.Baselines(tmp_path / "b")
    baselines.save("main", {"latency": [1.0, 1.1], "throughput": {"values": [5], "direction": "higher"}}, pin=True)
    with pytest.raises(ValueError, match="pinned"):
        baselines.save("main", {"latency": 2})
    assert baselines.list()[0]["name"] == "main" and baselines.list()[0]["pinned"]
    report = lapwing.gate({"latency": 3, "throughput": 5}, "main", directory=tmp_path / "b")
    assert not report and report.exit_code == 1 and report.regressions[0]["metric"] == "latency"
    assert "<failure" in Path(report.save(tmp_path / "r.xml")).read_text()
    assert "| ❌ |" in report.render("markdown") and "::error" in report.render("github")
    with pytest.raises(lapwing.GateFailed, match="latency"):
        report.raise_if_failed()
    with lapwing.init(embedded=True) as client:
        client.gauge("gate_quality").set(0.9)
        assert lapwing.gate({"a": 1}, {"a": 1}, conditions=["gate_quality > 0.8"]).passed
        assert not lapwing.gate({"a": 1}, {"a": 1}, conditions=["gate_quality > 0.95"]).passed


def test_a_gate_does_not_pass_by_ignorance(tmp_path):
    assert lapwing.gate({"acc": 0.1}, {"acc": 0.9}).regressions[0]["direction"] == "higher"
    unknown = lapwing.gate({"zorp": 0.1}, {"zorp": 0.9})
    assert not unknown and unknown.exit_code == 1 and unknown.rows[0]["direction"] is None
    for current, baseline in (({}, {"latency": 1}), ({"latency": []}, {"latency": 1}), ({"latency": 1}, {}), ({}, {})):
        report = lapwing.gate(current, baseline)
        assert not report.passed and report.exit_code == 4 and "nothing was compared" in str(report)
    monitor = lapwing.AdvancedMonitor()
    monitor.set_threshold("acc", 0.9)
    monitor.set_threshold("zorp", 0.9)
    monitor.record_metric("acc", 0.5)
    monitor.record_metric("zorp", 0.5)
    assert [a.metric_name for a in monitor.check()] == ["acc"]


def test_a_gate_takes_what_python_has_for_numbers(tmp_path):
    numpy = pytest.importorskip("numpy")
    base = {"latency": 1.0}
    for value in (numpy.mean([1.0, 1.0]), numpy.float32(1), numpy.int64(1), numpy.array(1.0), numpy.ones(3), (1, 1), [numpy.float64(1)]):
        assert lapwing.gate({"latency": value}, base).rows[0]["current"] == 1.0, value
    assert lapwing.gate({"latency": {"values": numpy.ones(2), "direction": "lower"}}, base).passed
    (tmp_path / "run.json").write_text(json.dumps({"latency": float("nan")}))
    for run in ({"latency": float("nan")}, {"latency": [1, numpy.inf]}, tmp_path / "run.json"):
        report = lapwing.gate(run, base)
        assert not report and report.exit_code == 1 and "latency" in str(report) and "not a finite number" in str(report)
    with pytest.raises(ValueError, match="'latency'.*not finite"):
        lapwing.Baselines(tmp_path).save("main", {"latency": float("nan")})
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ValueError, match="broken.json is not JSON"):
        lapwing.gate(tmp_path / "broken.json", base)


def test_a_captured_gauge_is_its_value():
    from lapwing.testing import capture

    gauge = lapwing.gauge("captured_gauge")
    gauge.set(5)
    with capture() as seen:
        gauge.set(7)
        assert seen.value("captured_gauge") == 7
    with capture() as seen:
        assert seen.value("captured_gauge") == 7


def test_a_configuration_that_is_wrong_is_named(tmp_path):
    path = tmp_path / "performance.yaml"

    def system(text):
        path.write_text(text)
        return lapwing.PerformanceMonitoringSystem(path)

    with system("sample_interval: 30s\nthresholds:\nreport_hours: 2d\n") as found:
        assert found.resource_monitor.sample_interval == 30 and found.config["thresholds"] == {} and found.config["report_hours"] == 48
    for text, says in (("sample_interval: soon", "sample_interval"), ("sample_interval: [1]", "sample_interval"), ("thresholds: 3", "thresholds"), ("a: [", "")):
        with pytest.raises(ValueError, match=f"performance.yaml: {says}"):
            system(text)


def test_a_gate_over_a_window():
    """Conditions that hold all the time, and a canary that is measured and not asked once."""
    with lapwing.init(embedded=True) as client:
        now = time.time_ns() // 1_000_000
        store = client._engine.store()
        for second in range(120):
            at = now - (120 - second) * 1_000
            for version, value in (("1", 1.0 + second % 3 / 100), ("2", 1.5 + second % 3 / 100)):
                store.append("gw_latency", {"version": version}, at, value, now)
            store.append("gw_errors", {}, at, 1.0 if second == 100 else 0.0, now)
        ranged = client.query_range('gw_latency{version="1"}', now / 1000 - 10, now / 1000, 1)
        assert len(ranged[0]["values"]) == 11 and ranged.columns()["value"][0] in (1.0, 1.01, 1.02)
        with pytest.raises(ValueError, match="step"):
            client.query_range("up", 0, 1, 0)
        old, new = ({"latency": f'gw_latency{{version="{v}"}}'} for v in "12")
        measured = lapwing.gate.measured
        report = lapwing.gate(measured(new, "1m"), measured(old, 60))
        assert not report and report.regressions[0]["noise"]["p"] < 0.01
        assert lapwing.gate(measured(old, "1m"), measured(old, "1m")).passed
        whole = {"current": {"a": 1}, "baseline": {"a": 1}, "window": "1m"}
        assert lapwing.gate(**whole, conditions=["gw_latency < 2"]).passed
        # Now it holds again: without a window nobody would know.
        assert lapwing.gate({"a": 1}, {"a": 1}, conditions=["gw_errors < 1"]).passed
        failed = lapwing.gate(**whole, conditions=["gw_errors < 1"])
        assert not failed and "60 of 61" in failed.raw["conditions"][0]["detail"]
        assert not lapwing.gate(**whole, conditions=["absent_metric < 1"])
        for wrong, says in (({"a": "absent_metric"}, "no samples"), ({"a": "gw_latency"}, "compares one")):
            with pytest.raises(ValueError, match=says):
                measured(wrong)
        with pytest.raises(ValueError, match="window"):
            lapwing.gate(**whole | {"window": 0}, conditions=["up"])
    markdown = lapwing.gate({"a": 1, "new": 2}, {"a": 1, "gone": 2}).render("markdown")
    assert markdown.count("⚠️") == 2 and markdown.count("✅") == 1


def test_spans_over_tasks():
    import asyncio

    async def child():
        with lapwing.span("s_child") as span:
            await asyncio.sleep(0)
            return span

    async def main():
        with lapwing.span("s_parent") as parent:
            children = await asyncio.gather(child(), child())
        return parent, children

    parent, children = asyncio.run(main())
    assert {c.parent_id for c in children} == {parent.span_id} and len({c.span_id for c in children}) == 2
    assert parent.to_dict()["parent_id"] is None and parent.traceparent.startswith("00-")
