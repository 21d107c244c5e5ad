"""The examples of the documentation, run as they stand, one after the other as a newcomer would type them."""

import os
import re
import subprocess
import sys
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
    """Every `lapwing.…` that stands in the text, call or not, after `import lapwing` and nothing else; the paths of the originals' modules are for `from … import`."""
    text = (REPOSITORY / "docs/python.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`(lapwing[\w.]+)`", re.findall(r"the modules that the original documents name\n\((.*?)\)", text, re.DOTALL)[0]))
    names = set(re.findall(r"\blapwing(?:\.[A-Za-z_]+)+", text)) - paths
    assert paths and names
    for program in ("import lapwing\n" + "\n".join(sorted(names)), "\n".join(f"import {path}" for path in sorted(paths))):
        done = ran(program)
        assert done.returncode == 0, done.stderr


#: What a line of the table needs around it.
AROUND = {
    "fastapi": "import fastapi; app = fastapi.FastAPI()",
    "asgi": "import fastapi; app = fastapi.FastAPI()",
    "flask": "import flask; app = flask.Flask('app')",
    "grpc": "import grpc, grpc.aio, concurrent.futures; pool = concurrent.futures.ThreadPoolExecutor(); address = 'localhost:1'; channel = grpc.insecure_channel(address)",
    "structlog": "import structlog",
    "prometheus": "import prometheus_client",
    # Packages of gigabytes: their shape is enough.
    "torch": "import sys, types; cuda = types.SimpleNamespace(is_available=lambda: False); sys.modules['torch'] = types.SimpleNamespace(cuda=cuda)",
    "transformers": "import sys, types; sys.modules['transformers'] = types.SimpleNamespace(TrainerCallback=object)",
}


def one_liners():
    text = (REPOSITORY / "docs/python.md").read_text(encoding="utf-8").partition("## Integrations")[2].partition("\n## ")[0]
    return [line for line in re.findall(r"`([^`]+)`", text) if "lapwing.integrations." in line]


@pytest.mark.parametrize("line", one_liners())
def test_the_one_liners_of_integrations_run_as_written(line):
    of = re.findall(r"lapwing\.integrations\.(\w+)", line)[0]
    around = AROUND.get(of, "pass")
    if around != "pass":
        pytest.importorskip(re.findall(r"import (\w+)", around)[0])
    # Some want a loop.
    done = ran(f"import asyncio, lapwing\nasync def main():\n    {around}\n    {line.replace(', …]', ']')}\nasyncio.run(main())")
    assert done.returncode == 0, done.stderr


def ran(program):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=120)
