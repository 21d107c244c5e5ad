"""Every documented class of the seeds does its work, method by method; the names themselves are in test_names.py, whole examples in test_seed_blocks.py."""

import asyncio
import inspect
import json
import time

import pytest

import lapwing


def work_of_a_configured_monitor(recorder, tmp_path):
    """What the settings ask for happens: collecting, checking, telling an Alertmanager, logging, plots, a page and reports."""
    recorder.status = 200
    monitor = lapwing.ComprehensiveMonitor({
        "monitoring": {
            "metrics": {"collection_interval": 0.05, "endpoint": "numbers", "storage": {"retention": "2h"}},
            "health_checks": {"check_interval": 3600, "timeout": 5},
            "alerting": {"alert_manager_url": recorder.url},
            "logging": {"level": "INFO", "format": "json", "output": str(tmp_path / "m.log")},
            "external_services": [{"name": "it", "health_url": recorder.url + "/health"}],
            "visualization": {"plots": {"types": ["line", "bar"]}, "reports": {"format": "md", "path": str(tmp_path / "reports")}, "dashboards": {"refresh": "7s"}},
        },
        "alerting": {"rules": [{"name": "w_used", "condition": "memory_usage > 0", "severity": "critical", "duration": "0s"}]},
    })
    with monitor:
        deadline = time.monotonic() + 20
        while (monitor.cycles < 3 or not recorder.requests) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert not monitor.is_monitoring and monitor.cycles >= 3
    paths = [path for _, path, _ in recorder.requests]
    # Once and not at every look; the check of the service, too, has its own interval.
    assert paths.count("/api/v2/alerts") == 1 and paths.count("/health") == 1
    posted = json.loads(next(body for _, path, body in recorder.requests if path == "/api/v2/alerts"))
    assert posted[0]["labels"]["alertname"] == "w_used" and posted[0]["labels"]["severity"] == "critical" and posted[0]["startsAt"]
    assert "checks of which" in (tmp_path / "m.log").read_text()
    assert [p.type for p in monitor.plots()] == ["line", "bar"] and 'content="7"' in monitor.dashboard().to_html()
    written = open(monitor.write_report()).read()
    assert "w_used" in written and "memory_usage" in written
    import logging

    for handler in list(logging.getLogger("lapwing").handlers):
        logging.getLogger("lapwing").removeHandler(handler)


def work_of_a_monitor_whose_rules_are_about_what_the_program_records():
    monitor = lapwing.ComprehensiveMonitor({"alerting": {"rules": [
        {"name": "w_queue", "condition": "w_queue_length > 5", "severity": "warning", "duration": "0s"},
        {"name": "w_degraded", "condition": "quality_score < 0.7", "severity": "warning", "duration": "0s"},
        {"name": "w_grows", "condition": "delta(w_queue_length[5m]) > 1", "severity": "warning", "duration": "0s"},
    ]}})
    assert asyncio.run(monitor.run_monitoring_cycle())["alerts"] == []
    assert set(monitor.alert_manager.rule_states().values()) <= {"no data", "inactive"}
    for length in (1, 9):
        monitor.metrics_collector.record_metric("w_queue_length", "gauge", length, {"queue": "a"})
    for score in (0.5, 0.7):
        monitor.metrics_collector.record_quality_metrics(score, "v1")
    found = asyncio.run(monitor.run_monitoring_cycle())
    assert sorted(a.name for a in found["alerts"]) == ["w_degraded", "w_grows", "w_queue"]
    assert found["metrics"]["quality_score"] == pytest.approx(0.6)
    assert next(a for a in found["alerts"] if a.name == "w_queue").labels["queue"] == "a"
    monitor.metrics_collector.record_metric("w_queue_length", "gauge", 2, {"queue": "a"})
    ended = asyncio.run(monitor.run_monitoring_cycle())["alerts"]
    assert ("w_queue", True) in [(a.name, a.resolved) for a in ended]


