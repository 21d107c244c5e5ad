"""Not too much of the same."""

from __future__ import annotations

import time
from typing import Any, Callable, Iterable, Mapping

from .alert import _ORDER, severity_word


def _word(severity: Any) -> str:
    try:
        return severity_word(severity)
    except ValueError:
        return "warning"


class AlertFatiguePrevention:
    """Holds back repetitions (seed 1). Where the seed went wrong: a warning held back the *critical* alert of the same name that came after
    it; here what became worse always passes.

    >>> calm = AlertFatiguePrevention()
    >>> calm.should_send_alert("disk", "warning"), calm.should_send_alert("disk", "warning"), calm.should_send_alert("disk", "critical")
    (True, False, True)
    """

    def __init__(self, cooldowns: Mapping[str, int] | None = None, clock: Callable[[], float] = time.time):
        self.alert_cooldowns: dict[str, float] = {}
        self.escalation_rules: dict[str, Any] = {}
        self.alert_grouping: dict[str, Any] = {}
        self.cooldowns = {"emergency": 60, "critical": 300, "error": 900, "warning": 1800, "info": 3600} | dict(cooldowns or {})
        self._severities: dict[str, str] = {}
        self._clock = clock

    def __repr__(self) -> str:
        return f"<AlertFatiguePrevention {len(self.alert_cooldowns)} alerts>"

    def should_send_alert(self, alert_name: str, severity: Any) -> bool:
        now = self._clock()
        word = _word(severity)
        last = self.alert_cooldowns.get(alert_name)
        worse = _ORDER.index(word) > _ORDER.index(self._severities.get(alert_name, word))
        if last is not None and not worse and now - last < self.get_cooldown_duration(word):
            return False
        if len(self.alert_cooldowns) > 10_000:
            self.alert_cooldowns.clear()
            self._severities.clear()
        self.alert_cooldowns[alert_name] = now
        self._severities[alert_name] = word
        return True

    def get_cooldown_duration(self, severity: Any) -> int:
        """Seconds; a word that nobody knows waits as long as a warning."""
        return self.cooldowns[_word(severity)]

    def group_similar_alerts(self, alerts: Iterable[Any]) -> list[dict[str, Any]]:
        """One entry per name and severity: how often, first and last."""
        grouped: dict[tuple[str, str], dict[str, Any]] = {}
        for alert in alerts:
            name, severity, at = alert["alert_name"], str(alert["severity"]), alert["timestamp"]
            entry = grouped.setdefault(
                (name, severity), {"alert_name": name, "severity": severity, "count": 0, "first_occurrence": at, "last_occurrence": at}
            )
            entry["count"] += 1
            entry["first_occurrence"] = min(entry["first_occurrence"], at)
            entry["last_occurrence"] = max(entry["last_occurrence"], at)
        return list(grouped.values())
