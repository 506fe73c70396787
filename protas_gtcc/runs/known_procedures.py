"""The procedures that a model has learnt, beside the videos of a dataset: truths, look-ups, and rows of scores."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.metrics.procedure import ProcedureRow, procedure_row
from protas_gtcc.metrics.procedure_lookups import ProcedureLookUps, fit_procedure_lookups
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.procedure.result import Procedure
from protas_gtcc.procedure.tables import Recording
from protas_gtcc.procedure.truth import read_truth


@dataclass(frozen=True)
class KnownTasks:
    """What a model knows of tasks."""

    names: Sequence[str]
    """Empty if a training video's task is not known: then all count as one."""
    steps: Sequence[Sequence[int]]
    """Class ids of the steps of each task, of the only one if no task is known by name."""

    def find(self, dataset: Dataset, video: str) -> int | None:
        """Number of a video's task; None if it is none of these."""
        name = dataset.attribute(video, "task")
        if name in self.names:
            return self.names.index(name)
        return 0 if not self.names or (not name and len(self.names) == 1) else None

    def number(self, dataset: Dataset, video: str) -> int:
        """The same. Raises `InputError` for a task without a training video."""
        number = self.find(dataset, video)
        if number is None:
            name = dataset.attribute(video, "task")
            raise InputError(f"no training video shows task {name!r} of test video {video}; choose another split")
        return number


def truth_of_video(dataset: Dataset, video: str, tasks: KnownTasks) -> ProcedureTruth:
    """The truth of a video. Raises `InputError` for a task without a training video."""
    truth, task = read_truth(dataset, video), tasks.number(dataset, video)
    steps = tasks.steps[task]
    return ProcedureTruth(
        name=video,
        person=dataset.attribute(video, "subject"),
        task=task,
        num_frames=dataset.num_frames[video],
        steps=truth.steps,
        task_steps=steps,
        missing=truth.never_done & set(steps),
        wrong=truth.wrong,
        tags=[(one.label, one.tag) for one in truth.mistakes],
        has_mistakes=not truth.is_normal,
    )


def tasks_of(model: TrainedModel) -> KnownTasks:
    """What a model that follows procedures knows of tasks."""
    return KnownTasks(model.tasks, model.task_steps)


def training_videos_of(model: TrainedModel, dataset: Dataset, test: Collection[str]) -> list[str]:
    """The videos that a model has learnt procedures from, of those that a dataset has.

    Of another dataset, a test video may have the name of a training video.
    """
    known = sorted(set(model.facts.training_videos).intersection(dataset.num_frames) - set(test))
    return [video for video in known if not model.tasks or dataset.attribute(video, "task") in model.tasks]


def lookups_of(dataset: Dataset, training: Iterable[str], tasks: KnownTasks) -> ProcedureLookUps | None:
    """Look-ups that see these videos; None if none of them has a step.

    Raises `InputError` for a task that is none of these.
    """
    recordings = [Recording(read_truth(dataset, video).steps, tasks.number(dataset, video)) for video in training]
    has_steps = any(len(one.steps) for one in recordings)
    return fit_procedure_lookups(recordings, dataset.info.num_classes, dataset.info.fps) if has_steps else None


@dataclass(frozen=True, eq=False)
class ProcedureScorer:
    """Makes the row of scores of each video of a dataset from what a model reports of its procedure."""

    dataset: Dataset
    tasks: KnownTasks
    lookups: ProcedureLookUps | None
    budget: float | None
    """False alarms an hour that the model's alarms keep to; None if it raises none."""

    def row(self, video: str, procedure: Procedure) -> ProcedureRow:
        """It is left out if its task has no training video."""
        task = self.tasks.find(self.dataset, video)
        if task is None or (self.lookups is not None and task not in self.lookups.tasks):
            return ProcedureRow(left_out=(video,))
        truth = truth_of_video(self.dataset, video, self.tasks)
        return procedure_row(procedure, truth, self.dataset.info.fps, self.lookups, self.budget)


def scorer_of(model: TrainedModel, dataset: Dataset, test: Collection[str]) -> ProcedureScorer | None:
    """What scores the procedures of test videos by a model; None if it does not follow them.

    Look-ups see the model's training videos. If none of them is in the dataset, there are no look-ups.
    """
    if not model.task_steps:
        return None
    tasks, alarms = tasks_of(model), model.alarms
    lookups = lookups_of(dataset, training_videos_of(model, dataset, test), tasks)
    return ProcedureScorer(dataset, tasks, lookups, None if alarms is None else alarms.false_alarms_per_hour)
