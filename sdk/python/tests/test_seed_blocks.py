"""The code blocks of seeds 2 and 4, as they stand but for the import's first word (and, in seed 4, the indentation that its page lost);
seed 1's classes and seed 3's usage in small programs."""

import asyncio
import time

import pytest

from configurations import CONFIGURATIONS


def test_seed_4_alert_management(capsys):
    from lapwing.monitoring.monitor import AlertManager, AlertSeverity

    manager = AlertManager(max_alerts=1000)

    # Register a handler (any callable that accepts an Alert)
    def log_alert(alert):
        print(f"[{alert.severity.value}] {alert.message}: "
              f"{alert.metric_name}={alert.metric_value:.2f} "
              f"(threshold={alert.threshold:.2f})")

    manager.add_alert_handler(log_alert)

    # Trigger an alert
    manager.trigger_alert(
        message="Throughput below minimum",
        severity=AlertSeverity.WARNING,
        metric_name="throughput",
        metric_value=850.0,
        threshold=1000.0,
    )
    assert capsys.readouterr().out == "[warning] Throughput below minimum: throughput=850.00 (threshold=1000.00)\n"

    # Most recent alerts
    recent = manager.get_recent_alerts(count=5)
    # Filter by severity
    errors = manager.get_alerts_by_severity(AlertSeverity.ERROR)
    assert len(recent) == 1 and errors == []
    # Clear all alerts
    manager.clear_alerts()
    assert manager.get_recent_alerts(count=5) == []


def test_seed_4_threshold_monitoring(capsys):
    from lapwing.monitoring.monitor import AdvancedMonitor

    monitor = AdvancedMonitor()
    # Set thresholds
    monitor.set_threshold("latency", 1.5)  # alert if latency > 1.5
    monitor.set_threshold("throughput", 500.0)  # alert if throughput > 500
    # Start background monitoring (checks every 5 seconds)
    monitor.start_monitoring(interval=5.0)
    # ... run workloads ...
    deadline = time.monotonic() + 10
    while not monitor.get_monitoring_summary()["metric_history"] and time.monotonic() < deadline:
        time.sleep(0.01)
    # Stop monitoring and get summary
    monitor.stop_monitoring()
    summary = monitor.get_monitoring_summary()
    print(f"Thresholds: {summary['thresholds']}")
    print(f"Alert count: {summary['alert_count']}")
    for metric, history in summary["metric_history"].items():
        print(f" {metric}: latest={history['latest']:.2f}, "
              f"min={history['min']:.2f}, max={history['max']:.2f}")
    out = capsys.readouterr().out
    assert "Thresholds: {'latency': 1.5, 'throughput': 500.0}" in out
    assert "Alert count: 0" in out and "memory_percent: latest=" in out


def test_seed_4_production_monitor(capsys):
    from lapwing.monitoring.production import ProductionMonitor

    monitor = ProductionMonitor()
    # Set performance baselines
    monitor.set_performance_baseline("inference_latency", 0.05)
    # Record pipeline executions
    monitor.record_pipeline_execution(
        pipeline_name="inference",
        execution_time=0.048,
        success=True,
    )
    monitor.record_pipeline_execution(
        pipeline_name="inference",
        execution_time=0.150,
        success=False,
        metadata={"error": "timeout"},
    )
    # Get health report
    report = monitor.get_pipeline_health_report()
    print(f"Overall health: {report['overall_health']}")
    for name, stats in report["pipelines"].items():
        print(f"\n{name}:")
        print(f" Total executions: {stats['total_executions']}")
        print(f" Success rate: {stats['success_rate']:.1%}")
        print(f" Mean time: {stats['mean_execution_time']:.4f}s")
        print(f" Health: {stats['health']}")
    assert capsys.readouterr().out == (
        "Overall health: degraded\n\ninference:\n Total executions: 2\n Success rate: 50.0%\n Mean time: 0.0990s\n Health: degraded\n"
    )


