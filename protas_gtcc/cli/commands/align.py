"""`protas-gtcc align`: align videos without labels; write their embeddings as features, and score them."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from protas_gtcc.cli.shared.align_arguments import AlignArguments, parse_align
from protas_gtcc.cli.shared.console import make_console, print_result, progress_bars
from protas_gtcc.cli.shared.run_folders import free_run_folder, is_first_process, offer_resume, training_callbacks

if TYPE_CHECKING:
    from protas_gtcc.alignment.config import AlignmentConfig
    from protas_gtcc.alignment.embedder import Embedder
    from protas_gtcc.dataset.file import Dataset


@dataclass(frozen=True)
class Command:
    """Align videos of the same task without labels, write their embeddings as features, and score them.

    The dataset file gains a feature set, aligned-LOSS_splitK; 'run --feature-set aligned-LOSS' trains on it. The run
    directory gets the scores, alignment.json and alignment.md.
    """

    arguments: AlignArguments

    def run(self) -> None:
        """Train, write, score."""
        # torch is slow to import, and --help needs none of it
        from protas_gtcc.alignment.run_directory import AlignmentDirectory
        from protas_gtcc.alignment.scored_embeddings import remarks
        from protas_gtcc.alignment.training import align
        from protas_gtcc.prepare.known_datasets import open_dataset

        arguments = self.arguments
        console = make_console(stderr=arguments.json, quiet=not is_first_process())
        dataset = open_dataset(arguments.config.dataset, lambda text: console.print(text, style="bold yellow"))
        config = dataclasses.replace(arguments.config, dataset=str(dataset.path.absolute()))
        self._require_possible(dataset, config)
        parts = [config.loss, config.task, config.head, f"seed{config.training.seed}"]
        free = free_run_folder(dataset, config.split, list(filter(None, parts)))
        run = AlignmentDirectory(arguments.resume or arguments.out or free)
        console.print(f"run directory: {run.path}", highlight=False)
        for remark in remarks(config, dataset, arguments.partners):
            console.print(remark, style="yellow", highlight=False, soft_wrap=True, markup=False)
        with offer_resume(console, run):
            embedder = align(config, dataset, run, training_callbacks(console, run), arguments.resume is not None)
        if is_first_process():
            self._finish(embedder, dataset, run.path, console)

    def _require_possible(self, dataset: Dataset, config: AlignmentConfig) -> None:
        """Raise `InputError`, before training, if the results could not be scored or written."""
        from protas_gtcc.alignment.aligned_features import default_name, stored_name
        from protas_gtcc.alignment.scored_embeddings import require_scorable
        from protas_gtcc.alignment.scores.probes import require_sklearn

        if self.arguments.score:
            require_sklearn()
            require_scorable(dataset, config.split, config.task)
        if self.arguments.write:
            name = self.arguments.feature_name or default_name(config)
            stored_name(name, config.split, dataset, self.arguments.replace)

    def _finish(self, embedder: Embedder, dataset: Dataset, run: Path, console: Console) -> None:
        from protas_gtcc.alignment.aligned_features import default_name, write_aligned
        from protas_gtcc.report.alignment_table import alignment_table

        arguments, config = self.arguments, embedder.facts.config
        if arguments.write:
            name = arguments.feature_name or default_name(config)
            stored = write_aligned(embedder, dataset, name, arguments.replace)
            console.print(f"{dataset.path} has feature set {stored}: run --feature-set {name}", highlight=False)
        if config.head is not None:
            console.print(f"to score the head: protas-gtcc heads --joint {run}", highlight=False, soft_wrap=True)
        if arguments.score:
            with progress_bars() as on_progress:
                scores = self._score(embedder, dataset, run, functools.partial(on_progress, "scoring"))
            print_result(alignment_table(scores), scores, arguments.json)

    def _score(
        self, embedder: Embedder, dataset: Dataset, run: Path, on_progress: Callable[[int, int], None]
    ) -> dict[str, Any]:
        from protas_gtcc.alignment.scored_embeddings import score_embedder
        from protas_gtcc.report.alignment_table import alignment_table
        from protas_gtcc.storage.atomic import write_text

        arguments = self.arguments
        scores = score_embedder(embedder, dataset, arguments.score_every, arguments.partners, on_progress)
        write_text(run / "alignment.json", json.dumps(scores, indent=1, allow_nan=False) + "\n")
        write_text(run / "alignment.md", alignment_table(scores))
        return scores


def parse_command(arguments: Sequence[str], prog: str) -> Command:
    """Parse flags on top of the defaults' or a resumed run's settings."""
    return Command(parse_align(arguments, prog))
