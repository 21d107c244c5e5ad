"""Lines of logs become records."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Iterator

_TEXT = re.compile(r"^(?P<time>\d{4}-\d\d-\d\d[ T]\S+)\s+(?P<level>[A-Z]+)\s+(?P<logger>[\w.]+):?\s+(?P<message>.*)$")

_TRACEBACK = ("Traceback (most recent call last)", "During handling of the above exception", "The above exception was the direct cause")


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
        """Records of lines. A traceback belongs to the line above it, and stands in `fields["exception"]`."""
        return (r for text in whole(lines) if (r := self.process_line(text)) is not None)

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
        line, _, below = line.partition("\n")
        more = {"exception": below} if below else {}
        match = _TEXT.match(line)
        return LogRecord(match["message"], match["level"], match["logger"], match["time"], more) if match else LogRecord(line, fields=more)


def whole(lines: Iterable[Any]) -> Iterator[Any]:
    """Lines that belong together as one: below a line with a time and a level what is indented, and a traceback to its end."""
    begun: list[str] = []
    size, in_traceback = 0, False
    for line in lines:
        text = line if isinstance(line, str) else ""
        is_start, is_blank = _TEXT.match(text) is not None, not text.strip()
        is_inside = text[:1] in (" ", "\t") or text.startswith(_TRACEBACK)
        if begun and not is_start and (is_inside or (is_blank and len(begun) > 1) or (in_traceback and not text.startswith("{"))):
            # What comes after the indented part is the exception itself, and its end.
            in_traceback = in_traceback if is_blank else is_inside
            size += len(text)
            if size <= LogProcessor.LINE_CHARS_MAX:
                begun.append(text.rstrip("\r\n"))
            continue
        if begun:
            yield "\n".join(begun)
        begun, size, in_traceback = ([text.rstrip("\r\n")] if is_start else []), len(text), False
        if not is_start:
            yield line
    if begun:
        yield "\n".join(begun)