def test_seed_2_metrics_collection():
    metric_sources = {"queue": lambda: 3, "model": lambda: {"latency": 0.25}}
    collection_interval = None
    aggregation_config = {"queue": ["mean", "max"], "model_latency": "p95"}
    retention_period = "30d"

    from lapwing.metrics.collector import MetricsCollector
    from lapwing.metrics.aggregator import MetricsAggregator
    from lapwing.metrics.storage import MetricsStorage

    # Initialize components
    collector = MetricsCollector()
    aggregator = MetricsAggregator()
    storage = MetricsStorage()

    # Collect metrics
    metrics = collector.collect(
        sources=metric_sources,
        interval=collection_interval
    )

    # Aggregate metrics
    aggregated_metrics = aggregator.aggregate(
        metrics=metrics,
        aggregation_rules=aggregation_config
    )

    # Store metrics
    storage.store(
        metrics=aggregated_metrics,
        retention=retention_period
    )
    assert storage.latest("queue:max") == 3.0
    assert {m.name for m in metrics} == {"queue", "latency"}


def test_seed_2_alert_management():
    threshold_config = {"cpu_usage": 0.8}
    condition_config = {"slow": "p95_latency > 2"}
    current_metrics = {"cpu_usage": 0.95, "p95_latency": 0.4}
    told = []
    notification_channels = [told.append]

    from lapwing.alerts.alert_manager import AlertManager
    from lapwing.alerts.alert_rules import AlertRules
    from lapwing.alerts.notification import NotificationService

    # Initialize components
    alert_manager = AlertManager()
    alert_rules = AlertRules()
    notifier = NotificationService()

    # Define alert rules
    rules = alert_rules.define_rules(
        thresholds=threshold_config,
        conditions=condition_config
    )

    # Monitor and trigger alerts
    alerts = alert_manager.monitor(
        metrics=current_metrics,
        rules=rules
    )

    # Send notifications
    notifier.send_notifications(
        alerts=alerts,
        channels=notification_channels
    )
    assert [a.name for a in told] == ["cpu_usage_high"]
    assert alert_manager.monitor(metrics={"cpu_usage": 0.2}, rules=rules) == []


def test_seed_2_dashboard_creation(tmp_path):
    selected_metrics = {"latency": [1.0, 2.0, 1.5], "requests": 12}
    dashboard_layout = {"title": "Models", "columns": 2}
    metric_data = {"latency": [1.0, 2.0, 1.5]}
    plot_config = {"types": ["line", "bar", "scatter"]}
    report_data = {"latency": {"p95": 1.95}, "history": [1.0, 2.0]}
    report_template = {"title": "Daily", "format": "pdf"}

    from lapwing.visualization.dashboard import DashboardCreator
    from lapwing.visualization.plots import PlotGenerator
    from lapwing.visualization.reports import ReportGenerator

    # Initialize components
    dashboard_creator = DashboardCreator()
    plot_generator = PlotGenerator()
    report_generator = ReportGenerator()

    # Create dashboard
    dashboard = dashboard_creator.create(
        metrics=selected_metrics,
        layout=dashboard_layout
    )

    # Generate plots
    plots = plot_generator.generate(
        data=metric_data,
        plot_config=plot_config
    )

    # Generate reports
    report = report_generator.generate(
        data=report_data,
        template=report_template
    )
    page = open(dashboard.save(tmp_path / "d.html")).read()
    assert "<title>Models</title>" in page and "<polyline" in page and ">12<" in page
    assert [p.type for p in plots] == ["line", "bar", "scatter"]
    png = open(plots[0].save(tmp_path / "p.png"), "rb").read()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    pdf = open(report.save(tmp_path / "r.pdf"), "rb").read()
    assert pdf.startswith(b"%PDF-1.4") and pdf.rstrip().endswith(b"%%EOF") and b"1.95" in pdf
    assert report.content == pdf


