"""Flask: `lapwing.integrations.flask.instrument(app)`."""

from __future__ import annotations

from typing import Any

from .wsgi import LapwingMiddleware


def instrument(app: Any, *, metrics_path: str | None = "/metrics", model: str = "") -> Any:
    """Watches every request, told apart by the rule that matched."""
    from flask import request

    @app.before_request
    def note_route() -> None:
        request.environ["lapwing.route"] = getattr(request.url_rule, "rule", "_unmatched_")

    app.wsgi_app = LapwingMiddleware(app.wsgi_app, metrics_path=metrics_path, model=model)
    return app
