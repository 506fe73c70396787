"""The shards that `predict` writes where videos are many or jobs predict them: files of predictions of many videos.

    parts/<settings><job>/<first video>.h5    what a job predicts in about a minute, of at most 1,000 videos

A shard appears when it is whole, so that a kill loses a minute of work, or the video at hand. It knows what each video
was predicted from. An index makes all shards one (`metrics/prediction_parts.py`).
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.video_jobs import Share
from protas_gtcc.errors import InputError
from protas_gtcc.video.naming import VideoFile

if TYPE_CHECKING:
    from protas_gtcc.predictions import Prediction, PredictionInfo

PARTS = "parts"
"""The folder of the shards."""
VIDEOS_A_SHARD = 1000
SECONDS_A_SHARD = 60.0
"""Of predicting, after which the next video begins a new shard."""


@dataclass(frozen=True)
class Shards:
    """All shards of a folder that one command's settings make."""

    out: Path
    settings: str
    """A word that differs with the model and the flags."""

    @classmethod
    def of_model(cls, out: Path, checkpoint: Path, words: Sequence[str]) -> Shards:
        """Those of a checkpoint as it is now, with these flags."""
        now = checkpoint.stat()
        return cls(out, _short(*words, now.st_size, now.st_mtime_ns))

    def found(self, videos: Sequence[VideoFile]) -> dict[str, Path]:
        """The shard of each of these videos that is predicted as its file is now, in the order of the videos."""
        return _found(sorted((self.out / PARTS).glob(f"{self.settings}*/*.h5")), videos)

    def of_job(self, videos: Sequence[VideoFile]) -> JobShards:
        """Those of a job with these videos: it finds them again, however many of the videos are done."""
        return JobShards(self.out, f"{self.settings}{_short(videos[0].name)}")

    def share(self, done: Mapping[str, Path], videos: Sequence[VideoFile]) -> Share:
        """What a job has to do of these videos, without those `done`."""
        shards = self.of_job(videos)
        left = tuple(one for one in videos if one.name not in done)
        return Share(left, shards.whole, {"part": shards.name})


@dataclass(frozen=True)
class JobShards:
    """The shards of one job."""

    out: Path
    name: str
    """Of their folder."""

    def whole(self, videos: Sequence[VideoFile]) -> set[str]:
        """Names of those videos that are predicted as their files are now."""
        return {*_found(sorted((self.out / PARTS / self.name).glob("*.h5")), videos)}

    def write(
        self, predictions: Iterator[tuple[str, Prediction]], info: PredictionInfo, sources: Mapping[str, str]
    ) -> None:
        """Write predictions as they come, shard after shard; `sources` has `source_of` of each video."""
        from protas_gtcc.metrics.prediction_files import write_predictions

        for video, prediction in predictions:
            path = self.out / PARTS / self.name / f"{_short(video, sources[video])}.h5"
            write_predictions(path, _of_a_shard((video, prediction), predictions), info, sources)


def source_of(video: VideoFile) -> str:
    """A word for a video's file as it is now: it differs with its size and time. Raises `OSError` if that is gone."""
    now = video.path.stat()
    return _short(now.st_size, now.st_mtime_ns)


def _of_a_shard(
    first: tuple[str, Prediction], others: Iterator[tuple[str, Prediction]]
) -> Iterator[tuple[str, Prediction]]:
    ends = time.monotonic() + SECONDS_A_SHARD
    yield first
    for _ in range(VIDEOS_A_SHARD - 1):
        if time.monotonic() >= ends or (one := next(others, None)) is None:
            return
        yield one


def _found(shards: Sequence[Path], videos: Sequence[VideoFile]) -> dict[str, Path]:
    written = dict[tuple[str, str], Path]()
    for path in shards:
        with suppress(OSError, InputError):  # gone, or damaged: its videos are predicted again
            written |= dict.fromkeys(_videos_of(path, path.stat().st_mtime_ns), path)
    found = dict[str, Path]()
    for video in videos:
        with suppress(OSError, KeyError):
            found[video.name] = written[video.name, source_of(video)]
    return found


@functools.lru_cache(maxsize=256)  # a running job's are looked at twice a second
def _videos_of(shard: Path, modified: int) -> list[tuple[str, str]]:
    from protas_gtcc.metrics.prediction_files import read_sources

    return [*read_sources(shard).items()]


def _short(*facts: object) -> str:
    """Eight digits that differ with the facts."""
    return hashlib.blake2b("\0".join(map(str, facts)).encode(), digest_size=4).hexdigest()