def test_seed_2_configuration():
    from lapwing import AlertManager, ConfigManager

    config = ConfigManager.parse(CONFIGURATIONS["seed 2"])
    manager = AlertManager(config["monitoring.alerts"])
    assert [(r.name, r.threshold, r.duration) for r in manager.rules] == [("high_cpu", 0.8, "5m"), ("high_memory", 0.9, "5m")]
    assert [c["type"] for c in manager.notification_channels] == ["email", "slack", "pagerduty"]


SEED_1_ALERTING = """
alerting:
  rules:
    - name: "high_error_rate"
      condition: "error_rate > 0.05"
      severity: "critical"
      duration: "5m"
    - name: "high_latency"
      condition: "p95_latency > 2.0"
      severity: "warning"
      duration: "0s"
    - name: "model_degradation"
      condition: "quality_score < 0.7"
      severity: "warning"
      duration: "0s"
  notifications:
    - type: "slack"
      webhook_url: "{url}"
      channel: "#alerts"
"""


def test_seed_1_in_a_small_program(recorder):
    from lapwing import (
        AlertFatiguePrevention, AlertManager, BusinessMetricsCollector, ComprehensiveMonitor, ConfigManager, HealthChecker, HealthStatus, MetricsCollector,
    )

    recorder.status = 200
    collector = MetricsCollector()
    collector.record_request("/predict", "200", 0.12, "v1")
    collector.record_request(endpoint="/predict", status="500", duration=3.5, model_version="v1")
    collector.record_inference(0.1, "v1")
    collector.record_quality_metrics(0.9, "v1")
    collector.record_user_satisfaction(5, "v1")
    collector.update_system_metrics("v1")
    assert collector.request_counter.labels("/predict", "200", "v1").value >= 1
    assert collector.request_summary()["error_rate"] == 0.5

    business = BusinessMetricsCollector()
    business.record_user_engagement("click", "new")
    business.record_model_performance("bleu", 0.4, "v1")
    business.update_business_impact("revenue", 1.5, "day")

    class Model:
        async def generate_text(self, text):
            return "fine, thanks"

    checker = HealthChecker({"check_interval": 30, "external_services": [{"name": "redis", "health_url": recorder.url}]}, model=Model())
    checks = {c.name: c for c in asyncio.run(checker.perform_health_checks())}
    assert checks["model_health"].message == "Model inference working correctly"
    assert checks["external_services_health"].status is HealthStatus.HEALTHY
    assert "CPU" in checks["system_health"].message

    config = ConfigManager.parse(SEED_1_ALERTING.replace("{url}", recorder.url + "/hook"))
    manager = AlertManager(config.values)

    async def cycle():
        first = await manager.evaluate_alerts({"error_rate": 0.2, "p95_latency": 2.5, "quality_score": 0.9})
        second = await manager.evaluate_alerts({"error_rate": 0.0, "p95_latency": 0.5, "quality_score": 0.9})
        return first, second

    first, second = asyncio.run(cycle())
    # The error rate has not been high for 5 minutes: the seed never looked at the duration.
    assert [(a.name, a.resolved) for a in first] == [("high_latency", True)]
    assert second[0] is first[0]
    hooks = [body for method, path, body in recorder.requests if path == "/hook"]
    assert len(hooks) == 2 and b"high_latency" in hooks[0]

    fatigue = AlertFatiguePrevention()
    assert fatigue.get_cooldown_duration("critical") == 300
    history = [a.to_dict() for a in manager.alert_history]
    assert fatigue.group_similar_alerts(history + history)[0]["count"] == 2

    monitor = ComprehensiveMonitor()
    result = asyncio.run(monitor.run_monitoring_cycle())
    assert {"memory_usage", "disk_usage"} <= set(result["metrics"])
    assert all(0 <= result["metrics"][n] <= 1 for n in ("memory_usage", "disk_usage"))


