"""Small pieces of HTML for notebooks and pages."""

from __future__ import annotations

from html import escape
from typing import Any, Iterable, Mapping

STYLE = (
    "font-family:system-ui,sans-serif;font-size:13px;border-collapse:collapse"
)


def text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return escape(str(value))


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    if not rows:
        return "<p>nothing</p>"
    names = list(dict.fromkeys(name for row in rows for name in row))
    cell = "padding:2px 10px;border-bottom:1px solid #ddd;text-align:left"
    head = "".join(f'<th style="{cell}">{escape(n)}</th>' for n in names)
    body = "".join(
        "<tr>" + "".join(f'<td style="{cell}">{text(row.get(n, ""))}</td>' for n in names) + "</tr>" for row in rows
    )
    return f'<table style="{STYLE}"><tr>{head}</tr>{body}</table>'


def sparkline(values: Iterable[float], width: int = 160, height: int = 32) -> str:
    """A small line as SVG."""
    points = [float(v) for v in values if v == v]
    if len(points) < 2:
        return ""
    low, high = min(points), max(points)
    span = (high - low) or 1.0
    step = (width - 4) / (len(points) - 1)
    path = " ".join(f"{2 + i * step:.1f},{height - 3 - (v - low) / span * (height - 6):.1f}" for i, v in enumerate(points))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" aria-label="{low:.4g} to {high:.4g}">'
        f'<polyline points="{path}" fill="none" stroke="#2563eb" stroke-width="1.5"/></svg>'
    )
