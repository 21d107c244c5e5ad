"""For tests of programs that use Lapwing."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Any, Iterator

from . import _core


class Captured:
    """What was recorded since the capture began."""

    def __init__(self) -> None:
        self._before = self._read()

    @staticmethod
    def _read() -> dict[tuple[str, str, tuple[tuple[str, str], ...]], float]:
        return {(n, kind, tuple(labels)): v for n, kind, labels, v in _core.registry.read()}

    def value(self, name: str, **labels: Any) -> float:
        """How much a counter grew, or how many values a histogram took; a gauge's value. 0 for what is not there."""
        wanted = {(k, str(v)) for k, v in labels.items()}
        found = 0.0
        for (n, kind, pairs), value in self._read().items():
            if n == name and wanted <= set(pairs):
                found += value if kind == "gauge" else value - self._before.get((n, kind, pairs), 0.0)
        return found

    def wait(self, name: str, /, seconds: float = 10.0, **labels: Any) -> float:
        """`value(…)` once it is not 0: for what is recorded on another thread or in another task. 0 when that does not come about in time."""
        deadline = time.monotonic() + seconds
        while not (found := self.value(name, **labels)) and time.monotonic() < deadline:
            time.sleep(0.005)
        return found


@contextmanager
def capture() -> Iterator[Captured]:
    """
    >>> from lapwing import counter
    >>> with capture() as seen:
    ...     counter("doc_captured_total").inc(2)
    >>> seen.value("doc_captured_total")
    2.0
    """
    yield Captured()