def work_of_a_schedule(tmp_path):
    monitor = lapwing.ComprehensiveMonitor({"monitoring": {"visualization": {"reports": {"schedule": "hourly", "path": str(tmp_path)}}}})
    monitor.settings.report_every_s = 3600.0
    monitor._report_at = time.monotonic() + 60
    monitor._tick()
    assert not list(tmp_path.iterdir())
    monitor._report_at = time.monotonic() - 1
    monitor._tick()
    monitor._tick()
    assert len(list(tmp_path.glob("*.html"))) == 1


def work_of_the_collector():
    c = lapwing.MetricsCollector()
    c.record_metric("w_queue", lapwing.MetricType.GAUGE, 1, {"q": "a"}, "how long")
    c.record_metric("w_queue", lapwing.MetricType.GAUGE, 2, {"q": "a"}, "how long")
    assert c.get_metric("w_queue").value == 2 and [m.value for m in c.get_metric_history("w_queue", 1)] == [1, 2]
    assert list(c.get_metrics_by_prefix("w_")) == ['w_queue{q="a"}'] and c.query("sum(w_queue)")[0]["value"][1] == 2
    assert 'w_queue{q="a"} 2' in lapwing.exposition()
    c.collect("system", "1h")
    assert c.get_metric("memory_usage").value > 0
    c.collect({"bad": lambda: 1 / 0})
    assert "ZeroDivisionError" in c.failures["bad"]
    c.stop()


def work_of_batches():
    """Seed 2's `batch_size`: so many values become one piece, and whoever asks finds those that wait."""
    pieces = []

    class Collector(lapwing.MetricsCollector):
        def _keep_waiting(self, now):
            pieces.append(len(self._waiting))
            super()._keep_waiting(now)

    c = Collector({"batch_size": 100})
    for n in range(250):
        c.record_metric("w_batch", "gauge", n, {"n": n % 5})
    assert pieces == [100, 100] and c.get_metric("w_batch").value == 249
    assert c.query("count(w_batch)")[0]["value"][1] == 5 and pieces == [100, 100, 50]
    assert sorted(m.value for m in c.get_metric_history("w_batch", 1)) == list(range(250))
    # What cannot be kept is noted: whoever recorded it has gone on.
    c.record_metric("w_batch", "gauge", 1, {"": "no name"})
    assert c.query("w_batch") and "w_batch was not kept" in c.failures["w_batch"]
    manager = lapwing.AlertManager(c, config={"rules": [{"name": "w_batched", "condition": "w_batch > 248"}]})
    assert [a.name for a in manager.check_alerts()] == ["w_batched"]
    for wrong in (0, -1, 1.5, True, 10**9):
        with pytest.raises(ValueError, match="whole number"):
            lapwing.MetricsCollector(batch_size=wrong)


def work_of_the_rules():
    collector = lapwing.MetricsCollector()
    collector.record_metric("w_lag", "gauge", 9)
    rule = lapwing.AlertRule("lag", "w_lag > 5", "critical")
    assert "PromQL" in rule.explain() and rule.severity == "critical"
    assert [e["kind"] for e in rule.backtest(collector, hours=0.001, step=1) if e["kind"] == "firing"] in ([], ["firing"])
    manager = lapwing.AlertManager(collector)
    manager.add_alert_rule(rule)
    alert = manager.check_alerts()[0]
    assert (alert.name, alert.level, alert.metric_value, alert.threshold) == ("lag", lapwing.AlertLevel.CRITICAL, 9.0, 5.0)
    assert manager.ack(alert, "ann") and alert.acknowledged_by == "ann"
    manager.silence("lag")
    collector.record_metric("w_lag", "gauge", 1)
    assert manager.check_alerts()[0].resolved


def work_of_composites():
    manager = lapwing.AlertManager(config={"rules": [
        {"name": "a", "condition": "w_x > 1"}, {"name": "b", "condition": "w_y > 1"}, {"name": "both", "condition": 'alert("a") and on () alert("b")'},
    ]})
    manager.monitor({"w_x": 2, "w_y": 2})
    names = {a.name for a in manager.monitor({"w_x": 2, "w_y": 2})}
    assert names == {"a", "b", "both"}, names


