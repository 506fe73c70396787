"""The flags of an alignment run: the fields of `AlignmentConfig`, and what is done with the trained encoder."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.alignment.run_directory import AlignmentDirectory
from protas_gtcc.alignment.scores.partners import PartnerPart
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.config import WHERE_COMPUTED, flat_settings
from protas_gtcc.errors import InputError, listed


@dataclass(frozen=True)
class AlignArguments:
    """Align videos of the same task without labels, write their embeddings as features, and score them."""

    config: Annotated[AlignmentConfig, tyro.conf.arg(name="")]
    out: Path | None = None
    """Run directory to make; by default a new one under runs/, named by dataset, split, loss, task, head and seed."""
    resume: Path | None = None
    """Go on with this run from its last finished epoch; flags of writing and scoring are not remembered."""
    feature_name: str | None = None
    """Name of the feature set in the dataset file, to which the split is added; by default aligned-LOSS[-HEAD]."""
    replace: bool = False
    """Replace a feature set of that name."""
    write: bool = True
    """Write the embeddings into the dataset file."""
    score: bool = True
    """Score the embeddings on the split's test videos (needs the extra [align])."""
    score_every: int = 1
    """Score every so many frames: distances between all frames of long videos take time."""
    partners: PartnerPart = "test"
    """What test videos are matched with in scores: other test videos of their task, or its training videos."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the scores as JSON."""


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
    if resume is not None:
        before, after = (flat_settings(_what_matters(one)) for one in (base, parsed.config))
        differing = [f"{name} {after[name]}, not {before[name]}" for name in before if before[name] != after[name]]
        if differing:
            raise InputError(f"a resumed run keeps its settings; here, {listed(differing)}: leave that out")
    if parsed.score_every < 1:
        raise InputError(f"--score-every is {parsed.score_every}; it must be at least 1")
    return parsed


def _what_matters(config: AlignmentConfig) -> AlignmentConfig:
    """A configuration without its title and the settings of where it was computed."""
    where = {name: getattr(AlignmentConfig().training, name) for name in WHERE_COMPUTED}
    return dataclasses.replace(config, title="", training=dataclasses.replace(config.training, **where))
