"""Learning and scoring procedures on a split of a dataset, from one of three inputs.

- `steps`: the true steps, as a perfect recogniser would see them, frame by frame.
- `confused`: the true steps through a recogniser of a stated confusion (`confuse`).
- a file of predictions, or a run: a model's own probabilities.

From the first two, and from files, procedures are learnt on the split's training and validation videos; a run has
learnt its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables, count_transcripts, known_tasks
from protas_gtcc.config import DEFAULT, DecodingConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.procedure import score_alarms, score_procedures
from protas_gtcc.metrics.procedure_lookups import fit_procedure_lookups
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.procedure.calibration import TrainingVideo, learn_procedure
from protas_gtcc.procedure.decoder import ProcedureDecoder
from protas_gtcc.procedure.following import events_of, report
from protas_gtcc.procedure.model import ProcedureModel
from protas_gtcc.procedure.result import REASONS, Reason
from protas_gtcc.procedure.tables import Recording
from protas_gtcc.procedure.tracker import Tracked
from protas_gtcc.procedure.truth import Truth, read_truth

BUDGETS = (0.5, 1.0, 2.0, 4.0)
"""False alarms an hour."""
STRETCH_SECONDS = 10.0
"""What a confused recogniser sees stays the same for so long."""
Evidence = Callable[[str], np.ndarray | None]
"""Video -> probabilities `[T, C]` of what is going on at each frame, None if there are none."""


class Learnt(NamedTuple):
    """Procedures as they were learnt, with the filter that they are followed by."""

    model: ProcedureModel
    states: TranscriptTables
    settings: DecodingConfig
    tasks: list[str]
    """Names of the tasks; none if there is one."""


def exact_settings() -> DecodingConfig:
    """Settings of a filter that believes what it sees: for true steps."""
    return dataclasses.replace(DEFAULT.decoding, evidence=1000.0, prior_exponent=0.0)


def true_steps(dataset: Dataset) -> Evidence:
    """1 for the true class of each frame."""
    return lambda video: np.eye(dataset.info.num_classes, dtype=np.float32)[dataset.labels(video)]


def confused_steps(dataset: Dataset, confusion: float, seed: int) -> Evidence:
    """As `confuse`, seeded by the video too, among the classes that videos of its task have."""
    shown: dict[str, set[int]] = {}
    for video in dataset.video_names:
        shown.setdefault(dataset.attribute(video, "task"), set()).update(dataset.labels(video).tolist())

    def evidence(video: str) -> np.ndarray:
        rng = np.random.default_rng([seed, *video.encode()])
        classes = np.array(sorted(shown[dataset.attribute(video, "task")]))
        info = dataset.info
        return confuse(dataset.labels(video), classes, info.num_classes, info.fps, confusion, rng)

    return evidence


def confuse(
    labels: np.ndarray, classes: np.ndarray, num_classes: int, fps: float, confusion: float, rng: np.random.Generator
) -> np.ndarray:
    """What a recogniser with a stated confusion makes of labels `[T]`: float32 `[T, C]`.

    Each stretch of `STRETCH_SECONDS` of a segment is seen as another one of the `classes`, drawn evenly, with
    probability `confusion`. It gives the class that it sees the probability 1 - confusion, and the others their share
    of the rest.
    """
    stretch = np.arange(len(labels)) // max(1, round(STRETCH_SECONDS * fps))
    begins = np.append(True, (np.diff(stretch) > 0) | (np.diff(labels) != 0))
    number = np.cumsum(begins) - 1
    is_wrong = rng.random(number[-1] + 1) < confusion
    others = rng.integers(1, max(len(classes), 2), number[-1] + 1)
    seen = np.searchsorted(classes, labels)
    seen = classes[np.where(is_wrong[number], seen + others[number], seen) % len(classes)]
    rest = confusion / max(len(classes) - 1, 1)
    probs = np.zeros((len(labels), num_classes), dtype=np.float32)
    probs[:, classes] = rest
    probs[np.arange(len(labels)), seen] = 1 - confusion
    return probs


def learn(
    dataset: Dataset,
    videos: Sequence[str],
    evidence: Evidence,
    settings: DecodingConfig,
    graphs: Callable[[TranscriptTables, Sequence[str]], np.ndarray] | None = None,
) -> Learnt:
    """Learn procedures from videos of a dataset; `graphs` makes the drawn graph of the states of tasks."""
    info = dataset.info
    tasks = [dataset.attribute(video, "task") for video in videos]
    names = known_tasks(tasks)
    states = count_transcripts(map(dataset.labels, videos), info.num_classes, settings, info.fps, tasks)
    lessons = [
        TrainingVideo(
            read_truth(dataset, video),
            names.index(task) if len(names) > 1 else 0,
            dataset.attribute(video, "subject"),
            evidence(video),
        )
        for video, task in zip(videos, tasks, strict=True)
    ]
    needs = None if graphs is None else graphs(states, names)
    model = learn_procedure(lessons, states, settings, info.background, info.fps, needs)
    return Learnt(model, states, settings, names if len(names) > 1 else [])


def follow(
    dataset: Dataset, videos: Sequence[str], evidence: Evidence, learnt: Learnt, task_given: bool
) -> Iterator[tuple[Tracked, ProcedureTruth]]:
    """Yield what the tracker finds in each video, and its truth. Raises `InputError` for a video without evidence."""
    info = dataset.info
    decoder = ProcedureDecoder(learnt.states, learnt.settings, info.background, info.fps, learnt.model)
    for video in videos:
        probs, truth = evidence(video), truth_of_video(dataset, video, learnt)
        if probs is None:
            raise InputError(
                f"there are no probabilities of test video {video}; predict it with all class probabilities"
            )
        yield decoder.fresh(1, truth.task + 1 if task_given and learnt.tasks else 0).track(probs), truth


def truth_of_video(dataset: Dataset, video: str, learnt: Learnt) -> ProcedureTruth:
    """The truth of a video. Raises `InputError` for a task without a training video."""
    name, truth = dataset.attribute(video, "task"), read_truth(dataset, video)
    if learnt.tasks and name not in learnt.tasks:
        raise InputError(f"no training video shows task {name!r} of test video {video}; choose another split")
    task = learnt.tasks.index(name) if learnt.tasks else 0
    return _procedure_truth(dataset, video, truth, task, steps_of_task(learnt.model, task))


def steps_of_task(model: ProcedureModel, task: int) -> np.ndarray:
    """Class ids of a task's steps."""
    tables = model.tables
    return tables.state_class[(tables.state_task == task) & tables.is_step]


