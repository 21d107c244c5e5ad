"""What operations and resources say: summaries, bottlenecks, recommendations."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Iterable, Mapping

from .. import _core, _native
from .tracking import PerformanceMetric, PerformanceTracker, SystemResourceMonitor, SystemResourceSnapshot, _window


class Finding(dict):  # type: ignore[type-arg]
    """A bottleneck or a recommendation: a sentence, and in it `value`, `threshold`, `window`, `operations`. Reads as the seed's strings did."""

    @property
    def message(self) -> str:
        return self["message"]

    def __str__(self) -> str:
        return self["message"]


@dataclass
class PerformanceReport:
    """Everything about a window (seed 3). A rate of nothing is None, quantiles are true ones, and each finding says what it was found from."""

    generated_at: datetime
    time_range_hours: float
    total_operations: int
    success_rate: float | None
    average_duration: float | None
    median_duration: float | None
    p95_duration: float | None
    p99_duration: float | None
    operations_by_type: dict[str, int]
    resource_usage_summary: dict[str, Any]
    bottlenecks: list[Finding]
    recommendations: list[Finding]
    trends: dict[str, str] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    failed_operations = property(lambda self: self.raw["failed_operations"])
    optimization_recommendations = property(lambda self: self.recommendations)
    resource_summary = property(lambda self: self.resource_usage_summary)

    def to_dict(self) -> dict[str, Any]:
        return self.raw

    def _repr_html_(self) -> str:
        from .._html import sparkline, table, text

        rows = [{"type": o["name"], "count": o["count"], "success": f"{o['success_rate']:.1%}", "mean s": o["duration_s"]["mean"], "p95 s": o["duration_s"]["p95"]} for o in self.raw["by_type"]]
        spread = self.raw["duration_s"]
        chart = sparkline([spread[k] for k in ("min", "median", "p95", "p99", "max")]) if spread else ""
        found = "".join(f"<li>{text(r)}</li>" for r in self.recommendations)
        return f"<b>{self.total_operations} operations in {self.time_range_hours:g} h</b>{chart}{table(rows)}<ul>{found}</ul>"


class PerformanceAnalyzer:
    """Reports over a tracker and a resource monitor (seed 3). Thresholds can be set: `PerformanceAnalyzer(t, m, slow_s=5)`."""

    def __init__(self, tracker: PerformanceTracker | None = None, resource_monitor: SystemResourceMonitor | None = None, **thresholds: Any):
        self.tracker = tracker if tracker is not None else PerformanceTracker()
        self.resource_monitor = resource_monitor if resource_monitor is not None else SystemResourceMonitor()
        self.thresholds = thresholds
        if thresholds:
            _native.performance_report("[]", "[]", 0, 1, json.dumps(thresholds))

    def __repr__(self) -> str:
        return f"<PerformanceAnalyzer of {self.tracker!r}>"

    def generate_performance_report(self, hours_back: float = 24) -> PerformanceReport:
        since = _window(hours_back)
        return self._report(self.tracker._raw(hours_back), self.resource_monitor._raw(hours_back), since, hours_back)

    async def agenerate_performance_report(self, hours_back: float = 24) -> PerformanceReport:
        import asyncio

        return await asyncio.to_thread(self.generate_performance_report, hours_back)

    def _report(self, operations: Any, readings: Any, since: int, hours: float) -> PerformanceReport:
        raw = json.loads(
            _native.performance_report(json.dumps(operations), json.dumps(readings), since, _core.now_ms() + 1000, json.dumps(self.thresholds))
        )
        spread = raw["duration_s"] or {}
        return PerformanceReport(
            datetime.now(timezone.utc), hours, raw["total_operations"], raw["success_rate"], spread.get("mean"), spread.get("median"), spread.get("p95"),
            spread.get("p99"), {o["name"]: o["count"] for o in raw["by_type"]}, _flat(raw["resources"]), [Finding(b) for b in raw["bottlenecks"]],
            [Finding(r) for r in raw["recommendations"]], {t["quantity"]: t["word"] for t in raw["trends"]}, raw,
        )

    def _calculate_resource_summary(self, resource_history: Iterable[Any]) -> dict[str, Any]:
        return _flat(json.loads(_native.resource_summary(json.dumps([_reading(r) for r in resource_history]))))

    def _identify_bottlenecks(self, metrics: Iterable[Any], resource_history: Iterable[Any]) -> list[Finding]:
        return self._of(metrics, resource_history).bottlenecks

    def _generate_recommendations(self, metrics: Iterable[Any], resource_history: Iterable[Any], bottlenecks: Any = None) -> list[Finding]:
        found = self._of(metrics, resource_history).recommendations
        if bottlenecks is None:
            return found
        kinds = {b["kind"] if isinstance(b, Mapping) else str(b) for b in bottlenecks}
        return [r for r in found if r["because"] in kinds]

    def _of(self, metrics: Iterable[Any], readings: Iterable[Any]) -> PerformanceReport:
        return self._report([_operation(m) for m in metrics], [_reading(r) for r in readings], 0, 0)


def _operation(metric: Any) -> dict[str, Any]:
    if isinstance(metric, Mapping):
        return dict(metric)
    assert isinstance(metric, PerformanceMetric)
    return {
        "id": metric.operation_id, "type": str(metric.metric_type), "name": metric.operation_name, "started_ms": int(metric.start_time * 1000),
        "duration_s": metric.duration, "success": metric.success, "error": metric.error_message,
    }


def _reading(snapshot: Any) -> dict[str, Any]:
    if isinstance(snapshot, SystemResourceSnapshot):
        if snapshot.raw:
            return dict(snapshot.raw)
        free = None if snapshot.disk_free_gb is None else snapshot.disk_free_gb * 1e9
        return {
            "t_ms": int(snapshot.timestamp * 1000), "cpu_percent": snapshot.cpu_percent, "memory_percent": snapshot.memory_percent,
            "disk_percent": snapshot.disk_percent, "disk_free_bytes": free,
        }
    return dict(snapshot)


def _flat(summary: Mapping[str, Any] | None) -> dict[str, Any]:
    """The seed's keys: `avg_cpu_percent`, `max_cpu_percent`, …"""
    if not summary:
        return {}
    flat: dict[str, Any] = {"samples": summary["readings"]}
    for key, word in (("cpu_percent", "cpu_percent"), ("memory_percent", "memory_percent"), ("disk_percent", "disk_usage_percent")):
        if summary[key]:
            flat |= {f"avg_{word}": summary[key]["mean"], f"max_{word}": summary[key]["max"], f"p95_{word}": summary[key]["p95"]}
    if summary["disk_free_bytes_min"] is not None:
        flat["min_disk_free_gb"] = summary["disk_free_bytes_min"] / 1e9
    for gpu, spread in summary["gpu_utilization_percent"].items():
        flat |= {f"avg_gpu{gpu}_percent": spread["mean"], f"max_gpu{gpu}_percent": spread["max"]}
    return flat
