"""A plugin of pytest: which functions of the package the tests called, as a list of file and line, into the file that `CALLS_TO` names."""

import json
import os
import sys
import threading
from pathlib import Path

import pytest

import lapwing

PACKAGE = str(Path(lapwing.__file__).parent)
_called = set()


# It answers nothing: calls are enough, and not every line.
def _noted(frame, event, _argument):
    if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
        _called.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    # A tracer and not a profiler: one that a test uses would take its place.
    sys.settrace(_noted)
    threading.settrace(_noted)
    try:
        return (yield)
    finally:
        sys.settrace(None)
        threading.settrace(None)


def pytest_unconfigure():
    with open(os.environ["CALLS_TO"], "w", encoding="utf-8") as file:
        json.dump(sorted(_called), file)
