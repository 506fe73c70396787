"""All checks of a dataset file, or of a folder in a foreign layout before it is prepared.

One video is in memory at a time. Checking goes on after an error, as long as there is something left to read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

import h5py

from protas_gtcc.annotations.resampling import require_rate
from protas_gtcc.checks.features import FeatureCheck
from protas_gtcc.checks.findings import Finding, from_error, sorted_by_level
from protas_gtcc.checks.labels import LabelCheck
from protas_gtcc.checks.layout_source import LayoutSource
from protas_gtcc.checks.sources import FileSource, Source
from protas_gtcc.checks.splits import check_coverage, check_people, check_splits
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout

OnProgress = Callable[[int, int], None]
"""Called with the number of videos that are done, and the number of all videos."""


def check_path(
    path: Path | str,
    options: LayoutOptions | None = None,
    fps: float | None = None,
    resample_to: float | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> list[Finding]:
    """Check a dataset file, or a folder or file in a foreign layout with `options` and features at `fps`.

    With `resample_to`, segments that would vanish at that many frames per second are found too. If the dataset cannot
    be opened, that is the only error. Raises `InputError` if nothing is at `path`, if a rate is not positive, and if
    `resample_to` is given but the rate of the labels is not known.
    """
    path, options = Path(path), options or LayoutOptions()
    for rate in (fps, resample_to):
        if rate is not None:
            require_rate(rate)
    if not path.exists():
        raise InputError(f"no such file or folder: {path}; correct the path")
    try:
        source: Source
        if path.is_file() and (path.suffix in (".h5", ".hdf5") or h5py.is_hdf5(path)):
            source = FileSource(Dataset(path))
        else:
            source = LayoutSource(open_layout(path, options), options, fps)
    except InputError as error:
        unchecked = Finding("note", str(path), "nothing else could be checked", "")
        return [from_error(str(path), error), unchecked]
    return _check(source, resample_to, on_progress)


@dataclass
class _Checks:
    """One pass over a source: the checks, and what they remember of all videos."""

    source: Source
    labels: LabelCheck
    features: dict[str, FeatureCheck]
    missing: dict[str, list[str]]
    """Feature set -> videos without it."""
    num_labels: dict[str, int] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)

    def see(self, video: str) -> Iterator[Finding]:
        """Check one video; if one part cannot be read, the others are still checked."""
        yield from _or_error(video, self._see_labels(video))
        for name in self.features:
            yield from _or_error(video, self._see_features(video, name))
        yield from _or_error(video, self._see_subject(video))

    def finish(self) -> Iterator[Finding]:
        """Findings about all videos together."""
        info = self.source.info
        yield from check_splits(info, self.source.video_names, self.source.where)
        yield from check_people(info, self.subjects)
        yield from check_coverage(info, self.source.feature_sets, self.missing)
        yield from self.labels.finish()
        for check in self.features.values():
            yield from check.finish()

    def _see_labels(self, video: str) -> Iterator[Finding]:
        labels = self.source.labels(video)
        self.num_labels[video] = len(labels)
        yield from self.labels.see(video, labels)
        yield from self.source.inconsistencies(video, labels)

    def _see_features(self, video: str, name: str) -> Iterator[Finding]:
        if not self.source.has_features(video, name):
            self.missing[name].append(video)
            return
        values = self.source.features(video, name)
        yield from self.features[name].see(video, values)
        num_labels = self.num_labels.get(video)
        if values.ndim == 2 and num_labels and not self.source.lengths_fit(num_labels, len(values)):
            what = f"{len(values)} frames of features for {num_labels} labels"
            yield Finding("error", f"video {video}, {name}", what, "extract features for the same frames")

    def _see_subject(self, video: str) -> Iterator[Finding]:
        self.subjects[video] = self.source.subject(video)
        yield from ()


def _check(source: Source, resample_to: float | None, on_progress: OnProgress) -> list[Finding]:
    if resample_to is not None and not isfinite(source.info.fps):
        raise InputError("--resample-to needs the rate of the labels; give --fps")
    checks = _Checks(
        source,
        LabelCheck(source.info, source.where, resample_to),
        {name: FeatureCheck(name, one) for name, one in source.feature_sets.items()},
        {name: [] for name in source.feature_sets},
    )
    findings = [*source.findings, *_facts(source)]
    for done, video in enumerate(source.video_names, start=1):
        # A video that cannot be read at all gives the same error in every check: keep one.
        findings += dict.fromkeys(checks.see(video))
        on_progress(done, len(source.video_names))
    return sorted_by_level([*findings, *checks.finish()])


def _facts(source: Source) -> Iterator[Finding]:
    if not source.video_names:
        yield Finding("error", source.where, "it has no videos", "prepare it again")
    if source.info.simulated:
        yield Finding("note", source.where, "simulated procedures, not recordings", "")


def _or_error(video: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings, and one more if the video cannot be read."""
    try:
        yield from findings
    except InputError as error:
        yield from_error(f"video {video}", error)
