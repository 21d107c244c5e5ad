"""Writing plots, dashboards and reports to files, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def render(thing: Any, format: str) -> str | bytes:
    """A plot, dashboard or report in a format: `svg`, `png`, `html`, `pdf`, `md`, `txt`, `json`."""
    from .dashboard import Dashboard
    from .plots import Plot
    from .reports import Report, Section

    if isinstance(thing, Report):
        return thing.render(format)
    if isinstance(thing, Dashboard):
        if format == "html":
            return thing.to_html()
        if format in ("svg", "png"):
            return thing.to_svg() if format == "svg" else thing.to_png()
        charts = [Section(p.title, "\n".join(p.lines), chart=p.plot.shapes if p.plot else None) for p in thing.panels]
        return Report(thing.title, charts).render(format)
    if isinstance(thing, Plot):
        if format == "pdf":
            return Report(thing.title or thing.type, [Section(thing.title, chart=thing.shapes)]).to_pdf()
        writers = {"svg": thing.to_svg, "png": thing.to_png, "html": thing.to_html}
        if format in writers:
            return writers[format]()
        raise ValueError(f"{format!r} is not a format of plots: use svg, png, pdf or html")
    raise TypeError(f"a plot, a dashboard or a report can be written, not {thing!r}")


def save(thing: Any, path: str | os.PathLike[str]) -> str:
    """The end of the name says the format. The file appears when it is whole."""
    target = Path(path)
    content = render(thing, target.suffix.lstrip(".").lower() or "html")
    part = target.with_name(target.name + f".part{os.getpid()}")
    try:
        if isinstance(content, bytes):
            part.write_bytes(content)
        else:
            part.write_text(content, encoding="utf-8")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return str(target)


class VisualizationExporter:
    """Seed 2's name for it."""

    def __repr__(self) -> str:
        return "<VisualizationExporter>"

    def export(self, thing: Any, path: str | os.PathLike[str]) -> str:
        return save(thing, path)
