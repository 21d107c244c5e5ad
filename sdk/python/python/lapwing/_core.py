"""The one engine of this process: where it is, what goes to it, and how it ends.

What must never happen in here: an exception or a wait in the program because a server is away, a disk is full or the interpreter
forks or exits.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, ParamSpec, TypeVar, overload

from . import _native

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from ._result import QueryResult
    from ._spans import Span
    from ._track import _Track

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_URL = "http://127.0.0.1:9595"
#: How long the end of a program waits for what was not sent yet.
EXIT_FLUSH_S = 0.2

log = logging.getLogger("lapwing")
_lock = threading.RLock()
_client: "Client | None" = None
registry = _native.Registry.default()
tracker = _native.Tracker(True)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def unix_of(value: Any, name: str) -> float:
    """Seconds since 1970, of a number or a datetime."""
    timestamp: Any = getattr(value, "timestamp", None)
    try:
        return float(value if timestamp is None else timestamp())
    except (TypeError, ValueError):
        raise TypeError(f"{name} is a datetime or a number of seconds since 1970, not {value!r}") from None


def seconds_of(value: Any, name: str) -> float:
    """Seconds, of a number, `"5m"` or a timedelta."""
    if isinstance(value, str):
        return _native.duration_ms(value) / 1000
    total: Any = getattr(value, "total_seconds", None)
    try:
        return float(value if total is None else total())
    except (TypeError, ValueError):
        raise TypeError(f"{name} is a number of seconds, a text such as 5m or a timedelta, not {value!r}") from None


def _place(depth: int = 2) -> str:
    try:
        frame = sys._getframe(depth)
    except ValueError:
        return ""
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _names(labels: "Iterable[str] | str") -> list[str]:
    if isinstance(labels, str):
        raise TypeError(f"labels is a list of names, not one string: labels=({labels!r},)")
    names = list(labels)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"the name of a label is a string, not {name!r}")
    return names


def _metric(kind: str, name: str, help: Any, labels: Any, buckets: Iterable[float] = (), quantiles: Iterable[float] = ()) -> Any:
    if not isinstance(help, str):
        # `counter("x", ("a", "b"))`: labels where the help text goes.
        help, labels = "", help
    finite = [float(b) for b in buckets if b != float("inf")]
    return registry.metric(kind, name, help, _names(labels), finite, list(quantiles), _place(3))


def counter(name: str, help: str = "", labels: Iterable[str] = ()) -> _native.Counter:
    """A number that only goes up. Asking again returns the same one.

    >>> requests = counter("doc_requests_total", "Requests.", labels=("model", "status"))
    >>> requests.labels("a", "200").inc()
    >>> requests.labels(model="a", status="200").value
    1.0
    """
    return _metric("counter", name, help, labels)


def gauge(name: str, help: str = "", labels: Iterable[str] = ()) -> _native.Gauge:
    """A number that is set.

    >>> depth = gauge("doc_queue_depth")
    >>> depth.set(3)
    >>> depth.inc()
    >>> depth.value
    4.0
    """
    return _metric("gauge", name, help, labels)


def histogram(name: str, help: str = "", labels: Iterable[str] = (), buckets: Iterable[float] = ()) -> _native.Histogram:
    """Values counted by buckets; the default ones are for seconds.

    >>> latency = histogram("doc_latency_seconds", labels=("model",)).bind(model="a")
    >>> latency.observe(0.03)
    """
    return _metric("histogram", name, help, labels, buckets=buckets)


def summary(name: str, help: str = "", labels: Iterable[str] = (), quantiles: Iterable[float] = (0.5, 0.9, 0.99)) -> _native.Summary:
    """Count, sum, and true quantiles of the newest values.

    >>> size = summary("doc_size_bytes")
    >>> for n in (1, 2, 3): size.observe(n)
    >>> size.quantile(0.5)
    2.0
    """
    return _metric("summary", name, help, labels, quantiles=quantiles)


def exposition() -> str:
    """All metrics of this process in Prometheus's text format."""
    return registry.exposition()


