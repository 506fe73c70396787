"""The files of a LeRobotDataset v3: its facts, its episodes, and the columns of their frames.

meta/info.json                  codebase_version, fps, total_episodes, data_path, features, splits
meta/episodes/*/*.parquet       episode_index, length, tasks, dataset_from_index, data/chunk_index, data/file_index
data/chunk-000/file-000.parquet episode_index, frame_index and a column for each feature; several episodes a file
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protas_gtcc.annotations.resampling import require_rate
from protas_gtcc.errors import InputError
from protas_gtcc.storage.json_values import json_field, one_line
from protas_gtcc.storage.parquet import read_parquet
from protas_gtcc.storage.text_files import read_json

INFO, EPISODES = "meta/info.json", "meta/episodes"
_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_NEEDED = ("episode_index", "length", "dataset_from_index", "data/chunk_index", "data/file_index")
_MORE = ("names", "start_frames", "end_frames")
SUBTASK_COLUMNS = tuple(f"{level}_subtask_{one}" for level in ("dense", "sparse") for one in _MORE)
"""Of the table of episodes. The sparse ones may lack `sparse_` in front."""


@dataclass(frozen=True)
class Episode:
    """One episode, and where its frames are."""

    index: int
    length: int
    """In frames."""
    first_frame: int
    """Of all frames of the dataset."""
    data: Path
    task: str = ""
    subtasks: Mapping[str, list[Any]] = field(default_factory=dict)
    """What is in the `SUBTASK_COLUMNS`, of those that have something."""

    @property
    def name(self) -> str:
        """The name of its video here."""
        return f"episode_{self.index:06d}"


def read_info(root: Path) -> dict[str, Any]:
    """The facts of a dataset. Raises `InputError` for another version than 3, and for facts that are missing."""
    info, where = read_json(root / INFO), root / INFO
    version = json_field(info, "codebase_version", str, where)
    if not version.startswith("v3"):
        way_out = "convert it with lerobot.scripts.convert_dataset_v21_to_v30"
        raise InputError(f"{where}: expected codebase_version v3, came {version!r}; {way_out}")
    if type(info.get("fps")) not in (int, float):
        raise InputError(f"{where}: expected 'fps' as a number, came {info.get('fps')!r}; correct the JSON")
    require_rate(float(info["fps"]))
    json_field(info, "features", dict, where)
    return dict(info)


def read_episodes(root: Path, info: Mapping[str, Any]) -> list[Episode]:
    """All episodes, by their index. Raises `InputError` for missing files and for counts that do not agree."""
    files = sorted((root / EPISODES).glob("*/*.parquet"))
    if not files:
        raise InputError(f"no Parquet file in {root / EPISODES}/chunk-000; copy the dataset again")
    episodes = sorted((one for file in files for one in _read_table(root, info, file)), key=lambda one: one.index)
    total = info.get("total_episodes", len(episodes))
    if [one.index for one in episodes] != list(range(len(episodes))) or total != len(episodes):
        what = f"expected episodes 0 to {total} - 1 once each, as {INFO} has it, came {len(episodes)}"
        raise InputError(f"{root / EPISODES}: {what}; copy the dataset again")
    return episodes


def _read_table(root: Path, info: Mapping[str, Any], file: Path) -> Iterator[Episode]:
    older = {name: name.removeprefix("sparse_") for name in SUBTASK_COLUMNS if name.startswith("sparse_")}
    table = read_parquet(file, _NEEDED, ("tasks", *SUBTASK_COLUMNS, *older.values()))
    table |= {name: table[old] for name, old in older.items() if name not in table and old in table}
    for row in range(len(table["length"])):
        cells = {name: values[row] for name, values in table.items()}
        index, length, first, chunk, number = (cells[name] for name in _NEEDED)
        if not all(type(one) is int and one >= 0 for one in (index, length, first, chunk, number)) or not length:
            raise InputError(f"{file}, row {row + 1}: expected whole numbers from 0 on, and a length; copy it again")
        try:
            data = Path(str(info.get("data_path") or _DATA).format(chunk_index=chunk, file_index=number))
            if data.is_absolute() or ".." in data.parts:
                raise ValueError(f"{data} leads out of the dataset")
        except (LookupError, ValueError, AttributeError):
            raise InputError(f"{root / INFO}: expected 'data_path' as {_DATA!r}; correct the JSON") from None
        subtasks = {name: cells[name] for name in SUBTASK_COLUMNS if cells.get(name)}
        tasks = cells.get("tasks") if isinstance(cells.get("tasks"), list) else []
        yield Episode(index, length, first, root / data, one_line(", ".join(map(str, tasks or []))), subtasks)


def read_column(episodes: Mapping[str, Episode], column: str, video: str) -> list[Any]:
    """One column of an episode, frame by frame. Raises `InputError` as `read_columns` does."""
    one = episodes[video]
    return read_columns(one.data, [one], column, episode_index=one.index)[0][1]


def read_columns(file: Path, episodes: Sequence[Episode], column: str, **only: int) -> list[tuple[Episode, list[Any]]]:
    """One column of the episodes in a file, of all their frames or, `only` with frame_index=0, of the first.

    Raises `InputError` for a missing file or column, and for an episode that has not as many frames as its length.
    """
    if not file.is_file():
        raise InputError(f"no file {file}, which has episode {episodes[0].index}; copy the dataset again")
    rows: dict[int, list[tuple[int, Any]]] = {}
    table = read_parquet(file, ("episode_index", "frame_index", column), (), **only)
    for index, frame, value in zip(*table.values(), strict=True):
        if type(index) is not int or type(frame) is not int:
            came = f"{index!r} and {frame!r}"
            raise InputError(f"{file}: expected whole episode_index and frame_index, came {came}; copy it again")
        rows.setdefault(index, []).append((frame, value))
    found = []
    for one in episodes:
        of_one = sorted(rows.get(one.index, []), key=lambda row: row[0])
        expected = 1 if "frame_index" in only else one.length
        if len(of_one) != expected or any(frame != number for number, (frame, _) in enumerate(of_one)):
            what = f"expected {expected} frames of episode {one.index}, numbered from 0, came {len(of_one)}"
            raise InputError(f"{file}: {what}; copy the dataset again")
        found.append((one, [value for _, value in of_one]))
    return found
