"""Other people's libraries, one line each; each is imported when its integration is asked for."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import asgi as asgi
    from . import fastapi as fastapi
    from . import flask as flask
    from . import grpc as grpc
    from . import lightning as lightning
    from . import logging as logging
    from . import prometheus as prometheus
    from . import ray as ray
    from . import serving as serving
    from . import starlette as starlette
    from . import structlog as structlog
    from . import torch as torch
    from . import transformers as transformers
    from . import vllm as vllm
    from . import wsgi as wsgi

_MODULES = (
    "asgi", "fastapi", "flask", "grpc", "lightning", "logging", "prometheus", "ray", "serving", "starlette", "structlog", "torch", "transformers", "vllm", "wsgi",
)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return _import_module(f".{name}", __name__)
    raise AttributeError(f"module 'lapwing.integrations' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_MODULES)