class Client:
    """Where this process's metrics and operations go: an engine in the process, or a server."""

    def __init__(self, mode: str, *, url: str | None = None, engine: Any = None, remote: Any = None, options: Mapping[str, Any] | None = None):
        self.mode = mode
        self.url = url
        self._engine = engine
        self._remote = remote
        self._options = dict(options or {})
        self._pid = os.getpid()
        self._server: Any = None
        self._data_error: str | None = None
        #: Whether it said which spans are kept or where they go.
        self._traces = False
        #: What was told about sending: `away`, `refused`; nothing while it goes well.
        self._told: str | None = None
        self._refused = 0
        self._looking = threading.Lock()
        self._ended = threading.Event()
        if remote is not None:
            threading.Thread(target=self._watch, name="lapwing-watch", daemon=True).start()

    # The surface of a module, so that `m = lapwing.init()` is enough.
    counter = staticmethod(counter)
    gauge = staticmethod(gauge)
    histogram = staticmethod(histogram)
    summary = staticmethod(summary)
    exposition = staticmethod(exposition)

    @overload
    def track(self, name: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def track(self, name: str | None = None, /, *, kind: str = ..., labels: Mapping[str, Any] | None = ..., keep: bool = ..., resources: bool = ..., **more: Any) -> "_Track": ...
    def track(self, name: Any = None, /, **more: Any) -> Any:
        """`lapwing.track`."""
        from ._track import track

        return track(name, **more)

    def span(self, name: str, /, **attributes: Any) -> "Span":
        """`lapwing.span`."""
        from ._spans import span

        return span(name, **attributes)

    def query(self, expr: str, at: "float | datetime | None" = None) -> "QueryResult":
        """What PromQL says at an instant (seconds since 1970 or a datetime): `[{"metric": {…}, "value": [t_ms, v]}]`; `.to_pandas()` and `.to_arrow()` make
        a table of it."""
        from ._result import QueryResult, in_numbers

        seconds = None if at is None else unix_of(at, "at")
        if self._engine is not None:
            at_ms = None if seconds is None else int(seconds * 1000)
            return QueryResult(in_numbers(json.loads(self._engine.query(expr, at_ms))["result"]))
        params = {"query": expr} | ({} if seconds is None else {"time": str(seconds)})
        return QueryResult(in_numbers(self._get("/api/v1/query", params)["result"], 1000))

    def query_range(self, expr: str, start: "float | datetime", end: "float | datetime", step: "float | str | timedelta") -> "QueryResult":
        """What PromQL says at every step of a time, from and to seconds since 1970 or datetimes, in steps of seconds or `"1m"`:
        `[{"metric": {…}, "values": [[t_ms, v], …]}]`."""
        from ._result import QueryResult, in_numbers

        start, end, step = unix_of(start, "start"), unix_of(end, "end"), seconds_of(step, "step")
        if not step > 0 or end < start:
            raise ValueError("a range has a step of more than nothing, and does not end before it starts")
        if self._engine is not None:
            told = self._engine.query_range(expr, int(start * 1000), int(end * 1000), max(int(step * 1000), 1))
            return QueryResult(in_numbers(json.loads(told)["result"]))
        params = {"query": expr, "start": str(start), "end": str(end), "step": str(step)}
        return QueryResult(in_numbers(self._get("/api/v1/query_range", params)["result"], 1000))

    async def aquery(self, expr: str, at: "float | datetime | None" = None) -> "QueryResult":
        """`query` for coroutines: the loop is not held."""
        import asyncio

        return await asyncio.to_thread(self.query, expr, at)

    def alerts(self) -> list[dict[str, Any]]:
        """What rules of the engine found: pending and firing."""
        if self._engine is not None:
            return json.loads(self._engine.alerts())["alerts"]
        return self._get("/api/v1/alerts", {})["alerts"]

    def performance_report(self, hours: float = 24, **thresholds: Any) -> dict[str, Any]:
        """Numbers, trends, bottlenecks and recommendations over operations; thresholds by name (`slow_s=5`)."""
        if hours <= 0:
            raise ValueError("hours must be more than nothing")
        if self._engine is not None:
            return json.loads(self._engine.performance_report(float(hours), json.dumps(thresholds)))
        if thresholds:
            # One that nobody knows is an error, wherever the engine is.
            _native.performance_report("[]", "[]", 0, 1, json.dumps(thresholds))
        params = {"hours": str(hours)} | {k: str(v) for k, v in thresholds.items()}
        return self._get("/api/v1/performance/report", params)

    def pipelines(self) -> dict[str, Any]:
        """Health of pipelines, each and overall."""
        if self._engine is not None:
            return json.loads(self._engine.pipeline_health("{}"))
        return self._get("/api/v1/pipelines", {})

    def backtest(self, rule: Mapping[str, Any], start_ms: int, end_ms: int, step_ms: int) -> list[dict[str, Any]]:
        """What a server says that this rule would have done; `AlertRule.backtest()` asks so."""
        told = self._ask("/api/v1/rules/backtest", json.dumps(
            {"rule": rule, "start": str(start_ms / 1000), "end": str(end_ms / 1000), "step": f"{step_ms}ms"}
        ).encode())
        events = []
        for interval in told["intervals"]:
            shown = {"name": interval["rule"], "labels": interval["labels"], "value": interval["value"]}
            events.append(shown | {"kind": "firing", "at_ms": _ms_of(interval["start"])})
            if interval["end"] is not None:
                events.append(shown | {"kind": "resolved", "at_ms": _ms_of(interval["end"])})
        return sorted(events, key=lambda e: e["at_ms"])

    def flush(self, timeout: float = 5.0) -> bool:
        """Sends everything now, waiting at most so long; whether all of it went."""
        if self._pid != os.getpid():
            # After a fork: the child's own client, made for it.
            return True if _client is None or _client is self else _client.flush(timeout)
        until, exporter = time.monotonic() + timeout, _exporter()
        if exporter is not None:
            exporter.ask()  # Both at once: one that hangs is not waited for twice.
        sent = True if self._remote is None else self._remote.flush(timeout)
        return sent if exporter is None else exporter.flush(max(until - time.monotonic(), 0.01)) and sent

    def status(self) -> dict[str, Any]:
        """How it is going: mode, what was sent, what waits, the last error."""
        status: dict[str, Any] = {"mode": self.mode, "url": self.url, "pid": os.getpid(), "operations_running": tracker.running}
        own = self if self._pid == os.getpid() else _client
        if own is not None and own._remote is not None:
            status |= json.loads(own._remote.status())
        exporter = _exporter()
        if exporter is not None:
            status |= exporter.status()
        if self._data_error is not None:
            status["data_error"] = self._data_error
        return status

    def close(self, timeout: float = 5.0) -> None:
        """Sends what is left and ends it. A second call does nothing."""
        global _client
        with _lock:
            if _client is self:
                _client = None
        if self._pid != os.getpid():
            return
        until, exporter = time.monotonic() + timeout, _exporter()
        if exporter is not None:
            exporter.ask()
        self._ended.set()
        if self._remote is not None:
            self._remote.stop(timeout)
            self._look()
        if self._traces:
            from ._spans import configure

            if exporter is not None:
                exporter.close(max(until - time.monotonic(), 0.01))
            configure()
        if self._engine is not None:
            try:
                self._engine.stop()
            except RuntimeError as error:  # The disk is full or gone: nothing that the program could do about it here.
                self._data_error = str(error)
                log.warning("lapwing: what was kept last is not on disk: %s", error)
        if self._server is not None:
            from ._child import end_server

            end_server(self._server, timeout)
            self._server = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: Any) -> None:
        import asyncio

        await asyncio.to_thread(self.close)

    def __repr__(self) -> str:
        return f"<lapwing {self.mode}{' at ' + self.url if self.url else ''}>"

    def _repr_html_(self) -> str:
        from ._html import table

        return table([{"": k, " ": v} for k, v in self.status().items()])

    def _get(self, path: str, params: Mapping[str, str]) -> Any:
        from urllib.parse import urlencode

        return self._ask(f"{path}?{urlencode(params)}")

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        from urllib.error import HTTPError, URLError
        from urllib.request import Request, urlopen

        request = Request(f"{self.url}{path}", body)
        if token := self._options.get("token"):
            request.add_header("authorization", f"Bearer {token}")
        try:
            with urlopen(request, timeout=30) as answer:
                text = answer.read()
        except HTTPError as error:
            raise ValueError(f"{self.url} answered {error.code}: {_reason_of(error.read(2000))}") from None
        except OSError as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise ConnectionError(f"the server at {self.url} is not to be reached: {reason}") from None
        try:
            told = json.loads(text)
        except ValueError:
            raise ValueError(f"what is at {self.url} is no server of Lapwing's: {request.full_url} answered with something else than JSON") from None
        return told.get("data", told) if isinstance(told, dict) and told.get("status") == "success" else told

    def _watch(self) -> None:
        while not self._ended.wait(max(self._options.get("interval", 5.0), 0.05)):
            self._look()

    def _look(self) -> None:
        """One warning when sending begins to fail or a server refuses, and another only after it went well again."""
        try:
            with self._looking:
                status = json.loads(self._remote.status())
                reason, refuses, told = status["last_error"], status["refused"] > self._refused, self._told
                self._refused = status["refused"]
                if reason is not None:
                    self._told = "refused" if refuses or told == "refused" else "away"
                elif status["sent"] > 0:
                    self._told = None
                if reason is None or self._told == told:
                    return
            if refuses:
                then = "what it refuses is lost"
            elif self._ended.is_set():
                then = "what was not sent is lost" if self._options.get("spool_dir") is None else "what was not sent waits in spool_dir"
            else:
                then = "what is recorded waits, and the oldest goes first when it becomes too much"
            log.warning("lapwing: %s; %s", reason, then)
        except Exception:  # Whoever asked is a thread of ours, or the end of the program.
            log.debug("lapwing: how sending goes could not be told", exc_info=True)


