"""What watches goes on watching, tells whom it has to tell, and refuses a setting that nobody knows: each by the name of what broke."""

import asyncio
import datetime
import fractions
import json
import logging
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import lapwing
from lapwing import AdvancedMonitor, AlertLevel, AlertManager, AlertRule, AlertRules, HealthChecker, MetricsCollector, NotificationService, ProductionMonitor, RecoveryManager
from lapwing.alerts import notification
from lapwing.logging import JsonFormatter
from lapwing.scripts.deployment import monitoring_setup


class Watched:
    """One rule over one metric, with a clock that is turned by hand."""

    def __init__(self, cooldown_minutes=5.0):
        self.now = 0.0
        self.collector = MetricsCollector()
        self.manager = AlertManager(self.collector, clock=lambda: self.now)
        self.manager.add_alert_rule(AlertRule("busy", "queue > 5", cooldown_minutes=cooldown_minutes))
        self.told = []
        self.manager.add_notification_handler(lambda alert: self.told.append(alert.status))

    def look(self, value, seconds=0.0, **labels):
        self.now += seconds
        self.collector.record_metric("queue", "gauge", value, labels)
        self.manager.check_alerts()
        return self.told


def program(code, **env):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **env},
    )


def test_what_still_fires_when_its_cooldown_ends_is_told():
    watched = Watched(cooldown_minutes=1)
    assert watched.look(9) == ["firing"]
    assert watched.look(1, 1) == ["firing", "resolved"]
    assert watched.look(9, 1) == ["firing", "resolved"]
    assert watched.look(9, 57) == ["firing", "resolved"]
    assert watched.look(9, 2) == ["firing", "resolved", "firing"]
    assert watched.look(9, 600) == ["firing", "resolved", "firing"]
    assert watched.look(1, 1) == ["firing", "resolved", "firing", "resolved"]


def test_what_still_fires_when_its_silence_ends_is_told():
    watched = Watched()
    watched.manager.silence("busy", "1m")
    assert watched.look(9) == []
    assert watched.look(9, 61) == ["firing"]


def test_nobody_is_told_of_the_end_of_what_nobody_was_told_had_begun():
    watched = Watched()
    watched.manager.silence("busy", "1m")
    assert watched.look(9) == []
    assert watched.look(1, 1) == []
    assert watched.look(1, 61) == []
    held_back = Watched()
    for value in (9, 1, 9, 1):
        held_back.look(value, 1)
    assert held_back.look(1, 600) == ["firing", "resolved"]


def test_an_end_during_a_silence_is_told_after_it():
    watched = Watched()
    assert watched.look(9) == ["firing"]
    watched.manager.silence("busy", "1m")
    assert watched.look(1, 1) == ["firing"]
    assert watched.look(1, 61) == ["firing", "resolved"]


def test_a_look_that_tells_nobody_leaves_it_to_the_next():
    watched = Watched()
    watched.collector.record_metric("queue", "gauge", 9)
    assert [a.name for a in watched.manager.check_alerts(tell=False)] == ["busy"] and watched.told == []
    watched.manager.check_alerts()
    assert watched.told == ["firing"]


def test_coroutine_handlers_are_waited_for():
    done = []

    async def page(alert):
        done.append("begun")
        for _ in range(20):
            await asyncio.sleep(0)
        done.append("told")

    manager = AlertManager({"rules": [{"name": "e", "condition": "x > 1", "severity": "critical", "duration": "0s"}]})
    manager.add_notification_handler(page)
    asyncio.run(manager.evaluate_alerts({"x": 5}))
    assert done == ["begun", "told"] and manager.handler_failures == 0


def test_coroutine_handlers_are_waited_for_by_a_comprehensive_monitor():
    done = threading.Event()

    async def page(alert):
        for _ in range(20):
            await asyncio.sleep(0)
        done.set()

    monitor = lapwing.ComprehensiveMonitor({"alerting": {"rules": [{"name": "used", "condition": "memory_usage > 0", "duration": "0s"}]}})
    monitor.alert_manager.add_notification_handler(page)
    with monitor:
        assert done.wait(30)


def test_a_coroutine_handler_that_hangs_is_not_waited_for_for_ever_and_counts():
    async def page(alert):
        await asyncio.Event().wait()

    manager = AlertManager({"rules": [{"name": "e", "condition": "x > 1"}]})
    manager.HANDLERS_S_MAX = 0.01
    manager.add_notification_handler(page)
    asyncio.run(manager.evaluate_alerts({"x": 5}))
    assert manager.handler_failures == 1


