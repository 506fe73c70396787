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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from protas_gtcc.errors import InputError
from protas_gtcc.layouts.base import choose_level
from protas_gtcc.layouts.features import find_feature_folders
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.published_lists import PART_CALLED, published_split
from protas_gtcc.layouts.segment_tables import AnnotatedVideo, action_segment, add_video
from protas_gtcc.layouts.text import read_video_list
from protas_gtcc.layouts.timed import BACKGROUND, Annotations, TimedLayout, open_timed
from protas_gtcc.storage.json_values import json_field, one_line
from protas_gtcc.storage.text_files import read_json

LEVELS = {"coarse": "Coarse grained action", "fine": "Fine grained action"}
_CORRECT = "Correct Action"
_NOTHING = ("none", "")
_FILE = re.compile(r"data-annotation-.*\.json")
_LIST = re.compile(r"(?P<part>train|val|test)(?:-v[\d_]+)?\.txt")


@dataclass(kw_only=True)
class HoloAssistLayout(TimedLayout):
    """The opened annotations of HoloAssist."""

    last_end_is_end = True
    has_mistakes = True


def is_holoassist(path: Path) -> bool:
    """Whether a path is a folder with `data-annotation-*.json`, or that file."""
    return bool(_files(path))


def open_holoassist(path: Path, options: LayoutOptions) -> HoloAssistLayout:
    """Open the file with the lists beside it. Raises `InputError` for what is wrong in them."""
    file = _files(path)[-1]
    level, sessions = choose_level(tuple(LEVELS), options, file), read_json(file)
    if not isinstance(sessions, list):
        raise InputError(f"{file}: expected a list of sessions, came {type(sessions).__name__}; copy it again")
    videos: dict[str, AnnotatedVideo] = {}
    for number, session in enumerate(sessions, start=1):
        name = _name(json_field(session, "video_name", str, f"{file}, session {number}"))
        add_video(videos, name, _read_session(file, name, session, level))
    kept = {name: one for name, one in videos.items() if one.segments}
    notices = []
    if len(kept) < len(videos):
        notices.append(f"{len(videos) - len(kept)} of {len(videos)} sessions have no {level} action, left out")
    parts: dict[str, list[tuple[Path, list[str]]]] = {}
    for one in sorted([*file.parent.glob("*.txt"), *file.parent.glob("*/*.txt")]):
        if part := _LIST.fullmatch(one.name):
            names = [name for name in map(_name, read_video_list(one)) if name in kept or name not in videos]
            parts.setdefault(PART_CALLED[part["part"]], []).append((one, names))
    split, more = published_split(parts, kept, withheld=True)
    sets, splits = find_feature_folders(file.parent, options.feature_folders), {"1": split} if split else {}
    found = Annotations(kept, splits=splits, notices=[*notices, *more], levels=tuple(LEVELS))
    return open_timed(HoloAssistLayout, file.parent, options, sets, found)


def _read_session(file: Path, name: str, session: Any, level: str) -> AnnotatedVideo:
    """The actions of a session's level, and the mistakes."""
    where, one, wrong = f"{file}, video {name}", AnnotatedVideo(file, [], one_line(session.get("taskType"))), []
    for number, event in enumerate(json_field(session, "events", list, where), start=1):
        label = json_field(event, "label", str, f"{where}, event {number}")
        if label in LEVELS.values():
            attributes = json_field(event, "attributes", dict, f"{where}, event {number}")
            action = " ".join(filter(None, (_first(attributes.get(key)) for key in ("Verb", "Noun"))))
            segment = action_segment(event.get("start"), event.get("end"), action, where, number, "event")
            one.segments += [segment] if label == LEVELS[level] else []
            tag = one_line(attributes.get("Action Correctness", _CORRECT))
            if label == LEVELS["fine"] and tag != _CORRECT:
                wrong.append((segment, tag, one_line(attributes.get("Incorrect Action Explanation"), _NOTHING)))
    for segment, tag, why in wrong:
        during = [step.name for step in one.segments if step.start <= segment.start < step.end]
        step = segment.name if level == "fine" else during[-1] if during else BACKGROUND
        one.mistakes.append((replace(segment, name=step), tag, why))
    return one


def _first(value: Any) -> str:
    """A verb or a noun in lower case, of several the first."""
    return one_line(value[0] if isinstance(value, list) and value else value, _NOTHING).casefold()


def _name(text: str) -> str:
    """A session's name: links have `%20` in place of a space."""
    return text.replace("%20", " ")


def _files(path: Path) -> list[Path]:
    """The JSON in a folder, its versions in the order of their names; or the path itself, if it is named so."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    return [file for file in files if file.is_file() and _FILE.fullmatch(file.name)]
