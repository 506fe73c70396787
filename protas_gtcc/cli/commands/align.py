"""`protas-gtcc align`: align videos without labels; write their embeddings as features, and score them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from protas_gtcc.alignment.config import LOSS_DEFAULTS, AlignmentConfig, AlignmentDirectory
from protas_gtcc.cli.shared.console import (
    is_first_process,
    make_console,
    print_result,
    progress_bar,
    warn,
)
from protas_gtcc.cli.shared.folders import free_run_folder
from protas_gtcc.cli.shared.parsing import Folder, parse_resumable
from protas_gtcc.config import PartnerPart, require_range
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.training.callbacks import training_callbacks

if TYPE_CHECKING:
    from protas_gtcc.alignment.embedder import Embedder
    from protas_gtcc.dataset.file import Dataset


@dataclass(frozen=True)
class Command:
    """Align videos of the same task without labels, write their embeddings as features, and score them.

    The dataset file gains a feature set, aligned-LOSS_splitK; 'run --feature-set aligned-LOSS' trains on it. The run
    directory gets the scores, alignment.json and alignment.md.
    """

    config: AlignmentConfig
    out: Folder | None = None
    """Run directory to make; by default a new one under runs/, named by dataset, split, loss, task, head and seed."""
    resume: Folder | None = None
    """Continue this run after its last finished epoch; give the flags of writing and scoring again."""
    feature_name: str | None = None
    """Name of the feature set in the dataset file, to which the split is added; by default aligned-LOSS[-HEAD]."""
    replace: bool = False
    """Replace a feature set of that name."""
    write: bool = True
    """Write the embeddings into the dataset file."""
    score: bool = True
    """Score the embeddings on the split's test videos; needs the extra [align]."""
    score_every: int = 1
    """Score one frame in this many: the distances between all frames of long videos take time."""
    partners: PartnerPart = "test"
    """Videos that test videos are matched with in scores: other test videos of their task, or its training videos."""
    json: bool = False
    """Print the scores as JSON."""

    def __post_init__(self) -> None:
        require_range(self, score_every=(1, 10**6))

    @classmethod
    def parse(cls, arguments: Sequence[str], prog: str = "protas-gtcc align") -> Command:
        """Parse flags on top of the settings of the loss's defaults, or of the resumed run."""

        def new(known: Mapping[str, str]) -> AlignmentConfig:
            loss: Any = known.get("loss")
            return AlignmentConfig(loss=loss) if loss in LOSS_DEFAULTS else AlignmentConfig()

        def read(path: Path) -> AlignmentConfig:
            return AlignmentDirectory(path).read_alignment()

        return parse_resumable(cls, arguments, prog, new, read)

    def run(self) -> None:
        """Train, write, score."""
        from protas_gtcc.alignment.scored_embeddings import remarks
        from protas_gtcc.alignment.training import align

        console = make_console(stderr=self.json)
        dataset = open_dataset(self.config.dataset, warn(console))
        config = dataclasses.replace(self.config, dataset=str(dataset.path.absolute()))
        self._require_possible(dataset, config)
        beside = "cumulative" * config.cumulative_l2
        parts = (config.loss, config.task, config.head, beside, f"seed{config.training.seed}")
        run = AlignmentDirectory(self.resume or self.out or free_run_folder(dataset, config.split, parts))
        console.print(f"run directory: {run.path}")
        for remark in remarks(config, dataset, self.partners if self.score else None):
            warn(console)(remark)
        with training_callbacks(console, run, "align") as callbacks:
            embedder = align(config, dataset, run, callbacks, self.resume is not None)
        if is_first_process():
            self._finish(embedder, dataset, run, console)

    def _require_possible(self, dataset: Dataset, config: AlignmentConfig) -> None:
        """Raise `InputError`, before training, if the results could not be scored or written."""
        from protas_gtcc.alignment.aligned_features import default_name, stored_name
        from protas_gtcc.alignment.scored_embeddings import require_scorable
        from protas_gtcc.alignment.scores.probes import require_sklearn

        if self.score:
            require_sklearn()
            require_scorable(dataset, config.split, config.task)
        if self.write:
            stored_name(self.feature_name or default_name(config), config.split, dataset, self.replace)

    def _finish(self, embedder: Embedder, dataset: Dataset, run: AlignmentDirectory, console: Console) -> None:
        from protas_gtcc.alignment.aligned_features import default_name, write_aligned
        from protas_gtcc.alignment.scored_embeddings import score_embedder
        from protas_gtcc.report.alignment_table import alignment_table

        if self.write:
            name = self.feature_name or default_name(embedder.facts.config)
            with progress_bar("writing") as on_progress:
                stored = write_aligned(embedder, dataset, name, self.replace, on_progress)
            console.print(f"{dataset.path} has feature set {stored}: run --feature-set {name}")
        if embedder.facts.config.head is not None:
            console.print(f"to score the head: protas-gtcc heads --joint {run.path}", soft_wrap=True)
        if self.score:
            with progress_bar("scoring") as on_progress:
                scores = score_embedder(embedder, dataset, self.score_every, self.partners, on_progress)
            table = alignment_table(scores)
            write_text(run.path / "alignment.json", json.dumps(scores, indent=1, allow_nan=False) + "\n")
            write_text(run.path / "alignment.md", table)
            print_result(table, scores, self.json)
