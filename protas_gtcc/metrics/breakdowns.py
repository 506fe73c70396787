"""Breakdowns of the progress error over frames of true actions: where it comes from.

- `length_frames`, `length_seconds`: by the length of the true segment; seconds only where frames per second are known.
- `tenth`: by tenth of true progress; a frame exactly at a border belongs to the tenth below.
- `occurrence`: the first segment of its class in the video, or a later one.
- `predicted`: what the model predicts there: the true class, a wrong action, or background.

`DEFINITIONS` defines the figures of a part, which has `error` and `bias` for each compared predictor
(`details.COMPARED`). `true_progress` + `bias` is the mean reported progress. Parts by length have the error of every
look-up as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.metrics.segmentation import is_action

FRAME_EDGES = (3, 6, 11, 21, 51)
"""Lengths in frames at which a new part begins."""
SECOND_EDGES = (1, 2, 5, 10, 30)
"""Lengths in seconds at which a new part begins."""
PARTS = {
    "length_frames": ("1-2", "3-5", "6-10", "11-20", "21-50", ">50"),
    "length_seconds": ("<1", "1-2", "2-5", "5-10", "10-30", ">=30"),
    "tenth": tuple(f"{tenth / 10:.1f}-{(tenth + 1) / 10:.1f}" for tenth in range(10)),
    "occurrence": ("first", "repeated"),
    "predicted": ("true class", "wrong action", "background"),
}
"""Names of the parts of every breakdown."""
BY_LENGTH = ("length_frames", "length_seconds")
_OFFSETS = dict(zip(PARTS, np.cumsum([0, *map(len, PARTS.values())]).tolist(), strict=False))
NUM_PARTS = sum(map(len, PARTS.values()))
STATISTICS = ("error", "bias", "true_progress", "frames", "segments")
COUNTS = ("frames", "segments")
"""Figures that are whole numbers and have no interval."""
DEFINITIONS = {
    "breakdowns.*.*.frames": ("frames", "Frames of true actions in this part."),
    "breakdowns.*.*.segments": ("segments", "True action segments with a frame in this part."),
    "breakdowns.*.*.share": (
        "fraction",
        "Share of this part in the frames of true actions. The errors, weighted by it, add up to the error per frame.",
    ),
    "breakdowns.*.*.true_progress": ("fraction", "Mean true progress of the frames in this part."),
    "breakdowns.*.*.*.error": ("fraction", "Mean |reported - true progress| over the frames in this part."),
    "breakdowns.*.*.*.bias": (
        "fraction",
        "Mean of reported less true progress over the frames in this part; positive is too much.",
    ),
}
DEFINITIONS["breakdowns.*.*.lookups.*.*"] = DEFINITIONS["breakdowns.*.*.*.error"]


def breakdown_statistics(video: ScoredVideo) -> np.ndarray:
    """Sums and counts of one video, float64 `[P, len(STATISTICS), NUM_PARTS]`.

    Frames and segments are the same for each predictor. Parts by seconds are 0 without frames per second.
    """
    statistics = np.zeros((len(video.reports), len(STATISTICS), NUM_PARTS))
    if len(video.segments) == 0:
        return statistics
    # A piece is a stretch of one segment in one tenth with one outcome. Frames are visited here; all else is counted on
    # pieces.
    tenth, outcome = (10 * video.elapsed - 1) // video.lengths[video.segment], _outcomes(video)
    starts = np.flatnonzero(np.diff(3 * (10 * video.segment + tenth) + outcome, prepend=-1))
    belongs = _parts_of_pieces(video, tenth[starts], outcome[starts], video.segment[starts])
    difference = video.reported - video.target
    for row, values in enumerate((np.abs(difference), difference, video.target)):
        statistics[:, row] = np.add.reduceat(values, starts, axis=-1) @ belongs
    statistics[:, 3] = np.diff(starts, append=len(video.frames)) @ belongs
    statistics[:, 4] = np.maximum.reduceat(belongs, np.searchsorted(starts, video.starts)).sum(axis=0)
    return statistics


def correct_by_length(video: ScoredVideo) -> np.ndarray:
    """Frames of true actions whose class is predicted, in each part of `length_frames`, int64 `[6]`."""
    correct = video.estimate[video.frames] == video.labels[video.frames]
    part = np.searchsorted(FRAME_EDGES, video.lengths, side="right")[video.segment]
    return np.bincount(part[correct], minlength=len(PARTS["length_frames"]))


def tenths(progress: np.ndarray) -> np.ndarray:
    """The tenth of each progress in [0, 1], int64 in 0 … 9; a tenth includes its upper end, the first also 0."""
    # Progress is float32: 0.3 is a little more than three tenths, but belongs to the third.
    scaled = np.round(np.asarray(progress, dtype=np.float64) * 10, 5)
    return np.clip(np.ceil(scaled) - 1, 0, 10 - 1).astype(np.int64)


def by_tenths(values: np.ndarray, given: np.ndarray) -> dict[str, np.ndarray]:
    """`num_frames`, `mean`, `low` and `high` (quartiles) of `values` `[N]` over the frames in each tenth of `given`.

    All are `[10]`, NaN in tenths without frames.
    """
    tenth = tenths(given)
    rows = np.full((10, 3), np.nan)
    for index in range(10):
        own = values[tenth == index].astype(np.float64)
        if len(own):
            rows[index] = own.mean(), *np.quantile(own, (0.25, 0.75))
    mean, low, high = rows.T
    return {"num_frames": np.bincount(tenth, minlength=10), "mean": mean, "low": low, "high": high}


def breakdown_figures(
    totals: Mapping[str, np.ndarray | None],
    has_seconds: bool,
    lookups: Mapping[str, Mapping[str, np.ndarray]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Figures of every part, `[R]` each, from sums over videos by predictor, `[R, len(STATISTICS), NUM_PARTS]`.

    A predictor whose sums are None has no figures; at least one must have some. `lookups` are the sums of every look-up
    by the segments given, then by name.
    """
    counted = next(total for total in totals.values() if total is not None)
    tree: dict[str, Any] = {}
    for name, parts in PARTS.items():
        tree[name] = {}
        own = slice(_OFFSETS[name], _OFFSETS[name] + len(parts))
        all_frames = counted[:, 3, own].sum(axis=1)
        for column, part in enumerate(parts, start=_OFFSETS[name]):
            tree[name][part] = _figures(totals, counted, column, all_frames)
            if lookups and name in BY_LENGTH:
                tree[name][part]["lookups"] = _errors(lookups, column)
    return tree if has_seconds else tree | {"length_seconds": None}


