"""A dataset file -> one whose splits hold out training videos: to choose settings on, and never on test videos.

    python data_prep/hold_out.py data/50salads.h5 --split 1 --folds 2 --feature-set features --out data/50salads-held.h5
    python data_prep/hold_out.py data/gtea.h5 --across 1 2 3 --out data/gtea-held.h5

The first parts the training people of one split into folds: split `1-0` tests the first fold, and trains on the rest.

The second is for features that are tied to splits, since a backbone that was trained on a video says too much of it.
Split `1-2` has the features of split 2 and tests that split's test videos, which are training videos of split 1, and
trains on the videos that neither split tests. So it tells how to set what is then tested on split 1, and no test video
of split 1 has been used for scoring. (The backbone of split 2 was trained on some of them.)

`experiments/cross_validate.py` runs on the result as on any dataset.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import tyro

from protas_gtcc.cli.main import run_command
from protas_gtcc.dataset.description import FeatureSet
from protas_gtcc.dataset.file import Dataset, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError, listed

Parts = dict[str, list[str]]


@dataclass(frozen=True)
class HoldOut:
    """Write a dataset file whose splits hold out training videos of another's."""

    dataset: tyro.conf.Positional[Path]
    """The dataset file."""
    out: Path
    """The file to write."""
    split: str | None = None
    """Part the training people of this split into folds."""
    folds: int = 5
    """Number of folds."""
    feature_set: str | None = None
    """Features of the folds; by default as in training. They must not be tied to a split."""
    across: tuple[str, ...] = ()
    """Instead: hold out what one of these splits tests from the training of another, for every two of them."""
    seed: int = 0
    """Order of the people."""

    def run(self) -> None:
        """Part and write."""
        dataset = Dataset(self.dataset)
        if self.out.exists():
            raise InputError(f"{self.out} is there already; give another --out, or remove it")
        if bool(self.across) == (self.split is not None):
            raise InputError("give either --split, to part its training people, or --across, two splits or more")
        if self.across:
            splits, sets = _across(dataset, self.across)
        else:
            splits, sets = self._by_people(dataset)
        _write(dataset, self.out, splits, sets)
        print(f"{self.out}: {len(splits)} splits, {listed(list(splits))}")

    def _by_people(self, dataset: Dataset) -> tuple[dict[str, Parts], dict[str, tuple[str, str | None]]]:
        assert self.split is not None
        name = dataset.choose_feature_set(self.split, self.feature_set)
        if dataset.feature_sets[name].split is not None:
            free = [other for other, one in dataset.feature_sets.items() if one.split is None]
            way_out = f"use --across, or --feature-set {free[0]}" if free else "use --across"
            raise InputError(f"{name} is tied to split {self.split}: its backbone saw the videos; {way_out}")
        videos = dataset.part(self.split, "train")
        people = list(dict.fromkeys(dataset.attribute(video, "subject") or video for video in videos))
        if not 2 <= self.folds <= len(people):
            raise InputError(f"--folds is {self.folds}; split {self.split} trains on {len(people)} people or videos")
        order = np.random.default_rng(self.seed).permutation(len(people))
        fold = {people[person]: number % self.folds for number, person in enumerate(order)}
        of_video = {video: fold[dataset.attribute(video, "subject") or video] for video in videos}
        splits = {
            f"{self.split}-{number}": {
                "train": [video for video in videos if of_video[video] != number],
                "test": [video for video in videos if of_video[video] == number],
            }
            for number in range(self.folds)
        }
        return splits, {name: (name, None)}


def _across(dataset: Dataset, across: tuple[str, ...]) -> tuple[dict[str, Parts], dict[str, tuple[str, str | None]]]:
    """Splits, and for each new feature set the old one and the split that it is tied to."""
    splits: dict[str, Parts] = {}
    sets: dict[str, tuple[str, str | None]] = {}
    for one, other in permutations(across, 2):
        tested = {*dataset.part(one, "test"), *dataset.part(other, "test")}
        test = [video for video in dataset.part(other, "test") if video not in dataset.part(one, "test")]
        train = [video for video in dataset.part(other, "train") if video not in tested]
        if not test or not train:
            raise InputError(f"splits {one} and {other} leave no video to train or to test on")
        name = f"{one}-{other}"
        splits[name] = {"train": train, "test": test}
        sets[f"features_{name}"] = (dataset.choose_feature_set(other), name)
    return splits, sets


def _write(dataset: Dataset, out: Path, splits: dict[str, Parts], sets: dict[str, tuple[str, str | None]]) -> None:
    info = dataclasses.replace(
        dataset.info,
        name=f"{dataset.info.name}-held-out",
        splits=splits,
        source=f"{dataset.info.source}; training videos held out".lstrip("; "),
    )
    # Whatever a set was derived from stays behind; here it is the one to use.
    feature_sets: dict[str, FeatureSet] = {
        name: dataclasses.replace(dataset.feature_sets[old], split=split, derived_from=None)
        for name, (old, split) in sets.items()
    }
    used = dict.fromkeys(video for parts in splits.values() for videos in parts.values() for video in videos)
    with write_dataset(out, info, feature_sets) as writer:
        for video in used:
            # A set that is tied to a split is kept of the videos of that split alone.
            kept = {
                name: dataset.features(video, old)
                for name, (old, split) in sets.items()
                if split is None or video in [*splits[split]["train"], *splits[split]["test"]]
            }
            task, subject = (dataset.attribute(video, name) for name in ("task", "subject"))
            writer.add(Video(video, dataset.labels(video), kept, task, subject))


if __name__ == "__main__":
    run_command(lambda: tyro.cli(HoldOut, description=__doc__).run())
