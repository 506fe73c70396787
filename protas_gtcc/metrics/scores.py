"""Scores in one call, from arrays of one video or lists of videos."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError, plural
from protas_gtcc.metrics.evaluation import EvaluationInfo, evaluate_videos
from protas_gtcc.metrics.progress import AVERAGES, progress_averages, progress_statistics
from protas_gtcc.metrics.segmentation import score_segmentation
from protas_gtcc.predictions import Prediction
from protas_gtcc.storage.versions import software_versions

OneOrMore = Any
"""An array of one video, such as class ids `[T]`, or a sequence with one array for each video."""


def segmentation_scores(predicted: OneOrMore, labels: OneOrMore, background: Collection[int] = ()) -> dict[str, float]:
    """Segmentation scores in percent; `protas_gtcc.metrics.segmentation` defines them.

    `predicted` and `labels` are predicted and true class ids, int `[T]` of one video, or lists with an array for each
    video. `background` are class ids that are no actions. Returns `acc`, `acc_no_background`, `edit`, `edit_merged`,
    `f1@10`, `f1@25` and `f1@50`; NaN where undefined. Raises `InputError` if lengths differ, a video has no frames, or
    class ids are no whole numbers from 0 on.

    Examples:
        Three of four frames are right, and all segments are found:

        >>> scores = segmentation_scores(predicted=[0, 1, 1, 2], labels=[0, 1, 2, 2], background=[0])
        >>> scores["acc"], scores["edit"], scores["f1@50"]
        (75.0, 100.0, 100.0)
    """
    pairs = _paired(_label_videos(predicted, "predicted labels"), _label_videos(labels, "labels"), "predicted labels")
    return score_segmentation(pairs, background)


def progress_error(
    reported: OneOrMore, labels: OneOrMore, background: Collection[int] = (), class_names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Mean |reported - target|, in every average.

    The target at frame t of a true segment of L frames that starts at s is (t - s + 1) / L; in the background it is 0.

    `reported` is progress, a fraction in [0, 1], `[T]` of one video, or a list with an array for each video. `labels`
    are true class ids, int `[T]`, in the same form. `background` are class ids that are no actions and have no
    progress. `class_names`, by class id, become the keys of `per_class`, which are class ids without them.

    Returns `macro` (mean over classes), `frame`, `video`, `segment` and `per_class`, all over frames of actions;
    `all_frames`, the mean over all frames; and `background_false_progress`, the mean reported at background frames.
    None where undefined. Raises `InputError` if lengths differ, a video has no frames, a progress is NaN, or a class
    has no name.

    Examples:
        An action of two frames has targets 0.5 and 1:

        >>> progress_error(reported=[0.0, 0.5, 0.5], labels=[0, 1, 1], background=[0])["frame"]
        0.25
    """
    truths = _label_videos(labels, "labels")
    names = _names(class_names, truths)
    totals: Any = 0.0
    for number, (report, truth) in enumerate(_paired(_videos(reported, np.float64), truths, "reported progress")):
        try:
            totals = totals + progress_statistics(report[None], truth, len(names), background)
        except InputError as error:
            raise InputError(f"video {number}: {error}") from error
    averages = progress_averages(totals, len(names))
    occurs = [number for number in range(len(names)) if not np.isnan(averages["per_class"][0, number])]
    keys: Sequence[Any] = range(len(names)) if class_names is None else names
    return {
        **{average: _number(averages[average][0]) for average in AVERAGES},
        "per_class": {keys[number]: _number(averages["per_class"][0, number]) for number in occurs},
        "background_false_progress": _number(averages["background"][0]),
    }


