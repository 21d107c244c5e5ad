"""`%load_ext lapwing`: the magics of a notebook.

    %load_ext lapwing                 starts watching, as lapwing.init() does
    %promql rate(requests_total[5m])  what a query finds, as a table with small charts; a name before it keeps it: %promql found = up
    %%track train model=a             times the cell as an operation
    %lapwing                          how it is going
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from ._text import told

_ASSIGNED = re.compile(r"\s*([A-Za-z_]\w*)\s*=(?![=~])\s*(.+)", re.DOTALL)


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext lapwing`."""
    def promql(line: str) -> Any:
        from ._core import init

        name, expr = None, line.strip()
        if match := _ASSIGNED.fullmatch(line):
            name, expr = match.groups()
        if not expr:
            raise ValueError("write a query: %promql rate(requests_total[5m])")
        found = init().query(expr)
        if name is None:
            return found
        shell.push({name: found})
        return None

    def track(line: str, cell: str) -> Any:
        from ._track import track as _track

        words = shlex.split(line)
        if not words or "=" in words[0]:
            raise ValueError("an operation needs a name: %%track train model=a")
        labels = {}
        for word in words[1:]:
            key, equals, value = word.partition("=")
            if not equals:
                raise ValueError(f"{word!r} is not a label: write {word}=something")
            labels[key] = value
        with _track(words[0], kind=labels.pop("kind", "custom"), labels=labels, resources=True) as operation:
            ran = shell.run_cell(cell)
            error = getattr(ran, "error_in_exec", None) or getattr(ran, "error_before_exec", None)
            if error is not None:
                operation.fail(told(error))
        return CellReport(operation.result or {})

    def lapwing(line: str) -> Any:
        from ._core import init

        if line.strip():
            raise ValueError("%lapwing takes nothing: it says how it is going")
        return init()

    for function, kind in ((promql, "line"), (lapwing, "line"), (track, "cell")):
        shell.register_magic_function(function, magic_kind=kind, magic_name=function.__name__)
    from ._core import init

    init()


def unload_ipython_extension(shell: Any) -> None:
    """Called by `%unload_ext lapwing`: the magics go, what is watched stays so until `lapwing.shutdown()`."""
    for kind, name in (("line", "promql"), ("line", "lapwing"), ("cell", "track")):
        shell.magics_manager.magics[kind].pop(name, None)


class CellReport:
    """What a cell under `%%track` took."""

    def __init__(self, operation: dict[str, Any]):
        self.operation = operation

    def _rows(self) -> dict[str, Any]:
        used = self.operation.get("resources") or {}
        rows: dict[str, Any] = {"operation": self.operation.get("name"), "took": f"{self.operation.get('duration_s', 0):.3f} s"}
        if self.operation.get("error"):
            rows["error"] = self.operation["error"]
        if used.get("cpu_s") is not None:
            rows["processor"] = f"{used['cpu_s']:.2f} s"
        for what, key in (("memory", "memory"), ("GPU memory", "gpu_memory")):
            before, after = used.get(f"{key}_before_bytes"), used.get(f"{key}_after_bytes")
            if before is not None and after is not None:
                rows[what] = f"{after / 2**20:.0f} MiB ({(after - before) / 2**20:+.0f})"
        return rows

    def __repr__(self) -> str:
        return ", ".join(f"{k}: {v}" for k, v in self._rows().items())

    def _repr_html_(self) -> str:
        from ._html import table

        return table([self._rows()])