def test_a_plain_check_that_hangs_holds_up_nobody():
    checker = HealthChecker({"timeout": 0.05})
    let_go, ended, calls = threading.Event(), [], []

    def hang():
        calls.append(1)
        let_go.wait(20)
        ended.append(1)

    checker.register("hanging", hang)
    first = {c.name: c for c in checker.run()}
    again = {c.name: c for c in checker.run()}
    assert not ended, "it was waited for"
    assert first["hanging"].status.value == "unhealthy" and "0.05 s" in first["hanging"].message
    # Threads that hang do not become more and more.
    assert "not ended yet" in again["hanging"].message and calls == [1]
    let_go.set()
    checker._hanging["hanging"].join(20)
    assert {c.name: c for c in checker.run()}["hanging"].status.value == "healthy"


def test_a_check_that_hangs_does_not_stop_the_monitoring():
    let_go = threading.Event()
    monitor = lapwing.ComprehensiveMonitor({"monitoring": {"metrics": {"collection_interval": 0.01}, "health_checks": {"timeout": 0.05, "check_interval": 0.01}}})
    monitor.health_checker.register("hanging", lambda: let_go.wait(20))
    cycled = threading.Event()
    cycle = monitor._cycle

    async def counted(due):
        found = await cycle(due)
        if monitor.cycles >= 3:
            cycled.set()
        return found

    monitor._cycle = counted
    monitor.start()
    try:
        assert cycled.wait(15)
    finally:
        let_go.set()
        monitor.stop()


def test_a_check_that_hangs_does_not_hold_up_the_end_of_the_program():
    done = program("""
        import threading, lapwing
        checker = lapwing.HealthChecker({"timeout": 0.05})
        checker.register("hanging", lambda: threading.Event().wait(600))
        print([c.status.value for c in checker.run() if c.name == "hanging"])
    """)
    assert done.stdout.strip() == "['unhealthy']" and done.returncode == 0, done.stderr


def test_a_service_that_answers_drop_by_drop_is_down_and_the_others_are_not(recorder):
    import socket

    recorder.status = 200
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def drip():
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"HTTP/1.0 200 OK\r\n")
                # Always sooner than a timeout of the socket.
                while not over.wait(0.02):
                    try:
                        connection.sendall(b"x-drop: 1\r\n")
                    except OSError:
                        return

        threading.Thread(target=drip, daemon=True).start()
        dripping = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        checker = HealthChecker({"timeout": 1.5, "external_services": [{"name": "up", "health_url": recorder.url}, {"name": "dripping", "health_url": dripping}]})
        found = asyncio.run(checker.check_external_services())
        over.set()
    assert (found.status.value, found.message) == ("degraded", "Some external services down: dripping")


def worn_out(monitor):
    for n in range(65):
        monitor.record_pipeline_execution("inference", 0.1, n < 25)


def test_a_burst_of_failures_is_told_at_the_next_look():
    monitor = ProductionMonitor()
    monitor.record_pipeline_execution("inference", 0.1, True)
    # As after judging that took its share of the time for long.
    monitor._judge_after, monitor._judges_later = float("inf"), True
    worn_out(monitor)
    assert not monitor.alert_manager.alert_history
    assert [a.metric_name for a in monitor.check()] == ["inference_health"]
    assert monitor.check() == [] and len(monitor.alert_manager.alert_history) == 1


def test_a_burst_of_failures_is_told_without_anybody_looking():
    monitor = ProductionMonitor()
    told = threading.Event()
    monitor.add_alert_handler(lambda alert: told.set() if alert.word == "critical" else None)
    worn_out(monitor)
    assert told.wait(30)
    assert monitor.get_pipeline_health_report()["overall_health"] == "critical"


@pytest.mark.parametrize("command", [["status"], ["export", "--format", "json"], ["export", "--format", "otlp"]])
def test_looking_once_prints_its_answer_alone_and_tells_nobody(command, tmp_path, capsys):
    models = tmp_path / "models"
    models.mkdir()
    (models / "empty.bin").write_bytes(b"")
    config = tmp_path / "m.json"
    config.write_text(json.dumps({"models_path": str(models), "notification_channels": ["console", "file"], "alert_log_file": str(tmp_path / "alerts.log")}))
    assert monitoring_setup.main([*command, "--config", str(config)]) == 0
    found = json.loads(capsys.readouterr().out)
    if command == ["status"]:
        assert found["rule_states"]["models_corrupted"] == "firing" and found["active_alerts"] >= 1
    assert not (tmp_path / "alerts.log").exists()


