"""Is it well? Checks of the model, the system, the database, other services, and whatever else is registered."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Awaitable, Callable, Mapping

from .. import _core
from .._steps import is_coroutine_function
from .._text import check_misspelt, told
from .._threads import finished, on_daemon


class HealthStatus(str, Enum):
    """How it is (seed 1)."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"

    def __str__(self) -> str:
        return self.value


#: The checks that every checker has.
_OWN = ("model_health", "system_health", "database_health", "external_services_health")
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
    last: HealthCheck | None = None
    #: By a clock that is not set.
    looked_at: float = 0.0


class HealthChecker:
    """Runs checks (seed 1). `config`: `check_interval`, `timeout` (seconds, or `"5s"`), `thresholds` (`{"degraded": 70, "unhealthy": 90}` in percent), and
    `external_services` (`[{"name", "health_url"}]`). A `model` with `generate_text` and a `database` (something to call) are checked where
    given, by attribute or argument; where none is given the check says so instead of failing.

    Checks run side by side, each with its timeout: one that hangs does not hold up the others, and is not called again before it has ended.

    >>> checker = HealthChecker({})
    >>> checker.register("queue", lambda: True)
    >>> [c.status.value for c in checker.run() if c.name == "queue"]
    ['healthy']
    """

    def __init__(self, config: Mapping[str, Any] | None = None, *, model: Any = None, database: Any = None):
        config = dict(config or {})
        self.config: dict[str, Any] = dict(config.get("health_checks", {})) | config
        check_misspelt(self.config, ("check_interval", "timeout", "thresholds", "external_services", "health_checks"), "the configuration of health checks")
        self.check_interval = _core.seconds_of(self.config.get("check_interval", 30), "check_interval")
        self.timeout = _core.seconds_of(self.config.get("timeout", 10), "timeout")
        if not self.timeout > 0:
            raise ValueError("the timeout of health checks must be more than 0")
        self.health_checks: list[HealthCheck] = []
        self.model = model
        self.database = database
        self._registered: dict[str, _Registered] = {}
        self._recoveries: dict[str, Callable[[], Any]] = {}
        #: What was given up and still runs, by what it belongs to.
        self._hanging: dict[str, threading.Thread] = {}
        for service in self.config.get("external_services") or []:
            service_of(service)
        thresholds_of(self.config.get("thresholds") or {})
        self._gauge = _core.gauge("health_check_status", "0 healthy, 1 degraded, 2 unhealthy.", ("check",))
        self._seconds = _core.histogram("health_check_duration_seconds", "How long health checks took.", ("check",))

    def register(self, name: str, check: Callable[[], Any], *, interval: float | str | None = None, timeout: float | str | None = None, recover: Callable[[], Any] | None = None) -> None:
        """Adds a check: it returns truth, a HealthStatus or its word, `(status, message)`, a dictionary of both or a HealthCheck, or raises. `recover`
        is called when it is unhealthy."""
        if not callable(check):
            raise TypeError(f"a check is something to call, not {check!r}")
        self._registered[name] = _Registered(name, check, _core.seconds_of(timeout or self.timeout, "timeout"), _core.seconds_of(interval or 0, "interval"))
        self._recoveries.pop(name, None)
        if recover is not None:
            self._recoveries[name] = recover

    def check(self, name: str, **options: Any) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        """`register` as a decorator."""
        def add(function: Callable[[], Any]) -> Callable[[], Any]:
            self.register(name, function, **options)
            return function

        return add

    async def perform_health_checks(self) -> list[HealthCheck]:
        """All checks, side by side."""
        own = (self.check_model_health, self.check_system_health, self.check_database_health, self.check_external_services)
        checks = list(await asyncio.gather(*map(self._run_own, own), *(self._run_registered(r) for r in self._registered.values())))
        self.health_checks = checks
        for found in checks:
            self._gauge.labels(found.name).set(_RANK[found.status])
            self._seconds.labels(found.name).observe(max(found.duration, 0.0))
        return checks

    def run(self) -> list[HealthCheck]:
        """`perform_health_checks` without a loop, also from where one runs."""
        return finished(self.perform_health_checks())

    @property
    def overall_status(self) -> HealthStatus:
        """The worst of the last checks."""
        return max((c.status for c in self.health_checks), key=_RANK.__getitem__, default=HealthStatus.HEALTHY)

    async def check_model_health(self) -> HealthCheck:
        async def check() -> tuple[HealthStatus, str]:
            if self.model is None:
                return HealthStatus.HEALTHY, "No model to check: give HealthChecker a model"
            ask = getattr(self.model, "generate_text", self.model)
            result = await self._call("model_health", lambda: ask("Hello, how are you?"))
            if result is not None and (not hasattr(result, "__len__") or len(result) > 0):
                return HealthStatus.HEALTHY, "Model inference working correctly"
            return HealthStatus.DEGRADED, "Model inference returned empty result"

        return await self._timed("model_health", check, "Model inference failed")

    async def check_system_health(self) -> HealthCheck:
        async def check() -> tuple[HealthStatus, str, dict[str, Any]]:
            from ..metrics.collector import host_sample

            now = await self._call("system_health", host_sample)
            values = {k: now.get(f"{k.lower()}_percent") for k in ("CPU", "Memory", "Disk")}
            for gpu in now["gpus"]:
                if gpu.get("memory_used_bytes") is not None and gpu.get("memory_total_bytes"):
                    values[f"GPU {gpu['gpu']} memory"] = gpu["memory_used_bytes"] / gpu["memory_total_bytes"] * 100
            limits = {"degraded": 70.0, "unhealthy": 90.0} | thresholds_of(self.config.get("thresholds") or {})
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
            return await self._call("database_health", database.ping) is not False
        if hasattr(database, "execute"):
            await self._call("database_health", lambda: database.execute("SELECT 1"))
            return True
        return await self._call("database_health", database) is not False

    async def check_external_services(self) -> HealthCheck:
        async def check() -> tuple[HealthStatus, str, dict[str, Any]]:
            services = list(self.config.get("external_services") or [])
            failures = await asyncio.gather(*(self._ask(s["health_url"]) for s in services))
            down = {s.get("name", s["health_url"]): why for s, why in zip(services, failures) if why is not None}
            names = ", ".join(down)
            if not down:
                return HealthStatus.HEALTHY, "All external services healthy", {}
            if len(down) < len(services):
                return HealthStatus.DEGRADED, f"Some external services down: {names}", down
            return HealthStatus.UNHEALTHY, f"All external services down: {names}", down

        # Each service has its limit: together they take no longer than one, and a moment.
        return await self._timed("external_services_health", check, "External services health check failed", self.timeout + 1)

    async def _ask(self, url: str) -> str | None:
        """Why a service is not well. The whole answer has to come in time, not each piece of it."""
        limit = min(5.0, self.timeout)
        try:
            return await asyncio.wait_for(self._call(f"service {url}", lambda: _ask(url, limit)), limit)
        except (asyncio.TimeoutError, TimeoutError):
            return f"no answer within {limit:g} s"
        except Exception as error:
            return told(error)

    async def _run_own(self, check: Callable[[], Awaitable[HealthCheck]]) -> HealthCheck:
        found = await check()
        await self._recover(found.name, found, self.timeout)
        return found

    async def _run_registered(self, registered: _Registered) -> HealthCheck:
        last, now = registered.last, time.monotonic()
        if last is not None and now - registered.looked_at < registered.interval:
            return last

        async def check() -> Any:
            return await self._call(registered.name, registered.check)

        found = await self._timed(registered.name, check, f"{registered.name} failed", registered.timeout)
        await self._recover(registered.name, found, registered.timeout)
        registered.last, registered.looked_at = found, now
        return found

    async def _recover(self, name: str, found: HealthCheck, timeout: float) -> None:
        recover = self._recoveries.get(name)
        if found.status is not HealthStatus.UNHEALTHY or recover is None:
            return
        try:
            attempt = await asyncio.wait_for(self._call(f"recovery of {name}", recover), timeout)
            error = getattr(attempt, "error", None)
            found.details["recovery"] = "tried" if error is None else f"failed {attempt.attempts} times: {error}"
        except Exception as error:
            found.details["recovery"] = f"failed: {told(error)}"

    async def _call(self, what: str, function: Callable[[], Any]) -> Any:
        """A coroutine function is awaited; a plain one runs on a thread, so that one that hangs can be left behind: one at a time."""
        if is_coroutine_function(function):
            return await function()
        before = self._hanging.get(what)
        if before is not None and before.is_alive():
            raise RuntimeError("the earlier one has not ended yet")
        answer = await on_daemon(function, left=lambda thread: self._hanging.__setitem__(what, thread))
        return await answer if inspect.isawaitable(answer) else answer

    async def _timed(self, name: str, check: Callable[[], Any], failed: str, timeout: float | None = None) -> HealthCheck:
        started, clock = time.time(), time.perf_counter()
        details: dict[str, Any] = {}
        limit = timeout or self.timeout
        try:
            answer = await asyncio.wait_for(check(), limit)
            if isinstance(answer, HealthCheck):
                return answer
            if isinstance(answer, Mapping) and "status" in answer:
                more_of_it = {k: v for k, v in answer.items() if k not in ("status", "message")}
                answer = (answer["status"], str(answer.get("message", answer["status"])), more_of_it)
            if isinstance(answer, tuple):
                status, message, *more = answer
                status, details = _status_of(status), dict(more[0]) if more else {}
            elif isinstance(answer, str) and _word(answer) in _WORDS:
                # "unhealthy" is not well because it is a word.
                status, message = _status_of(answer), str(answer)
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
        """`@checker.recovery("model", max_attempts=3)`: what to do when that check is unhealthy, one of one's own or `model`, `system`, `database`,
        `external_services`."""
        from .recovery import RecoveryManager

        def add(action: Callable[[], Any]) -> Callable[[], Any]:
            own = name if name in _OWN else f"{name}_health"
            if name not in self._registered and own not in _OWN:
                raise ValueError(f"no check is called {name!r}: register it first, or use {', '.join(n.removesuffix('_health') for n in _OWN)}")
            manager = RecoveryManager()
            manager.register(name, action, max_attempts=max_attempts, backoff=backoff)
            self._recoveries[name if name in self._registered else own] = lambda: manager.recover(name)
            return action

        return add

    def __repr__(self) -> str:
        return f"<HealthChecker {self.overall_status.value}, {len(self._registered)} own checks>"

    def _repr_html_(self) -> str:
        from .._html import table

        return table([{"check": c.name, "status": c.status.value, "message": c.message, "seconds": c.duration} for c in self.health_checks])


