"""Vidat's annotation files, JSON: `annotation.actionAnnotationList` in seconds, `config.actionLabelData` (its README).

Vidat's own `fps` is the rate at which it takes pictures, not that of the video, so it changes no times.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from protas_gtcc.annotations.files.format import Format
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.timed import (
    Annotation,
    AnnotationFile,
    WriteFacts,
    exact_seconds,
    milliseconds,
    timed_segment,
    video_of,
)
from protas_gtcc.errors import InputError
from protas_gtcc.storage.json_values import a_list, a_whole, an_object, one_line, text, write_json
from protas_gtcc.storage.text_files import read_json

_FPS, _FRAMES_A_KEYFRAME = 10, 50
"""Vidat's own preferences."""
_DEFAULT = "default"
_COLOURS = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
)
_OBJECT = {"id": 0, "name": _DEFAULT, "color": "#00ff00"}


def read(path: Path, video: str, options: AnnotationOptions) -> AnnotationFile:
    """Read the actions; descriptions are details. Raises `InputError` for another file, and an unknown action."""
    content = an_object(read_json(path), str(path))
    annotation = an_object(content.get("annotation"), f"{path}, annotation")
    config = an_object(content.get("config"), f"{path}, config")
    labels = _labels(config, f"{path}, config.actionLabelData")
    segments = []
    for row, action in enumerate(a_list(annotation.get("actionAnnotationList"), f"{path}, actionAnnotationList"), 1):
        one = an_object(action, f"{path}, row {row}")
        action_id = a_whole(one.get("action"), f"{path}, row {row}, action")
        if action_id not in labels:
            what = f"action {action_id} is none of config.actionLabelData"
            raise InputError(f"{path}, row {row}: {what}; add it there")
        name, detail = labels[action_id], one_line(one.get("description"))
        segments.append(timed_segment(str(path), row, one.get("start"), one.get("end"), name, detail))
    about = an_object(annotation.get("video", {}), f"{path}, annotation.video")
    media, length = str(about.get("src") or ""), about.get("duration")
    seconds = exact_seconds(length, f"{path}, annotation.video.duration") if length else None
    is_local = not media.startswith("blob")
    name = video_of(media, video) if is_local else video
    return AnnotationFile([Annotation(name, tuple(segments), seconds=seconds, media=media if is_local else "")])


def _labels(config: dict[str, Any], where: str) -> dict[int, str]:
    """Names of actions by their ids. Raises `InputError` for an id that comes twice."""
    labels: dict[int, str] = {}
    for label in a_list(config.get("actionLabelData"), where):
        one = an_object(label, where)
        number = a_whole(one.get("id"), f"{where}, id")
        if number in labels:
            raise InputError(f"{where}: id {number} comes twice; give each label its own")
        labels[number] = text(one.get("name"), f"{where}, name")
    return labels


def write(path: Path, annotations: Sequence[Annotation], facts: WriteFacts) -> None:
    """Write a file that Vidat opens; times of actions have all digits.

    Vidat wants a first label called `default`. It refuses a length that is not exactly that of a video that it has
    opened, and takes what is null from the video.
    """
    (one,) = annotations
    names = list(dict.fromkeys([_DEFAULT, *facts.class_names, *(segment.name for segment in one.segments)]))
    ids = {name: number for number, name in enumerate(names)}
    seconds = one.seconds or max((segment.end for segment in one.segments), default=Fraction(1))
    num_frames = max(1, int(seconds * _FPS))
    facts_of_video = dict.fromkeys(("frames", "duration", "height", "width"))
    about = {"src": one.media or f"video/{one.video}.mp4", "fps": _FPS, **facts_of_video}
    annotation: dict[str, Any] = {"video": about, "keyframeList": list(range(0, num_frames, _FRAMES_A_KEYFRAME))}
    annotation |= {f"{kind}AnnotationListMap": {} for kind in ("object", "region", "skeleton")}
    annotation["actionAnnotationList"] = [
        {
            "start": _number(segment.start),
            "end": _number(segment.end),
            "action": ids[segment.name],
            "object": 0,
            "color": _colour(ids[segment.name]),
            "description": "",
        }
        for segment in one.segments
    ]
    labels = [{"id": ids[name], "name": name, "color": _colour(ids[name]), "objects": [0]} for name in names]
    config = {"objectLabelData": [_OBJECT], "actionLabelData": labels, "skeletonTypeData": []}
    write_json(path, {"version": "2.1.0", "annotation": annotation, "config": config})


def _number(seconds: Fraction) -> float:
    return float(seconds) if seconds.denominator > 1000 else milliseconds(seconds) / 1000


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _is_it(head: str) -> bool:
    return re.search(r'"annotation"\s*:\s*\{', head) is not None and '"video"' in head


FORMAT = Format("vidat", "Vidat", (".json",), read, write, _is_it)
