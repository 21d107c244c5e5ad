"""prometheus_client: `lapwing.integrations.prometheus.bridge()` adopts what a program already measures with it."""

from __future__ import annotations

from typing import Any

from .._core import registry
from .._loop import Loop


def copy(source: Any = None) -> int:
    """Takes every sample of a registry over, now; how many."""
    if source is None:
        from prometheus_client import REGISTRY as source  # type: ignore[no-redef]
    taken = 0
    for family in source.collect():
        for sample in family.samples:
            if sample.name.endswith("_created") or sample.value != sample.value:
                continue
            if registry.record_loose("gauge", sample.name, family.documentation, dict(sample.labels), float(sample.value)):
                taken += 1
    return taken


def bridge(source: Any = None, interval: float = 5.0) -> Loop:
    """Takes them over every `interval` seconds, on a thread of its own; `.stop()` ends it."""
    loop = Loop("prometheus-bridge", lambda: copy(source))
    copy(source)
    loop.start(interval)
    return loop
