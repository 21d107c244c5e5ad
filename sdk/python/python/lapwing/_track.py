"""`track` and `log_inference`: what a program does, timed."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import math
import os
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Callable, Mapping, overload, TypeVar, ParamSpec

from . import _native
from ._core import counter, gauge, histogram, tracker
from ._steps import is_coroutine_function, may_return_coroutine, over_async_generator, over_generator, to_its_end
from ._text import is_cancelled, json_of, text_of, told

log = logging.getLogger("lapwing")

P = ParamSpec("P")
R = TypeVar("R")

_current: ContextVar["Operation | None"] = ContextVar("lapwing_operation", default=None)


class Operation:
    """One operation that is going on: `with lapwing.track("preprocess") as op`. Afterwards `op.result` is what was kept; None where it was
    cancelled, or forgotten because the process forked inside."""

    __slots__ = ("id", "name", "kind", "_metadata", "_error", "_token", "_track", "_outer", "result")

    def __init__(self, name: str, kind: str, metadata: Mapping[str, Any]):
        self.name = name
        self.kind = kind
        self.id: str | None = None
        self.result: dict[str, Any] | None = None
        self._metadata = dict(metadata)
        self._error: str | None = None
        self._token: Any = None
        self._track: Any = None
        self._outer: "Operation | None" = None

    def __repr__(self) -> str:
        ended = "" if self.result is None else f" {self.result['duration_s']:.3g} s"
        return f"<operation {self.name}{' failed' if self._error else ''}{ended}>"

    def set(self, **metadata: Any) -> "Operation":
        """Notes something about it. What is no number, text, list or dictionary is noted as its `str()`; of what is large the beginning."""
        self._metadata.update(metadata)
        return self

    def fail(self, reason: str = "failed") -> "Operation":
        """It ends as a failure, though nothing is raised."""
        self._error = text_of(reason)
        return self


class _Track:
    """What `track(...)` returns: a decorator and a context manager, which several threads and tasks may use at once.

    What must never happen in here: an exception in the program because of what it noted, or because it forked or was cancelled inside.
    """

    __slots__ = ("_name", "_kind", "_labels", "_keep", "_resources", "_open")

    def __init__(self, name: str | None, kind: str, labels: Mapping[str, Any], keep: bool, resources: bool):
        self._name = name
        self._kind = kind
        self._labels = {k: text_of(v) for k, v in labels.items()}
        self._keep = keep
        self._resources = resources
        self._open: list[Operation] = []

    # As a context manager: the operation is kept, with what was noted.
    def __enter__(self) -> Operation:
        if not self._name:
            raise ValueError("an operation needs a name: track(\"name\")")
        operation = self._begin(self._name)
        operation._track = self
        operation._token = _current.set(operation)
        self._open.append(operation)
        return operation

    def _begin(self, name: str) -> Operation:
        operation = Operation(name, self._kind, self._labels)
        outer = operation._outer = _current.get()
        try:
            operation.id = tracker.start(self._kind, name, json_of(operation._metadata), None if outer is None else outer.id, self._resources)
        except ValueError as error:
            log.debug("lapwing: an operation was not noted: %s", error)
        return operation

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        operation = self._innermost()
        try:
            _current.reset(operation._token)
        except ValueError:  # Left in another context than it was entered.
            pass
        operation._token = None
        self._end(operation, error)

    @staticmethod
    def _end(operation: Operation, error: BaseException | None) -> None:
        operation._outer = None
        if operation.id is None:
            return
        if is_cancelled(error):
            tracker.abandon(operation.id)
            return
        reason = operation._error if error is None else told(error)
        try:
            operation.result = json.loads(tracker.end(operation.id, reason is None, reason, json_of(operation._metadata)))
        except (KeyError, ValueError) as lost:  # The process forked meanwhile: the parent ends it.
            log.debug("lapwing: an operation was not noted: %s", lost)

    def _innermost(self) -> Operation:
        """The operation that this context entered last through this object: another thread or task may have entered since."""
        operation = _current.get()
        while operation is not None and operation._track is not self:
            operation = operation._outer
        if operation is None:
            return self._open.pop()
        operation._track = None
        self._open.remove(operation)
        return operation

    async def __aenter__(self) -> Operation:
        return self.__enter__()

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.__exit__(kind, error, trace)

    # As a decorator: counted through a bound handle.
    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self(function.__func__))  # type: ignore[return-value]
        if not callable(function) or inspect.isclass(function):
            raise TypeError(f"@track goes over a function, not over {function!r}" + (": put it over its methods" if callable(function) else ""))
        name = self._name or getattr(function, "__qualname__", repr(function)).replace(".<locals>", "")
        # What an operation used is a note of that operation, and nothing that is counted.
        if self._keep or self._resources:
            return self._kept(function, name)
        handle = _native.OperationHandle(self._kind, name, self._labels)
        return _counted(function, handle.ok_after, handle.failed_after, handle.abandoned)

    def _kept(self, function: Callable[..., Any], name: str) -> Any:
        def fresh() -> _Track:
            return _Track(name, self._kind, self._labels, True, self._resources)

        if is_coroutine_function(function):
            @functools.wraps(function)
            async def kept_async(*args: Any, **kwargs: Any) -> Any:
                with fresh():
                    return await function(*args, **kwargs)

            return kept_async
        if inspect.isasyncgenfunction(function):
            return over_async_generator(function, lambda: self._begin(name), self._end, _Inside)
        if inspect.isgeneratorfunction(function):
            return over_generator(function, lambda: self._begin(name), self._end, _Inside)

        if may_return_coroutine(function):
            def ended(operation: Operation) -> Callable[[BaseException | None], None]:
                return lambda error: self._end(operation, error)

            return _over_either(function, lambda: self._begin(name), ended, _Inside)

        @functools.wraps(function)
        def kept(*args: Any, **kwargs: Any) -> Any:
            with fresh():
                return function(*args, **kwargs)

        return kept


class _Inside:
    """What a generator begins is current in its steps."""

    __slots__ = ("_operation", "_token")

    def __init__(self, operation: Operation):
        self._operation = operation
        self._token: Any = None

    def __enter__(self) -> None:
        self._token = _current.set(self._operation)

    def __exit__(self, *_: Any) -> None:
        _current.reset(self._token)


def _counted(
    function: Callable[..., Any], ok: Callable[[float], None], failed: Callable[[float], None], abandoned: Callable[[], None],
    now: Callable[[], float] = perf_counter,
) -> Any:
    if is_coroutine_function(function):
        @functools.wraps(function)
        async def async_wrapper(*args: Any, **kwargs: Any) -> Any:
            started = now()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                # Cancelled is neither a failure nor a success: whoever asked had enough.
                abandoned() if is_cancelled(error) else failed(now() - started)
                raise
            ok(now() - started)
            return result

        return async_wrapper
    def ended(started: float, error: BaseException | None) -> None:
        if error is None:
            ok(now() - started)
        else:
            abandoned() if is_cancelled(error) else failed(now() - started)

    if inspect.isasyncgenfunction(function):
        return over_async_generator(function, now, ended)
    if inspect.isgeneratorfunction(function):
        return over_generator(function, now, ended)

    if may_return_coroutine(function):
        return _over_either(function, now, lambda started: functools.partial(ended, started), lambda started: nullcontext())
    own = _same_signature(function, ok, failed, now)
    if own is not None:
        return own

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        started = now()
        try:
            result = function(*args, **kwargs)
        except BaseException:
            failed(now() - started)
            raise
        ok(now() - started)
        return result

    return wrapper


def _over_either(
    function: Callable[..., Any], begin: Callable[[], Any], ended: Callable[[Any], Callable[[BaseException | None], None]],
    around: Callable[[Any], AbstractContextManager[Any]],
) -> Any:
    """A plain function over a coroutine function: what it returns is measured to its end where it is a coroutine, and as it is where it is none."""
    @functools.wraps(function)
    def either(*args: Any, **kwargs: Any) -> Any:
        begun = begin()
        end, inside = ended(begun), around(begun)
        try:
            with inside:
                result = function(*args, **kwargs)
        except BaseException as error:
            end(error)
            raise
        if inspect.iscoroutine(result):
            return to_its_end(result, end, inside)
        end(None)
        return result

    return either


#: The wrapper of a function whose parameters are known by name. Packing arguments into a tuple and a dictionary, to unpack them right
#: away, costs more than the measuring.
_WRAPPER = """
def wrapper({parameters}):
    _lapwing_started = _lapwing_now()
    try:
        _lapwing_result = _lapwing_function({arguments})
    except BaseException:
        _lapwing_failed(_lapwing_now() - _lapwing_started)
        raise
    _lapwing_ok(_lapwing_now() - _lapwing_started)
    return _lapwing_result
