"""Performance: tracking, analysis, optimization, benchmarking (seed 2's layout)."""

from .analysis import PerformanceAnalyzer, PerformanceReport
from .benchmarking import PerformanceBenchmark
from .optimization import PerformanceOptimizer
from .tracking import PerformanceMetric, PerformanceMetricType, PerformanceTracker, SystemResourceMonitor, SystemResourceSnapshot

__all__ = [
    "PerformanceAnalyzer", "PerformanceBenchmark", "PerformanceMetric", "PerformanceMetricType", "PerformanceOptimizer", "PerformanceReport",
    "PerformanceTracker", "SystemResourceMonitor", "SystemResourceSnapshot",
]
