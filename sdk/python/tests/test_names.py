"""Every documented name of the five seeds: it exists flat and by the seeds' module paths, has the documented signature, and does its work in a test that calls it."""

import asyncio
import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lapwing
from configurations import CONFIGURATIONS

#: Class, then the methods that its seed documents, with their parameters.
METHODS = {
    # Seed 0.
    "MetricsCollector": {
        "record_metric": "name metric_type value labels description", "get_metric": "name", "get_metrics_by_prefix": "prefix",
        "get_metric_history": "name hours",
        # Seed 1.
        "record_request": "endpoint status duration model_version", "record_inference": "duration model_version", "update_system_metrics": "model_version",
        "record_quality_metrics": "quality_score model_version", "record_user_satisfaction": "rating model_version",
        # Seed 2.
        "collect": "sources interval",
    },
    "AlertManager": {
        "__init__": "metrics_collector", "add_alert_rule": "rule", "add_notification_handler": "handler", "check_alerts": "", "_evaluate_condition": "value condition threshold",
        "_send_notifications": "alert", "load_alert_rules": "", "load_notification_channels": "", "evaluate_alerts": "metrics", "send_alert": "rule metrics",
        "send_resolution": "rule metrics", "send_notification": "channel message", "send_slack_notification": "channel message",
        "send_email_notification": "channel message", "send_pagerduty_notification": "channel message", "monitor": "metrics rules", "add_alert_handler": "handler",
        "trigger_alert": "message severity metric_name metric_value threshold", "get_recent_alerts": "count", "get_alerts_by_severity": "severity",
        "clear_alerts": "",
    },
    "EnhancedModelAvailabilityMonitor": {
        "__init__": "config_path", "start_monitoring": "", "stop_monitoring": "", "_monitoring_loop": "", "_collect_system_metrics": "",
        "_collect_model_metrics": "", "_collect_download_metrics": "", "_collect_health_metrics": "", "_collect_performance_metrics": "",
        "_setup_default_alert_rules": "", "_setup_notification_handlers": "", "_load_config": "", "get_monitoring_status": "", "export_metrics": "format",
    },
    # Seed 1.
    "HealthChecker": {
        "__init__": "config", "perform_health_checks": "", "check_model_health": "", "check_system_health": "", "check_database_health": "",
        "check_external_services": "", "test_database_connection": "",
    },
    "BusinessMetricsCollector": {
        "record_user_engagement": "event_type user_segment", "record_model_performance": "metric_type score model_version",
        "update_business_impact": "impact_type score time_period",
    },
    "PerformanceProfiler": {"profile_function": "func", "get_profile_stats": "", "print_profile_summary": ""},
    "ProfiledModelServer": {"__init__": "model_path", "generate_text": "request", "get_performance_report": ""},
    "TracingModelServer": {"__init__": "model_path jaeger_host", "generate_text_traced": "request parent_span"},
    "AlertRule": {"__init__": "name condition severity duration", "evaluate": "metrics"},
    "ComprehensiveMonitor": {
        "run_monitoring_cycle": "", "collect_all_metrics": "", "calculate_error_rate": "", "calculate_p95_latency": "", "debug_monitoring_system": "",
        "update_business_metrics": "metrics", "log_monitoring_summary": "metrics health_checks",
    },
    "AlertFatiguePrevention": {
        "should_send_alert": "alert_name severity", "get_cooldown_duration": "severity", "group_similar_alerts": "alerts",
    },
    # Seed 2.
    "MetricsAggregator": {"aggregate": "metrics aggregation_rules"},
    "MetricsStorage": {"store": "metrics retention"},
    "AlertRules": {"define_rules": "thresholds conditions"},
    "NotificationService": {"send_notifications": "alerts channels"},
    "DashboardCreator": {"create": "metrics layout"},
    "PlotGenerator": {"generate": "data plot_config"},
    "ReportGenerator": {"generate": "data template"},
    # Seed 3.
    "PerformanceTracker": {
        "start_operation": "metric_type operation_name metadata", "end_operation": "operation_id success error_message additional_metadata",
        "_capture_resource_usage": "", "get_metrics_by_type": "metric_type hours_back", "get_all_metrics": "hours_back",
    },
    "SystemResourceMonitor": {"__init__": "sample_interval", "_capture_snapshot": "", "get_resource_history": "hours_back", "get_current_usage": ""},
    "PerformanceAnalyzer": {
        "__init__": "tracker resource_monitor", "generate_performance_report": "hours_back", "_calculate_resource_summary": "resource_history",
        "_identify_bottlenecks": "metrics resource_history", "_generate_recommendations": "metrics resource_history bottlenecks",
    },
    "PerformanceMonitoringSystem": {
        "__init__": "config_path", "_load_config": "config_path", "track_download_operation": "operation_name metadata",
        "track_health_check": "operation_name metadata", "track_fallback_strategy": "operation_name metadata",
        "track_analytics_collection": "operation_name metadata", "track_model_operation": "operation_name metadata",
        "end_tracking": "operation_id success error_message additional_metadata", "get_performance_report": "hours_back",
        "get_dashboard_data": "force_refresh", "_calculate_resource_trends": "",
    },
    # Seed 4.
    "AdvancedMonitor": {
        "__init__": "gpu_profiler resource_monitor", "set_threshold": "metric_name threshold", "start_monitoring": "interval", "stop_monitoring": "",
        "get_monitoring_summary": "",
    },
    "ProductionMonitor": {
        "set_performance_baseline": "metric_name value", "record_pipeline_execution": "pipeline_name execution_time success metadata",
        "get_pipeline_health_report": "",
    },
}

