"""Finished runs -> one summary: figures of every kind of run pooled over splits and seeds, and kinds compared.

Runs are of one kind when their configurations agree in all but split, seed and where they were computed. `summarise`
gives what `table.json` holds:

    dataset, simulated, versions, notes
    kinds[title]    runs [path, split, seed], num_videos, compared_with (the title of the kind that it is set beside:
                    a control's own model, else the first kind), and every figure of metrics.json with its interval
    differences[]   of, minus (titles), num_videos, and the same figures: `of` less `minus` on the videos of both
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from protas_gtcc.config import PRESETS, WHERE_COMPUTED, RunConfig, TrainingConfig, flat_settings
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.header import feature_kind
from protas_gtcc.errors import InputError, listed
from protas_gtcc.metrics.evaluation import software_versions
from protas_gtcc.metrics.lookups import fit_lookups
from protas_gtcc.metrics.pooled_runs import PooledRows, paired_differences, pool, pooled_scores
from protas_gtcc.metrics.pooling import collect_rows
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.predictions import Prediction
from protas_gtcc.training.run_directory import RunDirectory


def summarise(runs: Sequence[RunDirectory], dataset: Dataset) -> dict[str, Any]:
    """Pool finished runs on one dataset by kind, and compare the kinds pair by pair.

    Raises `InputError` if a run is not finished or does not fit the dataset, or if two runs are of the same kind, split
    and seed.
    """
    kinds = group_runs(runs, dataset)
    pooled = {title: pool([rows_of_run(run, dataset) for run in members]) for title, members in kinds.items()}
    titles, rivals = list(kinds), _rivals(kinds)
    return {
        "dataset": dataset.info.name,
        "simulated": dataset.info.simulated,
        "versions": software_versions(),
        "kinds": {
            title: {
                "runs": [_describe(run) for run in kinds[title]],
                "num_videos": len(rows.videos),
                "compared_with": rivals[title],
                **pooled_scores(rows),
            }
            for title, rows in pooled.items()
        },
        "differences": [
            _difference(pooled, *((earlier, later) if rivals[earlier] == later else (later, earlier)))
            for number, earlier in enumerate(titles)
            for later in titles[number + 1 :]
            if set(pooled[earlier].tests) & set(pooled[later].tests)
        ],
        "notes": _notes(kinds, pooled),
    }


def rows_of_run(run: RunDirectory, dataset: Dataset) -> PooledRows:
    """A run's test videos, scored from its predictions.h5 as its evaluation did.

    Raises `InputError` if training has not ended, or predictions lack a test video or are of other classes.
    """
    config = run.read_config()
    if not run.is_finished():
        raise InputError(f"{run.path} is not finished: go on with --resume, or leave it out")
    files = open_predictions(run.predictions, dataset.info.class_names)
    files.require(dataset.part(config.split, "test"), config.split)
    return rows_of_split(dataset, config, files.read)


def rows_of_split(dataset: Dataset, config: RunConfig, read: Callable[[str], Prediction]) -> PooledRows:
    """The test videos of a run's split, scored from what `read` says of each."""
    test, info = dataset.part(config.split, "test"), dataset.info
    training = (dataset.labels(video) for video in dataset.part(config.split, "train"))
    lookups = fit_lookups(training, info.num_classes, info.background, config.training.seed)
    videos = ((video, dataset.labels(video), read(video)) for video in test)
    rows = collect_rows(videos, lookups, info.class_names, info.background, info.fps)
    return PooledRows(rows, [(video, config.split) for video in test])


def group_runs(runs: Sequence[RunDirectory], dataset: Dataset) -> dict[str, list[RunDirectory]]:
    """Runs by kind, in the order in which kinds come first; each kind has a title that tells it from the others.

    Raises `InputError` if two runs are of the same kind, split and seed.
    """
    groups: dict[str, list[RunDirectory]] = defaultdict(list)
    settings: dict[str, dict[str, Any]] = {}
    taken: dict[tuple[str, str, int], RunDirectory] = {}
    for run in runs:
        config = run.read_config()
        flat = flat_settings(of_any_split_and_seed(config, dataset))
        kind = repr(flat)
        test = (kind, config.split, config.training.seed)
        if test in taken:
            same = f"split {config.split}, seed {config.training.seed} of the same settings"
            raise InputError(f"{taken[test].path} and {run.path} are both {same}; give one of them")
        taken[test], settings[kind] = run, flat
        groups[kind].append(run)
    titles = _titles(list(settings.values()), list(groups.values()))
    return dict(zip(titles, groups.values(), strict=True))


