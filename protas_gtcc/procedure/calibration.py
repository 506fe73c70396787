"""Learning a procedure model from training videos, and calibrating it on people that its tables have not seen.

For each fold of people the tables are counted, and the models fitted, on all others. With these, the videos of the fold
are followed as new ones would be: from the true steps, or from what a part of a network has made of a person that it
has not seen (`training/calibration.py`). How far the time left is off, and how high alarms rise where nothing is wrong,
is then about what it will be for a new person. The filter alone, its lengths and order, has counted them too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables, known_tasks
from protas_gtcc.config import DecodingConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.procedure.alarms import FalseAlarms, false_alarms
from protas_gtcc.procedure.decoder import ProcedureDecoder
from protas_gtcc.procedure.following import LEVEL, QUANTILES
from protas_gtcc.procedure.learning import fit_models, without, without_each_fold
from protas_gtcc.procedure.model import Calibration, Models, ProcedureModel
from protas_gtcc.procedure.readings import log_normal
from protas_gtcc.procedure.tables import ProcedureTables, Recording, count_procedures
from protas_gtcc.procedure.truth import Truth, read_truth

WIDTHS = np.geomspace(0.3, 5, 60)
"""Factors of an interval's width; the least is taken whose intervals hold often enough."""


class TrainingVideo(NamedTuple):
    """A training video, as a procedure is learnt from it."""

    truth: Truth
    task: int
    """Number of its task."""
    person: str
    """"" if unknown."""
    probs: np.ndarray | None
    """What a network that has not seen the person made of its frames, float32 `[T, C]`, or 1 for the true class; None
    if it is to be counted alone."""


def training_videos(
    dataset: Dataset, videos: Sequence[str], evidence: Callable[[str], np.ndarray | None]
) -> list[TrainingVideo]:
    """Videos of a dataset; `evidence` gives the `probs` of each."""
    tasks = [dataset.attribute(video, "task") for video in videos]
    names = known_tasks(tasks)
    return [
        TrainingVideo(
            read_truth(dataset, video),
            names.index(task) if len(names) > 1 else 0,
            dataset.attribute(video, "subject"),
            evidence(video),
        )
        for video, task in zip(videos, tasks, strict=True)
    ]


class Followed(NamedTuple):
    """A held-out video, and what calibration needs of what the tracker found in it."""

    video: TrainingVideo
    left: np.ndarray
    """As in `Tracked`, as is the next one."""
    upcoming: np.ndarray
    highest: np.ndarray
    """The highest value of each alarm about each class, `[C, A]`."""


def learn_procedure(
    videos: Sequence[TrainingVideo],
    states: TranscriptTables,
    settings: DecodingConfig,
    background: list[int],
    fps: float,
    needs: np.ndarray | None = None,
) -> ProcedureModel:
    """Learn from training videos; `states` are the filter's tables, counted on the same videos.

    `needs` is a drawn graph, as in `ProcedureTables`. If all videos are of one person, or none has `probs`, nothing is
    calibrated, and no alarm can be raised.
    """
    recordings = [Recording(one.truth.steps, one.task) for one in videos]
    people = [one.person for one in videos]

    def fitted(recordings: Sequence[Recording], people: Sequence[str]) -> Models:
        return fit_models(recordings, people, states, background, fps, needs)

    folds = [
        (fold, tables, fitted(*without(recordings, people, fold)))
        for fold, tables in without_each_fold(recordings, people, states, background, fps, needs)
    ]

    def calibrated(task_given: bool) -> Calibration:
        followed = [
            one
            for fold, tables, models in folds
            for one in _follow(
                [videos[number] for number in fold], tables, models, states, settings, background, fps, task_given
            )
        ]
        return calibrate(followed, fps)

    inferred = calibrated(task_given=False)
    given = calibrated(task_given=True) if states.num_tasks > 1 else inferred
    tables = count_procedures(recordings, states, background, fps, needs)
    return ProcedureModel(tables, fitted(recordings, people), (inferred, given))


def calibrate(followed: Sequence[Followed], fps: float) -> Calibration:
    """Choose how wide intervals are, and collect false alarms, on followed videos."""
    left = [times for one in followed if (times := _left(one, fps)) is not None]
    upcoming = [times for one in followed if (times := _upcoming(one, fps)) is not None]
    return Calibration(_choose_width(left), _choose_width(upcoming), _collect_false_alarms(followed, fps))


def uncalibrated() -> Calibration:
    """Widths as they are, and no held-out recordings."""
    return Calibration(1.0, 1.0, _collect_false_alarms([], 1.0))


def _follow(
    videos: Iterable[TrainingVideo],
    tables: ProcedureTables,
    models: Models,
    states: TranscriptTables,
    settings: DecodingConfig,
    background: list[int],
    fps: float,
    task_given: bool,
) -> Iterable[Followed]:
    model = ProcedureModel(tables, models, (uncalibrated(), uncalibrated()))
    decoder = ProcedureDecoder(states, settings, background, fps, model)
    for video in videos:
        if video.probs is not None:
            tracked = decoder.fresh(1, video.task + 1 if task_given else 0).track(video.probs)
            yield Followed(video, tracked.left, tracked.upcoming, tracked.alarms.max(axis=0).T)


def _left(one: Followed, fps: float) -> tuple[np.ndarray, np.ndarray] | None:
    """The time left `[T, 2]`, as in `Tracked`, and the true one, from the first start of a step to the last end."""
    steps = one.video.truth.steps
    if not len(steps):
        return None
    first, end = int(steps[:, 0].min()), min(int(steps[:, 1].max()), len(one.left))
    return one.left[first:end], (end - 1 - np.arange(first, end)) / fps


def _upcoming(one: Followed, fps: float) -> tuple[np.ndarray, np.ndarray] | None:
    """The same of the time until the next step starts, until the last one does."""
    starts = np.unique(one.video.truth.steps[:, 0])
    frames = np.arange(min(int(starts.max(initial=0)), len(one.upcoming)))
    if not len(frames):
        return None
    following = starts[np.searchsorted(starts, frames, side="right")]
    return one.upcoming[: len(frames)], (following - frames - 1) / fps


def _choose_width(videos: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The least factor of the width with which intervals hold at `LEVEL`; every video counts alike."""
    if not videos:
        return 1.0
    statistics, true = (np.concatenate(parts) for parts in zip(*videos, strict=True))
    weights = np.concatenate([np.full(len(one), 1 / len(one)) for _, one in videos]) / len(videos)

    def holds(width: float) -> bool:
        low, _, high = log_normal(statistics, np.full(len(true), width), QUANTILES)
        return float(weights @ ((low <= true) & (true <= high))) >= LEVEL

    return next((float(width) for width in WIDTHS if holds(width)), float(WIDTHS[-1]))


def _collect_false_alarms(followed: Sequence[Followed], fps: float) -> FalseAlarms:
    normal = [one for one in followed if one.video.truth.is_normal]
    return false_alarms([one.highest for one in normal], sum(len(one.left) for one in normal) / fps / 3600)
