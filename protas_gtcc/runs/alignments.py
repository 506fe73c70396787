"""Alignment losses compared: plans of runs, their embeddings as feature sets, and their scores in one table."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from protas_gtcc.alignment.aligned_features import write_aligned
from protas_gtcc.alignment.config import AlignmentConfig, AlignmentDirectory
from protas_gtcc.alignment.embedder import load_encoder
from protas_gtcc.alignment.scored_embeddings import (
    Scores,
    compare_trials,
    embedded_trial,
    reference_trials,
    remarks,
    require_scorable,
)
from protas_gtcc.alignment.scores import Trial
from protas_gtcc.alignment.scores.scoring import OnProgress
from protas_gtcc.config import PartnerPart
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.runs.config import AlignmentGrid
from protas_gtcc.runs.plans import PlannedRun, for_seed, named_variants, refuse_single_run_flags


def plan_alignments(
    grid: AlignmentGrid,
    flags: Sequence[str],
    dataset: Dataset,
    out: Path,
    parse: Callable[[list[str]], AlignmentConfig],
) -> list[PlannedRun]:
    """All runs, the first seed's first. Raises `InputError` if a run is not possible.

    `flags` hold for every run. `parse` makes a configuration from flags.
    """
    refuse_single_run_flags(flags)
    file, splits = str(dataset.path.absolute()), dict.fromkeys(grid.splits.split(","))
    losses = named_variants(grid.loss, may_be_bare=True).items()
    variants = ({"": list[str]()} | named_variants(grid.variant)).items()
    plans = []
    for seed, split, (name, variant), (loss, own) in product(range(grid.seeds), splits, variants, losses):
        title = "-".join(filter(None, [loss, name]))
        words = ["--dataset", file, "--loss", loss, "--split", split, "--seed", str(seed), "--title", title]
        words += [*flags, *for_seed([*own, *variant], seed)]
        config = dataclasses.replace(parse(words), dataset=file)
        require_scorable(dataset, split, config.task)
        dataset.choose_feature_set(split, config.feature_set)
        folder = f"{title}/split{split}-seed{seed}"
        always = ("--no-write", "--no-score")
        plans.append(PlannedRun(folder, AlignmentDirectory(out / folder), config, "align", words, always))
    return plans


def remarks_on(plans: Sequence[PlannedRun], dataset: Dataset, partners: PartnerPart) -> list[str]:
    """What a user should know before the runs are made, each remark once."""
    return list(dict.fromkeys(remark for plan in plans for remark in remarks(plan.config, dataset, partners)))


def write_sets(plans: Sequence[PlannedRun], dataset: Dataset) -> list[str]:
    """Write every run's embeddings into the dataset file; return the names of the feature sets."""
    written = []
    for plan in plans:
        name = f"aligned-{plan.config.title}-seed{plan.config.training.seed}"
        written.append(write_aligned(load_encoder(plan.run.path), Dataset(dataset.path), name, replace=True))
    return written


def score_runs(
    plans: Sequence[PlannedRun], dataset: Dataset, every: int, partners: PartnerPart, on_progress: OnProgress
) -> Scores:
    """Scores of every loss and variant; `untrained` is the encoder of the first before training."""
    kinds: dict[str, list[PlannedRun]] = defaultdict(list)
    for plan in plans:
        kinds[plan.config.title].append(plan)
    first = next(iter(kinds.values()))
    trials: dict[str, list[Trial]] = reference_trials([load_encoder(plan.run.path) for plan in first], dataset, every)
    for kind, members in kinds.items():
        trials[kind] = [embedded_trial(load_encoder(plan.run.path), dataset, every) for plan in members]
    return compare_trials(trials, dataset, every, partners, on_progress=on_progress)
