"""Pictures and paper: what is in the PNG, the PDF and the Markdown, and every format that is promised."""

import json
import math
import struct
import xml.etree.ElementTree as xml
import zlib

import pytest

from lapwing import DashboardCreator, PlotGenerator, ReportGenerator
from lapwing.visualization._chart import pdf_text


def pixels(png):
    """Width, height and the raw rows of a PNG."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, head = 8, b"", b""
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + size]
        head, data = (body if kind == b"IHDR" else head), data + (body if kind == b"IDAT" else b"")
        at += size + 12
    return *struct.unpack(">II", head[:8]), zlib.decompress(data)


def test_a_png_shows_the_title_and_the_numbers():
    def png(title):
        return PlotGenerator().generate([1, 3, 2], {"title": title})[0].to_png()

    width, height, rows = pixels(png("Latency"))
    assert (width, height) == (640, 320)
    assert rows != pixels(png("Another"))[2]
    # The background is white, and not a hole.
    assert rows[1:5] == b"\xff\xff\xff\xff"
    # Left of the plot there are only the numbers of the axis.
    line = len(rows) // height
    assert any(rows[y * line + 1 + x * 4] < 128 for y in range(30, 290) for x in range(20, 54))


def test_a_title_of_any_text_is_a_picture():
    plot = PlotGenerator().generate([1, 2], {"title": 'a\x00b <"&\' \u6a21'})[0]
    xml.fromstring(plot.svg)
    assert pixels(plot.to_png())[0] == 640


def test_a_dashboard_is_written_in_every_format_that_it_promises(tmp_path):
    board = DashboardCreator().create({"latency": [1, 2, 3], "requests": 7}, {"title": "Now & here", "columns": 2})
    for ending in ("html", "svg", "png", "pdf"):
        board.save(tmp_path / f"d.{ending}")
    root = xml.fromstring((tmp_path / "d.svg").read_text())
    texts = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Now & here", "latency", "requests", "7 requests"} <= set(texts)
    assert root.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert pixels((tmp_path / "d.png").read_bytes())[0] == int(root.get("width"))
    assert b"(7 requests)" in (tmp_path / "d.pdf").read_bytes()


def test_a_pdf_has_the_signs_of_its_encoding():
    paper = ReportGenerator().generate({"price": "5 € – “net” … \u03a9"}, "pdf").content
    assert "5 € – “net” … ?".encode("cp1252") in paper
    assert pdf_text("(a\\b) \u2212 1") == r"\(a\\b\) - 1"


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_a_report_without_charts_says_what_they_show(format):
    content = ReportGenerator().generate({"latency": [1, 2, 6]}, format).content
    assert "3 values, from 1 to 6, mean 3, the last 6" in content


def test_a_report_as_json_has_the_values():
    report = ReportGenerator().generate({"latency": [1, 2, 3], "pairs": [(0, 1.5), (1, math.inf)]}, "json")
    sections = json.loads(report.content, parse_constant=lambda word: pytest.fail(word))["sections"]
    assert [s["values"] for s in sections] == [[1, 2, 3], [[0, 1.5], [1, "inf"]]]


def test_a_table_of_markdown_keeps_its_shape():
    content = ReportGenerator().generate({"rows": [{"a|b": "x\ny|z\\"}]}, "md").content
    assert content.splitlines()[-3:] == ["| a\\|b |", "|---|", "| x<br>y\\|z\\\\ |"]
