"""What is measured is what was meant: coroutines, generators, threads and operations that are ended by hand."""

import asyncio
import functools
import sys
import threading

import pytest

import lapwing
from lapwing import PerformanceBenchmark, PerformanceMetricType, PerformanceProfiler, PerformanceTracker
from lapwing.testing import capture


def seen_by(profiler):
    return {key[2] for key in profiler.get_profile_stats()}


def test_a_profiler_leaves_no_thread_profiled():
    profiler, began, may_end = PerformanceProfiler(), threading.Event(), threading.Event()
    ended, after = threading.Event(), []

    @profiler.profile_function
    def first():
        began.set()
        may_end.wait(10)

    @profiler.profile_function
    def second():
        may_end.set()
        ended.wait(10)

    def work():
        first()
        after.append(sys.getprofile())
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert began.wait(10)
    second()
    thread.join()
    assert after == [None] and profiler.skipped == 1
    # The next call is seen as ever, on whichever thread.
    second()
    assert "second" in seen_by(profiler)


def test_of_a_generator_its_steps_are_profiled_and_not_its_reader():
    profiler = PerformanceProfiler()

    def own():
        pass

    def readers():
        pass

    @profiler.profile_function
    def plain():
        for n in range(2):
            own()
            got = yield n
            assert got is None
        return "end"

    for _ in plain():
        readers()
    assert {"own", "plain"} <= seen_by(profiler) and "readers" not in seen_by(profiler)


def test_asynchronous_generators_are_profiled():
    profiler = PerformanceProfiler()

    def own():
        pass

    @profiler.profile_function
    async def tokens():
        for n in range(3):
            own()
            yield n

    async def read():
        return [n async for n in tokens()]

    assert asyncio.run(read()) == [0, 1, 2]
    assert "own" in seen_by(profiler)


def test_a_benchmark_waits_for_coroutines():
    calls = []

    async def work():
        await asyncio.sleep(0)
        calls.append(1)

    result = PerformanceBenchmark(repeat=3, warmup=2).run(work, per_call=2)
    assert len(calls) == 2 + 3 * 2 and len(result.seconds) == 3


class Asynchronous:
    async def __call__(self, gate):
        await gate.wait()
        return "done"


def test_an_object_whose_call_is_a_coroutine_is_tracked_to_its_end():
    tracked = lapwing.track("asynchronous_object")(Asynchronous())

    async def main(seen):
        gate = asyncio.Event()
        task = asyncio.create_task(tracked(gate))
        await asyncio.sleep(0)
        before = seen.value("lapwing_operations_total", operation="asynchronous_object")
        gate.set()
        return before, await task

    with capture() as seen:
        assert asyncio.run(main(seen)) == (0.0, "done")
        assert seen.value("lapwing_operations_total", operation="asynchronous_object") == 1.0


def test_track_over_a_class_says_where_it_goes():
    with pytest.raises(TypeError, match="put it over its methods"):
        @lapwing.track
        class Model:
            pass


def test_an_operation_that_was_ended_by_hand_stays_as_it_was_ended():
    tracker = PerformanceTracker()
    with tracker.operation(PerformanceMetricType.MODEL_OPERATION, "load") as operation:
        tracker.end_operation(operation, False, "empty")
    (ended,) = tracker.get_all_metrics()
    assert (ended.success, ended.error_message) == (False, "empty")


def test_an_operation_of_a_tracker_that_was_cancelled_is_no_failure():
    tracker = PerformanceTracker()
    before = tracker.active_operations

    async def main():
        with tracker.operation("inference", "given up"):
            raise asyncio.CancelledError

    with capture() as seen, pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert tracker.get_all_metrics() == [] and tracker.active_operations == before
    assert seen.value("lapwing_operations_total", operation="given up", outcome="error") == 0.0
    assert seen.value("lapwing_operations_total", operation="given up", outcome="abandoned") == 1.0


def logged(function):
    """A plain decorator, as many are that were written for functions."""
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


def run(function):
    """What makes a plain function of a coroutine function."""
    @functools.wraps(function)
    def wrapper(*args):
        return asyncio.run(function(*args))

    return wrapper


@pytest.mark.parametrize("keep", [False, True])
def test_a_coroutine_below_a_plain_decorator_is_tracked_to_its_end(keep):
    name = f"below_a_decorator_{keep}"

    @lapwing.track(name, keep=keep)
    @logged
    async def generate(gate):
        await gate.wait()
        if gate.fails:
            raise KeyError("x")
        return "done"

    def counted(seen):
        return [seen.value("lapwing_operations_total", operation=name, outcome=outcome) for outcome in ("success", "error", "abandoned")]

    async def main(seen):
        gate = asyncio.Event()
        gate.fails = False
        task = asyncio.create_task(generate(gate))
        await asyncio.sleep(0)
        before = counted(seen)
        gate.set()
        assert await task == "done"
        gate.fails = True
        with pytest.raises(KeyError):
            await generate(gate)
        gate.clear()
        given_up = asyncio.create_task(generate(gate))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        return before

    with capture() as seen:
        assert asyncio.run(main(seen)) == [0, 0, 0]
        assert counted(seen) == [1, 1, 1]


@pytest.mark.parametrize("keep", [False, True])
def test_a_coroutine_that_was_made_a_plain_function_is_one(keep):
    @lapwing.track(f"made_plain_{keep}", keep=keep)
    @run
    async def generate(n):
        with lapwing.track("inside"):
            return n / 1

    with capture() as seen:
        assert generate(3) == 3.0
        with pytest.raises(TypeError):
            generate("x")
    assert [seen.value("lapwing_operations_total", operation=f"made_plain_{keep}", outcome=o) for o in ("success", "error")] == [1, 1]
