"""Every alignment loss with several seeds, then one table of scores beside raw features and untrained encoders.

    python experiments/compare_alignments.py --dataset data/50salads.h5 --splits 1 --seeds 2 --epochs 60
    python experiments/compare_alignments.py --dataset data/50salads.h5 --loss tcc "gtcc: --temperature 0.02"
    python experiments/compare_alignments.py --dataset data/gtea-held.h5 --splits 1-2,1-3 --partners train \\
        --variant "mlp: --encoder mlp" "longer: --epochs 300"

    runs/aligned-50salads/
        gtcc/split1-seed0/               a run directory each, below loss[-variant]
        gtcc/split1-seed0.log            what its process printed
        table.md, table.json, table.csv  the scores, with 95 % intervals

Flags that are not its own go to experiments/align.py. The same command again goes on where it stopped. With --write,
embeddings are kept in the dataset file as aligned-LOSS[-VARIANT]-seedN, and experiments/cross_validate.py trains on
them: --variant "gtcc: --feature-set aligned-gtcc-seed{seed}".
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import tyro

from protas_gtcc.alignment.aligned_features import write_aligned
from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.alignment.embedder import load_encoder
from protas_gtcc.alignment.run_directory import AlignmentDirectory
from protas_gtcc.alignment.scored_embeddings import (
    Scores,
    compare_trials,
    embedded_trial,
    reference_trials,
    remarks,
    require_scorable,
)
from protas_gtcc.alignment.scores import Trial
from protas_gtcc.alignment.scores.partners import PartnerPart
from protas_gtcc.alignment.scores.probes import require_sklearn
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.align_arguments import parse_align
from protas_gtcc.cli.shared.console import make_console
from protas_gtcc.cli.shared.launch_display import bring_to_end, raise_failures
from protas_gtcc.cli.shared.run_arguments import RUNS_FOLDER
from protas_gtcc.cli.shared.variants import Variant, named_variants, refuse_own
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.report.alignment_table import alignment_table, long_table
from protas_gtcc.runs.launching import PlannedRun
from protas_gtcc.storage.atomic import replace_when_whole, write_text

LOSSES = ("tcc", "gtcc", "lav", "vava")


@dataclass(frozen=True)
class CompareAlignments:
    """Train encoders with every loss x variant x split x seed, and score them in one table.

    All other flags are those of experiments/align.py (see its --help), and hold for every run.
    """

    dataset: str
    """A dataset file, or a known name."""
    splits: str = "1"
    """Splits, with commas between; a figure is the mean over them."""
    loss: tuple[str, ...] = LOSSES
    """Losses; one that has settings of its own is written 'LOSS: FLAGS'."""
    seeds: int = 1
    """Number of seeds, from 0 on."""
    variant: tuple[str, ...] = ()
    """Beside each loss as it is, the same with other flags; each is written 'NAME: FLAGS'."""
    jobs: int | None = None
    """Runs at once; by default one for each GPU, else as many as the usable cores have room for."""
    out: Path | None = None
    """Folder for runs and table; by default runs/aligned-DATASET."""
    write: bool = False
    """Keep the embeddings in the dataset file, as aligned-LOSS[-VARIANT]-seedN; those that are there are replaced."""
    score_every: int = 1
    """Score every so many frames."""
    partners: PartnerPart = "test"
    """What test videos are matched with: other test videos of their task, or its training videos."""

    def __post_init__(self) -> None:
        for name in ("seeds", "score_every"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be at least 1")


def main(words: Sequence[str]) -> None:
    """Train what is missing, write, score, print."""
    flat = tyro.conf.configure(tyro.conf.HelptextFromCommentsOff)(CompareAlignments)
    arguments, passed = tyro.cli(flat, args=words, prog="compare_alignments.py", return_unknown_args=True)
    console = make_console(stderr=True)
    require_sklearn()
    dataset = open_dataset(arguments.dataset, console.print)
    out = arguments.out or RUNS_FOLDER / f"aligned-{dataset.path.stem}"
    plans = plan_runs(arguments, passed, dataset, out)
    for remark in dict.fromkeys(one for plan in plans for one in remarks(_config(plan), dataset, arguments.partners)):
        console.print(remark, style="yellow", highlight=False, soft_wrap=True, markup=False)
    finished, failed = bring_to_end(plans, Path(__file__).with_name("align.py"), arguments.jobs, out, console)
    if finished:
        if arguments.write:
            written = write_sets(finished, dataset)
            console.print(f"{dataset.path} has feature sets {', '.join(written)}", highlight=False, soft_wrap=True)
        console.print("scoring", highlight=False)
        show_table(score(finished, dataset, arguments), out)
    raise_failures(failed, len(plans), console)


def plan_runs(arguments: CompareAlignments, passed: Sequence[str], dataset: Dataset, out: Path) -> list[PlannedRun]:
    """All runs, the first seed's first. Raises `InputError` for what no run could be made of."""
    refuse_own(passed)
    if not arguments.loss:
        raise InputError(f"--loss names none; give some of {', '.join(LOSSES)}")
    losses, variants = named_variants(arguments.loss, may_be_bare=True), named_variants(arguments.variant)
    splits = dict.fromkeys(arguments.splits.split(","))
    plans = []
    for seed, split, (name, variant), (loss, own) in product(
        range(arguments.seeds), splits, ({"": Variant()} | variants).items(), losses.items()
    ):
        flags = ["--dataset", str(dataset.path.absolute()), "--loss", loss, "--split", split, "--seed", str(seed)]
        flags += [*passed, *own.flags(seed), *variant.flags(seed)]
        config = dataclasses.replace(parse_align(flags).config, dataset=str(dataset.path.absolute()))
        require_scorable(dataset, split, config.task)
        dataset.choose_feature_set(split, config.feature_set)
        title = f"{'-'.join(filter(None, [loss, name]))}/split{split}-seed{seed}"
        run = AlignmentDirectory(out / title)
        plans.append(PlannedRun(title, run, config, flags, ("--no-write", "--no-score")))
    return plans


