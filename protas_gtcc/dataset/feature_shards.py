"""Writing a feature set of a joined file: into shards of features alone, in a folder beside it.

    /                          format
    /videos/<video>/features/<feature set>   [T, D], as in a dataset file
    /videos/<video>/checksums/<feature set>  [T]

The joined file stays small. Shards get their names once all of them are whole, and the joined file names them last, so
that a killed process leaves the old set or the new one. What the joined file does not name in the end is removed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np

from protas_gtcc.dataset.header import frame_checksums, write_features
from protas_gtcc.dataset.shard_table import NAME
from protas_gtcc.dataset.shards import FEATURES_FORMAT
from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.storage.facts import has_format, write_facts
from protas_gtcc.storage.hdf5 import hdf5_file
from protas_gtcc.storage.ragged import checksum
from protas_gtcc.storage.stored import open_stored

MOST_VALUES = 2**28
"""In a shard, about: 1 GB of float32."""
MOST_VIDEOS = 10_000
"""In a shard: of more, HDF5's own index of the file no longer fits into its cache."""

Places = dict[str, tuple[int, int]]
"""Of each video: the number of its shard, and the checksum of its features there."""


def shards_folder(joined: Path) -> Path:
    """The folder of a joined file's own shards: `all.h5.features` beside `all.h5`."""
    return joined.with_name(f"{joined.name}.features")


def write_feature_shards(
    joined: Path, name: str, num_values: Mapping[str, int], read: Callable[[str], np.ndarray]
) -> tuple[list[Path], Places]:
    """Write what `read` gives for each video of `num_values`, T times D; the shards, and which has which video."""
    run = secrets.token_hex(4)  # shards of a set that is replaced stay until the joined file names these
    shards, places = list[Path](), Places()
    with ExitStack() as until_all_are_whole:
        for number, videos in enumerate(_divided(num_values)):
            shards.append(shards_folder(joined) / f"{name}-{run}-{number:04d}.h5")
            temporary = until_all_are_whole.enter_context(replace_when_whole(shards[-1]))
            checksums = _write_shard(temporary, name, videos, read)
            places |= {video: (number, written) for video, written in checksums.items()}
    return shards, places


def remove_unnamed_shards(joined: Path, name: str) -> None:
    """Remove shards of a set in the joined file's own folder that the file does not name.

    They are of a set that was replaced, or of a process that was stopped. What cannot be removed stays.
    """
    own, folder = re.compile(rf"{re.escape(name)}-[0-9a-f]{{8}}-\d{{4,}}\.h5"), shards_folder(joined)
    with suppress(InputError, OSError, ValueError, KeyError), open_stored(joined, "") as file:
        paths = file.group(NAME).texts("paths")
        named = {(joined.resolve().parent / path).resolve() for path in paths}
        for shard in [one for one in folder.iterdir() if own.fullmatch(one.name) and one.resolve() not in named]:
            if _is_of_features(shard):
                shard.unlink()
        folder.rmdir()  # only if it is empty


def _is_of_features(path: Path) -> bool:
    with open_stored(path, "") as file:
        return has_format(file, FEATURES_FORMAT)


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
