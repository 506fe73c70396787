"""Learning, following and scoring procedures on a split of a dataset.

They are learnt on the split's training and validation videos, from one of the inputs of `procedure_inputs.py`; a run
has learnt its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.predictions import Prediction
from protas_gtcc.prepare.survey import OnProgress, show_nothing
from protas_gtcc.procedure.alarms import NEVER, FalseAlarms
from protas_gtcc.procedure.calibration import learn_procedure, training_videos
from protas_gtcc.procedure.decoder import ProcedureDecoder
from protas_gtcc.procedure.drawn_graph import read_needs
from protas_gtcc.procedure.following import events_of, report
from protas_gtcc.procedure.hidden_steps import warn_of_hidden_steps
from protas_gtcc.procedure.model import ProcedureModel, from_arrays
from protas_gtcc.procedure.result import REASONS, Event, Procedure, Reason
from protas_gtcc.procedure.tables import Recording
from protas_gtcc.procedure.tracker import Tracked
from protas_gtcc.runs.evaluate_run import require_same_classes, require_same_features, require_unseen, test_videos
from protas_gtcc.runs.known_procedures import KnownTasks, lookups_of, tasks_of, training_videos_of, truth_of_video
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
    require_same_features(model, dataset, feature_set)
    features = FeatureReader(dataset, feature_set, split, facts.config.control)

    def evidence(video: str) -> np.ndarray:
        return network_result(model.outputs(features.read(video))).probs

    if facts.procedure is None or facts.transcripts is None:
        return learn(dataset, train, lambda _: None, DEFAULT.decoding), evidence, list(train)
    procedure = from_arrays(facts.procedure, facts.transcripts, str(folder))
    learnt = Learnt(procedure, facts.transcripts, facts.config.decoding, tasks_of(model))
    return learnt, evidence, training_videos_of(model, dataset, videos)


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
    known = training_videos(dataset, videos, evidence)
    warn_of_hidden_steps((Recording(one.truth.steps, one.task) for one in known), states, names, info.class_names)
    model = learn_procedure(known, states, settings, info.background, info.fps, needs)
    tables = model.tables
    return Learnt(model, states, settings, KnownTasks(names, [tables.steps(task) for task in range(tables.num_tasks)]))


@dataclass(frozen=True)
class Test:
    """Test videos to be followed by what was learnt, one at a time: what is tracked is as large as all frames."""

    dataset: Dataset
    train: Sequence[str]
    videos: Sequence[str]
    evidence: Evidence
    learnt: Learnt
    task_given: bool
    on_progress: OnProgress = show_nothing

    @property
    def false_alarms(self) -> FalseAlarms:
        """Those of held-out recordings."""
        return self.learnt.model.calibrations[self.task_given].false_alarms

    def begin(self, video: str, decoder: ProcedureDecoder) -> tuple[ProcedureDecoder, np.ndarray, ProcedureTruth]:
        """A fresh decoder for a video, its evidence and its truth.

        Raises `InputError` for a video without evidence, or of a task without a training video.
        """
        truth, probs = truth_of_video(self.dataset, video, self.learnt.tasks), self.evidence(video)
        if probs is None:
            raise InputError(f"there are no probabilities of test video {video}; predict all test videos")
        return decoder.fresh(1, truth.task + 1 if self.task_given and self.learnt.tasks.names else 0), probs, truth

    def follow(self) -> Iterator[tuple[Tracked, ProcedureTruth]]:
        """Follow all videos. Raises `InputError` as `begin`."""
        decoder = decoder_of(self.dataset, self.learnt)
        for number, video in enumerate(self.videos, start=1):
            own, probs, truth = self.begin(video, decoder)
            yield own.track(probs), truth
            self.on_progress("following", number, len(self.videos))

    def report(self, tracked: Tracked) -> Procedure:
        """What is reported of a test video, without alarms."""
        model, quiet = self.learnt.model, np.full(len(REASONS), NEVER)
        is_given = np.full(len(tracked.left), int(self.task_given))
        return report(tracked, model, is_given, events_of(tracked, quiet))


def decoder_of(dataset: Dataset, learnt: Learnt, budget: float | None = None) -> ProcedureDecoder:
    """The decoder of what was learnt; with a budget, it raises alarms."""
    info = dataset.info
    return ProcedureDecoder(learnt.states, learnt.settings, info.background, info.fps, learnt.model, budget)


def predictions(test: Test, budgets: Sequence[float]) -> Iterator[tuple[str, Prediction]]:
    """Yield the prediction of each test video, with alarms at the first budget that can be kept."""
    smallest = test.learnt.model.smallest_budget()
    decoder = decoder_of(test.dataset, test.learnt, next((one for one in budgets if one >= smallest), None))
    for video in test.videos:
        own, probs, _ = test.begin(video, decoder)
        yield video, own.decode(np.zeros(len(probs), dtype=np.int64), probs, None)


def score(tests: Sequence[Test], budgets: Sequence[float] = BUDGETS) -> dict[str, Any]:
    """All figures over the tests together, such as those of several seeds, with those of look-ups.

    There are no look-ups if no training video is in the dataset. `alarms_at` has alarms by budget, for each reason
    alone and for all of them; None for a budget that the held-out recordings are too few for. `thresholds` there are
    means over the tests, None if one is never reached. A test of several seeds has each video as often. Raises
    `InputError` as `Test.follow`, and for runs that do not know the same tasks.
    """
    first, info = tests[0], tests[0].dataset.info
    if any(list(test.learnt.tasks.names) != list(first.learnt.tasks.names) for test in tests):
        raise InputError("the runs have not learnt the same tasks; score them one by one")
    lookups = lookups_of(first.dataset, first.train, first.learnt.tasks)
    alarms = [test.false_alarms for test in tests]
    smallest = {number: max(one.smallest_budget(number) for one in alarms) for number in (1, len(REASONS))}
    wanted: list[tuple[str, Sequence[Reason]]] = [*((reason, [reason]) for reason in REASONS), ("all", REASONS)]
    raised: dict[tuple[float, str], list[tuple[list[Event], ProcedureTruth]]] = {
        (budget, name): [] for budget in budgets for name, reasons in wanted if budget >= smallest[len(reasons)]
    }

    def followed() -> Iterator[tuple[Procedure, ProcedureTruth]]:
        """What is reported of each video; its alarms at each budget go into `raised`."""
        of_name = dict(wanted)
        for test in tests:
            limits = {key: test.false_alarms.thresholds(key[0], of_name[key[1]]) for key in raised}
            for tracked, truth in test.follow():
                for key, thresholds in limits.items():
                    raised[key].append(([one for one in events_of(tracked, thresholds) if one.is_alarm], truth))
                yield test.report(tracked), truth

    figures = score_procedures(followed(), info.fps, lookups)
    for name in ("alarms", "alarms_by_tag"):  # none were raised there; `alarms_at` has them
        del figures[name], figures["intervals"][name]
    found = {
        key: score_alarms(events, info.fps) | {"thresholds": _thresholds(alarms, key[0], dict(wanted)[key[1]])}
        for key, events in raised.items()
    }
    number, hours = alarms[0].size
    held_out = {
        "num_normal": int(number),
        "hours": float(hours),
        "smallest_budget": {
            what: smallest[size] if np.isfinite(smallest[size]) else None
            for what, size in (("one reason", 1), ("all", len(REASONS)))
        },
    }
    return figures | {
        "num_videos": len(set(first.videos)),
        "num_runs": len(tests),
        "alarms_at": {f"{budget:g}": {name: found.get((budget, name)) for name, _ in wanted} for budget in budgets},
        "held_out": held_out,
    }


def _thresholds(alarms: Sequence[FalseAlarms], budget: float, reasons: Sequence[Reason]) -> dict[str, float | None]:
    """What the confidence of an alarm must be above, by reason; the mean over tests, None if one is never reached."""
    each = np.array([one.thresholds(budget, reasons) for one in alarms])
    return {
        reason: None if (own := each[:, REASONS.index(reason)]).max() >= NEVER else float(own.mean())
        for reason in reasons
    }