def of_any_split_and_seed(config: RunConfig, dataset: Dataset) -> RunConfig:
    """A configuration less what runs of one kind may differ in: split, seed, and where they were computed."""
    free = {name: getattr(TrainingConfig, name) for name in ("seed", *WHERE_COMPUTED)}
    training = dataclasses.replace(config.training, **free)
    used = dataset.choose_feature_set(config.split, config.feature_set)
    # Sets that are tied to one split each are, over the splits, one kind of features; aligned ones are another.
    kind = feature_kind(used, dataset.feature_sets[used])
    return dataclasses.replace(config, dataset="", split="", feature_set=kind, training=training)


def _titles(kinds: list[dict[str, Any]], members: list[list[RunDirectory]]) -> list[str]:
    """The name that cross-validation's folders give, if they do; else preset, control and the settings that differ."""
    named = [_name_of_folder(kind, runs) for kind, runs in zip(kinds, members, strict=True)]
    return _told_apart(kinds) if None in named or len(set(named)) < len(named) else [name for name in named if name]


def _name_of_folder(kind: dict[str, Any], runs: list[RunDirectory]) -> str | None:
    """`default-one-stage-noise/split1-seed0` -> `default one-stage noise`; None for runs that lie elsewhere."""
    folders = {run.path.absolute().parent.name for run in runs}
    name = next(iter(folders))
    control = [] if kind["control"] == "none" else [kind["control"]]
    preset, stem = kind["preset"], name.removesuffix(f"-{kind['feature_set']}")
    if len(folders) > 1 or not (stem == preset or stem.startswith(f"{preset}-")):
        return None
    variant = stem.removeprefix(preset).removeprefix("-").removesuffix("-".join(["", *control]))
    return " ".join([preset, *([variant] if variant and variant not in control else []), *control])


def _rivals(kinds: dict[str, list[RunDirectory]]) -> dict[str, str]:
    """For each kind the one that it is compared with: a control with the same model on the features, else the first."""
    first, rivals = next(iter(kinds)), {}
    for title, runs in kinds.items():
        control = runs[0].read_config().control
        own = title.removesuffix(f" {control}")
        rivals[title] = own if control != "none" and own in kinds else first
    return rivals


def _told_apart(kinds: list[dict[str, Any]]) -> list[str]:
    """Preset and control; where these do not tell kinds apart, the settings that do and are not the preset's."""
    plain = [" ".join([one["preset"], *([one["control"]] if one["control"] != "none" else [])]) for one in kinds]
    return told_apart(plain, kinds, [flat_settings(PRESETS[one["preset"]]) for one in kinds])


def told_apart(titles: Sequence[str], kinds: Sequence[dict[str, Any]], defaults: Sequence[dict[str, Any]]) -> list[str]:
    """A title for each kind; where several are alike, the settings that differ and are not its defaults are added."""
    longer = []
    for title, kind, default in zip(titles, kinds, defaults, strict=True):
        alike = [other for other, its_title in zip(kinds, titles, strict=True) if its_title == title]
        differing = [name for name in kind if len({repr(other[name]) for other in alike}) > 1]
        told = [f"{name} {kind[name]}" for name in differing if kind[name] != default[name]]
        longer.append(", ".join([title, *told]))
    return longer


def _describe(run: RunDirectory) -> dict[str, Any]:
    config = run.read_config()
    return {"path": str(run.path), "split": config.split, "seed": config.training.seed}


def _difference(pooled: dict[str, PooledRows], of: str, minus: str) -> dict[str, Any]:
    common = {video for video, _ in set(pooled[of].tests) & set(pooled[minus].tests)}
    return {"of": of, "minus": minus, "num_videos": len(common), **paired_differences(pooled[of], pooled[minus])}


def _notes(kinds: dict[str, list[RunDirectory]], pooled: dict[str, PooledRows]) -> list[str]:
    """What the figures should be read with."""
    notes = []
    tests = {test for rows in pooled.values() for test in rows.tests}
    for title, members in kinds.items():
        lacking = sorted({split for _, split in tests - set(pooled[title].tests)})
        if lacking:
            notes.append(f"{title} has no run of split {listed(lacking)}: differences are over the splits of both")
        seeds = Counter(run.read_config().split for run in members)
        if len(set(seeds.values())) > 1:
            counts = listed(f"{count} of split {split}" for split, count in sorted(seeds.items()))
            notes.append(f"{title} has unequal numbers of seeds, {counts}; every test video counts once all the same")
    return notes
