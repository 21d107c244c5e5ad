"""Rules from thresholds, conditions, dictionaries and files."""

from __future__ import annotations

import json
import os
from typing import Any, Iterable, Iterator, Mapping

from .. import _native
from .alert import AlertRule, operator_of

#: What an AlertRule is made with, by the words that configurations use.
_FIELDS = {
    "severity", "duration", "level", "description", "cooldown_minutes", "enabled", "metric_name", "threshold", "recover", "keep_firing_for", "no_data",
    "labels", "annotations", "owner", "runbook", "model", "summary", "expr", "trend", "anomaly", "burn_rate",
}


def rule_from(given: Any) -> AlertRule:
    """An AlertRule as it is, or one from a dictionary of any seed's configuration."""
    if isinstance(given, AlertRule):
        return given
    if not isinstance(given, Mapping):
        raise TypeError(f"a rule is an AlertRule or a dictionary, not {given!r}")
    given = dict(given)
    name = given.pop("name", None)
    if not name:
        raise ValueError(f"a rule needs a name: {given!r}")
    if "for" in given:
        given["duration"] = given.pop("for")
    if "metric" in given:
        given["metric_name"] = given.pop("metric")
    condition = given.pop("condition", None)
    unknown = sorted(set(given) - _FIELDS)
    if unknown:
        raise ValueError(f"rule {name!r} has unknown fields {', '.join(unknown)}; known are condition, {', '.join(sorted(_FIELDS))}")
    return AlertRule(name, condition, **given)


class AlertRules:
    """Makes rules (seed 2).

    >>> rules = AlertRules().define_rules(thresholds={"cpu_usage": 0.8}, conditions={"slow": "p95_latency > 2"})
    >>> [r.expression for r in rules]
    ['cpu_usage > 0.8', 'p95_latency > 2']
    """

    def __init__(self, rules: Iterable[Any] = ()):
        self._rules = {r.name: r for r in map(rule_from, rules)}

    def define_rules(self, thresholds: Any = None, conditions: Any = None) -> list[AlertRule]:
        """`thresholds`: a number per metric, or `{"max": …, "min": …, "severity": …}`; without a direction, the metric's name says which way is
        bad (a throughput is bad when it is low). `conditions`: a condition per name, or a list of rules."""
        made = [*self._of_thresholds(thresholds or {}), *self._of_conditions(conditions or {})]
        for rule in made:
            self._rules[rule.name] = rule
        return made

    def _of_thresholds(self, thresholds: Any) -> Iterator[AlertRule]:
        if not isinstance(thresholds, Mapping):
            yield from map(rule_from, thresholds)
            return
        for metric, limit in thresholds.items():
            if isinstance(limit, AlertRule):
                yield limit
                continue
            more = dict(limit) if isinstance(limit, Mapping) else {}
            sides = [(op, more.pop(k)) for k, op in (("max", ">"), ("min", "<")) if k in more]
            if not sides:
                value = more.pop("threshold", more.pop("value", limit if not isinstance(limit, Mapping) else None))
                if value is None:
                    raise ValueError(f"the threshold of {metric!r} needs a number, max or min")
                operator = operator_of(str(more.pop("condition", more.pop("operator", "")))) or (
                    "<" if _native.direction_of(metric) == "higher" else ">"
                )
                sides = [(operator, value)]
            given = more.pop("name", None)
            for operator, value in sides:
                suffix = "_low" if operator.startswith("<") else "_high"
                # Two rules of one name would be one rule.
                name = given if given and len(sides) == 1 else f"{given or metric}{suffix}"
                yield rule_from({"name": name, "condition": f"{metric} {operator} {value}", **more})

    def _of_conditions(self, conditions: Any) -> Iterator[AlertRule]:
        if isinstance(conditions, str):
            conditions = [conditions]
        if not isinstance(conditions, Mapping):
            for i, condition in enumerate(conditions):
                yield rule_from({"name": f"condition_{i + 1}", "condition": condition} if isinstance(condition, str) else condition)
            return
        for name, condition in conditions.items():
            if isinstance(condition, (str, int, float)):
                yield rule_from({"name": name, "condition": str(condition)})
            else:
                yield rule_from({"name": name, **condition} if isinstance(condition, Mapping) else condition)

    def load(self, path: str | os.PathLike[str]) -> list[AlertRule]:
        """Rules of a file: `rules:` alone, or below `alerting:` or `monitoring: alerts:`."""
        with open(path, encoding="utf-8") as file:
            found = json.loads(_native.parse_yaml(file.read())) or {}
        for key in ("monitoring", "alerting", "alerts"):
            found = found.get(key, found)
        made = [rule_from(r) for r in found.get("rules") or []]
        for rule in made:
            self._rules[rule.name] = rule
        return made

    @property
    def rules(self) -> list[AlertRule]:
        return list(self._rules.values())

    def __iter__(self) -> Iterator[AlertRule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self._rules)

    def __repr__(self) -> str:
        return f"<AlertRules {', '.join(self._rules)}>"