def work_of_the_availability_monitor(tmp_path):
    models = tmp_path / "models" / "m1"
    models.mkdir(parents=True)
    (models / "weights.bin").write_bytes(b"x" * 10)
    (models / "broken.part").write_bytes(b"")
    config = tmp_path / "m.json"
    log = tmp_path / "alerts.log"
    config.write_text(json.dumps({"notification_channels": ["file"], "alert_log_file": str(log), "models_path": str(tmp_path / "models"), "monitoring_interval": 0.05}))
    with lapwing.EnhancedModelAvailabilityMonitor(config) as monitor:
        deadline = time.monotonic() + 20
        while not monitor.get_monitoring_status()["cycles"] and time.monotonic() < deadline:
            time.sleep(0.01)
        status = monitor.get_monitoring_status()
        assert status["running"] and status["rule_states"]["models_corrupted"] == "firing"
        assert "models_total_count 1" in monitor.export_metrics("prometheus")
        assert json.loads(monitor.export_metrics("json"))["metrics"] and "resourceMetrics" in monitor.export_metrics("otlp")
    assert not monitor.get_monitoring_status()["running"]
    assert "models_corrupted" in log.read_text()


def work_of_the_availability_monitor_s_parts(tmp_path):
    """Seed 0 documents its steps by name."""
    import threading

    (tmp_path / "m" / "a").mkdir(parents=True)
    (tmp_path / "m" / "a" / "w.bin").write_bytes(b"x" * 1_000_000)
    (tmp_path / "m" / "a" / "empty.bin").write_bytes(b"")
    config = tmp_path / "c.json"
    config.write_text(json.dumps({"models_path": str(tmp_path / "m"), "monitoring_interval": 0.05, "notification_channels": ["console", {"type": "slack", "webhook_url": "http://127.0.0.1:1/"}]}))
    monitor = lapwing.EnhancedModelAvailabilityMonitor(config)
    assert monitor._load_config()["monitoring_interval"] == 0.05 and monitor._load_config()["metrics_retention_hours"] == 168
    before = len(monitor.alert_manager.rules)
    monitor._setup_default_alert_rules()
    assert len(monitor.alert_manager.rules) == before == 8
    assert [c["type"] for c in monitor.alert_manager.notification_channels] == ["slack"]
    monitor.alert_manager.notification_channels.clear()
    monitor._setup_notification_handlers()
    assert [c["type"] for c in monitor.alert_manager.notification_channels] == ["slack"]
    monitor.alert_manager.notification_channels.clear()
    value = lambda name: monitor.metrics_collector.get_metric(name).value
    monitor._collect_system_metrics()
    assert value("system_memory_usage_percent") > 0 and value("system_disk_usage_percent") > 0
    monitor._collect_model_metrics()
    assert value("models_total_count") == 1 and value("models_total_size_gb") == pytest.approx(0.001)
    monitor._collect_health_metrics()
    assert value("models_corrupted_count") == 1
    for failed in (False, True):
        with lapwing.track("w_fetch", kind="download_operation") as fetch, lapwing.track("w_generate", kind="model_operation") as generate:
            if failed:
                fetch.fail("gone"), generate.fail("gone")
    monitor._collect_download_metrics()
    monitor._collect_performance_metrics()
    assert 0 < value("downloads_success_rate") < 1 and 0 < value("generation_success_rate") < 1 and value("generation_avg_time_seconds") >= 0
    loop = threading.Thread(target=monitor._monitoring_loop)
    loop.start()
    deadline = time.monotonic() + 20
    while not monitor.get_monitoring_status()["cycles"] and time.monotonic() < deadline:
        time.sleep(0.01)
    monitor.stop_monitoring()
    loop.join(10)
    assert not loop.is_alive() and monitor.get_monitoring_status()["cycles"] >= 1