def write_sets(plans: Sequence[PlannedRun], dataset: Dataset) -> list[str]:
    """Keep every run's embeddings in the dataset file; the names of the sets."""
    return [
        write_aligned(
            load_encoder(plan.run.path),
            Dataset(dataset.path),
            f"aligned-{_kind(plan)}-seed{plan.config.training.seed}",
            replace=True,
        )
        for plan in plans
    ]


def score(plans: Sequence[PlannedRun], dataset: Dataset, arguments: CompareAlignments) -> Scores:
    """Scores of every kind of run; untrained is the encoder of the first."""
    every = arguments.score_every
    kinds: dict[str, list[PlannedRun]] = defaultdict(list)
    for plan in plans:
        kinds[_kind(plan)].append(plan)
    first = next(iter(kinds.values()))
    trials: dict[str, list[Trial]] = reference_trials([load_encoder(plan.run.path) for plan in first], dataset, every)
    for kind, members in kinds.items():
        trials[kind] = [embedded_trial(load_encoder(plan.run.path), dataset, every) for plan in members]
    return compare_trials(trials, dataset, every, arguments.partners)


def show_table(scores: Scores, out: Path) -> None:
    """Print the table, and write it and all figures into a folder."""
    table = alignment_table(scores)
    write_text(out / "table.md", table)
    write_text(out / "table.json", json.dumps(scores, indent=1, allow_nan=False) + "\n")
    with replace_when_whole(out / "table.csv") as temporary:
        long_table(scores).to_csv(temporary, index=False, float_format="%.6g")
    print(table, end="")


def _config(plan: PlannedRun) -> AlignmentConfig:
    assert isinstance(plan.config, AlignmentConfig)
    return plan.config


def _kind(plan: PlannedRun) -> str:
    """Loss and variant."""
    return plan.name.split("/")[0]


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
