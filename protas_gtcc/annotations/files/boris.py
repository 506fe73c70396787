"""BORIS projects, JSON (Friard and Gamba, Methods in Ecology and Evolution 2016): observations with events.

A state event starts at its 1st, 3rd, … event and stops at its 2nd, 4th, …, for each subject, code and modifiers. Times
run on over the media that follow each other in the first player, and have the observation's offset in them.

The subject is the tier. The observation is the annotator where several have one video.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

from protas_gtcc.annotations.files.format import Format
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.state_events import Event, paired
from protas_gtcc.annotations.files.timed import (
    Annotation,
    AnnotationFile,
    WriteFacts,
    by_video,
    exact_seconds,
    milliseconds,
    video_of,
)
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.storage.json_values import a_list, an_object, text, write_json
from protas_gtcc.storage.text_files import read_json

NO_SUBJECT = "No focal subject"
"""As BORIS calls it."""
_VERSION = "7.0"


def read(path: Path, video: str, options: AnnotationOptions) -> AnnotationFile:
    """Read all observations. Raises `InputError` for another file, and for events that are none."""
    project = an_object(read_json(path), str(path))
    observations = an_object(project.get("observations"), f"{path}, observations")
    ethogram = an_object(project.get("behaviors_conf"), f"{path}, behaviors_conf")
    kinds = {str(one.get("code")): str(one.get("type", "")) for one in ethogram.values() if isinstance(one, dict)}
    points = {code for code, kind in kinds.items() if kind.casefold().startswith("point")}
    found, empty = AnnotationFile(), []
    for name, value in observations.items():
        where = f"{path}, observation {name!r}"
        observation = an_object(value, where)
        if observation.get("type") == "IMAGES":
            found.notices.append(f"observation {name!r} is of pictures, not of a video: left out")
            continue
        own = _observed(name, observation, points, where)
        empty += [] if own else [name]
        if len({one.media for one in own}) > 1:
            found.notices.append(f"observation {name!r} joins several media: times are divided among them")
        found.annotations += own
        unknown = {str(event[2]) for event in observation["events"]} - kinds.keys()
        if unknown:
            found.notices.append(f"observation {name!r}: {listed(sorted(unknown))} not in the ethogram, read as states")
    if not found.annotations:
        raise InputError(f"{path} has no observation with events; code one")
    if empty:
        found.notices.append(f"{plural(len(empty), 'observation')} without events left out: {listed(empty)}")
    found.annotations = _with_annotators(found.annotations)
    return found


def write(path: Path, annotations: Sequence[Annotation], facts: WriteFacts) -> None:
    """Write a project with an observation for each annotation; times are rounded to milliseconds."""
    names = list(dict.fromkeys([*facts.class_names, *(s.name for one in annotations for s in one.segments)]))
    subjects = sorted({one.tier for one in annotations} - {"", NO_SUBJECT})
    several = {video for video, own in by_video(annotations).items() if len({one.annotator for one in own}) > 1}
    observations: dict[str, Any] = {}
    for one in annotations:
        name = f"{one.video} ({one.annotator})" if one.video in several else one.video
        observations.setdefault(name, _written(one, facts))["events"] += _events(one)
    for observation in observations.values():
        observation["events"].sort(key=lambda event: event[0])
    project = {
        "time_format": "hh:mm:ss",
        "project_name": path.stem,
        "project_date": "2000-01-01T00:00:00",
        "project_description": "",
        "project_format_version": _VERSION,
        "subjects_conf": {str(i): {"key": "", "name": name, "description": ""} for i, name in enumerate(subjects)},
        "behaviors_conf": {str(i): _behavior(i, name) for i, name in enumerate(names)},
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "converters": {},
        "observations": observations,
    }
    write_json(path, project)


def _observed(name: str, observation: dict[str, Any], points: set[str], where: str) -> list[Annotation]:
    """The annotations of an observation: one for each subject and medium."""
    offset = _offset(observation, where)
    events = [
        _event(value, row, offset, where) for row, value in enumerate(a_list(observation.get("events"), where), 1)
    ]
    media, lengths = _media(observation, where)
    found = []
    for subject in dict.fromkeys(event.tier for event in events):
        own = [event for event in events if event.tier == subject]
        segments, opened, _ = paired(own, points)
        tier, observer = subject or NO_SUBJECT, name
        if len(media) < 2:
            video = video_of(media[0], name) if media else name
            length = lengths[0] if lengths else None
            medium = media[0] if media else ""
            one = Annotation(video, tuple(segments), tuple(opened), observer, tier, seconds=length, media=medium)
            found.append(one)
        else:
            found += _divided(media, lengths, Annotation(name, tuple(segments), tuple(opened), observer, tier))
    return found


def _divided(media: list[str], lengths: list[Fraction], whole: Annotation) -> list[Annotation]:
    """An annotation of media that follow each other, medium by medium; a segment over two of them is cut."""
    starts = list(accumulate(lengths[:-1], initial=Fraction(0)))
    ends = [*starts[1:], None]  # what is after the last medium stays in it
    found = []
    for path, length, start, end in zip(media, lengths, starts, ends, strict=True):
        inside = [
            replace(
                one, start=max(one.start, start) - start, end=(one.end if end is None else min(one.end, end)) - start
            )
            for one in whole.segments
            if (end is None or one.start < end) and (one.end > start or start == one.start)
        ]
        opened = [
            replace(one, start=one.start - start)
            for one in whole.open_events
            if start <= one.start and (end is None or one.start < end)
        ]
        if inside or opened:
            own = replace(whole, segments=tuple(inside), open_events=tuple(opened))
            found.append(replace(own, seconds=length, media=path, video=video_of(path)))
    return found


def _event(value: Any, row: int, offset: Fraction, where: str) -> Event:
    place = f"{where}, row {row}"
    cells = a_list(value, place)
    if len(cells) < 3:
        raise InputError(f"{place}: an event of {len(cells)} values; expected time, subject, code, modifiers, comment")
    time = without_offset(cells[0], offset, place)
    modifiers = text(cells[3], place) if len(cells) > 3 else ""
    return Event(time, text(cells[2], place), text(cells[1], place), modifiers, row, place)


def without_offset(time: object, offset: object, where: str) -> Fraction:
    """A time in seconds from the video's start; an offset may be negative. Raises `InputError` for others."""
    seconds = exact_seconds(time, where) - _signed(offset, where)
    if seconds < 0:
        raise InputError(f"{where}: {time!r} is before the observation's time offset; correct the offset")
    return seconds


