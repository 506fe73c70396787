"""A dataset file -> one whose splits hold out training videos: to choose settings on, and never on test videos.

`by_people` divides the training people of one split into folds: split `1-0` tests the first fold and trains on the
others.

`across` is for features that are tied to splits, because their backbone was trained on the split's training videos.
Split `1-2` has the features of split 2. It tests the test videos of split 2, which are training videos of split 1, and
trains on the videos that neither split tests. So settings for split 1 can be chosen on it: no test video of split 1 is
scored. (The backbone of split 2 was trained on some of them.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from protas_gtcc.dataset.description import FeatureSet
from protas_gtcc.dataset.file import Dataset, Video
from protas_gtcc.dataset.header import VIDEO_FACTS
from protas_gtcc.dataset.held_out import group_videos
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError, listed

HELD_OUT = "training videos held out"
"""In the source of a file that is written here."""
Parts = dict[str, list[str]]
Sets = Mapping[str, tuple[str, str | None]]
"""For each new feature set its set in the old file, and the split that it is tied to."""


def by_people(
    dataset: Dataset, split: str, folds: int, feature_set: str | None, seed: int
) -> tuple[dict[str, Parts], Sets]:
    """Folds of the training people of a split, or of its videos where people are not known; new splits and sets.

    A dataset of labels alone has no sets.
    """
    sets: Sets = {}
    if dataset.feature_sets or feature_set is not None:
        name = dataset.choose_feature_set(split, feature_set)
        if dataset.feature_set(name).split is not None:
            raise InputError(f"{name} is tied to split {split}: its backbone saw the videos; {_other_way(dataset)}")
        sets = {one: (one, None) for one in dataset.set_names(name)}
    videos = dataset.part(split, "train")
    groups = group_videos({video: dataset.attribute(video, "subject") for video in videos})
    if not 2 <= folds <= len(groups):
        there = f"{len(groups)} people or videos"
        raise InputError(f"--folds is {folds}; split {split} trains on {there}, and each fold needs one")
    order = np.random.default_rng(seed).permutation(len(groups))
    fold = {video: number % folds for number, group in enumerate(order) for video in groups[group]}
    splits = {
        f"{split}-{number}": {
            "train": [video for video in videos if fold[video] != number],
            "test": [video for video in videos if fold[video] == number],
        }
        for number in range(folds)
    }
    return splits, sets


def across(dataset: Dataset, names: Sequence[str]) -> tuple[dict[str, Parts], Sets]:
    """For every two of these splits one that holds out the test videos of the second; new splits and sets."""
    splits: dict[str, Parts] = {}
    sets: dict[str, tuple[str, str | None]] = {}
    for one, other in permutations(names, 2):
        tested = {*dataset.part(one, "test"), *dataset.part(other, "test")}
        test = [video for video in dataset.part(other, "test") if video not in dataset.part(one, "test")]
        train = [video for video in dataset.part(other, "train") if video not in tested]
        if not test or not train:
            raise InputError(f"splits {one} and {other} leave no video to train or to test on; give others")
        name = f"{one}-{other}"
        splits[name] = {"train": train, "test": test}
        sets[f"features_{name}"] = (dataset.choose_feature_set(other), name)
    return splits, sets


def write_held_out(dataset: Dataset, out: Path, splits: dict[str, Parts], sets: Sets, overwrite: bool = True) -> None:
    """Write the dataset file with these splits and feature sets, and their videos."""
    info = dataclasses.replace(
        dataset.info,
        name=f"{dataset.info.name}-held-out",
        splits=splits,
        source=f"{dataset.info.source}; {HELD_OUT}".lstrip("; "),
    )
    # The set that another was derived from is not in the new file.
    feature_sets: dict[str, FeatureSet] = {
        name: dataclasses.replace(dataset.feature_sets[old], split=split, derived_from=None)
        for name, (old, split) in sets.items()
    }
    used = dict.fromkeys(video for parts in splits.values() for videos in parts.values() for video in videos)
    with write_dataset(out, info, feature_sets, overwrite) as writer:
        for video in used:
            # A set that is tied to a split has the videos of that split only.
            kept = {
                name: dataset.features(video, old)
                for name, (old, split) in sets.items()
                if split is None or video in [*splits[split]["train"], *splits[split]["test"]]
            }
            facts = {name: dataset.attribute(video, name) for name in VIDEO_FACTS}
            writer.add(Video(video, dataset.labels(video), kept, **facts, track=dataset.track(video)))


def _other_way(dataset: Dataset) -> str:
    """The flags that hold out videos of a dataset whose features are tied to splits."""
    tied = [one.split for one in dataset.feature_sets.values() if one.split is not None]
    free = [name for name, one in dataset.feature_sets.items() if one.split is None]
    instead = f"in place of --split give --across {' '.join(dict.fromkeys(tied))}"
    return f"{instead}, or add --feature-set {listed(free, most=1)}" if free else instead
