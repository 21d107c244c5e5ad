"""Traces: spans started by hand, over programs, and around a model (seed 1, without OpenTracing, which is no longer kept)."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from ._spans import ActiveSpan, Sampling, Span, configure, span, spans
from .profiling import model_of

__all__ = ["PredictionRequest", "PredictionResponse", "Sampling", "Span", "Tracer", "TracingModelServer", "configure", "extract", "inject", "span", "spans"]

#: Version 00; a later one may say more behind it, and ff is none.
_TRACEPARENT = re.compile(r"(?:00|(?P<later>(?!00|ff)[0-9a-f]{2}))-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?(later)(?:-.*)?)")


@dataclass(frozen=True)
class PredictionRequest:
    """What a model is asked (seed 1)."""

    prompt: str
    max_length: int = 512
    temperature: float = 1.0
    top_p: float = 1.0


@dataclass(frozen=True)
class PredictionResponse:
    """What it answers (seed 1). How sure it was is known only where the model says so."""

    generated_text: str
    confidence: float | None = None
    tokens_used: int | None = None


class Tracer:
    """Starts spans by hand, as OpenTracing did: `tracer.start_span("tokenize", child_of=parent)` … `span.finish()`."""

    def __init__(self, service_name: str = ""):
        self.service_name = service_name

    def __repr__(self) -> str:
        return f"<Tracer {self.service_name or 'without a name'}>"

    def start_span(self, operation_name: str, child_of: Span | None = None, tags: Mapping[str, Any] | None = None) -> Span:
        """Begins a span, below `child_of` or else below the one that is current. It is not current itself: `start_active_span` is."""
        return Span(operation_name, self._tags(tags), child_of).begin()

    def start_active_span(self, operation_name: str, child_of: Span | None = None, tags: Mapping[str, Any] | None = None) -> Span:
        """Begins a span around what follows, until `finish()`."""
        return ActiveSpan(operation_name, self._tags(tags), child_of).__enter__()

    def _tags(self, tags: Mapping[str, Any] | None) -> dict[str, Any]:
        return dict(tags or {}) | ({"service": self.service_name} if self.service_name else {})


def inject(current: Span, headers: dict[str, str]) -> dict[str, str]:
    """Puts a span into the headers of a request (W3C trace context)."""
    headers["traceparent"] = current.traceparent
    return headers


def extract(headers: Mapping[str, str]) -> Span | None:
    """The span that a request came from, as a parent; None where there is none or it is not one. The name of the header may be written in any case."""
    header = headers.get("traceparent")
    if header is None:
        header = next((v for k, v in headers.items() if str(k).lower() == "traceparent"), "")
    match = _TRACEPARENT.fullmatch(str(header).strip())
    if match is None or set(match["trace"]) == {"0"} or set(match["span"]) == {"0"}:
        return None
    remote = Span("remote", {})
    remote._trace_id, remote._span_id = int(match["trace"], 16), int(match["span"], 16)
    remote._sampled = bool(int(match["flags"], 16) & 1)
    return remote


class TracingModelServer:
    """A model, traced (seed 1): each generation is a span with spans for tokenizing, generating and decoding where the model has such parts.

    The model (or, as in the seed, a path that `load_model` loads) has `generate_text(request)` or, apart, `tokenize`, `generate` and `decode`;
    a `tokenizer` may bring the first and the last, and both may be those of transformers: each part is given of the request what it takes by name. A
    `PredictionRequest` is answered by a `PredictionResponse`. `jaeger_host` is where the seed's spans went and is not looked at: spans go where
    `lapwing.init()` says, and `traceparent` carries them over programs.
    """

    def __init__(
        self, model_path: Any, jaeger_host: str = "localhost", *, load_model: Callable[[Any], Any] | None = None, tokenizer: Any = None,
        service_name: str = "nemo-rl-model-server",
    ):
        self.model = model_of(model_path, load_model)
        self.tokenizer = tokenizer
        self.jaeger_host = jaeger_host
        self.tracer = Tracer(service_name)

    def __repr__(self) -> str:
        return f"<TracingModelServer of {type(self.model).__name__}>"

    def _part(self, name: str) -> Any:
        owner = self.tokenizer if self.tokenizer is not None and name != "generate" else self.model
        part = getattr(owner, name, None)
        # A tokenizer is called to tokenize, as those of transformers are.
        return owner if part is None and name == "tokenize" and owner is self.tokenizer and callable(owner) else part

    async def generate_text_traced(self, request: Any, parent_span: Span | None = None) -> Any:
        attributes = {f"request.{k}": v for k, v in _attributes(request).items()}
        with Span("generate_text", attributes, parent_span) as outer:
            parts = {name: self._part(name) for name in ("tokenize", "generate", "decode")}
            if all(parts.values()):
                value = await _in_parts(parts, request)
            else:
                with span("generate"):
                    value = await _value(getattr(self.model, "generate_text", self.model)(request))
            text = getattr(value, "generated_text", value)
            if hasattr(text, "__len__"):
                outer.set_tag("response.length", len(text))
            if getattr(value, "tokens_used", None) is not None:
                outer.set_tag("response.tokens_used", value.tokens_used)
            return value


async def _in_parts(parts: Mapping[str, Any], request: Any) -> Any:
    asked = {n: getattr(request, n) for n in ("max_length", "temperature", "top_p") if hasattr(request, n)}
    with span("tokenize"):
        tokens = await _value(_given(parts["tokenize"], getattr(request, "prompt", request), {"return_tensors": "pt"}))
    with span("generate"):
        made = await _value(_given(parts["generate"], tokens, asked | ({"do_sample": True} if asked else {})))
    # Tensors come in batches, of one here.
    made = made[0] if len(getattr(made, "shape", ())) == 2 else made
    with span("decode"):
        text = await _value(_given(parts["decode"], made, {"skip_special_tokens": True}))
    if isinstance(request, PredictionRequest) and isinstance(text, str):
        return PredictionResponse(text, tokens_used=len(made) if hasattr(made, "__len__") else None)
    return text


def _given(part: Callable[..., Any], value: Any, settings: Mapping[str, Any]) -> Any:
    """Calls it with what it takes by name of the settings, and of the value where that is names and values, as a tokenizer's answer is."""
    try:
        parameters = inspect.signature(part).parameters
    except (TypeError, ValueError):
        return part(value)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = {n: v for n, v in settings.items() if takes_any or n in parameters}
    if isinstance(value, Mapping) and all(takes_any or n in parameters for n in value):
        return part(**value, **known)
    return part(value, **known)


async def _value(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def _attributes(request: Any) -> dict[str, Any]:
    prompt = getattr(request, "prompt", request if isinstance(request, str) else None)
    found = {"prompt_length": len(prompt)} if isinstance(prompt, str) else {}
    return found | {n: getattr(request, n) for n in ("max_length", "temperature", "top_p") if hasattr(request, n)}
