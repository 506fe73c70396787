"""Every preset on every split with several seeds, then one table of figures pooled over all test videos.

    python experiments/cross_validate.py --dataset data/gtea.h5 --splits 1,2,3 --seeds 3 --preset default reference
    python experiments/cross_validate.py --dataset data/gtea.h5 --preset default:3 reference:1 --control none noise
    python experiments/cross_validate.py --dataset data/gtea.h5 --variant "one stage: --stages 1" "slow: --lr 1e-4"
    python experiments/cross_validate.py --runs runs/cv-gtea/*/split*-seed?

    runs/cv-gtea/
        default/split1-seed0/            a run directory each, below preset[-variant][-control][-feature set]
        default/split1-seed0.log         what its process printed
        table.md, table.json, table.csv  the pooled figures, with 95 % intervals

Flags that are not its own go to experiments/run.py. The same command again goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import tyro

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.console import make_console
from protas_gtcc.cli.shared.launch_display import bring_to_end, raise_failures
from protas_gtcc.cli.shared.run_arguments import RUNS_FOLDER, parse_run
from protas_gtcc.cli.shared.variants import Variant, named_variants, refuse_own
from protas_gtcc.config import PRESETS, Control
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.header import feature_kind
from protas_gtcc.errors import InputError, listed
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.report.pooled_table import long_table, markdown
from protas_gtcc.report.table_files import write_tables
from protas_gtcc.runs.cross_validation import summarise
from protas_gtcc.runs.evaluate_run import test_videos
from protas_gtcc.runs.launching import PlannedConfig, PlannedRun
from protas_gtcc.training.run_directory import RunDirectory


@dataclass(frozen=True)
class CrossValidation:
    """Train and evaluate every preset x control x split x seed, then pool all test videos into one table.

    All other flags are those of experiments/run.py (see its --help), and hold for every run.
    """

    dataset: str | None = None
    """A dataset file, or a known name; with --runs by default theirs."""
    splits: str | None = None
    """Splits, with commas between; by default all that have test videos."""
    seeds: int = 3
    """Number of seeds, from 0 on."""
    preset: tuple[str, ...] = ("default",)
    """Presets; PRESET:N for another number of seeds than the rest."""
    control: tuple[Control, ...] = ("none",)
    """Controls; none is the dataset's own features."""
    variant: tuple[str, ...] = ()
    """Beside each preset as it is, the same with other flags; each is written 'NAME: FLAGS', {seed} for the seed."""
    jobs: int | None = None
    """Runs at once; by default one for each GPU, else as many as the usable cores have room for."""
    out: Path | None = None
    """Folder for runs and table; by default runs/cv-DATASET."""
    runs: tuple[Path, ...] = ()
    """Only pool these finished runs. Without --out, the table is printed and not written."""


def main(words: Sequence[str]) -> None:
    """Train what is missing, pool, print."""
    flat = tyro.conf.configure(tyro.conf.HelptextFromCommentsOff)(CrossValidation)
    arguments, passed = tyro.cli(flat, args=words, prog="cross_validate.py", return_unknown_args=True)
    console = make_console(stderr=True)
    if arguments.runs:
        if passed:
            raise InputError(f"--runs trains nothing: {passed[0]} has no meaning with it")
        runs = [RunDirectory(path) for path in arguments.runs]
        show_table(runs, open_dataset(arguments.dataset or _dataset_of(runs), console.print), arguments.out)
        return
    if arguments.dataset is None:
        raise InputError("name a dataset with --dataset, or finished runs with --runs")
    dataset = open_dataset(arguments.dataset, console.print)
    out = arguments.out or RUNS_FOLDER / _default_name(dataset)
    plans = plan_runs(arguments, passed, dataset, out)
    finished, failed = bring_to_end(plans, Path(__file__).with_name("run.py"), arguments.jobs, out, console)
    if finished:
        show_table([plan.run for plan in finished], dataset, out)
    raise_failures(failed, len(plans), console)