def work_of_the_health_checks(recorder, dead_url):
    recorder.status = 200

    def run(check):
        found = asyncio.run(check())
        assert found.duration >= 0 and found.timestamp > 0
        return found.status.value, found.message

    class Model:
        answer: object = "fine"

        async def generate_text(self, text):
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    checker = lapwing.HealthChecker({"timeout": 5, "external_services": [{"name": "up", "health_url": recorder.url}, {"name": "down", "health_url": dead_url}]}, model=Model())
    assert run(checker.check_model_health) == ("healthy", "Model inference working correctly")
    checker.model.answer = ""
    assert run(checker.check_model_health) == ("degraded", "Model inference returned empty result")
    checker.model.answer = RuntimeError("out of memory")
    assert run(checker.check_model_health) == ("unhealthy", "Model inference failed: out of memory")
    assert run(checker.check_system_health)[1].split(" - ")[0] in ("System resources normal", "Elevated resource usage", "High resource usage")
    assert run(checker.check_external_services) == ("degraded", "Some external services down: down")
    checker.config["external_services"] = [{"name": "down", "health_url": dead_url}]
    assert run(checker.check_external_services) == ("unhealthy", "All external services down: down")
    checker.database = lambda: True
    assert asyncio.run(checker.test_database_connection()) is True and run(checker.check_database_health) == ("healthy", "Database connection healthy")
    checker.database = lambda: False
    assert run(checker.check_database_health) == ("unhealthy", "Database connection failed")

    class Own(lapwing.HealthChecker):
        async def test_database_connection(self):
            raise ConnectionError("refused")

    # As the seed means it: a class of one's own says how the database is asked.
    assert run(Own({}).check_database_health) == ("unhealthy", "Database health check failed: refused")


def work_of_the_comprehensive_monitor(caplog):
    import logging

    monitor = lapwing.ComprehensiveMonitor()
    assert monitor.calculate_error_rate() == 0
    for status in ("200", "200", "200", "503"):
        monitor.metrics_collector.record_request("/", status, 0.5, "w_comprehensive")
    assert monitor.calculate_error_rate() == 0.25 and monitor.calculate_p95_latency() > 0
    monitor.update_business_metrics({"error_rate": 0.25})
    assert monitor.business_metrics.business_impact.labels("availability", "now").value == 0.75
    with caplog.at_level(logging.INFO, "lapwing"):
        monitor.log_monitoring_summary({"a": 1}, [])
    assert "1 metrics, 0 checks" in caplog.text
    assert monitor.debug_monitoring_system()["lapwing"] == lapwing.__version__


def work_of_the_performance_system_s_parts(tmp_path):
    config = tmp_path / "p.yml"
    config.write_text("sample_interval: 3600\nthresholds: {slow_s: 5}\n")
    with lapwing.PerformanceMonitoringSystem(config) as system:
        assert system._load_config(config)["thresholds"] == {"slow_s": 5} and system._load_config(None)["sample_interval"] == 30
        assert set(system._calculate_resource_trends().values()) == {"too_few_readings"}
        for _ in range(12):
            assert system.resource_monitor._capture_snapshot().memory_percent > 0
        assert system._calculate_resource_trends()["memory"] in ("increasing", "decreasing", "stable")
        assert set(system.get_dashboard_data(True)) >= {"performance_summary", "resource_trends", "bottlenecks", "recommendations"}
    with pytest.raises(ValueError, match="unknown settings smaple"):
        config.write_text("smaple: 1\n")
        lapwing.PerformanceMonitoringSystem(config)


def work_of_the_notifier(recorder, tmp_path):
    service = lapwing.NotificationService({"hook": {"type": "webhook", "url": recorder.url + "/w"}})
    recorder.status = 200
    told = service.send_notifications([lapwing.Alert("slow", name="lag")], ["hook", {"type": "slack", "webhook_url": recorder.url + "/s", "channel": "#a"},
                                                                        {"type": "file", "path": str(tmp_path / "a.log")}])
    assert [t["delivered"] for t in told] == [True, True, True], told
    assert [p for _, p, _ in recorder.requests] == ["/w", "/s"] and b'"lag"' in recorder.requests[0][2]


