"""`protas-gtcc hold-out`: dataset file -> one whose splits hold out training videos."""

from __future__ import annotations

import json
from dataclasses import dataclass

from protas_gtcc.cli.shared.dataset_summary import describe
from protas_gtcc.cli.shared.parsing import File, Positional
from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import require_absent


@dataclass(frozen=True)
class Command:
    """Write a dataset file whose splits hold out training videos of another's, to choose settings on.

    With --split 1 --folds 5, split 1-0 tests a fifth of the training people of split 1 and trains on the others.
    --across 1 2 is for features that are tied to splits. Split 1-2 then has the features of split 2, tests its test
    videos, and trains on the videos that neither split tests.
    """

    dataset: Positional[File]
    """The dataset file."""
    out: File
    """The file to write."""
    split: str | None = None
    """Divide the training people of this split into folds."""
    folds: int = 5
    """Number of folds."""
    feature_set: str | None = None
    """Features of the folds, or several sets, `rgb+hands`; by default as in training. They must not be tied to a split.
    """
    across: tuple[str, ...] = ()
    """Instead: two or more splits. The test videos of one are held out from the training of another."""
    overwrite: bool = False
    """Replace the file to write if it exists."""
    seed: int = 0
    """Seed of the order of the people."""
    json: bool = False
    """Print what was written as JSON."""

    def run(self) -> None:
        """Divide and write."""
        from protas_gtcc.dataset.file import Dataset
        from protas_gtcc.prepare.hold_out import across, by_people, write_held_out
        from protas_gtcc.prepare.writing import Summary, counted

        dataset = Dataset(self.dataset)
        require_absent([self.out], self.overwrite)
        if bool(self.across) == (self.split is not None) or len(set(self.across)) == 1:
            raise InputError("give either --split 1, to divide its training people, or --across 1 2, with two or more")
        if self.split is not None:
            splits, sets = by_people(dataset, self.split, self.folds, self.feature_set, self.seed)
        else:
            splits, sets = across(dataset, self.across)
        write_held_out(dataset, self.out, splits, sets, self.overwrite)
        written = {"dataset": str(self.out), "splits": list(splits)}
        print(json.dumps(written) if self.json else describe(counted(Summary(str(self.out)))))
