"""FastAPI and Starlette: `lapwing.integrations.fastapi.instrument(app)`."""

from __future__ import annotations

from typing import Any

from .asgi import LapwingMiddleware


def instrument(app: Any, *, metrics_path: str | None = "/metrics", dashboard: bool = False, model: str = "") -> Any:
    """Watches every request; with `dashboard=True` seed 1's `/dashboard/...` are added."""
    app.add_middleware(LapwingMiddleware, metrics_path=metrics_path, model=model)
    if dashboard:
        from ..dashboard_api import mount

        mount(app)
    return app
