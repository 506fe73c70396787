"""How far annotators agree: by frame, by Cohen's kappa, and by the segmentation scores, each of two in both directions.

Agreement by frame is the share of frames with the same label, background included. Kappa is what of it exceeds chance:
(agreement - expected) / (1 - expected), where the expected agreement is that of independent labels with each
annotator's own shares. Cohen, "A coefficient of agreement for nominal scales", 1960. F1 and edit are the means of both
directions, since matching segments is not symmetric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from protas_gtcc.metrics.scores import segmentation_scores

SCORES = ("edit", "f1@10", "f1@25", "f1@50")


@dataclass(frozen=True)
class Agreement:
    """Of two annotators, over the videos that both have; in percent, kappa from -1 to 1."""

    one: str
    other: str
    num_videos: int
    num_frames: int
    by_frame: float
    kappa: float
    edit: float
    f1: Mapping[int, float]
    """By threshold: 10, 25, 50."""


def agreements(labels: Mapping[str, Mapping[str, np.ndarray]]) -> list[Agreement]:
    """The agreement of each two annotators with a video in common.

    `labels` are class ids, int `[T]`, by annotator and video; class 0 is the background. The shorter video is continued
    with background.
    """
    pairs = combinations(sorted(labels), 2)
    return [
        agreement(one, other, labels[one], labels[other])
        for one, other in pairs
        if labels[one].keys() & labels[other].keys()
    ]


def agreement(one: str, other: str, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> Agreement:
    """The agreement of two annotators; they must have a video in common."""
    videos = sorted(first.keys() & second.keys())
    pairs = [_of_one_length(first[video], second[video]) for video in videos]
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ways = [segmentation_scores(*way, background=[0]) for way in ((left, right), (right, left))]
    means = {name: float(np.mean([way[name] for way in ways])) for name in SCORES}
    whole, whole_other = np.concatenate(left), np.concatenate(right)
    same = float(np.mean(whole == whole_other))
    f1 = {threshold: means[f"f1@{threshold}"] for threshold in (10, 25, 50)}
    kappa = _kappa(whole, whole_other, same)
    return Agreement(one, other, len(videos), len(whole), 100 * same, kappa, means["edit"], f1)


def _kappa(one: np.ndarray, other: np.ndarray, same: float) -> float:
    num_classes = int(max(one.max(initial=0), other.max(initial=0))) + 1
    shares = [np.bincount(labels, minlength=num_classes) / len(labels) for labels in (one, other)]
    expected = float(shares[0] @ shares[1])
    return 1.0 if expected == 1 else (same - expected) / (1 - expected)


def _of_one_length(one: np.ndarray, other: np.ndarray) -> Sequence[np.ndarray]:
    length = max(len(one), len(other), 1)
    return [np.pad(labels, (0, length - len(labels))).astype(np.int64) for labels in (one, other)]
