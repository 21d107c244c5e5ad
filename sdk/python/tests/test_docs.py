"""The examples of the documentation, run as they stand, one after the other as a newcomer would type them."""

import inspect
import re
from pathlib import Path

import pytest

import lapwing

REPOSITORY = Path(__file__).resolve().parents[3]


def blocks(path: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (REPOSITORY / path).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", ["docs/python.md", "sdk/python/README.md"])
def test_the_examples_run(path, tmp_path, monkeypatch):
    found = blocks(path)
    assert found
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAPWING_URL", raising=False)
    # Whether there is a server on this machine is not the documentation's business.
    with lapwing.init(embedded=True):
        scope: dict = {}
        for number, block in enumerate(found, 1):
            exec(compile(block, f"{path}, example {number}", "exec"), scope)


def test_what_the_documentation_names_is_there():
    """Every `lapwing.…` that stands in the text, call or not."""
    text = (REPOSITORY / "docs/python.md").read_text(encoding="utf-8")
    for dotted in set(re.findall(r"\blapwing((?:\.[A-Za-z_]+)+)", text)):
        value = lapwing
        for part in dotted.strip(".").split("."):
            if inspect.ismodule(value) and not hasattr(value, part):
                __import__(f"{value.__name__}.{part}")
            value = getattr(value, part)