#: What programs say for the three.
_WORDS = {s.value: s for s in HealthStatus} | {
    "ok": HealthStatus.HEALTHY, "up": HealthStatus.HEALTHY, "pass": HealthStatus.HEALTHY, "warn": HealthStatus.DEGRADED, "warning": HealthStatus.DEGRADED,
    "error": HealthStatus.UNHEALTHY, "down": HealthStatus.UNHEALTHY, "fail": HealthStatus.UNHEALTHY, "failed": HealthStatus.UNHEALTHY, "critical": HealthStatus.UNHEALTHY,
}


def _word(status: Any) -> str:
    return str(getattr(status, "value", status)).lower()


def _status_of(status: Any) -> HealthStatus:
    found = _WORDS.get(_word(status))
    if found is None:
        raise ValueError(f"{status!r} is not a status: use {', '.join(s.value for s in HealthStatus)}")
    return found


def service_of(service: Any) -> Mapping[str, Any]:
    """An external service as it is; one that could not be asked is an error that says why."""
    if not isinstance(service, Mapping) or not isinstance(service.get("health_url"), str):
        raise ValueError(f"an external service needs a health_url: {service!r}")
    return service


def thresholds_of(given: Any) -> dict[str, float]:
    """Percent from which on the system is `degraded` and `unhealthy`."""
    thresholds = dict(given)
    for name, percent in thresholds.items():
        if name not in ("degraded", "unhealthy"):
            raise ValueError(f"{name!r} is no threshold of health: use degraded, unhealthy")
        if isinstance(percent, bool) or not isinstance(percent, (int, float)):
            raise ValueError(f"the threshold {name} must be a number, not {percent!r}")
    return thresholds


def _ask(url: str, timeout: float) -> str | None:
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=timeout) as answer:
            return None if answer.status == 200 else f"status {answer.status}"
    except Exception as error:
        return told(error)
