"""Metrics: names and labels of any text, recent time, sources that fail, numbers of other libraries, formats."""

import json
import logging
import math

import pytest

import lapwing
from lapwing import _native, ComprehensiveMonitor, DashboardCreator, MetricsAggregator, MetricsCollector, MetricsExporter, MetricsStorage, MonitoringMetric, PlotGenerator
from lapwing.metrics import collector as collecting
from lapwing.metrics._recent import SAMPLE_MAX, Recent


class Clock:
    """Turned by hand."""

    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


def exposed(word):
    return [line for line in lapwing.exposition().splitlines() if word in line and not line.startswith("#")]


def value_of(found):
    return [(m.name, m.value) for m in found]


# Recent time.
def test_error_rate_and_latency_are_those_of_the_last_five_minutes():
    clock = Clock()
    metrics = MetricsCollector(clock=clock)
    for _ in range(20_000):
        metrics.record_request("/", "200", 0.1)
    metrics.record_inference(3.0)
    clock.now += 301
    for _ in range(500):
        metrics.record_request("/", "500", 2.0)
    found = metrics.request_summary()
    assert (found["total_requests"], found["error_rate"], found["p95_latency"], found["average_latency"]) == (20_500, 1.0, 2.0, 2.0)
    assert found["average_inference_time"] is None
    clock.now += 301
    metrics.record_request("/", "200", 0.1)
    found = metrics.request_summary()
    assert (found["error_rate"], found["p95_latency"]) == (0.0, 0.1)
    clock.now += 301
    assert metrics.request_summary() == {
        "total_requests": 20_501, "error_rate": None, "request_rate": 0.0, "average_latency": None, "p95_latency": None, "average_inference_time": None,
        "quality_score": None,
    }


def test_the_rate_is_that_of_the_last_five_minutes():
    clock = Clock()
    metrics = MetricsCollector(clock=clock)
    clock.now += 10_000
    for _ in range(600):
        clock.now += 0.5
        metrics.record_request("/", "200", 0.1)
    assert metrics.request_summary()["request_rate"] == pytest.approx(2.0, rel=0.02)


def test_a_rule_over_the_error_rate_sees_what_is_bad_now():
    monitor = ComprehensiveMonitor({})
    clock = Clock()
    metrics = monitor.metrics_collector = MetricsCollector(clock=clock)
    for _ in range(1000):
        metrics.record_request("/", "200", 0.1)
    clock.now += 400
    metrics.record_request("/", "500", 0.1)
    assert monitor.calculate_error_rate() == 1.0


def test_a_second_collector_knows_only_its_own_requests():
    MetricsCollector().record_request("/", "200", 9.0)
    assert set(MetricsCollector().request_summary().values()) == {0, None}


def test_what_is_remembered_of_recent_time_is_bounded_and_still_tells_the_quantile():
    recent = Recent(0.0)
    for i in range(20_000):
        recent.add(1.0, 10.0 if i % 10 == 0 else 1.0)
    for i in range(100):
        recent.add(15.0, 1.0)
    (slot, _) = recent._slots.values()
    assert (slot.count, len(slot.durations)) == (20_000, SAMPLE_MAX)
    assert recent.read(16.0)["p95"] == 10.0
    assert recent.read(16.0)["average"] == pytest.approx((2_000 * 10 + 18_000 + 100) / 20_100)
    # The 100 of a quiet time do not outweigh the 20 000 that 256 stand for.
    assert recent._quantile(0.5) == 1.0
    recent.add(10_000.0, 1.0)
    assert len(recent._slots) == 1


# The host.
def test_readers_of_the_host_do_not_spoil_each_other(monkeypatch):
    readings = iter(range(100))

    class Host:
        def sample(self):
            return json.dumps({"cpu_percent": 7.0, "reading": next(readings)})

    waits = []
    monkeypatch.setattr(collecting._native, "Host", Host)
    monkeypatch.setattr(collecting, "_host", None)
    monkeypatch.setattr(collecting.time, "sleep", waits.append)
    assert [collecting.host_sample()["reading"] for _ in range(3)] == [1, 2, 3]
    assert waits == [collecting.FIRST_MEASURE_S]


# Sources.
def test_one_bad_value_costs_neither_the_other_sources_nor_the_background():
    metrics = MetricsCollector()
    sources = {"bad": lambda: math.nan, "labelled": lambda: [MonitoringMetric("of_numbers", collecting.MetricType.GAUGE, 2.0, labels={1: 2})], "good": lambda: 5}
    collected = metrics.collect(sources, interval=3600)
    try:
        assert metrics._loop.running
    finally:
        metrics.stop()
    assert value_of(collected) == [("of_numbers", 2.0), ("good", 5.0)] and dict(collected[0].labels) == {"1": "2"}
    assert list(metrics.failures) == ["bad"] and "NaN" in metrics.failures["bad"]
    metrics.collect({"bad": lambda: 1})
    assert metrics.failures == {}


