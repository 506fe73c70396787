"""Scalar heads, alone on frozen features: every head with every loss, beside what counts and beside per-class models.

    python experiments/scalar_heads.py --dataset data/gtea.h5 --split 1 --seeds 3 --runs runs/cv-gtea/*/split1-seed?
    python experiments/scalar_heads.py --dataset data/50salads.h5 --heads v2 v3 v4 gru-dense --feature-set features
    python experiments/scalar_heads.py --dataset egoprocel --heads v4 --joint runs/*-split1-gtcc-v4-seed?
    python experiments/scalar_heads.py --dataset data/aligned.h5 --feature-set aligned-gtcc --published epoch-50.pt

    runs/gtea-split1-heads/
        table.md, table.csv    errors on the test videos' true action segments, with 95 % intervals

Heads see the action segments of training videos; of these some are held out to choose the epoch by. Look-ups and
cumulative distance are fitted on all training videos. Nothing is chosen on test videos.

Beside them may stand per-class models (--runs); heads that align.py trained with an encoder (--joint), on their own
encoder's embeddings of whole videos; and published GRU heads (--published), on the same features as the heads trained
here, though nothing says which videos they have seen. The table is written after every row, so an interrupted run
keeps what it has.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import tyro

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.console import make_console
from protas_gtcc.cli.shared.run_arguments import free_run_folder
from protas_gtcc.config import Control
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError, listed
from protas_gtcc.heads.config import VERSIONS
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.published import load_published_head
from protas_gtcc.heads.training import ActionSegment, HeadTraining, read_segments, train_head
from protas_gtcc.metrics.cumulative_distance import fit_cumulative_distance
from protas_gtcc.metrics.pooled_runs import PooledRows
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.runs import heads as scoring
from protas_gtcc.runs.cross_validation import group_runs
from protas_gtcc.runs.evaluate_run import test_videos
from protas_gtcc.runs.heads import START, START_AND_CLASS, TableRow
from protas_gtcc.runs.trained_heads import joint_row, read_joint_runs
from protas_gtcc.storage.atomic import replace_when_whole, write_text
from protas_gtcc.training.run_directory import RunDirectory


@dataclass(frozen=True)
class ScalarHeads:
    """Train scalar heads on frozen features and score them beside look-ups and per-class models."""

    dataset: str
    """A dataset file, or a known name."""
    split: str = "1"
    """Split to train and test on."""
    feature_set: tuple[str, ...] = ()
    """Feature sets to train heads on; by default those tied to the split, else `features`."""
    heads: tuple[str, ...] = tuple(VERSIONS)
    """Heads by name, ARCHITECTURE-LOSS or a published version; by default all of them."""
    seeds: int = 1
    """Number of seeds, from 0 on."""
    runs: tuple[Path, ...] = ()
    """Run directories of per-class models on this dataset and split, to stand in the table."""
    joint: tuple[Path, ...] = ()
    """Run directories of align.py --head on this dataset and split; those that differ in seed alone are one row."""
    published: tuple[Path, ...] = ()
    """Checkpoints with a published GRU head, to be applied to the feature sets."""
    control: Control = "none"
    """Put something else in the features' place, to see what a head owes them; noise shows what it counts."""
    training: HeadTraining = field(default_factory=HeadTraining)
    out: Path | None = None
    """Folder for the table; by default a new one under runs/, named by dataset and split."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.heads if name not in VERSIONS]
        if unknown:
            raise InputError(f"no head {unknown[0]!r}; there are {listed(VERSIONS, most=len(VERSIONS))}")
        if self.seeds < 1:
            raise InputError(f"--seeds is {self.seeds}; it must be at least 1")
        if self.training.seed != HeadTraining.seed:
            raise InputError("--training.seed is for one head; here, give --seeds")
        if self.joint and self.control != "none":
            raise InputError(f"--joint: encoders were trained on the features, not on --control {self.control}")

    def run(self) -> None:
        """Train, score, print and write."""
        torch.set_num_threads(1)
        console = make_console(stderr=True)
        dataset = open_dataset(self.dataset, lambda text: console.print(text, style="bold yellow"))
        out = self.out or free_run_folder(dataset, self.split, ["heads"])
        table, rows = "", []
        for row in self._rows(dataset):
            console.print(scoring.markdown([row]).splitlines()[-1], highlight=False, soft_wrap=True, markup=False)
            rows.append(row)
            table = self._heading(dataset) + scoring.markdown(rows)
            write_tables(out, table, rows)
        print(table, end="")
        console.print(f"written: {out / 'table.md'}, {out / 'table.csv'}", highlight=False, soft_wrap=True)

    def _rows(self, dataset: Dataset) -> Iterator[TableRow]:
        """The table's rows, each when it is there; what does not fit is refused before the first head is trained."""
        sets = [test_videos(dataset, self.split, name)[1] for name in self.feature_set or (None,)]
        published = {feature_set: self._published_heads(dataset, feature_set) for feature_set in sets}
        joint, of_models = read_joint_runs(self.joint, dataset, self.split), self._model_rows(dataset)
        for feature_set, heads in published.items():
            first = of_models if feature_set == sets[0] else None
            yield from self._feature_set_rows(dataset, feature_set, heads, first)
        for title, members in joint.items():
            yield joint_row(title, members, dataset)

    def _feature_set_rows(
        self, dataset: Dataset, feature_set: str, published: dict[str, ScalarHead], of_models: list[TableRow] | None
    ) -> Iterator[TableRow]:
        """A row for the cumulative distance and each head; before the first of all, look-ups and per-class models."""
        features = FeatureReader(dataset, feature_set, self.split, self.control)
        learnt = read_segments(dataset, dataset.part(self.split, "train"), features)
        tested = read_segments(dataset, dataset.part(self.split, "test"), features)
        suffix = f", {feature_set}" if len(self.feature_set) > 1 else ""
        distance = fit_cumulative_distance((one.embeddings, one.label) for one in learnt)
        reports = functools.partial(scoring.distance_reports, distance)
        scored = scoring.score_reports(dataset, self.split, 0, tested, reports)
        if of_models is not None:
            yield from scoring.lookup_rows(scored)
            yield from of_models
        yield scoring.reported_row(f"cumulative distance{suffix}", START_AND_CLASS, [scored])
        for name in self.heads:
            runs = [self._scored_head(dataset, name, seed, learnt, tested) for seed in range(self.seeds)]
            yield scoring.reported_row(f"{name}{suffix}", START, runs)
        for name, head in published.items():
            reports = functools.partial(scoring.head_reports, head)
            scored = scoring.score_reports(dataset, self.split, 0, tested, reports)
            yield scoring.reported_row(f"published: {name}{suffix}", START, [scored])

    def _scored_head(
        self, dataset: Dataset, name: str, seed: int, learnt: list[ActionSegment], tested: list[ActionSegment]
    ) -> PooledRows:
        head = train_head(VERSIONS[name], learnt, replace(self.training, seed=seed))
        return scoring.score_reports(dataset, self.split, seed, tested, functools.partial(scoring.head_reports, head))

    def _published_heads(self, dataset: Dataset, feature_set: str) -> dict[str, ScalarHead]:
        """The published heads by their files' names; by the whole paths where these are alike."""
        dim, stems = dataset.feature_sets[feature_set].dim, {path.stem for path in self.published}
        heads = {}
        for path in self.published:
            try:
                head = load_published_head(path, dim)
            except InputError as error:
                raise InputError(f"--published with feature set {feature_set}, {dim} wide: {error}") from error
            heads[path.stem if len(stems) == len(self.published) else str(path)] = head
        return heads

    def _model_rows(self, dataset: Dataset) -> list[TableRow]:
        if not self.runs:
            return []
        runs = [RunDirectory(path) for path in self.runs]
        splits = {run.read_config().split for run in runs}
        if splits != {self.split}:
            raise InputError(f"--runs are of split {listed(sorted(splits))}; give runs of split {self.split} alone")
        rows = defaultdict(list)
        for title, members in group_runs(runs, dataset).items():
            for row in scoring.model_rows(title, members, dataset):
                rows[row.told].append(row)
        return [row for told in rows.values() for row in told]

    def _heading(self, dataset: Dataset) -> str:
        simulated = "SIMULATED DATA: these figures say nothing about real video.\n" if dataset.info.simulated else ""
        control = f"CONTROL: {self.control} in the features' place.\n" if self.control != "none" else ""
        count = f"{self.seeds} seed{'s' * (self.seeds != 1)}"
        what = f"{dataset.info.name}, true action segments of the test videos of split {self.split}, heads of {count}"
        meaning = "Mean |said - true| progress over frames, classes (macro), videos or segments: less is better."
        return f"{what}; 95 % over videos in brackets. {meaning}\n{simulated}{control}\n"


def write_tables(out: Path, table: str, rows: Sequence[TableRow]) -> None:
    """The table to read, and all figures, into a folder."""
    write_text(out / "table.md", table)
    with replace_when_whole(out / "table.csv") as temporary:
        scoring.long_table(rows).to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    run_command(lambda: tyro.cli(ScalarHeads).run())
