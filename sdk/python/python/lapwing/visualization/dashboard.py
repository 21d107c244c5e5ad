"""Dashboards: panels on one page, without anything from the network."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from html import escape
from typing import Any, Iterable, Mapping

from .._numbers import number_of
from .._text import check_settings
from ._chart import Shapes, series_of, xml_text
from .plots import Plot, PlotGenerator

_STYLE = (
    "body{font-family:system-ui,sans-serif;margin:24px;color:#111827;background:#f9fafb}h1{font-size:20px}"
    ".grid{display:grid;gap:16px}.panel{background:#fff;border:1px solid #e5e7eb;border-radius:8px;padding:12px;overflow:auto}"
    ".stat{font-size:32px;font-weight:600}.muted{color:#6b7280;font-size:12px}svg{max-width:100%;height:auto}"
)


@dataclass
class Panel:
    title: str
    html: str
    span: int = 1
    plot: Plot | None = None
    #: What a panel without a chart says, for pictures and paper.
    lines: list[str] = field(default_factory=list)


@dataclass
class Dashboard:
    """A page of panels. A notebook shows it; `save("d.html|svg|png|pdf")` writes it. Of a panel that is HTML of one's own, pictures and paper show
    the title."""

    title: str
    panels: list[Panel]
    columns: int = 2
    refresh: float | None = None
    created_at: float = field(default_factory=time.time)
    _again: Any = field(default=None, repr=False)

    def to_html(self, *, whole: bool = True) -> str:
        panels = "".join(
            f'<section class="panel" style="grid-column:span {min(p.span, self.columns)}"><div>{escape(p.title)}</div>{p.html}</section>' for p in self.panels
        )
        grid = f'<h1>{escape(self.title)}</h1><div class="grid" style="grid-template-columns:repeat({self.columns},minmax(0,1fr))">{panels}</div>'
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.created_at))
        grid += f'<p class="muted">{stamp}</p>'
        if not whole:
            return f"<style>{_STYLE}</style>{grid}"
        again = f'<meta http-equiv="refresh" content="{self.refresh:g}">' if self.refresh else ""
        return f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}<title>{escape(self.title)}</title><style>{_STYLE}</style></head><body>{grid}</body></html>'

    def to_svg(self) -> str:
        """One picture: the panels in their columns, each row as high as its highest panel."""
        width = self.columns * (_CELL + _GAP) + _GAP
        drawn, column, y, height = [], 0, 48.0, 0.0
        for panel in self.panels:
            span = min(panel.span, self.columns)
            if column + span > self.columns:
                column, y, height = 0, y + height + _GAP, 0.0
            inner = span * (_CELL + _GAP) - _GAP
            content = panel.plot.shapes if panel.plot else _words(panel.lines, inner)
            scale = inner / content.width
            left = _GAP + column * (_CELL + _GAP)
            heading = f'<text x="{left}" y="{y + 14:.1f}" font-size="13" fill="#111827">{xml_text(panel.title)}</text>'
            drawn.append(f'{heading}<g transform="translate({left} {y + 20:.1f}) scale({scale:.4f})">{content.svg(panel.title)}</g>')
            column, height = column + span, max(height, 20 + content.height * scale)
        total = round(y + height) + _GAP
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" width="{width}" height="{total}" role="img" aria-label="{xml_text(self.title)}" font-family="system-ui,sans-serif">'
        title = f'<text x="{_GAP}" y="30" font-size="20" fill="#111827">{xml_text(self.title)}</text>'
        return f'{head}<rect width="{width}" height="{total}" fill="#ffffff"/>{title}{"".join(drawn)}</svg>'

    def to_png(self) -> bytes:
        from .. import _native

        return _native.svg_to_png(self.to_svg())

    def update(self) -> "Dashboard":
        """The same dashboard with the numbers of now."""
        return self._again() if self._again else self

    def save(self, path: str | os.PathLike[str]) -> str:
        from .export import save

        return save(self, path)

    def __getstate__(self) -> dict[str, Any]:
        # What was drawn can go to another process; where its numbers came from stays here.
        return self.__dict__ | {"_again": None}

    def _repr_html_(self) -> str:
        return self.to_html(whole=False)


#: Pixels of one column of a picture, and between columns.
_CELL, _GAP = 640, 16


def _words(lines: list[str], width: int) -> Shapes:
    shapes = Shapes(width, 16 + 30 * len(lines))
    shapes.texts += [(4.0, 26.0 + 30 * i, line, "start", 22) for i, line in enumerate(lines)]
    return shapes


#: Of a panel: what is drawn with it, and all that it knows.
_DRAWN = ("threshold", "width", "height", "y_label", "labels", "bins")
_PANEL = ("title", "metric", "metrics", "type", "span", "html", *_DRAWN)


class DashboardCreator:
    """Makes dashboards (seed 2).

    `metrics`: a collector, a dictionary, a list of metrics, an answer of PromQL. `layout`: `{"title", "columns", "refresh", "panels": [{"title", "metric",
    "type", "span", "threshold", …}]}`; without panels every metric gets one: a chart where it has a history, its number where not.

    >>> board = DashboardCreator().create({"latency": [1, 2, 3], "requests": 7}, {"title": "Now"})
    >>> "Now" in board.to_html() and "<svg" in board.to_html()
    True
    """

    def __repr__(self) -> str:
        return "<DashboardCreator>"

    def create(self, metrics: Any, layout: Any = None) -> Dashboard:
        given: dict[str, Any] = {"panels": list(layout)} if isinstance(layout, (list, tuple)) else dict(layout or {})
        check_settings(given, ("title", "columns", "refresh", "panels"), "a layout")
        columns = int(given.get("columns", 2))
        if columns < 1:
            raise ValueError("a dashboard has at least one column")
        refresh = given.get("refresh")
        if isinstance(refresh, str):
            from .. import _native

            refresh = _native.duration_ms(refresh) / 1000
        values = _values(metrics)
        panels = [self._panel(p, values) for p in given.get("panels") or values]
        return Dashboard(str(given.get("title", "Lapwing")), panels, columns, refresh, _again=lambda: self.create(metrics, layout))

    def _panel(self, wanted: Any, values: Mapping[str, list[tuple[float, float]]]) -> Panel:
        spec = {"metric": wanted} if isinstance(wanted, str) else dict(wanted)
        check_settings(spec, _PANEL, "a panel")
        if "html" in spec:
            return Panel(str(spec.get("title", "")), str(spec["html"]), int(spec.get("span", 1)))
        names = spec.get("metrics") or spec.get("metric") or spec.get("title")
        names = [names] if isinstance(names, str) else list(names or [])
        chosen = {k: v for n in names for k, v in values.items() if v and (k == n or k.startswith(n + "{"))}
        title, kind = str(spec.get("title", ", ".join(names))), spec.get("type")
        span = int(spec.get("span", 1))
        if not chosen:
            return Panel(title, '<div class="muted">no data</div>', span, lines=["no data"])
        if kind in (None, "stat") and all(len(v) < 2 for v in chosen.values()) or kind == "stat":
            numbers = "".join(f'<div><span class="stat">{v[-1][1]:.4g}</span> <span class="muted">{escape(k)}</span></div>' for k, v in chosen.items() if v)
            return Panel(title, numbers, span, lines=[f"{v[-1][1]:.4g} {k}" for k, v in chosen.items() if v])
        options = {k: spec[k] for k in _DRAWN if k in spec}
        plot = PlotGenerator().generate(chosen, {"type": kind or "line", **options})[0]
        return Panel(title, plot.svg, span, plot)


def _values(metrics: Any) -> dict[str, list[tuple[float, float]]]:
    if isinstance(metrics, Mapping):
        found: dict[str, list[tuple[float, float]]] = {}
        for name, value in metrics.items():
            number = None if hasattr(value, "timestamp") else number_of(value)
            if number is not None:
                found[str(name)] = [(time.time(), number)]
            elif isinstance(value, Mapping):
                found |= {f"{name}_{k}": v for k, v in _values(value).items()}
            elif hasattr(value, "value") and hasattr(value, "timestamp"):
                found[str(name)] = [(value.timestamp, float(value.value))]
            elif isinstance(value, Iterable) and not isinstance(value, str):
                found |= dict(series_of({name: value}))
        return found
    if isinstance(metrics, Iterable) and not isinstance(metrics, str):
        listed = list(metrics)
        if all(isinstance(m, str) for m in listed):
            from .._core import client

            current = client()
            return {n: [p for _, ps in series_of(current.query_range(n, time.time() - 3600, time.time(), 60)) for p in ps] if current else [] for n in listed}
        return dict(series_of(listed))
    return dict(series_of(metrics))
