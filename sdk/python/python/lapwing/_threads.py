"""Work on threads that end with the program: one that hangs holds up neither the loop that waits for it nor the end of the program.

`asyncio.to_thread` will not do here: `asyncio.run` and the interpreter wait for the threads of its pool.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any, Awaitable, Callable


async def on_daemon(function: Callable[..., Any], *args: Any, left: Callable[[threading.Thread], Any] = lambda thread: None) -> Any:
    """What `function(*args)` returns or raises, from a thread of its own. Whoever gives up waiting leaves the thread behind: `left` is told of it."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(result)
        else:
            # A future takes no StopIteration: it would end whoever awaits it without a word.
            answer.set_exception(RuntimeError(f"{function!r} raised StopIteration") if isinstance(error, StopIteration) else error)

    def work() -> None:
        result, raised = None, None
        try:
            result = context.run(function, *args)
        except BaseException as error:
            raised = error
        try:
            loop.call_soon_threadsafe(settle, result, raised)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            pass

    thread = threading.Thread(target=work, name="lapwing-work", daemon=True)
    thread.start()
    try:
        return await answer
    except asyncio.CancelledError:
        left(thread)
        raise


def finished(awaitable: Awaitable[Any]) -> Any:
    """Runs it to its end and returns what it does, on a loop of its own: also where a loop runs, which is held meanwhile."""
    async def wait() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    result: list[Any] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            result.append(asyncio.run(wait()))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, name="lapwing-work", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return result[0]