def work_of_sending(recorder):
    """Seed 1's manager, step by step: its messages are dictionaries, its channels those of its configuration."""
    recorder.status = 200
    slack = {"type": "slack", "webhook_url": recorder.url + "/slack", "channel": "#alerts"}
    manager = lapwing.AlertManager({"rules": [{"name": "w_slow", "condition": "p95_latency > 2.0", "severity": "warning", "duration": "2m"}], "notifications": [slack]})
    assert [r.name for r in manager.load_alert_rules()] == ["w_slow"] and manager.load_notification_channels() == [slack]
    message = {"alert_name": "w_slow", "severity": "critical", "message": "Alert w_slow triggered: p95_latency > 2.0", "metrics": {"p95_latency": 3}, "timestamp": time.time()}

    async def all_of_them():
        yield await manager.send_alert(manager.rules[0], {"p95_latency": 3})
        yield await manager.send_resolution(manager.rules[0], {"p95_latency": 1})
        yield [await manager.send_notification(slack, message)]
        yield [await manager.send_slack_notification({"webhook_url": recorder.url + "/slack"}, message)]
        yield [await manager.send_pagerduty_notification({"service_key": "k", "url": recorder.url + "/pagerduty"}, message)]
        yield [await manager.send_email_notification({"smtp_server": "127.0.0.1", "smtp_port": 1, "username": "a@b.c", "require_tls": False}, message)]

    async def collected():
        return [answer async for answer in all_of_them()]

    answers = asyncio.run(collected())
    assert [a[0]["delivered"] for a in answers] == [True, True, True, True, True, False], answers
    assert answers[-1][0]["reason"], "why the mail was not sent"
    bodies = [(path, body) for _, path, body in recorder.requests]
    assert [path for path, _ in bodies] == ["/slack"] * 4 + ["/pagerduty"]
    assert all(b"w_slow" in body for _, body in bodies) and b"#alerts" in bodies[0][1] and b"resolve" in bodies[1][1].lower()
    assert len(manager.alert_history) == 1
    told = []
    manager.add_notification_handler(told.append)
    manager._send_notifications(manager.alert_history[0])
    assert told == [manager.alert_history[0]]


def work_of_the_analyzer():
    tracker, monitor = lapwing.PerformanceTracker(), lapwing.SystemResourceMonitor(60)
    with tracker.operation("download_operation", "get", {"url": "x"}):
        snapshot = monitor.get_current_usage()
    assert snapshot.memory_percent > 0 and monitor.get_resource_history(1)
    assert tracker._capture_resource_usage()["process_memory_bytes"] > 0
    analyzer = lapwing.PerformanceAnalyzer(tracker, monitor, slow_s=1e-9, slow_share_max=0)
    report = analyzer.generate_performance_report(1)
    assert report.operations_by_type == {"download_operation": 1} and str(report.bottlenecks[0]).startswith("1 of 1 operations")
    assert analyzer._calculate_resource_summary(monitor.get_resource_history(1))["max_memory_percent"] > 0
    assert analyzer._identify_bottlenecks(tracker.get_all_metrics(1), [])[0]["operations"]
    assert analyzer._generate_recommendations(tracker.get_metrics_by_type("download_operation", 1), [], report.bottlenecks)


