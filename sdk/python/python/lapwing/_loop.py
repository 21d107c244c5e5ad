"""Something that is done every so often on a thread of its own, and ends when it is told to."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any, Callable, Self

from ._core import seconds_of
from ._text import told

log = logging.getLogger("lapwing")


class Twins:
    """What coroutines use of that which starts and stops. Stopping waits for a thread: the loop is not held meanwhile."""

    async def astart_monitoring(self, *args: Any, **kwargs: Any) -> None:
        import asyncio

        await asyncio.to_thread(self.start_monitoring, *args, **kwargs)  # type: ignore[attr-defined]

    async def astop_monitoring(self) -> None:
        import asyncio

        await asyncio.to_thread(self.stop_monitoring)  # type: ignore[attr-defined]

    async def __aenter__(self) -> Self:
        import asyncio

        await asyncio.to_thread(self.__enter__)  # type: ignore[attr-defined]
        return self

    async def __aexit__(self, *error: Any) -> None:
        import asyncio

        await asyncio.to_thread(self.__exit__, *error)  # type: ignore[attr-defined]


class Loop:
    """Calls `work` at once and then every `interval` seconds. What `work` raises is logged and counted, and the loop goes on."""

    def __init__(self, name: str, work: Callable[[], Any]):
        self.name = name
        self.failures = 0
        self.last_error: str | None = None
        self._work = work
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0

    @property
    def running(self) -> bool:
        # A thread does not survive a fork, though its object does.
        return self._thread is not None and self._thread.is_alive() and self._pid == os.getpid()

    def start(self, interval: float | str) -> None:
        interval = seconds_of(interval, "an interval")
        if not (0 < interval < float("inf")):
            raise ValueError(f"an interval of {interval} s is none: it must be more than 0")
        if self.running:
            return
        self._stop = threading.Event()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, args=(interval, self._stop), name=f"lapwing-{self.name}", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        self._stop.set()
        thread, self._thread = self._thread, None
        # A signal may have come before the thread had begun: then there is nothing to wait for.
        if thread is not None and thread.is_alive() and self._pid == os.getpid() and thread is not threading.current_thread():
            thread.join(timeout)

    def _run(self, interval: float, stop: threading.Event) -> None:
        while True:
            try:
                self._work()
            except Exception as error:
                self.failures += 1
                self.last_error = told(error)
                if self.failures == 1:
                    log.warning("lapwing: %s failed: %s", self.name, self.last_error)
            if stop.wait(interval):
                return
