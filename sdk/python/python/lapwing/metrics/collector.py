"""Collecting metrics: what a program records, what sources give, what the seeds' collectors knew."""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any, Callable, Iterable, Iterator, Mapping

from .._fork import remembered
from .. import _core, _native
from .._loop import Loop
from .._numbers import listed, number_in, number_of
from .._result import QueryResult, in_numbers
from .._text import check_misspelt, told
from ._recent import Recent

log = logging.getLogger("lapwing")


class MetricType(str, Enum):
    """Types of metrics (seed 0)."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    TIMER = "timer"

    def __str__(self) -> str:
        return self.value


def metric_type_of(value: Any) -> MetricType:
    try:
        return MetricType(getattr(value, "value", value))
    except ValueError:
        raise ValueError(f"{value!r} is not a type of metric: use {', '.join(t.value for t in MetricType)}") from None


@dataclass(frozen=True)
class MonitoringMetric:
    """One value of one series. `float(metric)` is the value."""

    name: str
    metric_type: MetricType
    value: float
    timestamp: float = field(default_factory=time.time)
    labels: Mapping[str, str] = field(default_factory=dict)
    description: str = ""

    @property
    def type(self) -> MetricType:
        return self.metric_type

    @property
    def time(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp, timezone.utc)

    @property
    def series(self) -> str:
        """Name and labels as PromQL writes them."""
        if not self.labels:
            return self.name
        return self.name + "{" + ", ".join(f"{k}={json.dumps(v)}" for k, v in sorted(self.labels.items())) + "}"

    def __float__(self) -> float:
        return self.value


@dataclass
class ModelMetrics:
    """Numbers of a model (seed 1)."""

    inference_time: float
    memory_usage: float
    gpu_utilization: float
    throughput: float
    error_rate: float


def samples_of(metrics: Any) -> Iterator[tuple[str, dict[str, str] | None, float]]:
    """Name, labels, value of whatever a seed calls "metrics": dictionaries (a nested one's names begin with its own and `_`), metrics, lists of
    them. Of a list of numbers the last counts. What is not a number is passed over."""
    if metrics is None:
        return
    if isinstance(metrics, MonitoringMetric):
        yield metrics.name, dict(metrics.labels), float(metrics.value)
    elif isinstance(metrics, ModelMetrics):
        yield from samples_of(vars(metrics))
    elif isinstance(metrics, Mapping):
        if "name" in metrics and "value" in metrics:
            if (number := number_in(metrics["value"])) is not None:
                yield str(metrics["name"]), dict(metrics.get("labels") or {}), number
            return
        for name, value in metrics.items():
            if isinstance(value, Mapping):
                for inner, labels, number in samples_of(value):
                    # One that has it already, as in {"latency": {"latency_p95": 2}}, does not get it twice.
                    has_it = inner == str(name) or inner.startswith(f"{name}_")
                    yield inner if has_it else f"{name}_{inner}", labels, number
            elif isinstance(value, MonitoringMetric):
                yield from samples_of(value)
            elif (values := listed(value)) is not None:
                numbers = [n for v in values if (n := number_of(v)) is not None]
                if numbers:
                    yield str(name), None, numbers[-1]
            elif (number := number_in(value)) is not None and not math.isnan(number):
                yield str(name), None, number
    elif hasattr(metrics, "collect_samples"):
        yield from metrics.collect_samples()
    elif isinstance(metrics, Iterable) and not isinstance(metrics, (str, bytes)):
        for metric in metrics:
            yield from samples_of(metric)
    else:
        raise TypeError(f"metrics are a dictionary, a list of metrics or a collector, not {metrics!r}")


_host: Any = None
_host_lock = threading.Lock()
#: What the first share of CPU time is measured over at least; a few ticks of the kernel would be all or nothing.
FIRST_MEASURE_S = 0.2


def host() -> Any:
    """The reader of this host, one per process."""
    global _host
    with _host_lock:
        if _host is None:
            made = _native.Host()
            made.sample()
            time.sleep(FIRST_MEASURE_S)
            _host = made
        return _host


def _forget_host() -> None:
    """In a forked child: its reader may have been read from while the process forked, and a driver's library does not survive that."""
    global _host, _host_lock
    _left_alone.append(_host)
    _host, _host_lock = None, threading.Lock()


_left_alone: list[Any] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_host)


