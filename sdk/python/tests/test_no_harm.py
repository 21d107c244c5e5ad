"""The host program goes on: whatever is away, full, wrong, hanging or ending."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
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


def test_a_directory_that_is_another_process_s(tmp_path, caplog):
    """Workers that are spawned call `init` as their parent did."""
    code = f"""
        import lapwing
        m = lapwing.init(data={str(tmp_path / 'd')!r}, embedded=True)
        m.counter("held_total").inc()
        assert m.query("held_total")[0]["value"][1] == 1 and "another process" in m.status()["data_error"], m.status()
        m.close()
    """
    with lapwing.init(data=tmp_path / "d", embedded=True) as client:
        done, _ = program(code)
        assert done.returncode == 0 and "in memory only" in done.stderr, done.stderr
        assert "data_error" not in client.status()


def test_a_directory_that_is_no_directory(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    with lapwing.init(data=tmp_path / "file" / "d", embedded=True) as client:
        client.counter("nowhere_total").inc()
        assert client.query("nowhere_total")[0]["value"][1] == 1 and client.status()["data_error"]
    assert "in memory only" in caplog.text


def test_a_disk_that_takes_nothing_more(tmp_path):
    """Files may not grow: what a full disk does, for one process."""
    code = f"""
        import resource, lapwing
        with lapwing.init(data={str(tmp_path / 'd')!r}, embedded=True) as m:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
            counter = m.counter("full_total", labels=("n",))
            for n in range(2_000):
                counter.labels(n).inc()
            with lapwing.track("on_a_full_disk"):
                pass
            assert m.query("count(full_total)")[0]["value"][1] == 2_000
            assert m.performance_report(1)["total_operations"] >= 1
        assert "log" in m.status()["data_error"], m.status()
    """
    done, took = program(code)
    assert done.returncode == 0 and "not on disk" in done.stderr and took < 30, done.stderr


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
    assert done.returncode == 0 and done.stderr.count("\n") == 1 and "what was not sent is lost" in done.stderr
    assert took < 5


def test_workers_do_not_repeat_what_their_parent_said_about_the_server(dead_url):
    done, _ = program(
        "import lapwing, os\nm = lapwing.init(interval=60)\nm.counter('short_total').inc()\nm.flush()\nm._look()\npid = os.fork()\n"
        "lapwing.counter('short_total').inc()\nlapwing.flush()\nlapwing.client()._look()\nif pid: os.waitpid(pid, 0)\n", LAPWING_URL=dead_url,
    )
    assert done.returncode == 0 and done.stderr.count("\n") == 1, done.stderr


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


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("where", ["before", "inside"])
def test_workers_that_end_lose_nothing(method, where, tmp_path, recorder):
    """`multiprocessing` ends its workers without what `atexit` has."""
    recorder.status = 204
    (tmp_path / "workers.py").write_text(textwrap.dedent(f"""
        import multiprocessing, concurrent.futures, lapwing

        def work(how):
            if "{where}" == "inside":
                lapwing.init(interval=60)
            lapwing.counter(how).inc(5)
            return 1

        if "{where}" == "before":
            lapwing.init(interval=60)

        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            process = context.Process(target=work, args=("kqzv1",))
            process.start()
            process.join()
            assert process.exitcode == 0
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
                assert pool.submit(work, "jwxf2").result() == 1
            pool = context.Pool(1)
            assert pool.map(work, ["hbgd3"]) == [1]
            pool.close()
            pool.join()
    """))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "LAPWING_URL": recorder.url}
    done = subprocess.run([sys.executable, str(tmp_path / "workers.py")], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    bodies = b"".join(body for _, path, body in recorder.requests if path == "/api/v1/write")
    # Names that no other text shares four letters with: the bodies are compressed.
    for how in (b"kqzv1", b"jwxf2", b"hbgd3"):
        assert how in bodies, (how, done.stderr)


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
    # Held, it would have been one.
    assert ticks >= 2 and found[0]["value"][1] == 1.0 and len(checks) == 4


def test_a_health_check_that_hangs_does_not_hold_up_the_others():
    checker = lapwing.HealthChecker({"timeout": 0.2})

    async def hang():
        await asyncio.sleep(60)

    checker.register("hanging", hang)
    started = time.monotonic()
    found = {c.name: c for c in checker.run()}
    assert time.monotonic() - started < 5
    assert found["hanging"].status.value == "unhealthy" and "0.2 s" in found["hanging"].message


class Unprintable:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__

    def __reduce__(self):
        raise RuntimeError("no pickle")


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def inside_itself():
    cycle = []
    cycle.append(cycle)
    return cycle


@pytest.mark.parametrize("note", [
    float("nan"), float("inf"), Unprintable(), {(1, 2): 3}, inside_itself(), "\ud800", 10**400, b"\xff", object(), threading.Lock(), {Unprintable(): Unprintable()},
], ids=["nan", "inf", "unprintable", "tuple key", "inside itself", "half a surrogate", "a huge number", "bytes", "an object", "a lock", "unprintable key"])
def test_whatever_is_noted_of_an_operation_harms_nobody(note):
    with lapwing.track("noted", note=note) as op:
        op.set(more=note).set(n=1)
    assert op.result is None or (op.result["success"] and op.result["metadata"]["n"] == 1)
    assert op.result is not None or note == 10**400
    with lapwing.span("noted", note=note) as span:
        span.set(more=note)
    lapwing.log_inference(model=note, version=note, latency=0.1)
    tracker = lapwing.PerformanceTracker()
    tracker.end_operation(tracker.start_operation("request", "r", {"note": 1}), False, None, {"note": 2})


def test_numbers_of_numpy_stay_numbers():
    numpy = pytest.importorskip("numpy")
    with lapwing.track("noted_numpy") as op:
        op.set(loss=numpy.float32(0.5), steps=numpy.int64(7), flag=numpy.bool_(True))
    assert op.result["metadata"] == {"loss": 0.5, "steps": 7, "flag": True}


@pytest.mark.parametrize("value", ["\ud800", "a\0b", Unprintable(), ["a", "list"], {"a": 1}, None, b"bytes"], ids=lambda v: type(v).__name__)
def test_whatever_is_a_label_harms_nobody(value):
    counter = lapwing.counter("any_label_total", labels=("value",))
    counter.labels(value).inc()
    counter.labels(value=value).inc()
    assert counter.labels(value).value >= 2
    lapwing.exposition().encode()


def test_one_true_and_a_half_are_three_labels():
    counter = lapwing.counter("alike_total", labels=("value",))
    for value in (1, True, 1.0, "1"):
        counter.labels(value).inc()
    assert [counter.labels(v).value for v in (1, True, 1.0, "1")] == [2, 1, 1, 2]


def test_huge_values_are_cut():
    lapwing.counter("huge_total", labels=("prompt",)).labels("x" * 5_000_000).inc()
    lapwing.counter("huge_total", labels=("prompt",)).labels("x" * 5_000_001).inc()
    with lapwing.track("huge", prompt="p" * 5_000_000) as op:
        op.set(answer="a" * 5_000_000, all=list(range(100_000))).fail("e" * 5_000_000)
    assert len(str(op.result)) < 50_000 and op.result["metadata"]["answer"].endswith("…")
    page = lapwing.exposition()
    assert max(map(len, page.splitlines())) < 2_000
    # What is cut to the same is the same series.
    assert sum(line.startswith("huge_total{") for line in page.splitlines()) == 1


def test_exceptions_that_cannot_be_shown_go_on():
    for around in (lapwing.track("unshown"), lapwing.span("unshown")):
        with pytest.raises(UnprintableError), around:
            raise UnprintableError
    monitor = AdvancedMonitor()

    def source():
        raise UnprintableError

    monitor.add_source("broken", source)
    monitor.collect_metrics()
    assert monitor.failures["broken"] == "UnprintableError: <UnprintableError>"


def test_a_cancelled_task_is_no_failure_and_no_success():
    @lapwing.track("given_up")
    async def decorated():
        await asyncio.sleep(60)

    async def block():
        with lapwing.track("given_up_block"):
            await asyncio.sleep(60)

    async def spanned():
        with lapwing.span("given_up_span"):
            await asyncio.sleep(60)

    @lapwing.track("given_up_stream")
    async def stream():
        yield 1
        await asyncio.sleep(60)

    async def streamed():
        async for _ in stream():
            pass

    async def main():
        for work in (decorated, block, spanned, streamed):
            task = asyncio.create_task(work())
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    page = lapwing.exposition()
    for name in ("given_up", "given_up_block", "given_up_span", "given_up_stream"):
        of = [line for line in page.splitlines() if f'operation="{name}"' in line and line.startswith("lapwing_operations_total")]
        counts = {line.split('outcome="')[1].split('"')[0]: float(line.split()[-1]) for line in of}
        assert counts.pop("abandoned") == 1 and not any(counts.values()), of


def test_one_object_for_many_threads_and_tasks():
    shared = lapwing.track("shared_by_all")
    wrong = []

    def thread(n):
        for i in range(200):
            with shared as op:
                op.set(n=(n, i))
            if op.result["metadata"]["n"] != [n, i]:
                wrong.append(op.result)

    threads = [threading.Thread(target=thread, args=(n,)) for n in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]

    async def task(n):
        with shared as op:
            op.set(n=n)
            # The last to come is not the first to go.
            await asyncio.sleep(0.001 * (10 - n % 10))
            with shared as inner:
                inner.set(inside=n)
        if op.result["metadata"]["n"] != n or inner.result["parent"] != op.id:
            wrong.append(n)

    async def main():
        await asyncio.gather(*map(task, range(60)))

    asyncio.run(main())
    assert not wrong


def test_forks_while_threads_watch_the_machine_and_look_at_rules():
    """Locks that a thread of the parent held at the fork must not stop the child."""
    code = """
        import os, threading, lapwing
        collector = lapwing.MetricsCollector()
        manager = lapwing.AlertManager(collector, config={"rules": [{"name": "r", "condition": "depth > 1"}]})
        stop = False
        def watch():
            while not stop:
                lapwing.metrics.collector.host_sample()
        def judge():
            while not stop:
                collector.record_metric("depth", "gauge", 2)
                manager.check_alerts()
                collector.query("sum(depth)")
        threads = [threading.Thread(target=t) for t in (watch, watch, judge)]
        [t.start() for t in threads]
        for _ in range(40):
            pid = os.fork()
            if pid == 0:
                lapwing.metrics.collector.host_sample()
                collector.record_metric("depth", "gauge", 3)
                collector.query("depth")
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        stop = True
        [t.join() for t in threads]
    """
    done, _ = program(code)
    assert done.returncode == 0, done.stderr


def test_a_client_from_before_a_fork(recorder):
    code = """
        import os, lapwing
        m = lapwing.init()
        before = lapwing.counter("kept_total")
        pid = os.fork()
        if pid == 0:
            before.inc()
            # The name that the child has is its parent's client: it sends by the child's own, and closes nothing of the parent.
            ok = m.flush(5)
            m.close()
            os._exit(0 if ok else 1)
        assert os.waitpid(pid, 0)[1] == 0
        before.inc()
        assert m.flush(5)
    """
    done, _ = program(code, LAPWING_URL=recorder.url)
    assert done.returncode == 0, done.stderr
    assert len([1 for _, path, _ in recorder.requests if path == "/api/v1/write"]) >= 2


def test_a_fork_inside_an_operation():
    code = """
        import os, lapwing
        with lapwing.track("forked") as op:
            pid = os.fork()
        if pid == 0:
            os._exit(0 if op.result is None else 1)
        assert os.waitpid(pid, 0)[1] == 0 and op.result["success"]
    """
    done, _ = program(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("where", ["embedded=True", "{url!r}"])
def test_a_forked_child_ends_by_itself(where, dead_url):
    """Not by `os._exit`: the engine of the parent is dropped in a process that has none of its threads."""
    code = f"""
        import os, sys, lapwing
        m = lapwing.init({where.format(url=dead_url)})
        m.counter("ends_total").inc()
        pid = os.fork()
        if pid == 0:
            lapwing.counter("ends_total").inc()
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    """
    done, took = program(code)
    assert done.returncode == 0 and took < 20, (done.stderr, took)


def test_recording_while_the_interpreter_ends():
    code = """
        import atexit, threading, time, lapwing

        counter = lapwing.counter("late_total")
        timed = lapwing.track("late")(lambda: None)

        class Late:
            def __del__(self):
                counter.inc()
                timed()
                with lapwing.track("very_late"):
                    pass

        late = Late()
        late.itself = late
        atexit.register(lambda: [counter.inc(), timed(), lapwing.log_inference(model="a", latency=0.1)])
        lapwing.init(embedded=True)

        def work():
            while True:
                counter.inc()
                lapwing.exposition()

        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.1)
    """
    done, took = program(code)
    assert done.returncode == 0 and done.stderr == "" and took < 20, done.stderr


def test_a_full_queue_of_notifications_is_bounded_and_counted():
    from lapwing.alerts import notification

    service = NotificationService()
    begun, held = threading.Event(), threading.Event()
    told = []
    service.enqueue(lapwing.Alert("first"), [lambda alert: begun.set() or held.wait(30)])
    assert begun.wait(10)
    started = time.monotonic()
    for n in range(notification.QUEUE_MAX + 500):
        service.enqueue(lapwing.Alert(str(n)), [lambda alert: told.append(alert.message)])
    assert time.monotonic() - started < 5
    assert service.dropped == 500 and service.waiting <= notification.QUEUE_MAX
    held.set()
    assert service.close(20)
    # The oldest were given up.
    assert told[-1] == str(notification.QUEUE_MAX + 499) and len(told) == notification.QUEUE_MAX + 500 - service.dropped


def test_operations_that_never_end_are_bounded():
    """A program that forgets to end what it begins loses the oldest, counted, and not its memory."""
    tracker = lapwing.PerformanceTracker()
    first = tracker.start_operation("request", "forgotten", resources=False)
    for _ in range(100_000):
        tracker.start_operation("request", "forgotten", resources=False)
    assert tracker.active_operations == 100_000
    with pytest.raises(KeyError, match="given up"):
        tracker.end_operation(first)


def test_a_pipeline_with_many_runs_is_not_slowed():
    monitor = lapwing.ProductionMonitor()

    def record(count):
        started = time.perf_counter()
        for n in range(count):
            monitor.record_pipeline_execution("busy", 0.01, n % 3 != 0)
        return (time.perf_counter() - started) / count

    early = record(300)
    record(5_000)
    late = record(300)
    assert late < 5 * early + 0.001, (early, late)


def gone(pid, seconds=20):
    """Whether a process that is no child of ours has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True  # It has ended, and whoever should ask for its status does not.
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("end", ["killed", "closed", "left"])
def test_the_server_beside_a_program_ends_with_it(end, tmp_path):
    """`init(ui=True)` starts a server: it must not outlive the program, however that ends, nor be held up by workers that forked from it."""
    code = f"""
        import os, sys, time, lapwing
        m = lapwing.init(ui=True, data={str(tmp_path / 'd')!r})
        m.counter("beside_total").inc(3)
        assert m.flush(20) and m.query("beside_total")[0]["value"][1] == 3, m.status()
        worker = os.fork()
        if worker == 0:
            time.sleep(30)
            os._exit(0)
        print(m._server.pid, worker, flush=True)
        if "{end}" == "killed":
            time.sleep(30)
        if "{end}" == "closed":
            m.close()
            assert m._server is None
            sys.stdin.read()
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    program = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    line = program.stdout.readline().split()
    assert len(line) == 2, program.wait(5)
    server, worker = map(int, line)
    try:
        if end == "killed":
            program.kill()
        assert gone(server), "the server is still there"
    finally:
        os.kill(worker, 9)
        program.kill()
        program.communicate(timeout=20)


def test_locks_that_another_thread_held_are_free_in_a_forked_child(tmp_path):
    """A worker must not wait for ever for a thread that stayed with the parent."""
    code = """
        import os, threading, lapwing
        from lapwing import AlertManager, AdvancedMonitor, EscalationManager, EscalationStep, MetricsCollector, NotificationService, SystemResourceMonitor
        from lapwing import _core

        collector, manager, monitor, resources = MetricsCollector(), AlertManager(), AdvancedMonitor(), SystemResourceMonitor(60)
        escalation, service = EscalationManager([EscalationStep(60, "log")]), NotificationService()
        held, let_go = threading.Event(), threading.Event()

        def hold():
            with collector._lock, manager._lock, monitor._lock, resources._lock, escalation._lock, service._lock, _core._lock:
                held.set()
                let_go.wait(60)

        threading.Thread(target=hold, daemon=True).start()
        assert held.wait(20)
        pid = os.fork()
        if pid == 0:
            collector.record_metric("x", "gauge", 1)
            assert collector.get_metric("x").value == 1
            manager.trigger_alert("x")
            monitor.record_metric("x", 1)
            monitor.check()
            resources.get_current_usage()
            told = []
            service.enqueue(lapwing.Alert("x"), [told.append])
            ok = service.close(20) and len(told) == 1
            with lapwing.init(embedded=True) as m:
                ok = ok and m.query("vector(1)")
            os._exit(0 if ok else 1)
        _, status = os.waitpid(pid, 0)
        let_go.set()
        assert status == 0, status
    """
    done, took = program(code)
    assert done.returncode == 0, done.stderr
