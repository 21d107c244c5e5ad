"""The host program goes on: whatever is away, full, wrong, hanging or ending."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import textwrap
import time

import pytest

import lapwing
from lapwing import AdvancedMonitor, AlertManager, NotificationService


def program(code, **env):
    """Runs a program, and says how long it took."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **env},
    )
    return done, time.monotonic() - started


def test_the_server_is_gone(dead_url):
    client = lapwing.init(dead_url, interval=0.05)
    counter = client.counter("gone_total")
    started = time.monotonic()
    for _ in range(10_000):
        counter.inc()
    assert time.monotonic() - started < 1.0
    assert client.flush(5) is False
    status = client.status()
    assert status["failed"] >= 1 and status["spooled"] >= 1 and status["last_error"]


def test_what_waited_is_sent_when_the_server_is_back(dead_url):
    from conftest import Recorder

    client = lapwing.init(dead_url, interval=60)
    client.counter("back_total").inc()
    assert client.flush(5) is False
    assert client.status()["spooled"] >= 1
    server = Recorder(port=int(dead_url.rsplit(":", 1)[1]))
    assert client.flush(5) is True
    assert client.status()["spooled"] == 0
    # What waited came, and what was there by now: two pages of metrics.
    assert [path for _, path, _ in server.requests].count("/api/v1/write") == 2
    server.close()


def test_a_server_that_answers_with_errors(recorder):
    recorder.status = 503
    client = lapwing.init(recorder.url, interval=60)
    client.counter("errors_total").inc()
    assert client.flush(5) is False and client.status()["spooled"] >= 1
    recorder.status = 204
    assert client.flush(5) is True and client.status()["spooled"] == 0


def test_the_spool_is_bounded(dead_url):
    client = lapwing.init(dead_url, interval=60, spool_bytes_max=2_000)
    for i in range(40):
        client.counter("bounded_total").inc()
        client.flush(2)
    status = client.status()
    assert status["spooled_bytes"] <= 2_000 and status["dropped"] > 0


def test_the_disk_takes_nothing(dead_url, tmp_path):
    file = tmp_path / "no-folder"
    file.write_text("")
    client = lapwing.init(dead_url, interval=60, spool_dir=file)
    client.counter("disk_total").inc()
    client.flush(5)
    assert client.status()["disk_error"] and client.status()["spooled"] >= 1


def test_a_handler_that_raises():
    manager = AlertManager()
    told = []
    manager.add_alert_handler(lambda a: 1 / 0)
    manager.add_alert_handler(told.append)
    manager.trigger_alert("x")
    assert len(told) == 1 and manager.handler_failures == 1


def test_an_async_handler_is_finished():
    told = []

    async def handler(alert):
        await asyncio.sleep(0)
        told.append(alert)

    manager = AlertManager()
    manager.add_alert_handler(handler)
    manager.trigger_alert("outside of a loop")

    async def inside():
        manager.trigger_alert("inside of one")
        await asyncio.sleep(0.05)

    asyncio.run(inside())
    assert len(told) == 2


def test_a_channel_that_hangs_holds_nobody_up():
    service = NotificationService()
    started = time.monotonic()
    service.enqueue(lapwing.Alert("x"), [lambda alert: time.sleep(5)])
    assert time.monotonic() - started < 0.5
    assert service.close(0.1) is False


def test_a_channel_that_is_wrong_is_an_answer():
    answer = NotificationService().send_notifications([lapwing.Alert("x")], ["slack", {"type": "nonsense"}])
    assert [a["delivered"] for a in answer] == [False, False]
    assert "webhook_url" in answer[0]["reason"]


def test_a_source_that_raises_or_hangs_does_not_end_the_monitor():
    monitor = AdvancedMonitor()
    monitor.add_source("broken", lambda: 1 / 0)
    monitor.start_monitoring(0.01)
    deadline = time.monotonic() + 10
    while "broken" not in monitor.failures and time.monotonic() < deadline:
        time.sleep(0.01)
    assert monitor.is_monitoring and "ZeroDivisionError" in monitor.failures["broken"]
    monitor.stop_monitoring()
    assert not monitor.is_monitoring


