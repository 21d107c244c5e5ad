"""Every name that `lapwing` has, and the module that it comes from: imported when first asked for, so that importing the package is quick."""

NAMES: dict[str, str] = {}


def _from(module: str, *names: str) -> None:
    NAMES.update(dict.fromkeys(names, module))


_from("_core", "Client", "client", "counter", "exposition", "flush", "gauge", "histogram", "init", "shutdown", "summary")
_from("_track", "Operation", "inferences", "log_inference", "track")
_from("_spans", "Span", "span", "spans")
_from("_result", "QueryResult")
_from("notebook", "load_ipython_extension", "unload_ipython_extension")
_from("metrics.collector", "BusinessMetricsCollector", "MetricType", "MetricsCollector", "ModelMetrics", "MonitoringMetric")
_from("metrics.aggregator", "MetricsAggregator")
_from("metrics.storage", "MetricsStorage")
_from("metrics.exporter", "MetricsExporter")
_from("alerts.alert", "Alert", "AlertLevel", "AlertRule", "AlertSeverity")
_from("alerts.alert_manager", "AlertManager")
_from("alerts.alert_rules", "AlertRules")
_from("alerts.notification", "NotificationService")
_from("alerts.fatigue", "AlertFatiguePrevention")
_from("alerts.escalation", "EscalationManager", "EscalationStep")
_from("visualization.dashboard", "Dashboard", "DashboardCreator")
_from("visualization.plots", "Plot", "PlotGenerator")
_from("visualization.reports", "Report", "ReportGenerator")
_from("visualization.export", "VisualizationExporter")
_from(
    "performance.tracking", "PerformanceMetric", "PerformanceMetricType", "PerformanceTracker", "SystemResourceMonitor", "SystemResourceSnapshot",
)
_from("performance.analysis", "PerformanceAnalyzer", "PerformanceReport")
_from("performance.optimization", "PerformanceOptimizer")
_from("performance.benchmarking", "PerformanceBenchmark")
_from("core.performance_monitoring_system", "PerformanceMonitoringSystem")
_from("health.health_check", "HealthCheck", "HealthChecker", "HealthStatus")
_from("health.status", "StatusMonitor")
_from("health.diagnostics", "SystemDiagnostics", "debug_monitoring_system")
_from("health.recovery", "RecoveryManager")
_from("monitoring.monitor", "AdvancedMonitor", "GPUProfilerProtocol", "ResourceMonitor")
_from("monitoring.production", "ProductionMonitor")
_from("monitoring.comprehensive", "ComprehensiveMonitor")
_from("scripts.deployment.monitoring_setup", "EnhancedModelAvailabilityMonitor")
_from("profiling", "PerformanceProfiler", "ProfiledModelServer", "SamplingProfiler")
_from("tracing", "PredictionRequest", "PredictionResponse", "Tracer", "TracingModelServer")
_from(
    "dashboard_api", "get_active_alerts", "get_alert_history", "get_alert_statistics", "get_alerts_dashboard", "get_average_inference_time",
    "get_average_latency", "get_business_metrics_summary", "get_dashboard_overview", "get_error_rate", "get_gpu_usage", "get_metrics_dashboard",
    "get_model_memory_usage", "get_model_performance_summary", "get_p95_latency", "get_recent_alerts", "get_requests_per_second",
    "get_system_health_summary", "get_total_requests",
)
_from("gate", "Baselines", "GateFailed", "GateReport")
_from("logging", "LogAnalyzer", "LogProcessor", "LogStorage", "setup_logging")
_from("utils.config", "ConfigManager", "load_config")

#: Modules that are reached as attributes.
MODULES = (
    "alerts", "core", "dashboard_api", "gate", "health", "integrations", "logging", "metrics", "monitoring", "notebook", "performance", "profiling", "scripts", "testing",
    "tracing", "utils", "visualization",
)
