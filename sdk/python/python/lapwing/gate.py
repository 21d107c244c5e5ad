"""Is this run worse than its baseline? Direction-aware, with a noise model; for continuous integration and canaries.

    report = lapwing.gate({"latency": [0.31, 0.30, …]}, "main")
    report.raise_if_failed()
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from . import _native

#: Where baselines are kept, unless LAPWING_BASELINES or an argument says otherwise.
BASELINES_DIR = ".lapwing/baselines"


class GateFailed(AssertionError):
    """The run is worse than its baseline."""


class GateReport:
    """What was compared, metric by metric."""

    def __init__(self, raw: dict[str, Any]):
        self.raw = raw

    def __repr__(self) -> str:
        return f"<gate {'passed' if self.passed else 'failed'}: {len(self.rows)} metrics, {len(self.regressions)} worse>"

    @property
    def passed(self) -> bool:
        return bool(self.raw["passed"])

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.raw["rows"]

    @property
    def regressions(self) -> list[dict[str, Any]]:
        return [r for r in self.rows if r["fails"]]

    @property
    def exit_code(self) -> int:
        """0 when it is open, 1 when it is not, 4 when nothing could be compared: as the command's."""
        if self.passed:
            return 0
        judged = any(r["verdict"] not in ("no_baseline", "no_value") and (r["fails"] or r["verdict"] != "not_finite") for r in self.rows)
        return 1 if judged or not self.rows and self.raw["conditions"] else 4

    def render(self, format: str = "text") -> str:
        """`text`, `markdown`, `junit`, `github` or `json`."""
        return _native.gate_render(json.dumps(self.raw), format)

    def save(self, path: str | os.PathLike[str]) -> str:
        """The end of the name says the format: .xml is JUnit."""
        format = {".xml": "junit", ".md": "markdown", ".json": "json"}.get(Path(path).suffix, "text")
        Path(path).write_text(self.render(format), encoding="utf-8")
        return os.fspath(path)

    def raise_if_failed(self) -> "GateReport":
        if not self.passed:
            raise GateFailed("\n" + self.render())
        return self

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return self.render()

    def _repr_html_(self) -> str:
        from ._html import table

        return table([{k: r[k] for k in ("metric", "verdict", "baseline", "current", "change")} for r in self.rows])


class Baselines:
    """Runs kept by name, as files that can be committed; pinned ones are not overwritten."""

    def __init__(self, directory: str | os.PathLike[str] | None = None):
        self.directory = Path(directory or os.environ.get("LAPWING_BASELINES") or BASELINES_DIR)

    def __repr__(self) -> str:
        return f"<Baselines in {self.directory}>"

    def _path(self, name: str) -> Path:
        if not name or name.startswith(".") or any(c in name for c in "/\\\0"):
            raise ValueError(f"{name!r} cannot be the name of a baseline: no slashes, not beginning with a dot")
        return self.directory / f"{name}.json"

    def save(self, name: str, points: Any, *, pin: bool = False, overwrite_pinned: bool = False) -> Path:
        path = self._path(name)
        if path.exists() and json.loads(path.read_text())["pinned"] and not overwrite_pinned:
            raise ValueError(f"baseline {name!r} is pinned: unpin it first")
        # What cannot be compared later is refused now.
        told = _points(points)
        for row in json.loads(_native.gate_report(name, told, told))["rows"]:
            if row["verdict"] == "not_finite":
                raise ValueError(f"metric {row['metric']!r} has a value that is not finite: that is no baseline")
        kept = {"name": name, "saved_at": time.time(), "pinned": pin, "metrics": json.loads(told)}
        self.directory.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".part{os.getpid()}")
        part.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        os.replace(part, path)
        return path

    def load(self, name: str) -> dict[str, Any]:
        path = self._path(name)
        if not path.exists():
            raise FileNotFoundError(f"no baseline is called {name!r} in {self.directory}: save one first")
        return json.loads(path.read_text(encoding="utf-8"))

    def list(self) -> list[dict[str, Any]]:
        found = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(self.directory.glob("*.json"))]
        return [{"name": b["name"], "pinned": b["pinned"], "saved_at": b["saved_at"], "metrics": len(b["metrics"])} for b in found]

    def pin(self, name: str, pinned: bool = True) -> None:
        kept = self.load(name) | {"pinned": pinned}
        self._path(name).write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def _points(points: Any) -> str:
    """A run as JSON, in which what JSON has no number for is a word."""
    if isinstance(points, (str, os.PathLike)) and os.path.exists(points):
        try:
            # Python writes NaN bare, and reads it.
            points = json.loads(Path(points).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{os.fspath(points)} is not JSON: {error}") from None
    to_points = getattr(points, "to_points", None)
    if to_points is not None:
        points = to_points()
    return json.dumps(_plain(points))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "tolist"):  # NumPy's arrays and its numbers.
        return _plain(value.tolist())
    number = float(value)
    return number if math.isfinite(number) else str(number)


