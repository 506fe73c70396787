"""EgoProceL in the JSON that the GTCC authors published, with a folder of features.

    egoprocel.json             task -> handles, hdl_actions, hdl_start_times, hdl_end_times
    egoprocel-id2action.txt    id name
    data_splits.json           splits -> task -> train, val, test (without it, a split is drawn by a seed)
    features*/<handle>.npy

Times are whole frames at 10 fps, end exclusive, without gaps. A handle is a video.

The five CMU tasks (`*.cmu`) have five or six annotations for each recording session, one for each camera, session by
session. But they have only one handle a session, and one of the tasks has a session without a handle. So handle i does
not belong to annotation i there, although the authors' loader pairs them by position. The lengths of the features
decide: of all pairings that keep the order, the one whose lengths agree best is taken. Without features the authors'
pairing is taken, and a notice warns of it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.annotations.files.formats import format_of
from protas_gtcc.annotations.resampling import LONGEST_SECONDS, MOST_FRAMES
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.base import Layout, background_ids
from protas_gtcc.layouts.features import find_feature_folders
from protas_gtcc.layouts.lengths import default_tolerance
from protas_gtcc.layouts.mapping import read_mapping
from protas_gtcc.layouts.names import find_name
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.storage.text_files import read_json

ANNOTATION_FPS = 10.0
_LISTS = ("hdl_actions", "hdl_start_times", "hdl_end_times")
_PARTS = {"train": "train", "val": "validation", "test": "test"}
_SHARES = {"train": 0.75, "validation": 0.10}
_SURPLUS = "more annotations than handles in"


@dataclass(frozen=True)
class _Annotation:
    """Where the segments of a video are: entry `index` of the lists of a task."""

    task: str
    index: int


@dataclass(kw_only=True)
class EgoProceLLayout(Layout):
    """The opened JSON of EgoProceL."""

    tasks: Mapping[str, Any]
    class_ids: Mapping[str, int]
    """Class of each id in the JSON."""
    annotations: dict[str, _Annotation] = field(default_factory=dict)

    def labels(self, video: str) -> np.ndarray:
        """Class ids of one video at the annotations' rate, int32 `[T]`."""
        where = self.annotations[video]
        names, starts, ends = (self.tasks[where.task][key][where.index] for key in _LISTS)
        source = self.labels_source(video)
        if not len(names) == len(starts) == len(ends) > 0:
            counts = f"{len(names)} actions, {len(starts)} starts and {len(ends)} ends"
            raise InputError(f"{source}: expected as many actions as starts and ends, came {counts}; correct the JSON")
        unknown = [name for name in names if str(name) not in self.class_ids]
        if unknown:
            known = f"the ids are {listed(self.class_ids)}"
            raise InputError(f"{source}: unknown class id {unknown[0]!r}, {known}; correct the JSON")
        bounds = np.array([*starts, ends[-1]])
        if not np.issubdtype(bounds.dtype, np.integer) or starts[0] != 0 or list(starts[1:]) != list(ends[:-1]):
            raise InputError(
                f"{source}: segments must be whole frames from 0 on, each starting where the one before ends; "
                "correct the JSON"
            )
        if (np.diff(bounds) <= 0).any():
            raise InputError(f"{source}: segment {int(np.argmin(np.diff(bounds)))} has no frames; correct the JSON")
        return np.repeat(np.array([self.class_ids[str(name)] for name in names], dtype=np.int32), np.diff(bounds))

    def labels_source(self, video: str) -> str:
        """File, task and entry."""
        where = self.annotations[video]
        return f"{self.path}, {where.task}, annotation {where.index} ({video})"

    def task(self, video: str) -> str:
        """The task's key in the JSON."""
        return self.annotations[video].task

    def pair_by_length(self, feature_set: str, num_feature_frames: Mapping[str, float]) -> None:
        """Pair handles with annotations by length, in the tasks that have more annotations than handles."""
        paired = []
        for task in _tasks_with_surplus(self.tasks):
            handles = self.tasks[task]["handles"]
            if not all(handle in num_feature_frames for handle in handles):
                continue
            lengths = np.array([num_feature_frames[handle] for handle in handles])
            ends = np.array([max(ends, default=0) for ends in self.tasks[task]["hdl_end_times"]])
            pairing = pair_in_order(lengths, ends)
            self.annotations.update({h: _Annotation(task, int(i)) for h, i in zip(handles, pairing, strict=True)})
            off = np.abs(lengths - ends[pairing])
            doubtful = int((off > [default_tolerance(float(n), self.annotation_fps) for n in lengths]).sum())
            paired.append(f"{task} ({doubtful} doubtful)" if doubtful else task)
        if paired:
            self.notices = [notice for notice in self.notices if not notice.startswith(_SURPLUS)]
            how = f"paired in order by the lengths of {feature_set}"
            self.notices.append(f"{_SURPLUS} {', '.join(paired)} (one for each camera): {how}")


