"""Everything that can be wrong with a dataset, in one list.

A dataset file, or a folder in a foreign layout before it is prepared; one video in memory at a time. Checking never
stops at the first thing that is wrong, only at what leaves nothing to read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import isfinite
from pathlib import Path

import h5py

from protas_gtcc.checks.features import FeatureCheck
from protas_gtcc.checks.findings import Finding, Level, sorted_by_level
from protas_gtcc.checks.labels import LabelCheck
from protas_gtcc.checks.layout_source import LayoutSource
from protas_gtcc.checks.sources import FileSource, Source
from protas_gtcc.checks.splits import check_coverage, check_people, check_splits
from protas_gtcc.dataset import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts import Layout, LayoutOptions, open_layout

__all__ = ["Finding", "Level", "check_dataset", "check_layout", "check_path"]

OnProgress = Callable[[int, int], None]
"""Called with how many videos are done, and of how many."""


def check_path(
    path: Path | str,
    options: LayoutOptions | None = None,
    fps: float | None = None,
    resample_to: float | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> list[Finding]:
    """Check a dataset file, or a folder or file in a foreign layout (`options`, `fps` of its features).

    What keeps it from being opened at all is a finding too. Raises `InputError` if nothing is at `path`, and if
    `resample_to` is given without a rate to come from.
    """
    path, options = Path(path), options or LayoutOptions()
    if not path.exists():
        raise InputError(f"no such file or folder: {path}")
    try:
        source: Source
        if path.is_file() and (path.suffix in (".h5", ".hdf5") or h5py.is_hdf5(path)):
            source = FileSource(Dataset(path))
        else:
            source = LayoutSource(open_layout(path, options), options, fps)
    except InputError as error:
        return [Finding("error", str(path), str(error), "mend this first; nothing else could be checked")]
    return _check(source, resample_to, on_progress)


def check_dataset(dataset: Dataset, resample_to: float | None = None) -> list[Finding]:
    """Check a dataset file; with `resample_to` (fps), also which segments would vanish at that rate."""
    return _check(FileSource(dataset), resample_to)


def check_layout(
    layout: Layout, options: LayoutOptions, fps: float | None = None, resample_to: float | None = None
) -> list[Finding]:
    """Check a foreign layout whose features come at `fps`, before it is prepared."""
    return _check(LayoutSource(layout, options, fps), resample_to)


def _check(
    source: Source, resample_to: float | None, on_progress: OnProgress = lambda done, total: None
) -> list[Finding]:
    if resample_to is not None and not isfinite(source.info.fps):
        raise InputError("--resample-to needs the rate that labels come at: give --fps")
    findings = [*source.findings, *_facts(source)]
    labels = LabelCheck(source.info, source.where, resample_to)
    features = {name: FeatureCheck(name, one) for name, one in source.feature_sets.items()}
    missing: dict[str, list[str]] = {name: [] for name in features}
    subjects: dict[str, str] = {}
    for done, video in enumerate(source.video_names, start=1):
        findings += _collected(video, _check_video(source, video, labels, features, missing, subjects))
        on_progress(done, len(source.video_names))
    findings += check_splits(source.info, source.video_names, source.where)
    findings += check_people(source.info, subjects)
    findings += check_coverage(source.info, source.feature_sets, missing)
    for check in (labels, *features.values()):
        findings += check.finish()
    return sorted_by_level(findings)


def _facts(source: Source) -> Iterator[Finding]:
    if not source.video_names:
        yield Finding("error", source.where, "it has no videos", "prepare it again")
    if source.info.simulated:
        yield Finding("note", source.where, "simulated procedures, not recordings", "")
    if source.info.fps <= 0:
        yield Finding("error", source.where, f"{source.info.fps:g} frames per second", "prepare it again with --fps")


def _check_video(
    source: Source,
    video: str,
    label_check: LabelCheck,
    feature_checks: dict[str, FeatureCheck],
    missing: dict[str, list[str]],
    subjects: dict[str, str],
) -> Iterator[Finding]:
    yield from _collected(video, _check_labels(source, video, label_check))
    for name, check in feature_checks.items():
        yield from _collected(video, _check_features(source, video, name, check, missing[name]))
    subjects[video] = source.subject(video)


def _check_labels(source: Source, video: str, check: LabelCheck) -> Iterator[Finding]:
    labels = source.labels(video)
    yield from check.see(video, labels)
    yield from source.inconsistencies(video, labels)


def _check_features(
    source: Source, video: str, name: str, check: FeatureCheck, missing: list[str]
) -> Iterator[Finding]:
    if not source.has_features(video, name):
        missing.append(video)
        return
    values = source.features(video, name)
    yield from check.see(video, values)
    num_labels = _num_labels(source, video)
    if num_labels is not None and not source.lengths_fit(num_labels, len(values)):
        what = f"{len(values)} frames of features for {num_labels} labels"
        way_out = "cut or extract them to the same length"
        yield Finding("error", f"video {video}, {name}", what, way_out)


def _num_labels(source: Source, video: str) -> int | None:
    try:
        return len(source.labels(video))
    except InputError:
        # Said once, where the labels were checked.
        return None


def _collected(video: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """What could not be read becomes a finding, and the next thing is checked."""
    try:
        yield from findings
    except InputError as error:
        yield Finding("error", f"video {video}", str(error), "")