def test_seed_1_profiling_and_tracing():
    from lapwing import PerformanceProfiler, ProfiledModelServer, TracingModelServer, spans

    class ModelServer:
        def __init__(self):
            self.profiler = PerformanceProfiler()

        @PerformanceProfiler.profile_function
        async def generate_text(self, request):
            return sum(range(1000))

    assert asyncio.run(ModelServer().generate_text("x")) == 499500
    assert any("generate_text" in key[2] for key in PerformanceProfiler.shared().get_profile_stats())

    server = ProfiledModelServer(lambda request: request.upper())
    assert asyncio.run(server.generate_text("hi")) == "HI"
    assert server.get_performance_report()
    assert server.profiler.flame_graph().startswith("<svg")

    class Parts:
        def tokenize(self, text):
            return text.split()

        async def generate(self, tokens):
            return tokens + ["there"]

        def decode(self, tokens):
            return " ".join(tokens)

    traced = TracingModelServer(Parts())
    assert asyncio.run(traced.generate_text_traced("hello")) == "hello there"
    newest = spans()[-4:]
    assert [s.name for s in newest] == ["tokenize", "generate", "decode", "generate_text"]
    assert {s.parent_id for s in newest[:3]} == {newest[3].span_id}


def test_seed_1_dashboard_fields():
    from lapwing import get_alerts_dashboard, get_dashboard_overview, get_metrics_dashboard

    async def all_three():
        return await get_dashboard_overview(), await get_metrics_dashboard(), await get_alerts_dashboard()

    overview, metrics, alerts = asyncio.run(all_three())
    assert set(overview) == {"system_health", "model_performance", "business_metrics", "recent_alerts"}
    assert {k: set(v) for k, v in metrics.items()} == {
        "request_metrics": {"total_requests", "error_rate", "average_latency", "p95_latency"},
        "system_metrics": {"cpu_usage", "memory_usage", "disk_usage", "gpu_usage"},
        "model_metrics": {"inference_time", "throughput", "memory_usage"},
    }
    assert set(alerts) == {"active_alerts", "alert_history", "alert_statistics"}


def test_seed_3_usage():
    from lapwing.core.performance_monitoring_system import PerformanceMetricType, PerformanceMonitoringSystem

    with PerformanceMonitoringSystem() as system:
        started = [
            system.track_download_operation("fetch", {"size": 3}), system.track_health_check("ping"), system.track_fallback_strategy("mirror"),
            system.track_analytics_collection("usage"), system.track_model_operation("load"),
        ]
        ended = [system.end_tracking(op, success=i != 2, error_message="gone" if i == 2 else None) for i, op in enumerate(started)]
        assert [m.metric_type for m in ended] == [
            PerformanceMetricType.DOWNLOAD_OPERATION, PerformanceMetricType.HEALTH_CHECK, PerformanceMetricType.FALLBACK_STRATEGY,
            PerformanceMetricType.ANALYTICS_COLLECTION, PerformanceMetricType.MODEL_OPERATION,
        ]
        report = system.get_performance_report(hours_back=1)
        assert report.total_operations == 5 and report.success_rate == pytest.approx(0.8)
        failures = next(b for b in report.bottlenecks if b["kind"] == "failures")
        assert failures["operations"][0]["name"] == "mirror" and failures["value"] == pytest.approx(0.2)
        assert any("mirror" in str(r) for r in report.recommendations)
        data = system.get_dashboard_data()
        assert data is system.get_dashboard_data() and data is not system.get_dashboard_data(force_refresh=True)
        assert data["resource_trends"]["cpu"] == "too_few_readings"


def test_seed_0_command_line(tmp_path, capsys):
    from lapwing.scripts.deployment.monitoring_setup import main

    config = str(tmp_path / "c" / "monitoring.json")
    assert main(["setup", "--config", config]) == 0
    assert main(["setup", "--config", config]) == 1
    assert main(["status", "--config", config]) == 0
    assert '"alert_rules": 8' in capsys.readouterr().out
    assert main(["export", "--config", config, "--format", "prometheus"]) == 0
    assert "system_memory_usage_percent " in capsys.readouterr().out
