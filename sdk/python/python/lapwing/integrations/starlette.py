"""Starlette: the same as FastAPI."""

from .fastapi import instrument

__all__ = ["instrument"]
