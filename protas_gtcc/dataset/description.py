"""What a dataset holds, as plain values: facts, feature sets, and one video to be written; and their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from protas_gtcc.annotations.mistakes import Track
from protas_gtcc.errors import InputError
from protas_gtcc.predictions import Extractor

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class DatasetInfo:
    """Facts about a dataset as a whole."""

    name: str
    class_names: list[str]
    background: list[int]
    """Ids of the background classes."""
    fps: float
    splits: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)
    """Split name -> part (train, validation, test) -> video names."""
    simulated: bool = False
    source: str = ""
    class_colours: list[str] = field(default_factory=list)
    """Of each class, as in `annotations/palette.py`; the writer chooses them. None in files of earlier versions."""

    @property
    def num_classes(self) -> int:
        """Number of classes, background included."""
        return len(self.class_names)


@dataclass(frozen=True)
class FeatureSet:
    """One kind of features: `[T, dim]` for every video that has it."""

    dim: int
    look_ahead_frames: int = 0
    """The features of frame t have seen this many frames after t. Any claim to be online depends on it."""
    split: str | None = None
    """The only split it may be used with: its backbone was trained on that split's training videos. None: any split."""
    source: str = ""
    derived_from: str | None = None
    """The set that it was computed from, as by alignment. A derived set is used only if a run names it."""
    extractor: Extractor = field(default_factory=Extractor)
    """What made the features of the pictures, where `extract` did."""


@dataclass(frozen=True, eq=False)
class Video:
    """One video to be written: labels `[T]` and, for each feature set, features `[T, D]`."""

    name: str
    labels: np.ndarray
    features: Mapping[str, np.ndarray]
    task: str = ""
    subject: str = ""
    environment: str = ""
    """The place, "" if unknown."""
    track: Track | None = None
    """The steps as annotated, and the mistakes; None where the dataset has no more than labels."""


def repeated_videos(parts: Mapping[str, list[str]]) -> Iterator[tuple[str, list[str], str]]:
    """What is wrong with the parts of a split, its videos, and the way out: twice in a part, or in two parts."""
    for part, videos in parts.items():
        twice = [video for video, count in Counter(videos).items() if count > 1]
        if twice:
            yield f"more than once in {part}", twice, "list each video once"
    for one, other in combinations(parts, 2):
        both = sorted(set(parts[one]) & set(parts[other]))
        if both:
            yield f"in {one} and {other}", both, "keep each video in one part"


def tied_name(name: str, split: str) -> str:
    """Stored name of a set for one split: `aligned` -> `aligned_split1`."""
    return f"{name}_split{split}"


def joined_set(sets: Mapping[str, FeatureSet]) -> FeatureSet:
    """The description of sets whose features are joined along D, in this order; it looks ahead as far as any of them.

    Raises `InputError` if they are tied to different splits.
    """
    ties = {one.split: name for name, one in sets.items() if one.split is not None}
    if len(ties) > 1:
        what = " and ".join(f"{name} is for split {split}" for split, name in ties.items())
        raise InputError(f"{what}, so that no split can use them together; join sets of one split")
    return FeatureSet(
        dim=sum(one.dim for one in sets.values()),
        look_ahead_frames=max(one.look_ahead_frames for one in sets.values()),
        split=next(iter(ties), None),
    )


def feature_kind(name: str, feature_set: FeatureSet) -> str:
    """A name that the sets of different splits share if they are alike: `aligned_split1` -> `aligned of the split`.

    A set for any split has its own name as its kind. Sets for one split whose names do not end in the split are all of
    one kind. The seed of a derived set does not count: `aligned-seed1_split1` is of the kind `aligned of the split`.
    """
    split = feature_set.split
    if split is None:
        return name
    if feature_set.derived_from is not None:
        name = re.sub(rf"-seed\d+(?={re.escape(tied_name('', split))}$)", "", name)
    stem = name.removesuffix(tied_name("", split)).removesuffix(f"_{split}")
    if stem != name:
        return f"{stem} of the split"
    return "of the split" if feature_set.derived_from is None else "derived, of the split"


def folders_of(video: str) -> list[str]:
    """The folders that a video's name passes through: `a` and `a/b` for the video `a/b/c`."""
    parts = video.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]
