"""`ProcedureDecoder`: the duration filter, and the procedure that its belief shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from functools import partial

import numpy as np
from torch import Tensor

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding.decoder import DurationDecoder
from protas_gtcc.decoding.filter_output import Trace
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.following import ProcedureFollower, thresholds_of
from protas_gtcc.procedure.model import ProcedureModel
from protas_gtcc.procedure.result import FIXED_ROWS, REASONS, Event, Reason
from protas_gtcc.procedure.tracker import Tracked, empty_tracked

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
        thresholds = thresholds_of(model, budget, REASONS if reasons is None else reasons)
        self.follower = ProcedureFollower(model, tables, settings.order_memory, fps, thresholds)
        super().__init__(tables, settings, background, fps)

    def _begin_streams(self, count: int, task: int = 0) -> None:
        super()._begin_streams(count, task)
        self.follower = self.follower.fresh(count)

    def fresh(self, num_streams: int = 1, task: int = 0) -> ProcedureDecoder:
        """As `DurationDecoder.fresh`."""
        other = super().fresh(num_streams, task)
        assert isinstance(other, ProcedureDecoder)  # for the type checker: it is a copy
        return other

    def decode(
        self, streams: np.ndarray, probs: np.ndarray, progress: np.ndarray | None, trace: Trace | None = None
    ) -> Prediction:
        """As `DurationDecoder.decode`, with the procedure."""
        prediction, tracked = self._track(streams, probs, progress, trace)
        return dataclasses.replace(prediction, procedure=self.follower.report(streams, tracked, self._tasks > 0))

    def track(self, probs: np.ndarray) -> Tracked:
        """What the tracker finds in a video from probabilities `[T, C]`, before it is calibrated."""
        return self._track(np.zeros(len(probs), dtype=np.int64), probs, None)[1]

    def _track(
        self, streams: np.ndarray, probs: np.ndarray, progress: np.ndarray | None, trace: Trace | None = None
    ) -> tuple[Prediction, Tracked]:
        tracked = empty_tracked(len(streams), len(self.tables.share))
        run = partial(self.follower.follow, tracked)
        return self._decode(streams, probs, progress, trace, run, self.num_states), tracked

    @property
    def packed_size(self) -> int:
        """As `DurationDecoder.packed_size`."""
        return FIXED_ROWS + 2 * len(self.tables.share)

    @property
    def _order_width(self) -> int:
        return self.follower.width

    def arrays(self) -> list[np.ndarray]:
        """All tables that the results depend on, but thresholds of alarms."""
        return [*super().arrays(), *self.follower.arrays()]

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
