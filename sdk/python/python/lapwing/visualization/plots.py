"""Plots: line, area, bar, scatter, histogram; as SVG, PNG or PDF."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Mapping

from .._text import check_settings
from ._chart import Shapes, draw

_CONFIG = ("type", "types", "title", "width", "height", "threshold", "y_label", "labels", "bins")
TYPES = ("line", "area", "bar", "scatter", "histogram")


@dataclass
class Plot:
    """One chart. A notebook shows it; `save("x.svg|png|pdf|html")` writes it."""

    type: str
    title: str
    shapes: Shapes = field(repr=False)
    config: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def svg(self) -> str:
        return self.shapes.svg(self.title)

    def to_svg(self) -> str:
        return self.svg

    def to_png(self) -> bytes:
        return self.shapes.png()

    def to_html(self) -> str:
        return f"<figure>{self.svg}</figure>"

    def save(self, path: str | os.PathLike[str]) -> str:
        from .export import save

        return save(self, path)

    def _repr_svg_(self) -> str:
        return self.svg


class PlotGenerator:
    """Makes plots of data (seed 2): dictionaries, lists, pairs of time and value, metrics of a collector, answers of PromQL.

    `plot_config`: `type` (or `types`, one plot each), `title`, `width`, `height`, `threshold`, `y_label`, `labels`, `bins`.

    >>> PlotGenerator().generate({"latency": [1, 3, 2]}, {"type": "line", "title": "Latency"})[0].svg[:4]
    '<svg'
    """

    def __repr__(self) -> str:
        return "<PlotGenerator>"

    def generate(self, data: Any, plot_config: Any = None) -> list[Plot]:
        if isinstance(plot_config, (list, tuple)) and any(isinstance(c, Mapping) for c in plot_config):
            return [p for c in plot_config for p in self.generate(data, c)]
        config: dict[str, Any] = {"types": plot_config} if isinstance(plot_config, (str, list, tuple)) else dict(plot_config or {})
        check_settings(config, _CONFIG, "plot_config")
        types = config.pop("types", None) or config.pop("type", "line")
        config.pop("type", None)
        plots = []
        for kind in [types] if isinstance(types, str) else types:
            if kind not in TYPES:
                raise ValueError(f"{kind!r} is not a type of plot: use {', '.join(TYPES)}")
            known = {k: config[k] for k in _CONFIG[3:] if k in config}
            title = str(config.get("title", ""))
            plots.append(Plot(kind, title, draw(kind, data, title=title, **known), dict(config)))
        return plots
