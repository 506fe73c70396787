"""MediaPipe's landmarks in JSON. MediaPipe has no file format; this is what programs write of its results.

The file is a list of frames, or an object with the list `frames`. A frame is an object with some of

    pose_landmarks, left_hand_landmarks, right_hand_landmarks, face_landmarks, landmarks       points, or null
    hand_landmarks, multi_hand_landmarks                                                       points of each hand
    handedness, multi_handedness                                                               Left or Right of each

Points are a list of {x, y, z, visibility} or of [x, y, z, visibility], where z and visibility may be absent; such a
list in a list is that of the first person. Landmarks in the world's coordinates are not read. If frames have a number,
`frame` or `frame_index`, those that are not listed are frames without points.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.storage.keypoints.points import Keypoints

_PARTS = {"pose": 33, "left_hand": 21, "right_hand": 21, "face": 478, "": None}
"""Parts of a body in the order of the features, with their numbers of points; those without a name have any."""
_HANDS = ("hand_landmarks", "multi_hand_landmarks")
_SIDES = ("handedness", "multi_handedness")
_NUMBERS = ("frame", "frame_index")
_MOST_FRAMES, _MOST_ABSENT = 10_000, 100
"""Highest number of a frame; above it, so many frames for each that is listed."""
_AXES = ("x", "y", "z", "visibility")


def read_mediapipe(path: Path) -> Keypoints:
    """The points `[T, K, 3]` of all parts that any frame has. Raises `InputError` for JSON of another form."""
    frames = _frames(path)
    found = [_parts_of(frame, f"{path}, frame {number}") for number, frame in enumerate(frames)]
    numbers = _frame_numbers(frames, path)
    sizes = _sizes(found, path)
    if not sizes:
        raise InputError(f"{path} has no landmarks in {len(frames)} frames; expected pose_landmarks or the like")
    values = np.full((numbers[-1] + 1, sum(sizes.values()), 4), np.nan, np.float32)
    for number, parts in zip(numbers, found, strict=True):
        start = 0
        for part, size in sizes.items():
            points = parts.get(part)
            if points is not None:
                values[number, start : start + size] = points
            start += size
    return Keypoints(values[:, :, :3], values[:, :, 3])


def _frames(path: Path) -> list[Mapping[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON that can be read ({error}); write it again") from error
    frames = content.get("frames") if isinstance(content, dict) else content
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise InputError(f"{path} is not a list of frames with landmarks of MediaPipe; write one object a frame")
    return frames


def _parts_of(frame: Mapping[str, Any], where: str) -> dict[str, np.ndarray | None]:
    """Part -> its points `[n, 4]`, NaN for what is not known; None for a part that is named and not there."""
    parts: dict[str, np.ndarray | None] = {}
    for part in _PARTS:
        name = f"{part}_landmarks" if part else "landmarks"
        if name in frame:
            parts[part] = _points(_first_person(frame[name]), where)
    for name in filter(frame.__contains__, _HANDS):
        parts |= {"left_hand": None, "right_hand": None}
        sides: Any = next((frame[side] for side in _SIDES if side in frame), [])
        hands = frame[name] if isinstance(frame[name], list) else []
        for index, hand in enumerate(hands):
            side = f"{_side(sides, index)}_hand"
            if side not in parts:
                raise InputError(f"{where}: hand {index} has no handedness Left or Right; write it with the landmarks")
            parts[side] = _points(_first_person(hand), where)
    return parts


def _side(sides: Any, index: int) -> str:
    """`left` or `right` from a name, from a category, or from a list of categories, the likeliest first."""
    side = sides[index] if isinstance(sides, list) and index < len(sides) else None
    while isinstance(side, list | dict) and side:
        if isinstance(side, list):
            side = side[0]
        else:
            names = ("category_name", "categoryName", "label", "classification")
            side = next((side[name] for name in names if name in side), None)
    return str(side).casefold()


def _first_person(points: Any) -> Any:
    """The list of points in one of the forms in which it comes; None if there is none."""
    if isinstance(points, dict):
        points = points.get("landmark")
    is_nested = isinstance(points, list) and points and isinstance(points[0], list)
    if is_nested and points[0] and isinstance(points[0][0], dict | list):
        return points[0]
    return points or None


def _points(points: Any, where: str) -> np.ndarray | None:
    if points is None:
        return None
    values = np.full((len(points) if isinstance(points, list) else 0, 4), np.nan, np.float32)
    try:
        for row, point in zip(values, points, strict=True):
            numbers = [point.get(axis) for axis in _AXES] if isinstance(point, dict) else list(point)
            for column, number in enumerate(numbers[:4]):
                row[column] = np.nan if number is None else float(number)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: expected points with x, y and z ({error}); correct it") from error
    values[:, 2] = np.where(np.isnan(values[:, 2]) & ~np.isnan(values[:, 0]), 0, values[:, 2])
    return values


def _frame_numbers(frames: Sequence[Mapping[str, Any]], path: Path) -> list[int]:
    """The number of each frame, ascending."""
    name = next((name for name in _NUMBERS if all(name in frame for frame in frames)), None)
    if name is None:
        return list(range(len(frames)))
    numbers = [frame[name] for frame in frames]
    most = max(_MOST_FRAMES, _MOST_ABSENT * len(frames))
    is_whole = all(type(number) is int and 0 <= number < most for number in numbers)
    if not is_whole or any(after <= before for before, after in pairwise(numbers)):
        expected = f"whole numbers below {most}, each above the one before"
        raise InputError(f"{path}: expected {name} to be {expected}; correct them")
    return numbers


def _sizes(found: Sequence[Mapping[str, np.ndarray | None]], path: Path) -> dict[str, int]:
    """The number of points of each part that any frame names."""
    sizes: dict[str, int] = {}
    for part, usual in _PARTS.items():
        if not any(part in parts for parts in found):
            continue
        counts = {len(points) for parts in found if (points := parts.get(part)) is not None}
        if len(counts) > 1:
            what = f"{part or 'landmarks'} has {min(counts)} points in one frame, {max(counts)} in another"
            raise InputError(f"{path}: {what}; write the landmarks of one model")
        if counts or usual:
            sizes[part] = counts.pop() if counts else int(usual or 0)
    return sizes
