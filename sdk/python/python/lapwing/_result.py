"""What a query found: a list as before, and a table where pandas or Arrow is there."""

from __future__ import annotations

from typing import Any

#: Rows that a notebook shows.
SHOWN_MAX = 20


class QueryResult(list[Any]):
    """Rows as the query API has them, `{"metric": {…}, "value": [t_ms, v]}` or `{"metric": {…}, "values": [[t_ms, v], …]}`, that can be shown and
    turned into tables. pandas and pyarrow are imported when they are asked for, and not before.

    >>> found = QueryResult([{"metric": {"model": "a"}, "values": [[0, 1.0], [1000, 2.0]]}])
    >>> found.columns()
    {'model': ['a', 'a'], 'time': [0, 1000], 'value': [1.0, 2.0]}
    """

    def columns(self) -> dict[str, list[Any]]:
        """One row per sample: a column per label (None where a series does not have it), `time` in milliseconds since 1970, `value`.
        A label that is called `time` or `value` is `label_time` or `label_value` here."""
        rows = list(self._samples())
        names = sorted({name for metric, _, _ in rows for name in metric})
        table: dict[str, list[Any]] = {}
        for name in names:
            column = f"label_{name}" if name in ("time", "value") else name
            table[column] = [metric.get(name) for metric, _, _ in rows]
        table["time"] = [t for _, t, _ in rows]
        table["value"] = [v for _, _, v in rows]
        return table

    def _samples(self) -> Any:
        if len(self) == 2 and not isinstance(self[0], dict):  # A scalar: [t_ms, v].
            yield {}, int(self[0]), self[1] if self._is_text() else _number(self[1])
            return
        for row in self:
            for t, v in row["values"] if "values" in row else [row["value"]] if "value" in row else []:
                yield row["metric"], int(t), _number(v)

    def _is_text(self) -> bool:
        """The answer to a query that is a text."""
        return len(self) == 2 and isinstance(self[1], str) and not _is_number(self[1])

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with the columns of `columns()`, `time` as a timestamp in UTC."""
        pandas = _needed("pandas")
        frame = pandas.DataFrame(self.columns())
        frame["time"] = pandas.to_datetime(frame["time"], unit="ms", utc=True)
        return frame if self._is_text() else frame.astype({"value": "float64"})

    def to_arrow(self) -> Any:
        """A `pyarrow.Table` with the columns of `columns()`, `time` as a timestamp in UTC."""
        arrow = _needed("pyarrow")
        columns = self.columns()
        kinds = {"time": arrow.timestamp("ms", tz="UTC"), "value": arrow.string() if self._is_text() else arrow.float64()}
        return arrow.table({name: arrow.array(values, kinds.get(name, arrow.string())) for name, values in columns.items()})

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        # So that Polars, DuckDB and pandas 3 take it as it is: `polars.DataFrame(m.query("up"))`.
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        from ._html import sparkline, table

        rows = [r for r in self if isinstance(r, dict)]
        shown = []
        for row in rows[:SHOWN_MAX]:
            values = [_number(v) for _, v in row["values"]] if "values" in row else [_number(row["value"][1])] if "value" in row else []
            shown.append((dict(row["metric"]) | {"value": values[-1] if values else ""}, sparkline(values)))
        if not rows:
            return table([{"value": v} for _, _, v in self._samples()])
        html = table([cells | {"": _MARK} if line else cells for cells, line in shown])
        for _, line in shown:
            html = html.replace(_MARK, line, 1) if line else html
        more = len(rows) - len(shown)
        return html + (f"<p>and {more} more</p>" if more > 0 else "")


#: Stands in the table until the line that belongs there is put in: the table escapes what it is given.
_MARK = "\u27e6line\u27e7"


def in_numbers(result: list[Any], unit: float = 1) -> list[Any]:
    """What the query API answers, with times in milliseconds (`unit` of them in one of the answer's) and values as numbers: it has words for what JSON has
    no number for, `"NaN"`, `"+Inf"`."""
    def pair(p: list[Any]) -> list[Any]:
        return [round(float(p[0]) * unit), float(p[1])]

    if len(result) == 2 and not isinstance(result[0], dict):  # A scalar or a string.
        t, v = result
        return [round(float(t) * unit), float(v) if _is_number(v) else v]
    for row in result:
        if isinstance(row, dict) and "value" in row:
            row["value"] = pair(row["value"])
        if isinstance(row, dict) and "values" in row:
            row["values"] = [pair(p) for p in row["values"]]
    return result


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(value: Any) -> float:
    return float(value)


def _needed(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"this needs {module}: pip install {module}") from error
