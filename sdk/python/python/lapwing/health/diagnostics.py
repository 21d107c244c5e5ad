"""What is wrong with the monitoring itself, and with the machine."""

from __future__ import annotations

import platform
import sys
from typing import Any

from .. import _core, _native


class SystemDiagnostics:
    """Looks at everything that monitoring needs.

    >>> {"python", "lapwing", "host", "client"} <= set(SystemDiagnostics().run())
    True
    """

    def __repr__(self) -> str:
        return "<SystemDiagnostics>"

    def run(self) -> dict[str, Any]:
        from ..metrics.collector import host_sample

        now = host_sample()
        client = _core.client()
        status: dict[str, Any] = client.status() if client else {"mode": "none: call lapwing.init()"}
        return {
            "python": sys.version.split()[0], "lapwing": _native.__version__, "platform": platform.platform(),
            "host": {k: v for k, v in now.items() if k != "gpus" and v is not None}, "gpus": now["gpus"], "client": status,
            "series": len(_core.registry.read()), "problems": self._problems(now, status),
        }

    def _problems(self, now: dict[str, Any], status: dict[str, Any]) -> list[str]:
        problems = []
        if (now.get("memory_percent") or 0) > 90:
            problems.append(f"memory is {now['memory_percent']:.0f}% full")
        if (now.get("disk_percent") or 0) > 90:
            problems.append(f"the disk is {now['disk_percent']:.0f}% full")
        if status.get("last_error"):
            problems.append(f"sending to {status['url']} failed: {status['last_error']}")
        if status.get("dropped"):
            problems.append(f"{status['dropped']} parcels were given up because the spool was full")
        if status.get("disk_error"):
            problems.append(f"the spool's folder takes nothing: {status['disk_error']}")
        return problems

    def report(self) -> str:
        found = self.run()
        lines = ["=== Monitoring System Debug ===", f"lapwing {found['lapwing']}, Python {found['python']}, {found['platform']}"]
        host = found["host"]
        for name, key in (("CPU usage", "cpu_percent"), ("Memory usage", "memory_percent"), ("Disk usage", "disk_percent")):
            lines.append(f"{name}: {host[key]:.1f}%" if host.get(key) is not None else f"{name}: unknown")
        lines.append(f"GPUs: {len(found['gpus'])}")
        lines.append("Client: " + ", ".join(f"{k} {v}" for k, v in found["client"].items() if v not in (None, 0)))
        lines.append(f"Series: {found['series']}")
        lines += [f"PROBLEM: {p}" for p in found["problems"]] or ["No problems found"]
        return "\n".join(lines + ["=" * 30])


def debug_monitoring_system(self: Any = None) -> dict[str, Any]:
    """Prints what is the matter with the monitoring (seed 1), and returns it. `self` is a monitor whose parts are looked at as well."""
    diagnostics = SystemDiagnostics()
    text = diagnostics.report().splitlines()
    for label, name in (("Metrics collector", "metrics_collector"), ("Health checker", "health_checker"), ("Alert manager", "alert_manager")):
        if self is not None:
            text.insert(2, f"{label} initialized: {getattr(self, name, None) is not None}")
    checker = getattr(self, "health_checker", None)
    if checker is not None:
        text.insert(-1, "Checking external dependencies...")
        for check in checker.run():
            text.insert(-1, f"  {check.name}: {check.status.value} ({check.message})")
    print("\n".join(text))
    return diagnostics.run()
