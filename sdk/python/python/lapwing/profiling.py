"""Where the time goes: a profiler over functions, and one that samples; with flame graphs."""

from __future__ import annotations

import cProfile
import functools
import inspect
import os
import pstats
import sys
import threading
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any, Callable, ClassVar, ParamSpec, Protocol, TypeVar, overload

from ._steps import is_coroutine_function, over_async_generator, over_generator

P = ParamSpec("P")
R = TypeVar("R")


class _Decorator(Protocol):
    """`profile_function`, which a method cannot say of itself: it decorates with an instance and without one."""

    @overload
    def __call__(self, func: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def __call__(self) -> "_Decorator": ...


class PerformanceProfiler:
    """Profiles functions (seed 1): plain, async, and generators; as `@profiler.profile_function` and, as the seed's own example has it,
    `@PerformanceProfiler.profile_function` without an instance (a shared profiler then). Calls that overlap are counted once, and a call on another
    thread meanwhile is not seen but counted as `skipped`: an interpreter has one profiler. Of generators their own steps are seen, not their readers.

    >>> profiler = PerformanceProfiler()
    >>> @profiler.profile_function
    ... def work(): return sum(range(1000))
    >>> work()
    499500
    >>> any("work" in str(key) for key in profiler.get_profile_stats())
    True
    """

    _shared: "PerformanceProfiler | None" = None
    _lock = threading.RLock()

    def __init__(self) -> None:
        self.profiler = cProfile.Profile()
        self._made: pstats.Stats | None = None
        #: Calls that go on, on the one thread that is looked at.
        self._depth = 0
        self._owner: int | None = None
        self._is_on = False
        self.skipped = 0

    def __repr__(self) -> str:
        return f"<PerformanceProfiler {len(self.get_profile_stats())} functions>"

    @classmethod
    def shared(cls) -> "PerformanceProfiler":
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    def __enter__(self) -> "PerformanceProfiler":
        self._enable()
        return self

    def __exit__(self, *_: Any) -> None:
        self._disable()

    def _enable(self) -> None:
        with self._lock:
            thread = threading.get_ident()
            if self._depth and self._owner != thread:
                # A profiler is switched off where it was switched on: a second thread would leave the first one profiled for ever.
                self.skipped += 1
                return
            self._depth += 1
            if self._depth == 1:
                self._owner = thread
                try:
                    self.profiler.enable()
                    self._is_on = True
                except ValueError:
                    # Another tool profiles: the program goes on, and this call is not seen.
                    self.skipped += 1

    def _disable(self) -> None:
        with self._lock:
            if self._owner != threading.get_ident():
                return
            self._depth -= 1
            if self._depth == 0:
                if self._is_on:
                    self.profiler.disable()
                self._owner, self._is_on, self._made = None, False, None

    def _wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if is_coroutine_function(function):
            @functools.wraps(function)
            async def async_wrapper(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return async_wrapper
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            over = over_generator if inspect.isgeneratorfunction(function) else over_async_generator
            return over(function, lambda: None, lambda begun, error: None, lambda begun: self)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapper

    if TYPE_CHECKING:
        profile_function: ClassVar[_Decorator]
    else:
        def profile_function(self: Any, func: Callable[..., Any] | None = None) -> Callable[..., Any]:
            """A decorator. Used without an instance, `self` is the function."""
            if func is None:
                if isinstance(self, PerformanceProfiler):
                    return self.profile_function
                return PerformanceProfiler.shared()._wrapped(self)
            if not callable(func):
                raise TypeError(f"a profiler goes over a function, not over {func!r}")
            return self._wrapped(func)

    @property
    def stats(self) -> pstats.Stats | None:
        """Of everything profiled so far; None where nothing was yet. Made when asked for, not after every call."""
        if self._made is None and self._depth == 0:
            self.profiler.create_stats()
            if self.profiler.stats:  # type: ignore[attr-defined]
                self._made = pstats.Stats(self.profiler)
        return self._made

    def get_profile_stats(self) -> dict[Any, dict[str, float]]:
        """By `(file, line, function)`: calls, total_time, cumulative_time, time_per_call."""
        stats = self.stats
        if stats is None:
            return {}
        return {
            func: {"calls": nc, "total_time": tt, "cumulative_time": ct, "time_per_call": tt / nc if nc else 0.0}
            for func, (_, nc, tt, ct, _) in stats.stats.items()  # type: ignore[attr-defined]
        }

    def print_profile_summary(self, top: int = 10) -> None:
        stats = self.stats
        if stats is not None:
            stats.sort_stats("cumulative")
            stats.print_stats(top)

    def stacks(self) -> Counter[str]:
        """`outer;inner` and microseconds, as folded stacks: from each caller to what it called."""
        folded: Counter[str] = Counter()
        stats = self.stats
        if stats is None:
            return folded
        for func, (_, _, tt, _, callers) in stats.stats.items():  # type: ignore[attr-defined]
            own = _frame(func)
            if not callers:
                folded[own] += int(tt * 1e6)
            for caller, (_, _, from_tt, _) in callers.items():
                folded[f"{_frame(caller)};{own}"] += int(from_tt * 1e6)
        return folded

    def flame_graph(self, title: str = "Profile") -> str:
        return flame_graph(self.stacks(), title, "µs")

    def save_flame_graph(self, path: str | os.PathLike[str], title: str = "Profile") -> str:
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.flame_graph(title))
        return os.fspath(path)

    def _repr_svg_(self) -> str:
        return self.flame_graph()


def _frame(func: tuple[str, int, str]) -> str:
    file, line, name = func
    return name.replace(";", ",") if file == "~" else f"{name} ({os.path.basename(file)}:{line})"


class SamplingProfiler:
    """Looks at the stacks of all threads every few milliseconds: for programs that may not become slower. Sees waiting as well as work.

    >>> with SamplingProfiler(interval=0.001) as profiler:
    ...     _ = sum(i * i for i in range(200_000))
    >>> profiler.samples >= 0
    True
    """

    STACKS_MAX = 100_000

    def __init__(self, interval: float = 0.005):
        if not interval > 0:
            raise ValueError("the interval of a sampling profiler must be more than 0")
        self.interval = interval
        self.samples = 0
        self.folded: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<SamplingProfiler {self.samples} samples>"

    def start(self) -> None:
        if self._thread is None:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._run, name="lapwing-profiler", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        self._stop.set()
        if thread is not None:
            thread.join(1)

    def _run(self) -> None:
        own = threading.get_ident()
        while not self._stop.wait(self.interval):
            for ident, frame in list(sys._current_frames().items()):
                if ident != own:
                    self._note(frame)
            self.samples += 1

    def _note(self, frame: Any) -> None:
        stack = []
        while frame is not None and len(stack) < 128:
            code = frame.f_code
            stack.append(f"{code.co_qualname if hasattr(code, 'co_qualname') else code.co_name} ({os.path.basename(code.co_filename)}:{code.co_firstlineno})".replace(";", ","))
            frame = frame.f_back
        key = ";".join(reversed(stack))
        if key in self.folded or len(self.folded) < self.STACKS_MAX:
            self.folded[key] += 1

    def flame_graph(self, title: str = "Samples") -> str:
        return flame_graph(self.folded, title, "samples")

    def save_folded(self, path: str | os.PathLike[str]) -> str:
        """In the format of flamegraph.pl and speedscope."""
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{stack} {count}\n" for stack, count in self.folded.items())
        return os.fspath(path)

    def __enter__(self) -> "SamplingProfiler":
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def _repr_svg_(self) -> str:
        return self.flame_graph()


def flame_graph(folded: "Counter[str]", title: str, unit: str, width: int = 960) -> str:
    """Folded stacks as an SVG whose boxes tell their share."""
    tree: dict[str, Any] = {"n": 0, "c": {}}
    for stack, count in folded.items():
        tree["n"] += count
        node = tree
        for name in stack.split(";"):
            node = node["c"].setdefault(name, {"n": 0, "c": {}})
            node["n"] += count
    total = tree["n"] or 1
    boxes: list[str] = []
    depth_max = 0

    def draw(children: dict[str, Any], x: float, depth: int) -> None:
        nonlocal depth_max
        for name, node in sorted(children.items()):
            w = node["n"] / total * width
            if w >= 0.5:
                depth_max = max(depth_max, depth)
                colour = f"hsl({20 + hash(name) % 30},80%,{55 + hash(name) % 15}%)"
                label = f"{name}: {node['n']} {unit}, {node['n'] / total:.1%}"
                text = escape(name[: int(w / 6.5)]) if w > 30 else ""
                boxes.append(
                    f'<g><title>{escape(label)}</title><rect x="{x:.1f}" y="{24 + depth * 17}" width="{max(w - 0.5, 0.5):.1f}" height="16" fill="{colour}"/>'
                    f'<text x="{x + 3:.1f}" y="{36 + depth * 17}" font-size="11">{text}</text></g>'
                )
                if depth < 120:
                    draw(node["c"], x, depth + 1)
            x += w

    draw(tree["c"], 0.0, 0)
    height = 48 + depth_max * 17
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="monospace">'
        f'<text x="4" y="16" font-size="13">{escape(title)}: {tree["n"]} {unit}</text>{"".join(boxes)}</svg>'
    )


