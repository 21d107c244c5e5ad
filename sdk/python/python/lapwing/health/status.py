"""How everything is, over time."""

from __future__ import annotations

from collections import deque
from typing import Any, Mapping, Self

from .._loop import Loop, Twins
from .health_check import HealthCheck, HealthChecker, HealthStatus


class StatusMonitor(Twins):
    """Runs a checker every so often and remembers what changed."""

    def __init__(self, checker: HealthChecker | None = None, history_max: int = 1_000):
        if history_max < 1:
            raise ValueError("history_max must be at least 1")
        self.checker = checker or HealthChecker()
        self.current: dict[str, HealthCheck] = {}
        self.changes: deque[tuple[float, str, HealthStatus | None, HealthStatus]] = deque(maxlen=history_max)
        self._loop = Loop("status", self.update)

    def __repr__(self) -> str:
        return f"<StatusMonitor {len(self.current)} checks, {len(self.changes)} changes>"

    def update(self) -> Mapping[str, HealthCheck]:
        for check in self.checker.run():
            before = self.current.get(check.name)
            if before is None or before.status is not check.status:
                self.changes.append((check.timestamp, check.name, before.status if before else None, check.status))
            self.current[check.name] = check
        return self.current

    def get_status(self) -> dict[str, Any]:
        return {"overall": self.checker.overall_status.value, "checks": {n: c.status.value for n, c in self.current.items()}}

    def start(self, interval: float | str | None = None) -> None:
        self._loop.start(interval or self.checker.check_interval)

    def stop(self) -> None:
        self._loop.stop()

    start_monitoring, stop_monitoring = start, stop

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()
