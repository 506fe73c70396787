"""The flag for how late a frame is reported, of commands that predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protas_gtcc.inference import TrainedModel


@dataclass(frozen=True)
class LagFlag:
    """How much of what follows a frame is known when it is reported."""

    lag_seconds: float | None = None
    """Report each frame once this much of what follows it is known: later, and more often right. inf waits for the
    whole video, and is for files alone. By default as in training, where 0 is the default."""

    def give(self, model: TrainedModel) -> None:
        """Give the model the lag. Raises `InputError` as `TrainedModel.set_lag` does."""
        if self.lag_seconds is not None:
            model.set_lag(self.lag_seconds)
