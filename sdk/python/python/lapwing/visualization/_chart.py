"""Charts as SVG, and the same marks as PNG and PDF: one list of shapes, three writers. No library is needed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from html import escape
from typing import Any, Iterable, Sequence

from .. import _native
from .._numbers import listed, number_of

COLOURS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4b5563")


@dataclass
class Shapes:
    """What is drawn, in points from the upper left."""

    width: int
    height: int
    lines: list[tuple[Sequence[tuple[float, float]], str, float]] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float, str]] = field(default_factory=list)
    dots: list[tuple[float, float, float, str]] = field(default_factory=list)
    texts: list[tuple[float, float, str, str, int]] = field(default_factory=list)

    def svg(self, label: str = "", background: str = "") -> str:
        out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}" role="img" aria-label="{xml_text(label)}" font-family="system-ui,sans-serif">']
        if background:
            out.append(f'<rect width="{self.width}" height="{self.height}" fill="{background}"/>')
        out += [f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{c}"/>' for x, y, w, h, c in self.boxes]
        for points, colour, width in self.lines:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{c}"/>' for x, y, r, c in self.dots]
        out += [f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{a}" font-size="{s}" fill="#374151">{xml_text(t)}</text>' for x, y, t, a, s in self.texts]
        return "".join(out) + "</svg>"

    def png(self) -> bytes:
        """The same picture as the SVG, in the font of the server's charts: Latin, Greek and Cyrillic; what it lacks is a box."""
        return _native.svg_to_png(self.svg(background="#ffffff"))

    def pdf_marks(self, left: float, top: float, scale: float) -> str:
        """Operators of a PDF page whose y goes up."""
        def at(x: float, y: float) -> str:
            return f"{left + x * scale:.2f} {top - y * scale:.2f}"

        out = []
        for x, y, w, h, c in self.boxes:
            out.append(f"{_pdf(c)} rg {at(x, y + h)} {w * scale:.2f} {h * scale:.2f} re f")
        for points, c, width in self.lines:
            if len(points) > 1:
                path = " ".join(f"{at(x, y)} {'m' if i == 0 else 'l'}" for i, (x, y) in enumerate(points))
                out.append(f"{_pdf(c)} RG {width * scale:.2f} w {path} S")
        for x, y, r, c in self.dots:
            out.append(f"{_pdf(c)} rg {at(x - r, y + r)} {2 * r * scale:.2f} {2 * r * scale:.2f} re f")
        for x, y, t, a, s in self.texts:
            size = s * scale
            shift = {"middle": 0.25, "end": 0.5}.get(a, 0) * len(t) * size
            out.append(f"BT /F1 {size:.1f} Tf 0 g 1 0 0 1 {left + x * scale - shift:.2f} {top - y * scale:.2f} Tm ({pdf_text(t)}) Tj ET")
        return "\n".join(out)


#: What XML cannot hold, however it is escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text), True)


def pdf_text(text: str) -> str:
    """In the encoding of the fonts that every reader of PDF has (WinAnsi): western European languages, their quotes and dashes, the euro sign. What
    it lacks (Greek, Cyrillic, CJK) becomes a question mark."""
    plain = text.translate(_ALIKE).encode(PDF_ENCODING, "replace").decode(PDF_ENCODING)
    return plain.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


PDF_ENCODING = "cp1252"
#: Signs that WinAnsi lacks, and what looks like them.
_ALIKE = str.maketrans({"\u2212": "-", "\u2010": "-", "\u2011": "-", "\u2264": "<=", "\u2265": ">=", "\u2192": "->", "\u202f": "\u00a0", "\u2009": "\u00a0"})


def _rgb(colour: str) -> bytes:
    return bytes.fromhex(colour.lstrip("#"))


def _pdf(colour: str) -> str:
    return " ".join(f"{b / 255:.3f}" for b in _rgb(colour))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that cover a range."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    first = math.ceil(low / step) * step
    return [first + i * step for i in range(int((high - first) / step + 1e-9) + 1)]


def short(value: float) -> str:
    return f"{value:.4g}"


Series = list[tuple[str, list[tuple[float, float]]]]


def series_of(data: Any) -> Series:
    """Points by name, from lists, pairs, dictionaries of them, metrics, and what PromQL answers."""
    if data is None:
        return []
    if hasattr(data, "get_metrics_by_prefix"):
        data = {m.series: [(h.timestamp, h.value) for h in data.get_metric_history(m.name, 24, m.labels)] for m in data.metrics.values()}
    column = listed(data)
    if column is not None:
        # A column of pandas has a name; lists and arrays have none.
        name = None if isinstance(data, (list, tuple)) else getattr(data, "name", None)
        data = column if name is None else {str(name): column}
    elif hasattr(data, "to_dict") and not isinstance(data, dict):
        data = {str(k): list(v) if not isinstance(v, dict) else list(v.values()) for k, v in data.to_dict().items()}
    if isinstance(data, dict):
        if all(number_of(v) is not None and not isinstance(v, bool) for v in data.values()):
            return [("", [(float(i), float(v)) for i, v in enumerate(data.values())])]
        return [(str(k), _points(v)) for k, v in data.items() if isinstance(v, Iterable) and not isinstance(v, (str, dict)) and number_of(v) is None]
    rows = list(data)
    if rows and isinstance(rows[0], dict) and "metric" in rows[0]:
        return [(_name(r["metric"]), [(t / 1000, float(v)) for t, v in (r.get("values") or [r["value"]])]) for r in rows]
    if rows and hasattr(rows[0], "timestamp") and hasattr(rows[0], "value"):
        by: dict[str, list[tuple[float, float]]] = {}
        for m in rows:
            by.setdefault(getattr(m, "series", m.name), []).append((m.timestamp, float(m.value)))
        return sorted(by.items())
    return [("", _points(rows))]


