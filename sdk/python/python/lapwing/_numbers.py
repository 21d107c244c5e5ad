"""Numbers of whoever makes them (Python, NumPy, pandas, tensors), without importing any of these."""

from __future__ import annotations

from typing import Any


def number_of(value: Any) -> float | None:
    """One number as a float, truth as 1 and 0; None for texts, for lists and arrays, and for what is no number."""
    if isinstance(value, (int, float)) or (hasattr(type(value), "__float__") and not getattr(value, "shape", ())):
        try:
            return float(value)
        except Exception:  # What a library says of its own number is its own.
            return None
    return None


def number_in(value: Any) -> float | None:
    """The same, and of a text the number that it says."""
    if not isinstance(value, (str, bytes)):
        return number_of(value)
    try:
        return float(value)
    except ValueError:
        return None


def listed(value: Any) -> list[Any] | None:
    """A list, a tuple, an array or a column as a list; None for anything else, which includes texts, dictionaries and numbers."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if getattr(value, "shape", ()):
        tolist = getattr(value, "tolist", None) or getattr(value, "to_list", None)
        made = tolist() if callable(tolist) else None
        return made if isinstance(made, list) else None
    return None


def numbers_of(value: Any) -> list[float] | None:
    """A list of nothing but numbers; None for anything else."""
    numbers = [number_of(v) for v in listed(value) or [None]]
    return None if None in numbers else numbers  # type: ignore[return-value]
