"""Wrong input raises what Python users expect, and the message says what to do."""

import math

import pytest

import lapwing
from lapwing import AlertManager, AlertRule, MetricsCollector, PerformanceMetricType, PerformanceTracker, ProductionMonitor
from lapwing.utils.validation import validate_labels, validate_metric_name

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
    (lambda: ProductionMonitor().set_performance_baseline("x", 1, direction="sideways"), ValueError, "higher_is_better.*`info`$"),
    (lambda: ProductionMonitor(tolerance="20%"), ValueError, "tolerance is a share"),
    (lambda: ProductionMonitor(critical_error_rate=NAN), ValueError, "critical_error_rate is a share"),
    (lambda: lapwing.PerformanceOptimizer().on("failure", print), ValueError, "slow_operations, failures"),
    (lambda: validate_metric_name("queue\n"), ValueError, "not a name of a metric"),
    (lambda: validate_labels({"queue\n": 1}), ValueError, "not a name of a label"),
    (lambda: lapwing.SystemResourceMonitor(0), ValueError, "more than 0"),
    (lambda: lapwing.PlotGenerator().generate([1], {"type": "pie"}), ValueError, "scatter"),
    (lambda: lapwing.ReportGenerator().generate({}, {"format": "docx"}), ValueError, "pdf"),
    (lambda: lapwing.MetricsExporter().export({"x": 1}, "xml"), ValueError, "prometheus"),
    (lambda: lapwing.gate({"x": "fast"}, {"x": 1}), ValueError, "number"),
    (lambda: lapwing.gate({"x": 1}, "never-saved"), FileNotFoundError, "save one"),
    (lambda: lapwing.init("localhost:1"), ValueError, "http://"),
    (lambda: lapwing.PerformanceAnalyzer(slow=1), ValueError, "unknown field.*`evidence_max`$"),
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


def test_what_a_judge_or_a_model_gave_never_raises():
    from lapwing.testing import capture

    class Odd:
        def __float__(self):
            raise RuntimeError("no")

    of = {"model": "harm_scores"}
    with capture() as seen:
        for score in (float("nan"), float("inf"), None, "high", Odd()):
            lapwing.log_inference(model="harm_scores", version="1", latency=0.1, scores={"q": score, "good": 0.5}, tokens=7)
        for tokens in (float("nan"), -1, "many"):
            lapwing.log_inference(model="harm_scores", version="1", tokens=tokens)
    assert seen.value("model_inferences_total", **of) == 8 and seen.value("model_tokens_total", **of) == 35
    assert seen.value("model_scores_unusable_total", score="q", **of) == 5
    assert seen.value("model_score", score="good", **of) == 0.5 and seen.value("model_score_distribution", score="good", **of) == 5
    assert seen.value("model_score", score="q", **of) == 0 and lapwing.inferences()[-1]["model"] == "harm_scores"


def test_an_exception_may_stand_for_its_message():
    tracker = PerformanceTracker()
    before = tracker.active_operations
    ended = tracker.end_operation(tracker.start_operation("request", "x"), False, ValueError("no"))
    assert ended.error_message == "ValueError: no" and tracker.active_operations == before
    assert tracker.end_operation(tracker.start_operation("request", "x"), False, 404).error_message == "404"


def test_logging_that_is_set_up_again_says_each_line_once(tmp_path, capsys):
    for _ in range(2):
        logger = lapwing.setup_logging(name="harm_twice", output=tmp_path / "f.log")
        lapwing.setup_logging(name="harm_twice", output="stderr")
    logger.propagate = False
    logger.warning("once")
    assert (tmp_path / "f.log").read_text().count("once") == 1 and capsys.readouterr().err.count("once") == 1
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