def plan_runs(arguments: CrossValidation, passed: Sequence[str], dataset: Dataset, out: Path) -> list[PlannedRun]:
    """All runs; every split of the first seed comes first, so that an early table has all videos.

    Raises `InputError` for what no run could be made of.
    """
    _check(arguments, passed)
    named = [split for split, parts in dataset.info.splits.items() if parts.get("test")]
    splits = list(dict.fromkeys(arguments.splits.split(","))) if arguments.splits else sorted(named)
    presets = [_preset(one, arguments.seeds) for one in dict.fromkeys(arguments.preset)]
    variants = {"": Variant()} | named_variants(arguments.variant)
    plans = []
    for seed in range(max(count for _, count in presets)):
        for split in splits:
            kinds = product(
                (name for name, count in presets if seed < count), variants, dict.fromkeys(arguments.control)
            )
            for preset, variant, control in kinds:
                flags = ["--dataset", str(arguments.dataset), "--preset", preset, "--control", control]
                own = variants[variant]
                flags += ["--split", split, "--seed", str(seed), *passed, *own.flags(seed)]
                plans.append(_plan(flags, variant, own, dataset, out))
    _require_alike_features([plan.config for plan in plans], dataset)
    return plans


def show_table(runs: Sequence[RunDirectory], dataset: Dataset, out: Path | None) -> None:
    """Pool finished runs, print the table, and write it into a folder."""
    summary = summarise(runs, dataset)
    table = markdown(summary)
    if out is not None:
        write_tables(out, table, long_table(summary), summary)
    print(table, end="")


def _plan(flags: list[str], variant: str, own: Variant, dataset: Dataset, out: Path) -> PlannedRun:
    config = parse_run(flags, "cross_validate.py", CrossValidation.__doc__ or "").config
    config = dataclasses.replace(config, dataset=str(dataset.path.resolve()))
    test_videos(dataset, config.split, config.feature_set)
    parts = [
        config.preset,
        *([variant] if variant else []),
        *([config.control] if config.control != "none" else []),
        # Features that a variant has of its own are what its name stands for.
        *([config.feature_set] if config.feature_set and not own.sets("--feature-set") else []),
    ]
    name = f"{'-'.join(parts)}/split{config.split}-seed{config.training.seed}"
    return PlannedRun(name, RunDirectory(out / name), config, flags)


def _preset(text: str, seeds: int) -> tuple[str, int]:
    """`reference:1` -> its name and number of seeds."""
    name, colon, count = text.partition(":")
    if name not in PRESETS or (colon and not count.isdecimal()) or (colon and int(count) < 1):
        raise InputError(f"--preset {text}: expected one of {', '.join(PRESETS)}, or PRESET:N with N seeds")
    return name, int(count) if colon else seeds


def _check(arguments: CrossValidation, passed: Sequence[str]) -> None:
    refuse_own(passed)
    if arguments.seeds < 1:
        raise InputError(f"--seeds is {arguments.seeds}; it must be at least 1")
    if arguments.jobs is not None and arguments.jobs < 1:
        raise InputError(f"--jobs is {arguments.jobs}; it must be at least 1")
    if not arguments.preset or not arguments.control:
        raise InputError("--preset and --control need at least one value")


def _require_alike_features(configs: Sequence[PlannedConfig], dataset: Dataset) -> None:
    """Raise `InputError` where features would be of one kind in some splits and of another in others."""
    used = {config.split: dataset.choose_feature_set(config.split, config.feature_set) for config in configs}
    kinds = {feature_kind(name, dataset.feature_sets[name]) for name in used.values()}
    if len(kinds) > 1:
        told = listed(f"{name} for split {split}" for split, name in used.items())
        raise InputError(f"splits would use unlike features, {told}; name one with --feature-set")


def _dataset_of(runs: Sequence[RunDirectory]) -> str:
    """The dataset file of runs, which must be one."""
    datasets = dict.fromkeys(run.read_config().dataset for run in runs)
    if len(datasets) > 1 or not all(datasets):
        raise InputError(
            f"the runs are of dataset files {listed(datasets)}; give those of one, or the file by --dataset"
        )
    return next(iter(datasets))


def _default_name(dataset: Dataset) -> str:
    stem = dataset.path.stem
    return f"cv-{'simulated-' if dataset.info.simulated and 'simulated' not in stem else ''}{stem}"


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
