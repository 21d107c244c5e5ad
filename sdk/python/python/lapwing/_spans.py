"""Spans: named parts of a trace. What is counted of them is counted of all; which of them are kept, and where they are sent, is said once.

A span costs two readings of the clock and its place in a list; identifiers are made when somebody asks. A trace is kept or not as it was decided where it
began (here, or in the program that called); what failed or was slow is kept in any case, and with it what is around it.
"""

from __future__ import annotations

import os
from collections import deque
from contextvars import ContextVar, Token
from dataclasses import dataclass
from itertools import islice
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Mapping

from . import _native
from ._text import is_cancelled, known_of, text_of, told

if TYPE_CHECKING:
    from ._export import SpanExporter

#: Finished spans, the newest; `spans()` shows them.
SPANS_MAX = 10_000
#: Of one span: attributes, events, and characters of a value.
ATTRIBUTES_MAX, EVENTS_MAX, CHARACTERS_MAX = 128, 128, 4_096
_SMALL = frozenset((int, float, bool, type(None)))
_spans: deque["Span"] = deque(maxlen=SPANS_MAX)
_span: ContextVar["Span | None"] = ContextVar("lapwing_span", default=None)
_handles: dict[str, _native.OperationHandle] = {}


@dataclass(frozen=True)
class Sampling:
    """Which spans are kept: a share of traces, and all spans that failed or took at least so many seconds."""

    share: float = 1.0
    slow: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"a share of traces is from 0 to 1, not {self.share!r}")
        if not self.slow >= 0:
            raise ValueError(f"slow is a number of seconds, not {self.slow!r}")


#: None: every span is kept.
_sampling: Sampling | None = None
_exporter: "SpanExporter | None" = None


