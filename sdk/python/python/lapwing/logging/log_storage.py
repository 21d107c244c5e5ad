"""Keeping logs for a while."""

from __future__ import annotations

from collections import deque
from typing import Any, Iterable, Iterator

from .log_processor import LogProcessor, LogRecord, whole


class LogStorage:
    """The newest records, bounded; `search` finds among them."""

    def __init__(self, records_max: int = 100_000):
        if records_max < 1:
            raise ValueError("records_max must be at least 1")
        self._records: deque[LogRecord] = deque(maxlen=records_max)
        self._processor = LogProcessor()

    def __repr__(self) -> str:
        return f"<LogStorage {len(self._records)} records>"

    def store(self, logs: Iterable[Any]) -> int:
        kept = 0
        for entry in whole([logs] if isinstance(logs, (str, LogRecord)) else logs):
            record = entry if isinstance(entry, LogRecord) else self._processor.process_line(str(entry))
            if record is not None:
                self._records.append(record)
                kept += 1
        return kept

    def search(self, text: str = "", level: str | None = None, limit: int = 100) -> list[LogRecord]:
        """The newest first."""
        wanted = None if level is None else level.upper()
        found = (r for r in reversed(self._records) if text in r.message and wanted in (None, r.level))
        return [r for r, _ in zip(found, range(limit))]

    def __iter__(self) -> Iterator[LogRecord]:
        return iter(list(self._records))

    def __len__(self) -> int:
        return len(self._records)
