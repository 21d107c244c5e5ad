"""Seed 4's module: alerts that a program triggers, and thresholds that are looked at in the background."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import Any, Callable, Mapping, Protocol, Self

from .._fork import remembered
from .. import _core, _native
from .._loop import Loop, Twins
from .._numbers import number_of
from .._text import told
from ..alerts.alert import _ORDER, Alert, AlertRule, AlertSeverity, severity_word
from ..alerts.alert_manager import AlertManager
from ..performance.tracking import SystemResourceMonitor

__all__ = ["AdvancedMonitor", "Alert", "AlertManager", "AlertSeverity", "GPUProfilerProtocol", "ResourceMonitor"]


class GPUProfilerProtocol(Protocol):
    """What a profiler of GPUs answers: `{"gpu_utilization": …, "gpu_memory_mb": …}`, under either name."""

    def get_utilization(self) -> Mapping[str, float]: ...


class ResourceMonitor(SystemResourceMonitor):
    """Seed 4's name for what samples the machine."""


class AdvancedMonitor(Twins):
    """Looks at thresholds every few seconds (seed 4).

    A threshold has a direction: the metric's name says which way is bad, or `direction="above" | "below"` does, so that
    `set_threshold("throughput", 500)` alerts when throughput is *low* (the seed alerted when it was good). Metrics of one's own come in by
    `record_metric` or from a function given to `add_source` (in the seed they were never checked). A threshold that stays crossed is one
    alert, told again only when it becomes worse, and its end is known.

    >>> monitor = AdvancedMonitor()
    >>> monitor.set_threshold("throughput", 500.0)
    >>> monitor.record_metric("throughput", 850)
    >>> monitor.check()
    []
    >>> monitor.record_metric("throughput", 300)
    >>> [a.metric_name for a in monitor.check()]
    ['throughput']
    """

    HISTORY_MAX = 1_000

    def __init__(self, gpu_profiler: Any = None, resource_monitor: Any = None, *, alert_manager: AlertManager | None = None, max_alerts: int = 1000):
        self.alert_manager = alert_manager if alert_manager is not None else AlertManager(max_alerts=max_alerts)
        self.gpu_profiler = gpu_profiler
        self.resource_monitor = resource_monitor
        self.thresholds: dict[str, float] = {}
        self.failures: dict[str, str] = {}
        self.metric_history: dict[str, deque[tuple[float, float]]] = {}
        self._directions: dict[str, str] = {}
        self._severities: dict[str, str | None] = {}
        self._active: dict[str, Alert] = {}
        self._alert_count = 0
        self._sources: dict[str, Callable[[], Any]] = {}
        self._loop = Loop("monitor", self._tick)
        remembered(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def set_threshold(self, metric_name: str, threshold: float, *, direction: str | None = None, severity: Any = None) -> None:
        value = float(threshold)
        if math.isnan(value):
            raise ValueError(f"the threshold of {metric_name!r} is not a number (NaN)")
        if direction not in (None, "above", "below", "lower", "higher"):
            raise ValueError(f"{direction!r} is not a direction: alert when the metric is \"above\" or \"below\" the threshold")
        word = None if severity is None else severity_word(severity)
        way = {"lower": "above", "higher": "below"}.get(direction or "", direction) or ("below" if _native.direction_of(metric_name) == "higher" else "above")
        with self._lock:
            self.thresholds[metric_name] = value
            self._directions[metric_name] = way
            self._severities[metric_name] = word

    def remove_threshold(self, metric_name: str) -> bool:
        with self._lock:
            self._end(metric_name)
            return self.thresholds.pop(metric_name, None) is not None

    def _end(self, metric_name: str) -> None:
        alert = self._active.pop(metric_name, None)
        if alert is not None:
            alert.resolved, alert.resolved_at = True, time.time()

    def record_metric(self, name: str, value: float) -> None:
        """A value of one's own; it is checked at the next look."""
        number = float(value)
        if math.isnan(number):
            raise ValueError(f"the value of {name!r} is not a number (NaN)")
        with self._lock:
            self.metric_history.setdefault(name, deque(maxlen=self.HISTORY_MAX)).append((time.time(), number))
        _core.registry.record_loose("gauge", name, "", {}, number)

    def add_source(self, name: str, source: Callable[[], Any]) -> None:
        """Called at every look: a number, or a dictionary of them; what is no number is passed over."""
        if not callable(source):
            raise TypeError(f"a source is something to call, not {source!r}")
        self._sources[name] = source

    def add_alert_handler(self, handler: Callable[[Alert], Any]) -> None:
        self.alert_manager.add_alert_handler(handler)

    def start_monitoring(self, interval: float | str = 5.0) -> None:
        """Looks at once and then every `interval` seconds, on a thread of its own. A second start changes nothing."""
        self._loop.start(interval)

    def stop_monitoring(self) -> None:
        self._loop.stop()

    @property
    def is_monitoring(self) -> bool:
        return self._loop.running

    def _tick(self) -> None:
        self.collect_metrics()
        self.check()

    def collect_metrics(self) -> dict[str, float]:
        """What the loop reads by itself: this machine and process, the GPUs, and every source."""
        found: dict[str, float] = {}

        def read(name: str, get: Callable[[], Any]) -> None:
            try:
                value = get()
                self.failures.pop(name, None)
            except Exception as error:
                self.failures[name] = told(error)
                return
            pairs = value.items() if isinstance(value, Mapping) else [(name, value)]
            found.update({k: number for k, v in pairs if (number := number_of(v)) is not None and not math.isnan(number)})

        read("host", self._host)
        if self.gpu_profiler is not None:
            read("gpu", self._gpus)
        for name, source in list(self._sources.items()):
            read(name, source)
        for name, value in found.items():
            self.record_metric(name, value)
        return found

    def _gpus(self) -> Any:
        names = ("get_utilization", "get_gpu_utilization", "get_metrics")
        ask = next((getattr(self.gpu_profiler, n) for n in names if hasattr(self.gpu_profiler, n)), None)
        if ask is None:
            raise TypeError(f"a profiler of GPUs has one of {', '.join(names)}, and {type(self.gpu_profiler).__name__} has none of them")
        return ask()

    def _host(self) -> dict[str, float]:
        from ..metrics.collector import host_sample

        now = self.resource_monitor.get_current_usage().raw if isinstance(self.resource_monitor, SystemResourceMonitor) else host_sample()
        found = {"cpu_percent": now.get("cpu_percent"), "memory_percent": now.get("memory_percent"), "disk_percent": now.get("disk_percent")}
        if now.get("process_memory_bytes") is not None:
            found["memory_rss_mb"] = now["process_memory_bytes"] / 1e6
        gpus = now.get("gpus") or []
        busy = [g["utilization_percent"] for g in gpus if g.get("utilization_percent") is not None]
        used = [g["memory_used_bytes"] for g in gpus if g.get("memory_used_bytes") is not None]
        if busy:
            found["gpu_utilization"] = max(busy)
        if used:
            found["gpu_memory_mb"] = sum(used) / 1e6
        return {k: v for k, v in found.items() if v is not None}

    def check(self) -> list[Alert]:
        """Looks at the newest value of every metric with a threshold. What became bad, or worse, now."""
        fresh = []
        with self._lock:
            for name, threshold in self.thresholds.items():
                history = self.metric_history.get(name)
                if not history:
                    continue
                value = history[-1][1]
                if not self._crossed(name, value, threshold):
                    self._end(name)
                    continue
                severity = self._severities.get(name) or severity_of(value, threshold, self._directions[name]).value
                active = self._active.get(name)
                if active is not None and _ORDER.index(severity) <= _ORDER.index(active.word):
                    active.count += 1
                    active.metric_value = value
                    continue
                fresh.append((name, value, threshold, severity))
        told = []
        for name, value, threshold, severity in fresh:
            trend, slope = _native.slope([v for _, v in list(self.metric_history[name])[-100:]])
            way = self._directions[name]
            alert = self.alert_manager.trigger_alert(
                f"{name} is {value:.4g}, {way} {threshold:.4g} ({trend})", severity, name, value, threshold,
                metadata={"trend": trend, "slope": slope, "direction": way},
            )
            self._active[name] = alert
            self._alert_count += 1
            told.append(alert)
        return told

    def _crossed(self, name: str, value: float, threshold: float) -> bool:
        return value < threshold if self._directions[name] == "below" else value > threshold

    def get_active_alerts(self) -> list[Alert]:
        return list(self._active.values())

    def get_monitoring_summary(self) -> dict[str, Any]:
        """`thresholds`, `alert_count` (all that were ever told, not the last hundred), and per metric latest, min, max, mean, trend."""
        with self._lock:
            history = {n: [v for _, v in h] for n, h in self.metric_history.items() if h}
            summary = {
                n: {"latest": v[-1], "min": min(v), "max": max(v), "mean": sum(v) / len(v), "count": len(v), "trend": _native.slope(v[-100:])[0]}
                for n, v in history.items()
            }
            return {
                "is_monitoring": self.is_monitoring, "thresholds": dict(self.thresholds), "directions": dict(self._directions),
                "alert_count": max(self._alert_count, len(self.alert_manager.alert_history)), "active_alerts": len(self._active),
                "metric_history": summary, "failures": dict(self.failures),
            }

    def rules(self) -> list[AlertRule]:
        """The thresholds as rules of the engine."""
        with self._lock:
            crossed = [(n, "<" if self._directions[n] == "below" else ">", t) for n, t in self.thresholds.items()]
        return [AlertRule(f"{n}_threshold", f"{n} {operator} {t!r}") for n, operator, t in crossed]

    def __enter__(self) -> Self:
        self.start_monitoring()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop_monitoring()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self.thresholds)} thresholds, {len(self._active)} active>"

    def _repr_html_(self) -> str:
        from .._html import sparkline, text

        with self._lock:
            history = {n: [v for _, v in h] for n, h in self.metric_history.items() if h}
        rows = "".join(
            f"<tr><td>{text(n)}</td><td>{v[-1]:.4g}</td><td>{sparkline(v)}</td><td>{text(self.thresholds.get(n, ''))}</td></tr>" for n, v in history.items()
        )
        return f"<table>{rows}</table>"


def severity_of(value: float, threshold: float, direction: str = "above") -> AlertSeverity:
    """By how far it is crossed, relative to the threshold: beyond 100 % critical, 50 % error, 20 % warning. Also for negative thresholds."""
    over = threshold - value if direction == "below" else value - threshold
    if threshold == 0:
        return AlertSeverity.CRITICAL if over > 0 else AlertSeverity.INFO
    share = over / abs(threshold)
    if direction == "below":
        # Half of a throughput is as far as twice a latency.
        share = threshold / value - 1 if value * threshold > 0 else math.inf
    for limit, severity in ((1.0, AlertSeverity.CRITICAL), (0.5, AlertSeverity.ERROR), (0.2, AlertSeverity.WARNING)):
        if share > limit:
            return severity
    return AlertSeverity.INFO
