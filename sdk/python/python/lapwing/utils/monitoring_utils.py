"""Small things that monitoring needs."""

from __future__ import annotations

from typing import Any, Iterable

from .. import _native

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def parse_duration(text: Any) -> float:
    """`"1h30m"` in seconds."""
    return float(text) if isinstance(text, (int, float)) else _native.duration_ms(text) / 1000


def format_duration(seconds: float) -> str:
    return _native.format_duration(int(seconds * 1000))


def format_bytes(size: float) -> str:
    """
    >>> format_bytes(1536)
    '1.5 KiB'
    """
    for unit in _UNITS:
        if abs(size) < 1024 or unit == _UNITS[-1]:
            return f"{size:.4g} {unit}"
        size /= 1024
    return ""


def percentile(values: Iterable[float], q: float) -> float | None:
    """A true one; `q` from 0 to 100.

    >>> percentile([1, 2, 3, 4], 50)
    2.5
    """
    if not 0 <= q <= 100:
        raise ValueError("a percentile lies between 0 and 100")
    return _native.quantiles([float(v) for v in values], [q / 100])[0]


def trend(values: Iterable[float]) -> str:
    """`increasing`, `decreasing`, `stable` or `too_few_readings`."""
    return _native.slope([float(v) for v in values])[0]


def get_system_info() -> dict[str, Any]:
    from ..metrics.collector import host_sample

    return host_sample()