def gate(
    current: Any, baseline: Any, *, name: str | None = None, relative: float = 0.05, absolute: float = 0.0, alpha: float = 0.05, values_min: int = 5,
    noise: str = "mann-whitney", missing: str = "warn", metrics: Mapping[str, Mapping[str, Any]] | None = None, conditions: Iterable[str] | Mapping[str, str] | str | None = None,
    directory: str | os.PathLike[str] | None = None, window: Any = None,
) -> GateReport:
    """Compares a run with a baseline: each a dictionary of numbers or lists, a file, or (the baseline) the name of a saved one.

    Each metric's direction is what `metrics` or the run gives, or what its name says (`latency`, `accuracy`); a name that says neither is held to its value both
    ways. A run that has nothing in common with its baseline does not pass. `relative` and `absolute` are how much worse is allowed; with at least `values_min` values on both sides a rank test tells noise from a
    regression, at `alpha`; `noise="bootstrap"` draws the means again instead, and tells between which bounds the change lies. `metrics` sets limits and directions by name. `conditions` are PromQL asked of `lapwing.init()`'s engine or server:
    one that returns nothing does not hold; with a `window` (`"10m"`, seconds) it has to hold all the time so long. `measured` gives the numbers of a canary.

    >>> gate({"latency": 1.3}, {"latency": 1.0}).passed
    False
    >>> gate({"throughput": 130}, {"throughput": 100}).passed
    True
    """
    for what, given, known in (("noise", noise, ("mann-whitney", "bootstrap")), ("missing", missing, ("warn", "fail"))):
        if given not in known:
            raise ValueError(f"{given!r} is not what {what} may be: use {' or '.join(known)}")
    if isinstance(conditions, Mapping):
        conditions = conditions.values()
    label = name
    if isinstance(baseline, str) and not os.path.exists(baseline):
        label = label or baseline
        baseline = Baselines(directory).load(baseline)["metrics"]
    options = {
        "relative": relative, "absolute": absolute, "alpha": alpha, "values_min": values_min, "noise": noise, "missing": missing,
        "metrics": {k: dict(v) for k, v in (metrics or {}).items()},
    }
    over = None if window is None else _window(window)
    asked = [_ask(c, over) for c in ([conditions] if isinstance(conditions, str) else conditions or [])]
    return GateReport(json.loads(_native.gate_report(label or "baseline", _points(baseline), _points(current), json.dumps(options), json.dumps(asked))))


def measured(queries: Mapping[str, str], window: Any = "10m") -> dict[str, list[float]]:
    """What `lapwing.init()`'s engine or server measured over the last ten minutes (or as long as is said): numbers to compare, of a canary and of what it is to
    replace. Each query gives one series; one without samples is an error, because what nobody watches has not passed.

        lapwing.gate(measured({"latency": 'p95{version="2"}'}), measured({"latency": 'p95{version="1"}'}))
    """
    from ._core import init

    start, end, step = over = _window(window)
    found = {}
    for name, expr in queries.items():
        answer = init().query_range(expr, start / 1000, end / 1000, step / 1000)
        found[name] = _native.gate_measured(name, expr, _told(answer))
        if not found[name]:
            raise ValueError(f"{name} has no samples in the last {(over[1] - over[0]) / 1000:g} s: {expr}")
    return found


def _told(answer: Any) -> str:
    """Series as JSON; what JSON has no number for is a word, as in Prometheus's API."""
    def word(value: Any) -> Any:
        return value if isinstance(value, str) or math.isfinite(value) else str(value)

    return json.dumps([{"values": [[t, word(v)] for t, v in row.get("values", ())]} for row in answer])


def _window(window: Any) -> tuple[int, int, int]:
    ms = int(window * 1000) if isinstance(window, (int, float)) else _native.duration_ms(str(window))
    if ms <= 0:
        raise ValueError(f"a window of {window} is none: it must be more than 0")
    return _native.gate_window(time.time_ns() // 1_000_000, ms)


def _ask(expr: str, over: tuple[int, int, int] | None = None) -> dict[str, Any]:
    from ._core import init

    try:
        if over is not None:
            start, end, step = over
            answer = init().query_range(expr, start / 1000, end / 1000, step / 1000)
            return json.loads(_native.gate_held(expr, over, _told(answer)))
        result = init().query(expr)
    except (ValueError, RuntimeError, OSError) as error:
        return {"expr": expr, "holds": False, "detail": f"could not be asked: {error}"}
    return {"expr": expr, "holds": bool(result), "detail": f"{len(result)} series" if result else "no series fulfils it"}


class GateModule(ModuleType):
    """`lapwing.gate` is this module, and `lapwing.gate(…)` compares."""

    # What a type checker finds in it, because it knows the module as an object of this class.
    gate = staticmethod(gate)
    measured = staticmethod(measured)
    Baselines, GateFailed, GateReport = Baselines, GateFailed, GateReport
    __call__ = staticmethod(gate)


sys.modules[__name__].__class__ = GateModule
