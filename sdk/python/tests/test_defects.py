"""What the seeds' programs got wrong, each by the name of what broke."""

import asyncio
import json
import time

import pytest

import lapwing
from lapwing import (
    AdvancedMonitor, AlertFatiguePrevention, AlertLevel, AlertManager, AlertRule, AlertSeverity, MetricsCollector, MetricType, PerformanceAnalyzer,
    PerformanceMetricType, PerformanceTracker, ProductionMonitor,
)
from lapwing.monitoring.monitor import severity_of


def watched(*rules):
    collector = MetricsCollector()
    manager = AlertManager(collector)
    for rule in rules:
        manager.add_alert_rule(rule)
    return collector, manager


def test_greater_equal_is_not_strict():
    manager = AlertManager()
    assert manager._evaluate_condition(80, ">=", 80) and manager._evaluate_condition(80, "<=", 80)
    assert not manager._evaluate_condition(80, ">", 80)
    assert AlertRule("r", "cpu", ">=", 80.0, AlertLevel.WARNING, "d").evaluate({"cpu": 80})
    assert not AlertRule("r", "cpu", ">", 80.0, AlertLevel.WARNING, "d").evaluate({"cpu": 80})


def test_an_alert_resolves_during_its_cooldown_and_its_end_is_told():
    collector, manager = watched(AlertRule("busy", "queue", ">", 5.0, AlertLevel.WARNING, "long", 5))
    told = []
    manager.add_notification_handler(lambda a: told.append((a.name, a.resolved)))
    collector.record_metric("queue", MetricType.GAUGE, 9)
    manager.check_alerts()
    collector.record_metric("queue", MetricType.GAUGE, 1)
    manager.check_alerts()
    assert told == [("busy", False), ("busy", True)]


def test_active_alerts_shrink():
    collector, manager = watched(AlertRule("busy", "queue > 5"))
    collector.record_metric("queue", MetricType.GAUGE, 9)
    manager.check_alerts()
    assert len(manager.active_alerts) == 1
    collector.record_metric("queue", MetricType.GAUGE, 1)
    manager.check_alerts()
    assert len(manager.active_alerts) == 0


def test_a_cooldown_holds_back_repetitions_and_not_evaluation():
    collector, manager = watched(AlertRule("busy", "queue > 5", cooldown_minutes=5))
    told = []
    manager.add_notification_handler(lambda a: told.append(a.resolved))
    for value in (9, 1, 9, 1):
        collector.record_metric("queue", MetricType.GAUGE, value)
        manager.check_alerts()
    assert told == [False, True]
    assert len(manager.alert_history) == 2


def test_labels_tell_metrics_and_alerts_apart():
    collector, manager = watched(AlertRule("busy", "queue > 5"))
    collector.record_metric("queue", MetricType.GAUGE, 9, {"q": "a"})
    collector.record_metric("queue", MetricType.GAUGE, 1, {"q": "b"})
    assert collector.get_metric("queue", {"q": "a"}).value == 9
    manager.check_alerts()
    assert [a.labels["q"] for a in manager.get_active_alerts()] == ["a"]


def test_retention_and_custom_rules_of_the_configuration_count(tmp_path):
    config = tmp_path / "m.json"
    config.write_text(json.dumps({"metrics_retention_hours": 2, "custom_alert_rules": [{"name": "mine", "condition": "x > 1"}]}))
    monitor = lapwing.EnhancedModelAvailabilityMonitor(config)
    assert monitor.metrics_collector.retention_hours == 2
    assert "mine" in monitor.alert_manager.alert_rules


def test_collectors_do_not_invent_values(tmp_path):
    config = tmp_path / "m.json"
    config.write_text(json.dumps({"notification_channels": [], "models_path": str(tmp_path / "none")}))
    monitor = lapwing.EnhancedModelAvailabilityMonitor(config)
    monitor._collect_health_metrics()
    assert monitor.metrics_collector.metrics == {}


def test_a_missing_metric_is_a_state_of_its_rule():
    _, manager = watched(AlertRule("busy", "queue > 5"))
    manager.check_alerts()
    assert manager.rule_states() == {"busy": "no data"}


def test_operations_of_one_millisecond_differ():
    tracker = PerformanceTracker()
    ids = {tracker.start_operation(PerformanceMetricType.MODEL_OPERATION, "x") for _ in range(50)}
    assert len(ids) == 50
    for op in ids:
        tracker.end_operation(op, True)


def test_quantiles_are_true_ones():
    metrics = [
        lapwing.PerformanceMetric(f"m{i}", PerformanceMetricType.REQUEST, "r", time.time() - 100, float(i), True) for i in range(1, 11)
    ]
    report = PerformanceAnalyzer()._of(metrics, [])
    assert (report.median_duration, report.p95_duration) == (5.5, pytest.approx(9.55))


def test_a_trend_from_zero_is_a_trend():
    from lapwing import _native

    assert json.loads(_native.trend("x", [0.0] * 6 + [1.0] * 6))["word"] == "increasing"


def test_a_disk_that_fills_is_increasing():
    """Seed 3 swapped two arguments of the disk's trend."""
    with lapwing.PerformanceMonitoringSystem() as system:
        now = int(time.time() * 1000)
        monitor = system.resource_monitor
        monitor.stop()
        monitor._snapshots.clear()
        monitor._snapshots.extend({"t_ms": now - (20 - i) * 60_000, "cpu_percent": 0.0, "memory_percent": 80.0 - 2 * i, "disk_percent": 40.0 + 2 * i} for i in range(20))
        trends = system._calculate_resource_trends()
    assert (trends["disk"], trends["memory"], trends["cpu"]) == ("increasing", "decreasing", "stable")


