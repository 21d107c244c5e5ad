"""Metrics: collecting, aggregating, keeping, exporting (seed 2's layout)."""

from .aggregator import MetricsAggregator
from .collector import BusinessMetricsCollector, MetricsCollector, MetricType, ModelMetrics, MonitoringMetric
from .exporter import MetricsExporter
from .storage import MetricsStorage

__all__ = ["BusinessMetricsCollector", "MetricType", "MetricsAggregator", "MetricsCollector", "MetricsExporter", "MetricsStorage", "ModelMetrics", "MonitoringMetric"]
