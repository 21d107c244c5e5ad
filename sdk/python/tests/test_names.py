"""Every documented name of the five seeds: it exists flat and by the seeds' module paths, has the documented signature, and does its work."""

import asyncio
import importlib
import inspect
import json
import time

import pytest

import lapwing

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
        "add_alert_rule": "rule", "add_notification_handler": "handler", "check_alerts": "", "_evaluate_condition": "value condition threshold",
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

#: The keys of the configurations that seeds 1 and 2 print, as they print them.
CONFIGURATIONS = {
    "seed 1, monitoring.yaml": """
monitoring:
  enabled: true
  metrics:
    enabled: true
    endpoint: "/metrics"
    collection_interval: 10  # seconds
  health_checks:
    enabled: true
    check_interval: 30  # seconds
    timeout: 10  # seconds
  alerting:
    enabled: true
    alert_manager_url: "http://alertmanager:9093"
  logging:
    level: "INFO"
    format: "json"
    output: "stdout"
  external_services:
    - name: "redis"
      health_url: "http://redis:6379/health"
    - name: "database"
      health_url: "http://database:5432/health"
""",
    "seed 1, alerting.yaml": """
alerting:
  rules:
    - name: "high_error_rate"
      condition: "error_rate > 0.05"
      severity: "critical"
      duration: "5m"
    - name: "high_latency"
      condition: "p95_latency > 2.0"
      severity: "warning"
      duration: "2m"
    - name: "high_memory_usage"
      condition: "memory_usage > 0.9"
      severity: "critical"
      duration: "1m"
    - name: "model_degradation"
      condition: "quality_score < 0.7"
      severity: "warning"
      duration: "10m"
  notifications:
    - type: "slack"
      webhook_url: "https://hooks.slack.com/services/..."
      channel: "#alerts"
    - type: "email"
      smtp_server: "smtp.gmail.com"
      smtp_port: 587
      username: "alerts@company.com"
      password: "password"
    - type: "pagerduty"
      service_key: "your-service-key"
""",
    "seed 2": """
monitoring:
  metrics:
    collection:
      interval: 60s
      batch_size: 1000
    storage:
      retention: 30d
      compression: true
  alerts:
    rules:
      - name: high_cpu
        condition: cpu_usage > 80%
        duration: 5m
      - name: high_memory
        condition: memory_usage > 90%
        duration: 5m
    notifications:
      channels:
        - email
        - slack
        - pagerduty
  visualization:
    dashboards:
      refresh: 60s
      retention: 7d
    plots:
      types:
        - line
        - bar
        - scatter
    reports:
      schedule: daily
      format: pdf
  logging:
    level: INFO
    rotation: daily
    compression: true
""",
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


def work_of_a_configured_monitor(recorder, tmp_path):
    """What the settings ask for happens: collecting, checking, telling an Alertmanager, logging, plots, a page and reports."""
    recorder.status = 200
    monitor = lapwing.ComprehensiveMonitor({
        "monitoring": {
            "metrics": {"collection_interval": 0.05, "endpoint": "numbers", "storage": {"retention": "2h"}},
            "health_checks": {"check_interval": 3600, "timeout": 5},
            "alerting": {"alert_manager_url": recorder.url},
            "logging": {"level": "INFO", "format": "json", "output": str(tmp_path / "m.log")},
            "external_services": [{"name": "it", "health_url": recorder.url + "/health"}],
            "visualization": {"plots": {"types": ["line", "bar"]}, "reports": {"format": "md", "path": str(tmp_path / "reports")}, "dashboards": {"refresh": "7s"}},
        },
        "alerting": {"rules": [{"name": "w_used", "condition": "memory_usage > 0", "severity": "critical", "duration": "0s"}]},
    })
    with monitor:
        deadline = time.monotonic() + 20
        while (monitor.cycles < 3 or not recorder.requests) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert not monitor.is_monitoring and monitor.cycles >= 3
    paths = [path for _, path, _ in recorder.requests]
    # Once and not at every look; the check of the service, too, has its own interval.
    assert paths.count("/api/v2/alerts") == 1 and paths.count("/health") == 1
    posted = json.loads(next(body for _, path, body in recorder.requests if path == "/api/v2/alerts"))
    assert posted[0]["labels"]["alertname"] == "w_used" and posted[0]["labels"]["severity"] == "critical" and posted[0]["startsAt"]
    assert "checks of which" in (tmp_path / "m.log").read_text()
    assert [p.type for p in monitor.plots()] == ["line", "bar"] and 'content="7"' in monitor.dashboard().to_html()
    written = open(monitor.write_report()).read()
    assert "w_used" in written and "memory_usage" in written
    import logging

    for handler in list(logging.getLogger("lapwing").handlers):
        logging.getLogger("lapwing").removeHandler(handler)


def work_of_a_schedule(tmp_path):
    monitor = lapwing.ComprehensiveMonitor({"monitoring": {"visualization": {"reports": {"schedule": "hourly", "path": str(tmp_path)}}}})
    monitor.settings.report_every_s = 3600.0
    monitor._report_at = time.monotonic() + 60
    monitor._tick()
    assert not list(tmp_path.iterdir())
    monitor._report_at = time.monotonic() - 1
    monitor._tick()
    monitor._tick()
    assert len(list(tmp_path.glob("*.html"))) == 1


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


# Each does its work; what is not here does it in test_seed_blocks.py.
def work_of_the_collector():
    c = lapwing.MetricsCollector()
    c.record_metric("w_queue", lapwing.MetricType.GAUGE, 1, {"q": "a"}, "how long")
    c.record_metric("w_queue", lapwing.MetricType.GAUGE, 2, {"q": "a"}, "how long")
    assert c.get_metric("w_queue").value == 2 and [m.value for m in c.get_metric_history("w_queue", 1)] == [1, 2]
    assert list(c.get_metrics_by_prefix("w_")) == ['w_queue{q="a"}'] and c.query("sum(w_queue)")[0]["value"][1] == 2
    assert 'w_queue{q="a"} 2' in lapwing.exposition()
    c.collect("system", "1h")
    assert c.get_metric("memory_usage").value > 0
    c.collect({"bad": lambda: 1 / 0})
    assert "ZeroDivisionError" in c.failures["bad"]
    c.stop()


def work_of_the_rules():
    collector = lapwing.MetricsCollector()
    collector.record_metric("w_lag", "gauge", 9)
    rule = lapwing.AlertRule("lag", "w_lag > 5", "critical")
    assert "PromQL" in rule.explain() and rule.severity == "critical"
    assert [e["kind"] for e in rule.backtest(collector, hours=0.001, step=1) if e["kind"] == "firing"] in ([], ["firing"])
    manager = lapwing.AlertManager(collector)
    manager.add_alert_rule(rule)
    alert = manager.check_alerts()[0]
    assert (alert.name, alert.level, alert.metric_value, alert.threshold) == ("lag", lapwing.AlertLevel.CRITICAL, 9.0, 5.0)
    assert manager.ack(alert, "ann") and alert.acknowledged_by == "ann"
    manager.silence("lag")
    collector.record_metric("w_lag", "gauge", 1)
    assert manager.check_alerts()[0].resolved


def work_of_composites():
    manager = lapwing.AlertManager(config={"rules": [
        {"name": "a", "condition": "w_x > 1"}, {"name": "b", "condition": "w_y > 1"}, {"name": "both", "condition": 'alert("a") and on () alert("b")'},
    ]})
    manager.monitor({"w_x": 2, "w_y": 2})
    names = {a.name for a in manager.monitor({"w_x": 2, "w_y": 2})}
    assert names == {"a", "b", "both"}, names


def work_of_the_availability_monitor(tmp_path):
    models = tmp_path / "models" / "m1"
    models.mkdir(parents=True)
    (models / "weights.bin").write_bytes(b"x" * 10)
    (models / "broken.part").write_bytes(b"")
    config = tmp_path / "m.json"
    log = tmp_path / "alerts.log"
    config.write_text(json.dumps({"notification_channels": ["file"], "alert_log_file": str(log), "models_path": str(tmp_path / "models"), "monitoring_interval": 0.05}))
    with lapwing.EnhancedModelAvailabilityMonitor(config) as monitor:
        deadline = time.monotonic() + 20
        while not monitor.get_monitoring_status()["cycles"] and time.monotonic() < deadline:
            time.sleep(0.01)
        status = monitor.get_monitoring_status()
        assert status["running"] and status["rule_states"]["models_corrupted"] == "firing"
        assert "models_total_count 1" in monitor.export_metrics("prometheus")
        assert json.loads(monitor.export_metrics("json"))["metrics"] and "resourceMetrics" in monitor.export_metrics("otlp")
    assert not monitor.get_monitoring_status()["running"]
    assert "models_corrupted" in log.read_text()


def work_of_the_notifier(recorder, tmp_path):
    service = lapwing.NotificationService({"hook": {"type": "webhook", "url": recorder.url + "/w"}})
    recorder.status = 200
    told = service.send_notifications([lapwing.Alert("slow", name="lag")], ["hook", {"type": "slack", "webhook_url": recorder.url + "/s", "channel": "#a"},
                                                                        {"type": "file", "path": str(tmp_path / "a.log")}])
    assert [t["delivered"] for t in told] == [True, True, True], told
    assert [p for _, p, _ in recorder.requests] == ["/w", "/s"] and b'"lag"' in recorder.requests[0][2]


def work_of_the_analyzer():
    tracker, monitor = lapwing.PerformanceTracker(), lapwing.SystemResourceMonitor(60)
    with tracker.operation("download_operation", "get", {"url": "x"}):
        snapshot = monitor.get_current_usage()
    assert snapshot.memory_percent > 0 and monitor.get_resource_history(1)
    assert tracker._capture_resource_usage()["process_memory_bytes"] > 0
    analyzer = lapwing.PerformanceAnalyzer(tracker, monitor, slow_s=1e-9, slow_share_max=0)
    report = analyzer.generate_performance_report(1)
    assert report.operations_by_type == {"download_operation": 1} and str(report.bottlenecks[0]).startswith("1 of 1 operations")
    assert analyzer._calculate_resource_summary(monitor.get_resource_history(1))["max_memory_percent"] > 0
    assert analyzer._identify_bottlenecks(tracker.get_all_metrics(1), [])[0]["operations"]
    assert analyzer._generate_recommendations(tracker.get_metrics_by_type("download_operation", 1), [], report.bottlenecks)


def work_of_the_documented_features_of_alerts():
    """What seed 2 lists: threshold, anomaly, trend, composite alerts, routing."""
    collector = lapwing.MetricsCollector()
    store, now = collector._store, time.time_ns() // 1_000_000
    for minute in range(120):
        at = now - (120 - minute) * 60_000
        store.append("w_steady", {}, at, 10 + minute % 3, now)
        store.append("w_leak", {}, at, 100 + minute, now)
    store.append("w_steady", {}, now, 90, now)
    manager = lapwing.AlertManager(collector, config={"rules": [
        {"name": "threshold", "condition": "w_steady > 50", "severity": "critical"},
        {"name": "anomaly", "anomaly": {"of": "w_steady", "over": "2h"}},
        {"name": "trend", "trend": {"of": "w_leak", "over": "2h", "rises": "10%"}, "severity": "info"},
        {"name": "composite", "condition": 'alert("threshold") and on () alert("trend")'},
    ]})
    routes = {"critical": [], "rest": []}
    manager.add_alert_handler(lambda a: routes["critical" if a.level >= "critical" else "rest"].append(a.name))
    for _ in range(3):
        manager.check_alerts()
        time.sleep(0.01)
    assert {a.name for a in manager.get_active_alerts()} == {"threshold", "anomaly", "trend", "composite"}, manager.rule_states()
    assert routes["critical"] == ["threshold"] and set(routes["rest"]) == {"anomaly", "trend", "composite"}
    assert "lapwing_anomaly_score" in lapwing.AlertRule("odd", anomaly={"of": "w_steady", "over": "2h"}).explain()
    with pytest.raises(ValueError, match="over"):
        lapwing.AlertRule("wrong", trend={"of": "w_leak", "over": "never", "rises": "10%"})


def work_of_the_profiler():
    profiler = lapwing.PerformanceProfiler()
    assert profiler.stats is None and profiler.get_profile_stats() == {}

    @profiler.profile_function
    async def generate(n):
        return sum(range(n))

    assert asyncio.run(generate(1_000)) == 499_500
    # The seed reads the attribute as well as the method.
    assert profiler.stats.total_calls >= 2
    found = next(v for k, v in profiler.get_profile_stats().items() if k[2] == "generate")
    assert set(found) == {"calls", "total_time", "cumulative_time", "time_per_call"} and found["calls"] >= 1


def work_of_the_model_servers():
    loaded = []
    server = lapwing.ProfiledModelServer("weights.bin", load_model=lambda path: loaded.append(path) or str.upper)
    assert asyncio.run(server.generate_text("hi")) == "HI" and loaded == ["weights.bin"]
    with pytest.raises(TypeError, match="load_model"):
        lapwing.ProfiledModelServer("weights.bin")

    class Tokenizer:
        def __call__(self, prompt):
            return prompt.split()

        def decode(self, tokens):
            return " ".join(tokens)

    class Model:
        def generate(self, tokens):
            return [*tokens, "there"]

    traced = lapwing.TracingModelServer(model_path=Model(), jaeger_host="localhost", tokenizer=Tokenizer())
    parent = traced.tracer.start_span("request")
    assert asyncio.run(traced.generate_text_traced(lapwing.PredictionRequest("hello"), parent_span=parent)) == "hello there"
    parent.finish()
    generated = lapwing.spans("generate_text")[-1]
    assert generated.parent_id == parent.span_id and generated.attributes["request.prompt_length"] == 5 and generated.attributes["response.length"] == 11
    plain = lapwing.TracingModelServer(lambda r: lapwing.PredictionResponse("ok", tokens_used=7))
    asyncio.run(plain.generate_text_traced(lapwing.PredictionRequest("hello")))
    assert lapwing.spans("generate_text")[-1].attributes["response.tokens_used"] == 7


def work_of_reports(tmp_path):
    tracker = lapwing.PerformanceTracker()
    tracker.end_operation(tracker.start_operation("request", "r"), False, "no")
    report = lapwing.PerformanceAnalyzer(tracker).generate_performance_report(1)
    for format in ("html", "md", "txt", "json", "pdf"):
        made = lapwing.ReportGenerator().generate(report, {"format": format, "title": "T"})
        content = open(made.save(tmp_path / f"r.{format}"), "rb").read()
        assert b"Performance" in content and b"failed" in content, format
    assert "3" in str(lapwing.ReportGenerator().generate({"n": 3}, "there are {n}"))
    with pytest.raises(ValueError, match="asks for 'm'"):
        lapwing.ReportGenerator().generate({"n": 3}, "there are {m}")
    for kind in ("line", "area", "bar", "scatter", "histogram"):
        plot = lapwing.PlotGenerator().generate({"a": [1, 2, 5], "b": [3, 1, 2]}, {"type": kind, "threshold": 2})[0]
        for end in ("svg", "png", "pdf", "html"):
            assert open(plot.save(tmp_path / f"p.{end}"), "rb").read()
    board = lapwing.DashboardCreator().create({"x": [1, 2]}, {"panels": [{"metric": "x", "title": "X"}, {"metric": "gone"}]})
    assert "no data" in board.to_html() and "<svg" in board._repr_html_() and board.update().title == board.title


def work_of_the_rest(tmp_path):
    chain = lapwing.RecoveryManager(sleep=lambda s: None)
    chain.register("x", lambda: False, max_attempts=2)
    assert chain.recover("x").attempts == 2
    status = lapwing.StatusMonitor()
    status.update()
    assert status.get_status()["overall"] in ("healthy", "degraded", "unhealthy")
    assert "mean" in dir(lapwing.PerformanceBenchmark(3, 0).run(lambda: None, "n"))
    optimizer = lapwing.PerformanceOptimizer()
    assert isinstance(optimizer.optimize(), list)
    log = lapwing.setup_logging("INFO", output=tmp_path / "a.log", name="w")
    log.info("hello %s", "you", extra={"n": 1})
    line = json.loads((tmp_path / "a.log").read_text())
    assert line["message"] == "hello you" and line["n"] == 1
    storage = lapwing.LogStorage()
    storage.store((tmp_path / "a.log").read_text().splitlines())
    assert storage.search("hello") and lapwing.LogAnalyzer().analyze(storage)["total"] == 1
    tracer = lapwing.Tracer("svc")
    parent = tracer.start_span("p")
    child = tracer.start_span("c", child_of=parent)
    child.set_tag("error", True)
    child.finish()
    parent.finish()
    assert child.trace_id == parent.trace_id and child.error
    assert lapwing.debug_monitoring_system()["lapwing"] == lapwing.__version__


@pytest.mark.parametrize("work", [v for n, v in list(globals().items()) if n.startswith("work_")], ids=lambda f: f.__name__)
def test_it_does_its_work(work, request):
    work(**{n: request.getfixturevalue(n) for n in inspect.signature(work).parameters})


def test_async_twins():
    async def main():
        async with lapwing.init(embedded=True) as client:
            client.gauge("twin").set(2)
            assert (await client.aquery("twin"))[0]["value"][1] == 2
        monitor = lapwing.AdvancedMonitor()
        await monitor.astart_monitoring(10)
        await monitor.astop_monitoring()
        assert (await lapwing.SystemResourceMonitor().aget_current_usage()).memory_percent > 0
        assert (await lapwing.PerformanceAnalyzer().agenerate_performance_report(1)).total_operations == 0
        assert (await lapwing.MetricsCollector().acollect({"n": lambda: 1}))[0].value == 1

    asyncio.run(main())


def test_notebooks_see_something():
    monitor = lapwing.ProductionMonitor()
    for v in (1, 2, 3):
        monitor.record_metric("w_note", v)
    assert "<svg" in monitor._repr_html_()
    collector = lapwing.MetricsCollector()
    for v in (1, 2, 3):
        collector.record_metric("w_note2", "gauge", v)
    assert "<svg" in collector._repr_html_()
    manager = lapwing.AlertManager()
    manager.trigger_alert("x")
    assert "<table" in manager._repr_html_() and "<table" in manager.alert_history[0]._repr_html_()
