"""Checks of splits: their videos, people and feature sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from protas_gtcc.checks.findings import Finding
from protas_gtcc.dataset.description import repeated_videos
from protas_gtcc.dataset.file import DatasetInfo, FeatureSet
from protas_gtcc.errors import listed, plural

Parts = Mapping[str, list[str]]


def check_splits(info: DatasetInfo, video_names: list[str], where: str) -> Iterator[Finding]:
    """Find missing and empty parts, and videos that are unknown, listed twice, in two parts, or in none.

    Sources themselves find that there is no split.
    """
    if not info.splits:
        return
    known = set(video_names)
    for split, parts in info.splits.items():
        yield from _check_split(f"split {split}", parts, known)
    named = {video for parts in info.splits.values() for videos in parts.values() for video in videos}
    left = [video for video in video_names if video not in named]
    if left:
        yield Finding("note", where, f"{plural(len(left), 'video')} in no split: {listed(left)}", "")


def check_people(info: DatasetInfo, subjects: Mapping[str, str]) -> Iterator[Finding]:
    """Find people in two parts of a split. `subjects`: video -> person, "" if unknown."""
    if info.splits and not any(subjects.values()):
        yield Finding("note", "people", "unknown", "name them with --subject-pattern")
        return
    for split, parts in info.splits.items():
        found = []
        for one, other in combinations(parts, 2):
            # A video in both parts is another error, and its person is in both parts because of it.
            of_one = {subjects.get(video, "") for video in parts[one] if video not in parts[other]}
            of_other = {subjects.get(video, "") for video in parts[other] if video not in parts[one]}
            both = sorted((of_one & of_other) - {""})
            if both:
                found.append(f"in {one} and {other}: {listed(both)}")
        if found:
            way_out = "split by person to score on new people"
            yield Finding("warning", f"split {split}, people", "; ".join(found), way_out)


def check_coverage(
    info: DatasetInfo, feature_sets: Mapping[str, FeatureSet], missing: Mapping[str, list[str]]
) -> Iterator[Finding]:
    """Find sets for unknown splits, missing features (`missing`: set -> videos), and splits without features."""
    for name, feature_set in feature_sets.items():
        where = f"feature set {name}"
        if feature_set.split is not None and feature_set.split not in info.splits:
            what = f"it is for split {feature_set.split}, which does not exist (there are {listed(info.splits)})"
            yield Finding("error", where, what, "add that split's lists, or rename the folder of features")
        used = {feature_set.split: info.splits.get(feature_set.split, {})} if feature_set.split else info.splits
        needed = {video for parts in used.values() for videos in parts.values() for video in videos}
        absent = [video for video in missing.get(name, []) if video in needed or not info.splits]
        if absent:
            what = f"{plural(len(absent), 'video')} without it: {listed(absent)}"
            yield Finding("error", where, what, "extract it, or take the videos off the lists")
    for split in info.splits:
        if feature_sets and not any(one.split in (None, split) for one in feature_sets.values()):
            yield Finding("warning", f"split {split}", "all feature sets are for other splits", "add features for it")


def _check_split(where: str, parts: Parts, known: set[str]) -> Iterator[Finding]:
    for part in ("train", "test"):
        if part not in parts:
            yield Finding("error", where, f"it has no {part} part, which 'run' needs", f"list its {part} videos")
        elif not parts[part]:
            yield Finding("error", where, f"its {part} part is empty", f"list its {part} videos")
    for what, repeated, way_out in repeated_videos(parts):
        yield Finding("error", where, f"{what}: {listed(repeated)}", way_out)
    for part, videos in parts.items():
        unknown = [video for video in videos if video not in known]
        if unknown:
            way_out = "add the videos, or take them off the list"
            yield Finding("error", where, f"{part} names videos that are not there: {listed(unknown)}", way_out)
