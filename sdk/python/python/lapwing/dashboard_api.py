"""Seed 1's dashboard endpoints: `/dashboard/overview`, `/dashboard/metrics`, `/dashboard/alerts`, with exactly its fields.

`router(monitor)` gives a FastAPI router, `mount(app, monitor)` adds them to any Starlette or FastAPI application; the functions also work alone.
"""

from __future__ import annotations

import asyncio
from typing import Any

from .metrics.collector import host_sample
from .monitoring.comprehensive import ComprehensiveMonitor

_monitor: ComprehensiveMonitor | None = None


def _own() -> ComprehensiveMonitor:
    global _monitor
    if _monitor is None:
        _monitor = ComprehensiveMonitor()
    return _monitor


async def get_dashboard_overview(monitor: ComprehensiveMonitor | None = None) -> dict[str, Any]:
    monitor = monitor or _own()
    checks = await monitor.health_checker.perform_health_checks()
    requests = monitor.metrics_collector.request_summary()
    return {
        "system_health": {"status": monitor.health_checker.overall_status.value, "checks": {c.name: {"status": c.status.value, "message": c.message} for c in checks}},
        "model_performance": {k: requests[k] for k in ("average_inference_time", "average_latency", "p95_latency", "error_rate")},
        "business_metrics": monitor.business_metrics.snapshot(),
        "recent_alerts": [a.to_dict() for a in monitor.alert_manager.get_recent_alerts(10)],
    }


async def get_metrics_dashboard(monitor: ComprehensiveMonitor | None = None) -> dict[str, Any]:
    monitor = monitor or _own()
    requests = monitor.metrics_collector.request_summary()
    now = await asyncio.to_thread(host_sample)
    gpus = {g["gpu"]: g.get("utilization_percent") for g in now["gpus"]}
    return {
        "request_metrics": {k: requests[k] for k in ("total_requests", "error_rate", "average_latency", "p95_latency")},
        "system_metrics": {"cpu_usage": now.get("cpu_percent"), "memory_usage": now.get("memory_percent"), "disk_usage": now.get("disk_percent"), "gpu_usage": gpus},
        "model_metrics": {
            "inference_time": requests["average_inference_time"], "throughput": requests["request_rate"], "memory_usage": now.get("process_memory_bytes"),
        },
    }


async def get_alerts_dashboard(monitor: ComprehensiveMonitor | None = None) -> dict[str, Any]:
    manager = (monitor or _own()).alert_manager
    return {
        "active_alerts": [a.to_dict() for a in manager.get_active_alerts()], "alert_history": [a.to_dict() for a in manager.alert_history],
        "alert_statistics": manager.get_statistics(),
    }


def router(monitor: ComprehensiveMonitor | None = None) -> Any:
    """A FastAPI router with the three paths."""
    from fastapi import APIRouter

    made = APIRouter()
    for path, function in _PATHS:
        async def endpoint(function: Any = function) -> dict[str, Any]:
            return await function(monitor)

        endpoint.__signature__ = __import__("inspect").Signature()  # type: ignore[attr-defined]
        made.add_api_route(path, endpoint, methods=["GET"], name=function.__name__)
    return made


def mount(app: Any, monitor: ComprehensiveMonitor | None = None) -> Any:
    """Adds the three paths to a Starlette or FastAPI application."""
    from starlette.responses import JSONResponse

    for path, function in _PATHS:
        async def endpoint(_request: Any, function: Any = function) -> Any:
            return JSONResponse(await function(monitor))

        app.add_route(path, endpoint, methods=["GET"])
    return app


_PATHS = (("/dashboard/overview", get_dashboard_overview), ("/dashboard/metrics", get_metrics_dashboard), ("/dashboard/alerts", get_alerts_dashboard))
