"""Scalar heads alone on frozen features: every head with every loss, beside look-ups and per-class models.

Heads see the action segments of training videos; some of these are held out to choose the epoch by. Look-ups and
cumulative distance are fitted on all training videos. Nothing is chosen on test videos.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError, listed
from protas_gtcc.heads.config import HeadVersion
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.published import load_published_head
from protas_gtcc.heads.training import ActionSegment, read_segments, train_head
from protas_gtcc.metrics.cumulative_distance import fit_cumulative_distance
from protas_gtcc.report.head_table import TableRow
from protas_gtcc.runs import heads as scoring
from protas_gtcc.runs.config import HeadComparison
from protas_gtcc.runs.cross_validation import group_runs
from protas_gtcc.runs.evaluate_run import test_videos
from protas_gtcc.runs.heads import START, START_AND_CLASS
from protas_gtcc.runs.trained_heads import joint_row, read_joint_runs
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.validation import choose_validation

Segments = list[ActionSegment]


def compare_heads(
    wanted: HeadComparison,
    dataset: Dataset,
    report: Callable[[str], None],
    on_progress: Callable[[int, int], None],
) -> Iterator[TableRow]:
    """The table's rows, each as soon as it is scored; inputs that do not fit are refused before any training.

    `report` is called with remarks, `on_progress` with the numbers of heads that are trained and to be trained.
    """
    total, done = len(wanted.versions) * wanted.seeds * max(len(wanted.feature_set), 1), itertools.count(1)

    def on_head() -> None:
        on_progress(next(done), total)

    sets = [test_videos(dataset, wanted.split, name)[1] for name in wanted.feature_set or (None,)]
    published = {feature_set: _published_heads(wanted, dataset, feature_set) for feature_set in sets}
    joint = read_joint_runs(wanted.joint, dataset, wanted.split)
    of_models = _model_rows(wanted, dataset, report)
    on_progress(0, total)
    for feature_set in sets:
        beside = of_models if feature_set == sets[0] else None
        yield from _rows(wanted, dataset, feature_set, published[feature_set], beside, on_head)
    yield from (joint_row(title, members, dataset) for title, members in joint.items())


def heading(wanted: HeadComparison, dataset: Dataset) -> str:
    """The lines above the table."""
    simulated = "SIMULATED DATA: these figures say nothing about real video.\n" if dataset.info.simulated else ""
    control = f"CONTROL: {wanted.control} in place of the features.\n" if wanted.control != "none" else ""
    count = f"{wanted.seeds} seed{'s' * (wanted.seeds != 1)}"
    what = f"{dataset.info.name}, true action segments of the test videos of split {wanted.split}, heads of {count}"
    meaning = "Mean |reported - true| progress over frames, classes (macro), videos or segments: less is better."
    return f"{what}; 95 % intervals in brackets. {meaning}\n{simulated}{control}\n"


def _rows(
    wanted: HeadComparison,
    dataset: Dataset,
    feature_set: str,
    published: dict[str, ScalarHead],
    of_models: list[TableRow] | None,
    on_head: Callable[[], None],
) -> Iterator[TableRow]:
    """The rows of a feature set; with `of_models`, these and those of look-ups as well."""
    features = FeatureReader(dataset, feature_set, wanted.split, wanted.control)
    train, validation, test = (dataset.part(wanted.split, part) for part in ("train", "validation", "test"))
    segments = {video: read_segments(dataset, [video], features) for video in {*train, *validation, *test}}

    def of(videos: Sequence[str]) -> Segments:
        return [one for video in videos for one in segments[video]]

    score = functools.partial(scoring.score_reports, dataset, wanted.split, segments=of(test))
    suffix = f", {feature_set}" if len(wanted.feature_set) > 1 else ""
    fitted = fit_cumulative_distance((one.embeddings, one.label) for one in of(train))
    distance = score(seed=0, report=functools.partial(scoring.distance_reports, fitted))
    if of_models is not None:
        gives_left = any(one.head.frames_left for one in wanted.versions.values())
        left = scoring.left_error(scoring.median_left(of(train), of(test)), dataset.info.fps) if gives_left else None
        yield from scoring.lookup_rows(distance, left)
        yield from of_models
    yield scoring.reported_row(f"cumulative distance{suffix}", START_AND_CLASS, [distance])
    for name, version in wanted.versions.items():
        scored, left_seconds = [], []
        for seed in range(wanted.seeds):
            head = _train(wanted, dataset, version, seed, of)
            scored.append(score(seed=seed, report=functools.partial(scoring.head_reports, head)))
            left_seconds += scoring.left_seconds(head, of(test), dataset.info.fps)
            on_head()
        yield scoring.reported_row(f"{name}{suffix}", START, scored, left_seconds)
    for name, head in published.items():
        scored = [score(seed=0, report=functools.partial(scoring.head_reports, head))]
        yield scoring.reported_row(f"published: {name}{suffix}", START, scored)


def _train(
    wanted: HeadComparison, dataset: Dataset, version: HeadVersion, seed: int, of: Callable[[Sequence[str]], Segments]
) -> ScalarHead:
    """A head of one seed; `of` gives the segments of videos."""
    training = replace(wanted.training, seed=seed)
    learnt, held_out = choose_validation(dataset, wanted.split, training.validation_share, seed)
    if held_out and not of(held_out):
        raise InputError(f"no action in held-out videos {listed(held_out)}; give --validation-share 0")
    return train_head(version, of(learnt), of(held_out), training)


def _published_heads(wanted: HeadComparison, dataset: Dataset, feature_set: str) -> dict[str, ScalarHead]:
    """The published heads by their files' names, or by their paths where names are not distinct."""
    dim, stems = dataset.feature_set(feature_set).dim, {path.stem for path in wanted.published}
    heads = {}
    for path in wanted.published:
        try:
            head = load_published_head(path, dim)
        except InputError as error:
            raise InputError(f"--published with feature set {feature_set}, {dim} wide: {error}") from error
        heads[path.stem if len(stems) == len(wanted.published) else str(path)] = head
    return heads


def _model_rows(wanted: HeadComparison, dataset: Dataset, report: Callable[[str], None]) -> list[TableRow]:
    """Rows of per-class models, ordered by what they are given."""
    runs = [RunDirectory(path) for path in wanted.runs]
    splits = {run.read_config().split for run in runs}
    if splits - {wanted.split}:
        raise InputError(f"--runs are of split {listed(sorted(splits))}; give runs of split {wanted.split} alone")
    kinds = group_runs(runs, dataset, report)
    rows = [row for title, members in kinds.items() for row in scoring.model_rows(title, members, dataset)]
    order = list(dict.fromkeys(row.given for row in rows))
    return sorted(rows, key=lambda row: order.index(row.given))
