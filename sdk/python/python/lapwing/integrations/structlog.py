"""`structlog`: a processor that counts events by level and logger, and puts the trace that is going on into them.

    structlog.configure(processors=[lapwing.integrations.structlog.processor(), structlog.processors.JSONRenderer()])
"""

from __future__ import annotations

from typing import Any, Callable, MutableMapping

from .._core import counter
from .._spans import _span

#: The names of `logging`, so that one query counts both.
_LEVELS = {"warn": "WARNING", "exception": "ERROR", "fatal": "CRITICAL", "msg": "INFO"}


def processor(*, trace: bool = True) -> Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    """A processor: `log_records_total{level, logger}`, and `trace_id` and `span_id` unless `trace` is False. It never raises."""
    records = counter("log_records_total", "Log records.", ("level", "logger"))

    def lapwing_processor(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        name = event.get("logger") or getattr(logger, "name", None) or "structlog"
        try:
            records.labels(_LEVELS.get(method, method.upper()), str(name).split(".")[0]).inc()
        except Exception:  # A count is not worth an event.
            pass
        current = _span.get() if trace else None
        if current is not None:
            event.setdefault("trace_id", f"{current.trace_id:032x}")
            event.setdefault("span_id", f"{current.span_id:016x}")
        return event

    return lapwing_processor
