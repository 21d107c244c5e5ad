"""Traces: spans started by hand, over programs, and around a model (seed 1, without OpenTracing, which is no longer kept)."""

from __future__ import annotations

import inspect
import re
from typing import Any, Mapping

from ._track import Span, span, spans

__all__ = ["Span", "Tracer", "TracingModelServer", "extract", "inject", "span", "spans"]

_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$")


class Tracer:
    """Starts spans by hand, as OpenTracing did: `tracer.start_span("tokenize", child_of=parent)` … `span.finish()`."""

    def __init__(self, service_name: str = ""):
        self.service_name = service_name

    def start_span(self, operation_name: str, child_of: Span | None = None, tags: Mapping[str, Any] | None = None) -> Span:
        return Span(operation_name, dict(tags or {}) | ({"service": self.service_name} if self.service_name else {}), child_of).__enter__()

    start_active_span = start_span


def inject(current: Span, headers: dict[str, str]) -> dict[str, str]:
    """Puts a span into the headers of a request (W3C trace context)."""
    headers["traceparent"] = current.traceparent
    return headers


def extract(headers: Mapping[str, str]) -> Span | None:
    """The span that a request came from, as a parent; None where there is none or it is not one."""
    match = _TRACEPARENT.match(str(headers.get("traceparent", "")))
    if match is None or set(match.group(1)) == {"0"} or set(match.group(2)) == {"0"}:
        return None
    remote = Span("remote", {})
    remote._trace_id, remote._span_id = int(match.group(1), 16), int(match.group(2), 16)
    return remote


class TracingModelServer:
    """A model, traced (seed 1): each generation is a span with spans for tokenizing, generating and decoding where the model has such parts.

    `model` has `generate_text(request)` or, apart, `tokenize`, `generate` and `decode`.
    """

    def __init__(self, model: Any, service_name: str = "model-server"):
        self.model = model
        self.tracer = Tracer(service_name)

    async def generate_text_traced(self, request: Any, parent_span: Span | None = None) -> Any:
        attributes = {f"request.{k}": v for k, v in _attributes(request).items()}
        with Span("generate_text", attributes, parent_span) as outer:
            if all(hasattr(self.model, n) for n in ("tokenize", "generate", "decode")):
                value = getattr(request, "prompt", request)
                for name in ("tokenize", "generate", "decode"):
                    with span(name):
                        value = await _value(getattr(self.model, name)(value))
            else:
                with span("generate"):
                    value = await _value(getattr(self.model, "generate_text", self.model)(request))
            if hasattr(value, "__len__"):
                outer.set_tag("response.length", len(value))
            return value


async def _value(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def _attributes(request: Any) -> dict[str, Any]:
    prompt = getattr(request, "prompt", request if isinstance(request, str) else None)
    found = {"prompt_length": len(prompt)} if isinstance(prompt, str) else {}
    return found | {n: getattr(request, n) for n in ("max_length", "temperature", "top_p") if hasattr(request, n)}
