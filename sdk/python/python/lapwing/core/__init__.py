"""Seed 3's package."""

from .performance_monitoring_system import PerformanceMonitoringSystem

__all__ = ["PerformanceMonitoringSystem"]
