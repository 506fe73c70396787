"""Label Studio's tasks, JSON ("Label Studio JSON format"): frames by `TimelineLabels`, or seconds by `Labels`.

Frames count from 1, and the last one belongs to its range, at the `frameRate` of the labelling interface. It is not in
an export, unless a task has `fps` in its data, as those that are written here. Beside the tasks, `<name>.labels.xml` is
the labelling interface for them. Annotations of people come before predictions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from protas_gtcc.annotations.files.format import Format
from protas_gtcc.annotations.files.options import AnnotationOptions, FrameCounting, frame_counting
from protas_gtcc.annotations.files.timed import (
    Annotation,
    AnnotationFile,
    TimedSegment,
    WriteFacts,
    by_video,
    timed_segment,
    video_of,
)
from protas_gtcc.annotations.resampling import require_rate
from protas_gtcc.errors import InputError, plural
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.file_kinds import VIDEO_ENDINGS
from protas_gtcc.storage.json_values import a_list, a_whole, an_object, text, write_json
from protas_gtcc.storage.text_files import read_json

_TIMELINE = "timelinelabels"
_CONTROL = "actions"
_INTERFACE_ENDING = ".labels.xml"
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of a file that is uploaded."""


def read(path: Path, video: str, options: AnnotationOptions) -> AnnotationFile:
    """Read all tasks. Raises `InputError` for another file, and without a rate where there are frames."""
    content = read_json(path)
    found = AnnotationFile()
    outdone = cancelled = 0
    tasks = content if isinstance(content, list) else [content]
    for number, value in enumerate(tasks, start=1):
        where = f"{path}, task {number}"
        task = an_object(value, where)
        data = an_object(task.get("data", task), f"{where}, data")
        name = _video_name(data, video)
        answers, predictions = _answers(task, where)
        cancelled += sum(bool(one.get("was_cancelled")) for one in answers)
        answers = [one for one in answers if not one.get("was_cancelled")]
        outdone += bool(answers and predictions)
        for one in answers or predictions:
            results = a_list(one.get("result"), f"{where}, result")
            own = _tiers(results, data, options, where)
            by, media = _annotator(one), _media(data)
            found.annotations += [
                Annotation(name, tuple(segments), annotator=by, tier=tier, media=media)
                for tier, segments in own.items()
            ]
    if outdone:
        found.notices.append(f"predictions left out of {plural(outdone, 'task')} that people annotated")
    if cancelled:
        found.notices.append(f"{plural(cancelled, 'annotation')} that people skipped, left out")
    if not found.annotations:
        raise InputError(f"{path} has no annotations and no predictions; export it as JSON")
    return found


def write(path: Path, annotations: Sequence[Annotation], facts: WriteFacts) -> None:
    """Write tasks to import, and the labelling interface beside them. Raises `InputError` without a rate."""
    if facts.fps is None:
        raise InputError(f"{path}: Label Studio counts frames; give their rate with --fps")
    counting = FrameCounting(facts.fps, first_frame=1, end_inclusive=True)
    tasks = []
    for number, (video, own) in enumerate(by_video(annotations).items(), start=1):
        data = {"video": own[0].media or f"{video}.mp4", "video_name": video, "fps": facts.fps}
        answers = [_answer(one, counting, facts.predicted) for one in own]
        tasks.append({"id": number, "data": data, ("predictions" if facts.predicted else "annotations"): answers})
    names = dict.fromkeys([*facts.class_names, *(segment.name for one in annotations for segment in one.segments)])
    controls = dict.fromkeys([_control(one) for one in annotations]) or [_CONTROL]
    write_text(path.with_suffix(_INTERFACE_ENDING), _interface(list(names), list(controls)))
    write_json(path, tasks)


def _answer(one: Annotation, counting: FrameCounting, predicted: bool) -> dict[str, Any]:
    results = []
    for number, segment in enumerate(one.segments):
        first, last = counting.frames(segment.start, segment.end)
        value = {"ranges": [{"start": first, "end": last}], _TIMELINE: [segment.name]}
        about = {"id": f"segment{number}", "from_name": _control(one), "to_name": "video", "type": _TIMELINE}
        results.append({**about, "value": value})
    # Label Studio refuses a `completed_by` that is none of its own users.
    kind = {"model_version": one.annotator or "protas_gtcc"} if predicted else {"annotator": one.annotator}
    return {**kind, "result": results}


def _control(one: Annotation) -> str:
    """The control of the interface that an annotation belongs to."""
    return one.tier or _CONTROL


