"""The files of a LeRobotDataset v3: its episodes, and the subtasks that were annotated in them.

    meta/info.json                  codebase_version, fps, total_episodes, data_path, features, splits
    meta/episodes/*/*.parquet       episode_index, length, tasks, dataset_from_index, data/chunk_index, data/file_index
    data/chunk-000/file-000.parquet episode_index, frame_index and a column for each feature; several episodes a file

Subtasks are in one of four forms, or in several:

    subtask_index   column of data/ with rows of meta/subtasks.parquet (LeRobot 0.4 and 0.5); null or below 0 is none
    language        column language_persistent of data/ with rows of style `subtask`, each until the next (LeRobot 0.6)
    dense, sparse   columns {dense,sparse}_subtask_{names,start_frames,end_frames} of meta/episodes/ (SARM's); frames
                    of the episode, the end included, and a frame of two subtasks is of the first
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from protas_gtcc.annotations.resampling import require_rate
from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.text import json_field, read_json
from protas_gtcc.storage.parquet import read_parquet

INFO, EPISODES, SUBTASKS = "meta/info.json", "meta/episodes", "meta/subtasks.parquet"
LEVELS = ("subtask_index", "language", "dense", "sparse")
_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_NEEDED = ("episode_index", "length", "dataset_from_index", "data/chunk_index", "data/file_index")
_OF_SUBTASKS = ("names", "start_frames", "end_frames")
_ROUNDING_FRAMES = 1e-3

Subtask = tuple[int, int, str]
"""Start and end in frames of the episode, end exclusive, and its name."""


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
    annotated: Mapping[str, list[Subtask]] = field(default_factory=dict)
    """Level -> subtasks, of those that the table of episodes has."""

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
    extra = [f"{level}_subtask_{one}" for level in ("dense", "sparse") for one in _OF_SUBTASKS]
    legacy = {f"sparse_subtask_{one}": f"subtask_{one}" for one in _OF_SUBTASKS}
    table = read_parquet(file, _NEEDED, ("tasks", *extra, *legacy.values()))
    table |= {name: table[old] for name, old in legacy.items() if name not in table and old in table}
    for row in range(len(table["length"])):
        cells = {name: values[row] for name, values in table.items()}
        index, length, first, chunk, number = (cells[name] for name in _NEEDED)
        if not all(type(one) is int and one >= 0 for one in (index, length, first, chunk, number)) or not length:
            raise InputError(f"{file}, row {row + 1}: expected whole numbers from 0 on, and a length; copy it again")
        where, annotated = f"{file}, episode {index}", {}
        for level in ("dense", "sparse"):
            lists = [cells.get(f"{level}_subtask_{one}") for one in _OF_SUBTASKS]
            if lists[0]:
                annotated[level] = _from_frames(where, lists, length)
        data = root / str(info.get("data_path") or _DATA).format(chunk_index=chunk, file_index=number)
        task = ", ".join(map(str, cells.get("tasks") or []))
        yield Episode(index, length, first, data, " ".join(task.split()), annotated)


def available_levels(root: Path, info: Mapping[str, Any], episodes: list[Episode]) -> tuple[str, ...]:
    """The forms of subtasks that a dataset has. Raises `InputError` if it has none."""
    features = info["features"]
    has = {
        "subtask_index": "subtask_index" in features and (root / SUBTASKS).is_file(),
        "language": "language_persistent" in features,
        **{level: any(level in one.annotated for one in episodes) for level in ("dense", "sparse")},
    }
    found = tuple(level for level in LEVELS if has[level])
    if not found:
        forms = "subtask_index, language_persistent, or dense or sparse subtasks in meta/episodes"
        raise InputError(f"{root} has no subtasks: expected {forms}; annotate its episodes first")
    return found


def read_subtasks(root: Path, info: Mapping[str, Any], episodes: list[Episode], level: str) -> dict[str, list[Subtask]]:
    """Video -> its subtasks, of those episodes that have some. Raises `InputError` for what is wrong in them."""
    if level in ("dense", "sparse"):
        return {one.name: one.annotated[level] for one in episodes if level in one.annotated}
    subtasks = {}
    names = _read_names(root / SUBTASKS) if level == "subtask_index" else {}
    column, only = ("language_persistent", {"frame_index": 0}) if level == "language" else (level, {})
    for file, here in groupby(sorted(episodes, key=lambda one: one.data), key=lambda one: one.data):
        values = _read_file(file, list(here), column, only)
        for one, of_one in values:
            spoken = level == "language"
            found = _from_language(one, of_one, float(info["fps"])) if spoken else _from_indices(one, of_one, names)
            if found:
                subtasks[one.name] = found
    return subtasks


def read_column(episode: Episode, name: str) -> list[Any]:
    """One column of an episode, frame by frame. Raises `InputError` if it has not as many frames as its length."""
    return _read_file(episode.data, [episode], name, {"episode_index": episode.index})[0][1]


def _read_file(
    file: Path, episodes: list[Episode], name: str, only: Mapping[str, int]
) -> list[tuple[Episode, list[Any]]]:
    """One column of the episodes in a file, of all their frames or of the first."""
    if not file.is_file():
        raise InputError(f"no file {file}, which has episode {episodes[0].index}; copy the dataset again")
    table = read_parquet(file, ("episode_index", "frame_index", name), (), **only)
    rows: dict[int, list[tuple[int, Any]]] = {}
    for index, *row in zip(*table.values(), strict=True):
        rows.setdefault(index, []).append((row[0], row[1]))
    found = []
    for one in episodes:
        of_one = sorted(rows.get(one.index, []), key=lambda row: row[0])
        expected = range(1 if "frame_index" in only else one.length)
        if [frame for frame, _ in of_one] != [*expected]:
            what = f"expected {len(expected)} frames of episode {one.index}, numbered from 0, came {len(of_one)}"
            raise InputError(f"{file}: {what}; copy the dataset again")
        found.append((one, [value for _, value in of_one]))
    return found


def _from_frames(where: str, lists: list[Any], length: int) -> list[Subtask]:
    counts = [len(one or []) for one in lists]
    if len({*counts}) > 1:
        raise InputError(f"{where}: expected as many names as starts and ends, came {counts}; annotate it again")
    subtasks, free = [], 0
    for number, (name, start, end) in enumerate(zip(*lists, strict=True), start=1):
        if not (isinstance(name, str) and name.strip()) or not 0 <= start <= end or start >= length:
            what = f"subtask {number} is {name!r} from frame {start} to {end} of {length}"
            raise InputError(f"{where}: {what}; expected 0 <= start <= end within the episode: annotate it again")
        first, after = max(start, free), min(end + 1, length)
        if first < after:
            subtasks.append((first, after, " ".join(name.split())))
            free = after
    return subtasks


def _from_language(episode: Episode, first: list[Any], fps: float) -> list[Subtask]:
    rows = [row for row in first[0] or [] if row.get("style") == "subtask" and (row.get("content") or "").strip()]
    rows.sort(key=lambda row: row["timestamp"])
    starts = [max(0, math.ceil(row["timestamp"] * fps - _ROUNDING_FRAMES)) for row in rows]
    ends = [*starts[1:], episode.length][: len(starts)]
    if starts and starts[-1] >= episode.length:
        what = f"a subtask of episode {episode.index} starts at frame {starts[-1]} of {episode.length}"
        raise InputError(f"{episode.data}: {what}; annotate it again")
    names = [" ".join(row["content"].split()) for row in rows]
    return [one for one in zip(starts, ends, names, strict=True) if one[0] < one[1]]


def _from_indices(episode: Episode, indices: list[Any], names: Mapping[int, str]) -> list[Subtask]:
    subtasks: list[Subtask] = []
    for frame, index in enumerate(indices):
        if index is None or index < 0:
            continue
        if index not in names:
            what = f"episode {episode.index}, frame {frame}: unknown subtask_index {index}"
            raise InputError(f"{episode.data}, {what}; {SUBTASKS} must have it: it has {listed(names)}")
        if subtasks and subtasks[-1][1:] == (frame, names[index]):
            subtasks[-1] = (subtasks[-1][0], frame + 1, names[index])
        else:
            subtasks.append((frame, frame + 1, names[index]))
    return subtasks


def _read_names(file: Path) -> dict[int, str]:
    """Subtask index -> its text."""
    table = read_parquet(file, ("subtask_index", "subtask"))
    return {index: " ".join(str(text).split()) for index, text in zip(*table.values(), strict=True)}
