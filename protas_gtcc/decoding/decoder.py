"""From what the network says of a frame to what is told: label, progress with an interval, time that remains."""

from __future__ import annotations

import numpy as np
from torch import Tensor, from_numpy

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding.duration_filter import Rule, follow, nothing_told, start_state
from protas_gtcc.decoding.hypotheses import make_hypotheses
from protas_gtcc.errors import InputError
from protas_gtcc.predictions import Prediction


class DurationDecoder:
    """Runs the duration filter after a network, for n streams.

    `labels` and `probs` are the filter's. The progress of a class is the mean (`--network-share`) of the network's and
    of the filter's median, both given that the class is going on. The progress that is reported, and stands in the
    predicted class's channel, also allows for the prediction being wrong (`--hedge`): it is the same mean of the
    network's expected progress, over all actions by their probability, and of the filter's median over all actions.
    """

    def __init__(
        self,
        tables: TranscriptTables,
        settings: DecodingConfig,
        background: list[int],
        fps: float | None,
        num_streams: int = 1,
    ):
        self._tables, self._hypotheses, self._fps = tables, make_hypotheses(tables), fps
        is_action = np.ones(len(tables.first), dtype=bool)
        is_action[background] = False
        shared = (settings.network_share, settings.hedge, settings.interval_tail)
        self._rule = Rule(settings.evidence, settings.interruption, *shared, is_action)
        self._state = start_state(self._hypotheses, num_streams)
        # The code is compiled, or fetched from numba's cache, by its first call: now, not at somebody's first frame.
        self.follow(np.zeros(1, dtype=np.int64), np.ones((1, len(is_action)), dtype=np.float32), None)
        self.reset(0)

    def follow(self, who: np.ndarray, probs: np.ndarray, progress: np.ndarray | None) -> Prediction:
        """T more frames, frame t of stream `who[t]`: the network's probs and progress `[T, C]`, in [0, 1]."""
        rule = self._rule if progress is not None else self._rule._replace(network_share=0.0)
        probs = np.ascontiguousarray(probs, dtype=np.float32)
        given = probs if progress is None else np.ascontiguousarray(progress, dtype=np.float32)
        told = nothing_told(*probs.shape)
        follow(self._hypotheses, rule, self._state, np.asarray(who, dtype=np.int64), probs, given, told)
        own = told.progress[np.arange(len(told.labels)), told.labels]
        return Prediction(
            told.labels,
            told.probs.T,
            told.progress.T,
            own * rule.is_action[told.labels],
            told.interval.T,
            None if self._fps is None else told.remaining / np.float32(self._fps),
        )

    @staticmethod
    def require_belief(state: dict[str, Tensor]) -> None:
        """Raise `InputError` unless the state's belief is probabilities, or 0 before the first frame."""
        belief = state["belief"].numpy()
        if belief.min() < 0 or (belief.any() and abs(belief.sum() - 1) > 1e-6):
            raise InputError("this is no state of such a stream: belief is not a probability")

    @property
    def tables(self) -> TranscriptTables:
        """What the filter knows of lengths and order."""
        return self._tables

    def reset(self, who: int) -> None:
        """Back to before the first frame."""
        self._state[who] = 0

    def state_dict(self, who: int) -> dict[str, Tensor]:
        """A copy of a stream's state."""
        return {"belief": from_numpy(self._state[who].copy())}

    def load_state_dict(self, who: int, state: dict[str, Tensor]) -> None:
        """Put a stream into a state that `state_dict` gave; `require_belief` says whether it can be one."""
        self._state[who] = state["belief"].numpy()