def test_recoveries_that_are_coroutines_run():
    done = []

    async def restart():
        await asyncio.sleep(0)
        done.append(1)
        return len(done) >= 2

    recovery = RecoveryManager(sleep=lambda s: None)
    recovery.register("x", restart)
    tried = recovery.recover("x")
    assert (tried.success, tried.attempts, len(done)) == (True, 2, 2)

    async def inside():
        return recovery.recover("x").success

    assert asyncio.run(inside()) and len(done) == 3

    async def broken():
        raise OSError("no disk")

    recovery.register("y", broken, max_attempts=1)
    tried = recovery.recover("y")
    assert not tried.success and "no disk" in tried.error
    checker = HealthChecker({})
    checker.register("ill", lambda: False)
    checker.recovery("ill")(restart)
    found = {c.name: c for c in checker.run()}
    assert found["ill"].details == {"recovery": "tried"} and len(done) == 4


def test_an_emergency_is_a_severity_of_a_threshold():
    monitor = AdvancedMonitor()
    monitor.set_threshold("lat", 1, severity=AlertLevel.EMERGENCY)
    monitor.set_threshold("other", 1, severity="critical")
    for value in (2, 3):
        monitor.record_metric("lat", value)
        monitor.record_metric("other", value)
        monitor.check()
    assert {a.metric_name: (a.word, a.count) for a in monitor.get_active_alerts()} == {"lat": ("emergency", 2), "other": ("critical", 2)}
    # An emergency is worse than what is critical.
    monitor.set_threshold("other", 1, severity="emergency")
    assert [a.word for a in monitor.check()] == ["emergency"]
    with pytest.raises(ValueError, match="bogus"):
        monitor.set_threshold("lat", 1, severity="bogus")


def test_alerts_at_the_end_of_a_program_reach_every_channel():
    """None is told before all of them were called: one after the other, the first would wait for ever."""
    done = program("""
        import os, threading, lapwing
        together = threading.Barrier(4)

        def channel(alert):
            together.wait(30)
            # One piece: lines of threads must not mix.
            os.write(1, (alert.message + "\\n").encode())

        service = lapwing.NotificationService()
        service.enqueue(lapwing.Alert("disk is gone"), [channel] * 4)
    """)
    assert done.stdout.splitlines() == ["disk is gone"] * 4, (done.stdout, done.stderr)


def test_what_the_end_of_a_program_leaves_untold_is_said():
    done = program("""
        import threading, lapwing
        from lapwing.alerts import notification
        notification.END_S = 0.05
        lapwing.NotificationService().enqueue(lapwing.Alert("x", name="disk"), [lambda alert: threading.Event().wait(600)])
    """)
    assert done.returncode == 0 and "1 notifications were not told" in done.stderr and "of disk" in done.stderr, done.stderr


def test_a_channel_is_told_of_an_alert_as_it_was():
    service, begun, told = NotificationService(), threading.Event(), []
    let_go = threading.Event()
    channel = lambda alert: (begun.set(), let_go.wait(20), told.append(alert.status))  # noqa: E731
    alert = lapwing.Alert("x")
    service.enqueue(alert, [channel])
    assert begun.wait(20)
    alert.resolved = True
    service.enqueue(alert, [channel])
    let_go.set()
    assert service.close(20) and told == ["firing", "resolved"]


def test_a_rule_is_triggered_as_long_as_one_of_its_series_fires():
    watched = Watched()
    rule = watched.manager.rules[0]
    watched.look(9, q="a")
    watched.look(9, q="b")
    watched.look(1, q="a")
    assert rule.triggered and rule.trigger_time
    watched.look(1, q="b")
    assert not rule.triggered and rule.trigger_time is None


def test_what_is_removed_fires_no_more():
    watched = Watched()
    rule = watched.manager.rules[0]
    watched.look(9)
    watched.manager.remove_alert_rule("busy")
    assert watched.manager.rule_states() == {}
    watched.manager.check_alerts()
    assert watched.manager.rule_states() == {} and not rule.triggered and watched.told == ["firing", "resolved"]
    monitor = AdvancedMonitor()
    monitor.set_threshold("lat", 1)
    monitor.record_metric("lat", 2)
    alert, = monitor.check()
    monitor.remove_threshold("lat")
    assert alert.resolved and alert.resolved_at and monitor.get_active_alerts() == []