def work_of_the_documented_features_of_alerts():
    """What seed 2 lists: threshold, anomaly, trend, composite alerts, routing."""
    collector = lapwing.MetricsCollector()
    store, now = collector._store, time.time_ns() // 1_000_000
    for minute in range(120):
        at = now - (120 - minute) * 60_000
        store.append("w_steady", {}, at, 10 + minute % 3, now)
        store.append("w_leak", {}, at, 100 + minute, now)
    store.append("w_steady", {}, now, 90, now)
    manager = lapwing.AlertManager(collector, config={"rules": [
        {"name": "threshold", "condition": "w_steady > 50", "severity": "critical"},
        {"name": "anomaly", "anomaly": {"of": "w_steady", "over": "2h"}},
        {"name": "trend", "trend": {"of": "w_leak", "over": "2h", "rises": "10%"}, "severity": "info"},
        {"name": "composite", "condition": 'alert("threshold") and on () alert("trend")'},
    ]})
    routes = {"critical": [], "rest": []}
    manager.add_alert_handler(lambda a: routes["critical" if a.level >= "critical" else "rest"].append(a.name))
    for _ in range(3):
        manager.check_alerts()
        time.sleep(0.01)
    assert {a.name for a in manager.get_active_alerts()} == {"threshold", "anomaly", "trend", "composite"}, manager.rule_states()
    assert routes["critical"] == ["threshold"] and set(routes["rest"]) == {"anomaly", "trend", "composite"}
    assert "lapwing_anomaly_score" in lapwing.AlertRule("odd", anomaly={"of": "w_steady", "over": "2h"}).explain()
    with pytest.raises(ValueError, match="over"):
        lapwing.AlertRule("wrong", trend={"of": "w_leak", "over": "never", "rises": "10%"})


def work_of_the_profiler(capsys):
    profiler = lapwing.PerformanceProfiler()
    assert profiler.stats is None and profiler.get_profile_stats() == {}

    @profiler.profile_function
    async def generate(n):
        return sum(range(n))

    assert asyncio.run(generate(1_000)) == 499_500
    # The seed reads the attribute as well as the method.
    assert profiler.stats.total_calls >= 2
    profiler.print_profile_summary()
    assert "generate" in capsys.readouterr().out
    found = next(v for k, v in profiler.get_profile_stats().items() if k[2] == "generate")
    assert set(found) == {"calls", "total_time", "cumulative_time", "time_per_call"} and found["calls"] >= 1


def work_of_the_model_servers():
    loaded = []
    server = lapwing.ProfiledModelServer("weights.bin", load_model=lambda path: loaded.append(path) or str.upper)
    assert asyncio.run(server.generate_text("hi")) == "HI" and loaded == ["weights.bin"]
    with pytest.raises(TypeError, match="load_model"):
        lapwing.ProfiledModelServer("weights.bin")

    class Tokenizer:
        def __call__(self, prompt):
            return prompt.split()

        def decode(self, tokens):
            return " ".join(tokens)

    class Model:
        def generate(self, tokens):
            return [*tokens, "there"]

    traced = lapwing.TracingModelServer(model_path=Model(), jaeger_host="localhost", tokenizer=Tokenizer())
    parent = traced.tracer.start_span("request")
    assert asyncio.run(traced.generate_text_traced(lapwing.PredictionRequest("hello"), parent_span=parent)).generated_text == "hello there"
    parent.finish()
    generated = lapwing.spans("generate_text")[-1]
    assert generated.parent_id == parent.span_id and generated.attributes["request.prompt_length"] == 5 and generated.attributes["response.length"] == 11
    plain = lapwing.TracingModelServer(lambda r: lapwing.PredictionResponse("ok", tokens_used=7))
    asyncio.run(plain.generate_text_traced(lapwing.PredictionRequest("hello")))
    assert lapwing.spans("generate_text")[-1].attributes["response.tokens_used"] == 7