def pair_in_order(lengths: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Pair N lengths with N of M >= N `ends`, in order, so that the sum of |length - end| is least.

    Returns the increasing indices into `ends`, int64 `[N]`; of equal pairings the one with the earliest indices.
    """
    least = np.full((len(lengths) + 1, len(ends) + 1), np.inf)  # least[n, m]: n lengths paired among the first m ends
    least[0] = 0
    for n, length in enumerate(lengths, start=1):
        least[n, 1:] = np.minimum.accumulate(least[n - 1, :-1] + np.abs(length - ends))
    pairing, m = np.zeros(len(lengths), dtype=np.int64), len(ends)
    for n in range(len(lengths), 0, -1):
        m = int(np.argmax(least[n, : m + 1] == least[n, m])) - 1
        pairing[n - 1] = m
    return pairing


def is_egoprocel(path: Path) -> bool:
    """Whether a path is a JSON file, or a folder with an `egoprocel.json`; not that of an annotation tool."""
    file = _json_file(path)
    return file.is_file() and file.suffix == ".json" and format_of(file) is None


def open_egoprocel(path: Path, options: LayoutOptions) -> EgoProceLLayout:
    """Open EgoProceL's JSON with the files beside it. Raises `InputError` for what is wrong in them."""
    file = _json_file(path)
    tasks = read_json(file)
    fps = options.annotation_fps or ANNOTATION_FPS
    annotations, notices = _pair_by_position(tasks, file, fps)
    names_file = file.with_name(f"{file.stem}-id2action.txt")
    mapping = read_mapping(names_file)
    splits, split_notices = _read_splits(file.with_name("data_splits.json"), tasks, options)
    return EgoProceLLayout(
        path=file,
        name=options.name or file.stem,
        class_names=mapping.names,
        background=background_ids(mapping.names, options, names_file),
        splits=splits,
        video_names=list(annotations),
        feature_folders=find_feature_folders(file.parent, options.feature_folders),
        annotation_fps=fps,
        notices=mapping.notices + notices + split_notices,
        tasks=tasks,
        class_ids=mapping.by_own_id,
        annotations=annotations,
    )


def _json_file(path: Path) -> Path:
    return path / "egoprocel.json" if path.is_dir() else path


def _pair_by_position(tasks: Mapping[str, Any], file: Path, fps: float) -> tuple[dict[str, _Annotation], list[str]]:
    if not isinstance(tasks, dict) or not tasks:
        raise InputError(f"{file} has no tasks; write an object of tasks with handles and annotations")
    annotations: dict[str, _Annotation] = {}
    for task, content in tasks.items():
        if not isinstance(content, dict):
            raise InputError(f"{file}: task {task} is not an object with handles and annotations; correct the JSON")
        absent = [key for key in ("handles", *_LISTS) if not isinstance(content.get(key), list)]
        if absent:
            raise InputError(f"{file}: task {task} has no list {absent[0]}; add it")
        counts = {len(content[key]) for key in _LISTS}
        if len(counts) > 1 or min(counts) < len(content["handles"]):
            counted = f"{len(content['handles'])} handles and {listed(sorted(counts))} annotations"
            raise InputError(f"{file}: task {task} has {counted}; every handle needs one entry in each list")
        _check_entries(content, f"{file}: task {task}", min(MOST_FRAMES, int(LONGEST_SECONDS * fps)))
        for index, handle in enumerate(content["handles"]):
            if handle in annotations:
                where = f"in {annotations[handle].task} and {task}"
                raise InputError(f"{file}: handle {handle} comes twice, {where}; rename one")
            annotations[handle] = _Annotation(task, index)
    surplus = ", ".join(_tasks_with_surplus(tasks))
    how = "the first ones are taken, which is wrong for most videos; give --features and --fps"
    return annotations, [f"{_SURPLUS} {surplus} (one for each camera): {how}"] if surplus else []


def _check_entries(content: Mapping[str, Any], where: str, most_frames: int) -> None:
    """Raise `InputError` unless handles are texts, and annotations lists with times that a video can have."""
    for handle in content["handles"]:
        if not isinstance(handle, str):
            raise InputError(f"{where}: handle {handle!r} is no text; correct the JSON")
    for key in _LISTS:
        for number, entry in enumerate(content[key]):
            if not isinstance(entry, list):
                raise InputError(f"{where}: {key} {number} is {entry!r}, expected a list; correct the JSON")
            times = [] if key == "hdl_actions" else entry
            wrong = [one for one in times if type(one) not in (int, float) or not abs(one) <= most_frames]
            if wrong:
                expected = f"expected frames from 0 to {most_frames}, a day"
                raise InputError(f"{where}: {key} {number}: {expected}, came {wrong[0]!r}; correct the JSON")


def _tasks_with_surplus(tasks: Mapping[str, Any]) -> list[str]:
    return [task for task, content in tasks.items() if len(content["hdl_actions"]) > len(content["handles"])]


def _read_splits(
    file: Path, tasks: Mapping[str, Any], options: LayoutOptions
) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    split: dict[str, list[str]] = {part: [] for part in _PARTS.values()}
    if not file.is_file():
        if options.test_share is not None:
            return {}, []
        for task, content in tasks.items():
            for part, handles in _draw(content["handles"], f"{options.seed} {task}").items():
                split[part] += handles
        return {"1": split}, [f"no {file}: split 1 is drawn per task with seed {options.seed}, 75 / 10 / 15 %"]
    try:
        parts_of_tasks = read_json(file)["splits"]
        for task, parts in parts_of_tasks.items():
            for part, handles in parts.items():
                named = {h: find_name(h, tasks.get(task, {}).get("handles", [])) for h in handles}
                unknown = [h for h, known in named.items() if known is None]
                if unknown:
                    what = f"{task} {part} names {unknown[0]}, which is not one of its handles"
                    raise InputError(f"{file}: {what}; correct the list")
                split[_PARTS[part]] += [known for h in handles if (known := named[h])]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(
            f"{file} is not a list of videos by task and part ({error!r}); remove it to have a split drawn"
        ) from error
    left = sum(len(content["handles"]) for content in tasks.values()) - sum(map(len, split.values()))
    return {"1": split}, [f"{plural(left, 'video')} in no part of {file.name}, kept in the file"] if left else []


def _draw(handles: list[str], seed: str) -> dict[str, list[str]]:
    shuffled = sorted(handles)
    random.Random(seed).shuffle(shuffled)
    end_train = round(_SHARES["train"] * len(handles))
    end_validation = end_train + max(1, round(_SHARES["validation"] * len(handles)))
    return {
        "train": shuffled[:end_train],
        "validation": shuffled[end_train:end_validation],
        "test": shuffled[end_validation:],
    }
