"""Scalar heads alone on frozen features: every head with every loss, beside look-ups and per-class models.

Heads see the action segments of training videos; some of these are held out to choose the epoch by. Look-ups and
cumulative distance are fitted on all training videos. Nothing is chosen on test videos.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from protas_gtcc.alignment.embedder import Embedder
from protas_gtcc.config import Control
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError, listed
from protas_gtcc.heads.config import VERSIONS, HeadTraining
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.published import load_published_head
from protas_gtcc.heads.training import ActionSegment, read_segments, train_head
from protas_gtcc.metrics.cumulative_distance import fit_cumulative_distance
from protas_gtcc.metrics.pooled_runs import PooledRows
from protas_gtcc.report.head_table import TableRow
from protas_gtcc.runs import heads as scoring
from protas_gtcc.runs.cross_validation import group_runs
from protas_gtcc.runs.evaluate_run import test_videos
from protas_gtcc.runs.heads import START, START_AND_CLASS
from protas_gtcc.runs.trained_heads import joint_row, read_joint_runs
from protas_gtcc.training.run_directory import RunDirectory


@dataclass(frozen=True)
class HeadComparison:
    """The predictors of a table."""

    split: str
    feature_sets: tuple[str, ...]
    """By default those tied to the split, else `features`."""
    heads: tuple[str, ...]
    """Names in `heads.config.VERSIONS`."""
    seeds: int
    training: HeadTraining
    control: Control = "none"
    runs: tuple[Path, ...] = ()
    """Runs of per-class models."""
    joint: tuple[Path, ...] = ()
    """Encoders that were trained with a head."""
    published: tuple[Path, ...] = ()
    """Checkpoints with a published GRU head."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.heads if name not in VERSIONS]
        if unknown:
            raise InputError(f"no head {unknown[0]!r}; there are {listed(VERSIONS, most=len(VERSIONS))}")
        if self.seeds < 1:
            raise InputError(f"--seeds is {self.seeds}; it must be at least 1")
        if self.joint and self.control != "none":
            raise InputError(f"--joint: encoders were trained on the features, not on --control {self.control}")

    def rows(
        self, dataset: Dataset, report: Callable[[str], None], on_progress: Callable[[int, int], None]
    ) -> Iterator[TableRow]:
        """The table's rows, each as soon as it is scored; inputs that do not fit are refused before any training.

        `report` is called with remarks, `on_progress` with the numbers of heads that are trained and to be trained.
        """
        total, done = len(self.heads) * self.seeds * max(len(self.feature_sets), 1), itertools.count(1)
        sets = [test_videos(dataset, self.split, name)[1] for name in self.feature_sets or (None,)]
        published = {feature_set: self._published_heads(dataset, feature_set) for feature_set in sets}
        joint = read_joint_runs(self.joint, dataset, self.split)
        of_models = self._model_rows(dataset, report)
        on_progress(0, total)
        for feature_set in sets:
            segments = self._segments(dataset, feature_set)
            suffix = f", {feature_set}" if len(self.feature_sets) > 1 else ""
            distance = self._distance(dataset, *segments)
            if feature_set == sets[0]:
                yield from scoring.lookup_rows(distance)
                yield from of_models
            yield scoring.reported_row(f"cumulative distance{suffix}", START_AND_CLASS, [distance])
            for name in self.heads:
                scored = []
                for seed in range(self.seeds):
                    scored.append(self._trained_head(dataset, name, seed, *segments))
                    on_progress(next(done), total)
                yield scoring.reported_row(f"{name}{suffix}", START, scored)
            for name, head in published[feature_set].items():
                scored = [self._score(dataset, 0, segments[1], head)]
                yield scoring.reported_row(f"published: {name}{suffix}", START, scored)
        yield from self._joint_rows(joint, dataset)

    def heading(self, dataset: Dataset) -> str:
        """The lines above the table."""
        simulated = "SIMULATED DATA: these figures say nothing about real video.\n" if dataset.info.simulated else ""
        control = f"CONTROL: {self.control} in place of the features.\n" if self.control != "none" else ""
        count = f"{self.seeds} seed{'s' * (self.seeds != 1)}"
        what = f"{dataset.info.name}, true action segments of the test videos of split {self.split}, heads of {count}"
        meaning = "Mean |reported - true| progress over frames, classes (macro), videos or segments: less is better."
        return f"{what}; 95 % over videos in brackets. {meaning}\n{simulated}{control}\n"

    def _segments(self, dataset: Dataset, feature_set: str) -> tuple[list[ActionSegment], list[ActionSegment]]:
        features = FeatureReader(dataset, feature_set, self.split, self.control)
        train, test = (read_segments(dataset, dataset.part(self.split, part), features) for part in ("train", "test"))
        return train, test

    def _distance(self, dataset: Dataset, train: list[ActionSegment], test: list[ActionSegment]) -> PooledRows:
        distance = fit_cumulative_distance((one.embeddings, one.label) for one in train)
        report = functools.partial(scoring.distance_reports, distance)
        return scoring.score_reports(dataset, self.split, 0, test, report)

    def _trained_head(
        self, dataset: Dataset, name: str, seed: int, train: list[ActionSegment], test: list[ActionSegment]
    ) -> PooledRows:
        head = train_head(VERSIONS[name], train, replace(self.training, seed=seed))
        return self._score(dataset, seed, test, head)

    def _score(self, dataset: Dataset, seed: int, test: list[ActionSegment], head: ScalarHead) -> PooledRows:
        report = functools.partial(scoring.head_reports, head)
        return scoring.score_reports(dataset, self.split, seed, test, report)

    def _published_heads(self, dataset: Dataset, feature_set: str) -> dict[str, ScalarHead]:
        """The published heads by their files' names, or by their paths where names are not distinct."""
        dim, stems = dataset.feature_sets[feature_set].dim, {path.stem for path in self.published}
        heads = {}
        for path in self.published:
            try:
                head = load_published_head(path, dim)
            except InputError as error:
                raise InputError(f"--published with feature set {feature_set}, {dim} wide: {error}") from error
            heads[path.stem if len(stems) == len(self.published) else str(path)] = head
        return heads

    def _model_rows(self, dataset: Dataset, report: Callable[[str], None]) -> list[TableRow]:
        """Rows of per-class models, ordered by what they are given."""
        runs = [RunDirectory(path) for path in self.runs]
        splits = {run.read_config().split for run in runs}
        if splits - {self.split}:
            raise InputError(f"--runs are of split {listed(sorted(splits))}; give runs of split {self.split} alone")
        kinds = group_runs(runs, dataset, report)
        rows = [row for title, members in kinds.items() for row in scoring.model_rows(title, members, dataset)]
        order = list(dict.fromkeys(row.given for row in rows))
        return sorted(rows, key=lambda row: order.index(row.given))

    def _joint_rows(self, joint: dict[str, list[Embedder]], dataset: Dataset) -> Sequence[TableRow]:
        return [joint_row(title, members, dataset) for title, members in joint.items()]