"""


def _same_signature(function: Any, ok: Any, failed: Any, now: Any) -> Any:
    """A wrapper with the function's own parameters; None where it is no plain function or takes whatever comes."""
    if not inspect.isfunction(function):
        return None
    code = function.__code__
    if code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        return None
    positional, names = code.co_argcount, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    # A comprehension's ".0", or a name that is one of ours.
    if any(not n.isidentifier() or n.startswith("_lapwing_") for n in names):
        return None
    defaults, keyword_defaults = function.__defaults__ or (), function.__kwdefaults__ or {}
    first_default = positional - len(defaults)
    scope = {"_lapwing_function": function, "_lapwing_now": now, "_lapwing_ok": ok, "_lapwing_failed": failed, "__name__": function.__module__}
    parameters, arguments = [], []
    for at, name in enumerate(names):
        given = at >= first_default if at < positional else name in keyword_defaults
        if at == positional:
            parameters.append("*")
        parameters.append(f"{name}=_lapwing_default_{at}" if given else name)
        arguments.append(name if at < positional else f"{name}={name}")
        if given:
            scope[f"_lapwing_default_{at}"] = defaults[at - first_default] if at < positional else keyword_defaults[name]
        if at + 1 == code.co_posonlyargcount:
            parameters.append("/")
    source = _WRAPPER.format(parameters=", ".join(parameters), arguments=", ".join(arguments))
    exec(compile(source, "<lapwing.track>", "exec"), scope)
    return functools.wraps(function)(scope["wrapper"])