def test_two_limits_of_one_name_are_two_rules():
    rules = AlertRules().define_rules({"t": {"min": 1, "max": 5, "name": "z"}, "u": {"max": 5, "name": "y"}})
    assert [(r.name, r.expression) for r in rules] == [("z_high", "t > 5"), ("z_low", "t < 1"), ("y", "u > 5")]
    assert [a.name for a in AlertManager().monitor({"t": 9}, rules)] == ["z_high"]


SLACKK = "did you mean 'slack'"


@pytest.mark.parametrize("config, says", [
    ({"monitoring": {"health_checks": {"thresholds": {"degradedd": 5}}}}, "degradedd"),
    ({"monitoring": {"health_checks": {"thresholds": {"degraded": "half"}}}}, "half"),
    ({"monitoring": {"external_services": [{"name": "redis"}]}}, "health_url"),
    ({"monitoring": {"alerts": {"notifications": {"channels": ["slackk"]}}}}, SLACKK),
    ({"monitoring": {"alerts": {"notifications": {"chanels": ["slack"]}}}}, "notifications.channels"),
    ({"alerting": {"notifications": [{"type": "slackk"}]}}, SLACKK),
    ({"alerting": {"notifications": "slack"}}, "a list of channels"),
    ({"monitoring": 5}, "unknown setting 'monitoring'"),
])
def test_a_setting_that_nobody_knows_is_an_error(config, says):
    with pytest.raises(ValueError, match=says):
        lapwing.ComprehensiveMonitor(config)


@pytest.mark.parametrize("config, says", [
    ({"monitoring_intervall": 5}, "did you mean 'monitoring_interval'"),
    ({"notification_channels": "console"}, "a list of channels"),
    ({"notification_channels": ["consol"]}, "did you mean 'console'"),
    ({"notification_channels": [{"type": "slackk"}]}, SLACKK),
])
def test_a_setting_that_nobody_knows_is_an_error_of_the_availability_monitor(config, says, tmp_path):
    path = tmp_path / "m.json"
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=f"m.json.*{says}"):
        lapwing.EnhancedModelAvailabilityMonitor(path)


def test_wrong_settings_of_parts_are_errors():
    for wrong, says in ((lambda: HealthChecker({"thresholds": {"degradedd": 5}}), "degradedd"), (lambda: HealthChecker({"external_services": [{"name": "x"}]}), "health_url"),
                        (lambda: AlertManager({"notifications": [{"type": "slackk"}]}), SLACKK)):
        with pytest.raises(ValueError, match=says):
            wrong()


def test_a_section_with_nothing_in_it_is_no_mistake():
    monitor = lapwing.ComprehensiveMonitor({"monitoring": None, "alerting": None})
    assert monitor.settings.given == {} and monitor.settings.interval_s == 10
    assert lapwing.ComprehensiveMonitor({"monitoring": {"health_checks": None}}).settings.timeout_s == 10


def test_the_types_of_channels_are_those_of_the_engine():
    from lapwing import _native

    with pytest.raises(ValueError) as refused:
        _native.send('{"nonsense_configs": []}', "[]")
    listed = {word.removesuffix("_configs") for word in str(refused.value).replace(",", " ").split() if word.endswith("_configs")}
    # The last three are refused by name.
    engine = listed - {"`nonsense", "sns", "wechat", "jira"}
    assert len(engine) > 15 and engine <= set(notification.TYPES) and set(notification.TYPES) - engine == {"console", "alertmanager", "teams"}


def test_numbers_of_any_library_are_taken_from_a_source():
    numpy = pytest.importorskip("numpy")
    monitor = AdvancedMonitor()
    values = {"a": numpy.float32(3), "c": numpy.int64(5), "f": fractions.Fraction(1, 2), "i": 7, "b": True, "nb": numpy.bool_(False)}
    others = {"s": "9", "n": numpy.float64("nan"), "one": numpy.zeros(1), "many": numpy.zeros(3), "none": None}
    monitor.add_source("s", lambda: values | others)
    monitor.add_source("alone", lambda: numpy.float64(2))
    found = monitor.collect_metrics()
    assert {k: found[k] for k in values} == {"a": 3.0, "c": 5.0, "f": 0.5, "i": 7.0, "b": 1.0, "nb": 0.0} and found["alone"] == 2.0
    assert not others.keys() & found.keys()