def _interface(names: Sequence[str], controls: Sequence[str]) -> str:
    """A video with one row of labels for each control, as results refer to them by name."""
    labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in names)
    rows = [
        f'  <TimelineLabels name={quoteattr(name)} toName="video">\n{labels}  </TimelineLabels>\n' for name in controls
    ]
    video = '  <Video name="video" value="$video" frameRate="$fps" timelineHeight="120"/>\n'
    return f"<View>\n{video}{''.join(rows)}</View>\n"


def _answers(task: dict[str, Any], where: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Annotations and predictions of a task; of the short export (JSON-MIN), what it has."""
    if "annotations" in task or "predictions" in task or "completions" in task:
        people = task.get("annotations", task.get("completions")) or []
        return _objects(people, f"{where}, annotations"), _objects(
            task.get("predictions") or [], f"{where}, predictions"
        )
    results = [
        {"from_name": name, "type": _TIMELINE, "value": one}
        for name, values in task.items()
        if isinstance(values, list)
        for one in values
        if isinstance(one, dict) and _TIMELINE in one
    ]
    short = {"result": results, "completed_by": task.get("annotator")}
    return ([short] if results else []), []


def _objects(value: Any, where: str) -> list[dict[str, Any]]:
    return [an_object(one, where) for one in a_list(value, where)]


def _tiers(
    results: list[Any], data: dict[str, Any], options: AnnotationOptions, where: str
) -> dict[str, list[TimedSegment]]:
    """The segments of each control of the interface."""
    found: dict[str, list[TimedSegment]] = {}
    for row, value in enumerate(results, start=1):
        result = an_object(value, f"{where}, row {row}")
        content = an_object(result.get("value", {}), f"{where}, row {row}")
        labels = content.get(str(result.get("type")))
        if labels is None:
            continue  # relations, and what is asked about the whole video
        for label in a_list(labels, f"{where}, row {row}"):
            name = text(label, f"{where}, row {row}")
            tier = str(result.get("from_name") or "")
            found.setdefault(tier, []).extend(_segments(content, name, data, options, where, row))
    return found or {"": []}


def _segments(
    content: dict[str, Any], name: str, data: dict[str, Any], options: AnnotationOptions, where: str, row: int
) -> Iterator[TimedSegment]:
    if "ranges" not in content:
        if "start" in content and "end" in content:
            yield timed_segment(where, row, content["start"], content["end"], name)
        return
    counting = frame_counting(options, where, _rate(data, where), first_frame=1, inclusive=True)
    for one in a_list(content["ranges"], f"{where}, row {row}"):
        ends = an_object(one, f"{where}, row {row}")
        first, last = (a_whole(ends.get(key), f"{where}, row {row}") for key in ("start", "end"))
        if first < counting.first_frame:
            raise InputError(f"{where}, row {row}: frame {first} where frames count from 1; give --first-frame 0")
        yield timed_segment(where, row, counting.start(first), counting.end(last), name)


def _rate(data: dict[str, Any], where: str) -> float | None:
    """The rate that a task states, a number or, as tables give it, text; None if it states none."""
    rate = data.get("fps")
    if rate is None:
        return None
    try:
        fps = float(rate)
        require_rate(fps)
    except (TypeError, ValueError, OverflowError, InputError):
        way_out = "correct it, or remove it and give --counted-fps"
        raise InputError(f"{where}: data.fps is {repr(rate)[:60]}, no frames per second; {way_out}") from None
    return fps


def _media(data: dict[str, Any]) -> str:
    """The video's address: under `video`, or else the first that ends like one."""
    texts = [value for value in data.values() if isinstance(value, str)]
    named = [value for value in texts if value.split("?")[0].lower().endswith(VIDEO_ENDINGS)]
    return str(data.get("video") or next(iter(named), "")) if not isinstance(data.get("video"), list) else ""


def _video_name(data: dict[str, Any], video: str) -> str:
    name = data.get("video_name")
    return name if isinstance(name, str) and name else _UPLOADED.sub("", video_of(_media(data), video))


def _annotator(one: dict[str, Any]) -> str:
    by = next((one[key] for key in ("completed_by", "annotator", "model_version") if one.get(key) is not None), None)
    if isinstance(by, dict):
        by = by.get("email") or by.get("username") or by.get("id")
    return "" if by is None else str(by)


def _is_it(head: str) -> bool:
    keys = ("annotations", "predictions", "completions", _TIMELINE)
    return head.lstrip()[:1] in ("[", "{") and any(re.search(rf'"{key}"\s*:\s*\[', head) for key in keys)


FORMAT = Format(
    *("label-studio", "Label Studio", (".json",), read, write, _is_it),
    one_video=False,
    has_tiers=True,
    beside=(_INTERFACE_ENDING,),
)
