"""What `lapwing` has, for type checkers; tests compare it with the table in `_names.py`."""

from ._core import Client as Client, client as client, counter as counter, exposition as exposition, flush as flush, gauge as gauge, histogram as histogram, init as init, shutdown as shutdown, summary as summary
from ._track import Operation as Operation, inferences as inferences, log_inference as log_inference, track as track
from ._spans import Span as Span, span as span, spans as spans
from ._result import QueryResult as QueryResult
from .notebook import load_ipython_extension as load_ipython_extension, unload_ipython_extension as unload_ipython_extension
from .metrics.collector import BusinessMetricsCollector as BusinessMetricsCollector, MetricType as MetricType, MetricsCollector as MetricsCollector, ModelMetrics as ModelMetrics, MonitoringMetric as MonitoringMetric
from .metrics.aggregator import MetricsAggregator as MetricsAggregator
from .metrics.storage import MetricsStorage as MetricsStorage
from .metrics.exporter import MetricsExporter as MetricsExporter
from .alerts.alert import Alert as Alert, AlertLevel as AlertLevel, AlertRule as AlertRule, AlertSeverity as AlertSeverity
from .alerts.alert_manager import AlertManager as AlertManager
from .alerts.alert_rules import AlertRules as AlertRules
from .alerts.notification import NotificationService as NotificationService
from .alerts.fatigue import AlertFatiguePrevention as AlertFatiguePrevention
from .alerts.escalation import EscalationManager as EscalationManager, EscalationStep as EscalationStep
from .visualization.dashboard import Dashboard as Dashboard, DashboardCreator as DashboardCreator
from .visualization.plots import Plot as Plot, PlotGenerator as PlotGenerator
from .visualization.reports import Report as Report, ReportGenerator as ReportGenerator
from .visualization.export import VisualizationExporter as VisualizationExporter
from .performance.tracking import PerformanceMetric as PerformanceMetric, PerformanceMetricType as PerformanceMetricType, PerformanceTracker as PerformanceTracker, SystemResourceMonitor as SystemResourceMonitor, SystemResourceSnapshot as SystemResourceSnapshot
from .performance.analysis import PerformanceAnalyzer as PerformanceAnalyzer, PerformanceReport as PerformanceReport
from .performance.optimization import PerformanceOptimizer as PerformanceOptimizer
from .performance.benchmarking import PerformanceBenchmark as PerformanceBenchmark
from .core.performance_monitoring_system import PerformanceMonitoringSystem as PerformanceMonitoringSystem
from .health.health_check import HealthCheck as HealthCheck, HealthChecker as HealthChecker, HealthStatus as HealthStatus
from .health.status import StatusMonitor as StatusMonitor
from .health.diagnostics import SystemDiagnostics as SystemDiagnostics, debug_monitoring_system as debug_monitoring_system
from .health.recovery import RecoveryManager as RecoveryManager
from .monitoring.monitor import AdvancedMonitor as AdvancedMonitor, GPUProfilerProtocol as GPUProfilerProtocol, ResourceMonitor as ResourceMonitor
from .monitoring.production import ProductionMonitor as ProductionMonitor
from .monitoring.comprehensive import ComprehensiveMonitor as ComprehensiveMonitor
from .scripts.deployment.monitoring_setup import EnhancedModelAvailabilityMonitor as EnhancedModelAvailabilityMonitor
from .profiling import PerformanceProfiler as PerformanceProfiler, ProfiledModelServer as ProfiledModelServer, SamplingProfiler as SamplingProfiler
from .tracing import PredictionRequest as PredictionRequest, PredictionResponse as PredictionResponse, Tracer as Tracer, TracingModelServer as TracingModelServer
from .dashboard_api import get_active_alerts as get_active_alerts, get_alert_history as get_alert_history, get_alert_statistics as get_alert_statistics, get_alerts_dashboard as get_alerts_dashboard, get_average_inference_time as get_average_inference_time, get_average_latency as get_average_latency, get_business_metrics_summary as get_business_metrics_summary, get_dashboard_overview as get_dashboard_overview, get_error_rate as get_error_rate, get_gpu_usage as get_gpu_usage, get_metrics_dashboard as get_metrics_dashboard, get_model_memory_usage as get_model_memory_usage, get_model_performance_summary as get_model_performance_summary, get_p95_latency as get_p95_latency, get_recent_alerts as get_recent_alerts, get_requests_per_second as get_requests_per_second, get_system_health_summary as get_system_health_summary, get_total_requests as get_total_requests
from .gate import Baselines as Baselines, GateFailed as GateFailed, GateReport as GateReport, GateModule
from .logging import LogAnalyzer as LogAnalyzer, LogProcessor as LogProcessor, LogStorage as LogStorage, setup_logging as setup_logging
from .utils.config import ConfigManager as ConfigManager, load_config as load_config
from . import alerts as alerts
from . import core as core
from . import dashboard_api as dashboard_api
from . import health as health
from . import integrations as integrations
from . import logging as logging
from . import metrics as metrics
from . import monitoring as monitoring
from . import notebook as notebook
from . import performance as performance
from . import profiling as profiling
from . import scripts as scripts
from . import testing as testing
from . import tracing as tracing
from . import utils as utils
from . import visualization as visualization

__version__: str
#: A module that can be called.
gate: GateModule
