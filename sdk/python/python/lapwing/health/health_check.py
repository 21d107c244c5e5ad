"""Is it well? Checks of the model, the system, the database, other services, and whatever else is registered."""

from __future__ import annotations

import asyncio
import inspect
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Callable, Mapping

from .. import _core
from .._text import told


class HealthStatus(str, Enum):
    """How it is (seed 1)."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"

    def __str__(self) -> str:
        return self.value


_RANK = {HealthStatus.HEALTHY: 0, HealthStatus.DEGRADED: 1, HealthStatus.UNHEALTHY: 2}


@dataclass
class HealthCheck:
    """What one check found (seed 1)."""

    name: str
    status: HealthStatus
    message: str
    timestamp: float
    duration: float
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Registered:
    name: str
    check: Callable[[], Any]
    timeout: float
    interval: float
    recover: Callable[[], Any] | None
    last: HealthCheck | None = None


class HealthChecker:
    """Runs checks (seed 1). `config`: `check_interval`, `timeout`, `thresholds` (`{"degraded": 70, "unhealthy": 90}` in percent), and
    `external_services` (`[{"name", "health_url"}]`). A `model` with `generate_text` and a `database` (something to call) are checked where
    given, by attribute or argument; where none is given the check says so instead of failing.

    Checks run side by side, each with its timeout: one that hangs does not hold up the others.

    >>> checker = HealthChecker({})
    >>> checker.register("queue", lambda: True)
    >>> [c.status.value for c in checker.run() if c.name == "queue"]
    ['healthy']
    """

    def __init__(self, config: Mapping[str, Any] | None = None, *, model: Any = None, database: Any = None):
        config = dict(config or {})
        self.config: dict[str, Any] = dict(config.get("health_checks", {})) | config
        self.check_interval = self.config.get("check_interval", 30)
        self.timeout = float(self.config.get("timeout", 10))
        if not self.timeout > 0:
            raise ValueError("the timeout of health checks must be more than 0")
        self.health_checks: list[HealthCheck] = []
        self.model = model
        self.database = database
        self._registered: dict[str, _Registered] = {}
        self._gauge = _core.gauge("health_check_status", "0 healthy, 1 degraded, 2 unhealthy.", ("check",))
        self._seconds = _core.histogram("health_check_duration_seconds", "How long health checks took.", ("check",))

    def register(self, name: str, check: Callable[[], Any], *, interval: float | None = None, timeout: float | None = None, recover: Callable[[], Any] | None = None) -> None:
        """Adds a check: it returns truth, a HealthStatus, `(status, message)` or a HealthCheck, or raises. `recover` is called when it is unhealthy."""
        if not callable(check):
            raise TypeError(f"a check is something to call, not {check!r}")
        self._registered[name] = _Registered(name, check, float(timeout or self.timeout), float(interval or 0), recover)

    def check(self, name: str, **options: Any) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        """`register` as a decorator."""
        def add(function: Callable[[], Any]) -> Callable[[], Any]:
            self.register(name, function, **options)
            return function

        return add

    async def perform_health_checks(self) -> list[HealthCheck]:
        """All checks, side by side."""
        own = [self.check_model_health(), self.check_system_health(), self.check_database_health(), self.check_external_services()]
        checks = list(await asyncio.gather(*own, *(self._run_registered(r) for r in self._registered.values())))
        self.health_checks = checks
        for found in checks:
            self._gauge.labels(found.name).set(_RANK[found.status])
            self._seconds.labels(found.name).observe(max(found.duration, 0.0))
        return checks

    def run(self) -> list[HealthCheck]:
        """`perform_health_checks` without a loop, also from where one runs."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.perform_health_checks())
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(self.perform_health_checks())).result()

    @property
    def overall_status(self) -> HealthStatus:
        """The worst of the last checks."""
        return max((c.status for c in self.health_checks), key=_RANK.__getitem__, default=HealthStatus.HEALTHY)

    async def check_model_health(self) -> HealthCheck:
        async def check() -> tuple[HealthStatus, str]:
            if self.model is None:
                return HealthStatus.HEALTHY, "No model to check: give HealthChecker a model"
            ask = getattr(self.model, "generate_text", self.model)
            result = await _call(lambda: ask("Hello, how are you?"))
            if result is not None and (not hasattr(result, "__len__") or len(result) > 0):
                return HealthStatus.HEALTHY, "Model inference working correctly"
            return HealthStatus.DEGRADED, "Model inference returned empty result"

        return await self._timed("model_health", check, "Model inference failed")

    async def check_system_health(self) -> HealthCheck:
        async def check() -> tuple[HealthStatus, str, dict[str, Any]]:
            from ..metrics.collector import host_sample

            now = await asyncio.to_thread(host_sample)
            values = {k: now.get(f"{k.lower()}_percent") for k in ("CPU", "Memory", "Disk")}
            for gpu in now["gpus"]:
                if gpu.get("memory_used_bytes") is not None and gpu.get("memory_total_bytes"):
                    values[f"GPU {gpu['gpu']} memory"] = gpu["memory_used_bytes"] / gpu["memory_total_bytes"] * 100
            limits = {"degraded": 70.0, "unhealthy": 90.0} | dict(self.config.get("thresholds") or {})
            known = {k: v for k, v in values.items() if v is not None}
            shown = ", ".join(f"{k}: {v:.1f}%" for k, v in known.items())
            if any(v > limits["unhealthy"] for v in known.values()):
                return HealthStatus.UNHEALTHY, f"High resource usage - {shown}", known
            if any(v > limits["degraded"] for v in known.values()):
                return HealthStatus.DEGRADED, f"Elevated resource usage - {shown}", known
            return HealthStatus.HEALTHY, f"System resources normal - {shown}", known

        return await self._timed("system_health", check, "System health check failed")

    async def check_database_health(self) -> HealthCheck:
        async def check() -> tuple[HealthStatus, str]:
            if self.database is None and type(self).test_database_connection is HealthChecker.test_database_connection:
                return HealthStatus.HEALTHY, "No database to check: give HealthChecker a database"
            if await self.test_database_connection():
                return HealthStatus.HEALTHY, "Database connection healthy"
            return HealthStatus.UNHEALTHY, "Database connection failed"

        return await self._timed("database_health", check, "Database health check failed")

    async def test_database_connection(self) -> bool:
        """Calls `database` (or its `ping` or `execute("SELECT 1")`); to be overridden where that is not enough."""
        database = self.database
        if hasattr(database, "ping"):
            return await _call(database.ping) is not False
        if hasattr(database, "execute"):
            await _call(lambda: database.execute("SELECT 1"))
            return True
        return await _call(database) is not False

    async def check_external_services(self) -> HealthCheck:
        async def check() -> tuple[HealthStatus, str, dict[str, Any]]:
            services = list(self.config.get("external_services") or [])
            failures = await asyncio.gather(*(asyncio.to_thread(_ask, s["health_url"], min(5.0, self.timeout)) for s in services))
            down = {s.get("name", s["health_url"]): why for s, why in zip(services, failures) if why is not None}
            names = ", ".join(down)
            if not down:
                return HealthStatus.HEALTHY, "All external services healthy", {}
            if len(down) < len(services):
                return HealthStatus.DEGRADED, f"Some external services down: {names}", down
            return HealthStatus.UNHEALTHY, f"All external services down: {names}", down

        return await self._timed("external_services_health", check, "External services health check failed")

    async def _run_registered(self, registered: _Registered) -> HealthCheck:
        last = registered.last
        if last is not None and time.time() - last.timestamp < registered.interval:
            return last

        async def check() -> Any:
            return await _call(registered.check)

        found = await self._timed(registered.name, check, f"{registered.name} failed", registered.timeout)
        if found.status is HealthStatus.UNHEALTHY and registered.recover is not None:
            try:
                await asyncio.wait_for(_call(registered.recover), registered.timeout)
                found.details["recovery"] = "tried"
            except Exception as error:
                found.details["recovery"] = f"failed: {told(error)}"
        registered.last = found
        return found

    async def _timed(self, name: str, check: Callable[[], Any], failed: str, timeout: float | None = None) -> HealthCheck:
        started, clock = time.time(), time.perf_counter()
        details: dict[str, Any] = {}
        limit = timeout or self.timeout
        try:
            answer = await asyncio.wait_for(check(), limit)
            if isinstance(answer, HealthCheck):
                return answer
            if isinstance(answer, tuple):
                status, message, *more = answer
                status, details = HealthStatus(status), dict(more[0]) if more else {}
            elif isinstance(answer, HealthStatus):
                status, message = answer, answer.value
            elif answer is None or bool(answer):
                status, message = HealthStatus.HEALTHY, "ok"
            else:
                status, message = HealthStatus.UNHEALTHY, f"{failed}: it returned {answer!r}"
        except (asyncio.TimeoutError, TimeoutError):
            status, message = HealthStatus.UNHEALTHY, f"{failed}: no answer within {limit:g} s"
        except Exception as error:
            status, message = HealthStatus.UNHEALTHY, f"{failed}: {error}"
        return HealthCheck(name, status, message, started, time.perf_counter() - clock, details)

    def recovery(self, name: str, *, max_attempts: int = 3, backoff: float = 1.0) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        """`@checker.recovery("model", max_attempts=3)`: what to do when that check is unhealthy."""
        from .recovery import RecoveryManager

        def add(action: Callable[[], Any]) -> Callable[[], Any]:
            if name not in self._registered:
                raise ValueError(f"no check is called {name!r}: register it first")
            manager = RecoveryManager()
            manager.register(name, action, max_attempts=max_attempts, backoff=backoff)
            self._registered[name].recover = lambda: manager.recover(name)
            return action

        return add

    def __repr__(self) -> str:
        return f"<HealthChecker {self.overall_status.value}, {len(self._registered)} own checks>"

    def _repr_html_(self) -> str:
        from .._html import table

        return table([{"check": c.name, "status": c.status.value, "message": c.message, "seconds": c.duration} for c in self.health_checks])


async def _call(function: Callable[[], Any]) -> Any:
    """A coroutine function is awaited; a plain one runs on a thread, so that one that hangs can be left behind."""
    if inspect.iscoroutinefunction(function):
        return await function()
    answer = await asyncio.to_thread(function)
    return await answer if inspect.isawaitable(answer) else answer


def _ask(url: str, timeout: float) -> str | None:
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=timeout) as answer:
            return None if answer.status == 200 else f"status {answer.status}"
    except Exception as error:
        return told(error)
