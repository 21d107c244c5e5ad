"""Keeping metrics for a time, and asking for them."""

from __future__ import annotations

import json
from typing import Any

from .. import _core, _native
from .collector import MetricType, MonitoringMetric, samples_of


class MetricsStorage:
    """Keeps metrics in memory, or in an engine with a folder (seed 2). What is older than its retention is forgotten.

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
        """Keeps them now; how many."""
        ms = self._retention if retention is None else self._ms(retention)
        store, kept = self._of(ms), 0
        for name, labels, value in samples_of(metrics):
            now = _core.now_ms()
            key = (ms, name, tuple(sorted((labels or {}).items())))
            at = max(now, self._last.get(key, 0) + 1)
            store.append(name, labels, at, value, now)
            self._last[key] = at
            kept += 1
        store.maintain(_core.now_ms())
        return kept

    def load(self, name: str, hours: float = 24) -> list[MonitoringMetric]:
        if not hours > 0:
            raise ValueError(f"{hours} hours are none")
        now, found = _core.now_ms(), []
        for store in self._stores.values():
            for pairs, points in store.select(name, now - int(hours * 3_600_000), now + 60_000):
                labels = {k: v for k, v in pairs if k != "__name__"}
                found += [MonitoringMetric(name, MetricType.GAUGE, v, t / 1000, labels) for t, v in points]
        return sorted(found, key=lambda m: m.timestamp)

    def latest(self, name: str) -> float | None:
        found = self.load(name)
        return found[-1].value if found else None

    def names(self) -> list[str]:
        now = _core.now_ms()
        found = {v for s in self._stores.values() for pairs, _ in s.select(None, 0, now + 60_000) for k, v in pairs if k == "__name__"}
        return sorted(found)

    def query(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """PromQL, over what has the default retention, or over the only retention there is."""
        store = next(iter(self._stores.values())) if len(self._stores) == 1 else self._store
        return json.loads(store.query(expr, (_core.now_ms() + 1000) if at is None else int(at * 1000)))["result"]

    def __repr__(self) -> str:
        return f"<MetricsStorage {len(self.names())} metrics>"
