"""Objects with locks, after a fork: another thread may have held one, and is not there to let go of it."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakValueDictionary


class Renewable(Protocol):
    def _renew(self) -> None:
        """Makes locks anew; called by `__init__`, and in a forked child."""


#: By identity: not all of them have a hash.
_owners: "WeakValueDictionary[int, Renewable]" = WeakValueDictionary()


def remembered(owner: Renewable) -> None:
    """Calls `owner._renew()` now, and after every fork in the child."""
    owner._renew()
    _owners[id(owner)] = owner


def _after_fork_in_child() -> None:
    for owner in list(_owners.values()):
        owner._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
