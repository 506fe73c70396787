"""What follows a network: the interface of the duration filter and of what is built on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.result import Event


class Decoder(ABC):
    """What follows a network, for n streams."""

    settings: tuple[Any, ...]
    """All settings that the results depend on, those of the filter first."""

    @abstractmethod
    def fresh(self, num_streams: int = 1, task: int = 0) -> Decoder:
        """The same for other streams before their first frame, all of one task; as in `give_task`."""

    @abstractmethod
    def decode(self, streams: np.ndarray, probs: np.ndarray, progress: np.ndarray | None) -> Prediction:
        """The prediction for T frames, of which frame t is the next one of stream `streams[t]`, int64.

        `probs` and `progress` are the network's, `[T, C]` in [0, 1]; `progress` is None for a network without progress.
        With a lag, it is for the frames that are reported now.
        """

    def flush(self, stream: int) -> Sequence[Prediction]:
        """The video of a stream has ended: predictions for the frames that wait."""
        return ()

    def num_waiting(self, stream: int) -> int:
        """Frames of a stream that are not reported yet."""
        return 0

    def has_ended(self, stream: int) -> bool:
        """Whether the video of a stream has ended, so that it takes no frame."""
        return False

    @abstractmethod
    def arrays(self) -> list[np.ndarray]:
        """All tables that the results depend on."""

    @abstractmethod
    def give_task(self, stream: int, task: int) -> None:
        """Give a stream that has had no frame its task: 1 + its number, or 0 to infer it."""

    @abstractmethod
    def state(self, stream: int) -> dict[str, Tensor]:
        """The state of a stream, not a copy; all 0 before the first frame, but for the task, if it is given."""

    @abstractmethod
    def require_state(self, state: Mapping[str, Tensor]) -> None:
        """Raise `InputError` unless a stream can go on from a state, by name."""

    def events(self, stream: int) -> tuple[Event, ...]:
        """Steps done and alarms of a stream so far; none without a procedure."""
        return ()
