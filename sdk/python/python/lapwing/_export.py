"""Spans to an OpenTelemetry endpoint: OTLP over HTTP, as JSON, from a thread of its own.

What must never happen in here: that a span waits or raises because the endpoint is away, hangs or refuses. What waits is bounded (`WAITING_MAX` spans, the
oldest goes first, counted); what is refused for good is counted and given up; what could not be sent is tried again, ever more rarely.
"""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Mapping

# Here, and not in the thread: a process that forks while one of its threads imports leaves the child half a module.
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from . import _native
from ._text import text_of, told
from ._spans import ATTRIBUTES_MAX, cut

if TYPE_CHECKING:
    from ._spans import Span

log = logging.getLogger("lapwing")

#: Spans that wait at most: some sixteen megabytes of them.
WAITING_MAX = 16_384
#: Spans of one request.
BATCH_MAX = 512
INTERVAL_S = 1.0
#: Between two tries, once several have failed.
PAUSE_MAX_S = 30.0

_KINDS = {"internal": 1, "server": 2, "client": 3}


class Target:
    """Where spans go, and as whose: `http://collector:4318` is the collector; with a path it is what it says."""

    def __init__(self, url: str, service: str | None = None, headers: Mapping[str, str] | None = None, timeout: float = 5.0):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not the address of an OTLP endpoint: write http://host:4318")
        self.url = url if parts.path.strip("/") else url.rstrip("/") + "/v1/traces"
        self.service, self.headers, self.timeout = service, dict(headers or {}), timeout

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Target) and vars(self) == vars(other)


class SpanExporter:
    """Sends spans in the background, once a second."""

    def __init__(self, target: Target):
        self.target = target
        self.sent = self.dropped = self.refused = self.failed = 0
        self.last_error: str | None = None
        self._waiting: deque[Span] = deque()
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._asked = self._done = 0
        self._over = False
        self._pause = INTERVAL_S
        threading.Thread(target=self._run, name="lapwing-traces", daemon=True).start()

    def add(self, span: "Span") -> None:
        """Never waits: no lock is taken, so that it may be called from anywhere, a destructor or a handler of signals included."""
        if len(self._waiting) >= WAITING_MAX:
            try:
                self._waiting.popleft()
                self.dropped += 1
            except IndexError:  # They were sent just now.
                pass
        self._waiting.append(span)

    def ask(self) -> int:
        """Has what waits sent now, without waiting for it; a number to wait for."""
        with self._changed:
            self._asked += 1
            self._changed.notify_all()
            return self._asked

    def flush(self, at_most: float) -> bool:
        """Sends what waits, waiting at most so long; whether it went."""
        if self._pid != os.getpid() or self._over:
            return not self._waiting
        mine = self.ask()
        with self._changed:
            self._changed.wait_for(lambda: self._done >= mine, at_most)
            return self._done >= mine and not self._waiting

    def close(self, at_most: float) -> None:
        if at_most > 0:
            self.flush(at_most)
        self._over = True
        if self._pid == os.getpid():
            with self._changed:
                self._changed.notify_all()

    def status(self) -> dict[str, Any]:
        return {
            "traces_url": self.target.url, "spans_sent": self.sent, "spans_waiting": len(self._waiting), "spans_dropped": self.dropped, "spans_refused": self.refused,
            "spans_failed": self.failed, "traces_error": self.last_error,
        }

    def _run(self) -> None:
        while not self._over:
            with self._changed:
                self._changed.wait_for(lambda: self._asked > self._done or self._over, self._pause)
                asked = self._asked
            try:
                while not self._over and self._waiting and self._send():
                    pass
            except Exception as error:  # A span that cannot be told must not end the thread.
                self.last_error = told(error)
            with self._changed:
                self._done = asked
                self._changed.notify_all()

    def _send(self) -> bool:
        """One request; whether it is worth going on."""
        batch: list[Span] = []
        while self._waiting and len(batch) < BATCH_MAX:
            batch.append(self._waiting.popleft())
        try:
            body = encode(batch, self.target.service)
        except Exception as error:  # Given up: it would not become better.
            self.refused += len(batch)
            self.last_error = told(error)
            return True
        status, reason, rejected = self._post(body)
        if status is None or status in (408, 429) or status >= 500:
            self.failed += 1
            if self.last_error is None:
                log.warning("lapwing: spans cannot be sent to %s: %s; they wait, within bounds", self.target.url, reason)
            self.last_error = reason
            self._pause = min(self._pause * 2, PAUSE_MAX_S)
            self._put_back(batch)
            return False
        self._pause = INTERVAL_S
        if status < 300:
            self.sent += len(batch) - rejected
            self.refused += rejected
            self.last_error = None if not rejected else f"{rejected} spans were refused: {reason}"
        else:
            self.refused += len(batch)
            self.last_error = reason
        return True

    def _put_back(self, batch: "list[Span]") -> None:
        """In front of what came meanwhile; the oldest go where there is no room."""
        room = max(WAITING_MAX - len(self._waiting), 0)
        self.dropped += max(len(batch) - room, 0)
        self._waiting.extendleft(reversed(batch[len(batch) - min(room, len(batch)) :]))

    def _post(self, body: bytes) -> "tuple[int | None, str, int]":
        request = Request(self.target.url, body, {"content-type": "application/json", **self.target.headers})
        try:
            with urlopen(request, timeout=self.target.timeout) as answer:
                partial = _partial(answer.read(65_536))
                return answer.status, *partial
        except HTTPError as error:
            return error.code, f"it answered {error.code}", 0
        except Exception as error:
            return None, told(error), 0


