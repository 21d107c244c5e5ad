"""Keeping metrics for a time, and asking for them."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import Any

from .. import _core, _native
from .._result import QueryResult, in_numbers
from .collector import MetricType, MonitoringMetric, samples_of

log = logging.getLogger("lapwing")


class MetricsStorage:
    """Keeps metrics in memory (seed 2). What is older than its retention is forgotten.

    >>> storage = MetricsStorage()
    >>> storage.store([{"name": "x", "value": 1.5}], retention="30d")
    1
    >>> storage.latest("x")
    1.5
    """

    def __init__(self, retention: Any = "15d"):
        self._retention = self._ms(retention)
        self._stores: dict[int, Any] = {}
        self._last: dict[Any, int] = {}

    @staticmethod
    def _ms(retention: Any) -> int:
        """`"30d"`, seconds, or a timedelta."""
        seconds = retention.total_seconds() if hasattr(retention, "total_seconds") else retention
        ms = _native.duration_ms(seconds) if isinstance(seconds, str) and not seconds.startswith("-") else int(float(str(seconds).rstrip("smhdwy")) * 1000)
        if ms <= 0:
            raise ValueError(f"a retention of {retention} is none: it must be more than 0")
        return ms

    @property
    def _store(self) -> Any:
        return self._of(self._retention)

    def _of(self, ms: int) -> Any:
        if ms not in self._stores:
            self._stores[ms] = _native.Store(ms)
        return self._stores[ms]

    def store(self, metrics: Any, retention: Any = None) -> int:
        """Keeps them now; how many. What is refused, because there are too many series, is in the log."""
        ms = self._retention if retention is None else self._ms(retention)
        store, kept, refused = self._of(ms), 0, dict[str, str]()
        for name, labels, value in samples_of(metrics):
            now = _core.now_ms()
            key = (ms, name, tuple(sorted((labels or {}).items())))
            at = max(now, self._last.get(key, 0) + 1)
            reason = store.append(name, labels, at, value, now)
            if reason is not None:
                refused[name] = reason
                continue
            self._last[key] = at
            kept += 1
        store.maintain(_core.now_ms())
        if refused:
            name, reason = next(iter(refused.items()))
            log.warning("lapwing: values of %d metrics were not kept, %s among them: %s", len(refused), name, reason)
        return kept

    def load(self, name: str, hours: float = 24) -> list[MonitoringMetric]:
        if not hours > 0:
            raise ValueError(f"{hours} hours are none")
        now, found = _core.now_ms(), []
        for store in list(self._stores.values()):
            for pairs, points in store.select(name, now - int(hours * 3_600_000), now + 60_000):
                labels = {k: v for k, v in pairs if k != "__name__"}
                found += [MonitoringMetric(name, MetricType.GAUGE, v, t / 1000, labels) for t, v in points]
        return sorted(found, key=lambda m: m.timestamp)

    def latest(self, name: str) -> float | None:
        found = self.load(name)
        return found[-1].value if found else None

    def names(self) -> list[str]:
        now = _core.now_ms()
        found = {v for s in list(self._stores.values()) for pairs, _ in s.select(None, 0, now + 60_000) for k, v in pairs if k == "__name__"}
        return sorted(found)

    def query(self, expr: str, at: float | datetime | None = None, retention: Any = None) -> QueryResult:
        """PromQL, over what was stored with this retention. Without one each retention is asked, the default first, until one knows an answer: an
        expression sees the metrics of one retention at a time."""
        at_ms = (_core.now_ms() + 1000) if at is None else int(_core.unix_of(at, "at") * 1000)
        own = self._retention if retention is None else self._ms(retention)
        asked = [own] if retention is not None else [own, *(ms for ms in list(self._stores) if ms != own)]
        found: list[Any] = []
        for ms in asked:
            found = json.loads(self._of(ms).query(expr, at_ms))["result"]
            if found:
                break
        return QueryResult(in_numbers(found))

    def __repr__(self) -> str:
        return f"<MetricsStorage {len(self.names())} metrics>"
