"""From the network's output to a `Prediction`: label, progress with an interval, remaining time."""

from __future__ import annotations

import numpy as np
from torch import Tensor, from_numpy

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding.hypotheses import make_hypotheses, start_state
from protas_gtcc.errors import InputError
from protas_gtcc.predictions import Prediction


class DurationDecoder:
    """Runs the duration filter after a network, for n streams.

    `labels` and `probs` are the filter's. The progress of a class is a weighted mean (`--network-share`) of the
    network's progress and the filter's median, both given that the class is going on. The reported progress stands in
    the predicted class's channel. With `--hedge` it allows for a wrong prediction: it is the same weighted mean of the
    network's expected progress over all actions and of the filter's median over all actions.
    """

    def __init__(
        self,
        tables: TranscriptTables,
        settings: DecodingConfig,
        background: list[int],
        fps: float | None,
        num_streams: int = 1,
    ):
        # Here, because importing numba takes half a second.
        from protas_gtcc.decoding import duration_filter
        from protas_gtcc.decoding.compilation import report_compilation

        self._filter, self._fps = duration_filter, fps
        self._tables, self._hypotheses = tables, make_hypotheses(tables, settings)
        is_action = np.ones(len(tables.first), dtype=bool)
        is_action[background] = False
        self._rule = duration_filter.make_rule(settings, is_action)
        self._state = start_state(self._hypotheses, num_streams)
        # The first call compiles the code, or loads it from numba's cache: now, not at the first frame of a stream.
        with report_compilation("the duration filter"):
            self.decode(np.zeros(1, dtype=np.int64), np.ones((1, len(is_action)), dtype=np.float32), None)
        self.reset(0)

    def decode(self, streams: np.ndarray, probs: np.ndarray, progress: np.ndarray | None) -> Prediction:
        """The prediction for T frames, of which frame t is the next one of stream `streams[t]`.

        `probs` and `progress` are the network's, `[T, C]` in [0, 1]; `progress` is None for a network without progress.
        """
        rule = self._rule if progress is not None else self._rule._replace(network_share=0.0)
        probs = np.ascontiguousarray(probs, dtype=np.float32)
        given = probs if progress is None else np.ascontiguousarray(progress, dtype=np.float32)
        output = self._filter.empty_output(*probs.shape)
        streams = np.asarray(streams, dtype=np.int64)
        self._filter.filter_frames(self._hypotheses, rule, self._state, streams, probs, given, output)
        own = output.progress[np.arange(len(output.labels)), output.labels]
        return Prediction(
            output.labels,
            output.probs.T,
            output.progress.T,
            own * rule.is_action[output.labels],
            output.interval.T,
            None if self._fps is None else output.remaining / np.float32(self._fps),
        )

    @staticmethod
    def require_belief(state: dict[str, Tensor]) -> None:
        """Raise `InputError` unless the state's belief sums to 1, or is 0 as before the first frame."""
        belief = state["belief"].numpy()
        if belief.min() < 0 or (belief.any() and abs(belief.sum() - 1) > 1e-6):
            raise InputError("this is no state of such a stream: belief is not a probability")

    @property
    def tables(self) -> TranscriptTables:
        """Durations and order of the classes in the training videos."""
        return self._tables

    def reset(self, stream: int) -> None:
        """Return a stream to the state before its first frame."""
        self._state[stream] = 0

    def state_dict(self, stream: int) -> dict[str, Tensor]:
        """A copy of a stream's state."""
        return {"belief": from_numpy(self._state[stream].copy())}

    def load_state_dict(self, stream: int, state: dict[str, Tensor]) -> None:
        """Set a stream to a state from `state_dict`; check it with `require_belief` first."""
        self._state[stream] = state["belief"].numpy()
