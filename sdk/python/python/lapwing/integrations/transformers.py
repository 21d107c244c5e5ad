"""transformers: `Trainer(callbacks=[lapwing.integrations.transformers.callback()])`."""

from __future__ import annotations

from typing import Any

from .. import _native
from .._core import counter, gauge


class Recorder:
    """What a trainer's callbacks record, whichever trainer."""

    def __init__(self, model: str = ""):
        self.model = model
        self._step = _native.OperationHandle("training_step", "train_step", {"model": model})
        self._started: int | None = None
        self._values = gauge("training_value", "What the trainer logged last: loss, learning rate, …", ("model", "name"))
        self._steps = counter("training_steps_total", "Training steps.", ("model",))

    def begin(self) -> None:
        self._started = _native.now_ns()

    def end(self) -> None:
        if self._started is not None:
            self._step.ok(self._started)
            self._started = None
        self._steps.labels(self.model).inc()

    def log(self, values: Any) -> None:
        for name, value in (values or {}).items():
            # A tensor on a device would make the host wait: trainers log numbers.
            if isinstance(value, (int, float)) and value == value:
                self._values.labels(self.model, name).set(float(value))


def callback(model: str = "", base: Any = None) -> Any:
    """A TrainerCallback (of `base`, if transformers is not to be imported)."""
    if base is None:
        from transformers import TrainerCallback as base  # type: ignore[no-redef]
    recorder = Recorder(model)

    class LapwingCallback(base):  # type: ignore[misc,valid-type]
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            recorder.begin()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            recorder.end()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            recorder.log(logs)

    return LapwingCallback()
