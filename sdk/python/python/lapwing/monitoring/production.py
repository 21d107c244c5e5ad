"""Seed 4's module: pipelines, their baselines and their health."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from typing import Any, Mapping

from .. import _core, _native
from .._numbers import number_of
from .._text import json_of, text_of
from ..alerts.alert import Alert, AlertSeverity
from .monitor import AdvancedMonitor

__all__ = ["ProductionMonitor"]


class ProductionMonitor(AdvancedMonitor):
    """Also watches pipelines (seed 4).

    Overall health is the worst of all pipelines and can be critical (in the seed it could not); a baseline `inference_latency` belongs to the
    pipeline `inference`; better and worse have a direction; only a window counts.

    >>> monitor = ProductionMonitor()
    >>> monitor.set_performance_baseline("inference_latency", 0.05)
    >>> monitor.record_pipeline_execution("inference", 0.048, True)
    >>> monitor.get_pipeline_health_report()["overall_health"]
    'healthy'
    """

    EXECUTIONS_MAX = 100_000
    #: A run is judged by so many before it, and judging may take this share of the time: recording must not slow the pipeline. What was not judged
    #: at once is judged a moment later, on a thread of its own, or at the next look.
    JUDGED_MAX = 200
    JUDGING_SHARE_MAX = 0.02

    def __init__(
        self, gpu_profiler: Any = None, resource_monitor: Any = None, *, window: Any = "1h", tolerance: float = 0.2, degraded_error_rate: float = 0.2,
        critical_error_rate: float = 0.5, **more: Any,
    ):
        super().__init__(gpu_profiler, resource_monitor, **more)
        ms = _native.duration_ms(window) if isinstance(window, str) else int(float(window) * 1000)
        if ms <= 0:
            raise ValueError("the window must be more than nothing")
        self.options = {"window_ms": ms, "tolerance": tolerance, "degraded_error_rate": degraded_error_rate, "critical_error_rate": critical_error_rate}
        for name in ("tolerance", "degraded_error_rate", "critical_error_rate"):
            share = number_of(self.options[name])
            if share is None or not 0 <= share < math.inf:
                raise ValueError(f"{name} is a share such as 0.2, not {self.options[name]!r}")
        self.performance_baselines: dict[str, dict[str, Any]] = {}
        self._executions: deque[dict[str, Any]] = deque(maxlen=self.EXECUTIONS_MAX)
        self._health: dict[str, str] = {}
        self._newest: dict[str, deque[dict[str, Any]]] = {}
        self._unjudged: set[str] = set()
        self._judge_after = 0.0

    def _renew(self) -> None:
        super()._renew()
        self._judging = threading.Lock()
        # A thread that would have judged stays with the parent.
        self._judges_later = False

    def set_performance_baseline(self, metric_name: str, value: float, *, direction: str | None = None) -> None:
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"the baseline of {metric_name!r} must be finite")
        baseline = {"metric": metric_name, "value": number} | ({"direction": direction} if direction else {})
        # A direction that nobody knows is refused here, and not when a pipeline runs.
        _native.compare_baseline(json.dumps(baseline), number, self.options["tolerance"])
        self.performance_baselines[metric_name] = baseline

    def record_pipeline_execution(self, pipeline_name: str, execution_time: float, success: bool = True, metadata: Mapping[str, Any] | None = None) -> None:
        seconds = float(execution_time)
        if not (0 <= seconds < math.inf):
            raise ValueError(f"an execution time of {seconds} s is not a duration: it must be finite and not negative")
        if not pipeline_name:
            raise ValueError("a pipeline needs a name")
        metadata = dict(metadata or {})
        now = _core.now_ms()
        error = None if success else text_of(metadata.get("error", "failed"))
        execution = {"pipeline": pipeline_name, "t_ms": now, "duration_s": seconds, "success": bool(success), "error": error}
        self._executions.append(execution)
        newest = self._newest.setdefault(pipeline_name, deque(maxlen=self.JUDGED_MAX))
        newest.append(execution)
        _core.tracker.record(json_of(
            {"id": f"pipeline_{pipeline_name}_{now}", "type": "pipeline", "name": pipeline_name, "started_ms": now - int(seconds * 1000), "duration_s": seconds,
             "success": bool(success), "error": error, "metadata": metadata},
        ))
        started = time.perf_counter()
        # The first runs are all judged: they cost little, and a program that ends soon is to know.
        if len(newest) < 20 or started >= self._judge_after:
            self._unjudged.discard(pipeline_name)
            self._judge(pipeline_name)
        else:
            self._unjudged.add(pipeline_name)
            self._judge_later(self._judge_after - started)

    def _judge(self, pipeline: str) -> Alert | None:
        started = time.perf_counter()
        alert = self._alert_on_change(pipeline)
        ended = time.perf_counter()
        self._judge_after = ended + (ended - started) / self.JUDGING_SHARE_MAX
        return alert

    def _judge_later(self, seconds: float) -> None:
        if self._judges_later:
            return
        self._judges_later = True
        timer = threading.Timer(seconds, self._judge_rest)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:
            # The interpreter ends: what is left is judged by whoever looks.
            self._judges_later = False

    def _judge_rest(self) -> list[Alert]:
        """Judges every pipeline with runs that nobody judged yet. What became worse."""
        self._judges_later = False
        told = []
        while self._unjudged:
            try:
                pipeline = self._unjudged.pop()
            except KeyError:
                break
            alert = self._judge(pipeline)
            if alert is not None:
                told.append(alert)
        return told

    def check(self) -> list[Alert]:
        """Looks at the newest value of every metric with a threshold, and at pipelines with new runs. What became bad, or worse, now."""
        return super().check() + self._judge_rest()

    def stop_monitoring(self) -> None:
        super().stop_monitoring()
        self._judge_rest()

    def _alert_on_change(self, pipeline: str) -> Alert | None:
        """One alert when a pipeline's health becomes worse, and none while it stays so."""
        with self._judging:
            found = self._report(list(self._newest[pipeline]))["pipelines"].get(pipeline)
            # One bad run of a new pipeline is not a trend.
            if found is None or found["total_executions"] < 3:
                return None
            order = ("healthy", "degraded", "critical")
            before, now = self._health.get(pipeline, "healthy"), found["health"]
            self._health[pipeline] = now
        if order.index(now) <= order.index(before):
            return None
        why = "; ".join(_reason(r) for r in found["reasons"])
        self._alert_count += 1
        return self.alert_manager.trigger_alert(
            f"Pipeline {pipeline} is {now}: {why}", AlertSeverity.CRITICAL if now == "critical" else AlertSeverity.WARNING, f"{pipeline}_health",
            1 - found["success_rate"], self.options["degraded_error_rate"], metadata={"reasons": found["reasons"]},
        )

    def _report(self, executions: list[dict[str, Any]]) -> dict[str, Any]:
        return json.loads(_native.pipeline_report(
            json.dumps(executions), json.dumps(list(self.performance_baselines.values())), _core.now_ms(), json.dumps(self.options)
        ))

    def get_pipeline_health_report(self) -> dict[str, Any]:
        """`overall_health`, and per pipeline `total_executions`, `success_rate`, `mean_execution_time`, quantiles, `health`, `reasons`."""
        found = self._report(list(self._executions))
        pipelines = {
            name: {
                "total_executions": p["total_executions"], "failed_executions": p["failed_executions"], "success_rate": p["success_rate"],
                "error_rate": 1 - p["success_rate"], "mean_execution_time": p["duration_s"]["mean"], "median_execution_time": p["duration_s"]["median"],
                "p95_execution_time": p["duration_s"]["p95"], "min_execution_time": p["duration_s"]["min"], "max_execution_time": p["duration_s"]["max"],
                "health": p["health"], "reasons": p["reasons"], "last_error": p["last_error"],
            }
            for name, p in found["pipelines"].items()
        }
        baselines = {n: b["value"] for n, b in self.performance_baselines.items()}
        return {"overall_health": found["overall_health"], "pipelines": pipelines, "baselines": baselines, "window": found["window"]}

    def check_baseline(self, metric_name: str, value: float) -> dict[str, Any]:
        """A value beside its baseline: which way it differs, and whether it is worse than tolerated."""
        if metric_name not in self.performance_baselines:
            raise KeyError(f"no baseline is called {metric_name!r}: set_performance_baseline({metric_name!r}, …)")
        return json.loads(_native.compare_baseline(json.dumps(self.performance_baselines[metric_name]), float(value), self.options["tolerance"]))


def _reason(reason: Mapping[str, Any]) -> str:
    if reason["reason"] == "error_rate":
        return f"{reason['error_rate']:.0%} of runs failed"
    if reason["reason"] == "failures_in_row":
        return f"{reason['failures']} failures in a row"
    compared = reason["compared"]
    return f"{compared['value']:.4g} s on average, its baseline is {compared['baseline']:.4g} s"
