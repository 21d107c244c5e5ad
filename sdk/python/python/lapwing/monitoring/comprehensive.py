"""Everything at once (seed 1)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Mapping

from ..alerts.alert_manager import AlertManager
from ..health.diagnostics import debug_monitoring_system
from ..health.health_check import HealthCheck, HealthChecker
from ..metrics.collector import BusinessMetricsCollector, MetricsCollector, host_sample

log = logging.getLogger("lapwing")


class ComprehensiveMonitor:
    """Metrics, health checks, alerts and business metrics in one cycle (seed 1). `config` has the sections of seed 1's files: `monitoring`,
    `alerting`.

    Shares are from 0 to 1, as the seed's own rule `memory_usage > 0.9` expects; the seed itself fed it percent, so that it always fired.
    """

    def __init__(self, config: Mapping[str, Any] | None = None):
        config = dict(config or {})
        monitoring = dict(config.get("monitoring", {}))
        self.metrics_collector = MetricsCollector()
        self.health_checker = HealthChecker({**monitoring, **monitoring.get("health_checks", {})})
        self.alert_manager = AlertManager(config.get("alerting", {}))
        self.business_metrics = BusinessMetricsCollector()
        self.last_metrics: dict[str, float] = {}
        self.last_checks: list[HealthCheck] = []

    async def run_monitoring_cycle(self) -> dict[str, Any]:
        metrics = await self.collect_all_metrics()
        checks = await self.health_checker.perform_health_checks()
        alerts = await self.alert_manager.evaluate_alerts(metrics)
        self.update_business_metrics(metrics)
        self.log_monitoring_summary(metrics, checks)
        self.last_metrics, self.last_checks = metrics, checks
        return {"metrics": metrics, "health_checks": checks, "alerts": alerts}

    async def collect_all_metrics(self) -> dict[str, float]:
        now = await asyncio.to_thread(host_sample)
        metrics = {n: now[k] / 100 for n, k in (("cpu_usage", "cpu_percent"), ("memory_usage", "memory_percent"), ("disk_usage", "disk_percent")) if now.get(k) is not None}
        used = [g["memory_used_bytes"] for g in now["gpus"] if g.get("memory_used_bytes") is not None]
        busy = [g["utilization_percent"] for g in now["gpus"] if g.get("utilization_percent") is not None]
        if used:
            metrics["gpu_memory"] = sum(used) / 1024**3
        if busy:
            metrics["gpu_utilization"] = max(busy) / 100
        requests = self.metrics_collector.request_summary()
        return metrics | {k: requests[k] for k in ("request_rate", "error_rate", "p95_latency") if requests[k] is not None}  # type: ignore[dict-item]

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
