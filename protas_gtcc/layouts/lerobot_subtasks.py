"""The subtasks of a LeRobotDataset's episodes, in the forms in which LeRobot and SARM annotate them.

    subtask_index   column of data/ with rows of meta/subtasks.parquet (LeRobot 0.4 and 0.5); null or below 0 is none
    language        column language_persistent of data/ with rows of style `subtask`, each until the next (LeRobot 0.6)
    dense, sparse   columns {dense,sparse}_subtask_{names,start_frames,end_frames} of meta/episodes/ (SARM's); frames
                    of the episode, the end included, and a frame of two subtasks is of the first

A dataset may have several. Each gives subtasks in frames of the episode, end exclusive.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.lerobot_files import Episode, read_columns
from protas_gtcc.storage.json_values import one_line
from protas_gtcc.storage.parquet import read_parquet

NAMES = "meta/subtasks.parquet"
LEVELS = ("subtask_index", "language", "dense", "sparse")
_ROUNDING_FRAMES = 1e-3

Subtask = tuple[int, int, str]
"""Start, end and name."""


def available_levels(root: Path, info: Mapping[str, Any], episodes: Iterable[Episode]) -> tuple[str, ...]:
    """The forms of subtasks that a dataset has. Raises `InputError` if it has none."""
    columns = {name for one in episodes for name in one.subtasks}
    has = {
        "subtask_index": "subtask_index" in info["features"] and (root / NAMES).is_file(),
        "language": "language_persistent" in info["features"],
        **{level: f"{level}_subtask_names" in columns for level in ("dense", "sparse")},
    }
    found = tuple(level for level in LEVELS if has[level])
    if not found:
        forms = "subtask_index, language_persistent, or dense or sparse subtasks in meta/episodes"
        raise InputError(f"{root} has no subtasks: expected {forms}; annotate its episodes first")
    return found


def read_subtasks(
    root: Path, info: Mapping[str, Any], episodes: Sequence[Episode], level: str
) -> dict[str, list[Subtask]]:
    """Video -> its subtasks, of those episodes that have some. Raises `InputError` for what is wrong in them."""
    if level in ("dense", "sparse"):
        found = [(one, _from_frames(root, one, level)) for one in episodes if f"{level}_subtask_names" in one.subtasks]
    elif level == "language":
        rows = _read(episodes, "language_persistent", frame_index=0)
        found = [(one, _from_language(one, first, float(info["fps"]))) for one, (first,) in rows]
    else:
        table = read_parquet(root / NAMES, ("subtask_index", "subtask"))
        names = {index: one_line(text) for index, text in zip(*table.values(), strict=True)}
        found = [(one, _from_indices(one, indices, names)) for one, indices in _read(episodes, "subtask_index")]
    return {one.name: subtasks for one, subtasks in found if subtasks}


def _read(episodes: Sequence[Episode], column: str, **only: int) -> list[tuple[Episode, list[Any]]]:
    """A column of all episodes, file by file."""
    files = groupby(sorted(episodes, key=lambda one: (one.data, one.index)), key=lambda one: one.data)
    return [row for file, here in files for row in read_columns(file, list(here), column, **only)]


def _from_frames(root: Path, episode: Episode, level: str) -> list[Subtask]:
    where = f"{root}, episode {episode.index}, {level} subtasks"
    lists = [episode.subtasks.get(f"{level}_subtask_{one}", []) for one in ("names", "start_frames", "end_frames")]
    counts = [len(one) for one in lists]
    if len({*counts}) > 1:
        raise InputError(f"{where}: expected as many names as starts and ends, came {counts}; annotate it again")
    subtasks, free = list[Subtask](), 0
    for number, (name, start, end) in enumerate(zip(*lists, strict=True), start=1):
        inside = all(type(one) is int for one in (start, end)) and 0 <= start <= end and start < episode.length
        if not one_line(name) or not inside:
            what = f"number {number} is {name!r} from frame {start} to {end} of {episode.length}"
            raise InputError(f"{where}: {what}; expected 0 <= start <= end within the episode: annotate it again")
        first, after = max(start, free), min(end + 1, episode.length)
        if first < after:
            subtasks.append((first, after, one_line(name)))
            free = after
    return subtasks


def _from_language(episode: Episode, rows: Any, fps: float) -> list[Subtask]:
    try:
        spoken = [row for row in rows or [] if row.get("style") == "subtask" and one_line(row.get("content"))]
        starts = [max(0, math.ceil(float(row["timestamp"]) * fps - _ROUNDING_FRAMES)) for row in spoken]
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError):
        what = f"language_persistent of episode {episode.index} has rows without style, content or timestamp"
        raise InputError(f"{episode.data}: {what}; annotate it again") from None
    if starts and max(starts) >= episode.length:
        what = f"a subtask of episode {episode.index} starts at frame {max(starts)} of {episode.length}"
        raise InputError(f"{episode.data}: {what}; annotate it again")
    named = sorted(zip(starts, (one_line(row["content"]) for row in spoken), strict=True), key=lambda one: one[0])
    ends = [*(start for start, _ in named), episode.length][1:]
    return [(start, end, name) for (start, name), end in zip(named, ends, strict=False) if start < end]


def _from_indices(episode: Episode, indices: Sequence[Any], names: Mapping[Any, str]) -> list[Subtask]:
    subtasks = list[Subtask]()
    for frame, index in enumerate(indices):
        if index is None or index != index or (isinstance(index, int | float) and index < 0):  # NaN: tables of pandas
            continue
        if index not in names:
            what = f"episode {episode.index}, frame {frame}: unknown subtask_index {index!r}"
            raise InputError(f"{episode.data}, {what}; {NAMES} must have it: it has {listed(names)}")
        if subtasks and subtasks[-1][1:] == (frame, names[index]):
            subtasks[-1] = (subtasks[-1][0], frame + 1, names[index])
        else:
            subtasks.append((frame, frame + 1, names[index]))
    return subtasks
