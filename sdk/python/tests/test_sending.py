"""Whoever starts with a server that is away, refuses or is none is told so, once; what a query finds is the same from everywhere."""

import logging
import math
import threading

import pytest

import lapwing


class Warned(logging.Handler):
    """Warnings of the package, and when one came."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self.came = threading.Event()

    def emit(self, record):
        self.texts.append(record.getMessage())
        self.came.set()


@pytest.fixture
def warned():
    handler = Warned()
    logging.getLogger("lapwing").addHandler(handler)
    yield handler
    logging.getLogger("lapwing").removeHandler(handler)


def test_one_warning_says_that_the_server_is_away(dead_url, warned):
    client = lapwing.init(dead_url, interval=0.05)
    client.counter("away_total").inc()
    assert warned.came.wait(30)
    for _ in range(3):
        assert not client.flush(5)
        client._look()
    assert len(warned.texts) == 1 and "waits" in warned.texts[0], warned.texts


def test_a_warning_says_that_the_server_refuses(recorder, warned):
    recorder.status = 401
    client = lapwing.init(recorder.url, interval=60)
    client.counter("refused_total").inc()
    client.flush(5)
    client._look()
    client.flush(5)
    client._look()
    assert len(warned.texts) == 1 and "401" in warned.texts[0] and "is lost" in warned.texts[0], warned.texts
    # It went well again, and then it did not: that is news.
    recorder.status = 204
    assert client.flush(5)
    client._look()
    recorder.status = 503
    assert not client.flush(5)
    client._look()
    assert len(warned.texts) == 2 and "503" in warned.texts[1], warned.texts


def test_a_page_is_no_receipt(recorder, warned):
    recorder.status, recorder.kind = 200, "text/html; charset=utf-8"
    client = lapwing.init(recorder.url + "/foo", interval=60)
    client.counter("page_total").inc()
    assert not client.flush(5) and client.status()["sent"] == 0
    client._look()
    assert recorder.url + "/foo" in warned.texts[0]
    with pytest.raises(ValueError, match=f"{recorder.url}/foo is no server of Lapwing's"):
        client.query("up")


def test_a_question_to_a_server_that_is_away_names_it(dead_url):
    client = lapwing.init(dead_url, interval=60)
    with pytest.raises(ConnectionError, match=dead_url):
        client.query("up")


def test_what_has_no_effect_beside_a_server_is_said(recorder, warned, monkeypatch, tmp_path):
    monkeypatch.setenv("LAPWING_URL", recorder.url)
    lapwing.init(rules=[{"name": "r", "condition": "up < 1"}], data=tmp_path, host_metrics=5).close()
    assert len(warned.texts) == 1 and all(word in warned.texts[0] for word in ("rules", "data", "host_metrics", recorder.url)), warned.texts
    lapwing.init(interval=60).close()
    lapwing.init(embedded=True, rules=[{"name": "r", "condition": "up < 1"}]).close()
    assert len(warned.texts) == 1


def test_values_are_numbers_wherever_the_engine_is():
    with lapwing.init(embedded=True) as client:
        value = client.query("vector(0) / 0")[0]["value"][1]
        assert isinstance(value, float) and math.isnan(value)
        assert client.query("1 / 0")[1] == math.inf
        ranged = client.query_range("vector(1) / 0", 0, 30, 15)
        assert [v for _, v in ranged[0]["values"]] == [math.inf] * 3
        with pytest.raises(TypeError, match="^at is a datetime or a number of seconds since 1970, not 'yesterday'$"):
            client.query("up", at="yesterday")
