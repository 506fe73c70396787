"""Several dataset files -> one that reads their features from them: nothing but labels and facts is copied."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from protas_gtcc.dataset.description import PARTS, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.header import FORMAT, JOINED_VERSION, read_video_facts
from protas_gtcc.dataset.shard_table import NO_FEATURES, ShardTable, path_from
from protas_gtcc.dataset.shards import features_checksum, labels_checksum
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.hdf5 import named_if_damaged
from protas_gtcc.storage.stored import StoredFile, open_stored

OnVideo = Callable[[str, int, int], None]
_PREPARE = "prepare it again"


def join(
    shards: Sequence[Path],
    out: Path,
    feature_sets: Sequence[str] = (),
    overwrite: bool = False,
    on_progress: OnVideo = lambda what, done, total: None,
) -> None:
    """Write the dataset file `out`, which has the videos of all shards and reads their features from there.

    `feature_sets` names the sets to join, by default all. Videos come in the order of the shards; a split has the
    videos of all splits of its name. Raises `InputError` for shards that do not fit each other, for a video that two of
    them have, for a shard that is joined itself, and if `out` is a shard, or is there and `overwrite` is off.
    """
    if out.resolve() in [shard.resolve() for shard in shards]:
        raise InputError(f"{out} is one of the files to join; give another --out")
    info, sets, num_videos = _described(shards, out, feature_sets)
    table = ShardTable([path_from(out, shard) for shard in shards])
    features: dict[str, list[tuple[int, int]]] = {name: [] for name in sets}
    done = 0
    with write_dataset(out, info, sets, overwrite, JOINED_VERSION) as writer:
        for number, shard in enumerate(shards):
            dataset = Dataset(shard)  # again: those of all shards would be as large as the joined file
            with open_stored(shard, _PREPARE) as file:
                table.labels.append(_checksum_of_labels(file, shard))
                for video in dataset.video_names:
                    with named_if_damaged(shard, f"video {video}"):
                        facts = read_video_facts(file.group(f"videos/{video}"))  # all three at once
                    writer.add(Video(video, dataset.labels(video), {}, **facts, track=dataset.track(video)))
                    for name, places in features.items():
                        places.append(_place(file, dataset, video, name, number))
                    done += 1
                    on_progress("joining", done, num_videos)
        table.features = {name: np.array(places, dtype=np.int64).reshape(-1, 2) for name, places in features.items()}
        table.write(writer.file)


def _described(
    shards: Sequence[Path], out: Path, feature_sets: Sequence[str]
) -> tuple[DatasetInfo, dict[str, FeatureSet], int]:
    """Facts, feature sets and number of videos of the joined file, after all headers were read and compared."""
    first, first_sets, num_videos = Dataset(shards[0]).info, dict[str, FeatureSet](), 0
    splits: dict[str, dict[str, list[str]]] = {}
    sources: dict[str, None] = {}
    shard_of: dict[str, Path] = {}
    for shard, dataset in _opened(shards):
        _require_alike(first, dataset.info, shards[0], shard)
        sets = _chosen(dataset, feature_sets)
        first_sets = first_sets or sets
        _require_same_sets(first_sets, sets, shards[0], shard)
        for video in dataset.video_names:
            if shard_of.setdefault(video, shard) != shard:
                raise InputError(f"{shard_of[video]} and {shard} both have the video {video}; leave it out of one")
        for split, parts in dataset.info.splits.items():
            for part in PARTS:
                if part in parts:
                    splits.setdefault(split, {}).setdefault(part, []).extend(parts[part])
        sources[dataset.info.source] = None
        num_videos += len(dataset.video_names)
    source = listed(one for one in sources if one) if any(sources) else ""
    joined = dataclasses.replace(first, name=out.stem, splits=splits, source=source)
    return joined, first_sets, num_videos


def _opened(shards: Sequence[Path]) -> Iterator[tuple[Path, Dataset]]:
    """Each shard, opened. Raises `InputError` for one that comes twice, or that is joined itself."""
    seen: set[Path] = set()
    for shard in shards:
        if shard.resolve() in seen:
            raise InputError(f"{shard} is given twice; name each file once")
        seen.add(shard.resolve())
        dataset = Dataset(shard)
        if dataset.is_joined:
            raise InputError(f"{shard} is joined from other files itself; give those files instead")
        yield shard, dataset


def _require_alike(first: DatasetInfo, info: DatasetInfo, one: Path, other: Path) -> None:
    """Raise `InputError` unless the datasets have the same classes, background and rate, and are of one kind."""
    if info.class_names != first.class_names:
        pairs = zip(first.class_names, info.class_names, strict=False)
        differs = next((f"class {n} is {a!r} and {b!r}" for n, (a, b) in enumerate(pairs) if a != b), "")
        what = differs or f"{len(first.class_names)} and {len(info.class_names)} of them"
        raise InputError(f"{one} and {other} have different classes, {what}; prepare both with one list of classes")
    if sorted(info.background) != sorted(first.background):
        what = f"{listed(first.background)} and {listed(info.background)}"
        raise InputError(f"{one} and {other} have different background classes, {what}; prepare both with the same")
    if info.fps != first.fps:
        what = f"{first.fps:g} and {info.fps:g} frames per second"
        raise InputError(f"{one} and {other} have {what}; prepare both with one --resample-to")
    if info.simulated != first.simulated:
        raise InputError(f"only one of {one} and {other} is simulated; join files of one kind")


def _chosen(dataset: Dataset, wanted: Sequence[str]) -> dict[str, FeatureSet]:
    for name in wanted:
        dataset.feature_set(name)  # refuses an unknown one
    return {name: one for name, one in dataset.feature_sets.items() if not wanted or name in wanted}


def _require_same_sets(first: Mapping[str, FeatureSet], sets: Mapping[str, FeatureSet], one: Path, other: Path) -> None:
    """Raise `InputError` unless both have the same sets, made in the same way."""
    if first.keys() != sets.keys():
        lacking = sorted(first.keys() ^ sets.keys())
        where = one if lacking[0] in sets else other
        way_out = "make it for that file too, or name the sets to join with --feature-set"
        raise InputError(f"{where} has no feature set {lacking[0]!r}, which another file has; {way_out}")
    for name, described in sets.items():
        expected = dataclasses.replace(first[name], source=described.source)
        if described != expected:
            ours, theirs = vars(expected), vars(described)
            differ = listed(field for field in ours if ours[field] != theirs[field])
            raise InputError(f"{one} and {other}: feature set {name!r} differs in {differ}; make both in the same way")


def _checksum_of_labels(file: StoredFile, shard: Path) -> int:
    found = labels_checksum(file, FORMAT)
    if found is None:
        raise InputError(f"{shard} was written by an earlier version, without checksums; {_PREPARE}")
    return found


def _place(file: StoredFile, dataset: Dataset, video: str, name: str, shard: int) -> tuple[int, int]:
    if not dataset.has_features(video, name):
        return NO_FEATURES
    try:
        return shard, features_checksum(file, video, name)
    except (KeyError, ValueError) as error:
        what = f"the features {name} of video {video} have no checksums"
        raise InputError(f"{dataset.path}: {what}; {_PREPARE}") from error
