"""Seed 1's dashboard endpoints: `/dashboard/overview`, `/dashboard/metrics`, `/dashboard/alerts`, with exactly its fields, and the functions that
they are made of there.

`router(monitor)` gives a FastAPI router, `mount(app, monitor)` adds them to any Starlette or FastAPI application, and with them the page of
metrics at the configured `metrics.endpoint`; the functions also work alone.
"""

from __future__ import annotations

import asyncio
from typing import Any

from .metrics.collector import host_sample
from .monitoring.comprehensive import ComprehensiveMonitor

_monitor: ComprehensiveMonitor | None = None


def _of(monitor: ComprehensiveMonitor | None) -> ComprehensiveMonitor:
    """The one that was given, or the process's own."""
    global _monitor
    if monitor is not None:
        return monitor
    if _monitor is None:
        _monitor = ComprehensiveMonitor()
    return _monitor


async def get_system_health_summary(monitor: ComprehensiveMonitor | None = None) -> dict[str, Any]:
    checker = _of(monitor).health_checker
    checks = await checker.perform_health_checks()
    return {"status": checker.overall_status.value, "checks": {c.name: {"status": c.status.value, "message": c.message} for c in checks}}


async def get_model_performance_summary(monitor: ComprehensiveMonitor | None = None) -> dict[str, Any]:
    requests = _of(monitor).metrics_collector.request_summary()
    return {k: requests[k] for k in ("average_inference_time", "average_latency", "p95_latency", "error_rate")}


async def get_business_metrics_summary(monitor: ComprehensiveMonitor | None = None) -> dict[str, Any]:
    return _of(monitor).business_metrics.snapshot()


async def get_recent_alerts(monitor: ComprehensiveMonitor | None = None, count: int = 10) -> list[dict[str, Any]]:
    return [a.to_dict() for a in _of(monitor).alert_manager.get_recent_alerts(count)]


def _requests(name: str, monitor: ComprehensiveMonitor | None) -> Any:
    return _of(monitor).metrics_collector.request_summary()[name]


def get_total_requests(monitor: ComprehensiveMonitor | None = None) -> int:
    return _requests("total_requests", monitor)


def get_error_rate(monitor: ComprehensiveMonitor | None = None) -> float | None:
    """From 0 to 1; None before the first request."""
    return _requests("error_rate", monitor)


def get_average_latency(monitor: ComprehensiveMonitor | None = None) -> float | None:
    return _requests("average_latency", monitor)


def get_p95_latency(monitor: ComprehensiveMonitor | None = None) -> float | None:
    return _requests("p95_latency", monitor)


def get_average_inference_time(monitor: ComprehensiveMonitor | None = None) -> float | None:
    return _requests("average_inference_time", monitor)


def get_requests_per_second(monitor: ComprehensiveMonitor | None = None) -> float:
    return _requests("request_rate", monitor)


def get_gpu_usage() -> dict[str, float | None]:
    """Percent by GPU; nothing where there is none."""
    return {g["gpu"]: g.get("utilization_percent") for g in host_sample()["gpus"]}


def get_model_memory_usage() -> float | None:
    """Bytes of this process."""
    return host_sample().get("process_memory_bytes")


def get_active_alerts(monitor: ComprehensiveMonitor | None = None) -> list[dict[str, Any]]:
    return [a.to_dict() for a in _of(monitor).alert_manager.get_active_alerts()]


def get_alert_history(monitor: ComprehensiveMonitor | None = None) -> list[dict[str, Any]]:
    return [a.to_dict() for a in _of(monitor).alert_manager.alert_history]


def get_alert_statistics(monitor: ComprehensiveMonitor | None = None) -> dict[str, Any]:
    return _of(monitor).alert_manager.get_statistics()


async def get_dashboard_overview(monitor: ComprehensiveMonitor | None = None) -> dict[str, Any]:
    return {
        "system_health": await get_system_health_summary(monitor), "model_performance": await get_model_performance_summary(monitor),
        "business_metrics": await get_business_metrics_summary(monitor), "recent_alerts": await get_recent_alerts(monitor),
    }


async def get_metrics_dashboard(monitor: ComprehensiveMonitor | None = None) -> dict[str, Any]:
    requests = _of(monitor).metrics_collector.request_summary()
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
    return {"active_alerts": get_active_alerts(monitor), "alert_history": get_alert_history(monitor), "alert_statistics": get_alert_statistics(monitor)}


def router(monitor: ComprehensiveMonitor | None = None) -> Any:
    """A FastAPI router with the three paths and the page of metrics."""
    from fastapi import APIRouter
    from fastapi.responses import PlainTextResponse

    made = APIRouter()
    for path, function in _PATHS:
        async def endpoint(function: Any = function) -> dict[str, Any]:
            return await function(monitor)

        endpoint.__signature__ = __import__("inspect").Signature()  # type: ignore[attr-defined]
        made.add_api_route(path, endpoint, methods=["GET"], name=function.__name__)
    if monitor is not None and monitor.settings.metrics:
        def page() -> Any:
            return PlainTextResponse(monitor.exposition())

        made.add_api_route(monitor.settings.endpoint, page, methods=["GET"], name="metrics")
    return made


def mount(app: Any, monitor: ComprehensiveMonitor | None = None) -> Any:
    """Adds the three paths to a Starlette or FastAPI application, and the page of metrics of a monitor."""
    from starlette.responses import JSONResponse, PlainTextResponse

    for path, function in _PATHS:
        async def endpoint(_request: Any, function: Any = function) -> Any:
            return JSONResponse(await function(monitor))

        app.add_route(path, endpoint, methods=["GET"])
    if monitor is not None and monitor.settings.metrics:
        async def page(_request: Any) -> Any:
            return PlainTextResponse(monitor.exposition())

        app.add_route(monitor.settings.endpoint, page, methods=["GET"])
    return app


_PATHS = (("/dashboard/overview", get_dashboard_overview), ("/dashboard/metrics", get_metrics_dashboard), ("/dashboard/alerts", get_alerts_dashboard))