class ProfiledModelServer:
    """A model with a profiler around its generation (seed 1). `model_path` is anything with `generate_text`, a function, or (as in the seed,
    where a `load_model` was taken for granted) a path, which `load_model` loads.

    >>> server = ProfiledModelServer("weights", load_model=lambda path: lambda request: f"{path}: {request}")
    >>> import asyncio; asyncio.run(server.generate_text("hello"))
    'weights: hello'
    """

    def __init__(self, model_path: Any, *, load_model: Callable[[Any], Any] | None = None):
        self.model = model_of(model_path, load_model)
        self.profiler = PerformanceProfiler()

    def __repr__(self) -> str:
        return f"<ProfiledModelServer of {type(self.model).__name__}>"

    async def generate_text(self, request: Any) -> Any:
        ask = getattr(self.model, "generate_text", self.model)
        with self.profiler:
            answer = ask(request)
            return await answer if inspect.isawaitable(answer) else answer

    def get_performance_report(self) -> dict[Any, dict[str, float]]:
        return self.profiler.get_profile_stats()


def model_of(model_path: Any, load_model: Callable[[Any], Any] | None) -> Any:
    """The model at a path, or the model that was given instead of one."""
    if load_model is not None:
        return load_model(model_path)
    if isinstance(model_path, (str, os.PathLike)):
        raise TypeError(f"{model_path!r} is a path: say how it is loaded, load_model=..., or give the model itself")
    return model_path