def host_sample() -> dict[str, Any]:
    """CPU, memory, disk, network, GPUs and this process, read now. CPU is the share since the last measure, over half a second at least: whoever
    asks sooner is told the last one, so that any number of readers do not spoil each other's. The very first call waits a moment for one."""
    found: dict[str, Any] = json.loads(host().sample())
    return found


#: How far the history of a series that is recorded more than a thousand times a second may run ahead of the clock.
AHEAD_MS_MAX = 1_000
#: Series whose newest value is known, and names whose failures are.
SERIES_MAX, FAILURES_MAX = 100_000, 1_000
#: Values that wait at most, whatever a configuration says: some ten megabytes.
BATCH_MAX = 100_000


def _seconds(interval: Any) -> float:
    return float(interval) if isinstance(interval, (int, float)) else _native.duration_ms(str(interval)) / 1000


class MetricsCollector:
    """Seed 0's collector (`record_metric`, `get_metric`, …), seed 1's (`record_request`, `request_counter`, …) and seed 2's (`collect`) in one.

    What is recorded is kept with its labels in a store of its own, which answers PromQL (`query`), and appears among the process's metrics. With a
    `batch_size` (as seed 2's configuration has it) so many values are kept as one piece; whoever asks finds those that wait as well.

    >>> metrics = MetricsCollector()
    >>> metrics.record_metric("queue_length", MetricType.GAUGE, 3, {"queue": "a"})
    >>> metrics.record_metric("queue_length", MetricType.GAUGE, 5, {"queue": "b"})
    >>> metrics.get_metric("queue_length", {"queue": "a"}).value
    3.0
    """

    def __init__(
        self, config: Mapping[str, Any] | None = None, *, retention_hours: float | None = None, prefix: str = "nemo_rl", batch_size: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        config = dict(config or {})
        check_misspelt(config, ("batch_size", "metrics_retention_hours"), "the configuration of a collector")
        batch_size = config.get("batch_size", 1) if batch_size is None else batch_size
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or not 1 <= batch_size <= BATCH_MAX:
            raise ValueError(f"a batch of {batch_size!r} is none: it is a whole number from 1 to {BATCH_MAX}")
        hours = retention_hours if retention_hours is not None else config.get("metrics_retention_hours", 168)
        if not hours > 0:
            raise ValueError(f"a retention of {hours} hours is none: it must be more than 0")
        self.config = config
        self.retention_hours = hours
        self.failures: dict[str, str] = {}
        self.batch_size = batch_size
        self._kept = _native.Store(int(hours * 3_600_000))
        self._waiting: list[tuple[str, dict[str, str], int, float]] = []
        #: The newest values of series that are recorded faster than their history takes them.
        self._behind: dict[Any, float] = {}
        #: Where the newest sample stands: ahead of the clock by `AHEAD_MS_MAX` at most.
        self._ahead_ms = 0
        self._newest: dict[tuple[str, tuple[tuple[str, str], ...]], MonitoringMetric] = {}
        self._last_ms: dict[Any, int] = {}
        self._described: set[str] = set()
        self._recorded = 0
        #: Names that a warning was written about, and sources whose failure is noted.
        self._warned: set[str] = set()
        self._unread: set[str] = set()
        self._clock = clock
        remembered(self)
        self._loop: Loop | None = None
        c, g, h = _core.counter, _core.gauge, _core.histogram
        self.request_counter = c(f"{prefix}_requests_total", "Total number of requests", ("endpoint", "status", "model_version"))
        self.request_duration = h(f"{prefix}_request_duration_seconds", "Request duration in seconds", ("endpoint", "model_version"))
        self.inference_time = h(f"{prefix}_inference_time_seconds", "Model inference time in seconds", ("model_version",))
        self.memory_usage = g(f"{prefix}_memory_usage_bytes", "Memory usage in bytes", ("device", "model_version"))
        self.gpu_utilization = g(f"{prefix}_gpu_utilization_percent", "GPU utilization percentage", ("gpu_id", "model_version"))
        self.response_quality = h(
            f"{prefix}_response_quality_score", "Response quality score", ("model_version",), buckets=[i / 20 for i in range(1, 21)]
        )
        self.user_satisfaction = c(f"{prefix}_user_satisfaction_total", "User satisfaction ratings", ("rating", "model_version"))
        self._durations = _core.summary(f"{prefix}_request_duration_recent_seconds", "Duration of the newest requests")
        self._inferences = _core.summary(f"{prefix}_inference_time_recent_seconds", "Time of the newest inferences")

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._requests_total = 0
        self._recent_requests, self._recent_inferences, self._recent_scores = (Recent(self._clock()) for _ in range(3))

    # Seed 0.
    def record_metric(self, name: str, metric_type: Any, value: float, labels: Mapping[str, Any] | None = None, description: str = "") -> None:
        """Keeps a value. The same name with other labels is another series (seed 0 let the last writer win). Any text is a name. A value that cannot
        appear among the process's metrics, because they have the name with another type or other labels, is noted in `failures`."""
        self._record(name, metric_type, value, labels, description)

    def _record(self, name: str, metric_type: Any, value: float, labels: Mapping[str, Any] | None, description: str = "") -> MonitoringMetric:
        kind = metric_type_of(metric_type)
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"the value of {name!r} is a number, not {value!r}") from None
        if math.isnan(number):
            raise ValueError(f"the value of {name!r} is not a number (NaN)")
        if kind is MetricType.TIMER and not (0 <= number < math.inf):
            raise ValueError(f"a duration of {number} s is not a duration: it must be finite and not negative")
        own = {str(k): str(v) for k, v in (labels or {}).items()}
        key = (name, tuple(sorted(own.items())))
        with self._lock:
            now = _core.now_ms()
            # Two values in one millisecond are two values. Of a series that is recorded more often than that for long, the history takes a
            # thousand values a second, and the newest.
            at = max(now, self._last_ms.get(key, 0) + 1)
            if at <= now + AHEAD_MS_MAX:
                self._keep(key, number, at, now)
                self._behind.pop(key, None)
            else:
                at -= 1
                self._behind[key] = number
            # To the end: of what was recorded within one millisecond the last is the newest.
            self._newest.pop(key, None)
            newest = self._newest[key] = MonitoringMetric(name, kind, number, at / 1000, own, description)
            if len(self._newest) > SERIES_MAX:
                oldest = next(iter(self._newest))
                for of_series in (self._newest, self._last_ms, self._behind):
                    of_series.pop(oldest, None)
            self._recorded += 1
            due = self._recorded % 10_000 == 0
            described = name in self._described
            if not described and len(self._described) < SERIES_MAX:
                self._described.add(name)
        shape = "histogram" if kind in (MetricType.HISTOGRAM, MetricType.TIMER) else "gauge"
        if not described and description:
            self._kept.describe(name, "gauge", description, now)
        if not _core.registry.record_loose(shape, name, description, own, number):
            self._note(name, "is not among the metrics of this process", _core.registry.why_not_loose(shape, name, own))
        if due:
            self._kept.maintain(now)
        return newest

    # Within the lock:
    def _keep(self, key: Any, value: float, at: int, now: int) -> None:
        self._last_ms[key] = at
        self._ahead_ms = max(self._ahead_ms, at)
        if self.batch_size == 1:
            self._not_kept(key[0], self._kept.append(key[0], dict(key[1]), at, value, now))
            return
        self._waiting.append((key[0], dict(key[1]), at, value))
        if len(self._waiting) >= self.batch_size:
            self._keep_waiting(now)

    def _keep_waiting(self, now: int) -> None:
        waiting, self._waiting = self._waiting, []
        for name, reason in self._kept.append_many(waiting, now):
            self._not_kept(name, reason)

    def _not_kept(self, name: str, reason: str | None) -> None:
        """Noted, not raised: too many label sets are found in production, where whoever records them has other work."""
        if reason is not None:
            self._note(name, "was not kept", reason)

    def _note(self, name: str, what: str, reason: str | None) -> None:
        if name not in self._warned and len(self._warned) < FAILURES_MAX:
            self._warned.add(name)
            log.warning("lapwing: a value of %s %s: %s", name, what, reason)
        if len(self.failures) < FAILURES_MAX:
            self.failures[name] = f"{name} {what}: {reason}"

    @property
    def _store(self) -> Any:
        """With everything that was recorded by now."""
        with self._lock:
            now = _core.now_ms()
            behind, self._behind = self._behind, {}
            for key, value in behind.items():
                self._keep(key, value, max(now, self._last_ms.get(key, 0) + 1), now)
            if self._waiting:
                self._keep_waiting(now)
        return self._kept

    def get_metric(self, name: str, labels: Mapping[str, Any] | None = None) -> MonitoringMetric | None:
        """The newest value; with labels, of that series."""
        if labels is not None:
            return self._newest.get((name, tuple(sorted((str(k), str(v)) for k, v in labels.items()))))
        found = [m for (n, _), m in reversed(list(self._newest.items())) if n == name]
        return max(found, key=lambda m: m.timestamp, default=None)

    def get_metrics_by_prefix(self, prefix: str) -> dict[str, MonitoringMetric]:
        """The newest value of every series whose name begins so, by series."""
        return {m.series: m for (n, _), m in sorted(self._newest.items()) if n.startswith(prefix)}

    def get_metric_history(self, name: str, hours: float = 24, labels: Mapping[str, Any] | None = None) -> list[MonitoringMetric]:
        """Values of the last hours, the oldest first."""
        if not hours > 0:
            raise ValueError(f"a history of {hours} hours is none: it must be more than 0")
        now = _core.now_ms()
        wanted = None if labels is None else {str(k): str(v) for k, v in labels.items()}
        found = []
        for pairs, points in self._store.select(name, now - int(hours * 3_600_000), now + 60_000):
            own = {k: v for k, v in pairs if k != "__name__"}
            if wanted is not None and own != wanted:
                continue
            known = self._newest.get((name, tuple(sorted(own.items()))))
            kind = known.metric_type if known else MetricType.GAUGE
            found += [MonitoringMetric(name, kind, v, t / 1000, own, known.description if known else "") for t, v in points]
        return sorted(found, key=lambda m: m.timestamp)

    @property
    def metrics(self) -> dict[str, MonitoringMetric]:
        return self.get_metrics_by_prefix("")

    def query(self, expr: str, at: float | datetime | None = None) -> QueryResult:
        """PromQL over what was recorded, as `lapwing.init().query` answers it."""
        store = self._store
        at_ms = max(_core.now_ms() + 1000, self._ahead_ms) if at is None else int(_core.unix_of(at, "at") * 1000)
        return QueryResult(in_numbers(json.loads(store.query(expr, at_ms))["result"]))

    # Seed 1.
    def record_request(self, endpoint: str, status: Any, duration: float, model_version: str = "") -> None:
        self._duration(duration)
        self.request_counter.labels(endpoint, status, model_version).inc()
        self.request_duration.labels(endpoint, model_version).observe(duration)
        self._durations.observe(duration)
        failed = _is_error(status)
        with self._lock:
            self._requests_total += 1
            self._recent_requests.add(self._clock(), duration, failed)

    def record_inference(self, duration: float, model_version: str = "") -> None:
        self._duration(duration)
        self.inference_time.labels(model_version).observe(duration)
        self._inferences.observe(duration)
        with self._lock:
            self._recent_inferences.add(self._clock(), duration)

    def update_system_metrics(self, model_version: str = "") -> None:
        """Memory and every GPU, from the collectors of the engine: no device is made to wait."""
        now = host_sample()
        if now.get("memory_used_bytes") is not None:
            self.memory_usage.labels("cpu", model_version).set(now["memory_used_bytes"])
        used = [g["memory_used_bytes"] for g in now["gpus"] if g.get("memory_used_bytes") is not None]
        if used:
            self.memory_usage.labels("gpu", model_version).set(sum(used))
        for gpu in now["gpus"]:
            if gpu.get("utilization_percent") is not None:
                self.gpu_utilization.labels(gpu["gpu"], model_version).set(gpu["utilization_percent"])

    def record_quality_metrics(self, quality_score: float, model_version: str = "") -> None:
        score = float(quality_score)
        self.response_quality.labels(model_version).observe(score)
        with self._lock:
            self._recent_scores.add(self._clock(), score)

    def record_user_satisfaction(self, rating: int, model_version: str = "") -> None:
        self.user_satisfaction.labels(str(rating), model_version).inc()

    def request_summary(self) -> dict[str, float | None]:
        """What seed 1's dashboard and rules ask for: all requests that this collector was told of, and of those in the last five minutes the share that
        failed, how many a second, how long they and the inferences took, and the mean score. None where there were none."""
        with self._lock:
            now = self._clock()
            requests, inferences = self._recent_requests.read(now), self._recent_inferences.read(now)
            scores = self._recent_scores.read(now)
            total = self._requests_total
        return {
            "total_requests": total, "error_rate": requests["error_rate"], "request_rate": requests["rate"], "average_latency": requests["average"],
            "p95_latency": requests["p95"], "average_inference_time": inferences["average"], "quality_score": scores["average"],
        }

    # Seed 2.
    def collect(self, sources: Any = None, interval: Any = None) -> list[MonitoringMetric]:
        """Asks every source once. A source is a function, a dictionary, a metric, an object with `collect()`, or one of the names `system`,
        `process`, `gpu`. One that fails is noted in `failures`. With an `interval` (seconds or `"60s"`) it goes on in the background until
        `stop()`."""
        if interval is not None:
            seconds = _seconds(interval)
            if not seconds > 0:
                raise ValueError(f"an interval of {interval} is none: it must be more than 0")
            self.stop()
            self._loop = Loop("collect", lambda: self._collect(sources))
            collected = self._collect(sources)
            self._loop.start(seconds)
            return collected
        return self._collect(sources)

    async def acollect(self, sources: Any = None) -> list[MonitoringMetric]:
        import asyncio

        return await asyncio.to_thread(self._collect, sources)

    def _collect(self, sources: Any) -> list[MonitoringMetric]:
        collected = []
        for name, source in _named(sources if sources is not None else ["system"]):
            failed = None
            try:
                samples = list(self._read(name, source))
            except Exception as error:
                samples, failed = [], told(error)
            if name in self._unread:
                self._unread.discard(name)
                self.failures.pop(name, None)
            for metric, labels, value in samples:
                # One bad value costs neither the others nor the next source.
                try:
                    collected.append(self._record(metric, MetricType.GAUGE, value, labels))
                except Exception as error:
                    failed = failed or told(error)
            if failed is not None:
                self._unread.add(name)
                self.failures[name] = failed
        return collected

    def _read(self, name: str, source: Any) -> Iterator[tuple[str, dict[str, str] | None, float]]:
        if isinstance(source, str):
            yield from _own_source(source)
            return
        value = source() if callable(source) else source.collect() if hasattr(source, "collect") else source
        number = None if isinstance(value, MonitoringMetric) else number_of(value)
        if number is not None:
            yield name, None, number
        else:
            yield from samples_of(value)

    def collect_samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        for (name, _), metric in list(self._newest.items()):
            yield name, dict(metric.labels), metric.value

    def stop(self) -> None:
        """Ends collecting in the background."""
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    @staticmethod
    def _duration(duration: float) -> None:
        if not (0 <= duration < math.inf):
            raise ValueError(f"a duration of {duration} s is not a duration: it must be finite and not negative")

    def __enter__(self) -> "MetricsCollector":
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<MetricsCollector {len(self._newest)} series>"

    def _repr_html_(self) -> str:
        from .._html import sparkline, table, text

        rows = []
        for series, metric in self.metrics.items():
            line = sparkline([m.value for m in self.get_metric_history(metric.name, 1, metric.labels)])
            rows.append(f"<tr><td>{text(series)}</td><td>{metric.value:.4g}</td><td>{line}</td></tr>")
        return f"<table>{''.join(rows)}</table>" if rows else table([])