def _procedure_truth(dataset: Dataset, video: str, truth: Truth, task: int, steps: np.ndarray) -> ProcedureTruth:
    return ProcedureTruth(
        name=video,
        person=dataset.attribute(video, "subject"),
        task=task,
        num_frames=dataset.num_frames[video],
        steps=truth.steps,
        task_steps=steps.tolist(),
        missing=truth.wrong["missing"],
        wrong=truth.wrong,
        tags=[(one.label, one.tag) for one in truth.mistakes],
        has_mistakes=not truth.is_normal,
    )


def score(
    dataset: Dataset,
    train: Sequence[str],
    followed: Sequence[tuple[Tracked, ProcedureTruth]],
    learnt: Learnt,
    budgets: Sequence[float] = BUDGETS,
) -> dict[str, Any]:
    """All figures, with those of look-ups; `alarms_at` has them by budget, for each reason alone and for all.

    A budget that the held-out recordings are too few for is None there.
    """
    info, model = dataset.info, learnt.model
    recordings = [Recording(read_truth(dataset, video).steps, _task_of(dataset, video, learnt)) for video in train]
    lookups = fit_procedure_lookups(recordings, info.num_classes, info.fps)
    alarms = model.calibration.false_alarms
    quiet = np.full(len(REASONS), np.inf)
    reports = [(report(tracked, model, events_of(tracked, quiet)), truth) for tracked, truth in followed]
    scores = score_procedures(reports, info.fps, lookups)

    def at(budget: float, reasons: Sequence[Reason]) -> dict[str, Any] | None:
        if budget < alarms.smallest_budget(len(reasons)):
            return None
        limits = alarms.thresholds(budget, reasons)
        return score_alarms([(events_of(tracked, limits), truth) for tracked, truth in followed], info.fps)

    by_budget = {
        f"{budget:g}": {"all": at(budget, REASONS), **{reason: at(budget, [reason]) for reason in REASONS}}
        for budget in budgets
    }
    number, hours = alarms.size
    held_out = {"num_normal": int(number), "hours": float(hours), "smallest_budget": alarms.smallest_budget(1)}
    return scores | {"alarms_at": by_budget, "held_out": held_out}


def _task_of(dataset: Dataset, video: str, learnt: Learnt) -> int:
    return learnt.tasks.index(dataset.attribute(video, "task")) if learnt.tasks else 0
