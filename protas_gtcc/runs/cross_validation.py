"""Finished runs -> one summary: figures of every kind of run pooled over splits and seeds, and kinds compared.

Runs are of one kind when their configurations agree in all but split, seed and where they were computed. `summarise`
returns the content of `table.json`:

    dataset, simulated, versions, notes
    kinds[title]    runs [path, split, seed], num_videos, num_people (null where one is unknown), compared_with (the
                    title of the kind that it is compared with: for a control the same model on the features, else the
                    first kind), and every figure of metrics.json with its interval
    differences[]   of, minus (titles), num_videos, and the same figures: `of` less `minus` on the videos of both
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from protas_gtcc.config import DEFAULT, MAY_CHANGE, PRESETS, RunConfig, flat_settings
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError, listed
from protas_gtcc.inference import load
from protas_gtcc.metrics.lookups import fit_lookups
from protas_gtcc.metrics.pooled_runs import PooledRows, paired_differences, pool, pooled_scores
from protas_gtcc.metrics.pooling import RowOfProcedure, collect_rows
from protas_gtcc.metrics.prediction_files import PredictionFiles, open_predictions
from protas_gtcc.predictions import Prediction
from protas_gtcc.runs.known_procedures import scorer_of
from protas_gtcc.runs.run_grid import title_of
from protas_gtcc.storage.versions import software_versions
from protas_gtcc.training.run_directory import RunDirectory


def summarise(runs: Sequence[RunDirectory], dataset: Dataset) -> dict[str, Any]:
    """Pool finished runs on one dataset by kind, and compare the kinds pair by pair.

    Raises `InputError` if a run is not finished or does not fit the dataset.
    """
    notes: list[str] = []
    kinds = group_runs(runs, dataset, notes.append)
    pooled = {title: pool([rows_of_run(run, dataset) for run in members]) for title, members in kinds.items()}
    titles, compared_with = list(kinds), _compared_with(kinds)
    return {
        "dataset": dataset.info.name,
        "simulated": dataset.info.simulated,
        "versions": software_versions(),
        "kinds": {
            title: {
                "runs": [
                    {"path": str(run.path), "split": config.split, "seed": config.training.seed}
                    for run, config in ((run, run.read_config()) for run in kinds[title])
                ],
                "num_videos": len(rows.videos),
                "num_people": rows.rows.num_people,
                "compared_with": compared_with[title],
                **pooled_scores(rows),
            }
            for title, rows in pooled.items()
        },
        "differences": [
            _difference(pooled, *((earlier, later) if compared_with[earlier] == later else (later, earlier)))
            for number, earlier in enumerate(titles)
            for later in titles[number + 1 :]
            if set(pooled[earlier].tests) & set(pooled[later].tests)
        ],
        "notes": [*notes, *_notes(kinds, pooled)],
    }


def rows_of_run(run: RunDirectory, dataset: Dataset) -> PooledRows:
    """A run's test videos, scored from its predictions.h5 as its evaluation did.

    Raises `InputError` if the run is not finished, or its predictions lack a test video or are of other classes.
    """
    config = run.read_config()
    if not run.is_finished():
        raise InputError(f"{run.path} is not finished: continue with --resume, or leave it out")
    files = open_predictions(run.predictions, dataset.info.class_names)
    files.require(dataset.part(config.split, "test"), config.split)
    return rows_of_split(dataset, config, files.read, _row_of_procedure(run, dataset, config.split, files))


def _row_of_procedure(run: RunDirectory, dataset: Dataset, split: str, files: PredictionFiles) -> RowOfProcedure | None:
    """What scores the procedures of a run; None if its predictions have none, or its checkpoint was removed."""
    test = dataset.part(split, "test")
    if not run.checkpoint.is_file() or any(files.read(video).procedure is None for video in test[:1]):
        return None
    scorer = scorer_of(load(run.path), dataset, test)
    return None if scorer is None else scorer.row


def rows_of_split(
    dataset: Dataset,
    config: RunConfig,
    read: Callable[[str], Prediction],
    row_of_procedure: RowOfProcedure | None = None,
) -> PooledRows:
    """The test videos of a run's split, scored from the prediction that `read` returns for each.

    Procedures are scored with `row_of_procedure` alone.
    """
    test, info = dataset.part(config.split, "test"), dataset.info
    training = (dataset.labels(video) for video in dataset.part(config.split, "train"))
    lookups = fit_lookups(training, info.num_classes, info.background, config.training.seed)
    videos = ((video, dataset.labels(video), read(video)) for video in test)
    people = {video: dataset.attribute(video, "subject") for video in test}
    rows = collect_rows(
        videos, lookups, info.class_names, info.background, info.fps, people, row_of_procedure=row_of_procedure
    )
    return PooledRows(rows, [(video, config.split) for video in test])


@dataclass
class Kind:
    """Runs that agree in these settings."""

    title: str
    settings: dict[str, Any]
    members: dict[Any, Any] = field(default_factory=dict)
    """By what they differ in: split and seed."""


def kind_with(settings: dict[str, Any], title: str, kinds: list[Kind]) -> Kind:
    """The kind with these settings; where there is none, a new one is added."""
    for kind in kinds:
        if kind.settings == settings:
            return kind
    kinds.append(Kind(title, settings))
    return kinds[-1]


def by_title(kinds: Sequence[Kind], defaults: Callable[[Kind], dict[str, Any]]) -> dict[str, list[Any]]:
    """Members by title; to equal titles the settings are added that differ and are not the defaults."""
    titled = {}
    for kind in kinds:
        alike, default = [other.settings for other in kinds if other.title == kind.title], defaults(kind)
        differing = [name for name, value in kind.settings.items() if any(other[name] != value for other in alike)]
        added = [f"{name} {kind.settings[name]}" for name in differing if kind.settings[name] != default[name]]
        titled[", ".join([kind.title, *added])] = list(kind.members.values())
    return titled


def settings_of_kind(config: Any, features: str) -> dict[str, Any]:
    """Settings by flag, without those that may differ within a kind: split, seed, title, and where it was computed."""
    settings = flat_settings(config) | {"feature_set": features}
    return {name: value for name, value in settings.items() if name not in ("dataset", "split", "seed", *MAY_CHANGE)}


def group_runs(
    runs: Sequence[RunDirectory], dataset: Dataset, report: Callable[[str], None]
) -> dict[str, list[RunDirectory]]:
    """Runs by the title of their kind, in the order in which kinds come first.

    A run of the same kind, split and seed as one before it is left out, and `report` is called with a line about it.
    """
    kinds: list[Kind] = []
    for run in runs:
        config = run.read_config()
        title = config.title or title_of(config.preset, "", config.control)
        used = dataset.choose_feature_set(config.split, config.feature_set)
        # Sets that are tied to one split each are one kind of features over the splits; aligned ones are another.
        features = dataset.feature_kind(used)
        members = kind_with(settings_of_kind(config, features), title, kinds).members
        first = members.setdefault((config.split, config.training.seed), run)
        if first is not run:
            report(f"{run.path} is left out: it repeats {first.path}, with the same settings, split and seed")
    return by_title(kinds, lambda kind: flat_settings(PRESETS.get(kind.settings["preset"], DEFAULT)))


def dataset_of(runs: Sequence[RunDirectory]) -> str:
    """The dataset file of runs. Raises `InputError` unless they have the same."""
    datasets = dict.fromkeys(run.read_config().dataset for run in runs)
    if len(datasets) > 1 or not all(datasets):
        files = listed(datasets)
        raise InputError(f"the runs are of dataset files {files}; give those of one, or the file by --dataset")
    return next(iter(datasets))


def _compared_with(kinds: dict[str, list[RunDirectory]]) -> dict[str, str]:
    """For each kind the one that it is compared with: for a control the same model on the features, else the first."""
    first, compared_with = next(iter(kinds)), {}
    for title, runs in kinds.items():
        control = runs[0].read_config().control
        own = title.removesuffix(f" {control}")
        compared_with[title] = own if control != "none" and own in kinds else first
    return compared_with


def _difference(pooled: dict[str, PooledRows], of: str, minus: str) -> dict[str, Any]:
    common = {video for video, _ in set(pooled[of].tests) & set(pooled[minus].tests)}
    return {"of": of, "minus": minus, "num_videos": len(common), **paired_differences(pooled[of], pooled[minus])}


def _notes(kinds: dict[str, list[RunDirectory]], pooled: dict[str, PooledRows]) -> list[str]:
    """Remarks on splits and seeds that are missing."""
    notes = []
    tests = {test for rows in pooled.values() for test in rows.tests}
    for title, members in kinds.items():
        lacking = sorted({split for _, split in tests - set(pooled[title].tests)})
        if lacking:
            notes.append(f"{title} has no run of split {listed(lacking)}: differences are over the splits of both")
        seeds = Counter(run.read_config().split for run in members)
        if len(set(seeds.values())) > 1:
            counts = listed(f"{count} of split {split}" for split, count in sorted(seeds.items()))
            notes.append(f"{title} has unequal numbers of seeds, {counts}; every test video still counts once")
        elif max(seeds.values()) == 1:
            notes.append(f"{title} has one seed, so its intervals lack the spread over seeds")
    return notes
