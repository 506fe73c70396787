"""HoloAssist (Wang et al., ICCV 2023): the published JSON of events, with lists of sessions.

    data-annotation-trainval-v1_1.json    a list of sessions: video_name, taskType, events: label, start and end in s,
                                          attributes: Verb, Noun, of fine actions also Action Correctness and
                                          Incorrect Action Explanation
    {train,val,test}-v1_2.txt             names of sessions, here or in a folder
    features*/<session>.npy

A class is verb and noun of the coarse-grained actions, or with `--level fine` of the fine-grained ones. Fine actions
that are not correct are mistakes on either level, with the published words as tag. The annotations of the test part are
not published: the validation sessions are the test part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from protas_gtcc.errors import InputError
from protas_gtcc.layouts.base import choose_level
from protas_gtcc.layouts.features import find_feature_folders
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.published_lists import published_split
from protas_gtcc.layouts.segment_tables import AnnotatedVideo, Mistaken, TimedSegment, timed_segment
from protas_gtcc.layouts.text import json_field, read_json, read_video_list
from protas_gtcc.layouts.timed import BACKGROUND, TimedLayout, open_timed

LEVELS = {"coarse": "Coarse grained action", "fine": "Fine grained action"}
_CORRECT = "Correct Action"
_NOTHING = ("none", "")
_LIST = re.compile(r"(?P<part>train|val|test)(?:-v[\d_]+)?\.txt")
_PARTS = {"train": "train", "val": "validation", "test": "test"}


@dataclass(kw_only=True)
class HoloAssistLayout(TimedLayout):
    """The opened annotations of HoloAssist."""

    last_end_is_end = True
    has_mistakes = True


def is_holoassist(path: Path) -> bool:
    """Whether a path is a folder with `data-annotation-*.json`, or that file."""
    return _file(path) is not None


def open_holoassist(path: Path, options: LayoutOptions) -> HoloAssistLayout:
    """Open the file with the lists beside it. Raises `InputError` for what is wrong in them."""
    file = _file(path)
    assert file is not None, "is_holoassist"
    level, sessions = choose_level(tuple(LEVELS), options, file), read_json(file)
    if not isinstance(sessions, list):
        raise InputError(f"{file}: expected a list of sessions, came {type(sessions).__name__}; copy it again")
    videos: dict[str, AnnotatedVideo] = {}
    for number, session in enumerate(sessions, start=1):
        video = _name(json_field(session, "video_name", str, f"{file}, session {number}"))
        if video in videos:
            raise InputError(f"{file}, session {number}: video {video} comes twice; keep one")
        videos[video] = _read_session(file, video, session, level)
    without = [video for video, one in videos.items() if not one.segments]
    notices = [f"{len(without)} of {len(videos)} sessions have no {level} action, left out"] if without else []
    kept = {video: one for video, one in videos.items() if one.segments}
    split, more = published_split(_lists(file.parent, without), kept, withheld=True)
    sets = find_feature_folders(file.parent, options.feature_folders)
    splits, notices = {"1": split} if split else {}, [*notices, *more]
    layout = open_timed(HoloAssistLayout, file.parent, options, kept, sets, splits=splits, notices=notices)
    layout.levels = tuple(LEVELS)
    return layout


def _read_session(file: Path, video: str, session: Any, level: str) -> AnnotatedVideo:
    where = f"{file}, video {video}"
    one = AnnotatedVideo(file, [], " ".join(str(session.get("taskType", "")).split()))
    fine: list[Mistaken] = []
    for number, event in enumerate(json_field(session, "events", list, where), start=1):
        label = json_field(event, "label", str, f"{where}, event {number}")
        if label not in LEVELS.values():
            continue
        attributes = json_field(event, "attributes", dict, f"{where}, event {number}")
        name = " ".join(_words(attributes))
        segment = timed_segment(event.get("start"), event.get("end"), name, where, number, "event")
        if label == LEVELS[level]:
            one.segments.append(segment)
        if label == LEVELS["fine"] and (tag := str(attributes.get("Action Correctness", _CORRECT))) != _CORRECT:
            why = str(attributes.get("Incorrect Action Explanation") or "")
            fine.append((segment, tag, "" if why.casefold() in _NOTHING else " ".join(why.split())))
    one.mistakes = (
        fine if level == "fine" else [(_in_step(segment, one.segments), tag, why) for segment, tag, why in fine]
    )
    return one


def _in_step(mistake: TimedSegment, steps: Iterable[TimedSegment]) -> TimedSegment:
    """The times of a mistake, with the class of the step in which it begins, of several the last one."""
    during = [step.name for step in steps if step.start <= mistake.start < step.end]
    return replace(mistake, name=during[-1] if during else BACKGROUND)


def _words(attributes: dict[str, Any]) -> Iterator[str]:
    """Verb and noun in lower case, of several the first."""
    for key in ("Verb", "Noun"):
        value = attributes.get(key, "")
        text = str(value[0] if isinstance(value, list) and value else value).casefold().strip()
        if text not in _NOTHING:
            yield text


def _name(text: str) -> str:
    """A session's name: links have `%20` in place of a space."""
    return text.replace("%20", " ")


def _lists(folder: Path, left_out: Iterable[str]) -> dict[str, list[tuple[Path, list[str]]]]:
    """Part -> its lists, without the sessions that have no action of the level."""
    parts: dict[str, list[tuple[Path, list[str]]]] = {}
    for file in sorted([*folder.glob("*.txt"), *folder.glob("*/*.txt")]):
        if found := _LIST.fullmatch(file.name):
            names = [name for name in map(_name, read_video_list(file)) if name not in {*left_out}]
            parts.setdefault(_PARTS[found["part"]], []).append((file, names))
    return parts


def _file(path: Path) -> Path | None:
    """The JSON in a folder, the newest version by its name; or the path itself, if it is named so."""
    found = sorted(path.glob("data-annotation-*.json")) if path.is_dir() else [path] * path.is_file()
    named = [file for file in found if file.name.startswith("data-annotation-") and file.suffix == ".json"]
    return named[-1] if named else None
