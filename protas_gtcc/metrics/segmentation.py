"""Segmentation scores in percent: `acc`, `acc_no_background`, `edit`, `edit_merged`, `f1@10`, …25, …50.

Conventions
- `estimate` and `reference` are class ids `[T]` of one video; segments are end-exclusive runs of one class.
- `acc` counts frames over all videos (MoF); `acc_no_background` counts frames whose reference class is an
  action.
- `edit` is 100 (1 - Levenshtein / longer length) of the two transcripts, averaged over videos. Background
  segments are dropped; `edit_merged` then also merges equal neighbours, as ProTAS does, `edit` does not, as
  MS-TCN does.
- `f1@k`: every estimated action segment takes the reference segment of its class with the best IoU; it is a
  true positive if that IoU is at least k % and no earlier segment took the same one. Counts are pooled over
  videos.

Empty input: a video where neither side has an action segment has edit 100, one where only one side has any,
0; F1 is 100 where no video has an action segment on either side. Accuracies over no frames are NaN
(undefined).

References: Lea et al., CVPR 2017 (edit, F1); Farha & Gall, CVPR 2019 (MS-TCN); Shen & Elhamifar, CVPR 2024
(ProTAS).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import groupby

import numpy as np

from protas_gtcc.errors import InputError

THRESHOLDS = (10, 25, 50)
"""IoU thresholds of F1, percent."""
STATISTICS = (
    "frames",
    "correct",
    "action_frames",
    "correct_action",
    "videos",
    "edit",
    "edit_merged",
    "estimated_segments",
    "reference_segments",
    *(f"true_positives@{threshold}" for threshold in THRESHOLDS),
)
"""What `segmentation_statistics` holds, in order; every one adds up over videos."""


def segmentation_statistics(estimate: np.ndarray, reference: np.ndarray, background: Collection[int]) -> np.ndarray:
    """Sums and counts of one video, float64 `[len(STATISTICS)]`, from class ids `[T]` and `[T]`.

    Raises `InputError` if the two differ in length or are empty.
    """
    check_lengths(estimate, reference)
    # One piece is a stretch where neither side changes: it lies in one estimated and one reference segment.
    # Frames are visited here; all else is counted on pieces.
    begins = _begins(estimate) | _begins(reference)
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=len(reference))
    estimate, reference = estimate[starts], reference[starts]
    wanted_action = is_action(reference, background)
    correct = estimate == reference
    estimated, wanted = _actions(estimate, background), _actions(reference, background)
    best_iou, best_match = _best_matches(estimate, reference, lengths, correct & wanted_action)
    return np.array(
        [
            lengths.sum(),
            lengths[correct].sum(),
            lengths[wanted_action].sum(),
            lengths[correct & wanted_action].sum(),
            1,
            *_edit_scores(estimated, wanted),
            len(estimated),
            len(wanted),
            *(len(set(best_match[best_iou >= threshold / 100].tolist())) for threshold in THRESHOLDS),
        ],
        dtype=np.float64,
    )


def segmentation_scores(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Scores in percent, each `[R]`, from R sums of statistics over videos, `[R, len(STATISTICS)]`."""
    total = {name: totals[:, index] for index, name in enumerate(STATISTICS)}
    with np.errstate(invalid="ignore"):
        scores = {
            "acc": 100 * total["correct"] / total["frames"],
            "acc_no_background": 100 * total["correct_action"] / total["action_frames"],
            "edit": total["edit"] / total["videos"],
            "edit_merged": total["edit_merged"] / total["videos"],
        }
        segments = total["estimated_segments"] + total["reference_segments"]
        for threshold in THRESHOLDS:
            f1 = 200 * total[f"true_positives@{threshold}"] / segments
            scores[f"f1@{threshold}"] = np.where(segments == 0, 100.0, f1)
    return scores


def score_segmentation(pairs: Iterable[tuple[np.ndarray, np.ndarray]], background: Collection[int]) -> dict[str, float]:
    """Scores in percent over videos, given as pairs of (estimate, reference), class ids `[T]` each."""
    totals = np.zeros((1, len(STATISTICS)))
    for estimate, reference in pairs:
        totals += segmentation_statistics(estimate, reference, background)
    return {name: float(score[0]) for name, score in segmentation_scores(totals).items()}


