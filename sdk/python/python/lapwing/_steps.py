"""Something around generators: it begins with the first item that is asked for and ends with the last, and what it does in between it does in the
generator's own steps, not in those of whoever reads it."""

from __future__ import annotations

import functools
import inspect
from contextlib import AbstractContextManager
from typing import Any, AsyncIterator, Callable, Iterator

Begin = Callable[[], Any]
End = Callable[[Any, BaseException | None], None]
#: What is entered for every step, given what was begun; None where nothing is.
Around = Callable[[Any], "AbstractContextManager[Any] | None"]


def is_coroutine_function(function: Any) -> bool:
    """Whether what a call returns has to be awaited; also of objects whose `__call__` is one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(type(function), "__call__", None))


def may_return_coroutine(function: Any) -> bool:
    """Whether it stands over a coroutine function, as a plain decorator does: what a call returns shows whether that has to be awaited."""
    try:
        return is_coroutine_function(inspect.unwrap(function))
    except ValueError:  # It wraps itself.
        return False


async def to_its_end(coroutine: Any, end: Callable[[BaseException | None], None], inside: "AbstractContextManager[Any] | None" = None) -> Any:
    try:
        if inside is None:
            result = await coroutine
        else:
            with inside:
                result = await coroutine
    except BaseException as error:
        end(error)
        raise
    end(None)
    return result


def over_generator(function: Callable[..., Any], begin: Begin, end: End, around: Around = lambda begun: None) -> Any:
    @functools.wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Iterator[Any]:
        begun = begin()
        try:
            steps, inside = function(*args, **kwargs), around(begun)
            result = yield from (steps if inside is None else _within(inside, steps))
        except BaseException as error:
            # A reader who had enough is no failure.
            end(begun, None if isinstance(error, GeneratorExit) else error)
            raise
        end(begun, None)
        return result

    return generator


def _within(inside: "AbstractContextManager[Any]", steps: Any) -> Iterator[Any]:
    step, given = steps.send, None
    while True:
        try:
            with inside:
                item = step(given)
        except StopIteration as last:
            return last.value
        try:
            step, given = steps.send, (yield item)
        except GeneratorExit:
            with inside:
                steps.close()
            raise
        except BaseException as error:
            step, given = steps.throw, error


def over_async_generator(function: Callable[..., Any], begin: Begin, end: End, around: Around = lambda begun: None) -> Any:
    """The same over an asynchronous one, for which there is no `yield from`: what is sent and thrown into it is handed on here."""
    @functools.wraps(function)
    async def async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        begun = begin()
        try:
            steps, inside = function(*args, **kwargs), around(begun)
            step, given = steps.asend, None
            while True:
                try:
                    if inside is None:
                        item = await step(given)
                    else:
                        with inside:
                            item = await step(given)
                except StopAsyncIteration:
                    break
                try:
                    step, given = steps.asend, (yield item)
                except GeneratorExit:
                    await steps.aclose()
                    raise
                except BaseException as error:
                    step, given = steps.athrow, error
        except BaseException as error:
            end(begun, None if isinstance(error, GeneratorExit) else error)
            raise
        end(begun, None)

    return async_generator
