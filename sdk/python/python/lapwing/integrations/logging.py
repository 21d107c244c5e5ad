"""`logging`: `lapwing.integrations.logging.install()` counts records by level."""

from __future__ import annotations

import logging

from ..logging.logger import MetricsHandler


def install(logger: logging.Logger | None = None, level: int = logging.INFO) -> MetricsHandler:
    handler = MetricsHandler(level)
    (logger or logging.getLogger()).addHandler(handler)
    return handler