def _is_error(status: Any) -> bool:
    text = str(status).lower()
    return text.startswith("5") if text.isdigit() else text in ("error", "failed", "failure", "timeout", "exception")


def _named(sources: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(sources, Mapping):
        return [(str(k), v) for k, v in sources.items()]
    if isinstance(sources, str) or callable(sources) or hasattr(sources, "collect"):
        sources = [sources]
    return [(s if isinstance(s, str) else getattr(s, "__name__", f"source_{i + 1}"), s) for i, s in enumerate(sources)]


def _own_source(name: str) -> Iterator[tuple[str, dict[str, str] | None, float]]:
    now = host_sample()
    if name in ("system", "host"):
        for metric, key in (("cpu_usage", "cpu_percent"), ("memory_usage", "memory_percent"), ("disk_usage", "disk_percent")):
            if now.get(key) is not None:
                yield metric, None, now[key] / 100
        if now.get("load1") is not None:
            yield "load1", None, now["load1"]
    if name in ("system", "gpu"):
        for gpu in now["gpus"]:
            labels = {"gpu": gpu["gpu"]}
            if gpu.get("utilization_percent") is not None:
                yield "gpu_usage", labels, gpu["utilization_percent"] / 100
            if gpu.get("memory_used_bytes") is not None and gpu.get("memory_total_bytes"):
                yield "gpu_memory_usage", labels, gpu["memory_used_bytes"] / gpu["memory_total_bytes"]
    if name == "process":
        for key in ("process_cpu_s", "process_memory_bytes", "process_threads"):
            if now.get(key) is not None:
                yield key.replace("_s", "_seconds_total") if key.endswith("cpu_s") else key, None, now[key]
    if name not in ("system", "host", "gpu", "process"):
        raise ValueError(f"no source is called {name!r}: use system, gpu, process, or a function")


class BusinessMetricsCollector:
    """What the business counts (seed 1)."""

    def __init__(self, prefix: str = "nemo_rl"):
        self.user_engagement = _core.counter(f"{prefix}_user_engagement_total", "User engagement events", ("event_type", "user_segment"))
        self.model_performance = _core.histogram(
            f"{prefix}_model_performance_score", "Model performance scores", ("metric_type", "model_version"), buckets=[i / 20 for i in range(1, 21)]
        )
        self.business_impact = _core.gauge(f"{prefix}_business_impact_score", "Business impact metrics", ("impact_type", "time_period"))

    def __repr__(self) -> str:
        return f"<BusinessMetricsCollector {len(self.snapshot())} series>"

    def record_user_engagement(self, event_type: str, user_segment: str) -> None:
        self.user_engagement.labels(event_type, user_segment).inc()

    def record_model_performance(self, metric_type: str, score: float, model_version: str) -> None:
        self.model_performance.labels(metric_type, model_version).observe(float(score))

    def update_business_impact(self, impact_type: str, score: float, time_period: str) -> None:
        self.business_impact.labels(impact_type, time_period).set(float(score))

    def snapshot(self) -> dict[str, float]:
        """Every series and its value (of a histogram, how many were observed)."""
        names = {m.name for m in (self.user_engagement, self.model_performance, self.business_impact)}
        return {
            n + "{" + ", ".join(f'{k}="{v}"' for k, v in labels) + "}": value
            for n, _, labels, value in _core.registry.read() if n in names
        }


Source = Callable[[], Any]
