"""Everything at once (seed 1), as its configuration says."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import Any, Mapping, Self

from .. import _core
from .._loop import Loop, Twins
from .._threads import on_daemon
from ..alerts.alert_manager import AlertManager
from ..alerts.notification import hold
from ..health.diagnostics import debug_monitoring_system
from ..health.health_check import HealthCheck, HealthChecker
from ..metrics.collector import BusinessMetricsCollector, MetricsCollector, MetricType, host_sample
from .settings import Settings

log = logging.getLogger("lapwing")


class ComprehensiveMonitor(Twins):
    """Metrics, health checks, alerts and business metrics in one cycle (seed 1). `config` is a file or a mapping with the sections of seed 1 and
    seed 2, `monitoring` and `alerting`; `monitor.settings.explain()` says what each setting does, and one that nobody knows is an error.

    `run_monitoring_cycle()` does everything once; `start()` (or `with`) does it every `collection_interval` on a thread of its own, health checks
    every `check_interval`, and writes reports by their schedule. Rules see what is collected and what the program records in `metrics_collector`.

    Shares are from 0 to 1, as the seed's own rule `memory_usage > 0.9` expects; the seed itself fed it percent, so that it always fired.

    >>> monitor = ComprehensiveMonitor({"alerting": {"rules": [{"name": "full", "condition": "memory_usage > 0.9", "severity": "critical", "duration": "1m"}]}})
    >>> sorted(asyncio.run(monitor.collect_all_metrics()))[:3]
    ['cpu_usage', 'disk_usage', 'memory_usage']
    """

    def __init__(self, config: Mapping[str, Any] | str | os.PathLike[str] | None = None):
        s = self.settings = Settings.of(config)
        hold(s.channels, s.interval_s)
        self.metrics_collector = MetricsCollector(retention_hours=s.retention_hours, batch_size=s.batch_size)
        checks: dict[str, Any] = {"check_interval": s.check_interval_s, "timeout": s.timeout_s, "external_services": s.external_services, "thresholds": s.thresholds}
        self.health_checker = HealthChecker(checks)
        self.alert_manager = AlertManager(self.metrics_collector, config={"rules": s.rules, "notifications": s.channels})
        self.business_metrics = BusinessMetricsCollector()
        self.last_metrics: dict[str, float] = {}
        self.last_checks: list[HealthCheck] = []
        self.cycles = 0
        self._loop = Loop("comprehensive", self._tick)
        self._check_at = self._report_at = 0.0
        self._logs = False

    async def run_monitoring_cycle(self) -> dict[str, Any]:
        """Metrics, checks, rules, business metrics and a line in the log, once. What is switched off is left out."""
        return await self._cycle(True)

    async def _cycle(self, checks_are_due: bool) -> dict[str, Any]:
        s = self.settings
        if not s.enabled:
            return {"metrics": {}, "health_checks": [], "alerts": []}
        metrics = await self.collect_all_metrics() if s.metrics else {}
        for name, value in metrics.items():
            self.metrics_collector.record_metric(name, MetricType.GAUGE, value)
        checks = self.last_checks
        if s.health_checks and checks_are_due:
            checks = await self.health_checker.perform_health_checks()
        # Rules see what the program recorded as well as what was collected now.
        manager = self.alert_manager
        manager.metrics_collector = self.metrics_collector
        alerts = await manager._evaluate(manager._recorded(), metrics) if s.alerting else []
        self.update_business_metrics(metrics)
        self.log_monitoring_summary(metrics, checks)
        self.last_metrics, self.last_checks = metrics, checks
        self.cycles += 1
        return {"metrics": metrics, "health_checks": checks, "alerts": alerts}

    async def collect_all_metrics(self) -> dict[str, float]:
        now = await on_daemon(host_sample)
        metrics = {n: now[k] / 100 for n, k in (("cpu_usage", "cpu_percent"), ("memory_usage", "memory_percent"), ("disk_usage", "disk_percent")) if now.get(k) is not None}
        used = [g["memory_used_bytes"] for g in now["gpus"] if g.get("memory_used_bytes") is not None]
        busy = [g["utilization_percent"] for g in now["gpus"] if g.get("utilization_percent") is not None]
        if used:
            metrics["gpu_memory"] = sum(used) / 1024**3
        if busy:
            metrics["gpu_utilization"] = max(busy) / 100
        requests = self.metrics_collector.request_summary()
        return metrics | {k: requests[k] for k in ("request_rate", "error_rate", "p95_latency", "quality_score") if requests[k] is not None}  # type: ignore[dict-item]

    def calculate_error_rate(self) -> float:
        return self.metrics_collector.request_summary()["error_rate"] or 0.0

    def calculate_p95_latency(self) -> float:
        return self.metrics_collector.request_summary()["p95_latency"] or 0.0

    def update_business_metrics(self, metrics: Mapping[str, float]) -> None:
        """Availability as the business sees it: the share of requests that did not fail."""
        if "error_rate" in metrics:
            self.business_metrics.update_business_impact("availability", 1.0 - metrics["error_rate"], "now")

    def log_monitoring_summary(self, metrics: Mapping[str, float], health_checks: list[HealthCheck]) -> None:
        bad = [c for c in health_checks if c.status.value != "healthy"]
        log.info("monitoring: %d metrics, %d checks of which %d are not healthy", len(metrics), len(health_checks), len(bad))

    debug_monitoring_system = debug_monitoring_system

    # In the background.
    def start(self) -> None:
        """A second start changes nothing; with `enabled: false` nothing starts."""
        s = self.settings
        if s.logging is not None and not self._logs:
            from ..logging.logger import setup_logging

            setup_logging(**{"name": "lapwing", **s.logging})
            self._logs = True
        if s.enabled:
            self._report_at = time.monotonic() + (s.report_every_s or 0.0)
            self._loop.start(s.interval_s)

    def stop(self) -> None:
        self._loop.stop()

    start_monitoring, stop_monitoring = start, stop

    @property
    def is_monitoring(self) -> bool:
        return self._loop.running

    def _tick(self) -> None:
        now = time.monotonic()
        is_due = now >= self._check_at
        if is_due:
            self._check_at = now + self.settings.check_interval_s
        asyncio.run(self._cycle(is_due))
        if self.settings.report_every_s is not None and now >= self._report_at:
            self._report_at = now + self.settings.report_every_s
            self.write_report()

    # What was seen.
    def history(self) -> dict[str, list[tuple[float, float]]]:
        """Values by series over the time that dashboards look back."""
        hours, collector = self.settings.window_s / 3600, self.metrics_collector
        return {m.series: [(p.timestamp, p.value) for p in collector.get_metric_history(m.name, hours, m.labels)] for m in collector.metrics.values()}

    def dashboard(self) -> Any:
        """A page of everything that was collected."""
        from ..visualization.dashboard import DashboardCreator

        return DashboardCreator().create(self.history(), {"title": "Monitoring", "refresh": self.settings.refresh})

    def plots(self) -> list[Any]:
        """One plot of each configured type."""
        from ..visualization.plots import PlotGenerator

        return PlotGenerator().generate(self.history(), {"types": self.settings.plot_types})

    def report(self) -> Any:
        """Metrics, alerts and checks, in the configured format."""
        from ..visualization.reports import ReportGenerator

        checks = [{"check": c.name, "status": c.status.value, "message": c.message} for c in self.last_checks]
        data = {"metrics": self.last_metrics, "alerts": list(self.alert_manager.alert_history), "health": checks, **self.history()}
        return ReportGenerator().generate(data, {"title": "Monitoring", "format": self.settings.report_format})

    def write_report(self) -> str:
        """Writes the report into the configured folder; its path."""
        s = self.settings
        os.makedirs(s.report_path, exist_ok=True)
        ending = {"markdown": "md", "text": "txt"}.get(s.report_format, s.report_format)
        return self.report().save(os.path.join(s.report_path, time.strftime("monitoring-%Y-%m-%dT%H%M%S") + f".{ending}"))

    def exposition(self) -> str:
        """The page for a Prometheus that scrapes; where the dashboard is mounted it stands at `metrics.endpoint`."""
        return _core.exposition()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<ComprehensiveMonitor {'running' if self.is_monitoring else 'stopped'}, {self.cycles} cycles>"
