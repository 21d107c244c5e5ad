"""Alerts, how bad they are, and the rules that find them."""

from __future__ import annotations

import json
import re
import time
import warnings
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from itertools import count
from typing import Any, Callable, Mapping, Sequence

from .. import _native
from .._numbers import number_of

#: One order for the words of all seeds.
_ORDER = ("info", "warning", "error", "critical", "emergency")


class _Ordered(str, Enum):
    @property
    def rank(self) -> int:
        return _ORDER.index(self.value)

    def _other(self, other: Any) -> int:
        if isinstance(other, _Ordered):
            return other.rank
        word = _native.severity(str(other))
        if word is None:
            raise TypeError(f"{other!r} is not a severity: use one of {', '.join(_ORDER)}")
        return _ORDER.index(word)

    def __lt__(self, other: Any) -> bool:
        return self.rank < self._other(other)

    def __le__(self, other: Any) -> bool:
        return self.rank <= self._other(other)

    def __gt__(self, other: Any) -> bool:
        return self.rank > self._other(other)

    def __ge__(self, other: Any) -> bool:
        return self.rank >= self._other(other)

    def __str__(self) -> str:
        return self.value

    __hash__ = str.__hash__


class AlertLevel(_Ordered):
    """How bad, in the words of the availability monitor (seed 0)."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    EMERGENCY = "emergency"


class AlertSeverity(_Ordered):
    """How bad, in the words of the production monitor (seed 4)."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


def severity_word(value: Any) -> str:
    """One of the five words, from any of the enums or any word that means one."""
    if isinstance(value, Enum):
        value = value.value
    word = _native.severity(str(value))
    if word is None:
        raise ValueError(f"{value!r} is not a severity: use one of {', '.join(_ORDER)}")
    return word


def as_severity(value: Any) -> AlertSeverity:
    word = severity_word(value)
    return AlertSeverity("critical" if word == "emergency" else word)


def as_level(value: Any) -> AlertLevel:
    word = severity_word(value)
    return AlertLevel("critical" if word == "error" else word)


_ids = count(1)


