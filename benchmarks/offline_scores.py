"""Segmentation scores of offline models in two ways: ours, and as ED-TCN's were published.

    python benchmarks/offline_scores.py --dataset gtea.h5 --predictions offline/gtea/ms-tcn runs/gtea/offline \
      TCN/predictions/GTEA/video_ED-TCN_L2_C25

Ours are those of `evaluate` (`protas_gtcc/metrics/segmentation.py`), which are MS-TCN's: every frame, accuracy over the
frames of all videos, F1 from counts that are pooled over all videos. ED-TCN's (Lea et al., CVPR 2017; `metrics.py` of
github colincsl/TemporalConvolutionalNetworks) differ in three things:

- truth and predictions have every fifth frame, counted from the first of a video; shorter segments may vanish;
- accuracy is that of each video, averaged over videos: a short video counts as much as a long one;
- F1 is that of each video, averaged over videos.

All else is the same. Accuracy has background in it. Edit and F1 have none: class 0 is dropped in both datasets. Edit is
averaged over videos, and equal neighbours are not merged. Videos of all splits count together. A video without an
action on either side has edit and F1 100; theirs are undefined and 0.

ED-TCN's own predictions are in that repository, one .mat file a split. They are for the test videos and for every fifth
frame of the usual GTEA and 50 Salads. For our scores each one is held for five frames.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError, listed
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.metrics.segmentation import score_segmentation, scores_from_sums, segmentation_statistics

EVERY = 5
"""Of so many frames ED-TCN's predictions have the first."""
SCORES = {"acc": "acc", "edit": "edit", "f1@10": "F1@10", "f1@25": "F1@25", "f1@50": "F1@50"}
Pair = tuple[np.ndarray, np.ndarray]
"""Predicted and true class ids of a video, `[T]` each."""


@dataclass(frozen=True)
class Arguments:
    """Score predictions of offline models in our way and in ED-TCN's."""

    dataset: Path
    """Dataset file with the true labels."""
    predictions: tuple[Path, ...]
    """Folders with split<k>-seed<n>/predictions.h5, as offline_models.py and 'cross-validate' leave them; folders with
    <k>.mat, as ED-TCN published them; or predictions of one split, as 'evaluate' reads them, with --splits."""
    splits: tuple[str, ...] = ()
    """Score these splits alone; by default those that are there."""
    by_split: bool = False
    """A row for each split too."""


@dataclass(frozen=True, eq=False)
class Scored:
    """The test videos of one split, as one run predicts them."""

    split: str
    pairs: list[Pair]


def scores_as_edtcn(pairs: Sequence[Pair], background: Collection[int], every: int = EVERY) -> dict[str, float]:
    """ED-TCN's scores in percent of videos, given as (estimate, reference), class ids `[T]` each."""
    sampled = [(estimate[::every], reference[::every]) for estimate, reference in pairs]
    of_each = scores_from_sums(segmentation_statistics(sampled, background))
    return {name: float(of_each[name].mean()) for name in SCORES}


def read_runs(path: Path, dataset: Dataset, splits: Collection[str]) -> Iterator[Scored]:
    """The runs at a path, of these splits or, if none are given, of all. Raises `InputError` if it holds no such."""
    for split, source in sources(path, splits):
        if source.suffix == ".mat":
            yield Scored(split, published_pairs(source, dataset, split))
        else:
            files, videos = open_predictions(source, dataset.info.class_names), dataset.part(split, "test")
            files.require(videos, split)
            yield Scored(split, [(files.read_labels(video), dataset.labels(video)) for video in videos])


def sources(path: Path, splits: Collection[str]) -> list[tuple[str, Path]]:
    """Split and file (or folder of CSV files) of each run at a path."""
    runs = [(re.match(r"split(.+)-seed\d+$", one.parent.name), one) for one in path.glob("split*/predictions.h5")]
    mats = [(re.search(r"(\d+)$", one.stem), one) for one in path.glob("*.mat")]
    found = sorted((name[1], file) for name, file in [*runs, *mats] if name)
    if not found:
        if len(splits) != 1:
            raise InputError(f"{path} has no split<k>-seed<n>/predictions.h5; give their folder, or one of --splits")
        return [(next(iter(splits)), path)]
    wanted = [(split, file) for split, file in found if not splits or split in splits]
    if not wanted:
        raise InputError(f"{path} has no split {listed(splits)}; give others of --splits")
    return wanted


def published_pairs(file: Path, dataset: Dataset, split: str) -> list[Pair]:
    """ED-TCN's predictions, each held for five frames. Raises `InputError` unless they are of the split's test."""
    content, videos = loadmat(file), dataset.part(split, "test")
    estimates, references = ([one.ravel().astype(np.int64) for one in content[side].ravel()] for side in ("P", "Y"))
    labels = [dataset.labels(video) for video in videos]
    if len(labels) != len(references) or not all(
        np.array_equal(ours[::EVERY], theirs) for ours, theirs in zip(labels, references, strict=True)
    ):
        what = f"the true labels in it are not every {EVERY}th frame of the test videos"
        raise InputError(f"{file}, split {split}: {what}; give the dataset file that it belongs to")
    held = [np.repeat(one, EVERY)[: len(ours)] for one, ours in zip(estimates, labels, strict=True)]
    return list(zip(held, labels, strict=True))


def rows(title: str, runs: Sequence[Scored], background: Collection[int], by_split: bool) -> Iterator[list[str]]:
    """The cells of all splits, and of each.

    Raises `InputError` if a split has more runs than another: its videos would count more.
    """
    counts = Counter(run.split for run in runs)
    if len(set(counts.values())) > 1:
        what = ", ".join(f"{count} of split {split}" for split, count in counts.items())
        raise InputError(f"{title} has runs {what}; expected as many of each, choose with --splits")
    for splits in [[*counts], *([one] for one in counts if by_split and len(counts) > 1)]:
        pairs = [pair for run in runs if run.split in splits for pair in run.pairs]
        scored = [score_segmentation(pairs, background), scores_as_edtcn(pairs, background)]
        facts = [title, ", ".join(splits), str(counts[splits[0]])]
        yield facts + [f"{scores[name]:.1f}" for scores in scored for name in SCORES]


def main(arguments: Arguments) -> None:
    """Print the table."""
    dataset, names = Dataset(arguments.dataset), list(SCORES.values())
    columns = ["predictions", "splits", "seeds", *names, *(f"{name}, ED-TCN's" for name in names)]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for path in arguments.predictions:
        runs, title = list(read_runs(path, dataset, arguments.splits)), "/".join(path.parts[-2:])
        for cells in rows(title, runs, dataset.info.background, arguments.by_split):
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "offline_scores.py", __doc__)))