@pytest.mark.parametrize("answer, expected", [
    ("unhealthy", "unhealthy"), ("Degraded", "degraded"), ("PONG", "healthy"), ("down", "unhealthy"), ({"status": "unhealthy"}, "unhealthy"),
    ({"status": "ok", "message": "fine", "lag": 3}, "healthy"), (("warning", "so so"), "degraded"), ({"status": "purple"}, "unhealthy"), ({"lag": 3}, "healthy"),
])
def test_a_check_may_answer_in_words(answer, expected):
    checker = HealthChecker()
    checker.register("words", lambda: answer)
    (found,) = [c for c in checker.run() if c.name == "words"]
    assert found.status.value == expected
    if answer == {"status": "ok", "message": "fine", "lag": 3}:
        assert found.message == "fine" and found.details == {"lag": 3}


def test_the_checks_that_every_checker_has_can_recover():
    class Model:
        loaded = False

        def generate_text(self, prompt):
            if not self.loaded:
                raise RuntimeError("not loaded")
            return "hello"

    model = Model()
    checker = HealthChecker(model=model)

    @checker.recovery("model", max_attempts=2, backoff=0.001)
    def load():
        model.loaded = True

    @checker.recovery("database_health")
    def connect():
        raise AssertionError("the database is well")

    first, second = ({c.name: c for c in checker.run()} for _ in range(2))
    assert first["model_health"].status.value == "unhealthy" and first["model_health"].details == {"recovery": "tried"}
    assert second["model_health"].status.value == "healthy"
    with pytest.raises(ValueError, match="use model, system, database, external_services"):
        checker.recovery("modle")(load)


def test_a_recovery_that_failed_says_so():
    checker = HealthChecker()
    checker.register("queue", lambda: False)
    checker.recovery("queue", max_attempts=2, backoff=0.001)(lambda: False)
    (found,) = [c for c in checker.run() if c.name == "queue"]
    assert found.details == {"recovery": "failed 2 times: it returned False"}


def test_alerts_can_be_read_while_others_are_triggered():
    manager, stop = AlertManager(max_alerts=200), threading.Event()

    def trigger():
        while not stop.is_set():
            manager.trigger_alert("busy")

    threads = [threading.Thread(target=trigger) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2_000):
            manager.get_alerts_by_severity("warning")
            manager.ack("nobody's")
            manager._repr_html_()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_severity_that_nobody_knows_waits_as_long_as_a_warning():
    now = [0.0]
    calm = lapwing.AlertFatiguePrevention(clock=lambda: now[0])
    assert [calm.should_send_alert("disk", "purple"), calm.should_send_alert("disk", "purple")] == [True, False]
    now[0] = 1800.0
    assert calm.should_send_alert("disk", "purple")


