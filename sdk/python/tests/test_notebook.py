"""What a notebook has: results as tables, and the magics of `%load_ext lapwing`."""

import sys

import pytest

import lapwing
from lapwing import QueryResult
from lapwing.testing import capture

FOUND = [{"metric": {"model": "a", "time": "x"}, "values": [[0, 1.0], [1000, "NaN"]]}, {"metric": {"model": "b"}, "value": [500, 2.5]}]


@pytest.fixture
def embedded():
    with lapwing.init(embedded=True) as client:
        yield client


def test_a_query_is_a_list_as_before_and_a_table(embedded):
    embedded.gauge("note_rows", labels=("model",)).labels("a").set(3)
    found = embedded.query("note_rows")
    assert isinstance(found, list) and found[0]["value"][1] == 3
    assert found.columns()["model"] == ["a"] and found.columns()["value"] == [3]
    assert embedded.query("1 + 1").columns()["value"] == [2]
    assert embedded.query("never_recorded").columns() == {"time": [], "value": []}


def test_an_answer_that_is_a_text_is_shown(embedded):
    found = embedded.query('"hello"')
    assert found[1] == "hello" and found.columns()["value"] == ["hello"] and "hello" in found._repr_html_()
    pandas = pytest.importorskip("pandas")
    assert isinstance(found.to_pandas(), pandas.DataFrame) and list(found.to_pandas()["value"]) == ["hello"]
    pytest.importorskip("pyarrow")
    assert found.to_arrow().column("value").to_pylist() == ["hello"]


def test_columns_do_not_hide_a_label():
    columns = QueryResult(FOUND).columns()
    assert columns["label_time"] == ["x", "x", None] and columns["time"] == [0, 1000, 500]


def test_pandas():
    pandas = pytest.importorskip("pandas")
    frame = QueryResult(FOUND).to_pandas()
    assert list(frame["model"]) == ["a", "a", "b"] and frame["value"].sum() == 3.5
    assert frame["time"].iloc[1] == pandas.Timestamp("1970-01-01T00:00:01Z")
    assert len(QueryResult([]).to_pandas()) == 0


def test_arrow():
    arrow = pytest.importorskip("pyarrow")
    table = QueryResult(FOUND).to_arrow()
    assert table.num_rows == 3 and str(table.schema.field("time").type) == "timestamp[ms, tz=UTC]"
    streamed = arrow.RecordBatchReader.from_stream(QueryResult(FOUND)).read_all()  # Through the PyCapsule interface.
    assert streamed.schema == table.schema and str(streamed) == str(table)


def test_a_table_needs_its_library_and_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        QueryResult(FOUND).to_pandas()


def test_results_are_shown_with_their_course():
    rows = [{"metric": {"model": f"<{i}>"}, "values": [[0, 1.0], [1000, 2.0]]} for i in range(25)]
    html = QueryResult(rows)._repr_html_()
    assert html.count("<svg") == 20 and "and 5 more" in html and "&lt;3&gt;" in html and "<3>" not in html
    assert "<svg" not in QueryResult(FOUND[1:])._repr_html_() and "2.5" in QueryResult(FOUND[1:])._repr_html_()
    assert "nothing" in QueryResult([])._repr_html_()
    assert "2" in QueryResult([0, 2.0])._repr_html_()


@pytest.fixture
def shell():
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "lapwing")
    yield shell
    shell.run_line_magic("unload_ext", "lapwing")
    lapwing.shutdown()


def test_the_magics(shell):
    lapwing.gauge("note_depth").set(4)
    assert shell.run_line_magic("promql", "note_depth")[0]["value"][1] == 4
    shell.run_line_magic("promql", "found = note_depth == 4")
    assert shell.user_ns["found"][0]["value"][1] == 4
    # A comparison is a query, and no assignment.
    assert shell.run_line_magic("promql", "note_depth == 4")[0]["value"][1] == 4
    assert shell.run_line_magic("lapwing", "").mode in ("embedded", "remote")
    with capture() as seen:
        report = shell.run_cell_magic("track", "train model=a", "epochs = 3")
    assert shell.user_ns["epochs"] == 3 and "took" in repr(report) and "<table" in report._repr_html_()
    assert seen.value("lapwing_operations_total", operation="train", model="a", outcome="success") == 1


def test_a_cell_that_raises_failed_and_a_magic_that_is_wrong_says_how(shell, capsys):
    with capture() as seen:
        report = shell.run_cell_magic("track", "train", "1 / 0")
    assert "ZeroDivisionError" in repr(report)
    assert seen.value("lapwing_operations_total", operation="train", outcome="error") == 1
    for name, line in (("promql", ""), ("lapwing", "now")):
        with pytest.raises(ValueError):
            shell.run_line_magic(name, line)
    for line in ("", "model=a", "train fast"):
        with pytest.raises(ValueError):
            shell.run_cell_magic("track", line, "pass")
