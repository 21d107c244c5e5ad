"""Reports: what was, in words, tables and charts; as HTML, Markdown, PDF, text or JSON."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Iterable, Mapping

from .._numbers import listed, number_of
from .._text import check_settings, json_of
from ._chart import PDF_ENCODING, Shapes, draw, pdf_text, series_of

FORMATS = ("html", "markdown", "md", "pdf", "text", "txt", "json")


@dataclass
class Section:
    title: str
    text: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    chart: Shapes | None = field(default=None, repr=False)
    #: What the chart shows: numbers, or pairs of time and value.
    values: list[Any] = field(default_factory=list, repr=False)


@dataclass
class Report:
    """A report that was made. `save("r.html|md|pdf|txt|json")` writes it, `str(report)` reads it."""

    title: str
    sections: list[Section]
    format: str = "html"
    created_at: float = field(default_factory=time.time)
    data: Any = field(default=None, repr=False)

    @property
    def content(self) -> str | bytes:
        """In the report's own format."""
        return self.render(self.format)

    def render(self, format: str) -> str | bytes:
        if format not in FORMATS:
            raise ValueError(f"{format!r} is not a format of reports: use {', '.join(FORMATS)}")
        name = {"md": "markdown", "txt": "text"}.get(format, format)
        return getattr(self, f"to_{name}")()

    @property
    def _stamp(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.created_at))

    def to_html(self) -> str:
        from .._html import table

        parts = [
            f"<h2>{escape(s.title)}</h2>" + (f"<p>{escape(s.text)}</p>" if s.text else "") + (s.chart.svg(s.title) if s.chart else "") + (table(s.rows) if s.rows else "")
            for s in self.sections
        ]
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(self.title)}</title><style>body{{font-family:system-ui,sans-serif;'
            f'max-width:860px;margin:32px auto;color:#111827}}svg{{max-width:100%}}</style></head><body><h1>{escape(self.title)}</h1><p>{self._stamp}</p>{"".join(parts)}</body></html>'
        )

    def to_markdown(self) -> str:
        lines = [f"# {self.title}", "", self._stamp, ""]
        for s in self.sections:
            lines += [f"## {s.title}", ""] + ([s.text, ""] if s.text else [])
            if s.rows:
                names = list(dict.fromkeys(n for r in s.rows for n in r))
                lines += ["| " + " | ".join(map(_in_table, names)) + " |", "|" + "---|" * len(names)]
                lines += ["| " + " | ".join(_in_table(r.get(n, "")) for n in names) + " |" for r in s.rows] + [""]
        return "\n".join(lines)

    def to_text(self) -> str:
        lines = [self.title, "=" * len(self.title), self._stamp, ""]
        for s in self.sections:
            lines += [s.title, "-" * len(s.title)] + ([s.text] if s.text else [])
            lines += ["  " + ", ".join(f"{k}: {_cell(v)}" for k, v in r.items()) for r in s.rows] + [""]
        return "\n".join(lines)

    def to_json(self) -> str:
        """With the values that the charts of other formats show. What is not finite is a text."""
        sections = [{"title": s.title, "text": s.text, "rows": s.rows} | ({"values": s.values} if s.values else {}) for s in self.sections]
        return json.dumps(json.loads(json_of({"title": self.title, "created_at": self.created_at, "sections": sections})), indent=2)

    def to_pdf(self) -> bytes:
        """A4, in the fonts that every reader has, charts as vectors. These fonts know western European languages; of others each letter is a
        question mark: HTML has them."""
        pages: list[list[str]] = [[]]
        y = 790.0

        def room(height: float) -> float:
            nonlocal y
            if y - height < 50:
                pages.append([])
                y = 790.0
            y -= height
            return y

        def line(text: str, size: float = 10, font: str = "F1") -> None:
            for piece in _wrapped(text, int(950 / size)):
                at = room(size * 1.4)
                pages[-1].append(f"BT /{font} {size} Tf 0 g 1 0 0 1 50 {at:.1f} Tm ({pdf_text(piece)}) Tj ET")

        line(self.title, 18, "F2")
        line(self._stamp, 9)
        for s in self.sections:
            room(8)
            line(s.title, 13, "F2")
            if s.text:
                line(s.text)
            if s.chart:
                scale = min(495 / s.chart.width, 1.0)
                bottom = room(s.chart.height * scale + 6)
                pages[-1].append(s.chart.pdf_marks(50, bottom + s.chart.height * scale, scale))
            for row in s.rows:
                line("  ".join(f"{k}: {_cell(v)}" for k, v in row.items()), 9)
        return _pdf(pages)

    def save(self, path: str | os.PathLike[str]) -> str:
        from .export import save

        return save(self, path)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _in_table(value: Any) -> str:
    """A cell of Markdown is one line, and ends at a bar."""
    return "<br>".join(_cell(value).replace("\\", "\\\\").replace("|", "\\|").splitlines())


def _wrapped(text: str, width: int) -> Iterable[str]:
    import textwrap

    return textwrap.wrap(text, width) or [""]


def _pdf(pages: list[list[str]]) -> bytes:
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    fonts = b"<< /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >> /F2 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >> >>"
    kids = []
    for page in pages:
        stream = "\n".join(page).encode(PDF_ENCODING, "replace")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font %s >> /Contents %d 0 R >>" % (fonts, len(objects)))
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    out, places = bytearray(b"%PDF-1.4\n"), []
    for i, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (i, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % p for p in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


class ReportGenerator:
    """Makes reports (seed 2).

    `data`: a PerformanceReport, alerts, a collector, a health report, a dictionary. `template`: the name of a part of the data (`performance`, `alerts`,
    `health`, …), which is all the report is about then, or any other title; a format (`html`, `md`, `pdf`, …); `{"title", "format", "sections": [names of the
    data's parts]}`, in whose order they stand; or a text with `{names}` in braces.

    >>> report = ReportGenerator().generate({"latency": {"p95": 1.25}}, {"title": "Daily", "format": "md"})
    >>> "1.25" in report.content
    True
    """

    def __repr__(self) -> str:
        return "<ReportGenerator>"

    def generate(self, data: Any, template: Any = None) -> Report:
        spec: dict[str, Any] = {}
        if isinstance(template, Mapping):
            spec = dict(template)
            check_settings(spec, ("title", "format", "sections"), "a template")
        elif isinstance(template, str) and template in FORMATS:
            spec = {"format": template}
        elif isinstance(template, str) and "{" in template:
            return self._filled(data, template)
        elif isinstance(template, str):
            spec = {"title": template.replace("_", " ").capitalize()}
            if isinstance(data, Mapping) and template in data:
                data = {template: data[template]}
        elif template is not None:
            raise TypeError(f"a template is a name, a format, a text or a dictionary, not {template!r}")
        format = str(spec.get("format", "html"))
        if format not in FORMATS:
            raise ValueError(f"{format!r} is not a format of reports: use {', '.join(FORMATS)}")
        sections = list(self._sections(data))
        wanted = spec.get("sections")
        if wanted:
            sections = [s for w in wanted for s in _called(str(w["title"] if isinstance(w, Mapping) else w), sections)]
        return Report(str(spec.get("title", "Monitoring report")), sections, format, data=data)

    def _filled(self, data: Any, template: str) -> Report:
        values = data if isinstance(data, Mapping) else getattr(data, "__dict__", {"data": data})

        class Missing(dict):  # type: ignore[type-arg]
            def __missing__(self, key: str) -> str:
                raise ValueError(f"the template asks for {key!r}, and the data has {', '.join(map(str, values)) or 'nothing'}")

        return Report("Monitoring report", [Section("Report", template.format_map(Missing(values)))], "text", data=data)

    def _sections(self, data: Any) -> Iterable[Section]:
        from ..alerts.alert import Alert
        from ..performance.analysis import PerformanceReport

        if data is None:
            return
        if isinstance(data, PerformanceReport):
            yield from self._performance(data)
        elif isinstance(data, Mapping) and "overall_health" in data:
            rows = [{"pipeline": n, "health": p["health"], "runs": p["total_executions"], "success": f"{p['success_rate']:.1%}", "mean s": p["mean_execution_time"]} for n, p in data["pipelines"].items()]
            yield Section("Health", f"Overall: {data['overall_health']}", rows)
        elif isinstance(data, Mapping):
            plain = [{"": k, "value": v} for k, v in data.items() if isinstance(v, (int, float, str, bool)) or v is None]
            plain += [{"": k, "value": number_of(v)} for k, v in data.items() if not isinstance(v, (int, float)) and number_of(v) is not None]
            if plain:
                yield Section("Summary", rows=plain)
            for name, value in data.items():
                yield from self._part(str(name), value)
        elif isinstance(data, Iterable) and not isinstance(data, str):
            rows = listed(data)
            rows = list(data) if rows is None else rows
            if rows and all(isinstance(a, Alert) for a in rows):
                yield self._alerts("Alerts", rows)
            else:
                yield from self._part("Values", rows)
        elif (metrics := getattr(data, "metrics", None)) is not None:
            rows = [{"series": s, "value": m.value} for s, m in metrics.items()]
            yield Section("Metrics", rows=rows, chart=draw("line", data))
        else:
            yield Section("Summary", str(data))

    def _part(self, name: str, value: Any) -> Iterable[Section]:
        from ..alerts.alert import Alert

        title = name.replace("_", " ").capitalize()
        column = listed(value)
        value = value if column is None else column
        if isinstance(value, Mapping):
            if value and all(isinstance(v, Mapping) for v in value.values()):
                yield Section(title, rows=[{"": k, **dict(v)} for k, v in value.items()])
            elif value:
                yield Section(title, rows=[{"": k, "value": v} for k, v in value.items()])
        elif isinstance(value, list):
            if not value:
                return
            if all(isinstance(v, Alert) for v in value):
                yield self._alerts(title, list(value))
            elif all(isinstance(v, Mapping) for v in value):
                yield Section(title, rows=[dict(v) for v in value])
            elif all(number_of(v) is not None or isinstance(v, (list, tuple)) and len(v) == 2 for v in value):
                yield Section(title, _in_words(value), chart=draw("line", {name: value}), values=value)
            else:
                yield Section(title, rows=[{"": str(v)} for v in value])
        elif hasattr(value, "to_dict") or hasattr(value, "metrics"):
            for section in self._sections(value):
                yield replace(section, title=f"{title}: {section.title}")

    def _alerts(self, title: str, alerts: list[Any]) -> Section:
        rows = [{"alert": a.name, "severity": a.word, "status": a.status, "message": a.message, "at": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(a.timestamp))} for a in alerts]
        return Section(title, f"{sum(not a.resolved for a in alerts)} of {len(alerts)} still fire", rows)

    def _performance(self, report: Any) -> Iterable[Section]:
        rate = "–" if report.success_rate is None else f"{report.success_rate:.1%}"
        text = f"{report.total_operations} operations in {report.time_range_hours:g} h, {rate} of them successful."
        if report.p95_duration is not None:
            text += f" Mean {report.average_duration:.3g} s, median {report.median_duration:.3g} s, 95th percentile {report.p95_duration:.3g} s."
        rows = [{"type": o["name"], "count": o["count"], "success": f"{o['success_rate']:.1%}", "mean s": o["duration_s"]["mean"], "p95 s": o["duration_s"]["p95"]} for o in report.raw["by_type"]]
        chart = draw("bar", {r["type"]: r["count"] for r in rows}, title="Operations by type") if rows else None
        yield Section("Performance", text, rows, chart)
        if report.resource_usage_summary:
            yield Section("Resources", rows=[{"": k, "value": v} for k, v in report.resource_usage_summary.items()])
        if report.bottlenecks:
            yield Section("Bottlenecks", rows=[{"what": b.message, "value": b["value"], "threshold": b["threshold"]} for b in report.bottlenecks])
        if report.recommendations:
            yield Section("Recommendations", rows=[{"": r.message} for r in report.recommendations])
        if report.trends:
            yield Section("Trends", rows=[{"": k, "trend": v} for k, v in report.trends.items()])


def _called(name: str, sections: list[Section]) -> list[Section]:
    """The sections that are asked for by a name of the data or by their title; one that says so where there is nothing of it today."""
    title = name.replace("_", " ").lower()
    found = [s for s in sections if s.title.lower() == title or s.title.lower().startswith(f"{title}: ")]
    return found or [Section(name.replace("_", " ").capitalize(), "nothing")]


def _in_words(values: list[Any]) -> str:
    """What a chart shows, for formats without charts."""
    numbers = values_of({"": values})
    if not numbers:
        return f"{len(values)} values"
    mean = sum(numbers) / len(numbers)
    return f"{len(values)} values, from {min(numbers):.4g} to {max(numbers):.4g}, mean {mean:.4g}, the last {numbers[-1]:.4g}"


def values_of(data: Any) -> list[float]:
    """All numbers of a chart's data."""
    return [y for _, points in series_of(data) for _, y in points]