def _name(metric: dict[str, str]) -> str:
    rest = ", ".join(f"{k}={v}" for k, v in metric.items() if k != "__name__")
    return metric.get("__name__", "") + (f"{{{rest}}}" if rest else "")


def _points(values: Any) -> list[tuple[float, float]]:
    points = []
    for i, v in enumerate(listed(values) or values):
        at = getattr(v, "timestamp", None)
        if at is not None:
            points.append((float(at), float(v.value)))
        elif isinstance(v, (list, tuple)):
            x, y = v
            points.append((float(x), float(y)))
        else:
            points.append((float(i), float(v)))
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def draw(kind: str, data: Any, *, title: str = "", width: int = 640, height: int = 320, labels: Sequence[str] | None = None, threshold: float | None = None, y_label: str = "", bins: int = 20) -> Shapes:
    """A chart of one kind: line, area, bar, scatter, histogram."""
    shapes = Shapes(width, height)
    series = series_of(data)
    if labels is None and isinstance(data, dict) and kind == "bar":
        labels = [str(k) for k in data]
        if all(number_of(v) is None for v in data.values()):
            series = [("", [(float(i), p[-1][1] if p else 0.0) for i, (_, p) in enumerate(series)])]
    if kind == "histogram":
        series = [(n, _bins([y for _, y in p], bins)) for n, p in series]
    points = [p for _, ps in series for p in ps]
    left, right, top, bottom = 56.0, width - 12.0, 30.0 if title else 12.0, height - 34.0
    if title:
        shapes.texts.append((left, 18, title, "start", 13))
    if not points:
        shapes.texts.append((width / 2, height / 2, "no data", "middle", 13))
        return shapes
    xs, ys = [p[0] for p in points], [p[1] for p in points] + ([threshold] if threshold is not None else [])
    low, high = min(ys), max(ys)
    if kind in ("bar", "histogram", "area"):
        low, high = min(low, 0.0), max(high, 0.0)
    if high == low:
        low, high = low - 0.5, high + 0.5
    x_low, x_high = min(xs), max(xs)
    bars = kind in ("bar", "histogram")
    margin = ((x_high - x_low) / max(len(set(xs)) - 1, 1) or 1.0) / 2 if bars else 0.0
    x_low, x_high = x_low - margin, x_high + margin
    if x_high == x_low:
        x_low, x_high = x_low - 0.5, x_high + 0.5

    def sx(x: float) -> float:
        return left + (x - x_low) / (x_high - x_low) * (right - left)

    def sy(y: float) -> float:
        return bottom - (y - low) / (high - low) * (bottom - top)

    for tick in ticks(low, high):
        shapes.lines.append(([(left, sy(tick)), (right, sy(tick))], "#e5e7eb", 1))
        shapes.texts.append((left - 6, sy(tick) + 4, short(tick), "end", 10))
    is_time = x_low > 1e8
    if labels is not None:
        for i, label in enumerate(labels[:40]):
            shapes.texts.append((sx(float(i)), bottom + 16, label[:14], "middle", 10))
    else:
        for tick in ticks(x_low, x_high, 6):
            shapes.texts.append((sx(tick), bottom + 16, _clock(tick) if is_time else short(tick), "middle", 10))
    for i, (name, own) in enumerate(series):
        colour = COLOURS[i % len(COLOURS)]
        if kind in ("line", "area"):
            shapes.lines.append(([(sx(x), sy(y)) for x, y in sorted(own)], colour, 1.5))
            if len(own) == 1:
                shapes.dots.append((sx(own[0][0]), sy(own[0][1]), 2.5, colour))
        elif kind == "scatter":
            shapes.dots += [(sx(x), sy(y), 2.5, colour) for x, y in own]
        else:
            step = (right - left) / max(len(set(xs)), 1) * 0.8 / len(series)
            for x, y in own:
                x0 = sx(x) - step * len(series) / 2 + i * step
                shapes.boxes.append((x0, min(sy(y), sy(0.0)), step, abs(sy(0.0) - sy(y)), colour))
        if name and len(series) > 1:
            shapes.texts.append((right, top + 12 + 12 * i, name[:40], "end", 10))
            shapes.boxes.append((right + 2, top + 4 + 12 * i, 8, 8, colour))
    if threshold is not None:
        shapes.lines.append(([(left, sy(threshold)), (right, sy(threshold))], "#dc2626", 1))
    if y_label:
        shapes.texts.append((left, height - 4, y_label, "start", 10))
    return shapes


def _bins(values: list[float], count: int) -> list[tuple[float, float]]:
    if not values:
        return []
    low, high = min(values), max(values)
    width = (high - low) / count or 1.0
    counts = [0] * count
    for v in values:
        counts[min(int((v - low) / width), count - 1)] += 1
    return [(low + (i + 0.5) * width, float(c)) for i, c in enumerate(counts)]


def _clock(seconds: float) -> str:
    import time

    return time.strftime("%H:%M:%S", time.localtime(seconds))
