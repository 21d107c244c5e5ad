"""What a program notes, as text that can be sent: never an exception, whatever it is. And what is said of what was misspelt."""

from __future__ import annotations

import json
import math
from typing import Any, Iterable, Mapping

#: How deep lists and dictionaries are followed.
DEPTH_MAX = 16


def text_of(value: Any) -> str:
    """`str(value)`, or the name of its type where that raises."""
    try:
        text = str(value)
    except Exception:
        return f"<{type(value).__name__}>"
    # Half a surrogate is no text that anybody could read.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def told(error: BaseException) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {text_of(error)}"


def unknown_setting(name: Any, known: Iterable[str]) -> str:
    """What to say of a setting that nobody knows."""
    import difflib

    near = difflib.get_close_matches(str(name), list(known), 1)
    return f"unknown setting {name!r}" + (f": did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}")


def check_settings(given: Iterable[Any], known: tuple[str, ...], what: str) -> None:
    """One that is misspelt must not be silently without effect."""
    for name in given:
        if name not in known:
            raise ValueError(f"{what}: {unknown_setting(name, known)}")


def check_misspelt(given: Iterable[Any], known: tuple[str, ...], what: str) -> None:
    """Of a configuration that may hold what others read: an error for what is nearly one of ours."""
    for name in given:
        if name not in known:
            import difflib

            if difflib.get_close_matches(str(name), known, 1, 0.8):
                raise ValueError(f"{what}: {unknown_setting(name, known)}")


def is_cancelled(error: BaseException | None) -> bool:
    """Whether a task was cancelled, by asyncio or by trio; told without importing either."""
    return error is not None and not isinstance(error, Exception) and type(error).__name__ in ("CancelledError", "Cancelled")


def known_of(value: Any) -> Any:
    """Numbers of NumPy and tensors of one element as numbers, where that makes nobody wait; other arrays and tensors as their shape, because reading one
    that is on a device holds up the program until the device is done; anything else as text."""
    try:
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple):
            if shape == () and str(getattr(value, "device", "cpu")) == "cpu":
                item = value.item()
                return item if isinstance(item, (int, float)) else text_of(item)
            return f"<{type(value).__name__} of {'×'.join(map(str, shape)) or 'one number'}>"
    except Exception:
        return f"<{type(value).__name__}>"
    return text_of(value)


def json_of(value: Mapping[str, Any]) -> str:
    """JSON, whatever is in it."""
    try:
        text = json.dumps(value, default=known_of, allow_nan=False)
        if "\\ud" not in text:
            return text
    except Exception:
        pass
    return json.dumps(_plain(value, 0))


def _plain(value: Any, depth: int) -> Any:
    """Only what JSON knows: NaN and infinities as words, other keys than text as text, what is too deep (or inside itself) as a mark."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else text_of(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else text_of(value)
    if isinstance(value, (Mapping, list, tuple)) and depth >= DEPTH_MAX:
        return "…"
    try:
        if isinstance(value, Mapping):
            return {text_of(k): _plain(v, depth + 1) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [_plain(v, depth + 1) for v in value]
    except Exception:
        return text_of(value)
    known = known_of(value)
    return _plain(known, depth + 1) if isinstance(known, (int, float)) else text_of(known)
