"""vLLM: what to scrape, and rules that fit."""

from functools import partial

from .serving import preset as _preset

preset = partial(_preset, "vllm")