def test_a_line_of_json_is_json_whatever_was_logged():
    record = logging.makeLogRecord({"msg": "loss", "loss": math.nan, "parts": {1: {2}}, "stack_info": "Stack (most recent call last):"})
    line = json.loads(JsonFormatter().format(record), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert (line["message"], line["loss"], line["parts"], line["stack"]) == ("loss", "nan", {"1": "{2}"}, "Stack (most recent call last):")


def test_a_channel_is_told_of_what_is_for_it():
    asked = {"all": [], "severe": [], "search": []}

    class Service(NotificationService):
        def _deliver(self, alert, channel):
            asked[channel["name"]].append((alert.name, alert.status))

    channels = [
        {"type": "webhook", "url": "http://127.0.0.1:9/", "name": "all"}, {"type": "webhook", "url": "http://127.0.0.1:9/", "name": "severe", "severity_min": "Critical"},
        {"type": "webhook", "url": "http://127.0.0.1:9/", "name": "search", "match": {"team": "search", "alertname": "slow"}},
    ]
    manager = AlertManager({"notifications": channels, "rules": [
        {"name": "slow", "condition": "latency > 1", "severity": "warning", "labels": {"team": "search"}}, {"name": "down", "condition": "up < 1", "severity": "emergency"},
    ]})
    manager._service = Service()
    manager.monitor({"latency": 3, "up": 0})
    asyncio.run(manager.evaluate_alerts({"latency": 0, "up": 1}))
    assert manager._service.close(10)
    assert {k: sorted(v) for k, v in asked.items()} == {
        "all": [("down", "firing"), ("down", "resolved"), ("slow", "firing"), ("slow", "resolved")],
        "severe": [("down", "firing"), ("down", "resolved")], "search": [("slow", "firing"), ("slow", "resolved")],
    }
    told = NotificationService({"channels": [{"type": "log", "severity_min": "error"}]}).send_notifications([lapwing.Alert("a", "warning"), lapwing.Alert("b", "critical")])
    assert len(told) == 1
    for wrong, says in (({"type": "log", "severity_min": "purple"}, "severity"), ({"type": "log", "match": "search"}, "labels and their values")):
        with pytest.raises(ValueError, match=says):
            AlertManager({"notifications": [wrong]})


def test_an_escalation_takes_its_steps_by_itself():
    told = threading.Event()
    with lapwing.EscalationManager([lapwing.EscalationStep(0, [lambda alert: told.set()])]) as chain:
        assert chain._loop.running
        chain.stop()
        chain.start(0.001)
        chain.add(lapwing.Alert("down"))
        assert told.wait(10)
    assert not chain._loop.running


def test_a_profiler_of_gpus_that_answers_nothing_is_named():
    monitor = AdvancedMonitor(gpu_profiler=object())
    monitor.collect_metrics()
    assert monitor.failures["gpu"] == "TypeError: a profiler of GPUs has one of get_utilization, get_gpu_utilization, get_metrics, and object has none of them"


TRACED = """2026-01-01 10:00:00,123 ERROR app.model: generation failed
Traceback (most recent call last):
  File "a.py", line 1, in f
    g()
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in h
ValueError: no
a line of something else
2026-01-01 10:00:01,123 INFO app.model: well again
{"level": "error", "message": "json"}
  an indented line below JSON is its own"""


def test_a_traceback_belongs_to_the_line_above_it():
    lines = [f"{line}\n" for line in TRACED.split("\n")]
    records = list(lapwing.LogProcessor().process(lines))
    assert [(r.level, r.message) for r in records] == [
        ("ERROR", "generation failed"), ("INFO", "a line of something else"), ("INFO", "well again"), ("ERROR", "json"), ("INFO", "an indented line below JSON is its own"),
    ]
    assert records[0].fields["exception"].startswith("Traceback") and records[0].fields["exception"].endswith("ValueError: no") and records[2].fields == {}
    found = lapwing.LogAnalyzer().analyze(lines)
    assert (found["total"], found["levels"]["ERROR"]) == (5, 2)
    storage = lapwing.LogStorage()
    assert storage.store(lines) == 5 and storage.store(TRACED) == 1
    assert [r.message for r in storage.search(level="error")][-1] == "generation failed"


def test_an_alertmanager_is_told_again_of_what_still_fires(recorder):
    now = [0.0]
    manager = AlertManager({"notifications": [{"type": "log"}, {"type": "alertmanager", "url": recorder.url}], "rules": [{"name": "slow", "condition": "latency > 1"}]}, clock=lambda: now[0])

    def told(latency, passed):
        now[0] += passed
        manager.monitor({"latency": latency})
        assert manager._service.close(10)
        posted, recorder.requests[:] = [json.loads(body)[0] for _, path, body in recorder.requests if path == "/api/v2/alerts"], []
        return [datetime.datetime.fromisoformat(p["endsAt"]).timestamp() - time.time() for p in posted]

    # An Alertmanager would take it for over five minutes after it was told.
    (first,) = told(3, 0)
    assert 200 < first <= 300
    assert told(3, 30) == []
    (again,) = told(3, 31)
    assert 200 < again <= 300
    (over,) = told(0, 1)
    assert over <= 0
    assert told(0, 61) == []
    slow = lapwing.ComprehensiveMonitor({"monitoring": {"metrics": {"collection_interval": "10m"}, "alerting": {"alert_manager_url": recorder.url}}})
    assert slow.alert_manager.notification_channels[0]["resolve_timeout"] == 2400.0


def test_a_status_shows_no_secret(tmp_path):
    path = tmp_path / "monitoring.json"
    path.write_text(json.dumps({"notification_channels": ["log", {"type": "email", "smtp_server": "mail", "username": "me", "password": "hidden1"}, {"type": "pagerduty", "service_key": "hidden2"}]}))
    monitor = monitoring_setup.EnhancedModelAvailabilityMonitor(path)
    status = json.dumps(monitor.get_monitoring_status())
    assert "hidden" not in status and '"smtp_server": "mail"' in status
    assert monitor.alert_manager.notification_channels[0]["password"] == "hidden1"


def test_the_command_ends_in_order_when_it_is_told_to(tmp_path):
    for word in (signal.SIGTERM, signal.SIGINT):
        command = [sys.executable, "-m", "lapwing", "monitor", "start", "--config", str(tmp_path / "none.json")]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
            assert "watching every 30 s" in running.stderr.readline()
            running.send_signal(word)
            assert running.wait(20) == 0
