"""A setting that is misspelt is an error that names it, wherever it stands; one that cannot work is told of before it is needed."""

import datetime
import json
import logging
import pickle

import pytest

import lapwing
from lapwing import AlertManager, AlertRule, ComprehensiveMonitor, DashboardCreator, MetricsAggregator, NotificationService, PlotGenerator, ReportGenerator
from lapwing.scripts.deployment.monitoring_setup import EnhancedModelAvailabilityMonitor


@pytest.mark.parametrize("wrong, says", [
    (lambda: DashboardCreator().create({"x": 1}, {"titel": "Models"}), "a layout: unknown setting 'titel': did you mean 'title'"),
    (lambda: DashboardCreator().create({"x": 1}, {"panels": [{"metrik": "x"}]}), "a panel: unknown setting 'metrik': did you mean 'metric'"),
    (lambda: PlotGenerator().generate([1, 2], {"typ": "bar"}), "plot_config: unknown setting 'typ': did you mean 'type'"),
    (lambda: ReportGenerator().generate({"x": 1}, {"formt": "pdf"}), "a template: unknown setting 'formt': did you mean 'format'"),
    (lambda: MetricsAggregator().aggregate({"x": [1]}, [{"metric": "x", "functons": "sum"}]), "did you mean 'functions'"),
    (lambda: ComprehensiveMonitor({"monitoring": {"logging": {"level": "LOUD"}}}), "monitoring.logging.level: 'LOUD' is not a level"),
    (lambda: ComprehensiveMonitor({"monitoring": {"logging": {"rotation": "sometimes"}}}), "monitoring.logging.rotation: 'sometimes' is not a rotation"),
    (lambda: ComprehensiveMonitor({"monitoring": {"logging": {"compression": "no"}}}), "monitoring.logging.compression: compression is true or false"),
    (lambda: ComprehensiveMonitor({"monitoring": {"logging": {"output": 5}}}), "monitoring.logging.output: 5 is not an output"),
    (lambda: AlertManager({"notificatons": []}), "the configuration of alerts: unknown setting 'notificatons': did you mean 'notifications'"),
    (lambda: AlertManager({"alerting": {"rule": []}}), "did you mean 'rules'"),
    (lambda: lapwing.HealthChecker({"timeouts": 5}), "the configuration of health checks: unknown setting 'timeouts': did you mean 'timeout'"),
    (lambda: lapwing.MetricsCollector({"batchsize": 5}), "did you mean 'batch_size'"),
    (lambda: NotificationService({"channels": ["console", "sms"]}), "'sms' is no type of a channel"),
    (lambda: AlertRule("r", "cpu", ">"), "after '>' stands a number"),
    (lambda: lapwing.gate({"a": 1}, {"a": 1}, noise="loud"), "use mann-whitney or bootstrap"),
    (lambda: lapwing.gate({"a": 1}, {"a": 1}, missing="ignore"), "use warn or fail"),
])
def test_what_nobody_knows_is_named(wrong, says):
    with pytest.raises(ValueError) as refused:
        wrong()
    assert says in str(refused.value)


@pytest.mark.parametrize("settings, says", [
    ({"alert_cooldown_minutes": "soon"}, "alert_cooldown_minutes must be a number from 0 on"),
    ({"models_path": 5}, "models_path must be a path"),
    ({"custom_alert_rules": [{"nam": "x"}]}, "custom_alert_rules: a rule needs a name"),
    ({"custom_alert_rules": ["cpu > 5"]}, "custom_alert_rules"),
])
def test_a_wrong_value_names_its_file(tmp_path, settings, says):
    path = tmp_path / "monitoring.json"
    path.write_text(json.dumps(settings))
    with pytest.raises(ValueError) as refused:
        EnhancedModelAvailabilityMonitor(path)
    assert str(refused.value).startswith(f"{path}: ") and says in str(refused.value)


def test_a_threshold_of_reports_that_is_unknown_names_its_file(tmp_path):
    path = tmp_path / "performance.yaml"
    path.write_text("thresholds:\n  slow: 1\n")
    with pytest.raises(ValueError, match="performance.yaml: thresholds: unknown field `slow`"):
        lapwing.PerformanceMonitoringSystem(path)