def _partial(body: bytes) -> "tuple[str, int]":
    """What of it was not taken, as OTLP's `partialSuccess` says."""
    try:
        partial = json.loads(body).get("partialSuccess") or {}
        return str(partial.get("errorMessage", "")), int(partial.get("rejectedSpans") or 0)
    except Exception:  # An answer in another format is an answer.
        return "", 0


def encode(spans: "list[Span]", service: str | None = None) -> bytes:
    """An `ExportTraceServiceRequest` in OTLP's JSON."""
    # Spans are timed with a clock that never goes back: where it stands now says what its readings were.
    offset_ns = time.time_ns() - time.perf_counter_ns()
    host = socket.gethostname()
    resource = {
        "service.name": service or os.environ.get("OTEL_SERVICE_NAME") or "python", "service.instance.id": f"{host}:{os.getpid()}", "host.name": host,
        "process.pid": os.getpid(), "process.runtime.version": sys.version.split()[0], "telemetry.sdk.name": "lapwing",
        "telemetry.sdk.language": "python", "telemetry.sdk.version": _native.__version__,
    }
    scope = {"name": "lapwing", "version": _native.__version__}
    told_spans = [_span(s, offset_ns) for s in spans]
    request = {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [{"scope": scope, "spans": told_spans}]}]}
    return json.dumps(request, separators=(",", ":")).encode()


def _span(span: "Span", offset_ns: int) -> dict[str, Any]:
    told_span: dict[str, Any] = {
        "traceId": f"{span.trace_id:032x}", "spanId": f"{span.span_id:016x}", "name": cut(text_of(span.name)), "kind": _KINDS.get(span.kind, 1),
        "startTimeUnixNano": str(span.started_ns + offset_ns), "endTimeUnixNano": str((span.ended_ns or span.started_ns) + offset_ns),
        "attributes": _attributes(span.attributes.copy()),
        "status": {"code": 2, "message": cut(span.error)} if span.error is not None else {"code": 0},
    }
    if span.parent_id is not None:
        told_span["parentSpanId"] = f"{span.parent_id:016x}"
    if span.events:
        told_span["events"] = [
            {"timeUnixNano": str(at + offset_ns), "name": cut(text_of(values.get("event", "log"))), "attributes": _attributes(values)}
            for at, values in span.events
        ]
    return told_span


def _attributes(values: Mapping[Any, Any]) -> list[dict[str, Any]]:
    return [{"key": cut(text_of(k)), "value": _value(v)} for k, v in values.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return {"intValue": str(int(value))}
    if isinstance(value, float):
        return {"doubleValue": float(value) if math.isfinite(value) else "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, (list, tuple)) and all(isinstance(v, (str, int, float)) for v in value[:ATTRIBUTES_MAX]):
        return {"arrayValue": {"values": [_value(v) for v in value[:ATTRIBUTES_MAX]]}}
    return {"stringValue": cut(text_of(value))}