def evaluate(
    predicted: Any,
    labels: OneOrMore,
    background: Collection[int] = (),
    *,
    reported: OneOrMore | None = None,
    class_names: Sequence[str] | None = None,
    training_labels: Iterable[Any] = (),
    fps: float | None = None,
    seed: int = 0,
    people: Sequence[str] = (),
) -> dict[str, Any]:
    """Every figure that `metrics.json` holds, with 95 % intervals over people, or over videos.

    `predicted` is a `Prediction` as `model.predict` returns it, or predicted class ids, int `[T]`. `labels` are true
    class ids, int `[T]`. Both may be lists, with one for each video. `background` are class ids that are no actions.
    `reported` is progress, `[T]`, in the same form as `labels`; a `Prediction` holds its own. `class_names` are in the
    order of class ids; by default `class 0`, `class 1`, …

    Look-ups are fitted on `training_labels`, class ids of training videos, int `[T]` each; without any, only those that
    need no fitting are scored. `fps` are frames a second; without it, delays are in frames. `seed` seeds the look-up
    `random`. `people` names the person in each video; without it, videos count as independent. Raises `InputError` if
    lengths or numbers of videos differ, or a class id has no name.

    Examples:
        A perfect result on one video:

        >>> truth = [0, 1, 1, 1, 1, 2, 2]
        >>> report = [0, .25, .5, .75, 1, .5, 1]
        >>> metrics = evaluate(truth, truth, background=[0], reported=report, training_labels=[truth])
        >>> metrics["segmentation"]["acc"], metrics["progress"]["predicted"]["macro"]
        (100.0, 0.0)
        >>> metrics["best_lookups"]["predicted_segments"]["frame"]
        'average_index_class'
    """
    truths, predictions = _label_videos(labels, "labels"), _predictions(predicted, reported)
    names = _names(class_names, [*truths, *(one.labels for one in predictions)])
    if len(predictions) != len(truths):
        what = f"there are {len(predictions)} predicted videos and {len(truths)} with labels"
        raise InputError(f"{what}; give both for the same videos")
    if people and len(people) != len(truths):
        raise InputError(f"{len(people)} people are named for {plural(len(truths), 'video')}; name one for each video")
    videos = ((str(number), *pair) for number, pair in enumerate(zip(truths, predictions, strict=True)))
    who = {str(number): name for number, name in enumerate(people)}
    training = _label_videos(list(training_labels), "training labels")
    info = EvaluationInfo("arrays", "all", simulated=False, seed=seed, versions=software_versions())
    return evaluate_videos(videos, training, names, background, info, fps, people=who).metrics


def _predictions(predicted: Any, reported: OneOrMore | None) -> list[Prediction]:
    several = [predicted] if isinstance(predicted, Prediction) else list(predicted)
    if several and all(isinstance(one, Prediction) for one in several):
        return several
    labels = _label_videos(predicted, "predicted labels")
    reports = [np.zeros(len(one)) for one in labels] if reported is None else _videos(reported, np.float64)
    pairs = _paired(reports, labels, "reported progress")
    return [Prediction(one, None, None, report.astype(np.float32)) for report, one in pairs]


def _videos(values: OneOrMore, dtype: Any = None) -> list[np.ndarray]:
    """The videos as arrays, of one video or of a list of them."""
    several = len(values) > 0 and np.ndim(values[0]) > 0
    return [np.asarray(one, dtype) for one in (values if several else [values] if len(values) else [])]


def _label_videos(values: OneOrMore, what: str) -> list[np.ndarray]:
    videos = _videos(values)
    for number, one in enumerate(videos):
        if one.ndim != 1 or (len(one) and (not np.issubdtype(one.dtype, np.integer) or one.min() < 0)):
            found = f"{one.dtype} {list(one.shape)}"
            raise InputError(f"{what} of video {number} are {found}; expected class ids [T], whole numbers from 0 on")
    return videos


def _paired(
    values: Sequence[np.ndarray], labels: Sequence[np.ndarray], what: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    if len(values) != len(labels):
        raise InputError(f"{what} are of {len(values)} videos, labels of {len(labels)}; give both for the same videos")
    if not labels:
        raise InputError("there is no video to score; give at least one")
    for number, (one, other) in enumerate(zip(values, labels, strict=True)):
        if one.shape != other.shape:
            raise InputError(f"video {number}: {what} are {list(one.shape)}, labels {list(other.shape)}; expected [T]")
    return list(zip(values, labels, strict=True))


def _names(class_names: Sequence[str] | None, labels: Sequence[np.ndarray]) -> list[str]:
    num_classes = 1 + max((int(one.max()) for one in labels if len(one)), default=-1)
    if class_names is None:
        return [f"class {label}" for label in range(num_classes)]
    if len(class_names) < num_classes:
        what = f"labels hold class {num_classes - 1}, but there are {len(class_names)} class names"
        raise InputError(f"{what}; name every class")
    return list(class_names)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
