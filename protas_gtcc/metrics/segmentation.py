"""Segmentation scores in percent: `acc`, `acc_no_background`, `edit`, `edit_merged`, `f1@10`, …25, …50.

Conventions
- `estimate` and `reference` are class ids `[T]` of one video; segments are end-exclusive runs of one class.
- `acc` counts frames over all videos (MoF); `acc_no_background` counts frames whose reference class is an action.
- `edit` is 100 (1 - Levenshtein / longer length) of the two transcripts, averaged over videos. Background segments are
  dropped. `edit_merged` then also merges equal neighbours, as ProTAS does; `edit` does not, as in MS-TCN.
- `f1@k`: every estimated action segment takes the reference segment of its class with the best IoU. It is a true
  positive if that IoU is at least k % and no earlier segment took the same one. Counts are pooled over videos.

Empty input: a video where neither side has an action segment has edit 100, one where only one side has any, 0. F1 is
100 where no video has an action segment on either side. Accuracies over no frames are NaN (undefined).

References: Lea et al., CVPR 2017 (edit, F1); Farha & Gall, CVPR 2019 (MS-TCN); Shen & Elhamifar, CVPR 2024 (ProTAS).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby, islice, pairwise

import numpy as np

from protas_gtcc.errors import InputError

THRESHOLDS = (10, 25, 50)
"""IoU thresholds of F1, percent."""
VIDEOS_AT_ONCE = 256
"""Videos that are scored together: enough to be fast, few enough for memory."""
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
"""Entries of `segmentation_statistics` in order; each adds up over videos."""


def segmentation_statistics(pairs: Sequence[tuple[np.ndarray, np.ndarray]], background: Collection[int]) -> np.ndarray:
    """Sums and counts of V videos, float64 `[V, len(STATISTICS)]`, from pairs of (estimate, reference), `[T]` each.

    All videos' frames are visited at once, end to end, with a border between two videos.
    Raises `InputError` if a pair differs in length or is empty.
    """
    for estimate, reference in pairs:
        check_lengths(estimate, reference)
    first_frames = np.cumsum([0, *(len(reference) for _, reference in pairs)])
    estimate, reference = (np.concatenate(side) for side in zip(*pairs, strict=True))
    # One piece is a stretch where neither side changes: it lies in one estimated and one reference segment.
    # Frames are visited here; all else is counted on pieces.
    begins = _begins(estimate, first_frames[:-1]) | _begins(reference, first_frames[:-1])
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=len(reference))
    first_pieces = np.searchsorted(starts, first_frames)
    video = np.repeat(np.arange(len(pairs)), np.diff(first_pieces))
    estimate, reference = estimate[starts], reference[starts]
    wanted_action, correct = is_action(reference, background), estimate == reference
    frames = [np.bincount(video, lengths * chosen, len(pairs)) for chosen in (correct, wanted_action)]
    agreed = correct & wanted_action
    estimated, wanted = (_transcripts(side, first_pieces, background) for side in (estimate, reference))
    edits = np.array([_edit_scores(*transcripts) for transcripts in zip(estimated, wanted, strict=True)])
    return np.stack(
        [
            np.diff(first_frames),
            *frames,
            np.bincount(video, lengths * agreed, len(pairs)),
            np.ones(len(pairs)),
            *edits.T,
            [len(one) for one in estimated],
            [len(one) for one in wanted],
            *_true_positives(estimate, reference, lengths, agreed, first_pieces),
        ],
        axis=1,
    )


def scores_from_sums(totals: np.ndarray) -> dict[str, np.ndarray]:
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
    remaining = iter(pairs)
    while some := list(islice(remaining, VIDEOS_AT_ONCE)):
        totals += segmentation_statistics(some, background).sum(axis=0)
    return {name: float(score[0]) for name, score in scores_from_sums(totals).items()}


def edit_score(estimate: list[int], reference: list[int]) -> float:
    """Edit score of two transcripts, percent; 100 if both are empty."""
    longer = max(len(estimate), len(reference))
    return 100 * (1 - levenshtein(estimate, reference) / longer) if longer else 100.0


def levenshtein(first: list[int], second: list[int]) -> int:
    """Fewest insertions, deletions and replacements that turn one sequence into the other.

    A column of the usual table is kept as two big integers. Bit i is set where row i + 1 is one more (`above`) or one
    less (`below`) than row i. So a whole column is one round of integer arithmetic (Myers 1999; Hyyrö 2003).
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