def _reason_of(body: bytes) -> str:
    """What a server says is wrong, in its own words where it answers as Prometheus does."""
    text = body.decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, TypeError, KeyError):
        return text


def _ms_of(text: str) -> int:
    from datetime import datetime

    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _remote(url: str, options: Mapping[str, Any]) -> _native.Remote:
    import socket

    labels = {"job": options.get("service") or "python", "instance": f"{socket.gethostname()}:{os.getpid()}"}
    labels |= dict(options.get("labels") or {})
    return _native.Remote(
        url,
        token=options.get("token"),
        interval_s=options.get("interval", 5.0),
        timeout_s=options.get("timeout", 5.0),
        labels=labels,
        spool_bytes_max=options.get("spool_bytes_max", 16 << 20),
        spool_dir=options.get("spool_dir"),
    )


def init(
    url: str | None = None,
    *,
    embedded: bool | None = None,
    ui: bool = False,
    data: str | os.PathLike[str] | None = None,
    rules: Iterable[Any] = (),
    token: str | None = None,
    service: str | None = None,
    labels: Mapping[str, Any] | None = None,
    interval: float = 5.0,
    timeout: float = 5.0,
    host_metrics: float | None = None,
    spool_dir: str | os.PathLike[str] | None = None,
    spool_bytes_max: int = 16 << 20,
    traces: str | None = None,
    trace_share: float | None = None,
    trace_slow: float | None = None,
    trace_headers: Mapping[str, str] | None = None,
) -> Client:
    """Starts watching this process. Ships to `url`, to `LAPWING_URL`, or to a server on this machine if there is one; otherwise
    (or with `embedded=True`) the engine lives in this process. `ui=True` starts a server beside it, with its web page.

    A server that is away is no error: what is recorded waits, within bounds, and one warning says so. Nor is a directory that another process
    holds or that cannot be written: the engine lives in memory then, a warning says so, and `status()["data_error"]` why.

    `rules`, `data` and `host_metrics` are for an engine in this process: where a server takes what is recorded, a warning says that they are not used.

    `traces` is an OpenTelemetry endpoint for spans (OTLP over HTTP, `http://collector:4318`; or `LAPWING_TRACES`, or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`), with
    `trace_headers`. Of spans a `trace_share` is kept and sent, and all that failed or took `trace_slow` seconds; what is counted is counted of all.

    >>> with init(embedded=True) as m:
    ...     m.counter("doc_init_total").inc()
    ...     m.query("doc_init_total")[0]["value"][1]
    1.0
    """
    global _client
    with _lock:
        if _client is not None:
            return _client
        url = url or os.environ.get("LAPWING_URL") or None
        token = token or os.environ.get("LAPWING_TOKEN") or None
        options: dict[str, Any] = {
            "token": token, "service": service, "labels": labels, "interval": interval, "timeout": timeout,
            "spool_dir": None if spool_dir is None else os.fspath(spool_dir), "spool_bytes_max": spool_bytes_max,
        }
        _flush_when_a_worker_ends()
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            # A worker that has begun already, or one that was spawned.
            sys.modules["multiprocessing.util"].Finalize(None, _at_exit, exitpriority=-100)
        told_of_traces = _trace(traces, trace_share, trace_slow, service, trace_headers)
        server = None
        if ui and url is None:
            from ._child import start_server

            url, server = start_server(data)
        if url is None and embedded is not True:
            from ._child import answers

            url = DEFAULT_URL if answers(DEFAULT_URL) else None
        if url is not None and embedded is not True:
            _client = Client("remote", url=url.rstrip("/"), remote=_remote(url.rstrip("/"), options), options=options)
            _client._server = server
            _unused({"rules": rules, "data": data if server is None else None, "host_metrics": host_metrics}, url)
        else:
            own = [r.to_rule() if hasattr(r, "to_rule") else dict(r) for r in rules]
            engine, data_error = _engine(None if data is None else os.fspath(data), json.dumps(own), host_metrics)
            _client = Client("embedded", engine=engine, options=options)
            _client._data_error = data_error
        _client._traces = told_of_traces
        return _client


