"""The shards that `predict` writes where videos are many or jobs predict them: files of predictions of many videos.

    parts/<settings><job>/<random>.h5    what a job predicts in about a minute, of at most 1,000 videos

A shard appears when it is whole, so that a kill loses a minute of work, or the video at hand. It knows what each video
was predicted from. An index makes all shards one (`metrics/prediction_parts.py`).
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.predicted_folder import PredictedFolder
from protas_gtcc.cli.shared.video_jobs import Share
from protas_gtcc.errors import InputError
from protas_gtcc.video.naming import VideoFile

if TYPE_CHECKING:
    from protas_gtcc.predictions import Prediction, PredictionInfo

VIDEOS_A_SHARD = 1000
SECONDS_A_SHARD = 60.0
"""Of predicting, after which the next video begins a new shard."""
DIGITS = 8
"""Of a word that stands for settings, or for a job."""


@dataclass(frozen=True)
class Shards:
    """All shards of a folder that one command's settings make."""

    folder: PredictedFolder
    settings: str
    """Eight digits that differ with the model and the flags."""

    @classmethod
    def of_model(cls, folder: PredictedFolder, checkpoint: Path, words: Sequence[str]) -> Shards:
        """Those of a checkpoint as it is now, with these flags."""
        now = checkpoint.stat()
        return cls(folder, _short(*words, now.st_size, now.st_mtime_ns))

    def found(self, videos: Sequence[VideoFile]) -> dict[str, Path]:
        """The shard of each of these videos that is predicted as its file is now, in the order of the videos."""
        return _found(self.folder.shards(f"{self.settings}*"), videos, self.settings)

    def whole(self, videos: Sequence[VideoFile]) -> set[str]:
        """Names of those of these videos that have a shard, and all other files that are wanted."""
        return self.folder.with_all_files(self.found(videos))

    def of_job(self, videos: Sequence[VideoFile]) -> JobShards:
        """Those of a job with these videos: it finds them again, however many of the videos are done."""
        return JobShards(self.folder, f"{self.settings}{_short(videos[0].name)}")

    def share(self, done: set[str], videos: Sequence[VideoFile]) -> Share:
        """What a job has to do of these videos, without those `done`."""
        shards = self.of_job(videos)
        left = tuple(one for one in videos if one.name not in done)
        return Share(left, shards.whole, {"part": shards.name})


@dataclass(frozen=True)
class JobShards:
    """The shards of one job. Raises `InputError` for a name that none has."""

    folder: PredictedFolder
    name: str
    """Of their own folder: the digits of the settings, and those of the job."""

    def __post_init__(self) -> None:
        if not re.fullmatch(f"[0-9a-f]{{{2 * DIGITS}}}", self.name):
            what = f"--part {self.name!r} is no folder of a job's shards: it must have {2 * DIGITS} hexadecimal digits"
            raise InputError(f"{what}; leave it out, --workers gives it to each job")

    def source_of(self, video: VideoFile) -> str:
        """As the function `source_of`, with the settings of this job."""
        return source_of(video, self.name[:DIGITS])

    def whole(self, videos: Sequence[VideoFile]) -> set[str]:
        """Names of those of these videos that have a shard, and all other files that are wanted."""
        return self.folder.with_all_files(_found(self.folder.shards(self.name), videos, self.name[:DIGITS]))

    def write(
        self, predictions: Iterator[tuple[str, Prediction]], info: PredictionInfo, sources: Mapping[str, str]
    ) -> None:
        """Write predictions as they come, shard after shard; `sources` has `source_of` of each video.

        No shard replaces another one, which may have videos that are not predicted again.
        """
        from protas_gtcc.metrics.prediction_files import write_predictions

        for first in predictions:
            path = self.folder.shard(self.name, secrets.token_hex(DIGITS // 2))
            write_predictions(path, _of_a_shard(first, predictions), info, sources)


def source_of(video: VideoFile, settings: str) -> str:
    """A word for the settings and a video's file as it is now: it differs with its path, size and time.

    The path is as it was given: machines may resolve it in other ways. Of a folder, such as a Zarr array, all files
    count. Raises `OSError` if the file is gone.
    """
    return _short(settings, video.path, *_size_and_time(video.path))


def _size_and_time(path: Path) -> tuple[int, int]:
    """Bytes, and nanoseconds since 1970 of the last change."""
    now = path.stat()
    if not path.is_dir():
        return now.st_size, now.st_mtime_ns
    inner = [os.stat(os.path.join(name, file)) for name, _, files in os.walk(path) for file in files]
    return sum(one.st_size for one in inner), max((one.st_mtime_ns for one in inner), default=now.st_mtime_ns)


def _of_a_shard(
    first: tuple[str, Prediction], others: Iterator[tuple[str, Prediction]]
) -> Iterator[tuple[str, Prediction]]:
    ends = time.monotonic() + SECONDS_A_SHARD
    yield first
    for _ in range(VIDEOS_A_SHARD - 1):
        if time.monotonic() >= ends or (one := next(others, None)) is None:
            return
        yield one


def _found(shards: Iterable[Path], videos: Sequence[VideoFile], settings: str) -> dict[str, Path]:
    """The last shard of each video that was predicted with these settings from its file as it is now."""
    dated = list[tuple[int, Path]]()
    for path in shards:
        with suppress(OSError):  # gone
            dated.append((path.stat().st_mtime_ns, path))
    written = dict[tuple[str, str], Path]()
    for modified, path in sorted(dated):
        with suppress(OSError, InputError):  # gone, or damaged: its videos are predicted again
            written |= dict.fromkeys(_videos_of(path, modified), path)
    found, names = dict[str, Path](), {name for name, _ in written}
    for video in videos:
        if video.name in names:  # else its file is not looked at: it may be a folder of thousands
            with suppress(OSError, KeyError):
                found[video.name] = written[video.name, source_of(video, settings)]
    return found


@functools.lru_cache(maxsize=256)  # a running job's are looked at twice a second
def _videos_of(shard: Path, modified: int) -> list[tuple[str, str]]:
    from protas_gtcc.metrics.prediction_files import read_sources

    return [*read_sources(shard).items()]


def _short(*facts: object) -> str:
    """Eight digits that differ with the facts."""
    return hashlib.blake2b("\0".join(map(str, facts)).encode(), digest_size=DIGITS // 2).hexdigest()
