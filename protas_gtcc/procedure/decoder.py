"""`ProcedureDecoder`: the duration filter, and the procedure that its belief shows."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Collection, Mapping

import numpy as np
from torch import Tensor

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding.decoder import DurationDecoder
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.following import ProcedureFollower, thresholds_of
from protas_gtcc.procedure.model import ProcedureModel
from protas_gtcc.procedure.result import REASONS, Event, Reason
from protas_gtcc.procedure.tracker import Tracked

_PREFIX = "procedure_"
"""Of the names of the tracker's state."""


class ProcedureDecoder(DurationDecoder):
    """As a `DurationDecoder`; its predictions have a `procedure`."""

    def __init__(
        self,
        tables: TranscriptTables,
        settings: DecodingConfig,
        background: list[int],
        fps: float,
        model: ProcedureModel,
        budget: float | None = None,
        reasons: Collection[Reason] | None = None,
    ):
        """Alarms, of all reasons or of these, keep to a budget in false alarms an hour; without one there are none."""
        super().__init__(tables, settings, background, fps)
        thresholds = thresholds_of(model, budget, REASONS if reasons is None else reasons)
        self.follower = ProcedureFollower(model, tables.following, fps, len(tables.share), thresholds)

    def fresh(self, num_streams: int = 1, task: int = 0) -> ProcedureDecoder:
        """The same for other streams before their first frame, all of one task; as in `give_task`."""
        other = copy.copy(self)
        other._begin_streams(num_streams, task)
        other.follower = self.follower.fresh(num_streams)
        return other

    def decode(self, streams: np.ndarray, probs: np.ndarray, progress: np.ndarray | None) -> Prediction:
        """As `DurationDecoder.decode`, with the procedure."""
        prediction, beliefs = self._decode(streams, probs, progress, len(self.tables.state_class))
        return dataclasses.replace(prediction, procedure=self.follower.follow(streams, beliefs, self._tasks > 0))

    def arrays(self) -> list[np.ndarray]:
        """All tables that the results depend on, but thresholds of alarms."""
        return [*super().arrays(), *self.follower.arrays()]

    def track(self, probs: np.ndarray) -> Tracked:
        """What the tracker finds in a video from probabilities `[T, C]`, before it is calibrated."""
        streams = np.zeros(len(probs), dtype=np.int64)
        _, beliefs = self._decode(streams, probs, None, len(self.tables.state_class))
        return self.follower.track(streams, beliefs)

    def state(self, stream: int) -> dict[str, Tensor]:
        """As `DurationDecoder.state`, with what the tracker remembers."""
        own = self.follower.state(stream).items()
        return super().state(stream) | {_PREFIX + name: values for name, values in own}

    def events(self, stream: int) -> tuple[Event, ...]:
        """Steps done and alarms of a stream so far, as in `ProcedureFollower.events`."""
        return self.follower.events(stream)

    def require_state(self, state: Mapping[str, Tensor]) -> None:
        """As `DurationDecoder.require_state`, for the tracker too."""
        super().require_state(state)
        own = {name.removeprefix(_PREFIX): one for name, one in state.items() if name.startswith(_PREFIX)}
        self.follower.require_state(own)
