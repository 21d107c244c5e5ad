"""Lightning: `Trainer(callbacks=[lapwing.integrations.lightning.callback()])`."""

from __future__ import annotations

from typing import Any

from .transformers import Recorder


def callback(model: str = "", base: Any = None) -> Any:
    """A Callback (of `base`, if Lightning is not to be imported)."""
    if base is None:
        from lightning.pytorch.callbacks import Callback as base  # type: ignore[no-redef]
    recorder = Recorder(model)

    class LapwingCallback(base):  # type: ignore[misc,valid-type]
        def on_train_batch_start(self, *_: Any, **__: Any) -> None:
            recorder.begin()

        def on_train_batch_end(self, trainer: Any, *_: Any, **__: Any) -> None:
            recorder.end()
            # Tensors are not read here: those on a device would have to be waited for.
            recorder.log({k: v for k, v in getattr(trainer, "logged_metrics", {}).items() if isinstance(v, (int, float))})

    return LapwingCallback()