def test_a_program_that_ends_at_once_loses_nothing(recorder):
    done, took = program("import lapwing\nlapwing.init().counter('short_total').inc()\n", LAPWING_URL=recorder.url)
    assert done.returncode == 0, done.stderr
    assert any(path == "/api/v1/write" for _, path, _ in recorder.requests)


def test_a_program_that_ends_without_its_server_ends(dead_url):
    done, took = program("import lapwing\nlapwing.init(interval=60).counter('short_total').inc()\n", LAPWING_URL=dead_url)
    assert done.returncode == 0 and done.stderr == ""
    assert took < 5


def test_a_server_that_hangs_does_not_hold_up_the_end():
    import socket

    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen(8)
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        done, took = program("import lapwing\nlapwing.init(interval=60).counter('short_total').inc()\n", LAPWING_URL=url)
    assert done.returncode == 0 and took < 5


def test_fork_with_an_engine_and_with_a_server(recorder):
    code = """
        import os, lapwing
        lapwing.init()
        c = lapwing.counter("forked_total")
        c.inc(5)
        lapwing.flush()
        pid = os.fork()
        if pid == 0:
            assert c.value == 0.0, c.value
            c.inc(2)
            assert lapwing.counter("forked_total").value == 2.0
            lapwing.flush(2)
            os._exit(0 if lapwing.client() is not None else 3)
        _, status = os.waitpid(pid, 0)
        assert status == 0, status
        assert c.value == 5.0
    """
    done, _ = program(code, LAPWING_URL=recorder.url)
    assert done.returncode == 0, done.stderr
    assert len([1 for _, path, _ in recorder.requests if path == "/api/v1/write"]) >= 2
    embedded = """
        import os, lapwing
        m = lapwing.init(embedded=True)
        m.counter("forked_total").inc()
        pid = os.fork()
        if pid == 0:
            lapwing.counter("forked_total").inc()
            with lapwing.init(embedded=True) as own:
                ok = own.query("forked_total")[0]["value"][1] == 1.0
            os._exit(0 if ok else 1)
        _, status = os.waitpid(pid, 0)
        assert status == 0, status
        assert m.query("forked_total")[0]["value"][1] == 1.0
    """
    done, _ = program(embedded)
    assert done.returncode == 0, done.stderr


def _worker(n):
    lapwing.counter("spawned_total").inc(n)
    return lapwing.counter("spawned_total").value


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pools_of_processes(method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert all(v >= 1 for v in pool.map(_worker, [1, 2, 3]))


def test_many_forks_while_threads_record_and_ship(recorder):
    code = """
        import os, threading, lapwing
        lapwing.init(interval=0.001)
        stop = False
        def work():
            i = 0
            while not stop:
                i += 1
                lapwing.counter("busy_total", labels=("n",)).labels(i % 50).inc()
                lapwing.exposition()
        threads = [threading.Thread(target=work) for _ in range(3)]
        [t.start() for t in threads]
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                lapwing.counter("child_total").inc()
                lapwing.exposition()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        stop = True
        [t.join() for t in threads]
    """
    done, _ = program(code, LAPWING_URL=recorder.url)
    assert done.returncode == 0, done.stderr


def test_asyncio_is_not_held():
    async def main():
        client = lapwing.init(embedded=True)
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        task = asyncio.create_task(tick())
        client.counter("async_total").inc()
        found = await client.aquery("async_total")
        checks = await lapwing.HealthChecker({}).perform_health_checks()
        task.cancel()
        return ticks, found, checks

    ticks, found, checks = asyncio.run(main())
    assert ticks > 3 and found[0]["value"][1] == 1.0 and len(checks) == 4


def test_a_health_check_that_hangs_does_not_hold_up_the_others():
    checker = lapwing.HealthChecker({"timeout": 0.2})

    async def hang():
        await asyncio.sleep(60)

    checker.register("hanging", hang)
    started = time.monotonic()
    found = {c.name: c for c in checker.run()}
    assert time.monotonic() - started < 5
    assert found["hanging"].status.value == "unhealthy" and "0.2 s" in found["hanging"].message
