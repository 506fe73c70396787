"""Folders of features, a file a video: finding them and their axis of time, reading one video as `[T, D]`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from protas_gtcc.config import Axes
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.lengths import ExpectedLengths
from protas_gtcc.layouts.names import composed
from protas_gtcc.layouts.options import own_name
from protas_gtcc.storage.feature_facts import are_facts, facts_of_features
from protas_gtcc.storage.feature_files import ARRAYS, ENDINGS, holds_features, open_array, read_header, rows_are_frames

_OF_SPLIT = re.compile(r"features.*_split(.+)")


@dataclass(frozen=True)
class FeatureFolder:
    """A folder of `<video>.npy`, or of files of another form that `storage/feature_files.py` reads."""

    path: Path
    split: str | None = None
    """The only split these features may be used with."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Video -> its file, where a layout has other names of files."""
    speeds: bool = False
    """Whether keypoints get speeds."""

    def file(self, video: str) -> Path:
        """Where the features of a video are, or would be. Raises `InputError` if they are in two files."""
        if video not in self._known:
            self._known[video] = self._find(video)
        return self._known[video]

    @cached_property
    def _known(self) -> dict[str, Path]:
        """Video -> its file, as far as they were asked for: looking for every ending takes time."""
        return dict(self.files)

    def _find(self, video: str) -> Path:
        found = _features_among(self.path / f"{video}{ending}" for ending in ENDINGS)
        if not found and not video.isascii():
            found = [file for file in self._by_form.get(composed(video), []) if holds_features(file)]
        if len(found) > 1:
            raise InputError(f"{found[0]} and {found[1].name} are features of one video; remove one")
        return found[0] if found else self.path / f"{video}.npy"

    def has(self, video: str) -> bool:
        """Whether the video's features are there."""
        return holds_features(self.file(video))

    def rows_are_frames(self, video: str) -> bool:
        """Whether it is known without looking at the array: `extract` has made it, or it is a table."""
        file = self.file(video)
        return facts_of_features(file) is not None or rows_are_frames(file)

    @cached_property
    def _by_form(self) -> dict[str, list[Path]]:
        """Files whose names may be in another Unicode form than that of their video."""
        found: dict[str, list[Path]] = {}
        for file in self.arrays():
            found.setdefault(composed(file.stem), []).append(file)
        return found

    def arrays(self) -> list[Path]:
        """All files of features in the folder."""
        by_stem: dict[str, list[Path]] = {}
        for file in sorted(self.path.iterdir()):
            by_stem.setdefault(file.name.removesuffix(file.suffix), []).append(file)
        return sorted(file for files in by_stem.values() for file in _features_among(files))

    def not_read(self) -> list[str]:
        """Names of the files in the folder that are no features; not those that `extract` writes beside some."""
        read = {*self.arrays(), *self.files.values()}
        others = [file for file in sorted(self.path.iterdir()) if file.is_file() and not file.name.startswith(".")]
        return [file.name for file in others if file not in read and not (file.suffix == ".json" and are_facts(file))]

    def unlabelled(self, videos: Collection[str]) -> list[str]:
        """Names of the arrays that belong to none of the videos."""
        known = {*map(self.file, videos), *self.files.values()}
        return [file.stem for file in self.arrays() if file not in known]

    def shape(self, video: str) -> tuple[int, int]:
        """Shape of a video's array, from the header. Raises `InputError` unless it is a whole array of two axes."""
        shape, dtype = read_header(self.file(video), self.speeds)
        self._require_features(video, shape, dtype)
        return shape[0], shape[1]

    def load(self, video: str, time_first: bool, fps: float = 1.0) -> np.ndarray:
        """Features `[T, D]`, float16 or float32 as stored, anything else as float32; speeds are at `fps`."""
        array = open_array(self.file(video), speeds_at=fps if self.speeds else None)
        self._require_features(video, array.shape, array.dtype)
        array = array if time_first else array.T
        return array if array.dtype in (np.float16, np.float32) else array.astype(np.float32)

    def _require_features(self, video: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        if len(shape) != 2 or dtype.kind not in "iuf" or 0 in shape:
            what = f"expected [D, T] or [T, D] of real numbers, came {list(shape)} of {dtype}"
            raise InputError(f"{self.file(video)}: {what}; extract the features again")


def _features_among(files: Iterable[Path]) -> list[Path]:
    """Those of a video's files that are its features: arrays of numpy, else all of another form that is read."""
    there = [file for file in files if file.suffix in ENDINGS and holds_features(file)]
    arrays = [file for file in there if file.suffix in ARRAYS]
    return arrays or [file for file in there if file.suffix != ".json" or not are_facts(file)]


@dataclass(frozen=True)
class GatheredFolder(FeatureFolder):
    """Folders of one name, such as one a task, as one feature set."""

    parts: tuple[FeatureFolder, ...] = ()

    def file(self, video: str) -> Path:
        """In the only part that has it. Raises `InputError` if two have."""
        found = [part.file(video) for part in self.parts if part.has(video)]
        if len(found) > 1:
            raise InputError(f"{found[0]} and {found[1]} are features of one video; remove one")
        return found[0] if found else self.parts[0].file(video)

    def arrays(self) -> list[Path]:
        """All files of features in the parts."""
        return [file for part in self.parts for file in part.arrays()]

    def not_read(self) -> list[str]:
        """Names of the other files in the parts."""
        return [name for part in self.parts for name in part.not_read()]


def gather_feature_folders(beside: Sequence[Path], given: tuple[Path, ...] | None) -> dict[str, FeatureFolder]:
    """The given folders, or every `features*/` in any of `beside`: those of one name are one feature set."""
    if given is not None:
        return find_feature_folders(Path(), given)
    parts: dict[str, list[FeatureFolder]] = {}
    for folder in beside:
        for name, part in find_feature_folders(folder, None).items():
            parts.setdefault(name, []).append(part)
    return {
        name: found[0] if len(found) == 1 else GatheredFolder(found[0].path, found[0].split, parts=tuple(found))
        for name, found in parts.items()
    }


def find_feature_folders(
    beside: Path, given: tuple[Path, ...] | None, pattern: str = "features*"
) -> dict[str, FeatureFolder]:
    """The given folders, or all of the pattern in `beside`; `features_split<k>` is for split k only."""
    folders = sorted(p for p in beside.glob(pattern) if p.is_dir()) if given is None else list(given)
    found: dict[str, FeatureFolder] = {}
    for folder in folders:
        name = own_name(folder)
        if not folder.is_dir():
            raise InputError(f"no folder of features {folder}; correct --features")
        if name in found:
            raise InputError(
                f"two folders of features are called {name!r}: {found[name].path} and {folder}; rename one"
            )
        split = _OF_SPLIT.fullmatch(name)
        found[name] = FeatureFolder(folder, split[1] if split else None)
    return found


def known_axes(folder: FeatureFolder | None, videos: Iterable[str], axes: Axes) -> Axes:
    """The order of axes that the user states, else `TD` where it is known of every video's features.

    It is known of those that `extract` has made, of tables, and of keypoints: their rows are frames.
    """
    if axes != "auto" or folder is None:
        return axes
    known = [folder.rows_are_frames(video) for video in videos]
    return "TD" if known and all(known) else "auto"


def is_time_first(
    folder: FeatureFolder, shapes: Mapping[str, tuple[int, int]], expected: ExpectedLengths, axes: Axes = "auto"
) -> bool:
    """Whether a folder's arrays are `[T, D]` (True) or `[D, T]`, given the expected number of frames of each video.

    The user decides for the folder, else the lengths: if both axes of a video fit, the other videos decide. Raises
    `InputError` if neither axis of a video fits, if videos disagree, and if no video decides.
    """
    axes = known_axes(folder, shapes, axes)
    if axes != "auto":
        return axes == "TD"
    votes: dict[bool, str] = {}
    for video, shape in shapes.items():
        fits = [expected.fits(video, length) for length in shape]
        if not any(fits):
            raise InputError(expected.explain(folder.file(video), video, shapes))
        if not all(fits):
            votes.setdefault(fits[0], video)
    if len(votes) == 2:
        raise InputError(
            f"by their numbers of labels, {folder.file(votes[True])} is [T, D] but {folder.file(votes[False])} is "
            "[D, T]; save all arrays of a folder one way"
        )
    if not votes:
        what = "both axes of every array fit the number of labels"
        raise InputError(f"{folder.path}: {what}; name the order with --feature-axes DT or TD")
    return next(iter(votes))


def check_shapes(
    folder: FeatureFolder, shapes: Mapping[str, tuple[int, int]], expected: ExpectedLengths, time_first: bool
) -> int:
    """The number of features D. Raises `InputError` if a length does not fit, or if D differs between videos."""
    dim, first = 0, ""
    for video, shape in shapes.items():
        length, this_dim = shape if time_first else shape[::-1]
        if not expected.fits(video, length):
            raise InputError(expected.explain(folder.file(video), video, shapes))
        dim, first = dim or this_dim, first or video
        if this_dim != dim:
            raise InputError(
                f"{folder.file(video)} has {this_dim} features a frame, {folder.file(first)} has {dim}; "
                "extract all with the same backbone"
            )
    return dim
