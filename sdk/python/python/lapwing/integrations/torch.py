"""PyTorch: memory of every CUDA device, and time on a device between two events, without making the host wait for it.

    lapwing.integrations.torch.watch()                       # memory, every few seconds
    with lapwing.integrations.torch.cuda_time("forward"): ...
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import Any, Iterator

from .. import _native
from .._core import gauge
from .._loop import Loop

#: Pairs of events that wait for their device; older ones are given up.
PENDING_MAX = 10_000
_pending: deque[tuple[Any, Any, Any, bool]] = deque(maxlen=PENDING_MAX)
_lock = threading.Lock()


def read_memory(torch: Any = None) -> int:
    """Allocator's numbers as gauges; how many devices. Nothing is synchronised."""
    torch = torch or __import__("torch")
    if not torch.cuda.is_available():
        return 0
    allocated = gauge("torch_cuda_memory_allocated_bytes", "Memory in tensors.", ("device",))
    reserved = gauge("torch_cuda_memory_reserved_bytes", "Memory that the allocator holds.", ("device",))
    for device in range(torch.cuda.device_count()):
        allocated.labels(device).set(torch.cuda.memory_allocated(device))
        reserved.labels(device).set(torch.cuda.memory_reserved(device))
    return torch.cuda.device_count()


@contextmanager
def cuda_time(name: str, torch: Any = None, **labels: Any) -> Iterator[None]:
    """Records two events on the current stream; the time between them is read when the device has passed both, by `resolve()` or the watch."""
    torch = torch or __import__("torch")
    handle = _native.OperationHandle("training_step", name, {k: str(v) for k, v in labels.items()})
    if not torch.cuda.is_available():
        started = _native.now_ns()
        try:
            yield
        except BaseException:
            handle.failed(started)
            raise
        handle.ok(started)
        return
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    success = False
    try:
        yield
        success = True
    finally:
        end.record()
        _pending.append((handle, start, end, success))


def resolve() -> int:
    """Reads the times of what the devices have finished, without waiting; how many."""
    read = 0
    with _lock:
        for _ in range(len(_pending)):
            handle, start, end, success = _pending.popleft()
            # `query` asks and does not wait.
            if end.query():
                handle.record(max(start.elapsed_time(end), 0.0) / 1000, success)
                read += 1
            else:
                _pending.append((handle, start, end, success))
    return read


def watch(interval: float = 5.0, torch: Any = None) -> Loop:
    """Memory and finished times, every `interval` seconds, on a thread of its own; `.stop()` ends it."""
    torch = torch or __import__("torch")
    loop = Loop("torch", lambda: (read_memory(torch), resolve()))
    loop.start(interval)
    return loop