def work_of_reports(tmp_path):
    tracker = lapwing.PerformanceTracker()
    tracker.end_operation(tracker.start_operation("request", "r"), False, "no")
    report = lapwing.PerformanceAnalyzer(tracker).generate_performance_report(1)
    for format in ("html", "md", "txt", "json", "pdf"):
        made = lapwing.ReportGenerator().generate(report, {"format": format, "title": "T"})
        content = open(made.save(tmp_path / f"r.{format}"), "rb").read()
        assert b"Performance" in content and b"failed" in content, format
    assert "3" in str(lapwing.ReportGenerator().generate({"n": 3}, "there are {n}"))
    with pytest.raises(ValueError, match="asks for 'm'"):
        lapwing.ReportGenerator().generate({"n": 3}, "there are {m}")
    for kind in ("line", "area", "bar", "scatter", "histogram"):
        plot = lapwing.PlotGenerator().generate({"a": [1, 2, 5], "b": [3, 1, 2]}, {"type": kind, "threshold": 2})[0]
        for end in ("svg", "png", "pdf", "html"):
            assert open(plot.save(tmp_path / f"p.{end}"), "rb").read()
    board = lapwing.DashboardCreator().create({"x": [1, 2]}, {"panels": [{"metric": "x", "title": "X"}, {"metric": "gone"}]})
    assert "no data" in board.to_html() and "<svg" in board._repr_html_() and board.update().title == board.title


def work_of_the_rest(tmp_path):
    chain = lapwing.RecoveryManager(sleep=lambda s: None)
    chain.register("x", lambda: False, max_attempts=2)
    assert chain.recover("x").attempts == 2
    status = lapwing.StatusMonitor()
    status.update()
    assert status.get_status()["overall"] in ("healthy", "degraded", "unhealthy")
    assert "mean" in dir(lapwing.PerformanceBenchmark(3, 0).run(lambda: None, "n"))
    optimizer = lapwing.PerformanceOptimizer()
    assert isinstance(optimizer.optimize(), list)
    log = lapwing.setup_logging("INFO", output=tmp_path / "a.log", name="w")
    log.info("hello %s", "you", extra={"n": 1})
    line = json.loads((tmp_path / "a.log").read_text())
    assert line["message"] == "hello you" and line["n"] == 1
    storage = lapwing.LogStorage()
    storage.store((tmp_path / "a.log").read_text().splitlines())
    assert storage.search("hello") and lapwing.LogAnalyzer().analyze(storage)["total"] == 1
    tracer = lapwing.Tracer("svc")
    parent = tracer.start_span("p")
    child = tracer.start_span("c", child_of=parent)
    child.set_tag("error", True)
    child.finish()
    parent.finish()
    assert child.trace_id == parent.trace_id and child.error
    assert lapwing.debug_monitoring_system()["lapwing"] == lapwing.__version__


@pytest.mark.parametrize("work", [v for n, v in list(globals().items()) if n.startswith("work_")], ids=lambda f: f.__name__)
def test_it_does_its_work(work, request):
    work(**{n: request.getfixturevalue(n) for n in inspect.signature(work).parameters})


def test_async_twins():
    async def main():
        async with lapwing.init(embedded=True) as client:
            client.gauge("twin").set(2)
            assert (await client.aquery("twin"))[0]["value"][1] == 2
        monitor = lapwing.AdvancedMonitor()
        await monitor.astart_monitoring(10)
        await monitor.astop_monitoring()
        assert (await lapwing.SystemResourceMonitor().aget_current_usage()).memory_percent > 0
        assert (await lapwing.PerformanceAnalyzer().agenerate_performance_report(1)).total_operations == 0
        assert (await lapwing.MetricsCollector().acollect({"n": lambda: 1}))[0].value == 1

    asyncio.run(main())


@pytest.mark.parametrize("name", [
    "AdvancedMonitor", "ProductionMonitor", "ComprehensiveMonitor", "EnhancedModelAvailabilityMonitor", "PerformanceMonitoringSystem", "SystemResourceMonitor",
    "ResourceMonitor", "StatusMonitor",
])
def test_what_starts_and_stops_has_twins_that_do_not_hold_the_loop(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def main():
        made = getattr(lapwing, name)()
        await made.astart_monitoring()
        await made.astop_monitoring()
        real, beats = made.stop_monitoring, 0

        def slow():
            time.sleep(0.2)
            real()

        # Whatever ends it takes its time.
        for word in ("stop_monitoring", "stop"):
            if hasattr(made, word):
                monkeypatch.setattr(made, word, slow)

        async def beat():
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0.01)

        async with made as same:
            assert same is made
            task = asyncio.create_task(beat())
        task.cancel()
        return beats

    assert asyncio.run(main()) >= 3