def _figures(
    totals: Mapping[str, np.ndarray | None], counted: np.ndarray, part: int, all_frames: np.ndarray
) -> dict[str, Any]:
    frames = counted[:, 3, part]
    with np.errstate(invalid="ignore"):
        predictors = {
            name: None if total is None else {"error": total[:, 0, part] / frames, "bias": total[:, 1, part] / frames}
            for name, total in totals.items()
        }
        shares = {"share": frames / all_frames, "true_progress": counted[:, 2, part] / frames}
    return {"frames": frames, "segments": counted[:, 4, part], **shares, **predictors}


def _errors(lookups: Mapping[str, Mapping[str, np.ndarray]], part: int) -> dict[str, dict[str, np.ndarray]]:
    with np.errstate(invalid="ignore"):
        return {
            segments: {name: total[:, 0, part] / total[:, 3, part] for name, total in of_kind.items()}
            for segments, of_kind in lookups.items()
        }


def _outcomes(video: ScoredVideo) -> np.ndarray:
    """What is predicted at each of the A frames: 0 the true class, 1 a wrong action, 2 background."""
    estimate = video.estimate[video.frames]
    return np.where(estimate == video.labels[video.frames], 0, np.where(is_action(estimate, video.background), 1, 2))


def _parts_of_pieces(video: ScoredVideo, tenth: np.ndarray, outcome: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Which parts each piece is in, one of every breakdown: float64 `[pieces, NUM_PARTS]` of 0 and 1."""
    repeated = np.ones(len(video.segments), dtype=np.int64)
    repeated[np.unique(video.segments[:, 2], return_index=True)[1]] = 0
    parts = {
        "length_frames": np.searchsorted(FRAME_EDGES, video.lengths, side="right")[segment],
        "tenth": tenth,
        "occurrence": repeated[segment],
        "predicted": outcome,
    }
    if video.fps:
        seconds = video.lengths / video.fps
        parts["length_seconds"] = np.searchsorted(SECOND_EDGES, seconds, side="right")[segment]
    belongs = np.zeros((len(tenth), NUM_PARTS))
    for name, part in parts.items():
        belongs[np.arange(len(tenth)), _OFFSETS[name] + part] = 1
    return belongs
