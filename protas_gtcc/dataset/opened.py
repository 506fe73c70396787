"""An open dataset file: its ragged arrays, and the file that has a video's features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from protas_gtcc.dataset.header import FORMAT
from protas_gtcc.dataset.shard_table import NAME
from protas_gtcc.dataset.shards import Shards
from protas_gtcc.storage.hdf5 import named_if_damaged
from protas_gtcc.storage.ragged import RaggedReader, read_lengths
from protas_gtcc.storage.stored import StoredFile


class OpenedDataset(NamedTuple):
    """An open file, its ragged arrays, and the files that it was joined from."""

    file: StoredFile
    labels: RaggedReader
    progress: RaggedReader
    segments: RaggedReader
    tracks: RaggedReader | None
    """None in files without them."""
    shards: Shards | None
    """None in a file that has all features itself."""

    @classmethod
    def of(cls, file: StoredFile, path: Path, num_frames: Mapping[str, int]) -> OpenedDataset:
        """Find the arrays. Raises `InputError` if they contradict the index, and if a shard is not there."""
        with named_if_damaged(path):
            num_segments = read_lengths(file, "num_segments", len(num_frames))
            has_tracks = "tracks" in file
            num_bytes = read_lengths(file, "num_track_bytes", len(num_frames)) if has_tracks else []
            return cls(
                file,
                RaggedReader(file, "labels", num_frames.values()),
                RaggedReader(file, "progress", num_frames.values()),
                RaggedReader(file, "segments", num_segments, row_shape=(3,)),
                RaggedReader(file, "tracks", num_bytes) if has_tracks else None,
                Shards(file, path, len(num_frames), FORMAT) if NAME in file else None,
            )

    def has_features(self, number: int, video: str, feature_set: str) -> bool:
        """Whether the video of this number has features of the set, here or in a shard."""
        if self.shards is not None:
            return self.shards.has(number, feature_set)
        return feature_set in self.file.group(f"videos/{video}/features")

    def file_with(self, number: int, video: str, feature_set: str) -> StoredFile:
        """The file that holds them: this one, or a shard. Raises `InputError` as `Shards` does."""
        if self.shards is None or not self.shards.has(number, feature_set):
            return self.file
        return self.shards.file_with(number, video, feature_set)
