"""Lapwing: keeps watch over models in production.

    import lapwing

    m = lapwing.init()                       # finds a server, or lives in this process
    m.counter("requests_total", labels=("model",)).labels("a").inc()

    @lapwing.track("predict", model="a")
    def predict(x): ...
"""

from importlib import import_module as _import_module

from ._names import MODULES as _MODULES, NAMES as _NAMES
from ._native import __version__

__all__ = ["__version__", *_NAMES]


def __getattr__(name: str) -> object:
    module = _NAMES.get(name)
    if module is not None:
        value = getattr(_import_module(f".{module}", __name__), name)
        # A module of the same name as a function would hide it once it is imported.
        globals()[name] = value
        return value
    if name in _MODULES:
        return _import_module(f".{name}", __name__)
    raise AttributeError(f"module 'lapwing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
