"""Metrics in the formats of others."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from typing import Any, Iterable

from .. import _core
from .collector import MonitoringMetric, MetricsCollector, samples_of

log = logging.getLogger("lapwing")

FORMATS = ("prometheus", "openmetrics", "json", "csv", "otlp")
_PLAIN_NAME, _PLAIN_LABEL = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*"), re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def _quoted(text: Any) -> str:
    escaped = str(text).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


def _name(name: str) -> str:
    """As a TYPE line has it: quoted where it is not a name of old."""
    return name if _PLAIN_NAME.fullmatch(name) else _quoted(name)


def _series(name: str, labels: Any) -> str:
    """Name and labels. Prometheus 3 and Lapwing read names of any text, in quotes: `{"model.latency","a-b"="1"}`."""
    plain = _PLAIN_NAME.fullmatch(name) is not None
    inner = [] if plain else [_quoted(name)]
    for label, value in sorted((str(k), v) for k, v in labels.items()):
        inner.append(f"{label if _PLAIN_LABEL.fullmatch(label) else _quoted(label)}={_quoted(value)}")
    return (name if plain else "") + ("{" + ",".join(inner) + "}" if inner else "")


def _metrics(source: Any) -> list[MonitoringMetric]:
    from .collector import MetricType

    if isinstance(source, MetricsCollector):
        return list(source.metrics.values())
    listed = list(source) if isinstance(source, (list, tuple)) else None
    if listed is not None and all(isinstance(m, MonitoringMetric) for m in listed):
        return listed
    return [MonitoringMetric(n, MetricType.GAUGE, v, labels=labels or {}) for n, labels, v in samples_of(source)]


class MetricsExporter:
    """Writes metrics as `prometheus`, `openmetrics`, `json`, `csv` or `otlp`. JSON has no number that is not finite: `NaN`, `+Inf` and `-Inf` are
    texts in it, and `NaN`, `Infinity` and `-Infinity` in OTLP, as that format wants them. A metric without a name is left out, with a warning.

    >>> print(MetricsExporter().export({"x": 1}, "prometheus"), end="")
    # TYPE x gauge
    x 1
    """

    def __repr__(self) -> str:
        return "<MetricsExporter>"

    def export(self, source: Any = None, format: str = "prometheus") -> str:
        """Of a collector, of metrics, or (without a source) of everything this process has."""
        if format not in FORMATS:
            raise ValueError(f"{format!r} is not a format: use {', '.join(FORMATS)}")
        if source is None and format == "prometheus":
            return _core.exposition()
        metrics = _metrics(source) if source is not None else list(_everything())
        named = [m for m in metrics if m.name and "" not in m.labels]
        if len(named) < len(metrics):
            log.warning("lapwing: %d metrics were not exported: they or one of their labels have no name", len(metrics) - len(named))
        # By name first: all series of a name stand together.
        return getattr(self, f"_{format}")(sorted(named, key=lambda m: (m.name, m.series)))

    def _prometheus(self, metrics: Iterable[MonitoringMetric], end: str = "") -> str:
        lines, seen = [], set()
        for m in metrics:
            if m.name not in seen:
                seen.add(m.name)
                if m.description:
                    escaped = m.description.replace("\\", r"\\").replace("\n", r"\n")
                    lines.append(f"# HELP {_name(m.name)} {escaped}")
                # A recorded value is a value: a counter without `_total` would not be one to OpenMetrics.
                lines.append(f"# TYPE {_name(m.name)} gauge")
            lines.append(f"{_series(m.name, m.labels)} {_number(m.value)}")
        return "\n".join(lines) + ("\n" if lines else "") + end

    def _openmetrics(self, metrics: Iterable[MonitoringMetric]) -> str:
        return self._prometheus(metrics, "# EOF\n")

    def _json(self, metrics: Iterable[MonitoringMetric]) -> str:
        rows = [
            {"name": m.name, "type": m.metric_type.value, "value": m.value if math.isfinite(m.value) else _number(m.value), "timestamp": m.timestamp, "labels": dict(m.labels), "description": m.description}
            for m in metrics
        ]
        return json.dumps({"timestamp": time.time(), "metrics": rows}, indent=2)

    def _csv(self, metrics: Iterable[MonitoringMetric]) -> str:
        import csv
        import io

        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["name", "type", "value", "timestamp", "labels"])
        for m in metrics:
            writer.writerow([m.name, m.metric_type.value, _number(m.value), m.timestamp, json.dumps(dict(m.labels), sort_keys=True)])
        return out.getvalue()

    def _otlp(self, metrics: Iterable[MonitoringMetric]) -> str:
        """An ExportMetricsServiceRequest as JSON."""
        points = [
            {
                "name": m.name, "description": m.description,
                "gauge": {"dataPoints": [{
                    "asDouble": m.value if math.isfinite(m.value) else _number(m.value).replace("+", "").replace("Inf", "Infinity"), "timeUnixNano": str(int(m.timestamp * 1e9)),
                    "attributes": [{"key": k, "value": {"stringValue": str(v)}} for k, v in sorted(m.labels.items())],
                }]},
            }
            for m in metrics
        ]
        return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"scope": {"name": "lapwing"}, "metrics": points}]}]}, indent=2)


def _everything() -> Iterable[MonitoringMetric]:
    from .collector import MetricType

    for name, kind, labels, value in _core.registry.read():
        kinds = {"counter": MetricType.COUNTER, "histogram": MetricType.HISTOGRAM, "summary": MetricType.TIMER}
        yield MonitoringMetric(name, kinds.get(kind, MetricType.GAUGE), value, labels=dict(labels))


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
