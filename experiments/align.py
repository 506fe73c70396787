"""Align videos of the same task without labels, write their embeddings as features, and score them on held-out videos.

python experiments/align.py --dataset egoprocel --loss gtcc
python experiments/align.py --dataset data/50salads.h5 --split 1 --loss lav --seed 1 --feature-name aligned-lav-seed1
python experiments/align.py --dataset egoprocel --loss gtcc --head v4 --progress-lambda 1e6
python experiments/align.py --resume runs/x

    runs/DATASET-split1-gtcc-seed0/    config, checkpoint, log, as of any run; the scores, alignment.json and .md
    the dataset file                   gains a feature set, aligned-gtcc_split1; then
                                       python experiments/run.py --dataset … --split 1 --feature-set aligned-gtcc
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from protas_gtcc.alignment.aligned_features import score_embedder, stored_name, write_aligned
from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.alignment.scores.probes import require_sklearn
from protas_gtcc.alignment.training import AlignmentDirectory, align
from protas_gtcc.cli.console import make_console
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.parsing import parse
from protas_gtcc.cli.run_arguments import free_run_folder, is_first_process, observers
from protas_gtcc.config import WHERE_COMPUTED
from protas_gtcc.errors import InputError
from protas_gtcc.files import write_text
from protas_gtcc.known_datasets import open_dataset
from protas_gtcc.report.alignment_table import alignment_table


@dataclass(frozen=True)
class AlignArguments:
    """Align videos of the same task without labels, write their embeddings as features, and score them."""

    config: Annotated[AlignmentConfig, tyro.conf.arg(name="")]
    out: Path | None = None
    """Run directory to make; by default a new one under runs/, named by dataset, split, loss and seed."""
    resume: Path | None = None
    """Go on with this run from its last finished epoch; every other setting is the run's own."""
    feature_name: str | None = None
    """Name of the feature set in the dataset file, to which the split is added; by default aligned-LOSS."""
    replace: bool = False
    """Replace a feature set of that name."""
    write: bool = True
    """Write the embeddings into the dataset file."""
    score: bool = True
    """Score the embeddings on the split's test videos (needs the extra [align])."""
    score_every: int = 1
    """Score every so many frames: distances between all frames of long videos take time."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the scores as JSON."""


def main(words: Sequence[str]) -> None:
    """Train, write, score."""
    arguments = parse_align(words)
    console = make_console(stderr=arguments.json, quiet=not is_first_process())
    dataset = open_dataset(arguments.config.dataset, lambda text: console.print(text, style="bold yellow"))
    config = dataclasses.replace(arguments.config, dataset=str(dataset.path.resolve()))
    name = arguments.feature_name or f"aligned-{config.loss}"
    # What is in the way is said before training.
    if arguments.score:
        require_sklearn()
    if arguments.write:
        stored_name(name, config.split, dataset, arguments.replace)
    free = free_run_folder(dataset, config.split, [config.loss, f"seed{config.training.seed}"])
    run = AlignmentDirectory(arguments.resume or arguments.out or free)
    console.print(f"run directory: {run.path}", highlight=False)
    embedder = align(config, dataset, run, observers(console, run), arguments.resume is not None)
    if not is_first_process():
        return
    if arguments.write:
        stored = write_aligned(embedder, dataset, name, arguments.replace)
        console.print(f"{dataset.path} has feature set {stored}: run.py --feature-set {name}", highlight=False)
    if arguments.score:
        compared = score_embedder(embedder, dataset, arguments.score_every)
        write_text(run.path / "alignment.json", json.dumps(compared, indent=1, allow_nan=False) + "\n")
        write_text(run.path / "alignment.md", alignment_table(compared))
        print(json.dumps(compared, allow_nan=False) if arguments.json else alignment_table(compared), end="")


def parse_align(words: Sequence[str]) -> AlignArguments:
    """Parse flags on top of the defaults', or of the resumed run's, values."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--resume", type=Path)
    try:
        resume = first.parse_known_args(words)[0].resume
    except argparse.ArgumentError:
        resume = None  # tyro will say what is wrong
    base = AlignmentConfig() if resume is None else AlignmentDirectory(resume).read_alignment()
    parsed = parse(AlignArguments, words, "align.py", AlignArguments.__doc__, AlignArguments(base))
    if resume is not None and _what_matters(parsed.config) != _what_matters(base):
        raise InputError("a resumed run keeps its settings; leave out the flags that differ, or start a new run")
    if parsed.score_every < 1:
        raise InputError(f"--score-every is {parsed.score_every}; it must be at least 1")
    return parsed


def _what_matters(config: AlignmentConfig) -> AlignmentConfig:
    """A configuration less where it was computed."""
    where = {name: getattr(AlignmentConfig().training, name) for name in WHERE_COMPUTED}
    return dataclasses.replace(config, training=dataclasses.replace(config.training, **where))


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