def test_names_of_nested_sections_do_not_collide():
    found = list(collecting.samples_of({"a": {"avg": 1}, "m": {"max": 3}, "b": {"avg": 2}, "latency": {"latency_p95": 4}}))
    assert found == [("a_avg", None, 1.0), ("m_max", None, 3.0), ("b_avg", None, 2.0), ("latency_p95", None, 4.0)]


# Names and labels.
def test_a_name_of_any_text_is_on_the_page_and_in_the_engine():
    client = lapwing.init(embedded=True)
    metrics = MetricsCollector()
    for name in ("model.latency", "größe x"):
        metrics.record_metric(name, "gauge", 4, {"a-b": "1"})
        assert exposed(name) == [f'{{"{name}","a-b"="1"}} 4']
    assert metrics.failures == {}
    client.flush()
    assert [(r["metric"]["__name__"], float(r["value"][1])) for r in client.query('{"model.latency", "a-b"="1"}')] == [("model.latency", 4.0)]


def test_one_label_does_not_break_the_page():
    metrics = MetricsCollector()
    metrics.record_metric("page_plain", "gauge", 1, {"a-b": 'x"y'})
    metrics.record_metric("page_took", "timer", 1, {"a b": "1"})
    assert exposed("page_plain") == ['page_plain{"a-b"="x\\"y"} 1']
    assert 'page_took_count{"a b"="1"} 1' in exposed("page_took")
    lapwing.log_inference(model="page-a", latency=0.1, **{"a-b": "1", "": "2", "le": "3", "__name__": "4"})
    (line,) = [line for line in exposed("page-a") if line.startswith("lapwing_operation_duration_seconds_count")]
    assert line == 'lapwing_operation_duration_seconds_count{"a-b"="1",model="page-a",operation="inference",type="inference"} 1'


def test_a_value_that_the_process_cannot_show_is_named_once(caplog):
    lapwing.counter("taken_total")
    lapwing.gauge("declared_of", labels=("model",))
    metrics = MetricsCollector()
    with caplog.at_level(logging.WARNING, "lapwing"):
        metrics.record_metric("declared_of", "gauge", 3, {"model": "a"})
        assert metrics.failures == {} and exposed("declared_of") == ['declared_of{model="a"} 3']
        for _ in range(3):
            metrics.record_metric("taken_total", "gauge", 1)
            metrics.record_metric("declared_of", "gauge", 3, {"other": "a"})
            metrics.record_metric("timed_of", "timer", 3, {"le": "a"})
    assert "another type" in metrics.failures["taken_total"] and "no label" in metrics.failures["declared_of"] and "le" in metrics.failures["timed_of"]
    assert len(caplog.records) == 3
    assert metrics.get_metric("taken_total").value == 1.0


# Formats.
def test_exported_names_are_quoted_where_they_must_be(caplog):
    page = MetricsExporter().export([{"name": n, "value": 1, "labels": {"l-x": "v"}} for n in ("a b", "plain")] + [{"name": "", "value": 1}])
    assert page == '# TYPE "a b" gauge\n{"a b","l-x"="v"} 1\n# TYPE plain gauge\nplain{"l-x"="v"} 1\n'
    assert "not exported" in caplog.text


def test_series_of_one_name_stand_together():
    page = MetricsExporter().export([{"name": n, "value": 1, "labels": labels} for n, labels in (("a", {}), ("ab", {}), ("a", {"x": "1"}))])
    assert page.splitlines() == ["# TYPE a gauge", "a 1", 'a{x="1"} 1', "# TYPE ab gauge", "ab 1"]


@pytest.mark.parametrize(("format", "text"), [("json", '"+Inf"'), ("otlp", '"Infinity"')])
def test_json_stays_json_with_infinite_values(format, text):
    def refuse(word):
        raise AssertionError(word)

    page = MetricsExporter().export({"x": math.inf}, format)
    json.loads(page, parse_constant=refuse)
    assert text in page


# Numbers of other libraries.
class Scalar:
    """As NumPy's scalars that are no floats of Python."""

    shape = ()

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return float(self.value)


