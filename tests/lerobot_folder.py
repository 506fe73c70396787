"""A tiny LeRobotDataset v3 with subtasks in any of the forms in which they are published."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import parquet

FPS = 10
LENGTHS = (30, 40, 20, 30)
NAMES = ("grasp", "lift", "release")
SHARES = (0.2, 0.5, 1.0)
"""Where each subtask ends, in a share of its episode."""


def _write(file: Path, columns: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table(dict(columns)), file)


def ends(length: int) -> list[int]:
    """The end of each subtask, in frames, exclusive."""
    return [round(share * length) for share in SHARES]


def write_lerobot(root: Path, forms: Collection[str] = ("subtask_index",), without: Collection[int] = ()) -> Path:
    """Four episodes in two files of data, without subtasks in those of `without`."""
    features: dict[str, Any] = {
        "observation.state": {"dtype": "float32", "shape": [3], "names": None},
        "observation.images.top": {"dtype": "video", "shape": [96, 96, 3], "names": None},
        "action": {"dtype": "float32", "shape": [3], "names": None},
    }
    if "subtask_index" in forms:
        features["subtask_index"] = {"dtype": "int64", "shape": [1], "names": None}
        _write(root / "meta/subtasks.parquet", {"subtask_index": [0, 1, 2], "subtask": [*NAMES]})
    if "language" in forms:
        features["language_persistent"] = {"dtype": "language", "shape": [1], "names": None}
    info = {"codebase_version": "v3.0", "fps": FPS, "total_episodes": len(LENGTHS), "features": features}
    info |= {"total_frames": sum(LENGTHS), "splits": {"train": "0:3", "test": "3:4"}}
    info["data_path"] = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    (root / "meta").mkdir(parents=True, exist_ok=True)
    (root / "meta/info.json").write_text(json.dumps(info))
    episodes: dict[str, list[Any]] = {name: [] for name in ("episode_index", "length", "tasks", "dataset_from_index")}
    episodes |= {"data/chunk_index": [0] * 4, "data/file_index": [0, 0, 1, 1]}
    for level in ("dense", "sparse"):
        if level in forms:
            episodes |= {f"{level}_subtask_{one}": [] for one in ("names", "start_frames", "end_frames")}
    data: dict[int, list[dict[str, Any]]] = {0: [], 1: []}
    first = 0
    for index, length in enumerate(LENGTHS):
        after, known = ends(length), index not in without
        episodes["episode_index"].append(index)
        episodes["length"].append(length)
        episodes["tasks"].append(["Move the cube"])
        episodes["dataset_from_index"].append(first)
        for level in ("dense", "sparse"):
            if level in forms:
                episodes[f"{level}_subtask_names"].append([*NAMES] if known else None)
                episodes[f"{level}_subtask_start_frames"].append([0, *after[:-1]] if known else None)
                episodes[f"{level}_subtask_end_frames"].append([*(np.array(after) - 1).tolist()] if known else None)
        spoken = [
            {"role": "assistant", "content": name, "style": "subtask", "timestamp": start / FPS}
            for name, start in zip(NAMES, [0, *after[:-1]], strict=True)
        ]
        plan = {"role": "assistant", "content": "1. grasp", "style": "plan", "timestamp": 0.0}
        for frame in range(length):
            row: dict[str, Any] = {"episode_index": index, "frame_index": frame, "index": first + frame}
            row |= {"timestamp": frame / FPS, "observation.state": [index, frame, 1.0], "action": [0.0] * 3}
            if "subtask_index" in forms:
                row["subtask_index"] = int(np.searchsorted(after, frame, "right")) if known else -1
            if "language" in forms:
                row["language_persistent"] = [plan, *spoken] if known else [plan]
            data[episodes["data/file_index"][index]].append(row)
        first += length
    for number, rows in data.items():
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        _write(root / f"data/chunk-000/file-{number:03d}.parquet", columns)
    _write(root / "meta/episodes/chunk-000/file-000.parquet", episodes)
    return root