def confusion_counts(estimate: np.ndarray, reference: np.ndarray, num_classes: int) -> np.ndarray:
    """Frames of one video by class, int64 `[C, C]`: row true class, column predicted class; adds up over videos.

    `estimate` and `reference` are class ids `[T]` in 0 … C - 1.
    """
    pairs = reference.astype(np.int64) * num_classes + estimate
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def check_lengths(estimate: np.ndarray, reference: np.ndarray) -> None:
    """Raise `InputError` unless both are one class id a frame, `[T]`, of one length, at least 1."""
    if estimate.ndim != 1 or estimate.shape != reference.shape:
        raise InputError(
            f"the estimate has shape {estimate.shape}, the reference {reference.shape}; give one class id for each "
            "frame, [T]"
        )
    if len(reference) == 0:
        raise InputError("a video without frames cannot be scored; leave it out")


def _begins(labels: np.ndarray, firsts: np.ndarray) -> np.ndarray:
    """Where a run of one class begins: class ids `[T]` and the first index of every video -> bool `[T]`."""
    begins = np.empty(len(labels), dtype=bool)
    np.not_equal(labels[1:], labels[:-1], out=begins[1:])
    begins[firsts] = True
    return begins


def is_action(labels: np.ndarray, background: Collection[int]) -> np.ndarray:
    """Which class ids are actions: `[N]` -> bool `[N]`. For the few background classes faster than `np.isin`."""
    actions = np.ones(len(labels), dtype=bool)
    for label in background:
        actions &= labels != label
    return actions


def _transcripts(pieces: np.ndarray, first_pieces: np.ndarray, background: Collection[int]) -> list[list[int]]:
    """Labels of the segments that pieces make up, without background, for each video."""
    kept = np.flatnonzero(_begins(pieces, first_pieces[:-1]) & is_action(pieces, background))
    labels, borders = pieces[kept].tolist(), np.searchsorted(kept, first_pieces).tolist()
    return [labels[start:end] for start, end in pairwise(borders)]


def _edit_scores(estimated: list[int], wanted: list[int]) -> tuple[float, float]:
    """Edit score of two transcripts as they are, and with equal neighbours merged."""
    edit = edit_score(estimated, wanted)
    merged = [[label for label, _ in groupby(transcript)] for transcript in (estimated, wanted)]
    return edit, edit if merged == [estimated, wanted] else edit_score(*merged)


def _true_positives(
    estimate: np.ndarray, reference: np.ndarray, lengths: np.ndarray, agreed: np.ndarray, first_pieces: np.ndarray
) -> list[np.ndarray]:
    """True positives of each video at each threshold, `[V]` each, from pieces.

    `agreed` are the pieces where both sides have the same action. A segment tries its best match only. Of several with
    the same match the first takes it and the others are false positives. So the number of true positives is that of
    distinct best matches at or above a threshold.
    """
    firsts = first_pieces[:-1]
    of_estimate, of_reference = np.cumsum(_begins(estimate, firsts)), np.cumsum(_begins(reference, firsts))
    segment, match, shared = of_estimate[agreed], of_reference[agreed], lengths[agreed]
    union = np.bincount(of_estimate, lengths)[segment] + np.bincount(of_reference, lengths)[match] - shared
    iou = shared / union
    order = np.lexsort((-iou, segment))  # stable: of equal IoUs the earliest reference segment comes first
    best = order[np.flatnonzero(np.diff(segment[order], prepend=-1))]
    iou, match = iou[best], match[best]
    taken = np.zeros((len(THRESHOLDS), of_reference[-1] + 1), dtype=bool)
    for row, threshold in zip(taken, THRESHOLDS, strict=True):
        row[match[iou >= threshold / 100]] = True
    # Reference segments are numbered from 1 over all videos; row by row, those of each video are added up.
    first_segments = of_reference[firsts]
    return list(np.add.reduceat(taken, first_segments, axis=1, dtype=np.int64))