class Column:
    """As an array or a column of pandas: a shape, and what is in it as a list; no truth, and no number."""

    def __init__(self, *values):
        self.values, self.shape, self.index, self.name = values, (len(values),), range(len(values)), None

    def tolist(self):
        return list(self.values)

    def to_dict(self):
        return dict(enumerate(self.values))

    def __iter__(self):
        return iter(self.values)

    def __float__(self):
        raise TypeError("only one value is a number")

    def __bool__(self):
        raise ValueError("the truth of an array is ambiguous")


def arrays():
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    return [(numpy.float32, lambda *v: numpy.array(v)), (numpy.int64, lambda *v: pandas.Series(v))]


@pytest.mark.parametrize("library", [lambda: [(Scalar, Column)], arrays], ids=["by protocol", "numpy and pandas"])
def test_numbers_of_other_libraries_are_numbers(library):
    for scalar, column in library():
        assert value_of(MetricsAggregator().aggregate({"x": column(1.0, 2.0)}, {"x": "mean"})) == [("x:mean", 1.5)]
        assert value_of(MetricsAggregator().aggregate({"x": [scalar(1), scalar(2)]}, {"x": "sum"})) == [("x:sum", 3.0)]
        metrics = MetricsCollector()
        assert value_of(metrics.collect({"x": lambda: scalar(3), "y": {"z": column(1.0, 4.0)}})) == [("x", 3.0), ("z", 4.0)]
        assert metrics.failures == {}
        board = DashboardCreator().create({"x": scalar(3), "y": column(1.0, 2.0)})
        assert ">3</span>" in board.panels[0].html and board.panels[1].plot is not None
        for data in (column(1.0, 2.0), {"a": scalar(1), "b": scalar(2)}, {"a": column(1.0, 2.0)}):
            assert "<polyline" in PlotGenerator().generate(data)[0].svg


def test_the_deviation_reads_its_values_once():
    class Counted(float):
        read = 0

        def __sub__(self, other):
            Counted.read += 1
            return float(self) - other

        def __radd__(self, other):
            Counted.read += 1
            return other + float(self)

    from lapwing.metrics.aggregator import function_of

    assert function_of("stddev")[1]([Counted(v) for v in (2, 4, 4, 4, 5, 5, 7, 9)]) == 2.0
    assert Counted.read <= 16


def test_queries_of_collectors_and_storages_are_numbers_and_tables():
    collector, storage = MetricsCollector(), MetricsStorage()
    collector.record_metric("kept_depth", "gauge", 3)
    storage.store({"kept_depth": 3})
    for asked in (collector, storage):
        for expr, expected in (("kept_depth / 0", math.inf), ("-kept_depth / 0", -math.inf)):
            assert asked.query(expr)[0]["value"][1] == expected
        assert math.isnan(asked.query("kept_depth * NaN")[0]["value"][1])
        assert asked.query("kept_depth").columns()["value"] == [3.0]


def test_a_storage_is_asked_for_what_it_keeps_whatever_its_retention():
    storage = MetricsStorage("1h")
    storage.store({"week": 1}, "7d")
    storage.store({"day": 2, "week": 5}, "1d")
    assert storage.query("day")[0]["value"][1] == 2.0 and storage.query("week")[0]["value"][1] == 1.0
    assert storage.query("week", retention="1d")[0]["value"][1] == 5.0 and storage.query("day", retention="7d") == []
    assert storage.query("nothing") == []


def test_what_a_storage_refuses_is_not_counted(caplog):
    storage = MetricsStorage()
    storage._stores[storage._retention] = _native.Store(1000, memory_limit_bytes=1)
    with caplog.at_level(logging.WARNING, "lapwing"):
        kept = storage.store([{"name": "series", "value": 1, "labels": {"n": str(n)}} for n in range(50)])
    assert kept < 50 and "series among them" in caplog.text


def test_what_is_no_number_in_a_list_of_metrics_is_passed_over():
    metrics = [{"name": "text", "value": "many"}, {"name": "none", "value": None}, {"name": "said", "value": "4"}, {"name": "depth", "value": 3}]
    assert list(collecting.samples_of(metrics)) == [("said", {}, 4.0), ("depth", {}, 3.0)]


def test_an_aggregation_is_of_the_values_that_are_numbers():
    values = {"loss": [math.nan, 1.0, 3.0]}
    found = {m.name: m.value for m in MetricsAggregator().aggregate(values, {"loss": ["mean", "min", "max", "count", "p50", "first"]})}
    assert found == {"loss:mean": 2.0, "loss:min": 1.0, "loss:max": 3.0, "loss:count": 2.0, "loss:p50": 2.0, "loss:first": 1.0}
    assert MetricsAggregator().aggregate([{"name": "loss", "value": math.nan}]) == []
