"""How long something takes, measured often enough to compare."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable

from .. import _native
from .._steps import is_coroutine_function
from .._threads import finished


@dataclass(frozen=True)
class BenchmarkResult:
    name: str
    seconds: tuple[float, ...]
    per_call: int

    @property
    def mean(self) -> float:
        return sum(self.seconds) / len(self.seconds)

    def quantile(self, q: float) -> float:
        return _native.quantiles(list(self.seconds), [q])[0] or 0.0

    @property
    def median(self) -> float:
        return self.quantile(0.5)

    def to_points(self) -> dict[str, Any]:
        """For `lapwing.gate`."""
        return {f"{self.name}_seconds": {"values": list(self.seconds), "direction": "lower", "unit": "s"}}

    def __str__(self) -> str:
        return f"{self.name}: median {self.median:.3g} s, p95 {self.quantile(0.95):.3g} s ({len(self.seconds)} runs)"


class PerformanceBenchmark:
    """Runs functions, coroutines too, and keeps how long they took.

    >>> PerformanceBenchmark(repeat=5, warmup=1).run(lambda: sum(range(100)), "sum").name
    'sum'
    """

    def __init__(self, repeat: int = 20, warmup: int = 3):
        if repeat < 1 or warmup < 0:
            raise ValueError("repeat must be at least 1 and warmup not negative")
        self.repeat, self.warmup = repeat, warmup
        self.results: dict[str, BenchmarkResult] = {}

    def __repr__(self) -> str:
        return f"<PerformanceBenchmark {len(self.results)} results>"

    def run(self, function: Callable[[], Any], name: str | None = None, per_call: int = 1) -> BenchmarkResult:
        """`per_call` calls are measured as one. Coroutines run on one loop, one after the other."""
        seconds = finished(self._of_coroutines(function, per_call)) if is_coroutine_function(function) else self._of_calls(function, per_call)
        result = BenchmarkResult(name or getattr(function, "__name__", "benchmark"), tuple(seconds), per_call)
        self.results[result.name] = result
        return result

    def _of_calls(self, function: Callable[[], Any], per_call: int) -> list[float]:
        for _ in range(self.warmup):
            function()
        seconds = []
        for _ in range(self.repeat):
            started = time.perf_counter()
            for _ in range(per_call):
                function()
            seconds.append((time.perf_counter() - started) / per_call)
        return seconds

    async def _of_coroutines(self, function: Callable[[], Any], per_call: int) -> list[float]:
        for _ in range(self.warmup):
            await function()
        seconds = []
        for _ in range(self.repeat):
            started = time.perf_counter()
            for _ in range(per_call):
                await function()
            seconds.append((time.perf_counter() - started) / per_call)
        return seconds

    def compare(self, baseline: BenchmarkResult, current: BenchmarkResult, **options: Any) -> Any:
        """Whether one is slower than the other beyond noise: a `GateReport`."""
        from ..gate import gate

        return gate({"seconds": {"values": list(current.seconds), "direction": "lower"}}, {"seconds": {"values": list(baseline.seconds), "direction": "lower"}}, name=baseline.name, **options)
