"""Configurations of the seeds: YAML or JSON, with the sections that they have."""

from __future__ import annotations

import json
import os
from typing import Any, Mapping

from .. import _native


class ConfigManager:
    """Reads `monitoring.yaml`, `alerting.yaml` and the like; `get("monitoring.metrics.collection_interval")` follows the path.

    >>> ConfigManager.parse("monitoring:\\n  enabled: true\\n").get("monitoring.enabled")
    True
    """

    def __init__(self, values: Mapping[str, Any] | None = None):
        self.values: dict[str, Any] = dict(values or {})

    def __repr__(self) -> str:
        return f"<ConfigManager {', '.join(map(str, self.values))}>"

    @classmethod
    def parse(cls, text: str) -> "ConfigManager":
        found = json.loads(_native.parse_yaml(text))
        if found is not None and not isinstance(found, dict):
            raise ValueError("a configuration is a mapping of sections")
        return cls(found)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "ConfigManager":
        with open(path, encoding="utf-8") as file:
            try:
                return cls.parse(file.read())
            except ValueError as error:
                raise ValueError(f"{os.fspath(path)}: {error}") from None

    def get(self, path: str, default: Any = None) -> Any:
        found: Any = self.values
        for part in path.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return default
            found = found[part]
        return found

    def merge(self, other: Mapping[str, Any]) -> "ConfigManager":
        """Sections are merged, values replaced."""
        def over(a: Any, b: Any) -> Any:
            return {**a, **{k: over(a.get(k), v) for k, v in b.items()}} if isinstance(a, Mapping) and isinstance(b, Mapping) else b

        return ConfigManager(over(self.values, other.values if isinstance(other, ConfigManager) else other))

    def __getitem__(self, path: str) -> Any:
        found = self.get(path, self)
        if found is self:
            raise KeyError(path)
        return found


def load_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A configuration as a dictionary."""
    return ConfigManager.load(path).values
