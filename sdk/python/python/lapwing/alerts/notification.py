"""Telling somebody, through the channels of the engine: the same payloads as the server's."""

from __future__ import annotations

import atexit
import json
import logging
import queue
import sys
import threading
from typing import Any, Callable, Iterable, Mapping

from .._fork import remembered
from .. import _native
from .._text import told
from .alert import Alert, as_severity, severity_word

log = logging.getLogger("lapwing.alerts")

#: Notifications that wait for their channel; more are given up, the oldest first, and counted.
QUEUE_MAX = 1_000


def _receiver(channel: Mapping[str, Any]) -> dict[str, Any]:
    """One channel of a seed's configuration as a receiver of an alertmanager.yml."""
    given = {k: v for k, v in channel.items() if k != "name"}
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
    if told["ends_at_ms"] is not None:
        alert["endsAt"] = stamp(told["ends_at_ms"])
    url = str(channel["url"]).rstrip("/") + "/api/v2/alerts"
    request = Request(url, json.dumps([alert]).encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=float(channel.get("timeout", 10))) as answer:
        return None if answer.status < 300 else f"it answered {answer.status}"


class NotificationService:
    """Tells channels of alerts (seed 2).

    A channel is a dictionary as seed 1 writes it (`{"type": "slack", "webhook_url": …}`), the name of one in `config`, `"console"`, `"log"`,
    `{"type": "file", "path": …}`, or anything to call. What came of each stands in the answer; nothing is raised for a channel that fails.

    >>> NotificationService().send_notifications([Alert("slow")], ["console"])[0]["delivered"]
    [warning] slow
    True
    """

    def __init__(self, config: Mapping[str, Any] | None = None):
        given = dict(config or {})
        channels = given.get("channels", given)
        listed = channels if isinstance(channels, (list, tuple)) else [{"name": k, "type": k, **(dict(v) if isinstance(v, Mapping) else {})} for k, v in channels.items()]
        self.channels: dict[str, dict[str, Any]] = {str(c.get("name", c.get("type"))): dict(c) for c in listed if isinstance(c, Mapping)}
        self.dropped = 0
        self.failed = 0
        self.delivered = 0
        remembered(self)

    def _renew(self) -> None:
        # What waits in a forked child is the parent's to tell.
        self._queue: queue.Queue[Any] = queue.Queue(QUEUE_MAX)
        self._thread: threading.Thread | None = None

    def send_notifications(self, alerts: Any, channels: Iterable[Any] | None = None) -> list[dict[str, Any]]:
        """Tells each channel of each alert, and waits for it: `[{"alert", "channel", "delivered", "reason"}]`."""
        listed = [alerts] if isinstance(alerts, (Alert, Mapping)) else list(alerts)
        chosen = list(self.channels.values()) if channels is None else ([channels] if isinstance(channels, (str, Mapping)) or callable(channels) else list(channels))
        return [self.send_one(alert, channel) for alert in listed for channel in chosen]

    async def asend_notifications(self, alerts: Any, channels: Iterable[Any] | None = None) -> list[dict[str, Any]]:
        import asyncio

        return await asyncio.to_thread(self.send_notifications, alerts, channels)

    def send_one(self, alert: Any, channel: Any) -> dict[str, Any]:
        name = alert.name if isinstance(alert, Alert) else alert.get("alert_name", "alert")
        kind = channel if isinstance(channel, str) else channel.get("type", "?") if isinstance(channel, Mapping) else getattr(channel, "__name__", "handler")
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
        if isinstance(channel, str):
            channel = self.channels.get(channel, {"type": channel})
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
        """Tells later, on a thread of its own; never waits. When too many wait, the oldest is given up and counted."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="lapwing-notify", daemon=True)
            self._thread.start()
            atexit.register(self.close, 0.2)
        for channel in list(channels):
            while True:
                try:
                    self._queue.put_nowait((alert, channel))
                    break
                except queue.Full:
                    try:
                        self._queue.get_nowait()
                        self._queue.task_done()
                        self.dropped += 1
                    except queue.Empty:
                        pass

    def _work(self) -> None:
        while True:
            alert, channel = self._queue.get()
            try:
                self.send_one(alert, channel)
            finally:
                self._queue.task_done()

    def close(self, timeout: float = 5.0) -> bool:
        """Waits until everything was told, but not longer. Whether it was."""
        with self._queue.all_tasks_done:
            return self._queue.all_tasks_done.wait_for(lambda: self._queue.unfinished_tasks == 0, timeout)

    def __repr__(self) -> str:
        return f"<NotificationService {self.delivered} delivered, {self.failed} failed, {self.dropped} dropped>"


def console(alert: Alert) -> None:
    """A handler that prints."""
    print(f"[{alert.word}] {alert.message}")


Handler = Callable[[Alert], Any]
