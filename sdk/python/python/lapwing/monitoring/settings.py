"""The configurations of seeds 1 and 2: every key that they document, and what it does here.

Both documents have a section `monitoring`; seed 1 has `alerting` beside it. A key that none of them documents is an error that names it: a
setting that is misspelt must not be silently without effect.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

from .. import _native
from .._text import unknown_setting
from ..alerts.notification import channels_of
from ..health.health_check import service_of, thresholds_of

#: What each key does. `*` stands for the entries of a list.
KEYS: dict[str, str] = {
    "monitoring.enabled": "without it nothing is collected, checked or told",
    "monitoring.metrics.enabled": "whether metrics are collected",
    "monitoring.metrics.endpoint": "the path of the page for a Prometheus that scrapes, where the dashboard is mounted",
    "monitoring.metrics.collection_interval": "how often metrics are collected and rules are looked at",
    "monitoring.metrics.collection.interval": "how often metrics are collected and rules are looked at",
    "monitoring.metrics.collection.batch_size": "how many values are kept as one piece",
    "monitoring.metrics.storage.retention": "how long samples are kept",
    "monitoring.metrics.storage.compression": "samples are compressed, always: false changes nothing, and says so",
    "monitoring.health_checks.enabled": "whether health checks run",
    "monitoring.health_checks.check_interval": "how often",
    "monitoring.health_checks.timeout": "how long one may take",
    "monitoring.health_checks.thresholds": "from how many percent on the system is `degraded` and `unhealthy`",
    "monitoring.alerting.enabled": "whether rules are looked at",
    "monitoring.alerting.alert_manager_url": "an Alertmanager that is told of every alert",
    "monitoring.alerts.rules": "rules: name, condition, severity, duration",
    "monitoring.alerts.notifications": "who is told: a list, or `channels` by name",
    "monitoring.visualization.dashboards.refresh": "how often the page of `dashboard()` is asked for again",
    "monitoring.visualization.dashboards.retention": "how far back `dashboard()` looks",
    "monitoring.visualization.plots.types": "the plots that `plots()` makes",
    "monitoring.visualization.reports.schedule": "how often a report is written: hourly, daily, weekly",
    "monitoring.visualization.reports.format": "its format",
    "monitoring.visualization.reports.path": "its folder; `reports` otherwise",
    "monitoring.logging.level": "from which level on is logged",
    "monitoring.logging.format": "json or text",
    "monitoring.logging.output": "stdout, stderr or a file",
    "monitoring.logging.rotation": "daily, hourly, weekly or a size such as 100MB, of a file",
    "monitoring.logging.compression": "whether files that were put aside are compressed",
    "monitoring.external_services": "services that are asked: name, health_url",
    "alerting.rules": "rules: name, condition, severity, duration",
    "alerting.notifications": "who is told: type, and webhook_url, channel, smtp_server, smtp_port, username, password or service_key; severity_min and match say of which alerts",
}

#: Below these stands what others check: rules, channels, services.
_LEAVES = ("rules", "notifications", "external_services", "types", "thresholds")

SCHEDULES_S = {"hourly": 3_600.0, "daily": 86_400.0, "weekly": 604_800.0}


@dataclass
class Settings:
    """What a configuration says, with the defaults of the seeds where it says nothing."""

    enabled: bool = True
    metrics: bool = True
    endpoint: str = "/metrics"
    interval_s: float = 10.0
    retention_hours: float = 168.0
    batch_size: int = 1
    compression: bool = True
    health_checks: bool = True
    check_interval_s: float = 30.0
    timeout_s: float = 10.0
    thresholds: dict[str, float] = field(default_factory=dict)
    alerting: bool = True
    rules: list[Any] = field(default_factory=list)
    channels: list[Any] = field(default_factory=list)
    external_services: list[dict[str, Any]] = field(default_factory=list)
    refresh: Any = None
    window_s: float = 604_800.0
    plot_types: list[str] = field(default_factory=lambda: ["line"])
    report_every_s: float | None = None
    report_format: str = "html"
    report_path: str = "reports"
    #: Arguments of `setup_logging`; None where the configuration has no such section.
    logging: dict[str, Any] | None = None
    #: The keys that were given, each with what it does.
    given: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Any) -> "Settings":
        """From a mapping, or from a file of YAML or JSON."""
        if isinstance(config, (str, os.PathLike)):
            from ..utils.config import load_config

            config = load_config(config)
        settings = cls()
        for path, value in _flat(dict(config or {})):
            if path not in KEYS:
                if value is None and any(key.startswith(path + ".") for key in KEYS):
                    # A section with nothing in it.
                    continue
                raise ValueError(unknown_setting(path, KEYS))
            settings.given[path] = KEYS[path]
            if value is not None:
                settings._take(path, value)
        if not settings.compression:
            warnings.warn("monitoring.metrics.storage.compression: false has no effect: samples are always compressed, without loss", UserWarning, stacklevel=3)
        return settings

    def _take(self, path: str, value: Any) -> None:
        name, convert = _FIELDS.get(path, ("", _as_it_is))
        try:
            if path.startswith("monitoring.logging."):
                from ..logging.logger import check_logging

                given = {path.rsplit(".", 1)[1]: value}
                check_logging(**given)
                self.logging = (self.logging or {}) | given
            elif path.endswith("rules"):
                self.rules += _listed(value)
            elif path.endswith("notifications"):
                self.channels += channels_of(_channels(path, value))
            elif path.endswith("alert_manager_url"):
                self.channels.append({"type": "alertmanager", "url": str(value)})
            elif name:
                setattr(self, name, convert(value))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from None

    def explain(self) -> str:
        """Each setting that was given, and what it does."""
        return "\n".join(f"{path}: {does}" for path, does in self.given.items())


def _channels(path: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    for key in value:
        if key != "channels":
            raise ValueError(unknown_setting(f"{path}.{key}", [f"{path}.channels"]))
    return value.get("channels") or []


def _flat(section: Mapping[str, Any], before: str = "") -> "list[tuple[str, Any]]":
    found: list[tuple[str, Any]] = []
    for key, value in section.items():
        path = f"{before}{key}"
        if not before and key in ("rules", "notifications"):
            # The section itself, without its name.
            found.append((f"alerting.{key}", value))
        elif isinstance(value, Mapping) and key not in _LEAVES:
            found += _flat(value, path + ".")
        else:
            found.append((path, value))
    return found


def _as_it_is(value: Any) -> Any:
    return value


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is no number of values: it is a whole number from 1 on")
    return value


def _seconds(value: Any) -> float:
    seconds = _native.duration_ms(value) / 1000 if isinstance(value, str) else float(value)
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{value!r} is no time: it must be more than 0")
    return seconds


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"a list is expected, not {value!r}")
    return list(value)


def _schedule(value: Any) -> float:
    if value not in SCHEDULES_S:
        raise ValueError(f"{value!r} is not a schedule: use {', '.join(SCHEDULES_S)}")
    return SCHEDULES_S[value]


def _one_of(module: str, names: str, what: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        from importlib import import_module

        known = getattr(import_module(f"..visualization.{module}", __package__), names)
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one not in known:
                raise ValueError(f"{one!r} is not {what}: use {', '.join(known)}")
        return value

    return check


_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "monitoring.enabled": ("enabled", _switch),
    "monitoring.metrics.enabled": ("metrics", _switch),
    "monitoring.metrics.endpoint": ("endpoint", lambda v: "/" + str(v).strip("/")),
    "monitoring.metrics.collection_interval": ("interval_s", _seconds),
    "monitoring.metrics.collection.interval": ("interval_s", _seconds),
    "monitoring.metrics.storage.retention": ("retention_hours", lambda v: _seconds(v) / 3600),
    "monitoring.metrics.collection.batch_size": ("batch_size", _count),
    "monitoring.metrics.storage.compression": ("compression", _switch),
    "monitoring.health_checks.enabled": ("health_checks", _switch),
    "monitoring.health_checks.check_interval": ("check_interval_s", _seconds),
    "monitoring.health_checks.timeout": ("timeout_s", _seconds),
    "monitoring.health_checks.thresholds": ("thresholds", thresholds_of),
    "monitoring.alerting.enabled": ("alerting", _switch),
    "monitoring.visualization.dashboards.refresh": ("refresh", _seconds),
    "monitoring.visualization.dashboards.retention": ("window_s", _seconds),
    "monitoring.visualization.plots.types": ("plot_types", lambda v: list(_one_of("plots", "TYPES", "a type of plot")(_listed(v)))),
    "monitoring.visualization.reports.schedule": ("report_every_s", _schedule),
    "monitoring.visualization.reports.format": ("report_format", _one_of("reports", "FORMATS", "a format of reports")),
    "monitoring.visualization.reports.path": ("report_path", str),
    "monitoring.external_services": ("external_services", lambda v: [dict(service_of(s)) for s in _listed(v)]),
}
