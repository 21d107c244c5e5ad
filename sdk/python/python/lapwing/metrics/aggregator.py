"""Many values become few."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, Callable, Iterable, Mapping

from .. import _native
from .._numbers import numbers_of
from .._text import check_settings
from .collector import MonitoringMetric, samples_of

_FUNCTIONS: dict[str, Callable[[list[float]], float]] = {
    "mean": lambda v: sum(v) / len(v), "avg": lambda v: sum(v) / len(v), "sum": sum, "min": min, "max": max, "count": lambda v: float(len(v)),
    "last": lambda v: v[-1], "first": lambda v: v[0], "range": lambda v: max(v) - min(v),
    "median": lambda v: _quantile(v, 0.5),
    "stddev": lambda v: _stddev(v),
}


def _stddev(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return (sum((x - mean) ** 2 for x in values) / len(values)) ** 0.5


def _quantile(values: list[float], q: float) -> float:
    return _native.quantiles(values, [q])[0] or 0.0


def function_of(word: Any) -> tuple[str, Callable[[list[float]], float]]:
    """`mean`, `p95`, … or a function of a list."""
    if callable(word):
        name: str = getattr(word, "__name__", "function")
        function: Callable[[list[float]], Any] = word
        return name, function
    if word in _FUNCTIONS:
        return word, _FUNCTIONS[word]
    if isinstance(word, str) and word.startswith("p") and word[1:].replace(".", "", 1).isdigit() and float(word[1:]) <= 100:
        q = float(word[1:]) / 100
        return word.replace(".", "_"), lambda v: _quantile(v, q)
    raise ValueError(f"{word!r} is not a way to aggregate: use {', '.join(_FUNCTIONS)}, p95, or a function")


class MetricsAggregator:
    """Aggregates metrics (seed 2).

    `aggregation_rules`: `{"latency": "p95"}`, `{"latency": ["mean", "p95"]}`, or `[{"metric": "latency", "functions": […], "by": ["model"], "name": …}]`.
    Without rules every metric gets mean, min, max and count. The answer is a list of metrics named `latency:p95`, which rules can speak of.

    >>> values = [{"name": "latency", "value": v} for v in (1, 2, 3, 4)]
    >>> [(m.name, m.value) for m in MetricsAggregator().aggregate(values, {"latency": ["mean", "max"]})]
    [('latency:mean', 2.5), ('latency:max', 4.0)]
    """

    def __repr__(self) -> str:
        return "<MetricsAggregator>"

    def aggregate(self, metrics: Any, aggregation_rules: Any = None) -> list[MonitoringMetric]:
        from .collector import MetricType

        series: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for name, labels, value in _all_of(metrics):
            # Of nothing but values: one that is none would make a mean of none, and a maximum of whatever came first.
            if not math.isnan(value):
                series[name].append((labels or {}, value))
        aggregated = []
        for rule in self._rules(aggregation_rules, series):
            values = series.get(rule["metric"])
            if not values:
                continue
            groups: dict[tuple[tuple[str, str], ...], list[float]] = defaultdict(list)
            for labels, value in values:
                groups[tuple((k, labels.get(k, "")) for k in rule["by"])].append(value)
            for key, numbers in groups.items():
                for word in rule["functions"]:
                    suffix, function = function_of(word)
                    name = rule.get("name") or f"{rule['metric']}:{suffix}"
                    aggregated.append(MonitoringMetric(name, MetricType.GAUGE, float(function(numbers)), labels=dict(key)))
        return aggregated

    def _rules(self, given: Any, series: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        if given is None:
            given = dict.fromkeys(series, ["mean", "min", "max", "count"])
        if isinstance(given, str):
            given = dict.fromkeys(series, given)
        if isinstance(given, Mapping):
            given = [{"metric": m, **(f if isinstance(f, Mapping) else {"functions": f})} for m, f in given.items()]
        for rule in given:
            check_settings(rule, ("metric", "name", "functions", "function", "aggregation", "by"), "a rule of aggregation")
            metric = rule.get("metric") or rule.get("name")
            functions = rule.get("functions") or rule.get("function") or rule.get("aggregation") or "mean"
            if not metric:
                raise ValueError(f"a rule of aggregation needs a metric: {rule!r}")
            functions = list(functions) if isinstance(functions, (list, tuple)) else [functions]
            by = rule.get("by") or []
            yield {"metric": metric, "functions": functions, "by": [by] if isinstance(by, str) else list(by), "name": rule.get("name") if rule.get("metric") else None}


def _all_of(metrics: Any) -> Iterable[tuple[str, dict[str, str] | None, float]]:
    """As `samples_of`, but all values of a list and not its last."""
    if isinstance(metrics, Mapping) and "name" not in metrics:
        for name, value in metrics.items():
            numbers = numbers_of(value)
            if numbers is not None:
                yield from ((str(name), None, v) for v in numbers)
            else:
                yield from samples_of({name: value})
    else:
        yield from samples_of(metrics)
