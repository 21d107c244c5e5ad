"""Lines of logs become records."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Iterator

_TEXT = re.compile(r"^(?P<time>\d{4}-\d\d-\d\d[ T]\S+)\s+(?P<level>[A-Z]+)\s+(?P<logger>[\w.]+):?\s+(?P<message>.*)$")


@dataclass
class LogRecord:
    message: str
    level: str = "INFO"
    logger: str = ""
    time: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


class LogProcessor:
    """Reads JSON and plain lines; steps may change a record, or drop it by returning None.

    >>> LogProcessor().process_line('{"level": "ERROR", "message": "no"}').level
    'ERROR'
    """

    LINE_CHARS_MAX = 1 << 20

    def __init__(self, steps: Iterable[Callable[[LogRecord], LogRecord | None]] = ()):
        self.steps = list(steps)
        self.failures = 0

    def __repr__(self) -> str:
        return f"<LogProcessor {len(self.steps)} steps, {self.failures} failures>"

    def process_line(self, line: str) -> LogRecord | None:
        line = line.strip()[: self.LINE_CHARS_MAX]
        if not line:
            return None
        record: LogRecord | None = self._parse(line)
        for step in self.steps:
            if record is None:
                return None
            try:
                record = step(record)
            except Exception:
                self.failures += 1
        return record

    def process(self, lines: Iterable[str]) -> Iterator[LogRecord]:
        return (r for line in lines if (r := self.process_line(line)) is not None)

    @staticmethod
    def _parse(line: str) -> LogRecord:
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                found = None
            if isinstance(found, dict):
                take = lambda *names: next((str(found.pop(n)) for n in names if n in found), "")  # noqa: E731
                return LogRecord(take("message", "msg", "event"), take("level", "severity", "levelname").upper() or "INFO", take("logger", "name"), take("time", "timestamp", "ts"), found)
        match = _TEXT.match(line)
        return LogRecord(match["message"], match["level"], match["logger"], match["time"]) if match else LogRecord(line)
