"""`Dataset`: reading a dataset file lazily, video by video.

    /                          format, format_version, name, fps, simulated, source, class_names, background,
                               class_colours, checksum (of these, the splits, the sets and the index)
    /video_names, /num_frames, /num_segments   the index: every video, its T and its N
    /labels, /progress         [sum of T], the videos end to end: class ids, progress target of the active class
    /segments                  [sum of N, 3], the videos end to end: start, end (exclusive), label
    /tracks, /num_track_bytes  the steps as annotated and the mistakes, one JSON text a video, end to end; may be absent
    /labels_checksums, …       of each of these four arrays, the CRC-32 of each video
    /splits/<split>/<part>     names of the videos of part train, validation or test
    /feature_sets/<name>       dim, look_ahead_frames, split ("" for any), source, derived_from ("" for none),
                               backbone ("" for unknown), backbone_fingerprint, backbone_fps
    /videos/<video>/           task, subject, environment (absent if unknown), checksum
    /videos/<video>/features/<feature set>   [T, D], contiguous, so that a window of frames is one read
    /videos/<video>/checksums/<feature set>  [T], the CRC-32 of each frame
    /shards/                   of a file joined from others (`shard_table.py`): which other files have the features

`writer.py` writes such files, `feature_sets.py` adds sets to them. A `Dataset` opens the file when it first needs it,
and again in every process that it is sent to, so one `Dataset` serves any number of loading workers.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.annotations.mistakes import Track, track_of_json
from protas_gtcc.dataset.description import DatasetInfo, FeatureSet, Video, feature_kind, joined_set, tied_name
from protas_gtcc.dataset.header import frame_checksums, read_header, read_video_facts
from protas_gtcc.dataset.opened import OpenedDataset
from protas_gtcc.dataset.shard_table import ShardTable
from protas_gtcc.dataset.shards import FEATURES_FORMAT, MAKE_AGAIN
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.predictions import JoinedSet
from protas_gtcc.storage.facts import has_format
from protas_gtcc.storage.hdf5 import named_if_damaged, require_array
from protas_gtcc.storage.npy import UNUSABLE, first_unusable
from protas_gtcc.storage.ragged import stored_checksums
from protas_gtcc.storage.stored import StoredFile, open_stored

DRAW_A_SPLIT = "draw a split: 'protas-gtcc prepare FOLDER --out FILE.h5 --test-share 0.2'"
"""The way out if a dataset has no splits."""
CHECK = "'protas-gtcc check' lists all that is wrong"

__all__ = ["DRAW_A_SPLIT", "Dataset", "DatasetInfo", "FeatureSet", "Video"]


class Dataset:
    """A dataset file, opened lazily.

    Raises `InputError` if the file is missing, foreign, truncated or of another version. Damage raises `InputError` on
    opening, or on reading the damaged video.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._opened: OpenedDataset | None = None
        self._owner = -1
        with _open(self.path) as file:
            self.info, self.feature_sets, self.num_frames = read_header(file, self.path)
            opened = OpenedDataset.of(file, self.path, self.num_frames)  # finds damage early
            table = opened.shards.table if opened.shards is not None else ShardTable()
            self.is_joined = opened.shards is not None
            self.joined_feature_sets = [name for name in self.feature_sets if table.is_joined(name)]
            """The feature sets that came with the files that were joined."""
        self.video_names: list[str] = list(self.num_frames)
        self._number = {video: number for number, video in enumerate(self.video_names)}

    def labels(self, video: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """Class ids of frames `[start, end)`, int64 `[T]`."""
        with self._reading(video) as opened:
            labels = opened.labels.read(self._number[video], start, end).astype(np.int64)
            if len(labels) and (labels.min() < 0 or labels.max() >= self.info.num_classes):
                unknown = np.unique(labels[(labels < 0) | (labels >= self.info.num_classes)]).tolist()
                known = plural(self.info.num_classes, "class")
                raise ValueError(f"class ids {listed(unknown)} are not among the {known}")
            return labels

    def progress(self, video: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """Progress target of the active class in frames `[start, end)`, float32 `[T]`, 0 in the background."""
        with self._reading(video) as opened:
            progress = opened.progress.read(self._number[video], start, end)
            if not (progress.min(initial=0) >= 0 and progress.max(initial=0) <= 1):  # not so with NaN
                frame = int(np.argmin((progress >= 0) & (progress <= 1)))
                what = f"progress at frame {start + frame} is {progress[frame]:g}"
                raise ValueError(f"{what}, not a fraction from 0 to 1")
            return progress

    def segments(self, video: str) -> np.ndarray:
        """Segments in time order, int64 `[N, 3]`: start, end (exclusive), label."""
        segments = self.stored_segments(video)
        with self._reading(video):
            at = 0
            for start, end, label in segments.tolist():
                at = end if start == at < end and 0 <= label < self.info.num_classes else -1
            if at != self._length(video):
                what = f"its segments do not follow each other from frame 0 to {self._length(video)}"
                raise ValueError(f"{what}, or are not of the {plural(self.info.num_classes, 'class')}")
            return segments

    def stored_segments(self, video: str) -> np.ndarray:
        """As `segments`, but the values are not looked at."""
        with self._reading(video) as opened:
            return opened.segments.read(self._number[video])

    def track(self, video: str) -> Track | None:
        """The steps as annotated, which may overlap, the missing ones and the mistakes; None if the file has none."""
        with self._reading(video) as opened:
            if opened.tracks is None:
                return None
            stored = opened.tracks.read(self._number[video])
            if stored.dtype != np.uint8:
                raise ValueError("its track is not of bytes")
            track = track_of_json(stored.tobytes())
            if track is not None:
                track.require(self.info.num_classes, self._length(video))
            return track

    def features(self, video: str, feature_set: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """Features of frames `[start, end)`, `[T, D]`, in the type they are stored in.

        `rgb+hands` joins those of two sets along D, in this order; numpy chooses their common type. Raises `InputError`
        if they are not there, and for NaN, infinity and numbers that no extractor makes.
        """
        names = self.set_names(feature_set)
        if len(names) > 1:
            return np.concatenate([self.features(video, name, start, end) for name in names], axis=1)
        values = self.stored_features(video, feature_set, start, end)
        unusable = first_unusable(values)
        if unusable is not None:
            where = f"{self.path}: features of video {video} ({feature_set})"
            raise InputError(f"{where} have {UNUSABLE} at frame {start + unusable}; extract them again")
        return values

    def stored_features(self, video: str, feature_set: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """As `features` of one set, but the values are not looked at."""
        with self._reading(video) as opened:
            holder = opened.file_with(self._number[video], video, feature_set)
            try:
                stored = holder.array(f"videos/{video}/features/{feature_set}")
            except KeyError:
                there = listed(opened.file.group(f"videos/{video}/features"))
                what = f"video {video} has no feature set {feature_set!r}"
                raise InputError(f"{self.path}: {what}; it has {there}") from None
            way_out = MAKE_AGAIN if has_format(holder, FEATURES_FORMAT) else "prepare it again"
            with named_if_damaged(holder.path, f"video {video}", way_out):
                num_frames = self._length(video)
                require_array(stored, (num_frames, self.feature_sets[feature_set].dim), feature_set)
                values = stored[start:end]
                written = stored_checksums(holder, f"videos/{video}/checksums/{feature_set}", (num_frames,))
                if written is not None:
                    damaged = np.flatnonzero(frame_checksums(values) != written[start:end])
                    if len(damaged):
                        first = start + damaged[0]
                        raise ValueError(f"{feature_set} differ from what was written, first at frame {first}")
            return values

    def has_features(self, video: str, feature_set: str) -> bool:
        """Whether the video comes with that feature set; of joined ones, with each."""
        with self._reading(video) as opened:
            number = self._number[video]
            return all(opened.has_features(number, video, name) for name in self.set_names(feature_set))

    def set_names(self, feature_set: str) -> list[str]:
        """The sets in the file that a name stands for: `rgb+hands` for two, unless there is a set of just that name."""
        return [feature_set] if feature_set in self.feature_sets else feature_set.split("+")

    def feature_set(self, name: str) -> FeatureSet:
        """The description of a set, or of several that `+` joins.

        What made joined features of the pictures is left out, since each set has its own. Raises `InputError` for a set
        that is not in the file, and for sets of different splits.
        """
        names = self.set_names(name)
        for one in names:
            self._require_set(one)
        if len(names) == 1:
            return self.feature_sets[name]
        try:
            return joined_set({one: self.feature_sets[one] for one in names})
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from error

    def joined_sets(self, name: str) -> list[JoinedSet]:
        """The sets that `+` joins, in order; none where the name is that of one set."""
        names = self.set_names(name)
        sets = [(one, self.feature_sets[one]) for one in names] if len(names) > 1 else []
        return [JoinedSet(one, described.dim, described.extractor) for one, described in sets]

    def feature_kind(self, name: str) -> str:
        """As `description.feature_kind`; the kinds of joined sets are joined too."""
        return "+".join(feature_kind(one, self.feature_sets[one]) for one in self.set_names(name))

    def attribute(self, video: str, name: str) -> str:
        """`task`, `subject` or `environment` of a video, "" if unknown."""
        with self._reading(video) as opened:
            return read_video_facts(opened.file.group(f"videos/{video}")).get(name, "")

    @property
    def usual_split(self) -> str:
        """The split where none is chosen: the only one, or 1. Raises `InputError` if there are several, and none is 1.

        `part` raises it for a file without splits.
        """
        names = list(self.info.splits) or ["1"]
        if len(names) > 1 and "1" not in names:
            raise InputError(f"{self.path} has several splits; choose one with --split: {listed(names)}")
        return names[0] if len(names) == 1 else "1"

    def part(self, split: str, part: str) -> list[str]:
        """Names of the videos in one part (train, validation or test) of a split; [] if it lacks the part.

        Raises `InputError` for an unknown split, and for a video that is not in the file or comes twice. Also raises it
        for a video that is in another part of the split too, since a test on training videos measures nothing.
        """
        if not self.info.splits:
            raise InputError(f"{self.path} has no splits; {DRAW_A_SPLIT}")
        if split not in self.info.splits:
            known = listed(self.info.splits)
            raise InputError(f"{self.path} has no split {split!r}; choose one of its splits: {known}")
        parts = self.info.splits[split]
        names = list(parts.get(part, []))
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            raise InputError(f"{self.path}: split {split} {part} names {listed(twice)} twice; list each video once")
        unknown = [name for name in names if name not in self.num_frames]
        if unknown:
            raise InputError(f"{self.path}: split {split} {part} names {listed(unknown)}, not in the file; {CHECK}")
        for other in set(parts) - {part}:
            both = sorted(set(names) & set(parts[other]))
            if both:
                where = f"{self.path}: split {split} has {listed(both)} in {part} and {other}"
                raise InputError(f"{where}; keep each video in one part ({CHECK})")
        return names

    def choose_feature_set(self, split: str, wanted: str | None = None) -> str:
        """The feature set for a split: the wanted one, else the one for this split, else `features`, else the only one.

        In split 1 the name `aligned` also means `aligned_split1`, and `rgb+aligned` means `rgb+aligned_split1`: two
        sets, joined, unless a set has that name. A derived set is chosen only if it is wanted, so adding one changes no
        run that does not name it. Raises `InputError` for an unknown set, for one of another split, for one that is
        joined to itself, if there is no single choice, and if the file has labels alone.
        """
        sets = self.feature_sets
        if wanted is not None:
            is_one = wanted in sets or tied_name(wanted, split) in sets
            chosen = [self._wanted_feature_set(split, one) for one in ([wanted] if is_one else wanted.split("+"))]
            twice = sorted({name for name in chosen if chosen.count(name) > 1})
            if twice:
                raise InputError(f"{self.path}: --feature-set {wanted} names {listed(twice)} twice; name each set once")
            return "+".join(chosen)
        if not sets:
            raise InputError(f"{self.path} has labels alone, no features to learn from; prepare it again with features")
        usable = [name for name, one in sets.items() if one.split in (None, split) and one.derived_from is None]
        tied_to_split = [name for name in usable if sets[name].split == split]
        for candidates in (tied_to_split, [n for n in usable if n == "features"], usable):
            if len(candidates) == 1:
                return candidates[0]
        names = listed(usable or sets)
        raise InputError(f"{self.path}: name a feature set for split {split} with --feature-set: {names}")

    def _wanted_feature_set(self, split: str, wanted: str) -> str:
        sets = self.feature_sets
        name = wanted if wanted in sets else tied_name(wanted, split)
        if name not in sets:
            others = [one.split for other, one in sets.items() if one.split and other == tied_name(wanted, one.split)]
            if others:
                what = f"has feature set {wanted!r} for split {listed(others)}, not for split {split}"
                raise InputError(f"{self.path} {what}; make it for that split too")
            self._require_set(wanted)
        tied = sets[name].split
        if tied not in (None, split):
            what = f"feature set {name!r} was made for split {tied}"
            raise InputError(f"{self.path}: {what}; it cannot be used with split {split}: choose another")
        return name

    def _require_set(self, name: str) -> None:
        if name not in self.feature_sets:
            raise InputError(f"{self.path} has no feature set {name!r}; choose one of {listed(self.feature_sets)}")

    def _length(self, video: str) -> int:
        if video not in self.num_frames:
            raise InputError(f"{self.path} has no video {video!r}; it has {listed(self.video_names)}")
        return self.num_frames[video]

    @contextmanager
    def _reading(self, video: str) -> Iterator[OpenedDataset]:
        self._length(video)
        # A handle must not cross a fork: two processes would share one file position.
        if self._opened is None or self._owner != os.getpid():
            self._opened, self._owner = OpenedDataset.of(_open(self.path), self.path, self.num_frames), os.getpid()
        with named_if_damaged(self.path, f"video {video}"):
            try:
                yield self._opened
            except KeyError:
                if f"videos/{video}" not in self._opened.file:
                    raise ValueError("the index names it, but it is not there") from None
                raise

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None, "_owner": -1}


def _open(path: Path) -> StoredFile:
    if not path.is_file():
        raise InputError(f"no dataset file {path}; make one with 'protas-gtcc prepare'")
    return open_stored(path, "prepare it again")
