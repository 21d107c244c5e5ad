"""What recording costs: Lapwing, prometheus_client and OpenTelemetry in one process, one after the other, the best of several runs.

Run by `cargo xtask bench sdk`. Numbers are nanoseconds per call; the loop itself is taken off. Numbers of one run compare only with each other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import lapwing
from importing import IMPORT_MS_MAX, import_ms

RUNS = 7


def per_call(work: Callable[[int], Any], count: int) -> float:
    """The best of several runs, less an empty loop."""
    def best(function: Callable[[int], Any]) -> float:
        times = []
        for _ in range(RUNS):
            started = time.perf_counter_ns()
            function(count)
            times.append(time.perf_counter_ns() - started)
        return min(times) / count

    def empty(n: int) -> None:
        for _ in range(n):
            pass

    return best(work) - best(empty)


def loop(call: Callable[..., Any], *args: Any) -> Callable[[int], None]:
    if not args:
        def plain(n: int) -> None:
            for _ in range(n):
                call()

        return plain
    (argument,) = args

    def one(n: int) -> None:
        for _ in range(n):
            call(argument)

    return one


def lapwing_rows() -> dict[str, float]:
    counter = lapwing.counter("bench_total")
    histogram = lapwing.histogram("bench_seconds", labels=("model",)).bind("a")
    family = lapwing.counter("bench_labelled_total", labels=("model", "status"))

    def labels(n: int) -> None:
        for _ in range(n):
            family.labels("a", "200").inc()

    def keywords(n: int) -> None:
        for _ in range(n):
            family.labels(model="a", status="200").inc()

    @lapwing.track("bench", model="a")
    def tracked() -> None:
        pass

    def plain() -> None:
        pass

    def spans(n: int) -> None:
        for _ in range(n):
            with lapwing.span("bench", model="a"):
                pass

    many = lapwing.histogram("bench_many_seconds", labels=("n",))
    for i in range(1000):
        many.labels(i).observe(0.1)
    lapwing.exposition()
    return {
        "counter inc": per_call(loop(counter.inc), 400_000),
        "histogram observe, bound": per_call(loop(histogram.observe, 0.03), 400_000),
        "labels(...).inc()": per_call(labels, 200_000),
        "labels(name=...).inc()": per_call(keywords, 100_000),
        "a timed function": per_call(loop(tracked), 200_000) - per_call(loop(plain), 200_000),
        "a span": per_call(spans, 50_000),
        "exposition of 1000 histograms (ms)": per_call(loop(lapwing.exposition), 10) / 1e6,
    }


def prometheus_rows() -> dict[str, float]:
    import prometheus_client as p

    registry = p.CollectorRegistry()
    counter = p.Counter("bench", "x", registry=registry)
    histogram = p.Histogram("bench_seconds", "x", ["model"], registry=registry).labels("a")
    family = p.Counter("bench_labelled", "x", ["model", "status"], registry=registry)

    def labels(n: int) -> None:
        for _ in range(n):
            family.labels("a", "200").inc()

    def keywords(n: int) -> None:
        for _ in range(n):
            family.labels(model="a", status="200").inc()

    @histogram.time()
    def timed() -> None:
        pass

    def plain() -> None:
        pass

    own = p.CollectorRegistry()
    many = p.Histogram("bench_many_seconds", "x", ["n"], registry=own)
    for i in range(1000):
        many.labels(str(i)).observe(0.1)
    return {
        "counter inc": per_call(loop(counter.inc), 200_000),
        "histogram observe, bound": per_call(loop(histogram.observe, 0.03), 100_000),
        "labels(...).inc()": per_call(labels, 50_000),
        "labels(name=...).inc()": per_call(keywords, 50_000),
        "a timed function": per_call(loop(timed), 50_000) - per_call(loop(plain), 50_000),
        "exposition of 1000 histograms (ms)": per_call(loop(lambda: p.generate_latest(own)), 2) / 1e6,
    }


def opentelemetry_rows() -> dict[str, float]:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    meter = MeterProvider([InMemoryMetricReader()]).get_meter("bench")
    counter, histogram = meter.create_counter("bench"), meter.create_histogram("bench_seconds")
    attributes = {"model": "a", "status": "200", "region": "eu"}
    tracer = TracerProvider().get_tracer("bench")

    def inc(n: int) -> None:
        for _ in range(n):
            counter.add(1)

    def observe(n: int) -> None:
        for _ in range(n):
            histogram.record(0.03)

    def labels(n: int) -> None:
        for _ in range(n):
            counter.add(1, attributes)

    def spans(n: int) -> None:
        for _ in range(n):
            with tracer.start_as_current_span("bench", attributes={"model": "a"}):
                pass

    return {
        "counter inc": per_call(inc, 30_000),
        "histogram observe, bound": per_call(observe, 30_000),
        "labels(...).inc()": per_call(labels, 30_000),
        "a span": per_call(spans, 10_000),
    }


def threads() -> str:
    """Four threads on one counter: nothing is lost, and how long it takes beside one thread."""
    counter = lapwing.counter("bench_threads_total")
    n = 200_000

    def work() -> None:
        for _ in range(n):
            counter.inc()

    started = time.perf_counter()
    work()
    one = time.perf_counter() - started
    all_of_them = [threading.Thread(target=work) for _ in range(4)]
    started = time.perf_counter()
    for thread in all_of_them:
        thread.start()
    for thread in all_of_them:
        thread.join()
    four = time.perf_counter() - started
    assert counter.value == 5 * n, counter.value
    return f"4 threads x {n} inc: {four / one:.2f} times one thread's {n} (4.00 is what a lock of the interpreter allows), none lost"


BUDGETS = {
    "counter inc": 80, "histogram observe, bound": 100, "labels(...).inc()": 250, "a timed function": 400, "a span": 1500,
    "exposition of 1000 histograms (ms)": 5,
}


def main() -> None:
    own = lapwing_rows()
    peers = {}
    for name, rows in (("prometheus_client", prometheus_rows), ("opentelemetry", opentelemetry_rows)):
        try:
            peers[name] = rows()
        except ImportError as error:
            print(f"{name} is not there: {error}")
    print(f"{'ns per call':36}{'lapwing':>10}{'budget':>8}" + "".join(f"{p:>20}{'ratio':>8}" for p in peers))
    for row, value in own.items():
        budget = BUDGETS.get(row)
        line = f"{row:36}{value:10.1f}{budget if budget else '':>8}"
        for rows in peers.values():
            line += f"{rows[row]:20.1f}{rows[row] / value:7.1f}x" if row in rows else f"{'':28}"
        print(line)
    print(f"import: {import_ms():.1f} ms (budget {IMPORT_MS_MAX:.0f})")
    print(threads())


main()
