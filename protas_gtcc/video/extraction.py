"""Videos -> a folder of features, `<video>.npy`, float16 `[T, D]`, with `<video>.json` beside each.

The same call again goes on where the last one ended. A file of features appears when it is whole, and its facts are
there before it: so a file with the facts that are wanted is kept, and anything else is made anew. Several processes may
work on one folder. Each takes videos that no other one has taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from protas_gtcc.errors import InputError, noted
from protas_gtcc.predictions import Extractor
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.storage.feature_facts import (
    FeatureFacts,
    blocks_digest,
    facts_file,
    read_feature_facts,
    write_feature_facts,
)
from protas_gtcc.storage.locks import BeingWrittenError, only_writer
from protas_gtcc.storage.npy_rows import NpyRows, file_size
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.features import BATCH_SIZE, DTYPE, features_of
from protas_gtcc.video.frames import VideoFrames
from protas_gtcc.video.naming import VideoFile
from protas_gtcc.video.opening import BrokenVideo

OnFrames = Callable[[int, int], None]
"""Is called with the frames that are done, and about how many there are in all."""


@dataclass
class Extracted:
    """What a call of `extract` did, by names of videos."""

    written: dict[str, FeatureFacts] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    """Their features were there, whole and of the same backbone and rate."""
    of_others: list[str] = field(default_factory=list)
    """Another process was writing them."""
    broken: dict[str, str] = field(default_factory=dict)
    """Video -> what is wrong with it."""


def extractor_of(backbone: Backbone, fps: float) -> Extractor:
    """What datasets, checkpoints and predictions keep of a backbone at a rate."""
    return Extractor(backbone.name, backbone.fingerprint, float(fps))


class Extraction:
    """The extraction of a list of videos into a folder."""

    def __init__(
        self, videos: Sequence[VideoFile], out: Path, backbone: Backbone, fps: float, batch_size: int = BATCH_SIZE
    ):
        self._videos, self._out, self._backbone = videos, out, backbone
        self._fps, self._batch_size = fps, batch_size
        self._extractor = extractor_of(backbone, fps)
        self._expected: dict[str, int] = {}
        self._done = 0

    def run(
        self, skip_broken: bool = False, overwrite: bool = False, on_frames: OnFrames = lambda done, total: None
    ) -> Extracted:
        """Extract what is missing, one video after the other.

        Raises `InputError` for features in the folder that are not of this program, unless `overwrite`, and if they
        cannot be written. Raises `BrokenVideo` for the first video that is none, unless `skip_broken`. What was written
        before stays.
        """
        result, left = Extracted(), list[VideoFile]()
        for video in self._videos:
            if self._is_whole(video):
                result.kept.append(video.name)
                continue
            if not overwrite:
                self._require_own(video)
            with noted(result.broken, video.name, skip_broken, BrokenVideo):
                self._expected[video.name] = self._frames(video).expected() or 0
                left.append(video)
        for video in left:
            with noted(result.broken, video.name, skip_broken, BrokenVideo):
                self._one(video, result, on_frames)
            self._done += self._expected[video.name]
            on_frames(self._done, self._total)
        return result

    def _one(self, video: VideoFile, result: Extracted, on_frames: OnFrames) -> None:
        """Extract one video, unless another process does or has done it meanwhile."""
        path = self._file(video)
        path.parent.mkdir(parents=True, exist_ok=True)  # where the lock is
        try:
            with only_writer(path, wait=False):
                if self._is_whole(video):
                    result.kept.append(video.name)
                else:
                    result.written[video.name] = self._write(video, path, on_frames)
        except BeingWrittenError:
            result.of_others.append(video.name)

    def _write(self, video: VideoFile, path: Path, on_frames: OnFrames) -> FeatureFacts:
        frames = self._frames(video)
        with replace_when_whole(path) as temporary:
            with open(temporary, "wb") as file:
                rows = NpyRows(file, self._backbone.dim, DTYPE)
                for features in features_of(frames, self._backbone):
                    rows.append(features)
                    on_frames(self._done + min(rows.num_rows, self._expected[video.name]), self._total)
                rows.finish()
            facts = FeatureFacts(
                self._extractor,
                rows.num_rows,
                self._backbone.dim,
                video.path.name,
                video.path.stat().st_size,
                self._backbone.version,
                self._backbone.look_ahead_frames,
                blocks_digest(video.path),
                frames.notes,
            )
            # In this order, features are never beside the facts of others, whenever the process is killed.
            path.unlink(missing_ok=True)
            write_feature_facts(path, facts)
        return facts

    @property
    def _total(self) -> int:
        return sum(self._expected.values())

    def _frames(self, video: VideoFile) -> VideoFrames:
        return VideoFrames(video.path, self._fps, self._backbone.size, self._batch_size)

    def _file(self, video: VideoFile) -> Path:
        return self._out / f"{video.name}.npy"

    def _is_whole(self, video: VideoFile) -> bool:
        return is_extracted(video, self._file(video), self._extractor)

    def _require_own(self, video: VideoFile) -> None:
        """Raise `InputError` if another program has made the features, or a JSON file of this name."""
        path = self._file(video)
        facts, way_out = facts_file(path), "give another --out, or --overwrite"
        if facts.exists() and read_feature_facts(path) is None:
            raise InputError(f"{facts} is there, and extract has not made it; {way_out}")
        if path.exists() and not facts.exists():
            raise InputError(f"{path} is there without {facts.name}, so that extract has not made it; {way_out}")


def is_extracted(video: VideoFile, path: Path, extractor: Extractor) -> bool:
    """Whether the features of this video are at `path`, whole, and by this extractor."""
    with suppress(InputError, OSError):  # what cannot be read is not whole
        facts = read_feature_facts(path)
        if facts is None or not path.is_file():
            return False
        sizes = path.stat().st_size, video.path.stat().st_size
        expected = file_size(facts.num_frames, facts.dim, DTYPE), facts.video_bytes
        is_same = not facts.video_digest or facts.video_digest == blocks_digest(video.path)
        return facts.extractor == extractor and sizes == expected and is_same
    return False
