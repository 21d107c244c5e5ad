"""What happened in the last five minutes: sums of ten seconds each, and of the durations of each a sample.

Useful for: rates, shares and quantiles that mean what `[5m]` means in a rule. Not for: totals. It knows no clock: each call brings the time.
Memory is bounded: thirty slots of `SAMPLE_MAX` durations, each with the same chance to be among them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .. import _native

SLOT_S = 10
SLOTS = 30
SAMPLE_MAX = 256


@dataclass
class _Slot:
    count: int = 0
    failed: int = 0
    total_s: float = 0.0
    durations: list[float] = field(default_factory=list)

    def add(self, duration: float, failed: bool) -> None:
        self.count += 1
        self.failed += failed
        self.total_s += duration
        if len(self.durations) < SAMPLE_MAX:
            self.durations.append(duration)
        elif (at := random.randrange(self.count)) < SAMPLE_MAX:
            self.durations[at] = duration


class Recent:
    """Of one collector, which holds its lock around each call. Times are seconds of a clock that never goes back."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._slots: dict[int, _Slot] = {}

    def add(self, now: float, duration: float, failed: bool = False) -> None:
        at = int(now // SLOT_S)
        if at not in self._slots:
            self._forget(at)
            self._slots[at] = _Slot()
        self._slots[at].add(duration, failed)

    def read(self, now: float) -> dict[str, float | None]:
        """`rate` per second, and `error_rate`, `average`, `p95`, which are None when nothing happened."""
        at = int(now // SLOT_S)
        self._forget(at)
        slots = self._slots.values()
        count = sum(s.count for s in slots)
        # Of a second at least: the first request of a process is not a thousand in a second.
        covered = max(now - max(self._began, (at - SLOTS + 1) * SLOT_S), 1.0)
        if not count:
            return {"rate": 0.0, "error_rate": None, "average": None, "p95": None}
        return {
            "rate": count / covered, "error_rate": sum(s.failed for s in slots) / count,
            "average": sum(s.total_s for s in slots) / count, "p95": self._quantile(0.95),
        }

    def _forget(self, at: int) -> None:
        for old in [k for k in self._slots if k <= at - SLOTS]:
            del self._slots[old]

    def _quantile(self, q: float) -> float | None:
        slots = [s for s in self._slots.values() if s.durations]
        if all(s.count == len(s.durations) for s in slots):
            return _native.quantiles([d for s in slots for d in s.durations], [q])[0]
        # Each duration that was kept stands for as many as its slot had for one.
        weighted = sorted((d, s.count / len(s.durations)) for s in slots for d in s.durations)
        wanted, passed = q * sum(w for _, w in weighted), 0.0
        for duration, weight in weighted:
            passed += weight
            if passed >= wanted:
                return duration
        return weighted[-1][0]
