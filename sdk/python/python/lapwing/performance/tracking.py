"""Operations: begun, ended, kept with what they used."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any, Iterator, Mapping

from .._fork import remembered
from .. import _core, _native
from .._loop import Loop, Twins
from .._text import is_cancelled, json_of, text_of, told


class PerformanceMetricType(str, Enum):
    """Types of operations (seed 3), and the ones that came later."""

    DOWNLOAD_OPERATION = "download_operation"
    HEALTH_CHECK = "health_check"
    FALLBACK_STRATEGY = "fallback_strategy"
    ANALYTICS_COLLECTION = "analytics_collection"
    SYSTEM_RESOURCE = "system_resource"
    MODEL_OPERATION = "model_operation"
    REQUEST = "request"
    INFERENCE = "inference"
    PIPELINE = "pipeline"
    TRAINING_STEP = "training_step"

    def __str__(self) -> str:
        return self.value


def _type_of(value: Any) -> PerformanceMetricType:
    try:
        return PerformanceMetricType(getattr(value, "value", value))
    except ValueError:
        raise ValueError(f"{value!r} is not a type of operation: use {', '.join(t.value for t in PerformanceMetricType)}") from None


def _window(hours_back: float) -> int:
    if not hours_back > 0:
        raise ValueError(f"a window of {hours_back} hours is none: it must be more than 0")
    return _core.now_ms() - int(hours_back * 3_600_000)


@dataclass(frozen=True)
class PerformanceMetric:
    """One operation that has ended (seed 3)."""

    operation_id: str
    metric_type: PerformanceMetricType | str
    operation_name: str
    start_time: float
    duration: float
    success: bool
    error_message: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    resource_usage: Mapping[str, Any] = field(default_factory=dict)
    parent_id: str | None = None

    @property
    def end_time(self) -> float:
        return self.start_time + self.duration

    @property
    def duration_seconds(self) -> float:
        return self.duration

    @property
    def timestamp(self) -> datetime:
        return datetime.fromtimestamp(self.start_time, timezone.utc)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "PerformanceMetric":
        try:
            kind: PerformanceMetricType | str = PerformanceMetricType(raw["type"])
        except ValueError:
            kind = raw["type"]
        return cls(
            raw["id"], kind, raw["name"], raw["started_ms"] / 1000, raw["duration_s"], raw["success"], raw.get("error"), raw.get("metadata") or {},
            raw.get("resources") or {}, raw.get("parent"),
        )


@dataclass(frozen=True)
class SystemResourceSnapshot:
    """What the machine uses at an instant (seed 3). What could not be read is None, which is not 0."""

    timestamp: float
    cpu_percent: float | None = None
    memory_percent: float | None = None
    memory_used_mb: float | None = None
    memory_available_mb: float | None = None
    disk_percent: float | None = None
    disk_free_gb: float | None = None
    network_sent_mb: float | None = None
    network_received_mb: float | None = None
    process_memory_mb: float | None = None
    load1: float | None = None
    gpus: tuple[Mapping[str, Any], ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def gpu_percent(self) -> float | None:
        """The busiest GPU."""
        return max((g["utilization_percent"] for g in self.gpus if g.get("utilization_percent") is not None), default=None)

    disk_usage_percent = property(lambda self: self.disk_percent)
    memory_usage_percent = property(lambda self: self.memory_percent)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "SystemResourceSnapshot":
        def part(key: str, unit: float) -> float | None:
            return None if raw.get(key) is None else raw[key] / unit

        return cls(
            raw["t_ms"] / 1000, raw.get("cpu_percent"), raw.get("memory_percent"), part("memory_used_bytes", 1e6), part("memory_available_bytes", 1e6),
            raw.get("disk_percent"), part("disk_free_bytes", 1e9), part("network_sent_bytes", 1e6), part("network_received_bytes", 1e6),
            part("process_memory_bytes", 1e6), raw.get("load1"), tuple(raw.get("gpus") or ()), dict(raw),
        )


class PerformanceTracker:
    """Keeps operations (seed 3): ids that never collide, nested and concurrent ones, what each used before and after.

    >>> tracker = PerformanceTracker()
    >>> op = tracker.start_operation(PerformanceMetricType.DOWNLOAD_OPERATION, "fetch", {"model": "a"})
    >>> tracker.end_operation(op, True).success
    True
    """

    def __init__(self) -> None:
        self._tracker = _native.Tracker(True)
        self._ended: deque[dict[str, Any]] = deque(maxlen=10_000)

    def start_operation(
        self, metric_type: Any, operation_name: str, metadata: Mapping[str, Any] | None = None, *, parent: str | None = None, resources: bool = True
    ) -> str:
        kind = _type_of(metric_type)
        if not isinstance(operation_name, str) or not operation_name:
            raise ValueError("an operation needs a name")
        return self._tracker.start(kind.value, operation_name, json_of(metadata or {}), parent, resources)

    def end_operation(
        self, operation_id: str, success: bool = True, error_message: str | BaseException | None = None, additional_metadata: Mapping[str, Any] | None = None
    ) -> PerformanceMetric:
        """`KeyError` when it never began or has ended already. An exception may stand for its message."""
        reason = told(error_message) if isinstance(error_message, BaseException) else None if error_message is None else text_of(error_message)
        raw = json.loads(self._tracker.end(operation_id, bool(success), reason, json_of(additional_metadata or {})))
        self._ended.append(raw)
        return PerformanceMetric.of(raw)

    @contextmanager
    def operation(self, metric_type: Any, operation_name: str, metadata: Mapping[str, Any] | None = None) -> Iterator[str]:
        """An exception ends it as a failure and goes on; what was cancelled is neither a failure nor a success. Whoever ends it by hand, as a failure
        without an exception, has the last word."""
        operation_id = self.start_operation(metric_type, operation_name, metadata)
        try:
            yield operation_id
        except BaseException as error:
            if is_cancelled(error):
                self._tracker.abandon(operation_id)
            else:
                with suppress(KeyError):
                    self.end_operation(operation_id, False, error)
            raise
        with suppress(KeyError):
            self.end_operation(operation_id, True)

    def _capture_resource_usage(self) -> dict[str, Any]:
        """What this process uses now."""
        return {k: v for k, v in json.loads(_native.process_resources()).items() if v not in (None, [])}

    def _raw(self, hours_back: float) -> list[dict[str, Any]]:
        since = _window(hours_back)
        return [o for o in list(self._ended) if o["started_ms"] + o["duration_s"] * 1000 >= since]

    def get_metrics_by_type(self, metric_type: Any, hours_back: float = 24) -> list[PerformanceMetric]:
        kind = _type_of(metric_type).value
        return [PerformanceMetric.of(o) for o in self._raw(hours_back) if o["type"] == kind]

    def get_all_metrics(self, hours_back: float = 24) -> list[PerformanceMetric]:
        return [PerformanceMetric.of(o) for o in self._raw(hours_back)]

    @property
    def active_operations(self) -> int:
        return self._tracker.running

    def __repr__(self) -> str:
        return f"<PerformanceTracker {len(self._ended)} ended>"


class SystemResourceMonitor(Twins):
    """Samples the machine every `sample_interval` seconds (seed 3), a day of it."""

    SNAPSHOTS_MAX = 2_880

    def __init__(self, sample_interval: float | str = 30):
        sample_interval = _core.seconds_of(sample_interval, "sample_interval")
        if not sample_interval > 0:
            raise ValueError(f"an interval of {sample_interval} s is none: it must be more than 0")
        self.sample_interval = sample_interval
        self._snapshots: deque[dict[str, Any]] = deque(maxlen=self.SNAPSHOTS_MAX)
        self._loop = Loop("resources", self._sample)
        remembered(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def _sample(self) -> dict[str, Any]:
        from ..metrics.collector import host_sample

        raw = host_sample()
        with self._lock:
            self._snapshots.append(raw)
        return raw

    def _capture_snapshot(self) -> SystemResourceSnapshot:
        return SystemResourceSnapshot.of(self._sample())

    def get_current_usage(self) -> SystemResourceSnapshot:
        return self._capture_snapshot()

    async def aget_current_usage(self) -> SystemResourceSnapshot:
        import asyncio

        return await asyncio.to_thread(self._capture_snapshot)

    def _raw(self, hours_back: float) -> list[dict[str, Any]]:
        since = _window(hours_back)
        with self._lock:
            return [s for s in self._snapshots if s["t_ms"] >= since]

    def get_resource_history(self, hours_back: float = 24) -> list[SystemResourceSnapshot]:
        return [SystemResourceSnapshot.of(s) for s in self._raw(hours_back)]

    def start(self) -> None:
        self._loop.start(self.sample_interval)

    def stop(self) -> None:
        self._loop.stop()

    start_monitoring, stop_monitoring = start, stop

    @property
    def running(self) -> bool:
        return self._loop.running

    def __enter__(self) -> "SystemResourceMonitor":
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<SystemResourceMonitor {len(self._snapshots)} snapshots>"


