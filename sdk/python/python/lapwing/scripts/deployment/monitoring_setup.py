"""Seed 0's module: monitoring of model availability, with rules, handlers, retention and a command line.

    python -m lapwing.scripts.deployment.monitoring_setup setup|start|status|export
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterable, Self, Sized

from ... import _core, _native
from ..._loop import Loop, Twins
from ..._text import told, unknown_setting
from ...alerts.alert import Alert, AlertLevel, AlertRule
from ...alerts.alert_manager import AlertManager
from ...alerts.alert_rules import rule_from
from ...alerts.notification import channels_of, hold, shown, warn_of_unusable
from ...metrics.collector import MetricsCollector, MetricType, MonitoringMetric, host_sample, samples_of
from ...metrics.exporter import MetricsExporter

__all__ = [
    "Alert", "AlertLevel", "AlertManager", "AlertRule", "EnhancedModelAvailabilityMonitor", "MetricType", "MetricsCollector", "MonitoringMetric", "main",
    "INFO", "WARNING", "CRITICAL", "EMERGENCY", "COUNTER", "GAUGE", "HISTOGRAM", "TIMER",
]

# The constants that seed 0 documents beside the enums: strings, which every method takes as well.
INFO: str = AlertLevel.INFO.value
WARNING: str = AlertLevel.WARNING.value
CRITICAL: str = AlertLevel.CRITICAL.value
EMERGENCY: str = AlertLevel.EMERGENCY.value
COUNTER: str = MetricType.COUNTER.value
GAUGE: str = MetricType.GAUGE.value
HISTOGRAM: str = MetricType.HISTOGRAM.value
TIMER: str = MetricType.TIMER.value

DEFAULT_CONFIG: dict[str, Any] = {
    "monitoring_interval": 30,
    "metrics_retention_hours": 168,
    "alert_cooldown_minutes": 5,
    "notification_channels": ["console", "log"],
    "alert_log_file": "monitoring_alerts.log",
    "models_path": "models",
    "custom_alert_rules": [
        {
            "name": "slow_generation", "metric_name": "generation_avg_time_seconds", "condition": ">", "threshold": 10.0, "level": "warning",
            "description": "Generation takes longer than 10 s on average", "cooldown_minutes": 10,
        }
    ],
}


class EnhancedModelAvailabilityMonitor(Twins):
    """Watches the system, models, downloads, health and performance (seed 0).

    What the program knows comes from functions: `add_provider("download", lambda: {"downloads_active_count": 2, "downloads_success_rate": 0.99})` for
    `model`, `download`, `health`, `performance`. Without one the models' folder is looked at, and what nobody knows is not invented: the seed
    recorded constants. `download` and `performance` also come from operations that were tracked in this process.

    >>> monitor = EnhancedModelAvailabilityMonitor()
    >>> monitor.add_provider("health", lambda: {"models_health_score": 0.5})
    >>> monitor.collect_once()  # doctest: +ELLIPSIS
    [...Models are not healthy...
    >>> [a.name for a in monitor.alert_manager.get_active_alerts() if a.name.startswith("models")]
    ['models_unhealthy']
    """

    def __init__(self, config_path: str | os.PathLike[str] = "config/monitoring.json"):
        self.config_path = Path(config_path)
        self.config = self._load_config()
        self.metrics_collector = MetricsCollector(retention_hours=self.config["metrics_retention_hours"])
        self.alert_manager = AlertManager(self.metrics_collector)
        self._providers: dict[str, list[Callable[[], Any]]] = {}
        self._failures: dict[str, str] = {}
        self._started_at: float | None = None
        self._cycles = 0
        self._loop = Loop("availability", self._cycle)
        self._setup_default_alert_rules()
        self._setup_notification_handlers()

    def _load_config(self) -> dict[str, Any]:
        """The file over the defaults; without a file the defaults. What is wrong in it is an error that names the file."""
        config = dict(DEFAULT_CONFIG)
        if self.config_path.exists():
            text = self.config_path.read_text(encoding="utf-8")
            try:
                found = json.loads(_native.parse_yaml(text)) or {}
            except ValueError as error:
                raise ValueError(f"{self.config_path}: {error}") from None
            if not isinstance(found, dict):
                raise ValueError(f"{self.config_path}: settings by name are expected")
            for key in found:
                if key not in DEFAULT_CONFIG:
                    raise ValueError(f"{self.config_path}: {unknown_setting(key, DEFAULT_CONFIG)}")
            config |= found
        for key, least in (("monitoring_interval", "above"), ("metrics_retention_hours", "above"), ("alert_cooldown_minutes", "from")):
            value = config[key]
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not (value > 0 or least == "from" and value == 0):
                raise ValueError(f"{self.config_path}: {key} must be a number {least} 0{' on' if least == 'from' else ''}, not {value!r}")
        for key in ("alert_log_file", "models_path"):
            if not isinstance(config[key], str):
                raise ValueError(f"{self.config_path}: {key} must be a path, not {config[key]!r}")
        try:
            channels_of(config["notification_channels"] or [])
        except ValueError as error:
            raise ValueError(f"{self.config_path}: notification_channels: {error}") from None
        return config

    def _setup_default_alert_rules(self) -> None:
        rules = [
            ("high_cpu_usage", "system_cpu_usage_percent", ">", 80.0, AlertLevel.WARNING, "CPU usage is high", 5),
            ("high_memory_usage", "system_memory_usage_percent", ">", 85.0, AlertLevel.WARNING, "Memory usage is high", 5),
            ("low_disk_space", "system_disk_usage_percent", ">", 90.0, AlertLevel.CRITICAL, "The disk is nearly full", 10),
            ("downloads_failing", "downloads_success_rate", "<", 0.8, AlertLevel.WARNING, "Many downloads fail", 15),
            ("models_unhealthy", "models_health_score", "<", 0.9, AlertLevel.WARNING, "Models are not healthy", 10),
            ("models_corrupted", "models_corrupted_count", ">", 0, AlertLevel.CRITICAL, "Corrupted models were found", 5),
            ("generation_failing", "generation_success_rate", "<", 0.95, AlertLevel.WARNING, "Generations fail", 10),
        ]
        for rule in rules:
            self.alert_manager.add_alert_rule(AlertRule(*rule))
        for custom in self.config.get("custom_alert_rules") or []:
            try:
                self.alert_manager.add_alert_rule(rule_from({"cooldown_minutes": self.config["alert_cooldown_minutes"]} | custom))
            except (TypeError, ValueError) as error:
                raise ValueError(f"{self.config_path}: custom_alert_rules: {error}") from None

    def _setup_notification_handlers(self) -> None:
        for channel in channels_of(self.config["notification_channels"] or []):
            name = channel["type"]
            if name == "console":
                self.alert_manager.add_notification_handler(self._console_notification)
            elif name == "log":
                self.alert_manager.add_notification_handler(self._log_notification)
            elif name == "file":
                self.alert_manager.add_notification_handler(self._file_notification)
            else:
                hold([channel], self.config["monitoring_interval"])
                warn_of_unusable([channel])
                self.alert_manager.notification_channels.append(channel)

    def _console_notification(self, alert: Alert) -> None:
        print(f"[{alert.word.upper()}] {'RESOLVED ' if alert.resolved else ''}{alert.message}")

    def _log_notification(self, alert: Alert) -> None:
        level = logging.ERROR if alert.level >= AlertLevel.CRITICAL else logging.WARNING
        logging.getLogger("lapwing.availability").log(logging.INFO if alert.resolved else level, "%s", alert.message)

    def _file_notification(self, alert: Alert) -> None:
        with open(self.config["alert_log_file"], "a", encoding="utf-8") as file:
            file.write(json.dumps(alert.to_dict()) + "\n")

    def add_provider(self, area: str, provider: Callable[[], Any]) -> None:
        """`area`: system, model, download, health or performance; `provider()` returns metrics by name."""
        if area not in ("system", "model", "download", "health", "performance"):
            raise ValueError(f"{area!r} is not an area: use system, model, download, health or performance")
        if not callable(provider):
            raise TypeError(f"a provider is something to call, not {provider!r}")
        self._providers.setdefault(area, []).append(provider)

    def start_monitoring(self) -> None:
        self._started_at = self._started_at or time.time()
        self._loop.start(self.config["monitoring_interval"])

    def stop_monitoring(self) -> None:
        self._loop.stop()
        self._started_at = None

    def _monitoring_loop(self, told_to_end: Sized = ()) -> None:
        """Looks until `stop_monitoring()`, or until something stands in `told_to_end`; `start_monitoring()` does the same on a thread of its own."""
        self.start_monitoring()
        while self._loop.running and not told_to_end:
            time.sleep(0.2)

    def _cycle(self) -> None:
        self.collect_once()

    def collect_once(self, *, tell: bool = True) -> None:
        """One round: system, models, downloads, health, performance, then the rules. With `tell=False` no handler and no channel is told."""
        collectors: Iterable[Callable[[], None]] = (
            self._collect_system_metrics, self._collect_model_metrics, self._collect_download_metrics, self._collect_health_metrics, self._collect_performance_metrics,
        )
        for collect in collectors:
            name = collect.__name__.removeprefix("_collect_").removesuffix("_metrics")
            try:
                collect()
                self._failures.pop(name, None)
            except Exception as error:
                self._failures[name] = told(error)
        self.alert_manager.check_alerts(tell=tell)
        self._cycles += 1

    def _record(self, values: Any) -> None:
        for name, labels, value in samples_of(values):
            self.metrics_collector.record_metric(name, MetricType.GAUGE, value, labels)

    def _provided(self, area: str) -> None:
        for provider in self._providers.get(area, []):
            self._record(provider())

    def _collect_system_metrics(self) -> None:
        now = host_sample()
        for name in ("cpu", "memory", "disk"):
            if now.get(f"{name}_percent") is not None:
                self._record({f"system_{name}_usage_percent": now[f"{name}_percent"]})
        self._provided("system")

    def _collect_model_metrics(self) -> None:
        folder = Path(self.config["models_path"])
        if folder.is_dir():
            files = [f for f in folder.rglob("*") if f.is_file()]
            models = {f.relative_to(folder).parts[0] for f in files}
            self._record({"models_total_count": len(models), "models_total_size_gb": sum(f.stat().st_size for f in files) / 1e9})
        self._provided("model")

    def _operations(self, kinds: set[str]) -> list[dict[str, Any]]:
        since = _core.now_ms() - 3_600_000
        return [o for o in json.loads(_core.tracker.since(since)) if o["type"] in kinds]

    def _collect_download_metrics(self) -> None:
        done = self._operations({"download_operation"})
        if done:
            self._record({"downloads_success_rate": sum(o["success"] for o in done) / len(done)})
        self._provided("download")

    def _collect_health_metrics(self) -> None:
        folder = Path(self.config["models_path"])
        if folder.is_dir():
            # A file of nothing, or one that a download left behind, is not a model.
            broken = [f for f in folder.rglob("*") if f.is_file() and (f.stat().st_size == 0 or f.suffix in (".part", ".incomplete", ".tmp"))]
            self._record({"models_corrupted_count": len(broken)})
        self._provided("health")

    def _collect_performance_metrics(self) -> None:
        done = self._operations({"model_operation", "inference"})
        if done:
            mean = sum(o["duration_s"] for o in done) / len(done)
            self._record({"generation_avg_time_seconds": mean, "generation_success_rate": sum(o["success"] for o in done) / len(done)})
        self._provided("performance")

    def get_monitoring_status(self) -> dict[str, Any]:
        """`active_alerts` counts what fires now, and shrinks when it ends. What is secret of channels is not shown."""
        return {
            "running": self._loop.running, "started_at": self._started_at, "uptime_seconds": time.time() - self._started_at if self._started_at else 0.0,
            "cycles": self._cycles, "metrics_count": len(self.metrics_collector.metrics), "alert_rules": len(self.alert_manager.rules),
            "active_alerts": len(self.alert_manager.active_alerts), "total_alerts": len(self.alert_manager.alert_history),
            "rule_states": self.alert_manager.rule_states(), "failures": dict(self._failures),
            "config": self.config | {"notification_channels": [shown(c) for c in self.config["notification_channels"] or []]},
        }

    def export_metrics(self, format: str = "json") -> str:
        """`json`, `prometheus`, `openmetrics`, `csv` or `otlp`."""
        return MetricsExporter().export(self.metrics_collector, format)

    def __enter__(self) -> Self:
        self.start_monitoring()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop_monitoring()

    def __repr__(self) -> str:
        return f"<EnhancedModelAvailabilityMonitor {'running' if self._loop.running else 'stopped'}, {len(self.alert_manager.active_alerts)} active>"


def main(args: list[str] | None = None) -> int:
    """`setup` writes the configuration, `start` watches until Ctrl-C or SIGTERM, `status` and `export` look once and tell nobody."""
    parser = argparse.ArgumentParser(prog="lapwing monitor", description="Watches the machine, its models and what is done with them, as its configuration says")
    parser.add_argument("command", choices=["setup", "start", "status", "export"])
    parser.add_argument("--config", default="config/monitoring.json")
    parser.add_argument("--format", default="json", choices=["json", "prometheus", "openmetrics", "csv", "otlp"])
    given = parser.parse_args(args)
    if given.command == "setup":
        path = Path(given.config)
        if path.exists():
            print(f"{path} is there already; nothing was written", file=sys.stderr)
            return 1
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(DEFAULT_CONFIG, indent=2) + "\n", encoding="utf-8")
        print(f"wrote {path}")
        return 0
    try:
        monitor = EnhancedModelAvailabilityMonitor(given.config)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if given.command == "start":
        rules = len(monitor.alert_manager.rules)
        # As whatever runs services ends them: in order, with what is still to be told. An exception out of a signal could come in the middle of
        # anything, a lock that is just being taken too.
        told_to_end: list[int] = []
        if threading.current_thread() is threading.main_thread():
            for word in (signal.SIGTERM, signal.SIGINT):
                signal.signal(word, lambda number, _frame: told_to_end.append(number))
        print(f"watching every {monitor.config['monitoring_interval']:g} s with {rules} rules; Ctrl-C ends it", file=sys.stderr, flush=True)
        monitor._monitoring_loop(told_to_end)
        monitor.stop_monitoring()
        return 0
    monitor.collect_once(tell=False)
    try:
        print(json.dumps(monitor.get_monitoring_status(), indent=2, default=str) if given.command == "status" else monitor.export_metrics(given.format), flush=True)
    except BrokenPipeError:
        # Whoever reads has enough; at its end the interpreter would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
