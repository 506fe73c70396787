"""Writing a feature set of a joined file: into shards of features alone, in a folder beside it.

    /                          format
    /videos/<video>/features/<feature set>   [T, D], as in a dataset file
    /videos/<video>/checksums/<feature set>  [T]

The joined file stays small. Shards get their names once all of them are whole, and the joined file names them last, so
that a killed process leaves the old set or the new one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from protas_gtcc.dataset.header import frame_checksums, write_features
from protas_gtcc.dataset.shards import FEATURES_FORMAT
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.storage.facts import write_facts
from protas_gtcc.storage.hdf5 import hdf5_file
from protas_gtcc.storage.ragged import checksum

MOST_VALUES = 2**28
"""In a shard, about: 1 GB of float32."""
MOST_VIDEOS = 10_000
"""In a shard: of more, HDF5's own index of the file no longer fits into its cache."""

Places = dict[str, tuple[int, int]]
"""Of each video: the number of its shard, and the checksum of its features there."""


def shards_folder(joined: Path) -> Path:
    """The folder of a joined file's own shards: `all.features` beside `all.h5`."""
    return joined.with_suffix(".features")


@contextmanager
def feature_shards(
    joined: Path, name: str, num_values: Mapping[str, int], read: Callable[[str], np.ndarray]
) -> Iterator[tuple[list[Path], Places]]:
    """Write what `read` gives for each video of `num_values`; yield the shards, and which of them has which video.

    Removes the shards if the block raises. `num_values` is T times D of each video.
    """
    run = secrets.token_hex(4)  # shards of a set that is replaced stay until the joined file names these
    shards, places = list[Path](), Places()
    try:
        with ExitStack() as until_all_are_whole:
            for number, videos in enumerate(_divided(num_values)):
                shards.append(shards_folder(joined) / f"{name}-{run}-{number:04d}.h5")
                temporary = until_all_are_whole.enter_context(replace_when_whole(shards[-1]))
                checksums = _write_shard(temporary, name, videos, read)
                places |= {video: (number, written) for video, written in checksums.items()}
        yield shards, places
    except BaseException:
        for shard in shards:
            shard.unlink(missing_ok=True)
        raise


def _divided(num_values: Mapping[str, int]) -> Iterator[list[str]]:
    """The videos of each shard."""
    videos, size = list[str](), 0
    for video, more in num_values.items():
        if videos and (size + more > MOST_VALUES or len(videos) >= MOST_VIDEOS):
            yield videos
            videos, size = [], 0
        videos.append(video)
        size += more
    if videos:
        yield videos


def _write_shard(path: Path, name: str, videos: list[str], read: Callable[[str], np.ndarray]) -> dict[str, int]:
    """The checksum of each video's features."""
    checksums = {}
    with hdf5_file(path, "w") as file:
        write_facts(file, format=FEATURES_FORMAT)
        for video in videos:
            values = read(video)
            write_features(file.create_group(f"videos/{video}"), name, values)
            checksums[video] = checksum(frame_checksums(values))
    return checksums
