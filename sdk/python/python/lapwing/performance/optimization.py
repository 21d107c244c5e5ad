"""What to do about it."""

from __future__ import annotations

from typing import Any, Callable

from .analysis import Finding, PerformanceAnalyzer, PerformanceReport


#: What a bottleneck may be.
KINDS = ("slow_operations", "failures", "cpu", "memory", "disk_space", "gpu_memory", "slow_downloads", "slow_health_checks", "failed_fallbacks")


class PerformanceOptimizer:
    """Turns findings into actions: those registered for a kind of bottleneck are called with the finding, at most once per finding kind and run."""

    def __init__(self, analyzer: PerformanceAnalyzer | None = None):
        self.analyzer = analyzer or PerformanceAnalyzer()
        self._actions: dict[str, Callable[[Finding], Any]] = {}

    def __repr__(self) -> str:
        return f"<PerformanceOptimizer {len(self._actions)} actions>"

    def on(self, kind: str, action: Callable[[Finding], Any]) -> None:
        """`kind`: one of `KINDS`."""
        if not callable(action):
            raise TypeError(f"an action is something to call, not {action!r}")
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of bottleneck: use {', '.join(KINDS)}")
        self._actions[kind] = action

    def optimize(self, report: PerformanceReport | None = None, hours_back: float = 24) -> list[dict[str, Any]]:
        """What was recommended, and what came of it."""
        report = report or self.analyzer.generate_performance_report(hours_back)
        done = []
        for found in report.recommendations:
            action, result, error = self._actions.get(found["because"]), None, None
            if action is not None:
                try:
                    result = action(found)
                except Exception as raised:
                    error = f"{type(raised).__name__}: {raised}"
            done.append({"kind": found["because"], "recommendation": found.message, "acted": action is not None, "result": result, "error": error})
        return done