ENUMS = {
    "AlertLevel": {"INFO": "info", "WARNING": "warning", "CRITICAL": "critical", "EMERGENCY": "emergency"},
    "MetricType": {"COUNTER": "counter", "GAUGE": "gauge", "HISTOGRAM": "histogram", "TIMER": "timer"},
    "AlertSeverity": {"INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "critical"},
    "HealthStatus": {"HEALTHY": "healthy", "DEGRADED": "degraded", "UNHEALTHY": "unhealthy"},
    "PerformanceMetricType": {
        "DOWNLOAD_OPERATION": "download_operation", "HEALTH_CHECK": "health_check", "FALLBACK_STRATEGY": "fallback_strategy",
        "ANALYTICS_COLLECTION": "analytics_collection", "SYSTEM_RESOURCE": "system_resource", "MODEL_OPERATION": "model_operation",
    },
}

DATACLASSES = {
    "PredictionRequest": "prompt max_length temperature top_p", "PredictionResponse": "generated_text confidence tokens_used",
    "ModelMetrics": "inference_time memory_usage gpu_utilization throughput error_rate", "HealthCheck": "name status message timestamp duration",
    "MonitoringMetric": "name metric_type value timestamp labels description", "Alert": "message severity metric_name metric_value threshold timestamp",
    "PerformanceMetric": "operation_id metric_type operation_name duration success error_message metadata",
    "SystemResourceSnapshot": "timestamp cpu_percent memory_percent disk_percent",
    "PerformanceReport": "total_operations success_rate bottlenecks recommendations",
}

#: Strings that stand in the seeds' modules beside their enums.
CONSTANTS = {
    "scripts.deployment.monitoring_setup": {
        "INFO": "info", "WARNING": "warning", "CRITICAL": "critical", "EMERGENCY": "emergency", "COUNTER": "counter", "GAUGE": "gauge",
        "HISTOGRAM": "histogram", "TIMER": "timer",
    },
    "core.performance_monitoring_system": {
        "DOWNLOAD_OPERATION": "download_operation", "HEALTH_CHECK": "health_check", "FALLBACK_STRATEGY": "fallback_strategy",
        "ANALYTICS_COLLECTION": "analytics_collection", "SYSTEM_RESOURCE": "system_resource", "MODEL_OPERATION": "model_operation",
    },
}

#: What seed 1's classes keep where everyone can see it.
ATTRIBUTES = {
    "MetricsCollector": "request_counter request_duration inference_time memory_usage gpu_utilization response_quality user_satisfaction",
    "BusinessMetricsCollector": "user_engagement model_performance business_impact",
    "HealthChecker": "config health_checks check_interval model",
    "ProfiledModelServer": "model profiler",
    "TracingModelServer": "model tokenizer tracer",
    "PerformanceProfiler": "profiler stats",
    "AlertManager": "config rules notification_channels alert_history",
    "ComprehensiveMonitor": "metrics_collector health_checker alert_manager business_metrics",
    "AlertFatiguePrevention": "alert_cooldowns escalation_rules alert_grouping",
}

#: What seed 1 awaits; everything else is called.
AWAITED = {
    "HealthChecker": "perform_health_checks check_model_health check_system_health check_database_health check_external_services test_database_connection",
    "AlertManager": "evaluate_alerts send_alert send_resolution send_notification send_slack_notification",
    "ComprehensiveMonitor": "run_monitoring_cycle collect_all_metrics", "ProfiledModelServer": "generate_text", "TracingModelServer": "generate_text_traced",
}

FUNCTIONS = ("get_dashboard_overview", "get_metrics_dashboard", "get_alerts_dashboard", "debug_monitoring_system")

#: What seed 1's dashboard is made of: whether it is awaited there, and what it says of a monitor with two requests, one of them failed.
DASHBOARD = {
    "get_system_health_summary": (True, lambda v: v["status"] in ("healthy", "degraded", "unhealthy") and "system_health" in v["checks"]),
    "get_model_performance_summary": (True, lambda v: v["error_rate"] == 0.5 and v["average_inference_time"] == 0.25),
    "get_business_metrics_summary": (True, lambda v: isinstance(v, dict)),
    "get_recent_alerts": (True, lambda v: [a["alert_name"] for a in v] == ["x"]),
    "get_total_requests": (False, lambda v: v == 2),
    "get_error_rate": (False, lambda v: v == 0.5),
    "get_average_latency": (False, lambda v: v == 2.0),
    "get_p95_latency": (False, lambda v: 1.0 < v <= 3.0),
    "get_average_inference_time": (False, lambda v: v == 0.25),
    "get_requests_per_second": (False, lambda v: v > 0),
    "get_gpu_usage": (False, lambda v: isinstance(v, dict)),
    "get_model_memory_usage": (False, lambda v: v > 1e6),
    "get_active_alerts": (False, lambda v: v == []),
    "get_alert_history": (False, lambda v: v[0]["message"] == "x is bad"),
    "get_alert_statistics": (False, lambda v: v["total"] == 1),
}

#: The seeds' own module paths, and what is found there.
PATHS = {
    "scripts.deployment.monitoring_setup": "AlertLevel MetricType MonitoringMetric AlertRule Alert MetricsCollector AlertManager EnhancedModelAvailabilityMonitor",
    "metrics.collector": "MetricsCollector", "metrics.aggregator": "MetricsAggregator", "metrics.storage": "MetricsStorage", "metrics.exporter": "MetricsExporter",
    "alerts.alert_manager": "AlertManager", "alerts.alert_rules": "AlertRules", "alerts.notification": "NotificationService",
    "alerts.escalation": "EscalationManager", "visualization.dashboard": "DashboardCreator", "visualization.plots": "PlotGenerator",
    "visualization.reports": "ReportGenerator", "visualization.export": "VisualizationExporter", "performance.tracking": "PerformanceTracker",
    "performance.analysis": "PerformanceAnalyzer", "performance.optimization": "PerformanceOptimizer", "performance.benchmarking": "PerformanceBenchmark",
    "logging.logger": "setup_logging", "logging.log_processor": "LogProcessor", "logging.log_analyzer": "LogAnalyzer", "logging.log_storage": "LogStorage",
    "health.health_check": "HealthChecker", "health.status": "StatusMonitor", "health.diagnostics": "SystemDiagnostics", "health.recovery": "RecoveryManager",
    "utils.monitoring_utils": "parse_duration", "utils.config": "ConfigManager", "utils.validation": "validate_metric_name", "utils.logging": "get_logger",
    "core.performance_monitoring_system": "PerformanceMetricType PerformanceMetric SystemResourceSnapshot PerformanceReport PerformanceTracker SystemResourceMonitor PerformanceAnalyzer PerformanceMonitoringSystem",
    "monitoring.monitor": "AlertManager AlertSeverity AdvancedMonitor Alert GPUProfilerProtocol ResourceMonitor", "monitoring.production": "ProductionMonitor",
}


@pytest.mark.parametrize("name", METHODS)
def test_classes_and_signatures(name):
    cls = getattr(lapwing, name)
    assert inspect.isclass(cls) and (cls.__doc__ or "").strip(), f"{name} needs a docstring"
    for method, parameters in METHODS[name].items():
        function = getattr(cls, method)
        have = list(inspect.signature(function).parameters)
        have = have[1:] if have and have[0] == "self" else have
        assert have[: len(parameters.split())] == parameters.split(), f"{name}.{method}"
        required = [p for p in list(inspect.signature(function).parameters.values())[1:] if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        assert len(required) <= len(parameters.split()), f"{name}.{method} needs more than its seed documents"


def test_what_is_awaited_is_what_the_seeds_await():
    awaited = {
        (name, method) for name, methods in METHODS.items() for method in methods
        if inspect.iscoroutinefunction(getattr(getattr(lapwing, name), method))
    }
    documented = {(name, method) for name, methods in AWAITED.items() for method in methods.split()}
    # Two that seed 1 calls and does not show.
    assert awaited - documented == {("AlertManager", "send_email_notification"), ("AlertManager", "send_pagerduty_notification")} and documented <= awaited


def test_every_documented_method_is_called_by_a_test(tmp_path):
    """That it exists says little: what the tests of its work really call is noted while they run."""
    out = tmp_path / "called.json"
    here = Path(__file__).parent
    files = [str(here / name) for name in ("test_work.py", "test_seed_blocks.py", "test_defects.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "calls", "-p", "no:cacheprovider", *files]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *(p for p in sys.path if p)]), "CALLS_TO": str(out)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=here.parent, env=env)
    assert done.returncode == 0, done.stdout
    called = {tuple(place) for place in json.loads(out.read_text())}

    def place(function):
        code = inspect.unwrap(function).__code__
        return code.co_filename, code.co_firstlineno

    documented = {f"{cls}.{method}": inspect.getattr_static(getattr(lapwing, cls), method) for cls, methods in METHODS.items() for method in methods}
    functions = {name: f for name, f in documented.items() if hasattr(inspect.unwrap(f), "__code__")}
    # A method that is the same under another name, or that a decorator without code stands for, has no place of its own.
    assert len(documented) - len(functions) <= 2, set(documented) - set(functions)
    assert not [name for name, function in functions.items() if place(function) not in called]


@pytest.mark.parametrize("name", ENUMS)
def test_enums_and_constants(name):
    cls = getattr(lapwing, name)
    for member, value in ENUMS[name].items():
        assert cls[member].value == value and cls(value) is cls[member] and isinstance(cls[member].value, str)


@pytest.mark.parametrize("path", CONSTANTS)
def test_constants_of_modules(path):
    module = importlib.import_module(f"lapwing.{path}")
    for name, value in CONSTANTS[path].items():
        assert getattr(module, name) == value and type(getattr(module, name)) is str and name in module.__all__


def test_constants_are_taken_where_the_enums_are():
    from lapwing.core.performance_monitoring_system import DOWNLOAD_OPERATION
    from lapwing.scripts.deployment.monitoring_setup import GAUGE

    tracker = lapwing.PerformanceTracker()
    tracker.end_operation(tracker.start_operation(DOWNLOAD_OPERATION, "fetch"), True)
    assert tracker.get_metrics_by_type(lapwing.PerformanceMetricType.DOWNLOAD_OPERATION, 1)[0].operation_name == "fetch"
    collector = lapwing.MetricsCollector()
    collector.record_metric("w_constant", GAUGE, 3)
    assert collector.get_metric("w_constant").metric_type is lapwing.MetricType.GAUGE


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_of_objects(name):
    cls = getattr(lapwing, name)
    made = cls({}) if name in ("HealthChecker", "AlertManager") else cls(len) if name.endswith("Server") else cls()
    for attribute in ATTRIBUTES[name].split():
        assert hasattr(made, attribute), f"{name}.{attribute}"


def test_an_alert_rule_knows_whether_it_is_triggered():
    rule = lapwing.AlertRule("w_triggered", "error_rate > 0.05", "critical", "0s")
    assert (rule.name, rule.condition, rule.triggered, rule.trigger_time) == ("w_triggered", "error_rate > 0.05", False, None)
    manager = lapwing.AlertManager({})
    manager.add_alert_rule(rule)
    assert len(manager.monitor({"error_rate": 0.2})) == 1 and rule.triggered and rule.trigger_time is not None
    manager.monitor({"error_rate": 0.0})
    assert (rule.triggered, rule.trigger_time) == (False, None)


@pytest.mark.parametrize("name", DATACLASSES)
def test_data_classes(name):
    cls = getattr(lapwing, name)
    fields = set(inspect.signature(cls).parameters)
    assert set(DATACLASSES[name].split()) <= fields


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    assert callable(getattr(lapwing, name))


@pytest.mark.parametrize("name", DASHBOARD)
def test_what_the_dashboard_is_made_of(name):
    is_awaited, says = DASHBOARD[name]
    function = getattr(lapwing, name)
    monitor = lapwing.ComprehensiveMonitor()
    # Other tests record under the same names: counts are of this collector, quantiles of the process.
    monitor.metrics_collector.record_request("/a", "200", 1.0, "w_dashboard")
    monitor.metrics_collector.record_request("/a", "500", 3.0, "w_dashboard")
    monitor.metrics_collector.record_inference(0.25, "w_dashboard")
    monitor.alert_manager.trigger_alert("x is bad", "warning", "x", 2, 1)
    assert asyncio.iscoroutinefunction(function) is is_awaited
    answer = function(monitor) if inspect.signature(function).parameters else function()
    answer = asyncio.run(answer) if is_awaited else answer
    assert says(answer), answer


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_configurations_of_the_seeds(name):
    """Every key is known and says what it does; none is passed over."""
    values = lapwing.ConfigManager.parse(CONFIGURATIONS[name]).values
    monitor = lapwing.ComprehensiveMonitor(values)
    keys = {line.split(":")[0].strip(" -") for line in CONFIGURATIONS[name].splitlines() if ":" in line}
    told = monitor.settings.explain()
    inside = {"name", "condition", "severity", "duration", "type", "webhook_url", "channel", "smtp_server", "smtp_port", "username", "password", "service_key", "health_url", "channels"}
    assert all(k in told for k in keys - inside), (keys, told)
    s, manager = monitor.settings, monitor.alert_manager
    if name == "seed 1, monitoring.yaml":
        assert (s.interval_s, s.check_interval_s, monitor.health_checker.timeout, s.endpoint) == (10, 30, 10, "/metrics")
        assert manager.notification_channels == [{"type": "alertmanager", "url": "http://alertmanager:9093"}]
        assert [e["name"] for e in monitor.health_checker.config["external_services"]] == ["redis", "database"]
        assert s.logging == {"level": "INFO", "format": "json", "output": "stdout"}
    elif name == "seed 1, alerting.yaml":
        assert [(r.name, r.severity, r.duration) for r in manager.rules][:2] == [("high_error_rate", "critical", "5m"), ("high_latency", "warning", "2m")]
        assert [c["type"] for c in manager.notification_channels] == ["slack", "email", "pagerduty"]
        from lapwing.alerts.notification import _receiver

        receivers = [_receiver(c) for c in manager.notification_channels]
        assert receivers[0]["slack_configs"][0] == {"api_url": "https://hooks.slack.com/services/...", "channel": "#alerts"}
        assert receivers[1]["email_configs"][0]["smarthost"] == "smtp.gmail.com:587" and receivers[1]["email_configs"][0]["auth_password"] == "password"
        assert receivers[2]["pagerduty_configs"][0]["service_key"] == "your-service-key"
    else:
        assert (s.interval_s, monitor.metrics_collector.retention_hours, s.refresh, s.window_s) == (60, 720, 60, 7 * 86_400)
        assert [(r.name, r.threshold) for r in manager.rules] == [("high_cpu", 0.8), ("high_memory", 0.9)]
        assert (s.plot_types, s.report_every_s, s.report_format) == (["line", "bar", "scatter"], 86_400, "pdf")
        assert (s.batch_size, monitor.metrics_collector.batch_size, s.compression) == (1_000, 1_000, True)


def test_what_is_switched_off_does_nothing():
    off = lapwing.ComprehensiveMonitor({"monitoring": {"enabled": False}})
    assert asyncio.run(off.run_monitoring_cycle()) == {"metrics": {}, "health_checks": [], "alerts": []}
    off.start()
    assert not off.is_monitoring
    parts = {"metrics": {"enabled": False}, "health_checks": {"enabled": False}, "alerting": {"enabled": False}}
    some = lapwing.ComprehensiveMonitor({"monitoring": parts, "alerting": {"rules": [{"name": "w_off", "condition": "memory_usage > 0"}]}})
    assert asyncio.run(some.run_monitoring_cycle()) == {"metrics": {}, "health_checks": [], "alerts": []}


@pytest.mark.parametrize("config, says", [
    ({"monitoring": {"metrics": {"colection_interval": 5}}}, "did you mean 'monitoring.metrics.collection_interval'"),
    ({"monitoring": {"metrics": {"collection_interval": 0}}}, "collection_interval: 0 is no time"),
    ({"monitoring": {"metrics": {"collection_interval": "soon"}}}, "collection_interval"),
    ({"monitoring": {"metrics": {"storage": {"retention": "-5d"}}}}, "retention"),
    ({"monitoring": {"enabled": "perhaps"}}, "neither true nor false"),
    ({"monitoring": {"metrics": {"collection": {"batch_size": 0}}}}, "batch_size: 0 is no number of values"),
    ({"monitoring": {"metrics": {"storage": {"compression": "zip"}}}}, "neither true nor false"),
    ({"monitoring": {"visualization": {"plots": {"types": ["pie"]}}}}, "scatter"),
    ({"monitoring": {"visualization": {"reports": {"schedule": "sometimes"}}}}, "weekly"),
    ({"monitoring": {"visualization": {"reports": {"format": "docx"}}}}, "pdf"),
    ({"alerting": {"rules": "x > 1"}}, "list is expected"),
    ({"alerting": {"rules": [{"name": "x", "condition": "x >"}]}}, "not understood"),
    ({"nonsense": 1}, "known are"),
])
def test_a_wrong_configuration_names_its_key(config, says):
    with pytest.raises(ValueError, match=says):
        lapwing.ComprehensiveMonitor(config)


def test_a_setting_that_cannot_have_an_effect_says_so():
    with pytest.warns(UserWarning, match="always compressed"):
        lapwing.ComprehensiveMonitor({"monitoring": {"metrics": {"storage": {"compression": False}}}})


@pytest.mark.parametrize("path", PATHS)
def test_module_paths(path):
    module = importlib.import_module(f"lapwing.{path}")
    for name in PATHS[path].split():
        found = getattr(module, name)
        assert getattr(lapwing, name, found) is found


def test_one_order_for_all_severities():
    from lapwing import AlertLevel, AlertSeverity

    assert AlertSeverity.INFO < AlertLevel.WARNING < AlertSeverity.ERROR < AlertLevel.CRITICAL < AlertLevel.EMERGENCY
    assert max(AlertSeverity) is AlertSeverity.CRITICAL
