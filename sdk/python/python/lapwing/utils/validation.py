"""Is this what it should be? Errors say what to do."""

from __future__ import annotations

import math
import re
from typing import Any, Mapping

from .. import _native
from ..alerts.alert import severity_word
from ..metrics.collector import MetricType, metric_type_of

_METRIC = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")
_LABEL = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")


def validate_metric_name(name: Any) -> str:
    if not isinstance(name, str) or not _METRIC.fullmatch(name):
        raise ValueError(f"{name!r} is not a name of a metric: use letters, digits, '_' and ':', not beginning with a digit")
    return name


def validate_labels(labels: Mapping[str, Any]) -> dict[str, str]:
    for name in labels:
        if not isinstance(name, str) or not _LABEL.fullmatch(name) or name.startswith("__"):
            raise ValueError(f"{name!r} is not a name of a label: use letters, digits and '_', not beginning with a digit or '__'")
    return {k: str(v) for k, v in labels.items()}


def validate_metric_type(value: Any) -> MetricType:
    return metric_type_of(value)


def validate_duration(value: Any) -> float:
    """Seconds, from a number or `"5m"`."""
    seconds = _native.duration_ms(value) / 1000 if isinstance(value, str) else float(value)
    if not (0 <= seconds < math.inf):
        raise ValueError(f"{value!r} is not a duration: it must be finite and not negative")
    return seconds


def validate_severity(value: Any) -> str:
    return severity_word(value)


def validate_condition(condition: str) -> str:
    """The PromQL that it becomes."""
    from ..alerts.alert import AlertRule

    return AlertRule("check", condition)._explained["promql"]
