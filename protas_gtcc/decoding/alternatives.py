"""Other ways to decode a network's output, to measure the duration filter against."""

from __future__ import annotations

import dataclasses

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding.decoder import DurationDecoder
from protas_gtcc.predictions import Prediction, reported_progress


def hold_labels(prediction: Prediction, frames: int, confidence: float = 0.9) -> Prediction:
    """Keep each label until its segment has this many frames, unless the network is more confident of another one.

    The rule of OnlineTAS (Zhong et al., NeurIPS 2024). Reported progress stays that of before; see `expect_progress`.
    """
    labels, start = prediction.labels.copy(), 0
    for t in range(1, len(labels)):
        keep = labels[t] != labels[t - 1] and t - start < frames and prediction.probability[t] < confidence
        labels[t] = labels[t - 1] if keep else labels[t]
        start = t if labels[t] != labels[t - 1] else start
    return dataclasses.replace(prediction, labels=labels)


def expect_progress(prediction: Prediction, background: list[int]) -> Prediction:
    """Report the network's expected progress, over all actions by their probability."""
    assert prediction.probs is not None
    assert prediction.progress is not None
    actions = np.delete(np.arange(len(prediction.probs)), background)
    weights = prediction.probs[actions] / np.maximum(prediction.probs[actions].sum(axis=0), 1e-9)
    progress = prediction.progress.copy()
    expected = (weights * prediction.progress[actions]).sum(axis=0)
    progress[prediction.labels, np.arange(len(prediction.labels))] = expected
    reported = reported_progress(progress, prediction.labels, background)
    return dataclasses.replace(prediction, progress=progress, reported=reported)


def filter_true_classes(
    labels: np.ndarray, tables: TranscriptTables, settings: DecodingConfig, background: list[int], fps: float
) -> Prediction:
    """The filter alone, with the true class of every frame so far as its evidence; `labels` are class ids `[T]`.

    It counts frames, as look-ups do: its error is about that of the best look-up on true segments.
    """
    settings = dataclasses.replace(
        settings,
        evidence=1000.0,
        prior_exponent=0.0,
        network_class_share=0.0,
        network_progress_share=0.0,
        progress_doubt=0.0,
        label_margin=0.0,
    )
    decoder = DurationDecoder(tables, settings, background, fps)
    return decoder.decode(np.zeros(len(labels), dtype=np.int64), np.eye(len(tables.share))[labels], None)