def _unused(given: Mapping[str, Any], url: str) -> None:
    """Says which arguments have no effect beside a server."""
    if names := [name for name, value in given.items() if value not in (None, (), [])]:
        log.warning(
            "lapwing: %s not used: %s for an engine in this process, and what is recorded goes to %s; init(embedded=True) insists on the engine, "
            "or tell it to the server", *(" and ".join(names) + (" are" if len(names) > 1 else " is"), "they are" if len(names) > 1 else "it is", url),
        )


def _engine(data: str | None, rules: str, host_metrics: float | None) -> tuple[Any, str | None]:
    """An engine over the directory; in memory where the directory is another process's (a worker that was spawned), or cannot be written."""
    try:
        return _native.Engine(data, rules=rules, host_interval_s=host_metrics), None
    except RuntimeError as error:
        if data is None:
            raise
        log.warning("lapwing: %s; this process keeps its numbers in memory only", error)
        return _native.Engine(None, rules=rules, host_interval_s=host_metrics), str(error)


def _exporter() -> Any:
    """Where spans are sent, if anything of spans was used."""
    module = sys.modules.get(f"{__package__}._spans")
    return None if module is None else module.exporter()


def _trace(url: str | None, share: float | None, slow: float | None, service: str | None, headers: Mapping[str, str] | None) -> bool:
    """Says which spans are kept and where they go; whether there was anything to say."""
    named = os.environ.get("LAPWING_TRACES") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if url is None and not named and share is None and slow is None:
        return False
    from ._spans import configure

    try:
        configure(url or named or None, share=share, slow=slow, service=service, headers=headers)
    except ValueError as error:
        if url is not None or not named:
            raise
        # A variable of the environment must not end a program that runs elsewhere.
        log.warning("lapwing: no spans are sent: %s", error)
        configure(None, share=share, slow=slow)
    return True


