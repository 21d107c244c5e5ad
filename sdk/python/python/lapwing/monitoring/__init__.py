"""Monitors: thresholds, pipelines, everything at once (seeds 1 and 4)."""

from .comprehensive import ComprehensiveMonitor
from .monitor import AdvancedMonitor, Alert, AlertManager, AlertSeverity
from .production import ProductionMonitor

__all__ = ["AdvancedMonitor", "Alert", "AlertManager", "AlertSeverity", "ComprehensiveMonitor", "ProductionMonitor"]
