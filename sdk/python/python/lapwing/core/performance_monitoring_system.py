"""Seed 3's module: performance of downloads, health checks, fallbacks, analytics and models, with what the machine was doing."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Mapping

from .._loop import Twins
from .. import _native
from ..performance.analysis import PerformanceAnalyzer, PerformanceReport
from ..utils.config import load_config
from ..performance.tracking import (
    PerformanceMetric, PerformanceMetricType, PerformanceTracker, SystemResourceMonitor, SystemResourceSnapshot,
)

__all__ = [
    "PerformanceAnalyzer", "PerformanceMetric", "PerformanceMetricType", "PerformanceMonitoringSystem", "PerformanceReport", "PerformanceTracker",
    "SystemResourceMonitor", "SystemResourceSnapshot", "DOWNLOAD_OPERATION", "HEALTH_CHECK", "FALLBACK_STRATEGY", "ANALYTICS_COLLECTION",
    "SYSTEM_RESOURCE", "MODEL_OPERATION",
]

# The constants that seed 3 documents beside the enum: strings, which every method takes as well.
DOWNLOAD_OPERATION: str = PerformanceMetricType.DOWNLOAD_OPERATION.value
HEALTH_CHECK: str = PerformanceMetricType.HEALTH_CHECK.value
FALLBACK_STRATEGY: str = PerformanceMetricType.FALLBACK_STRATEGY.value
ANALYTICS_COLLECTION: str = PerformanceMetricType.ANALYTICS_COLLECTION.value
SYSTEM_RESOURCE: str = PerformanceMetricType.SYSTEM_RESOURCE.value
MODEL_OPERATION: str = PerformanceMetricType.MODEL_OPERATION.value


#: Which unit a number has, and a duration such as 30s becomes.
_UNITS_MS = {"sample_interval": 1_000, "dashboard_cache_seconds": 1_000, "report_hours": 3_600_000}


def _setting(path: str, name: str, value: Any, default: Any) -> Any:
    if isinstance(default, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError(f"{path}: {name} is a mapping of names and numbers, not {value!r}")
        return dict(value)
    try:
        number = _native.duration_ms(value) / _UNITS_MS[name] if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{path}: {name} is a number or a duration such as 30s, not {value!r}") from None
    return number


class PerformanceMonitoringSystem(Twins):
    """Tracker, resource monitor and analyzer together (seed 3).

    `config_path` names a JSON or YAML file: `sample_interval`, `dashboard_cache_seconds`, and `thresholds` by name (`slow_s`, `failure_share_max`, …).

    >>> with PerformanceMonitoringSystem() as system:
    ...     op = system.track_model_operation("load", {"model": "a"})
    ...     system.end_tracking(op, True).operation_name
    'load'
    """

    DEFAULTS: Mapping[str, Any] = {"sample_interval": 30, "dashboard_cache_seconds": 300, "report_hours": 24, "thresholds": {}}

    def __init__(self, config_path: str | os.PathLike[str] | None = None):
        self.config = self._load_config(config_path)
        self.tracker = PerformanceTracker()
        self.resource_monitor = SystemResourceMonitor(self.config["sample_interval"])
        try:
            self.analyzer = PerformanceAnalyzer(self.tracker, self.resource_monitor, **self.config["thresholds"])
        except ValueError as error:
            raise ValueError(f"{config_path}: thresholds: {error}") from None
        self._dashboard: tuple[float, dict[str, Any]] | None = None
        self.resource_monitor.start()

    def _load_config(self, config_path: str | os.PathLike[str] | None) -> dict[str, Any]:
        """Without a path, or a file at it, the defaults; what is in the file and unknown is an error."""
        config = dict(self.DEFAULTS)
        if config_path is not None and os.path.exists(config_path):
            found = load_config(config_path)
            unknown = sorted(set(found) - set(config))
            if unknown:
                raise ValueError(f"{os.fspath(config_path)}: unknown settings {', '.join(unknown)}; known are {', '.join(config)}")
            # What stands there without a value is as if it did not.
            config |= {k: v for k, v in found.items() if v is not None}
            for name, default in self.DEFAULTS.items():
                config[name] = _setting(os.fspath(config_path), name, config[name], default)
        return config

    def track_download_operation(self, operation_name: str, metadata: Mapping[str, Any] | None = None) -> str:
        return self.tracker.start_operation(PerformanceMetricType.DOWNLOAD_OPERATION, operation_name, metadata)

    def track_health_check(self, operation_name: str, metadata: Mapping[str, Any] | None = None) -> str:
        return self.tracker.start_operation(PerformanceMetricType.HEALTH_CHECK, operation_name, metadata)

    def track_fallback_strategy(self, operation_name: str, metadata: Mapping[str, Any] | None = None) -> str:
        return self.tracker.start_operation(PerformanceMetricType.FALLBACK_STRATEGY, operation_name, metadata)

    def track_analytics_collection(self, operation_name: str, metadata: Mapping[str, Any] | None = None) -> str:
        return self.tracker.start_operation(PerformanceMetricType.ANALYTICS_COLLECTION, operation_name, metadata)

    def track_model_operation(self, operation_name: str, metadata: Mapping[str, Any] | None = None) -> str:
        return self.tracker.start_operation(PerformanceMetricType.MODEL_OPERATION, operation_name, metadata)

    def end_tracking(
        self, operation_id: str, success: bool = True, error_message: str | BaseException | None = None, additional_metadata: Mapping[str, Any] | None = None
    ) -> PerformanceMetric:
        return self.tracker.end_operation(operation_id, success, error_message, additional_metadata)

    def get_performance_report(self, hours_back: float = 24) -> PerformanceReport:
        return self.analyzer.generate_performance_report(hours_back)

    def get_dashboard_data(self, force_refresh: bool = False) -> dict[str, Any]:
        """Numbers for a page, made anew at most every `dashboard_cache_seconds`."""
        now = time.monotonic()
        if not force_refresh and self._dashboard is not None and now - self._dashboard[0] < self.config["dashboard_cache_seconds"]:
            return self._dashboard[1]
        report = self.get_performance_report(self.config["report_hours"])
        current = self.resource_monitor.get_current_usage()
        data = {
            "timestamp": time.time(),
            "current_resources": {k: v for k, v in current.raw.items() if v is not None},
            "performance_summary": {
                "total_operations": report.total_operations, "success_rate": report.success_rate, "average_duration": report.average_duration,
                "median_duration": report.median_duration, "p95_duration": report.p95_duration, "operations_by_type": report.operations_by_type,
            },
            "resource_trends": self._calculate_resource_trends(),
            "resource_summary": report.resource_usage_summary,
            "bottlenecks": [dict(b) for b in report.bottlenecks],
            "recommendations": [str(r) for r in report.recommendations],
            "active_operations": self.tracker.active_operations,
        }
        self._dashboard = (now, data)
        return data

    def _calculate_resource_trends(self) -> dict[str, str]:
        """Of the last two hours: `increasing`, `decreasing`, `stable`, or `too_few_readings`. The seed divided by zero and had two arguments of
        the disk's trend swapped."""
        history = self.resource_monitor._raw(2)
        found = {}
        for name, key in (("cpu", "cpu_percent"), ("memory", "memory_percent"), ("disk", "disk_percent")):
            values = [s[key] for s in history if s.get(key) is not None]
            found[name] = json.loads(_native.trend(key, values))["word"]
        return found

    def stop(self) -> None:
        self.resource_monitor.stop()

    shutdown = stop_monitoring = stop

    def start_monitoring(self) -> None:
        """Samples the machine again, after `stop()`; a new system does from the beginning."""
        self.resource_monitor.start()

    def __enter__(self) -> "PerformanceMonitoringSystem":
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<PerformanceMonitoringSystem {self.tracker!r}>"
