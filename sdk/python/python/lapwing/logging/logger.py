"""Logs as lines of JSON, rotated and compressed."""

from __future__ import annotations

import gzip
import json
import logging
import logging.handlers
import os
import shutil
import threading
import time
import weakref
from typing import Any

from .._text import json_of

_OWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_counted = threading.local()


class JsonFormatter(logging.Formatter):
    """One line of JSON per record; what was given as `extra` stands in it, and the trace that was going on."""

    def format(self, record: logging.LogRecord) -> str:
        from .._spans import _span

        line: dict[str, Any] = {"time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z", "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        current = _span.get()
        if current is not None:
            line |= {"trace_id": f"{current.trace_id:032x}", "span_id": f"{current.span_id:016x}"}
        line |= {k: v for k, v in vars(record).items() if k not in _OWN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json_of(line)


class MetricsHandler(logging.Handler):
    """Counts records by level and logger: `log_records_total`. A record that comes by several of them, over its loggers' parents, is one."""

    def emit(self, record: logging.LogRecord) -> None:
        newest = getattr(_counted, "newest", None)
        if newest is not None and newest() is record:
            return
        # Not noted in the record: other formatters would print it.
        _counted.newest = weakref.ref(record)
        try:
            from .._core import counter

            counter("log_records_total", "Log records.", ("level", "logger")).labels(record.levelname, record.name.split(".")[0]).inc()
        except Exception:
            self.handleError(record)


def setup_logging(
    level: str = "INFO", *, format: str = "json", output: str | os.PathLike[str] = "stdout", rotation: str = "daily", compression: bool = True, keep: int = 14,
    name: str | None = None, metrics: bool = True,
) -> logging.Logger:
    """A logger as seed 1's and seed 2's `logging:` sections ask for: level, json or text, a stream or a file, rotated daily, hourly or by size
    (`"100MB"`), compressed. Asked again for the same output, it takes the place of what it set up before."""
    logger = logging.getLogger(name)
    check_logging(level=level, format=format, rotation=rotation, compression=compression)
    handler: logging.Handler
    place = str(output) if output in ("stdout", "stderr") else os.path.abspath(output)
    for earlier in [h for h in logger.handlers if getattr(h, "lapwing_output", None) == place]:
        logger.removeHandler(earlier)
        earlier.close()
    if output in ("stdout", "stderr"):
        import sys

        handler = logging.StreamHandler(getattr(sys, str(output)))
    else:
        handler = _rotating(os.fspath(output), rotation, keep)
        if compression:
            handler.namer = lambda n: n + ".gz"  # type: ignore[attr-defined]
            handler.rotator = _compress  # type: ignore[attr-defined]
    handler.lapwing_output = place  # type: ignore[attr-defined]
    handler.setFormatter(JsonFormatter() if format == "json" else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.setLevel(level.upper())
    logger.addHandler(handler)
    if metrics and not any(isinstance(h, MetricsHandler) for h in logger.handlers):
        logger.addHandler(MetricsHandler())
    return logger


_WHEN = {"daily": "midnight", "hourly": "H", "weekly": "W0"}
_UNITS = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


def check_logging(*, level: Any = "INFO", format: Any = "json", output: Any = "stdout", rotation: Any = "daily", compression: Any = True) -> None:
    """`ValueError` for what `setup_logging` does not know, before anything is set up."""
    if str(level).upper() not in logging.getLevelNamesMapping():
        raise ValueError(f"{level!r} is not a level: use DEBUG, INFO, WARNING, ERROR or CRITICAL")
    if format not in ("json", "text"):
        raise ValueError(f"{format!r} is not a format of logs: use json or text")
    if not isinstance(output, (str, os.PathLike)):
        raise ValueError(f"{output!r} is not an output of logs: use stdout, stderr or a file")
    if rotation not in _WHEN and not _size(rotation):
        raise ValueError(f"{rotation!r} is not a rotation: use daily, hourly, weekly or a size such as 100MB")
    if not isinstance(compression, bool):
        raise ValueError(f"compression is true or false, not {compression!r}")


def _size(rotation: Any) -> int:
    """Bytes; 0 where it is none."""
    number, unit = str(rotation)[:-2], str(rotation)[-2:].upper()
    return int(number) * _UNITS[unit] if unit in _UNITS and number.isdecimal() else 0


def _rotating(path: str, rotation: str, keep: int) -> logging.Handler:
    if rotation in _WHEN:
        return logging.handlers.TimedRotatingFileHandler(path, when=_WHEN[rotation], backupCount=keep, encoding="utf-8")
    return logging.handlers.RotatingFileHandler(path, maxBytes=_size(rotation), backupCount=keep, encoding="utf-8")


def _compress(source: str, target: str) -> None:
    with open(source, "rb") as plain, gzip.open(target, "wb") as packed:
        shutil.copyfileobj(plain, packed)
    os.remove(source)
