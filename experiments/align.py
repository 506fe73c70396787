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

import dataclasses
import json
import sys
from collections.abc import Sequence

from protas_gtcc.alignment.aligned_features import default_name, stored_name, write_aligned
from protas_gtcc.alignment.run_directory import AlignmentDirectory
from protas_gtcc.alignment.scored_embeddings import remarks, require_scorable, score_embedder
from protas_gtcc.alignment.scores.probes import require_sklearn
from protas_gtcc.alignment.training import align
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.align_arguments import parse_align
from protas_gtcc.cli.shared.console import make_console
from protas_gtcc.cli.shared.run_arguments import free_run_folder, is_first_process, training_callbacks
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.report.alignment_table import alignment_table
from protas_gtcc.storage.atomic import write_text


def main(words: Sequence[str]) -> None:
    """Train, write, score."""
    arguments = parse_align(words)
    console = make_console(stderr=arguments.json, quiet=not is_first_process())
    dataset = open_dataset(arguments.config.dataset, lambda text: console.print(text, style="bold yellow"))
    config = dataclasses.replace(arguments.config, dataset=str(dataset.path.absolute()))
    name = arguments.feature_name or default_name(config)
    # What is in the way is said before training.
    if arguments.score:
        require_sklearn()
        require_scorable(dataset, config.split, config.task)
    if arguments.write:
        stored_name(name, config.split, dataset, arguments.replace)
    parts = [config.loss, config.task, config.head, f"seed{config.training.seed}"]
    free = free_run_folder(dataset, config.split, list(filter(None, parts)))
    run = AlignmentDirectory(arguments.resume or arguments.out or free)
    console.print(f"run directory: {run.path}", highlight=False)
    for remark in remarks(config, dataset, arguments.partners):
        console.print(remark, style="yellow", highlight=False, soft_wrap=True, markup=False)
    try:
        embedder = align(config, dataset, run, training_callbacks(console, run), arguments.resume is not None)
    except KeyboardInterrupt:
        if run.state.is_file():
            console.print(f"finished epochs are kept: go on with --resume {run.path}", highlight=False)
        raise
    if not is_first_process():
        return
    if arguments.write:
        stored = write_aligned(embedder, dataset, name, arguments.replace)
        console.print(f"{dataset.path} has feature set {stored}: run.py --feature-set {name}", highlight=False)
    if config.head is not None:
        console.print(f"the head is scored by scalar_heads.py --joint {run.path}", highlight=False, soft_wrap=True)
    if arguments.score:
        console.print("scoring", highlight=False)
        compared = score_embedder(embedder, dataset, arguments.score_every, arguments.partners)
        write_text(run.path / "alignment.json", json.dumps(compared, indent=1, allow_nan=False) + "\n")
        write_text(run.path / "alignment.md", alignment_table(compared))
        print(json.dumps(compared, allow_nan=False) if arguments.json else alignment_table(compared), end="")


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
