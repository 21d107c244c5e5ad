"""Rules are looked at, alerts are kept, handlers and channels are told.

What seed 0's manager got wrong and this one does right: an alert resolves while its cooldown lasts, and its end is told; what has ended
leaves the list of active alerts; labels tell alerts apart; a metric that is missing is a state of its rule; `>=` includes the threshold;
retention and custom rules of the configuration count. A cooldown or a silence holds back notifications, never evaluation: what still fires when
it is over is told at the next look, and no end is told of what nobody was told had begun. A cooldown lets an alert through that became worse. A
handler that raises is noted and the others are told all the same.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
import time
from collections import deque
from typing import Any, Callable, Iterable, Mapping, Self

from .._fork import remembered
from .. import _native
from .._text import check_misspelt, told
from .._threads import finished, on_daemon
from .alert import _ORDER, Alert, AlertHandler, AlertRule, AlertSeverity, as_severity, operator_of, severity_word

log = logging.getLogger("lapwing.alerts")

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}


class AlertManager:
    """Seed 0 writes `AlertManager(metrics_collector)`, seed 1 `AlertManager(config)`, seed 2 `AlertManager()`, seed 4
    `AlertManager(max_alerts=1000)`: all are this class.

    >>> manager = AlertManager(max_alerts=10)
    >>> manager.add_alert_handler(lambda alert: print(alert.severity.value, alert.message))
    >>> _ = manager.trigger_alert("slow", AlertSeverity.WARNING, "latency", 2.0, 1.0)
    warning slow
    """

    #: So long `evaluate_alerts` waits for handlers that are coroutines; one that takes longer goes on, for as long as the loop does.
    HANDLERS_S_MAX = 10.0
    #: An Alertmanager takes for over what it is not told again: so often it is, while an alert fires.
    REPEAT_S = 60.0

    def __init__(
        self, metrics_collector: Any = None, *, config: Mapping[str, Any] | None = None, max_alerts: int = 1000, clock: Callable[[], float] = time.monotonic,
    ):
        if isinstance(metrics_collector, Mapping):
            metrics_collector, config = None, metrics_collector
        if max_alerts < 1:
            raise ValueError("max_alerts must be at least 1")
        config = dict(config or {})
        self.config: dict[str, Any] = dict(config.get("alerting", config))
        check_misspelt(self.config, ("rules", "custom_alert_rules", "notifications"), "the configuration of alerts")
        self.metrics_collector = metrics_collector
        self.max_alerts = max_alerts
        self.handler_failures = 0
        self.active_alerts: dict[str, Alert] = {}
        self.alert_history: deque[Alert] = deque(maxlen=max_alerts)
        remembered(self)
        self._handlers: list[AlertHandler] = []
        self._clock = clock
        #: What began or ended and was not told yet, by labels; when and how bad it was last told to fire; whose beginning was told and end was not.
        self._untold: dict[str, Alert] = {}
        self._told: dict[str, tuple[float, str]] = {}
        self._open: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._repeated_at = clock()
        self._silences: list[tuple[dict[str, str], float]] = []
        self._states: dict[str, str] = {}
        self._own_store = _native.Store()
        self._put_ms = 0
        self._service: Any = None
        self._ruleset: Any = None
        self._fingerprint = ""
        self.rules: list[AlertRule] = []
        self.notification_channels: list[dict[str, Any]] = self.load_notification_channels()
        self.rules = self.load_alert_rules()

    def _renew(self) -> None:
        self._lock = threading.RLock()

    # What is configured.
    def load_alert_rules(self) -> list[AlertRule]:
        """Rules of the configuration: seed 1's and seed 2's `rules`, seed 0's `custom_alert_rules`."""
        from .alert_rules import rule_from

        listed = list(self.config.get("rules") or []) + list(self.config.get("custom_alert_rules") or [])
        return [rule_from(r) for r in listed]

    def load_notification_channels(self) -> list[dict[str, Any]]:
        """Channels of the configuration: seed 1's list of them, seed 2's `notifications: {channels: […]}`."""
        from .notification import channels_of, warn_of_unusable

        given = self.config.get("notifications") or []
        if isinstance(given, Mapping):
            given = given.get("channels") or []
        channels = channels_of(given)
        warn_of_unusable(channels)
        return channels

    def add_alert_rule(self, rule: AlertRule) -> None:
        if not isinstance(rule, AlertRule):
            raise TypeError(f"an AlertRule is needed, not {rule!r}")
        with self._lock:
            self.rules = [r for r in self.rules if r.name != rule.name] + [rule]

    def remove_alert_rule(self, name: str) -> bool:
        with self._lock:
            before = len(self.rules)
            self.rules = [r for r in self.rules if r.name != name]
            self._states.pop(name, None)
            return len(self.rules) < before

    @property
    def alert_rules(self) -> dict[str, AlertRule]:
        return {r.name: r for r in self.rules}

    def add_notification_handler(self, handler: AlertHandler) -> None:
        """Called with every alert that begins or ends; plain functions and coroutines.

        `evaluate_alerts` waits for coroutines. Any other look waits for them where no loop runs; where one runs they are tasks of it, and one that
        is cancelled because the loop ends counts as failed.
        """
        if not callable(handler):
            raise TypeError(f"a handler is something to call with an alert, not {handler!r}")
        self._handlers.append(handler)

    add_alert_handler = add_notification_handler

    def remove_alert_handler(self, handler: AlertHandler) -> bool:
        if handler in self._handlers:
            self._handlers.remove(handler)
            return True
        return False

    # Looking.
    def check_alerts(self, *, tell: bool = True) -> list[Alert]:
        """Looks at all rules now, with the collector's metrics. What began or ended. With `tell=False` nobody is told before the next look that tells."""
        return self._check(self._recorded(), tell=tell)

    def _recorded(self) -> Any:
        """What the collector has; without one, what was looked at before."""
        collector = self.metrics_collector
        if collector is None:
            return self._own_store
        store = collector._store
        # What was recorded a moment ago may stand a moment ahead of the clock.
        self._put_ms = max(self._put_ms, collector._ahead_ms)
        return store

    def monitor(self, metrics: Any, rules: Any = None) -> list[Alert]:
        """Looks at these numbers with these rules (seed 2). What fires now."""
        if rules is not None:
            from .alert_rules import rule_from

            given = rules.values() if isinstance(rules, Mapping) and "name" not in rules else rules
            for rule in [given] if isinstance(given, (AlertRule, Mapping)) else given:
                self.add_alert_rule(rule_from(rule))
        self._put(metrics)
        self._check(self._own_store, metrics)
        return list(self.active_alerts.values())

    async def evaluate_alerts(self, metrics: Any) -> list[Alert]:
        """Looks at these numbers (seed 1); channels are told. What began or ended."""
        self._put(metrics)
        return await self._evaluate(self._own_store, metrics)

    async def _evaluate(self, store: Any, metrics: Any) -> list[Alert]:
        changed = self._look(store, metrics)
        tasks: list[asyncio.Task[Any]] = []
        for alert in self._due():
            tasks += self._tell_handlers(alert)
            await (self.send_resolution if alert.resolved else self.send_alert)(alert.rule or alert.name, metrics, alert)
        self._repeat()
        if tasks:
            await asyncio.wait(tasks, timeout=self.HANDLERS_S_MAX)
        return changed

    def rule_states(self) -> dict[str, str]:
        """`inactive`, `pending`, `firing`, `no data` or `error: …` by rule."""
        return dict(self._states)

    def _put(self, metrics: Any) -> None:
        from ..metrics.collector import samples_of

        now = time.time_ns() // 1_000_000
        self._put_ms = now = max(now, self._put_ms + 1)
        for name, labels, value in samples_of(metrics):
            self._own_store.append(name, labels, now, value, now)

    def _check(self, store: Any, metrics: Any = None, tell: bool = True) -> list[Alert]:
        changed = self._look(store, metrics)
        for alert in self._due() if tell else ():
            self._send_notifications(alert)
        if tell:
            self._repeat()
        return changed

    def _look(self, store: Any, metrics: Any) -> list[Alert]:
        with self._lock:
            enabled = [r for r in self.rules if r.enabled]
            rules = json.dumps([r.to_rule() for r in enabled])
            if self._ruleset is None:
                self._ruleset = _native.RuleSet(rules)
            elif rules != self._fingerprint:
                self._ruleset.replace(rules)
            self._fingerprint = rules
            now = max(time.time_ns() // 1_000_000, self._put_ms)
            found = json.loads(self._ruleset.check(store, now))
            by_name = {r.name: r for r in enabled}
            self._states = {}
            for state in found["rules"]:
                rule = by_name.get(state["name"])
                word = f"error: {state['error']}" if state["error"] else state["state"] or "inactive"
                if word == "inactive" and rule is not None and rule.metric_name and self._is_missing(store, rule, now):
                    word = "no data"
                self._states[state["name"]] = word
                if rule is not None and state["state"] != "firing":
                    rule.triggered, rule.trigger_time = False, None
            changed = []
            for event in found["events"]:
                key = json.dumps(event["labels"], sort_keys=True)
                alert = self._event(key, event, by_name, metrics)
                if alert is not None:
                    self._untold[key] = alert
                    changed.append(alert)
            return changed

    def _is_missing(self, store: Any, rule: AlertRule, now: int) -> bool:
        return not json.loads(store.query(rule._explained["promql"], now))["result"]

    def _event(self, key: str, event: Mapping[str, Any], rules: Mapping[str, AlertRule], metrics: Any) -> Alert | None:
        rule = rules.get(event["name"])
        if event["kind"] in ("resolved", "rule_removed"):
            alert = self.active_alerts.pop(key, None)
            if alert is None:
                return None
            alert.resolved, alert.resolved_at = True, event["at_ms"] / 1000
            alert.message = f"Alert {alert.name} resolved"
            if rule is None and alert.rule is not None:
                alert.rule.triggered, alert.rule.trigger_time = False, None
            return alert
        if event["kind"] != "firing":
            return None
        value = event["value"] if event["value"] is not None else float("nan")
        condition = rule.expression if rule else event["name"]
        alert = Alert(
            message=event["annotations"].get("description") or f"Alert {event['name']} triggered: {condition}" + (f" (is {value:.4g})" if value == value else ""),
            severity=as_severity(event["severity"]), word=event["severity"], name=event["name"], metric_name=rule.metric_name if rule else "",
            metric_value=value, threshold=float("nan") if rule is None or rule.threshold is None else rule.threshold,
            timestamp=event["at_ms"] / 1000, labels=dict(event["labels"]), annotations=dict(event["annotations"]),
            description=rule.description if rule else "", rule=rule, metadata={"metrics": metrics} if isinstance(metrics, Mapping) else {},
        )
        if rule is not None:
            rule.triggered, rule.trigger_time, rule.last_triggered = True, time.time(), time.time()
        self.active_alerts[key] = alert
        self.alert_history.append(alert)
        return alert

    # Telling.
    def trigger_alert(
        self, message: str, severity: Any = AlertSeverity.WARNING, metric_name: str = "", metric_value: float = float("nan"), threshold: float = float("nan"),
        metadata: Mapping[str, Any] | None = None,
    ) -> Alert:
        """Something is bad, says the program itself (seed 4): it is kept, and every handler is told."""
        alert = Alert(
            message=str(message), severity=as_severity(severity), word=severity_word(severity), metric_name=metric_name,
            metric_value=float(metric_value), threshold=float(threshold), metadata=dict(metadata or {}),
        )
        with self._lock:
            self.alert_history.append(alert)
        if not self._is_silenced(alert):
            self._send_notifications(alert)
        return alert

    def _due(self) -> list[Alert]:
        """What is to be told now. What a silence or a cooldown holds back waits for a later look, or for its end."""
        with self._lock:
            due = []
            for key, alert in list(self._untold.items()):
                if alert.resolved and key not in self._open:
                    # Whoever was told of the beginning is told of the end, and nobody else.
                    del self._untold[key]
                elif self._may_tell(key, alert):
                    del self._untold[key]
                    due.append(alert)
            return due

    def _may_tell(self, key: str, alert: Alert) -> bool:
        if self._is_silenced(alert):
            return False
        if alert.resolved:
            self._open.discard(key)
            return True
        now, last = self._clock(), self._told.get(key)
        cooldown = (alert.rule.cooldown_minutes if alert.rule else 5) * 60
        if last is not None and now - last[0] < cooldown and _ORDER.index(alert.word) <= _ORDER.index(last[1]):
            return False
        if len(self._told) > 10_000:
            self._told.clear()
        self._told[key] = (now, alert.word)
        self._open.add(key)
        return True

    def _repeat(self) -> None:
        """Tells Alertmanagers again of what they were told and still fires."""
        now = self._clock()
        if now - self._repeated_at < self.REPEAT_S:
            return
        self._repeated_at = now
        again = [channel if channel.get("type") == "alertmanager" else None for channel in self.notification_channels]
        if not any(again):
            return
        with self._lock:
            firing = [alert for key, alert in self.active_alerts.items() if key in self._open and not self._is_silenced(alert)]
        for alert in firing:
            self._channels().repeat(alert, again)

    def _tell_handlers(self, alert: Alert) -> list[asyncio.Task[Any]]:
        """Calls every handler. Where a loop runs, those that are coroutines are tasks of it."""
        tasks = []
        for handler in list(self._handlers):
            try:
                answer = handler(alert)
                if inspect.isawaitable(answer):
                    tasks += self._finish(answer)
            except Exception as error:
                self._handler_failed(told(error))
        return tasks

    def _finish(self, awaitable: Any) -> list[asyncio.Task[Any]]:
        async def wait() -> None:
            await awaitable

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            finished(awaitable)
            return []
        task = loop.create_task(wait())
        # A loop holds its tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._is_finished)
        return [task]

    def _is_finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            self._handler_failed("it was cancelled before it had ended")
        elif (error := task.exception()) is not None:
            self._handler_failed(told(error))

    def _handler_failed(self, why: str) -> None:
        self.handler_failures += 1
        log.warning("lapwing: a handler of alerts failed: %s", why)

    def _send_notifications(self, alert: Alert) -> None:
        """Tells handlers and channels of one alert (seed 0)."""
        self._tell_handlers(alert)
        if self.notification_channels:
            self._channels().enqueue(alert, self.notification_channels)

    def _evaluate_condition(self, value: float, condition: str, threshold: float) -> bool:
        """Whether `value condition threshold` holds (seed 0); an unknown comparison is an error, not "false"."""
        operator = operator_of(condition)
        if operator is None:
            raise ValueError(f"{condition!r} is not a comparison: use >, >=, <, <=, == or !=")
        return _COMPARE[operator](float(value), float(threshold))

    def _channels(self) -> Any:
        if self._service is None:
            from .notification import NotificationService

            self._service = NotificationService()
        return self._service

    async def send_alert(self, rule: Any, metrics: Any = None, alert: Alert | None = None) -> list[dict[str, Any]]:
        """Tells every channel that a rule fires (seed 1). What came of it, by channel."""
        return await self._send(rule, metrics, alert, resolved=False)

    async def send_resolution(self, rule: Any, metrics: Any = None, alert: Alert | None = None) -> list[dict[str, Any]]:
        """Tells every channel that it is over (seed 1)."""
        return await self._send(rule, metrics, alert, resolved=True)

    async def _send(self, rule: Any, metrics: Any, alert: Alert | None, resolved: bool) -> list[dict[str, Any]]:
        if alert is None:
            name = getattr(rule, "name", str(rule))
            what = "resolved" if resolved else f"triggered: {getattr(rule, 'expression', '')}"
            word = getattr(rule, "word", "warning")
            alert = Alert(message=f"Alert {name} {what}", severity=as_severity(word), word=word, name=name, resolved=resolved, metadata={"metrics": metrics})
            if not resolved:
                self.alert_history.append(alert)
        from .notification import is_for

        return list(await asyncio.gather(*(self.send_notification(channel, alert) for channel in self.notification_channels if is_for(channel, alert))))

    async def send_notification(self, channel: Mapping[str, Any], message: Any) -> dict[str, Any]:
        """Tells one channel (seed 1). The loop is not held, and a channel that fails is an answer, not an exception."""
        return await on_daemon(self._channels().send_one, message, dict(channel))

    async def send_slack_notification(self, channel: Mapping[str, Any], message: Any) -> dict[str, Any]:
        return await self.send_notification({"type": "slack"} | dict(channel), message)

    async def send_email_notification(self, channel: Mapping[str, Any], message: Any) -> dict[str, Any]:
        return await self.send_notification({"type": "email"} | dict(channel), message)

    async def send_pagerduty_notification(self, channel: Mapping[str, Any], message: Any) -> dict[str, Any]:
        return await self.send_notification({"type": "pagerduty"} | dict(channel), message)

    # Asking.
    def get_recent_alerts(self, count: int = 10) -> list[Alert]:
        """The newest, the newest last."""
        if count < 0:
            raise ValueError("count must not be negative")
        return list(self.alert_history)[-count:] if count else []

    def get_alerts_by_severity(self, severity: Any) -> list[Alert]:
        word = severity_word(severity)
        return [a for a in list(self.alert_history) if a.word == word or a.severity == severity]

    def get_active_alerts(self) -> list[Alert]:
        return list(self.active_alerts.values())

    def clear_alerts(self) -> None:
        """Forgets what was. What fires goes on firing and is told when it ends."""
        self.alert_history.clear()

    def ack(self, alert: Any, by: str = "somebody") -> bool:
        """Somebody takes care of it."""
        for known in list(self.alert_history):
            if known is alert or known.id == alert:
                known.acknowledged_by = by
                return True
        return False

    def silence(self, matchers: Mapping[str, str] | str, duration: Any = "1h") -> None:
        """Tells nobody of what has these labels (or this name), for so long. What still fires then is told at the next look."""
        labels = {"alertname": matchers} if isinstance(matchers, str) else dict(matchers)
        seconds = float(duration) if isinstance(duration, (int, float)) else _native.duration_ms(duration) / 1000
        if seconds <= 0:
            raise ValueError("a silence lasts longer than nothing")
        self._silences.append((labels, self._clock() + seconds))

    def _is_silenced(self, alert: Alert) -> bool:
        now = self._clock()
        self._silences = [s for s in self._silences if s[1] > now]
        own = {"alertname": alert.name, "severity": alert.word, "metric_name": alert.metric_name} | alert.labels
        return any(all(own.get(k) == str(v) for k, v in labels.items()) for labels, _ in self._silences)

    def get_statistics(self) -> dict[str, Any]:
        history = list(self.alert_history)
        by: dict[str, int] = {}
        for alert in history:
            by[alert.word] = by.get(alert.word, 0) + 1
        return {"total": len(history), "active": len(self.active_alerts), "by_severity": by, "handler_failures": self.handler_failures}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._service is not None:
            self._service.close()

    def __repr__(self) -> str:
        return f"<AlertManager {len(self.rules)} rules, {len(self.active_alerts)} active, {len(self.alert_history)} kept>"

    def _repr_html_(self) -> str:
        from .._html import table

        rows: Iterable[Mapping[str, Any]] = [
            {"alert": a.name, "severity": a.word, "status": a.status, "message": a.message} for a in list(self.alert_history)
        ]
        return table(rows)
