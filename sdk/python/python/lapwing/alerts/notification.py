"""Telling somebody, through the channels of the engine: the same payloads as the server's."""

from __future__ import annotations

import atexit
import copy
import difflib
import json
import logging
import sys
import threading
import time
from collections import deque
from typing import Any, Callable, Iterable, Mapping

from .._fork import remembered
from .. import _native
from .._core import seconds_of
from .._text import told
from .alert import _ORDER, Alert, as_severity, severity_word

log = logging.getLogger("lapwing.alerts")

#: Notifications that wait for one lane; more are given up, the oldest first, and counted.
QUEUE_MAX = 1_000
#: Channels that are told at the same time; further ones share their lanes.
LANES_MAX = 16
#: So long the end of a program waits for what is still to be told.
END_S = 2.0
#: So long an Alertmanager holds an alert that it is told of once, unless the channel's `resolve_timeout` says otherwise.
RESOLVE_TIMEOUT_S = 300.0
#: What a channel's `type` may be; the last ones are those of the engine.
TYPES = (
    "console", "log", "file", "alertmanager", "slack", "email", "pagerduty", "webhook", "teams", "signed_webhook", "opsgenie", "msteamsv2", "msteams", "discord",
    "telegram", "pushover", "victorops", "webex", "rocketchat", "mattermost", "incidentio", "ntfy", "command",
)


#: What is said of a channel to us, and not to the engine.
#: What of a channel may be shown to anybody.
_SHOWN = frozenset(("type", "name", "severity_min", "match", "channel", "to", "from", "recipients", "smtp_server", "smtp_port", "smarthost", "path", "resolve_timeout"))
_OURS = ("name", "severity_min", "match")


def channels_of(given: Any) -> list[dict[str, Any]]:
    """The channels of a configuration, each by its type or as a dictionary; a type that nobody knows is an error that names it."""
    if isinstance(given, str) or not isinstance(given, (list, tuple)):
        raise ValueError(f"a list of channels is expected, not {given!r}")
    channels: list[dict[str, Any]] = [{"type": c} if isinstance(c, str) else dict(c) for c in given]
    for channel in channels:
        kind = channel.get("type")
        if str(kind).lower() not in TYPES:
            near = difflib.get_close_matches(str(kind), TYPES, 1)
            raise ValueError(f"{kind!r} is no type of a channel: " + (f"did you mean {near[0]!r}?" if near else f"use {', '.join(TYPES)}"))
        if "severity_min" in channel:
            channel["severity_min"] = severity_word(channel["severity_min"])
        if not isinstance(channel.get("match", {}), Mapping):
            raise ValueError(f"match of the channel {kind!r} is labels and their values, not {channel['match']!r}")
    return channels


def is_for(channel: Any, alert: Any) -> bool:
    """Whether a channel is told of an alert: `severity_min` is the least that it is told of, `match` the labels (or `alertname`, `metric_name`) that it has to
    have. A channel without them, and a function, is told of all."""
    if not isinstance(channel, Mapping) or not {"severity_min", "match"} & channel.keys():
        return True
    labels = {"metric_name": str(alert.get("metric_name") or "")} | _wire(alert)["labels"]
    severe = _ORDER.index(labels["severity"]) >= _ORDER.index(severity_word(channel.get("severity_min", "info")))
    return severe and all(labels.get(str(k)) == str(v) for k, v in channel.get("match", {}).items())


