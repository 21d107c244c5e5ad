"""When nobody answers, somebody else is told."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Self, Sequence

from .._fork import remembered
from .. import _native
from .._loop import Loop, Twins
from .alert import Alert
from .notification import NotificationService


@dataclass(frozen=True)
class EscalationStep:
    """After so long without an acknowledgement, these are told."""

    after: float | str
    channels: Sequence[Any]

    @property
    def after_s(self) -> float:
        return float(self.after) if isinstance(self.after, (int, float)) else _native.duration_ms(self.after) / 1000


@dataclass
class EscalationManager(Twins):
    """Escalates alerts that are neither acknowledged nor over, at each `check()`, or from `start()` (or `with`) on by itself.

    >>> told = []
    >>> clock = [0.0]
    >>> chain = EscalationManager([EscalationStep(0, [lambda a: told.append("first")]), EscalationStep("5m", [lambda a: told.append("boss")])], clock=lambda: clock[0])
    >>> chain.add(Alert("down")); chain.check(); clock[0] = 301; chain.check(); told
    1
    1
    ['first', 'boss']
    """

    steps: Iterable[EscalationStep]
    clock: Callable[[], float] = time.monotonic
    service: NotificationService = field(default_factory=NotificationService)

    def __post_init__(self) -> None:
        self.steps = sorted(self.steps, key=lambda s: s.after_s)
        if not self.steps:
            raise ValueError("an escalation needs at least one step")
        self._open: list[tuple[Alert, float, int]] = []
        self._loop = Loop("escalation", self.check)
        remembered(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def add(self, alert: Alert) -> None:
        """Also a handler: `manager.add_alert_handler(chain.add)`."""
        if not alert.resolved:
            with self._lock:
                self._open.append((alert, self.clock(), 0))

    def check(self) -> int:
        """Takes the steps that are due; how many."""
        now, due = self.clock(), []
        with self._lock:
            left = []
            for alert, since, step in self._open:
                if alert.resolved or alert.acknowledged_by:
                    continue
                while step < len(self.steps) and now - since >= self.steps[step].after_s:  # type: ignore[index,arg-type]
                    due.append((alert, self.steps[step]))  # type: ignore[index]
                    step += 1
                if step < len(self.steps):  # type: ignore[arg-type]
                    left.append((alert, since, step))
            self._open = left
        for alert, step in due:
            self.service.send_notifications(alert, step.channels)
        return len(due)

    def start(self, interval: float | str = 5.0) -> None:
        """Takes the steps that are due every `interval` seconds, on a thread of its own. A second start changes nothing."""
        self._loop.start(interval)

    def stop(self) -> None:
        self._loop.stop()

    start_monitoring, stop_monitoring = start, stop

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()
