"""Putting right what is wrong, and not for ever."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass
from typing import Any, Callable

from .._threads import finished


@dataclass
class Attempt:
    name: str
    success: bool
    attempts: int
    error: str | None = None


@dataclass
class _Action:
    action: Callable[[], Any]
    max_attempts: int
    backoff: float


class RecoveryManager:
    """Runs procedures of recovery, plain functions and coroutines, with a bounded number of attempts and a growing pause between them.

    >>> tried = []
    >>> recovery = RecoveryManager(sleep=lambda s: None)
    >>> recovery.register("cache", lambda: tried.append(1) or len(tried) >= 2, max_attempts=3)
    >>> recovery.recover("cache").attempts
    2
    """

    #: A pause is never longer than this.
    BACKOFF_S_MAX = 60.0

    def __init__(self, sleep: Callable[[float], Any] = time.sleep):
        self._actions: dict[str, _Action] = {}
        self._sleep = sleep
        self.history: list[Attempt] = []

    def __repr__(self) -> str:
        return f"<RecoveryManager {len(self._actions)} procedures, {len(self.history)} attempts>"

    def register(self, name: str, action: Callable[[], Any], *, max_attempts: int = 3, backoff: float = 1.0) -> None:
        if not callable(action):
            raise TypeError(f"a recovery is something to call, not {action!r}")
        if max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        self._actions[name] = _Action(action, max_attempts, backoff)

    def recover(self, name: str) -> Attempt:
        """Tries until it returns something other than False, or has raised as often as it may."""
        if name not in self._actions:
            raise KeyError(f"no recovery is called {name!r}")
        a, error = self._actions[name], None
        for attempt in range(1, a.max_attempts + 1):
            try:
                answer = a.action()
                if inspect.isawaitable(answer):
                    answer = finished(answer)
                if answer is not False:
                    return self._note(Attempt(name, True, attempt))
                error = "it returned False"
            except Exception as raised:
                error = f"{type(raised).__name__}: {raised}"
            if attempt < a.max_attempts:
                self._sleep(min(a.backoff * 2 ** (attempt - 1), self.BACKOFF_S_MAX))
        return self._note(Attempt(name, False, a.max_attempts, error))

    def _note(self, attempt: Attempt) -> Attempt:
        self.history = self.history[-999:] + [attempt]
        return attempt