@dataclass(eq=False)
class Alert:
    """Something that is, or was, bad.

    Seed 4 reads `message`, `severity`, `metric_name`, `metric_value`, `threshold`; seed 0 `rule_name`, `level`, `current_value`,
    `resolved`; seed 1 has dictionaries with `alert_name`, `severity`, `message`, `metrics`, `timestamp`, which
    `alert["alert_name"]` and `to_dict()` answer.
    """

    message: str
    severity: AlertSeverity = AlertSeverity.WARNING
    metric_name: str = ""
    metric_value: float = float("nan")
    threshold: float = float("nan")
    timestamp: float = field(default_factory=time.time)
    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    description: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    resolved: bool = False
    resolved_at: float | None = None
    acknowledged_by: str | None = None
    count: int = 1
    rule: "AlertRule | None" = field(default=None, repr=False)
    word: str = ""
    id: str = field(default_factory=lambda: f"alert-{next(_ids)}")

    def __post_init__(self) -> None:
        self.word = self.word or severity_word(self.severity)
        self.severity = as_severity(self.word)
        self.name = self.name or self.metric_name or "alert"

    @property
    def level(self) -> AlertLevel:
        return as_level(self.word)

    @property
    def rule_name(self) -> str:
        return self.name

    alert_name = rule_name

    @property
    def current_value(self) -> float:
        return self.metric_value

    @property
    def resolved_timestamp(self) -> float | None:
        return self.resolved_at

    @property
    def status(self) -> str:
        return "resolved" if self.resolved else "firing"

    @property
    def started_at(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp, timezone.utc)

    def to_dict(self) -> dict[str, Any]:
        """As the seeds' dictionaries have it, and all of ours."""
        finite = lambda v: v if v == v else None  # noqa: E731
        return {
            "id": self.id, "alert_name": self.name, "severity": self.word, "message": self.message, "timestamp": self.timestamp,
            "status": self.status, "metric_name": self.metric_name, "metric_value": finite(self.metric_value),
            "threshold": finite(self.threshold), "labels": dict(self.labels), "description": self.description,
            "resolved_at": self.resolved_at, "count": self.count, "acknowledged_by": self.acknowledged_by,
            "metrics": self.metadata.get("metrics", {}),
        }

    def __getitem__(self, key: str) -> Any:
        return self.to_dict()[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self.to_dict().get(key, default)

    def __str__(self) -> str:
        return f"[{self.word}] {self.message}"

    def _repr_html_(self) -> str:
        from .._html import table

        return table([{k: v for k, v in self.to_dict().items() if v not in (None, {}, "")}])


_OPERATORS = {">": ">", "gt": ">", ">=": ">=", "gte": ">=", "<": "<", "lt": "<", "<=": "<=", "lte": "<=", "==": "==", "=": "==", "eq": "==", "!=": "!=", "ne": "!="}
_COMPARISON = re.compile(r"^\s*(>=|<=|==|!=|>|<|=)\s*(.*)$")


def operator_of(condition: str) -> str | None:
    """`>=`, `gte` and `>= threshold` are all `>=`. Seed 0 looked for `>` first, so that `>=` was `>`."""
    text = str(condition).strip()
    if text.lower() in _OPERATORS:
        return _OPERATORS[text.lower()]
    match = _COMPARISON.match(text)
    if match and match.group(2).strip() in ("", "threshold", "value"):
        return _OPERATORS[match.group(1)]
    return None


def _duration_text(duration: Any) -> str | None:
    """`"5m"` as it is; a number is seconds."""
    if duration is None:
        return None
    if isinstance(duration, (int, float)) and not isinstance(duration, bool):
        if not (0 <= duration < float("inf")):
            raise ValueError(f"a duration of {duration} s is none: it must not be negative")
        return f"{int(duration * 1000)}ms"
    text = str(duration).strip()
    if text in ("", "0"):
        return "0s"
    _native.duration_ms(text)
    return text


class AlertRule:
    """When something is bad.

    `condition` is a comparison in plain words (`cpu_usage > 80%`, `p95_latency > 2.0`) or PromQL; `duration` how long it has to be
    true. Seed 1 writes `AlertRule(name, condition, severity, duration)`, seed 0
    `AlertRule(name, metric_name, ">", threshold, level, description, cooldown_minutes)`: both are understood.

    The condition goes through the rules of the engine, so it means the same here and in a server: shares are from 0 to 1, and `80%` is
    0.8. `duration` counts (seed 1 stored it and never looked at it), `recover` ends it at another threshold than it begins, and a metric
    that is missing is `no_data`, not "fine". In the place of a condition may stand `trend={"of": "memory_usage", "over": "6h", "rises": "10%"}`,
    `anomaly={"of": "p95_latency", "over": "1d"}` or `burn_rate={"bad": …, "total": …, "objective": "99.5%"}`, as in a server's rules.

    >>> AlertRule("slow", "p95_latency > 2.0", "warning", "2m").evaluate({"p95_latency": 2.5})
    True
    """

    def __init__(
        self,
        name: str,
        condition: str | None = None,
        severity: Any = None,
        duration: Any = None,
        level: Any = None,
        description: str = "",
        cooldown_minutes: float = 5,
        enabled: bool = True,
        *,
        metric_name: str | None = None,
        threshold: float | None = None,
        expr: str | None = None,
        recover: str | float | None = None,
        keep_firing_for: str | None = None,
        no_data: str = "ok",
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        owner: str | None = None,
        runbook: str | None = None,
        model: str | None = None,
        summary: str | None = None,
        trend: Mapping[str, Any] | None = None,
        anomaly: Mapping[str, Any] | None = None,
        burn_rate: Mapping[str, Any] | None = None,
    ):
        if not isinstance(name, str) or not name.strip():
            raise ValueError("a rule needs a name")
        if isinstance(severity, str) and operator_of(severity):
            # The order of seed 0.
            metric_name, condition, threshold = condition, severity, number_of(duration)
            if threshold is None:
                raise ValueError(f"rule {name!r} compares {metric_name} with {duration!r}: after {condition!r} stands a number")
            severity = duration = None
        if cooldown_minutes < 0:
            raise ValueError("cooldown_minutes must not be negative")
        self.name = name
        self.metric_name = metric_name or ""
        self.threshold = threshold
        self.word = severity_word(level if severity is None and level is not None else severity or "warning")
        self.duration = duration
        self.description = description
        self.cooldown_minutes = cooldown_minutes
        self.enabled = enabled
        self.recover = recover
        self.keep_firing_for = keep_firing_for
        self.no_data = no_data
        self.labels = dict(labels or {})
        self.annotations = dict(annotations or {})
        self.owner, self.runbook, self.model, self.summary = owner, runbook, model, summary
        self.triggered = False
        self.trigger_time: float | None = None
        self.last_triggered: float | None = None
        self.operator: str | None = None
        self.condition = condition if condition is not None else (expr or "")
        text = expr or condition
        if metric_name and threshold is not None:
            self.operator = operator_of(str(condition or ">"))
            if self.operator is None:
                raise ValueError(f"{condition!r} is not a comparison: use >, >=, <, <=, == or !=")
            text = f"{metric_name} {self.operator} {float(threshold)!r}"
        self.shapes = {k: dict(v) for k, v in (("trend", trend), ("anomaly", anomaly), ("burn_rate", burn_rate)) if v is not None}
        if self.shapes and not text:
            text = "; ".join(f"{k} {json.dumps(v)}" for k, v in self.shapes.items())
        if not text:
            raise ValueError(f"rule {name!r} needs a condition, such as \"cpu_usage > 80%\"")
        self.expression = text
        found = json.loads(_native.RuleSet.explain(json.dumps(self.to_rule())))
        self._explained: dict[str, Any] = found
        simple = re.fullmatch(r"\s*([a-zA-Z_:][\w:]*)\s*(?:\{[^}]*\})?\s*(>=|<=|==|!=|>|<)\s*(-?[\d.eE+]+)\s*(%?)\s*", text)
        if simple and not self.metric_name:
            self.metric_name, self.operator = simple.group(1), simple.group(2)
            self.threshold = float(simple.group(3)) / (100 if simple.group(4) else 1)

    @property
    def severity(self) -> str:
        """The word, as seed 1 has it."""
        return self.word

    @property
    def level(self) -> AlertLevel:
        return as_level(self.word)

    def to_rule(self) -> dict[str, Any]:
        """As `rules:` in lapwing.yml has it."""
        rule: dict[str, Any] = {
            "name": self.name, "condition": "" if self.shapes else self.expression, **self.shapes, "severity": self.word, "no_data": self.no_data, "enabled": self.enabled,
            "for": _duration_text(self.duration), "keep_firing_for": _duration_text(self.keep_firing_for),
            "recover": None if self.recover is None else str(self.recover), "owner": self.owner, "runbook": self.runbook, "model": self.model,
            "summary": self.summary, "description": self.description or None,
            "labels": {k: str(v) for k, v in self.labels.items()}, "annotations": {k: str(v) for k, v in self.annotations.items()},
        }
        return {k: v for k, v in rule.items() if v is not None}

    def explain(self) -> str:
        """What it became: PromQL, threshold, duration, and what the names in it mean.

        >>> print(AlertRule("busy", "queue_length >= 5").explain())
        busy: queue_length >= 5
          PromQL: queue_length
          true when: >= 5
          for: 0s
          severity: warning
          without data: ok
        """
        e = self._explained
        lines = [f"{self.name}: {self.expression}", f"  PromQL: {e['promql']}"]
        if e.get("compares"):
            lines.append(f"  true when: {e['compares']}")
        if e.get("recovers"):
            lines.append(f"  ends: {e['recovers']}")
        lines += [f"  for: {e['for_']}", f"  severity: {e['severity']}", f"  without data: {e['no_data']}"]
        return "\n".join(lines + [f"  {n}" for n in e["names"]])

    def evaluate(self, metrics: Mapping[str, Any]) -> bool:
        """Whether the condition is true of these numbers now. A name that the condition needs and that is missing makes it false, unless
        the rule says `no_data="alert"`."""
        from ..metrics.collector import samples_of

        store = _native.Store()
        now = time.time_ns() // 1_000_000
        values = list(samples_of(metrics))
        self._warn_of_percent(values)
        for name, labels, value in values:
            store.append(name, labels, now, value, now)
        if self.no_data == "alert" and self.metric_name and all(name != self.metric_name for name, _, _ in values):
            return True
        return bool(_native.RuleSet.is_true(json.dumps(self.to_rule() | {"no_data": "ok"}), store, now))

    def _warn_of_percent(self, values: Sequence[tuple[str, Any, float]]) -> None:
        if "%" not in self.expression:
            return
        for name, _, value in values:
            if name == self.metric_name and value > 1.5:
                warnings.warn(
                    f"{name} is {value:g} and the condition {self.expression!r} speaks of a share: give it as 0 to 1, or write the condition without %",
                    UserWarning, stacklevel=3,
                )

    def backtest(self, source: Any = None, hours: float = 24, step: float = 60) -> list[dict[str, Any]]:
        """What it would have done over the past of a collector or a storage, or of the engine or server that `init()` found: events (`firing`, `resolved`,
        …) with time, labels and value. Nothing is written and nobody is told; anomaly rules, which record a series and read it, find it.
        """
        if isinstance(source, (int, float)):
            source, hours = None, source  # `backtest(24)`
        if not (hours > 0 and step > 0):
            raise ValueError("hours and step must be more than nothing")
        end = time.time_ns() // 1_000_000
        start, step_ms = end - int(hours * 3_600_000), max(int(step * 1000), 1)
        store = self._past_of(source)
        if not isinstance(store, _native.Store):
            return store.backtest(self.to_rule(), start, end, step_ms)
        told = json.loads(_native.RuleSet.backtest(json.dumps([self.to_rule()]), store, start, end, step_ms))
        for reason in told["failures"].values():
            warnings.warn(f"the back-test of {self.name!r} is not whole: {reason}", UserWarning, stacklevel=2)
        return told["events"]

    @staticmethod
    def _past_of(source: Any) -> Any:
        """A store, or a client of a server."""
        from .. import _core

        if source is None:
            source = _core.client()
            if source is None:
                raise ValueError("a back-test needs a past: a collector, a storage, or lapwing.init()")
        if isinstance(source, _core.Client):
            return source if source._engine is None else source._engine.store()
        store = getattr(source, "_store", source)
        if not isinstance(store, _native.Store):
            raise TypeError(f"a back-test looks at a collector, a storage or a client, not at {source!r}")
        return store

    def __repr__(self) -> str:
        return f"<AlertRule {self.name}: {self.expression} ({self.word})>"

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, AlertRule) and self.to_rule() == other.to_rule()

    def __hash__(self) -> int:
        return hash((self.name, self.expression))


AlertHandler = Callable[[Alert], Any]
