"""Enclosed area: the area between the found alignment of two videos and the true one.

    frames of            . . found     The true alignment matches an action's segment in one video with the same
    the other   . . . ./.              action's in the other, frame by frame and evenly: the middle of frame k of L
          ----/----/                   lies at the middle of frame (k + 1/2) L' / L - 1/2 of L'. The found one is each
     ----/-- true                      frame's nearest neighbour. The area between the two, over the area there is.
          frames of one video

Frames without a true partner are left out of both axes: background, and actions that the other video lacks. A neighbour
in a part that is left out counts as halfway between the frames on either side. An action that occurs several times may
be matched with any of its segments; the segment nearest to the found neighbour counts, which is lenient.

Donahue and Elhamifar, "Learning to Predict Activity Progress by Self-Supervised Video Alignment", CVPR 2024 (enclosed
area error).

Their code differs: it rounds partners to frames, does not match a segment's last frame, and leaves the other video's
axis whole for some datasets. Here a pair without common actions has no area.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from protas_gtcc.alignment.scores.partners import PARTNER, Partners
from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.metrics.segmentation import is_action

_WHAT = (
    f"Distance between where a frame is matched in {PARTNER} and where the same point of the same action is (the "
    "nearest of several), as a share of that video's frames that have a true partner, mean over frames of an action "
    "that both videos show, then over ordered pairs of videos"
)
DEFINITIONS = {
    "enclosed_area": ("fraction", f"{_WHAT}; matched with the nearest neighbour."),
    "lookups.enclosed_area.elapsed_share": ("fraction", f"{_WHAT}; matched by the share of the video that has passed."),
}


def area_figures(partners: Partners, background: Collection[int], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area of nearest neighbours, and of matching by elapsed share."""

    def found(i: int, j: int) -> float:
        return enclosed_area(partners.nearest[i, j], partners.labels[i], partners.other_labels[j], background)

    def by_time(i: int, j: int) -> float:
        labels, others = partners.labels[i], partners.other_labels[j]
        return enclosed_area(match_by_time(len(labels), len(others)), labels, others, background)

    area, area_by_time = (partners.mean(weights, partners.values(of_pair)) for of_pair in (found, by_time))
    return area, area_by_time


def enclosed_area(
    found: np.ndarray, labels: np.ndarray, other_labels: np.ndarray, background: Collection[int]
) -> float:
    """Area in [0, 1] between found frames `[N]` of another video and the true ones, from class ids `[N]` and `[M]`.

    NaN if the videos have no action in common.
    """
    shared = np.intersect1d(labels, other_labels)
    shared = shared[is_action(shared, background)]
    if len(shared) == 0:
        return float("nan")
    kept = np.isin(other_labels, shared)
    # On an axis of the kept frames alone: 0, 1, … and halves for frames left out.
    places: np.ndarray = np.cumsum(kept) - np.where(kept, 1.0, 0.5)
    segments, others = segment_array(labels), segment_array(other_labels)
    total = num_frames = 0.0
    for start, end, label in segments[np.isin(segments[:, 2], shared)].tolist():
        share = (np.arange(end - start) + 0.5) / (end - start)
        same = others[others[:, 2] == label]
        lengths = same[:, 1] - same[:, 0]
        partners = places[same[:, 0], None] - 0.5 + lengths[:, None] * share
        total += np.abs(places[found[start:end]] - partners).min(axis=0).sum()
        num_frames += end - start
    return float(total / num_frames / kept.sum())


def match_by_time(num_frames: int, num_other: int) -> np.ndarray:
    """The frame of another video at the same share of its length, int64 `[N]`."""
    return ((np.arange(num_frames) + 0.5) / num_frames * num_other).astype(np.int64)
