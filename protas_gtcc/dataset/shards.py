"""Dataset files read as one: the joined file has all that is small, and its shards have the features.

`shard_table.py` shows the joined file's table. HDF5 has links to other files, but our reader follows none, so that no
file can lead it elsewhere or in circles. So the joined file names its shards, and a shard is only ever read for the
features that it holds itself.

A shard may be moved together with the joined file. A change of what was joined is found when it is read: the joined
file knows the checksums. A set that is added to the joined file later is in shards of features alone
(`feature_shards.py`); a set that is added to a shard is not seen.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from protas_gtcc.dataset.shard_table import NO_LABELS, ShardTable
from protas_gtcc.errors import InputError
from protas_gtcc.storage.facts import has_format
from protas_gtcc.storage.ragged import CHECKSUMS, checksum
from protas_gtcc.storage.stored import StoredFile, open_stored

FEATURES_FORMAT = "protas_gtcc features of a dataset"
"""Of a shard of features alone."""
MOST_OPEN = 64
"""Shards that are open at a time; systems allow a process a thousand open files or fewer."""
JOIN_AGAIN = "join the files again with 'protas-gtcc join --overwrite'"
MAKE_AGAIN = "make the feature set again with --replace"


class Shards:
    """The shards of an open joined file.

    Raises `ValueError` for a table of shards that is damaged, and `InputError` if a file that was joined is not there.
    """

    def __init__(self, joined: StoredFile, path: Path, num_videos: int, dataset_format: str):
        self.table, self._format = ShardTable.read(joined, num_videos), dataset_format
        self._paths = [path.resolve().parent / name for name in self.table.paths]
        self._joined, self._open = path, OrderedDict[int, StoredFile]()
        for shard, labels in zip(self._paths, self.table.labels, strict=True):
            # Without one of features alone, all other sets can be read, and it can be made again.
            if labels != NO_LABELS and not shard.is_file():
                way_out = f"put it back there, or {JOIN_AGAIN}"
                raise InputError(f"{path} needs its shard {shard}, which is not there; {way_out}")

    def has(self, number: int, feature_set: str) -> bool:
        """Whether the video of this number has features of the set in a shard."""
        return feature_set in self.table.features and self._place(number, feature_set)[0] >= 0

    def file_with(self, number: int, video: str, feature_set: str) -> StoredFile:
        """The open shard of the video of this number. Raises `InputError` if it is not what was joined."""
        shard, written = self._place(number, feature_set)
        file = self._opened(shard)
        try:
            stored = features_checksum(file, video, feature_set)
        except (KeyError, ValueError):
            stored = None
        if stored != written:
            self._refuse(shard, f"the features {feature_set} of video {video}")
        return file

    def _place(self, number: int, feature_set: str) -> tuple[int, int]:
        shard, written = self.table.features[feature_set][number].tolist()
        return shard, written

    def _opened(self, shard: int) -> StoredFile:
        if shard in self._open:
            self._open.move_to_end(shard)
            return self._open[shard]
        file = open_stored(self._paths[shard], f"put the shard of {self._joined} back, or {self._way_out(shard)}")
        labels = self.table.labels[shard]
        is_alone = labels == NO_LABELS
        if not (has_format(file, FEATURES_FORMAT) if is_alone else labels_checksum(file, self._format) == labels):
            file.close()
            self._refuse(shard, "it is no file of features" if is_alone else "its labels")
        if len(self._open) >= MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        self._open[shard] = file
        return file

    def _refuse(self, shard: int, what: str) -> None:
        changed = f"{self._paths[shard]} was changed since it was joined into {self._joined}: {what}"
        raise InputError(f"{changed}; put the old file back, or {self._way_out(shard)}")

    def _way_out(self, shard: int) -> str:
        return MAKE_AGAIN if self.table.labels[shard] == NO_LABELS else JOIN_AGAIN


def labels_checksum(file: StoredFile, dataset_format: str) -> int | None:
    """CRC-32 of the checksums of all labels in a dataset file; None for another file and for one without them."""
    name = f"labels{CHECKSUMS}"
    if not has_format(file, dataset_format) or name not in file:
        return None
    return checksum(file.numbers(name))


def features_checksum(file: StoredFile, video: str, feature_set: str) -> int:
    """CRC-32 of the checksums of a video's features. Raises `KeyError` or `ValueError` where there are none."""
    return checksum(file.numbers(f"videos/{video}/checksums/{feature_set}"))
