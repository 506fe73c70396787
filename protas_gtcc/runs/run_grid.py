"""The runs of a cross-validation: every preset, variant, control, split and seed, as plans."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from protas_gtcc.config import PRESETS, RunConfig, preset_title
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError, listed
from protas_gtcc.runs.config import RunGrid
from protas_gtcc.runs.evaluate_run import test_videos
from protas_gtcc.runs.plans import PlannedRun, for_seed, named_variants, refuse_single_run_flags
from protas_gtcc.training.run_directory import RunDirectory


def plan_grid(
    grid: RunGrid, flags: Sequence[str], dataset: Dataset, out: Path, parse: Callable[[list[str]], RunConfig]
) -> list[PlannedRun]:
    """All runs; every split of the first seed comes first, so that an early table has all videos.

    `flags` hold for every run. `parse` makes a configuration from flags. Raises `InputError` if a run is not possible.
    """
    refuse_single_run_flags(flags)
    with_tests = sorted(split for split, parts in dataset.info.splits.items() if parts.get("test"))
    splits = dict.fromkeys(grid.splits.split(",")) if grid.splits else with_tests
    presets = [_preset_and_seeds(one, grid.seeds) for one in dict.fromkeys(grid.preset)]
    _require_different_titles([name for name, _ in presets])
    variants = {"": list[str]()} | named_variants(grid.variant)
    plans = []
    for seed, split in product(range(max(count for _, count in presets)), splits):
        chosen = [name for name, count in presets if seed < count]
        for preset, (name, own), control in product(chosen, variants.items(), dict.fromkeys(grid.control)):
            words = ["--dataset", grid.dataset or str(dataset.path), "--preset", preset, "--control", control]
            words += ["--split", split, "--seed", str(seed), "--title", title_of(preset, name, control)]
            words += [*flags, *for_seed(own, seed)]
            plans.append(_planned(words, parse(words), name, own, dataset, out))
    _require_alike_features(plans, dataset)
    return plans


def title_of(preset: str, variant: str, control: str) -> str:
    """The title of a kind of run: `default one-stage noise`."""
    return " ".join(filter(None, [preset_title(preset), variant, "" if control == "none" else control]))


def _preset_and_seeds(text: str, seeds: int) -> tuple[str, int]:
    """`reference:1` -> its name and number of seeds."""
    name, colon, count = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "")
    if (name not in PRESETS and not Path(name).is_file()) or (colon and int(count) < 1):
        raise InputError(
            f"--preset {text}: expected one of {', '.join(PRESETS)}, a YAML file, or PRESET:N with N seeds"
        )
    return name, int(count) if colon else seeds


def _require_different_titles(presets: Sequence[str]) -> None:
    titles = [preset_title(one) for one in presets]
    alike = [one for one in presets if titles.count(preset_title(one)) > 1]
    if alike:
        raise InputError(f"presets {listed(alike)} have one name, which runs are called by; rename a file")


def _planned(flags: list[str], config: RunConfig, name: str, own: list[str], dataset: Dataset, out: Path) -> PlannedRun:
    config = dataclasses.replace(config, dataset=str(dataset.path.resolve()))
    test_videos(dataset, config.split, config.feature_set)
    control = "" if config.control == "none" else config.control
    # A variant's own features are part of its name.
    features = None if any(word.split("=")[0] == "--feature-set" for word in own) else config.feature_set
    kind = "-".join(filter(None, [preset_title(config.preset), name, control, features]))
    title = f"{kind}/split{config.split}-seed{config.training.seed}"
    return PlannedRun(title, RunDirectory(out / title), config, "run", flags)


def _require_alike_features(plans: Sequence[PlannedRun], dataset: Dataset) -> None:
    """Raise `InputError` if some splits would use features of another kind than the others."""
    configs = [plan.config for plan in plans]
    used = {config.split: dataset.choose_feature_set(config.split, config.feature_set) for config in configs}
    kinds = {dataset.feature_kind(name) for name in used.values()}
    if len(kinds) > 1:
        features = listed(f"{name} for split {split}" for split, name in used.items())
        raise InputError(f"splits would use features of different kinds, {features}; name one with --feature-set")