def test_everything_shows_itself_in_one_line():
    from enum import Enum

    shown = {n: getattr(lapwing, n) for n in lapwing.__all__ if inspect.isclass(getattr(lapwing, n))}
    plain = [n for n, c in shown.items() if c.__repr__ is object.__repr__ and not issubclass(c, (Enum, Exception)) and not getattr(c, "_is_protocol", False)]
    assert plain == []
    profiler, sampler = lapwing.PerformanceProfiler(), lapwing.SamplingProfiler()
    report = lapwing.gate({"latency": 2}, {"latency": 1})
    with lapwing.track("w_shown") as operation:
        pass
    made = [
        lapwing.MetricsAggregator(), lapwing.PlotGenerator(), lapwing.StatusMonitor(), lapwing.RecoveryManager(), lapwing.Tracer("svc"), lapwing.Baselines(), lapwing.LogStorage(),
        lapwing.ConfigManager({"a": 1}), lapwing.ProfiledModelServer(len), lapwing.TracingModelServer(len), lapwing.BusinessMetricsCollector(), lapwing.PerformanceAnalyzer(),
        lapwing.AlertFatiguePrevention(), lapwing.PerformanceBenchmark(), lapwing.PerformanceOptimizer(), lapwing.LogProcessor(), profiler, sampler, report, operation,
    ]
    assert all(repr(m).startswith("<") and "\n" not in repr(m) and "object at" not in repr(m) for m in made), made
    assert repr(report) == "<gate failed: 1 metrics, 1 worse>" and repr(operation).startswith("<operation w_shown ")


def test_notebooks_see_something():
    monitor = lapwing.ProductionMonitor()
    for v in (1, 2, 3):
        monitor.record_metric("w_note", v)
    assert "<svg" in monitor._repr_html_()
    collector = lapwing.MetricsCollector()
    for v in (1, 2, 3):
        collector.record_metric("w_note2", "gauge", v)
    assert "<svg" in collector._repr_html_()
    manager = lapwing.AlertManager()
    manager.trigger_alert("x")
    assert "<table" in manager._repr_html_() and "<table" in manager.alert_history[0]._repr_html_()


def test_a_series_that_is_recorded_very_often_stays_with_the_clock():
    """Its history must not run away from the clock, and the newest value is what is judged."""
    collector = lapwing.MetricsCollector()
    manager = lapwing.AlertManager(collector, config={"rules": [{"name": "w_often", "condition": "w_often >= 19999"}]})
    for n in range(20_000):
        collector.record_metric("w_often", "gauge", n)
    assert [a.name for a in manager.check_alerts()] == ["w_often"] and collector.query("w_often")[0]["value"][1] == 19_999
    assert collector._ahead_ms <= time.time() * 1000 + 1_100 and collector.get_metric("w_often").value == 19_999
    collector.record_metric("w_often", "gauge", 1)
    assert manager.check_alerts()[0].resolved


def test_labels_without_end_are_bounded_and_raise_nothing(caplog, monkeypatch):
    from lapwing import _native
    from lapwing.metrics import collector as module

    monkeypatch.setattr(module, "SERIES_MAX", 100)
    collector = lapwing.MetricsCollector()
    collector._kept = _native.Store(3_600_000, 2 << 20)
    for n in range(30_000):
        collector.record_metric("w_endless", "gauge", n, {"user": f"user-{n}-{'x' * 100}"})
    assert len(collector._newest) == len(collector._last_ms) == 100 and collector.get_metric("w_endless").value == 29_999
    assert "was not kept" in collector.failures["w_endless"] and caplog.text.count("was not kept") == 1