def client() -> Client | None:
    """The client of this process, if `init()` was called."""
    return _client


def flush(timeout: float = 5.0) -> bool:
    """Sends everything now, waiting at most so long."""
    return True if _client is None else _client.flush(timeout)


def shutdown(timeout: float = 5.0) -> None:
    """Ends what `init()` began. A later `init()` begins anew."""
    if _client is not None:
        _client.close(timeout)


def _at_exit() -> None:
    current = _client
    if current is None:
        return
    try:
        current.close(EXIT_FLUSH_S)
    except Exception:  # The end of a program is no place for an exception of ours.
        pass


def _after_fork_in_child() -> None:
    global _client, _lock
    _native.fork_after_in_child()
    # Another thread may have been in `init()`: it is not here to let go.
    _lock = threading.RLock()
    current = _client
    if current is None:
        return
    _client = None
    if current._server is not None:
        # The server ends with the process that started it: a child must not hold the other end of its pipe.
        try:
            current._server.stdin.close()
        except OSError:
            pass
    if current.mode == "remote" and current.url is not None:
        try:
            _client = Client("remote", url=current.url, remote=_remote(current.url, current._options), options=current._options)
            # What the parent has said is not said again by every worker.
            _client._told = current._told
        except Exception:
            _client = None


class _Worker:
    """What `multiprocessing` remembers of us. Its workers end without what `atexit` has: they run finalizers of their own, which it empties when a worker
    begins, and hooks that it runs right after that."""


_worker: _Worker | None = None


def _flush_when_a_worker_ends() -> None:
    """So that workers, too, lose nothing that they recorded. Only where somebody uses `multiprocessing`."""
    global _worker
    util = sys.modules.get("multiprocessing.util")
    if util is not None and _worker is None:
        _worker = _Worker()
        util.register_after_fork(_worker, lambda _: util.Finalize(None, _at_exit, exitpriority=-100))


def _before_fork() -> None:
    _flush_when_a_worker_ends()
    _native.fork_before()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_native.fork_after_in_parent,
        after_in_child=_after_fork_in_child,
    )
