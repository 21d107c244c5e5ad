"""Health: checks, status, diagnostics, recovery (seed 2's layout)."""

from .diagnostics import SystemDiagnostics, debug_monitoring_system
from .health_check import HealthCheck, HealthChecker, HealthStatus
from .recovery import RecoveryManager
from .status import StatusMonitor

__all__ = ["HealthCheck", "HealthChecker", "HealthStatus", "RecoveryManager", "StatusMonitor", "SystemDiagnostics", "debug_monitoring_system"]
