"""A plugin for pytest: the fixture `lapwing_capture`, and with `--lapwing` the durations of tests as operations."""

from __future__ import annotations

from typing import Any, Iterator

import pytest


def pytest_addoption(parser: Any) -> None:
    group = parser.getgroup("lapwing")
    group.addoption("--lapwing", action="store_true", help="record every test as an operation, and ship it where LAPWING_URL says")
    group.addoption("--lapwing-gate", metavar="NAME", help="compare the durations of tests with a saved baseline, and fail when they are worse")
    group.addoption("--lapwing-save", metavar="NAME", help="save the durations of tests as a baseline")


def pytest_configure(config: Any) -> None:
    if config.getoption("--lapwing") or config.getoption("--lapwing-gate") or config.getoption("--lapwing-save"):
        config.pluginmanager.register(_Recorder(config), "lapwing-recorder")


class _Recorder:
    def __init__(self, config: Any):
        self.config = config
        self.durations: dict[str, list[float]] = {}

    def pytest_sessionstart(self) -> None:
        if self.config.getoption("--lapwing"):
            import lapwing

            lapwing.init(service="pytest")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when != "call":
            return
        from . import _native

        _native.OperationHandle("test", report.nodeid).record(max(report.duration, 0.0), report.passed)
        self.durations.setdefault(report.nodeid, []).append(report.duration)

    def pytest_sessionfinish(self, session: Any) -> None:
        from .gate import Baselines, gate

        points = {k: {"values": v, "direction": "lower", "unit": "s"} for k, v in self.durations.items()}
        if name := self.config.getoption("--lapwing-save"):
            Baselines().save(name, points)
        if name := self.config.getoption("--lapwing-gate"):
            try:
                report = gate(points, name, relative=0.5, absolute=0.05)
            except (OSError, ValueError) as error:
                print(f"\nlapwing: the gate could not be asked: {error}")
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
                return
            print("\n" + str(report))
            if not report.passed:
                session.exitstatus = 1


@pytest.fixture
def lapwing_capture() -> Iterator[Any]:
    """What the test records."""
    from .testing import capture

    with capture() as captured:
        yield captured
