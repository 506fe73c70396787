"""All checks of a dataset file, or of a folder in a foreign layout before it is prepared.

One video is in memory at a time. Checking goes on after an error, as long as there is something left to read.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from pathlib import Path

from protas_gtcc.annotations.mistakes import TrackCounts
from protas_gtcc.annotations.resampling import require_rate
from protas_gtcc.checks.features import FeatureCheck
from protas_gtcc.checks.findings import LEVELS, Finding, from_message
from protas_gtcc.checks.labels import LabelCheck
from protas_gtcc.checks.sources import FileSource, LayoutSource, Source
from protas_gtcc.checks.splits import check_coverage, check_people, check_splits
from protas_gtcc.errors import InputError, plural
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.rates import frame_rates
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.prepare.survey import OnProgress, show_nothing
from protas_gtcc.storage.file_kinds import HDF5, kind_of


def check_path(
    path: Path | str,
    options: LayoutOptions | None = None,
    fps: float | Path | None = None,
    resample_to: float | None = None,
    on_progress: OnProgress = show_nothing,
) -> list[Finding]:
    """Check a dataset file, or a folder or file in a foreign layout with `options`.

    Features come at `fps`, a rate or a CSV file of rates. With `resample_to`, segments that would vanish at that many
    frames per second are found too. If the dataset cannot
    be opened, that is the only error. Raises `InputError` if nothing is at `path`, if a rate is not positive, and if
    `resample_to` is given but the rate of the labels is not known.
    """
    path, options = Path(path), options or LayoutOptions()
    for rate in (fps, resample_to):
        if rate is not None and not isinstance(rate, Path):
            require_rate(rate)
    if not path.exists():
        raise InputError(f"no such file or folder: {path}; correct the path")
    try:
        source: Source
        if path.is_file() and (path.suffix in (".h5", ".hdf5") or kind_of(path) == HDF5):
            source = FileSource(path)
        else:
            layout = open_layout(path, options)
            rates = None if fps is None else frame_rates(fps, layout.video_names)
            source = LayoutSource(layout, options, rates)
    except InputError as error:
        unchecked = Finding("note", str(path), "nothing else could be checked", "")
        return [from_message("error", str(path), str(error)), unchecked]
    return _check(source, resample_to, on_progress)


def _check(source: Source, resample_to: float | None, on_progress: OnProgress) -> list[Finding]:
    if resample_to is not None and not isfinite(source.info.fps):
        raise InputError("--resample-to needs the rate of the labels; give --fps")
    findings, checks = list(source.findings), _Checks(source, resample_to)
    if not source.video_names:
        findings.append(Finding("error", source.where, "it has no videos", "prepare it again"))
    if source.info.simulated:
        findings.append(Finding("note", source.where, "simulated procedures, not recordings", ""))
    for done, video in enumerate(source.video_names, start=1):
        # A video that cannot be read at all gives the same error in every check: keep one.
        findings += dict.fromkeys(checks.see(video))
        on_progress("checking", done, len(source.video_names))
    return sorted([*findings, *checks.finish()], key=lambda finding: LEVELS.index(finding.level))


class _Checks:
    """One pass over a source: the checks, and what they remember of all videos."""

    def __init__(self, source: Source, resample_to: float | None):
        self.source = source
        self.labels = LabelCheck(source.info, source.where, resample_to)
        self.features = {name: FeatureCheck(name, one) for name, one in source.feature_sets.items()}
        self.missing: dict[str, list[str]] = {name: [] for name in source.feature_sets}
        """Feature set -> videos without it."""
        self.num_labels: dict[str, int] = {}
        self.subjects: dict[str, str] = {}
        self.tracks = TrackCounts()

    def see(self, video: str) -> Iterator[Finding]:
        """Check one video; if one part cannot be read, the others are still checked."""
        features = (self._see_features(video, name) for name in self.features)
        for part in (self._see_labels(video), *features, self._see_subject(video)):
            try:
                yield from part
            except InputError as error:
                yield from_message("error", f"video {video}", str(error))

    def finish(self) -> Iterator[Finding]:
        """Findings about all videos together."""
        info = self.source.info
        yield from check_splits(info, self.source.video_names, self.source.where)
        yield from check_people(info, self.subjects)
        yield from check_coverage(info, self.source.feature_sets, self.missing)
        yield from self.labels.finish()
        for sentence in self.tracks.sentences():
            yield Finding("note", self.source.where, sentence, "")
        for check in self.features.values():
            yield from check.finish()

    def _see_labels(self, video: str) -> Iterator[Finding]:
        labels = self.source.labels(video)
        self.num_labels[video] = len(labels)
        yield from self.labels.see(video, labels, self.source.label_rate(video))
        yield from self.source.inconsistencies(video, labels)
        track = self.source.track(video)
        if track is not None:
            self.tracks.add(track, labels)

    def _see_features(self, video: str, name: str) -> Iterator[Finding]:
        if not self.source.has_features(video, name):
            self.missing[name].append(video)
            return
        values = self.source.features(video, name)
        yield from self.features[name].see(video, values)
        num_labels = self.num_labels.get(video)
        if num_labels and not self.source.lengths_fit(video, num_labels, len(values)):
            what = f"{plural(len(values), 'frame')} of features for {plural(num_labels, 'label')}"
            yield Finding("error", f"video {video}, {name}", what, "extract features for the same frames")

    def _see_subject(self, video: str) -> Iterator[Finding]:
        self.subjects[video] = self.source.subject(video)
        yield from ()