@overload
def track(name: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def track(name: str | None = None, /, *, kind: str = ..., labels: Mapping[str, Any] | None = ..., keep: bool = ..., resources: bool = ..., **more: Any) -> _Track: ...
def track(name: Any = None, /, *, kind: str = "custom", labels: Mapping[str, Any] | None = None, keep: bool = False, resources: bool = False, **more: Any) -> Any:
    """Times operations: how many, how many failed, how long.

    As a decorator it goes over functions, coroutines, generators and methods, and counts; exceptions count as failures and go on.
    As a context manager it keeps the operation as well. Further keywords are labels.

    >>> @track("doc_predict", model="a")
    ... def predict(x): return x + 1
    >>> predict(1)
    2
    >>> with track("doc_preprocess") as op:
    ...     _ = op.set(tokens=12)
    >>> op.result["success"]
    True
    """
    if callable(name):
        return _Track(None, kind, {}, keep, resources)(name)
    if name is not None and not isinstance(name, str):
        raise TypeError(f"the name of an operation is a string, not {name!r}")
    return _Track(name, kind, dict(labels or {}) | more, keep, resources)


INFERENCES_MAX = 1_000
_inferences: deque[dict[str, Any]] = deque(maxlen=INFERENCES_MAX)


def log_inference(
    *, model: str, version: str = "", latency: float | None = None, inputs: Any = None, outputs: Any = None,
    scores: Mapping[str, float] | None = None, success: bool = True, error: str | None = None, tokens: int | None = None, **labels: Any,
) -> None:
    """Notes one inference: rate, errors, latency, scores; of inputs and outputs their size and not their content. A score that is no finite number, as a
    judge that could not decide gives, is counted by `model_scores_unusable_total` and nothing else.

    >>> log_inference(model="a", version="3", latency=0.12, scores={"quality": 0.9}, outputs="hello")
    """
    if latency is not None and not (0 <= latency < float("inf")):
        raise ValueError(f"a latency of {latency} s is not a duration: it must be finite and not negative")
    success = success and error is None
    common = {"model": text_of(model), "version": text_of(version)} | {k: text_of(v) for k, v in labels.items()}
    handle = _native.OperationHandle("inference", "inference", common)
    if latency is not None:
        handle.record(float(latency), success)
    counter("model_inferences_total", "Inferences.", ("model", "version", "outcome")).labels(
        model, version, "success" if success else "error"
    ).inc()
    for name, value in (scores or {}).items():
        score = _finite(value)
        if score is None:
            counter("model_scores_unusable_total", "Scores that are no finite number.", ("model", "version", "score")).labels(model, version, name).inc()
            continue
        gauge("model_score", "The newest score of an inference.", ("model", "version", "score")).labels(model, version, name).set(score)
        histogram(
            "model_score_distribution", "Scores of inferences.", ("model", "version", "score"), buckets=[i / 20 for i in range(1, 21)]
        ).labels(model, version, name).observe(score)
    sizes = {"input": _size(inputs), "output": _size(outputs)}
    for side, size in sizes.items():
        if size is not None:
            summary_of = histogram("model_payload_size", "Size of inputs and outputs: characters or elements.", ("model", "side"), buckets=[10**i for i in range(8)])
            summary_of.labels(model, side).observe(size)
    if (generated := _finite(tokens)) is not None and generated >= 0:
        counter("model_tokens_total", "Tokens generated.", ("model", "version")).labels(model, version).inc(generated)
    _inferences.append(
        {"model": model, "version": version, "latency": latency, "success": success, "error": error, "scores": dict(scores or {}), "sizes": sizes}
    )


def inferences() -> list[dict[str, Any]]:
    """The newest inferences that were logged."""
    return list(_inferences)


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except Exception:  # What a model or a judge gave is not ours to raise about.
        return None
    return number if math.isfinite(number) else None


def _size(value: Any) -> float | None:
    if value is None:
        return None
    try:
        return float(len(value))
    except Exception:  # A length is a courtesy.
        return 1.0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inferences.clear)
