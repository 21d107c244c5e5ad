"""Wrong input raises what Python users expect, and the message says what to do."""

import math

import pytest

import lapwing
from lapwing import AlertManager, AlertRule, MetricsCollector, PerformanceMetricType, PerformanceTracker, ProductionMonitor

NAN = math.nan


def clash():
    lapwing.counter("clash_total", labels=("a",))
    lapwing.counter("clash_total", labels=("b",))


@pytest.mark.parametrize("wrong, error, says", [
    (lambda: lapwing.histogram("bad_seconds").observe(NAN), ValueError, "NaN"),
    (lambda: lapwing.counter("bad_total").inc(-1), ValueError, "gauge"),
    (lambda: lapwing.counter("1bad"), ValueError, "digit"),
    (lambda: lapwing.counter("bad2_total", labels="model"), TypeError, "list of names"),
    (lambda: lapwing.counter("bad3_total", labels=("m",)).inc(), ValueError, "labels"),
    (lambda: lapwing.counter("bad3_total", labels=("m",)).labels(), ValueError, "0 values"),
    (lambda: lapwing.counter("bad3_total", labels=("m",)).labels(x=1), ValueError, "were given"),
    (lambda: lapwing.histogram("bad4", labels=("le",)), ValueError, "buckets"),
    (lambda: lapwing.histogram("bad5", buckets=(2, 1)), ValueError, "ascending"),
    (clash, ValueError, "made at"),
    (lambda: lapwing.track(3), TypeError, "string"),
    (lambda: lapwing.log_inference(model="a", latency=NAN), ValueError, "duration"),
    (lambda: MetricsCollector().record_metric("x", "speed", 1), ValueError, "counter, gauge, histogram, timer"),
    (lambda: MetricsCollector().record_metric("x", "gauge", NAN), ValueError, "NaN"),
    (lambda: MetricsCollector().record_metric("x", "timer", -1), ValueError, "duration"),
    (lambda: MetricsCollector().record_metric("x", "gauge", "many"), TypeError, "number"),
    (lambda: MetricsCollector(retention_hours=-1), ValueError, "more than 0"),
    (lambda: MetricsCollector().get_metric_history("x", 0), ValueError, "more than 0"),
    (lambda: MetricsCollector().record_request("/", "200", NAN, "v"), ValueError, "duration"),
    (lambda: lapwing.MetricsStorage().store({"x": 1}, retention=-5), ValueError, "more than 0"),
    (lambda: lapwing.MetricsStorage().store({"x": 1}, retention="-5d"), ValueError, "more than 0"),
    (lambda: PerformanceTracker().end_operation("never"), KeyError, "never started"),
    (lambda: PerformanceTracker().start_operation("dance", "x"), ValueError, "download_operation"),
    (lambda: PerformanceTracker().start_operation(PerformanceMetricType.REQUEST, ""), ValueError, "name"),
    (lambda: PerformanceTracker().get_all_metrics(-1), ValueError, "more than 0"),
    (lambda: AlertManager().add_alert_handler("mail me"), TypeError, "call"),
    (lambda: AlertManager(max_alerts=0), ValueError, "at least 1"),
    (lambda: AlertManager().trigger_alert("x", "purple"), ValueError, "info, warning"),
    (lambda: AlertManager().add_alert_rule({"name": "x"}), TypeError, "AlertRule"),
    (lambda: AlertRule("", "x > 1"), ValueError, "name"),
    (lambda: AlertRule("r", "x >"), ValueError, "not understood"),
    (lambda: AlertRule("r", "x > 1", "purple"), ValueError, "severity"),
    (lambda: AlertRule("r", "x > 1", duration="soon"), ValueError, "duration"),
    (lambda: AlertRule("r", "x > 1", recover="2"), ValueError, "wrong side"),
    (lambda: lapwing.AdvancedMonitor().set_threshold("x", NAN), ValueError, "NaN"),
    (lambda: lapwing.AdvancedMonitor().start_monitoring(0), ValueError, "more than 0"),
    (lambda: ProductionMonitor().record_pipeline_execution("p", NAN), ValueError, "duration"),
    (lambda: ProductionMonitor().check_baseline("x", 1), KeyError, "set_performance_baseline"),
    (lambda: lapwing.SystemResourceMonitor(0), ValueError, "more than 0"),
    (lambda: lapwing.PlotGenerator().generate([1], {"type": "pie"}), ValueError, "scatter"),
    (lambda: lapwing.ReportGenerator().generate({}, {"format": "docx"}), ValueError, "pdf"),
    (lambda: lapwing.MetricsExporter().export({"x": 1}, "xml"), ValueError, "prometheus"),
    (lambda: lapwing.gate({"x": "fast"}, {"x": 1}), ValueError, "number"),
    (lambda: lapwing.gate({"x": 1}, "never-saved"), FileNotFoundError, "save one"),
    (lambda: lapwing.init("localhost:1"), ValueError, "http://"),
    (lambda: lapwing.PerformanceAnalyzer(slow=1), ValueError, "unknown field"),
])
def test_bad_input(wrong, error, says):
    with pytest.raises(error, match=says):
        wrong()


def test_an_end_happens_once():
    tracker = PerformanceTracker()
    op = tracker.start_operation("request", "x")
    tracker.end_operation(op)
    with pytest.raises(KeyError):
        tracker.end_operation(op)
