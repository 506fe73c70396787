"""The flags of an alignment run: the fields of `AlignmentConfig`, and what is done with the trained encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.cli.shared.parsing import Folder, parse_resumable
from protas_gtcc.config import PartnerPart
from protas_gtcc.errors import InputError


@dataclass(frozen=True)
class AlignArguments:
    """Align videos of the same task without labels, write their embeddings as features, and score them."""

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
    """Score the embeddings on the split's test videos; needs pip install 'protas_gtcc[align]'."""
    score_every: int = 1
    """Score one frame in this many: the distances between all frames of long videos take time."""
    partners: PartnerPart = "test"
    """Videos that test videos are matched with in scores: other test videos of their task, or its training videos."""
    json: bool = False
    """Print the scores as JSON."""

    def __post_init__(self) -> None:
        if self.score_every < 1:
            raise InputError(f"--score-every is {self.score_every}; it must be at least 1")


def parse_align(arguments: Sequence[str], prog: str = "protas-gtcc align") -> AlignArguments:
    """Parse flags on top of the defaults', or of the resumed run's, values."""

    def read(run: Path) -> AlignmentConfig:
        from protas_gtcc.alignment.run_directory import AlignmentDirectory

        return AlignmentDirectory(run).read_alignment()

    return parse_resumable(AlignArguments, arguments, prog, AlignArguments.__doc__, lambda _: AlignmentConfig(), read)