def _receiver(channel: Mapping[str, Any]) -> dict[str, Any]:
    """One channel of a seed's configuration as a receiver of an alertmanager.yml."""
    given = {k: v for k, v in channel.items() if k not in _OURS}
    kind = str(given.pop("type", "")).lower()

    def need(*names: str) -> Any:
        for name in names:
            if given.get(name):
                return given.pop(name)
        raise ValueError(f"the channel {kind!r} needs {' or '.join(names)}")

    if kind == "slack":
        made = {"api_url": need("webhook_url", "api_url"), **given}
        return {"slack_configs": [made]}
    if kind == "email":
        made = {"smarthost": f"{need('smtp_server', 'smarthost')}:{given.pop('smtp_port', 587)}"} if "smarthost" not in given else {}
        user, password = given.pop("username", None), given.pop("password", None)
        sender = given.pop("from", None) or given.pop("from_addr", None) or user
        to = given.pop("to", None) or given.pop("recipients", None) or user
        if not to:
            raise ValueError("the channel 'email' needs to or username")
        made |= {"to": ",".join(to) if isinstance(to, (list, tuple)) else to, "from": sender or to}
        if user:
            made |= {"auth_username": user}
        if password:
            made |= {"auth_password": password}
        return {"email_configs": [made | given]}
    if kind == "pagerduty":
        key = "routing_key" if "routing_key" in given else "service_key"
        return {"pagerduty_configs": [{key: need("routing_key", "service_key"), **given}]}
    if kind == "webhook":
        return {"webhook_configs": [{"url": need("url", "webhook_url"), **given}]}
    plural = {"teams": "msteamsv2"}.get(kind, kind)
    return {f"{plural}_configs": [given]}


def hold(channels: Iterable[dict[str, Any]], interval_s: float) -> None:
    """An Alertmanager is told again at a look, and must not take an alert for over before."""
    for channel in channels:
        if channel.get("type") == "alertmanager" and 4 * interval_s > RESOLVE_TIMEOUT_S:
            channel.setdefault("resolve_timeout", 4 * interval_s)


def shown(channel: Any) -> Any:
    """A channel without what is secret of it, or may be: the addresses of webhooks are."""
    if not isinstance(channel, Mapping):
        return channel
    return {k: v if k in _SHOWN else "<secret>" for k, v in channel.items()}


def unusable(channel: Mapping[str, Any]) -> str | None:
    """Why nobody could be told through a channel, as it is configured; None where somebody could. Nothing is sent."""
    kind = str(channel.get("type", "")).lower()
    needed = {"console": "", "log": "", "file": "path", "alertmanager": "url"}.get(kind)
    if needed is not None:
        return f"the channel {kind!r} needs {needed}" if needed and not channel.get(needed) else None
    try:
        _native.send(json.dumps(_receiver(channel)), "[]")
    except ValueError as error:
        return str(error)
    return None


def warn_of_unusable(channels: Iterable[Mapping[str, Any]]) -> None:
    """Before there is something to tell: an alert that nobody is told of is no way to find out."""
    for channel in channels:
        if (why := unusable(channel)) is not None:
            log.warning("lapwing: nobody will be told of alerts by %s: %s", channel.get("type"), why)


def _wire(alert: Any) -> dict[str, Any]:
    told = alert.to_dict() if isinstance(alert, Alert) else dict(alert)
    name = str(told.get("alert_name") or told.get("name") or "alert")
    labels = {str(k): str(v) for k, v in (told.get("labels") or {}).items()}
    labels |= {"alertname": name, "severity": severity_word(told.get("severity", "warning"))}
    annotations = {"summary": str(told.get("message", name))}
    if told.get("description"):
        annotations["description"] = str(told["description"])
    started = int(float(told.get("timestamp") or 0) * 1000)
    ended = told.get("resolved_at")
    return {"labels": labels, "annotations": annotations, "starts_at_ms": started, "ends_at_ms": None if ended is None else int(ended * 1000)}


def _to_alertmanager(channel: Mapping[str, Any], told: Mapping[str, Any]) -> str | None:
    """Hands an alert to an Alertmanager, which decides who is told. Why it could not; None when it could."""
    from datetime import datetime, timezone
    from urllib.request import Request, urlopen

    def stamp(ms: int) -> str:
        return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat()

    alert = {"labels": told["labels"], "annotations": told["annotations"], "startsAt": stamp(told["starts_at_ms"])}
    # As Prometheus says it: until then it fires, unless it is told again.
    holds_s = seconds_of(channel.get("resolve_timeout", RESOLVE_TIMEOUT_S), "resolve_timeout")
    alert["endsAt"] = stamp(told["ends_at_ms"] if told["ends_at_ms"] is not None else int((time.time() + holds_s) * 1000))
    url = str(channel["url"]).rstrip("/") + "/api/v2/alerts"
    request = Request(url, json.dumps([alert]).encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=float(channel.get("timeout", 10))) as answer:
        return None if answer.status < 300 else f"it answered {answer.status}"