def test_a_channel_that_cannot_be_told_is_told_of_at_once(caplog):
    channels = ["console", {"type": "email"}, {"type": "slack", "webhook_url": "https://hooks.slack.com/services/x"}, {"type": "file"}, {"type": "alertmanager"}]
    with caplog.at_level(logging.WARNING, "lapwing.alerts"):
        AlertManager({"notifications": {"channels": channels}})
    said = [r.getMessage() for r in caplog.records]
    assert len(said) == 3
    assert "by email: the channel 'email' needs smtp_server" in said[0] and "'file' needs path" in said[1] and "'alertmanager' needs url" in said[2]


def test_channels_may_be_named_by_their_type(capsys):
    service = NotificationService({"channels": ["console", {"type": "log", "name": "book"}]})
    assert sorted(service.channels) == ["book", "console"]
    assert [a["delivered"] for a in service.send_notifications(lapwing.Alert("slow"), ["console", "sms"])] == [True, False]
    assert capsys.readouterr().out == "[warning] slow\n"


def test_sections_of_a_report_are_found_by_the_names_of_the_data():
    data = {"p95_latency": {"a": 1}, "alerts": [lapwing.Alert("slow")], "bottlenecks": []}
    report = ReportGenerator().generate(data, {"sections": ["bottlenecks", "alerts", "p95_latency"]})
    assert [s.title for s in report.sections] == ["Bottlenecks", "Alerts", "P95 latency"]
    assert report.sections[0].text == "nothing" and report.sections[1].rows and report.sections[2].rows
    assert [s.title for s in ReportGenerator().generate(data, "alerts").sections] == ["Alerts"]
    assert ReportGenerator().generate(data, "daily_news").title == "Daily news"


def test_a_dashboard_goes_to_another_process():
    board = DashboardCreator().create(lapwing.MetricsCollector(), {"title": "Models"})
    assert pickle.loads(pickle.dumps(board)).to_html() == board.to_html()


def test_times_of_a_query_may_be_datetimes():
    with lapwing.init(embedded=True) as m:
        m.gauge("when_depth").set(3)
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
        assert m.query("when_depth", at=now)[0]["value"] == [int(now.timestamp() * 1000), 3.0]
        (row,) = m.query_range("vector(1)", now - datetime.timedelta(minutes=2), now, "1m")
        assert [v for _, v in row["values"]] == [1.0, 1.0, 1.0]
        with pytest.raises(TypeError, match="step is a number of seconds"):
            m.query_range("1", 0, 1, None)
        with pytest.raises(TypeError, match="start is a datetime"):
            m.query_range("1", "yesterday", 1, 1)


def test_conditions_of_a_gate_may_be_one_or_have_names():
    same = {"latency": 1.0}
    with lapwing.init(embedded=True) as m:
        m.gauge("gate_depth").set(3)
        assert lapwing.gate(same, same, conditions="gate_depth < 5").passed
        held = lapwing.gate(same, same, conditions={"short": "gate_depth < 5", "long": "gate_depth > 5"})
        assert [(c["expr"], c["holds"]) for c in held.raw["conditions"]] == [("gate_depth < 5", True), ("gate_depth > 5", False)]


def test_a_panel_without_a_value_says_so():
    with lapwing.init(embedded=True):
        (panel,) = DashboardCreator().create(["never_recorded"]).panels
    assert panel.lines == ["no data"] and "no data" in panel.html


def test_an_interval_may_be_written_as_a_duration():
    checker = lapwing.HealthChecker({"check_interval": "1m", "timeout": "5s"})
    checker.register("queue", lambda: True, interval="1h", timeout="500ms")
    assert (checker.check_interval, checker.timeout) == (60.0, 5.0)
    assert (checker._registered["queue"].interval, checker._registered["queue"].timeout) == (3600.0, 0.5)
    assert lapwing.SystemResourceMonitor("30s").sample_interval == 30.0
    monitor = lapwing.AdvancedMonitor()
    monitor.start_monitoring("1h")
    assert monitor.is_monitoring
    monitor.stop_monitoring()
    with pytest.raises(ValueError, match="soon"):
        monitor.start_monitoring("soon")
    with pytest.raises(TypeError, match="an interval is a number of seconds"):
        monitor.start_monitoring(None)


def test_a_configuration_may_hold_what_others_read():
    config = {"rules": [{"name": "r", "condition": "x > 1"}], "team": "search", "monitoring": {"enabled": True}, "interval": 5}
    assert [r.name for r in AlertManager(config).rules] == ["r"]
    assert lapwing.HealthChecker(config).timeout == 10.0 and lapwing.MetricsCollector(config).batch_size == 1
