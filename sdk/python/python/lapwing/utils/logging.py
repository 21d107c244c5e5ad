"""The package's own log: quiet unless something is wrong, and never twice for the same."""

from __future__ import annotations

import logging

from ..logging.logger import JsonFormatter, MetricsHandler, setup_logging

logger = logging.getLogger("lapwing")


def get_logger(name: str = "") -> logging.Logger:
    return logging.getLogger(f"lapwing.{name}" if name else "lapwing")


__all__ = ["JsonFormatter", "MetricsHandler", "get_logger", "logger", "setup_logging"]
