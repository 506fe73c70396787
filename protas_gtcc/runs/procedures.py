"""Learning, following and scoring procedures on a split of a dataset.

They are learnt on the split's training and validation videos, from one of the inputs of `procedure_inputs.py`; a run
has learnt its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables, count_transcripts, known_tasks
from protas_gtcc.config import DEFAULT, DecodingConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.decoding.decoder import network_result
from protas_gtcc.errors import InputError
from protas_gtcc.inference import load
from protas_gtcc.metrics.procedure import score_alarms, score_procedures
from protas_gtcc.metrics.procedure_lookups import fit_procedure_lookups
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.predictions import Prediction
from protas_gtcc.prepare.survey import OnProgress, show_nothing
from protas_gtcc.procedure.alarms import NEVER, FalseAlarms
from protas_gtcc.procedure.calibration import learn_procedure, training_videos
from protas_gtcc.procedure.decoder import ProcedureDecoder
from protas_gtcc.procedure.drawn_graph import read_needs
from protas_gtcc.procedure.following import events_of, report
from protas_gtcc.procedure.model import ProcedureModel, from_arrays
from protas_gtcc.procedure.result import REASONS, Procedure, Reason
from protas_gtcc.procedure.tracker import Tracked
from protas_gtcc.runs.evaluate_run import require_same_backbone, require_same_classes, require_unseen, test_videos
from protas_gtcc.runs.known_procedures import KnownTasks, recordings_of, training_videos_of, truth_of_video
from protas_gtcc.runs.procedure_inputs import Evidence

BUDGETS = (0.5, 1.0, 2.0, 4.0)
"""False alarms an hour."""


class Learnt(NamedTuple):
    """Procedures as they were learnt, with the filter that they are followed by."""

    model: ProcedureModel
    states: TranscriptTables
    settings: DecodingConfig
    tasks: KnownTasks


def exact_settings() -> DecodingConfig:
    """Settings of a filter that believes what it sees: for true steps."""
    return dataclasses.replace(DEFAULT.decoding, evidence=1000.0, prior_exponent=0.0)


def of_run(folder: Path, dataset: Dataset, split: str, train: Sequence[str]) -> tuple[Learnt, Evidence, list[str]]:
    """What a run has learnt, what its network makes of a video, and the videos that it was trained on.

    An imported checkpoint, or a run of before, has learnt no procedures: they are learnt from `train` here. What its
    network makes of these videos is not what it makes of new ones, so nothing is calibrated, and there are no alarms.
    Raises `InputError` as `evaluate_run` does.
    """
    model = load(folder)
    facts, (videos, feature_set) = model.facts, test_videos(dataset, split, model.facts.config.feature_set)
    require_same_classes(model, dataset)
    require_unseen(model, dataset, videos)
    require_same_backbone(model, dataset, feature_set)
    features = FeatureReader(dataset, feature_set, split, facts.config.control)

    def evidence(video: str) -> np.ndarray:
        return network_result(model.outputs(features.read(video))).probs

    if facts.procedure is None or facts.transcripts is None:
        return learn(dataset, train, lambda _: None, DEFAULT.decoding), evidence, list(train)
    procedure = from_arrays(facts.procedure, facts.transcripts, str(folder))
    tasks = KnownTasks(facts.tasks, model.task_steps)
    learnt = Learnt(procedure, facts.transcripts, facts.config.decoding, tasks)
    return learnt, evidence, training_videos_of(facts, dataset)


def learn(
    dataset: Dataset,
    videos: Sequence[str],
    evidence: Evidence,
    settings: DecodingConfig,
    graphs: Path | None = None,
) -> Learnt:
    """Learn procedures from videos of a dataset, with drawn graphs as a prior.

    Raises `InputError` for graphs as `read_needs` does.
    """
    info = dataset.info
    tasks = [dataset.attribute(video, "task") for video in videos]
    names = known_tasks(tasks)
    states = count_transcripts(map(dataset.labels, videos), info.num_classes, settings, info.fps, tasks)
    needs = read_needs(graphs, states, names, info.class_names)
    model = learn_procedure(
        training_videos(dataset, videos, evidence), states, settings, info.background, info.fps, needs
    )
    tables = model.tables
    return Learnt(model, states, settings, KnownTasks(names, [tables.steps(task) for task in range(tables.num_tasks)]))


class Test(NamedTuple):
    """Test videos that were followed by what was learnt."""

    learnt: Learnt
    train: list[str]
    evidence: Evidence
    task_given: bool
    followed: list[tuple[Tracked, ProcedureTruth]]

    @property
    def false_alarms(self) -> FalseAlarms:
        """Those of held-out recordings."""
        return self.learnt.model.calibrations[self.task_given].false_alarms


def follow_all(
    dataset: Dataset,
    train: Sequence[str],
    videos: Sequence[str],
    evidence: Evidence,
    learnt: Learnt,
    task_given: bool,
    on_progress: OnProgress = show_nothing,
) -> Test:
    """Follow test videos. Raises `InputError` for a video without evidence, or of a task without a training video."""
    decoder = decoder_of(dataset, learnt)
    followed = []
    for number, video in enumerate(videos, start=1):
        probs, truth = evidence(video), truth_of_video(dataset, video, learnt.tasks)
        if probs is None:
            raise InputError(f"there are no probabilities of test video {video}; predict all test videos")
        task = truth.task + 1 if task_given and learnt.tasks.names else 0
        followed.append((decoder.fresh(1, task).track(probs), truth))
        on_progress("following", number, len(videos))
    return Test(learnt, list(train), evidence, task_given, followed)


def decoder_of(dataset: Dataset, learnt: Learnt, budget: float | None = None) -> ProcedureDecoder:
    """The decoder of what was learnt; with a budget, it raises alarms."""
    info = dataset.info
    return ProcedureDecoder(learnt.states, learnt.settings, info.background, info.fps, learnt.model, budget)


def predictions(dataset: Dataset, test: Test, budgets: Sequence[float]) -> Iterator[tuple[str, Prediction]]:
    """Yield the prediction of each test video, with alarms at the first budget that can be kept."""
    smallest = test.learnt.model.smallest_budget()
    decoder = decoder_of(dataset, test.learnt, next((one for one in budgets if one >= smallest), None))
    for _, truth in test.followed:
        probs = test.evidence(truth.name)
        assert probs is not None
        task = truth.task + 1 if test.task_given and test.learnt.tasks.names else 0
        yield truth.name, decoder.fresh(1, task).decode(np.zeros(len(probs), dtype=np.int64), probs, None)


def reports(test: Test) -> list[tuple[Procedure, ProcedureTruth]]:
    """What is reported of each test video, without alarms."""
    model, given = test.learnt.model, int(test.task_given)
    quiet = np.full(len(REASONS), NEVER)
    return [
        (report(tracked, model, np.full(len(tracked.left), given), events_of(tracked, quiet)), truth)
        for tracked, truth in test.followed
    ]


def score(dataset: Dataset, tests: Sequence[Test], budgets: Sequence[float] = BUDGETS) -> dict[str, Any]:
    """All figures over the tests together, such as those of several seeds, with those of look-ups.

    `alarms_at` has alarms by budget, for each reason alone and for all of them; None for a budget that the held-out
    recordings are too few for. A test of several seeds has each video as often.
    """
    info, first = dataset.info, tests[0]
    recordings = recordings_of(dataset, first.train, first.learnt.tasks)
    lookups = fit_procedure_lookups(recordings, info.num_classes, info.fps)
    alarms = [test.false_alarms for test in tests]

    def at(budget: float, reasons: Sequence[Reason]) -> dict[str, Any] | None:
        if budget < max(one.smallest_budget(len(reasons)) for one in alarms):
            return None
        events = [
            (events_of(tracked, one.thresholds(budget, reasons)), truth)
            for one, test in zip(alarms, tests, strict=True)
            for tracked, truth in test.followed
        ]
        return score_alarms(events, info.fps)

    by_budget = {
        f"{budget:g}": {**{reason: at(budget, [reason]) for reason in REASONS}, "all": at(budget, REASONS)}
        for budget in budgets
    }
    number, hours = alarms[0].size
    smallest = {len(of): max(one.smallest_budget(len(of)) for one in alarms) for of in (REASONS[:1], REASONS)}
    held_out = {
        "num_normal": int(number),
        "hours": float(hours),
        "smallest_budget": {
            "one reason": smallest[1] if np.isfinite(smallest[1]) else None,
            "all": smallest[len(REASONS)] if np.isfinite(smallest[len(REASONS)]) else None,
        },
    }
    figures = score_procedures([one for test in tests for one in reports(test)], info.fps, lookups)
    for name in ("alarms", "alarms_by_tag"):  # none were raised there; `alarms_at` has them
        del figures[name], figures["intervals"][name]
    figures["num_videos"] = len({truth.name for _, truth in first.followed})
    return figures | {"num_runs": len(tests), "alarms_at": by_budget, "held_out": held_out}