def edit_score(estimate: list[int], reference: list[int]) -> float:
    """Edit score of two transcripts, percent; 100 if both are empty."""
    longer = max(len(estimate), len(reference))
    return 100 * (1 - levenshtein(estimate, reference) / longer) if longer else 100.0


def levenshtein(first: list[int], second: list[int]) -> int:
    """Fewest insertions, deletions and replacements that turn one sequence into the other.

    A column of the usual table is kept as two big integers, bit i saying whether row i + 1 is one more
    (`above`) or one less (`below`) than row i, so that a whole column is one round of integer arithmetic
    (Myers 1999; Hyyrö 2003).
    """
    if not first or not second:
        return max(len(first), len(second))
    positions: dict[int, int] = {}
    for index, label in enumerate(first):
        positions[label] = positions.get(label, 0) | 1 << index
    every, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    above, below, distance = every, 0, len(first)
    for label in second:
        equal = positions.get(label, 0)
        diagonal = (((equal & above) + above) ^ above) | equal
        right_above = below | (~(diagonal | above) & every)
        right_below = above & diagonal
        distance += bool(right_above & last) - bool(right_below & last)
        right_above = (right_above << 1 | 1) & every
        vertical = equal | below
        above = (right_below << 1 & every) | (~(vertical | right_above) & every)
        below = right_above & vertical
    return distance


def check_lengths(estimate: np.ndarray, reference: np.ndarray) -> None:
    """Raise `InputError` unless both are one class id a frame, `[T]`, of one length, at least 1."""
    if estimate.ndim != 1 or estimate.shape != reference.shape:
        raise InputError(
            f"the estimate has shape {estimate.shape}, the reference {reference.shape}; expected equal [T]"
        )
    if len(reference) == 0:
        raise InputError("a video without frames cannot be scored")


def _begins(labels: np.ndarray) -> np.ndarray:
    """Where a run of one class begins: class ids `[T]` -> bool `[T]`."""
    begins = np.empty(len(labels), dtype=bool)
    begins[:1] = True
    np.not_equal(labels[1:], labels[:-1], out=begins[1:])
    return begins


def is_action(labels: np.ndarray, background: Collection[int]) -> np.ndarray:
    """Which class ids are actions: `[N]` -> bool `[N]`. For the few background classes faster than `np.isin`."""
    actions = np.ones(len(labels), dtype=bool)
    for label in background:
        actions &= labels != label
    return actions


def _actions(pieces: np.ndarray, background: Collection[int]) -> list[int]:
    """Labels of the segments that pieces make up, without background."""
    return [label for label in pieces[_begins(pieces)].tolist() if label not in background]


def _edit_scores(estimated: list[int], wanted: list[int]) -> tuple[float, float]:
    """Edit score of two transcripts as they are, and with equal neighbours merged."""
    edit = edit_score(estimated, wanted)
    merged = [[label for label, _ in groupby(transcript)] for transcript in (estimated, wanted)]
    return edit, edit if merged == [estimated, wanted] else edit_score(*merged)


def _best_matches(
    estimate: np.ndarray, reference: np.ndarray, lengths: np.ndarray, agreed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Best IoU, and who has it, for each estimated action segment that meets a reference one of its class.

    All `[num pieces]`; `agreed` are the pieces where both sides say the same action. The distinct best matches
    above a threshold are its true positives: a segment tries its best match only, so of all that share one the first
    takes it and the others are false positives, in whatever order.
    """
    of_estimate, of_reference = np.cumsum(_begins(estimate)), np.cumsum(_begins(reference))
    segment, match, shared = of_estimate[agreed], of_reference[agreed], lengths[agreed]
    union = np.bincount(of_estimate, lengths)[segment] + np.bincount(of_reference, lengths)[match] - shared
    iou = shared / union
    order = np.lexsort((-iou, segment))  # stable: of equal IoUs the earliest reference segment comes first
    best = order[_begins(segment[order])]
    return iou[best], match[best]
