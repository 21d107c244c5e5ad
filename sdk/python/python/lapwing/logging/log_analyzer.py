"""What logs say when there are many of them."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Iterable

from .log_processor import LogProcessor, LogRecord, whole

_VARIABLE = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\d+(?:\.\d+)?|\"[^\"]*\"|'[^']*'")


class LogAnalyzer:
    """Counts by level, and finds the patterns that repeat: numbers, ids and quoted words do not tell messages apart.

    >>> LogAnalyzer().analyze(["user 1 failed", "user 2 failed"])["patterns"][0]
    {'pattern': 'user * failed', 'count': 2}
    """

    PATTERNS_MAX = 10_000

    def __repr__(self) -> str:
        return "<LogAnalyzer>"

    def analyze(self, logs: Iterable[Any], top: int = 10) -> dict[str, Any]:
        processor = LogProcessor()
        levels: Counter[str] = Counter()
        patterns: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for entry in whole(logs):
            record = entry if isinstance(entry, LogRecord) else processor.process_line(str(entry))
            if record is None:
                continue
            pattern = _VARIABLE.sub("*", record.message)
            levels[record.level] += 1
            for counts in (patterns, errors) if record.level in ("ERROR", "CRITICAL", "FATAL") else (patterns,):
                if pattern in counts or len(counts) < self.PATTERNS_MAX:
                    counts[pattern] += 1
        total = sum(levels.values())
        bad = sum(levels[n] for n in ("ERROR", "CRITICAL", "FATAL"))
        listed = lambda c: [{"pattern": p, "count": n} for p, n in c.most_common(top)]  # noqa: E731
        return {"total": total, "levels": dict(levels), "error_rate": bad / total if total else None, "patterns": listed(patterns), "errors": listed(errors)}