def test_every_gpu_counts_and_not_the_first_alone():
    gpus = [{"gpu": "0", "utilization_percent": 5.0}, {"gpu": "1", "utilization_percent": 95.0}]
    snapshot = lapwing.SystemResourceSnapshot.of({"t_ms": 1_000, "gpus": gpus})
    assert snapshot.gpu_percent == 95.0
    summary = lapwing.PerformanceAnalyzer()._calculate_resource_summary([snapshot] * 3)
    assert (summary["max_gpu0_percent"], summary["max_gpu1_percent"]) == (5.0, 95.0)


def test_failures_of_one_pipeline_are_not_another_s():
    """Seed 4 looked at the last twenty runs of all pipelines together."""
    monitor = lapwing.ProductionMonitor()
    for _ in range(10):
        monitor.record_pipeline_execution("good", 0.1, True)
        monitor.record_pipeline_execution("bad", 0.1, False)
    assert {a.metric_name for a in monitor.alert_manager.alert_history} == {"bad_health"}
    report = monitor.get_pipeline_health_report()
    assert (report["pipelines"]["good"]["health"], report["pipelines"]["bad"]["health"], report["overall_health"]) == ("healthy", "critical", "critical")


def test_a_low_throughput_is_bad_and_a_high_one_is_not():
    monitor = AdvancedMonitor()
    monitor.set_threshold("throughput", 500)
    monitor.record_metric("throughput", 900)
    assert monitor.check() == []
    monitor.record_metric("throughput", 100)
    assert len(monitor.check()) == 1


def test_own_metrics_are_checked_and_repetitions_are_one_alert():
    monitor = AdvancedMonitor()
    monitor.set_threshold("latency", 1.0)
    told = []
    monitor.add_alert_handler(told.append)
    for _ in range(10):
        monitor.record_metric("latency", 1.1)
        monitor.check()
    assert len(told) == 1 and told[0].count == 10
    monitor.record_metric("latency", 5.0)
    monitor.check()
    assert [a.severity for a in told] == [AlertSeverity.INFO, AlertSeverity.CRITICAL]
    monitor.record_metric("latency", 0.5)
    monitor.check()
    assert monitor.get_active_alerts() == [] and told[-1].resolved


def test_severity_of_negative_thresholds():
    assert severity_of(-5, -10) is AlertSeverity.WARNING
    assert severity_of(-1, -10) is AlertSeverity.ERROR
    assert severity_of(1, 0) is AlertSeverity.CRITICAL


def test_the_alert_count_does_not_saturate():
    manager = AlertManager(max_alerts=1000)
    monitor = AdvancedMonitor(alert_manager=manager)
    for _ in range(150):
        manager.trigger_alert("x")
    assert monitor.get_monitoring_summary()["alert_count"] == 150


def test_overall_health_can_be_critical_and_a_baseline_finds_its_pipeline():
    monitor = ProductionMonitor()
    told = []
    monitor.add_alert_handler(told.append)
    for _ in range(6):
        monitor.record_pipeline_execution("etl", 1.0, False)
    report = monitor.get_pipeline_health_report()
    assert report["overall_health"] == "critical"
    assert len(told) == 1 and told[0].severity is AlertSeverity.CRITICAL
    slow = ProductionMonitor()
    slow.set_performance_baseline("inference_latency", 0.05)
    slow.record_pipeline_execution("inference", 0.09, True)
    assert slow.get_pipeline_health_report()["pipelines"]["inference"]["health"] == "degraded"
    assert slow.check_baseline("inference_latency", 0.04)["degraded"] is False


def test_a_duration_counts():
    rule = AlertRule("slow", "p95_latency > 2.0", "warning", "5m")
    manager = AlertManager(config={"rules": [rule]})
    asyncio.run(manager.evaluate_alerts({"p95_latency": 9}))
    assert manager.rule_states() == {"slow": "pending"} and not manager.active_alerts


def test_conditions_are_not_matched_by_substring():
    assert not AlertRule("r", "error_rate > 0.055").evaluate({"error_rate": 0.052})
    assert AlertRule("r", "error_rate > 0.01 and p95_latency > 1").evaluate({"error_rate": 0.05, "p95_latency": 2}) is True
    with pytest.raises(ValueError, match="not understood"):
        AlertRule("r", "error_rate is high")


def test_recovery_has_a_threshold_of_its_own():
    manager = AlertManager(config={"rules": [AlertRule("busy", "queue > 80", recover="70")]})
    assert len(manager.monitor({"queue": 90})) == 1
    assert len(manager.monitor({"queue": 75})) == 1
    assert len(manager.monitor({"queue": 65})) == 0


def test_what_became_worse_passes_a_cooldown():
    calm = AlertFatiguePrevention()
    assert calm.should_send_alert("disk", "warning")
    assert calm.should_send_alert("disk", "critical")
    assert not calm.should_send_alert("disk", "critical")


def test_percent_fed_to_a_share_is_told():
    with pytest.warns(UserWarning, match="share"):
        AlertRule("high_cpu", "cpu_usage > 80%").evaluate({"cpu_usage": 50})


def test_a_gate_names_what_it_cannot_judge():
    report = lapwing.gate({"latency": 1.0, "new": 3}, {"latency": 1.0, "errors": 0, "gone": 1})
    assert {r["metric"]: r["verdict"] for r in report.rows} == {"latency": "same", "new": "no_baseline", "errors": "no_value", "gone": "no_value"}
    assert not lapwing.gate({"errors": 1}, {"errors": 0}).passed