def _signed(offset: object, where: str) -> Fraction:
    if isinstance(offset, str) and offset.strip().startswith("-"):
        return -exact_seconds(offset.strip()[1:], where)
    if isinstance(offset, int | float | Fraction) and offset < 0:
        return -exact_seconds(-offset, where)
    return exact_seconds(offset or 0, where)


def _offset(observation: dict[str, Any], where: str) -> Fraction:
    if observation.get("media_creation_date_as_offset"):
        raise InputError(f"{where} counts times from the creation of its media; switch that off, or export the events")
    return _signed(observation.get("time offset"), where)


def _media(observation: dict[str, Any], where: str) -> tuple[list[str], list[Fraction]]:
    """Files of the first player, and their lengths. Raises `InputError` for several without lengths."""
    players = observation.get("file")
    paths = a_list(players.get("1", []), f"{where}, file") if isinstance(players, dict) else []
    media = [text(path, f"{where}, file") for path in paths]
    about = observation.get("media_info")
    known = an_object(about.get("length", {}), f"{where}, media_info") if isinstance(about, dict) else {}
    lengths = [exact_seconds(known[path], f"{where}, media_info") for path in media if path in known]
    if len(media) > 1 and len(lengths) < len(media):
        raise InputError(f"{where} joins {len(media)} media, and not all lengths are in the project; open it in BORIS")
    return media, lengths


def _with_annotators(annotations: list[Annotation]) -> list[Annotation]:
    """The observation counts as the annotator only where a video has several."""
    observations = Counter(video for video, _ in {(one.video, one.annotator) for one in annotations})
    return [one if observations[one.video] > 1 else replace(one, annotator="") for one in annotations]


def _written(one: Annotation, facts: WriteFacts) -> dict[str, Any]:
    media = one.media or f"{one.video}.mp4"
    length = one.seconds or max((segment.end for segment in one.segments), default=Fraction(0))
    info: dict[str, Any] = {"length": {media: float(length)}, "fps": {media: float(facts.fps or 25)}}
    info |= {"hasVideo": {media: True}, "hasAudio": {media: False}, "offset": {"1": 0.0}}
    return {
        "date": "2000-01-01T00:00:00",
        "file": {"1": [media], "2": []},
        "type": "MEDIA",
        "description": "predictions of protas_gtcc" if facts.predicted else "",
        "time offset": 0.0,
        "independent_variables": {},
        "visualize_spectrogram": False,
        "close_behaviors_between_videos": False,
        "media_info": info,
        "events": [],
    }


def _events(one: Annotation) -> list[list[Any]]:
    subject = "" if one.tier == NO_SUBJECT else one.tier
    times = [(milliseconds(time) / 1000, s.name) for s in one.segments for time in (s.start, s.end)]
    return [[time, subject, name, "", ""] for time, name in times]


def _behavior(number: int, name: str) -> dict[str, Any]:
    keys = "abcdefghijklmnopqrstuvwxyz0123456789"
    blank = {"description": "", "category": "", "modifiers": {}, "excluded": "", "coding map": ""}
    return {"type": "State event", "key": keys[number : number + 1], "code": name, **blank}


FORMAT = Format("boris", "BORIS", (".boris",), read, write, one_video=False, has_tiers=True)