class NotificationService:
    """Tells channels of alerts (seed 2).

    A channel is a dictionary as seed 1 writes it (`{"type": "slack", "webhook_url": …}`), the name of one in `config`, `"console"`, `"log"`,
    `{"type": "file", "path": …}`, or anything to call. With `severity_min` and `match` (`{"team": "search"}`) it is told of such alerts only. What came of
    each stands in the answer; nothing is raised for a channel that fails.

    >>> NotificationService().send_notifications([Alert("slow")], ["console"])[0]["delivered"]
    [warning] slow
    True
    """

    def __init__(self, config: Mapping[str, Any] | None = None):
        given = dict(config or {})
        channels = given.get("channels", given)
        if isinstance(channels, Mapping):
            channels = [{"name": k, "type": k, **(dict(v) if isinstance(v, Mapping) else {})} for k, v in channels.items()]
        self.channels: dict[str, dict[str, Any]] = {str(c.get("name", c["type"])): c for c in channels_of(channels)}
        self.dropped = 0
        self.failed = 0
        self.delivered = 0
        remembered(self)

    def _renew(self) -> None:
        # What waits in a forked child is the parent's to tell.
        self._lanes: list[_Lane] = []
        self._lock = threading.Lock()

    def send_notifications(self, alerts: Any, channels: Iterable[Any] | None = None) -> list[dict[str, Any]]:
        """Tells each channel of each alert that is for it, and waits: `[{"alert", "channel", "delivered", "reason"}]`."""
        listed = [alerts] if isinstance(alerts, (Alert, Mapping)) else list(alerts)
        chosen = list(self.channels.values()) if channels is None else ([channels] if isinstance(channels, (str, Mapping)) or callable(channels) else list(channels))
        return [self.send_one(alert, channel) for alert in listed for channel in map(self._known, chosen) if is_for(channel, alert)]

    def _known(self, channel: Any) -> Any:
        return self.channels.get(channel, channel) if isinstance(channel, str) else channel

    async def asend_notifications(self, alerts: Any, channels: Iterable[Any] | None = None) -> list[dict[str, Any]]:
        import asyncio

        return await asyncio.to_thread(self.send_notifications, alerts, channels)

    def send_one(self, alert: Any, channel: Any) -> dict[str, Any]:
        name, kind = _name(alert), _kind(channel)
        try:
            reason = self._deliver(alert, channel)
        except Exception as error:
            reason = told(error)
        if reason is None:
            self.delivered += 1
        else:
            self.failed += 1
            log.warning("lapwing: %s was not told of %s: %s", kind, name, reason)
        return {"alert": name, "channel": kind, "delivered": reason is None, "reason": reason}

    def _deliver(self, alert: Any, channel: Any) -> str | None:
        if callable(channel):
            channel(alert)
            return None
        (channel,) = channels_of([self._known(channel)])
        kind = str(channel.get("type", "")).lower()
        told = _wire(alert)
        line = f"[{told['labels']['severity']}] {told['annotations']['summary']}"
        if kind == "console":
            print(line, file=sys.stdout)
            return None
        if kind == "log":
            level = logging.ERROR if as_severity(told["labels"]["severity"]) >= "error" else logging.WARNING
            log.log(level, "%s", line)
            return None
        if kind == "file" and "path" in channel:
            with open(channel["path"], "a", encoding="utf-8") as file:
                file.write(json.dumps(told) + "\n")
            return None
        if kind == "alertmanager":
            return _to_alertmanager(channel, told)
        answers = json.loads(_native.send(json.dumps(_receiver(channel)), json.dumps([told])))
        return next((a["reason"] for a in answers if not a["delivered"]), None) if answers else "no such channel"

    # In the background, for a manager that must not wait.
    def enqueue(self, alert: Any, channels: Iterable[Any]) -> None:
        """Tells later, on threads of its own; never waits. Each place in the list has its lane, so that a channel that is slow holds up itself and what
        is told through it stays in order. When too many wait, the oldest is given up and counted. The end of the program waits `END_S` at most."""
        # As it is now: it may have ended by the time it is told.
        alert = copy.copy(alert)
        for place, channel in enumerate(list(channels)):
            if is_for(channel, alert):
                self.dropped += self._lane(place % LANES_MAX).put(alert, channel)

    def repeat(self, alert: Any, channels: Iterable[Any]) -> None:
        """The same in the same lanes, of the alert as it is when its turn comes: what has ended by then is told as ended."""
        for place, channel in enumerate(list(channels)):
            if channel is not None and is_for(channel, alert):
                self.dropped += self._lane(place % LANES_MAX).put(alert, channel)

    def _lane(self, place: int) -> "_Lane":
        with self._lock:
            if not self._lanes:
                atexit.register(self.close, END_S)
            while len(self._lanes) <= place:
                self._lanes.append(_Lane(self.send_one))
            return self._lanes[place]

    @property
    def waiting(self) -> int:
        """Notifications that wait for their turn."""
        return sum(len(lane.waiting) for lane in self._lanes)

    def close(self, timeout: float = 5.0) -> bool:
        """Waits until everything was told, but not longer. Whether it was; what was not is in the log."""
        deadline = time.monotonic() + timeout
        left = [pair for lane in self._lanes for pair in lane.close(deadline)]
        if left:
            names = "; ".join(f"{_kind(channel)} of {_name(alert)} ({str(alert.get('message', ''))[:80]})" for alert, channel in left[:10]) + ("; …" if len(left) > 10 else "")
            log.warning("lapwing: %d notifications were not told within %g s: %s", len(left), timeout, names)
        return not left

    def __repr__(self) -> str:
        return f"<NotificationService {self.delivered} delivered, {self.failed} failed, {self.dropped} dropped>"


