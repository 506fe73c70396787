"""From what the network says of a frame to what is told: label, progress with an interval, time that remains."""

from __future__ import annotations

import numpy as np
from torch import Tensor, from_numpy

from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding import duration_filter
from protas_gtcc.decoding.hypotheses import make_hypotheses
from protas_gtcc.decoding.transcripts import TranscriptTables
from protas_gtcc.predictions import Prediction

DOUBT = 0.01
"""Share of evenly spread probability that is mixed to the network's: no class is ever impossible."""


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
        self._hypotheses, self._settings, self._fps = make_hypotheses(tables), settings, fps
        self._is_action = np.ones(len(tables.first), dtype=bool)
        self._is_action[background] = False
        self._levels = np.array([settings.interval_tail, 0.5, 1 - settings.interval_tail])
        self._state = duration_filter.start_state(self._hypotheses, num_streams)

    def follow(self, who: np.ndarray, probs: np.ndarray, progress: np.ndarray | None) -> Prediction:
        """T more frames, frame t of stream `who[t]`: the network's probs and progress `[T, C]`, in [0, 1]."""
        num_frames, num_classes = probs.shape
        posterior = duration_filter.empty_posterior(num_frames, num_classes, self._levels)
        doubtful = (1 - DOUBT) * probs.astype(np.float64) + DOUBT / num_classes
        duration_filter.follow(
            self._hypotheses,
            self._state,
            np.ascontiguousarray(who, dtype=np.int64),
            np.ascontiguousarray(doubtful**self._settings.evidence),
            self._settings.interruption,
            self._is_action,
            self._levels,
            posterior,
        )
        return self._prediction(posterior, probs, progress)

    def reset(self, who: int) -> None:
        """Back to before the first frame."""
        self._state[who] = 0

    def state_dict(self, who: int) -> dict[str, Tensor]:
        """A copy of a stream's state."""
        return {"belief": from_numpy(self._state[who].copy())}

    def load_state_dict(self, who: int, state: dict[str, Tensor]) -> None:
        """Put a stream into a state that `state_dict` gave."""
        self._state[who] = state["belief"].numpy()

    def _prediction(
        self, posterior: duration_filter.Posterior, probs: np.ndarray, progress: np.ndarray | None
    ) -> Prediction:
        labels = posterior.classes.argmax(axis=1)
        frames, is_action = np.arange(len(labels)), self._is_action[labels]
        share = 0.0 if progress is None else self._settings.network_share
        channels = (1 - share) * posterior.progress
        reported = (1 - share) * posterior.quantiles[:, 1]
        if progress is not None:
            channels = channels + share * progress
            reported = reported + share * _expected(probs[:, self._is_action], progress[:, self._is_action])
        if self._settings.hedge:
            channels[frames, labels] = np.where(is_action, reported, channels[frames, labels])
        else:
            reported = channels[frames, labels]
        remaining = None if self._fps is None else posterior.remaining[frames, labels] / self._fps
        low, high = posterior.quantiles[:, 0], posterior.quantiles[:, -1]
        return Prediction(
            labels,
            posterior.classes.T.astype(np.float32),
            channels.T.astype(np.float32),
            np.where(is_action, reported, 0).astype(np.float32),
            interval=np.where(is_action, [low, high], 0).astype(np.float32),
            remaining_seconds=None if remaining is None else remaining.astype(np.float32),
        )


def _expected(probs: np.ndarray, progress: np.ndarray) -> np.ndarray:
    """Mean progress `[T]` over actions by their probability, both `[T, A]`."""
    total = probs.sum(axis=1)
    return (probs * progress).sum(axis=1) / np.maximum(total, np.finfo(np.float32).tiny)