class Span:
    """A named part of a trace, with identifiers as OpenTelemetry has them."""

    # What most spans never have stands here once, and identifiers are made when somebody asks: a span that is looked at by nobody costs
    # two readings of the clock and its place in the list.
    _parent: "Span | None" = None
    _token: "Token[Span | None] | None" = None
    _trace_id: int | None = None
    _span_id: int | None = None
    started_ns: int = 0
    ended_ns: int | None = None
    events: "list[tuple[int, dict[str, Any]]] | None" = None
    error: str | None = None
    #: As OpenTelemetry has it: internal, server, client.
    kind = "internal"
    #: Whether the trace that begins here is kept; None while nobody has asked.
    _sampled: bool | None = None

    def __init__(self, name: str, attributes: dict[str, Any], parent: "Span | None" = None):
        self.name = name
        self.attributes = attributes
        if parent is not None:
            self._parent = parent

    @property
    def parent(self) -> "Span | None":
        """The span around it; None at the top, and where the span around it is in another program that did not say."""
        if self._parent is None and self._token is not None:
            before = self._token.old_value
            return before if isinstance(before, Span) else None
        return self._parent

    @property
    def parent_id(self) -> int | None:
        parent = self.parent
        return None if parent is None else parent.span_id

    @property
    def span_id(self) -> int:
        if self._span_id is None:
            self._span_id = _native.random_id()
        return self._span_id

    @property
    def trace_id(self) -> int:
        top = self
        while top._trace_id is None and (parent := top.parent) is not None:
            top = parent
        if top._trace_id is None:
            top._trace_id = (_native.random_id() << 64) | top.span_id
        self._trace_id = top._trace_id
        return self._trace_id

    @property
    def sampled(self) -> bool:
        """Whether its trace is kept, apart from what fails or is slow in it: as was decided where it began."""
        top = self
        while top._sampled is None and (parent := top.parent) is not None:
            top = parent
        if top._sampled is None:
            top._sampled = _sampling is None or _native.random_id() < _sampling.share * 2**64
        self._sampled = top._sampled
        return self._sampled

    def _is_kept(self, sampling: Sampling, took_ns: int) -> bool:
        if self.error is None and took_ns < sampling.slow * 1e9:
            return self.sampled
        around: Span | None = self
        while around is not None:
            around._sampled = True
            around = around.parent
        return True

    def begin(self) -> "Span":
        """Starts without becoming what is current: for what ends on another thread or in another task. `finish()` ends it."""
        if self._parent is None:
            self._parent = _span.get()
        self.started_ns = perf_counter_ns()
        return self

    def __enter__(self) -> "Span":
        self._token = _span.set(self)
        self.started_ns = perf_counter_ns()
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        ended = self.ended_ns = perf_counter_ns()
        handle = _handles.get(self.name) or _handle(self.name)
        if error is None and self.error is None:
            handle.ok_after((ended - self.started_ns) / 1e9)
        else:
            if error is not None:
                self.error = told(error)
            if is_cancelled(error):
                handle.abandoned()
            else:
                handle.failed_after((ended - self.started_ns) / 1e9)
        token = self._token
        if token is not None:
            if self._parent is None and token.old_value is not Token.MISSING:
                self._parent = token.old_value
            try:
                _span.reset(token)
            except ValueError:  # Left in another context than it was entered.
                pass
            self._token = None
        if _sampling is None or self._is_kept(_sampling, ended - self.started_ns):
            for value in self.attributes.values():
                if value.__class__ is str:
                    if len(value) <= CHARACTERS_MAX:
                        continue
                elif value.__class__ in _SMALL:
                    continue
                self.attributes = _bounded(self.attributes)
                break
            _spans.append(self)
            if _exporter is not None:
                _exporter.add(self)

    async def __aenter__(self) -> "Span":
        return self.__enter__()

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.__exit__(kind, error, trace)

    def set(self, **attributes: Any) -> "Span":
        self.attributes.update(attributes)
        return self

    def set_tag(self, key: str, value: Any) -> "Span":
        """As OpenTracing had it."""
        self.attributes[key] = value
        if key == "error" and value:
            self.error = self.error or "error"
        return self

    set_attribute = set_tag

    def log_kv(self, values: Mapping[str, Any]) -> "Span":
        """Something that happened in it; the first ones are kept, up to `EVENTS_MAX`."""
        if self.events is None:
            self.events = []
        if len(self.events) < EVENTS_MAX:
            self.events.append((perf_counter_ns(), _bounded(values)))
        return self

    def fail(self, reason: str = "failed") -> "Span":
        self.error = text_of(reason)
        return self

    def finish(self, error: BaseException | None = None) -> None:
        """Ends a span that was started by hand. A second call does nothing."""
        if self.ended_ns is None:
            self.__exit__(None, error, None)

    @property
    def duration_s(self) -> float | None:
        return None if self.ended_ns is None else (self.ended_ns - self.started_ns) / 1e9

    @property
    def traceparent(self) -> str:
        """The W3C header that carries this span to another program."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{'01' if self.sampled else '00'}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name, "trace_id": f"{self.trace_id:032x}", "span_id": f"{self.span_id:016x}",
            "parent_id": None if self.parent_id is None else f"{self.parent_id:016x}", "duration_s": self.duration_s,
            "attributes": dict(self.attributes), "events": list(self.events or ()), "error": self.error,
        }

    def __repr__(self) -> str:
        return f"<span {self.name} {self.span_id:016x}{' failed' if self.error else ''}>"


class ActiveSpan(Span):
    """One that is current already: `with tracer.start_active_span(…)` does not enter it again."""

    def __enter__(self) -> "Span":
        return self if self._token is not None else super().__enter__()


def cut(text: str) -> str:
    return text if len(text) <= CHARACTERS_MAX else text[: CHARACTERS_MAX - 1] + "…"


def _bounded(values: Mapping[Any, Any]) -> dict[str, Any]:
    """What may be kept for long: numbers, short text, short lists of both. Anything else as text; of arrays and tensors the shape alone, because reading one
    may make the host wait for a device, and holding one holds its memory."""
    return {cut(text_of(k)): _small(v) for k, v in islice(values.items(), ATTRIBUTES_MAX)}


def _small(value: Any) -> Any:
    kind = type(value)
    if kind in _SMALL:
        return value
    if kind is str:
        return cut(value)
    if isinstance(value, BaseException):
        return cut(told(value))
    if kind in (list, tuple) and len(value) <= ATTRIBUTES_MAX and all(type(v) in _SMALL or type(v) is str for v in value):
        return [_small(v) for v in value]
    known = known_of(value)
    return cut(known) if isinstance(known, str) else known


def _handle(name: str) -> _native.OperationHandle:
    if len(_handles) >= 10_000:
        _handles.clear()
    handle = _handles[name] = _native.OperationHandle("span", name)
    return handle


def span(name: str, /, **attributes: Any) -> Span:
    """A part of a trace; parts inside it are its children, over `await` as well.

    >>> with span("doc_generate", model="a") as outer:
    ...     with span("doc_decode") as inner: pass
    >>> inner.parent_id == outer.span_id and inner.trace_id == outer.trace_id
    True
    """
    return Span(name, attributes)


def spans(name: str | None = None) -> list[Span]:
    """Finished spans, the newest last."""
    return [s for s in list(_spans) if name is None or s.name == name]


def configure(
    url: str | None = None, *, share: float | None = None, slow: float | None = None, service: str | None = None, headers: Mapping[str, str] | None = None,
    timeout: float = 5.0,
) -> None:
    """Which spans are kept, and where they are sent: `init(traces=…, trace_share=…, trace_slow=…)` calls it.

    `url` is an OpenTelemetry endpoint that takes OTLP over HTTP, such as `http://collector:4318`; without one nothing is sent.
    """
    global _sampling, _exporter
    sampling = Sampling(1.0 if share is None else share, 1.0 if slow is None else slow)
    old = _exporter
    if url is None:
        stop_exporting(0.0)
    else:
        from ._export import SpanExporter, Target

        target = Target(url, service, headers, timeout)
        # In a forked child, and where it is said twice: what waits goes to the same place.
        if old is None or old.target != target:
            _exporter = SpanExporter(target)
            if old is not None:
                old.close(0.2)
    _sampling = None if sampling.share == 1 else sampling


def stop_exporting(at_most: float) -> None:
    """Sends what waits, waiting at most so long, and ends it."""
    global _exporter
    exporter, _exporter = _exporter, None
    if exporter is not None:
        exporter.close(at_most)


def exporter() -> "SpanExporter | None":
    return _exporter


def _after_fork_in_child() -> None:
    global _exporter
    _spans.clear()
    if _exporter is not None:
        # A thread does not survive a fork; what waits is the parent's to send.
        _exporter = type(_exporter)(_exporter.target)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