class _Lane:
    """What one channel is to be told, one after the other."""

    def __init__(self, send: Callable[[Any, Any], Any]):
        self.waiting: deque[tuple[Any, Any]] = deque()
        self._send = send
        self._sending: tuple[Any, Any] | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, alert: Any, channel: Any) -> int:
        """How many were given up for it."""
        with self._changed:
            given_up = max(len(self.waiting) - QUEUE_MAX + 1, 0)
            for _ in range(given_up):
                self.waiting.popleft()
            self.waiting.append((alert, channel))
            self._changed.notify_all()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="lapwing-notify", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError as error:
                    # The interpreter ends, or the machine has no more threads.
                    self._thread = None
                    self.waiting.pop()
                    given_up += 1
                    log.warning("lapwing: %s was not told of %s: %s", _kind(channel), _name(alert), error)
            return given_up

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.waiting)
                alert, channel = self._sending = self.waiting.popleft()
            try:
                self._send(alert, channel)
            finally:
                with self._changed:
                    self._sending = None
                    self._changed.notify_all()

    def close(self, deadline: float) -> list[tuple[Any, Any]]:
        """What was not told by then."""
        with self._changed:
            self._changed.wait_for(lambda: not self.waiting and self._sending is None, max(deadline - time.monotonic(), 0.0))
            return ([] if self._sending is None else [self._sending]) + list(self.waiting)


def _name(alert: Any) -> str:
    return alert.name if isinstance(alert, Alert) else alert.get("alert_name", "alert")


def _kind(channel: Any) -> str:
    return channel if isinstance(channel, str) else channel.get("type", "?") if isinstance(channel, Mapping) else getattr(channel, "__name__", "handler")


def console(alert: Alert) -> None:
    """A handler that prints."""
    print(f"[{alert.word}] {alert.message}")


Handler = Callable[[Alert], Any]
