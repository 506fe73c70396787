"""The files of CaptainCook4D's annotations: steps of recordings in seconds, errors, durations, lists of recordings."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from protas_gtcc.annotations.resampling import LONGEST_SECONDS
from protas_gtcc.errors import InputError, plural
from protas_gtcc.storage.csv_tables import read_csv_table
from protas_gtcc.storage.text_files import read_json

STEPS_FILE = "annotation_json/complete_step_annotations.json"
ERRORS_FILE = "annotation_json/error_annotations.json"
DURATIONS_FILE = "metadata/video_information.csv"
_LISTS = re.compile(r"(?P<kind>.+)_data_split_(?P<recordings>.+)\.json")
_ALL_RECORDINGS = "combined"
_PARTS = {"train": "train", "val": "validation", "test": "test"}
_ROUNDING_SECONDS = 1.0
"""How much later than its recording a step may end."""


@dataclass(frozen=True)
class AnnotatedStep:
    """A step of a recipe in one recording, `[start, end)` in seconds; both are -1 if it was not done."""

    step_id: int
    description: str
    start: float
    end: float
    errors: tuple[tuple[str, str], ...] = ()
    """Tag and description of each."""

    @property
    def done(self) -> bool:
        """Whether the step was done at all."""
        return (self.start, self.end) != (-1, -1)


@dataclass(frozen=True)
class Recording:
    """One person who cooks one recipe."""

    recipe: str
    person: str
    environment: str
    """Number of the kitchen, "" if unknown."""
    seconds: float
    steps: tuple[AnnotatedStep, ...]
    """As listed, those that were not done included."""


def read_recordings(path: Path) -> dict[str, Recording]:
    """All annotated recordings by their ids, with the errors of their steps if there is a file of them.

    Raises `InputError` for what is wrong, naming the recording and step, and where errors are of other steps.
    """
    file, durations = path / STEPS_FILE, _read_durations(path / DURATIONS_FILE)
    content = read_json(file)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{file} has no recordings; write an object of recordings with activity_name and steps")
    recordings = {}
    for name, entry in content.items():
        if name not in durations:
            raise InputError(f"{path / DURATIONS_FILE} has no duration of recording {name}; add its row")
        recordings[name] = _read_recording(entry, durations[name], f"{file}, recording {name}")
    errors = path / ERRORS_FILE
    return _with_errors(recordings, errors) if errors.is_file() else recordings


def read_lists(path: Path, recordings: Collection[str]) -> dict[str, dict[str, list[str]]]:
    """Split -> part -> ids of recordings, from data_splits/.

    The lists of all recordings by person are split `person`, those of the recordings without errors `person-normal`.
    Raises `InputError` for a file of another shape, and for a recording without annotations.
    """
    splits: dict[str, dict[str, list[str]]] = {}
    for file in sorted((path / "data_splits").glob("*.json")):
        found = _LISTS.fullmatch(file.name)
        if found is None:
            raise InputError(f"{file}: expected the name KIND_data_split_combined.json; rename it, or move it away")
        chosen = "" if found["recordings"] == _ALL_RECORDINGS else f"-{found['recordings']}"
        splits[found["kind"] + chosen] = _read_parts(file, recordings)
    return splits


def _read_recording(entry: Any, seconds: float, where: str) -> Recording:
    try:
        recipe, person, entries = _text(entry["activity_name"]), _text(entry["person_id"]), list(entry["steps"])
        environment = _text(entry.get("environment", ""))
    except (KeyError, TypeError, ValueError) as error:
        expected = "expected activity_name, person_id and a list of steps"
        raise InputError(f"{where}: {expected} ({error!r}); correct the JSON") from error
    steps = tuple(_read_step(step, f"{where}, step {number}") for number, step in enumerate(entries, start=1))
    for number, step in enumerate(steps, start=1):
        if step.end > seconds + _ROUNDING_SECONDS:
            what = f"step {number} ends at {step.end:g} s, but the recording lasts {seconds:g} s by {DURATIONS_FILE}"
            raise InputError(f"{where}: {what}; correct one of them")
    return Recording(recipe, person, environment, seconds, steps)


def _read_step(entry: Any, where: str) -> AnnotatedStep:
    try:
        start, end = float(entry["start_time"]), float(entry["end_time"])
        step = AnnotatedStep(int(entry["step_id"]), _text(entry["description"]), start, end)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        expected = "expected step_id, description, and start_time and end_time in seconds"
        raise InputError(f"{where}: {expected} ({error!r}); correct the JSON") from error
    if not step.description.strip():
        raise InputError(f"{where}: the description is empty; its class is named by it, so write one")
    if step.done and not 0 <= start < end:
        expected = "expected a start from 0 s on and a later end, or -1 for a step that was not done"
        raise InputError(f"{where}: {expected}, came {start:g} to {end:g} s; correct the JSON")
    return step


def _with_errors(recordings: Mapping[str, Recording], file: Path) -> dict[str, Recording]:
    """The recordings with the errors of their steps; entries of recordings without annotations are not read."""
    content = read_json(file)
    try:
        listed_steps = {entry["recording_id"]: list(entry["step_annotations"]) for entry in content}
    except (KeyError, TypeError) as error:
        expected = "expected a list of recordings with recording_id and step_annotations"
        raise InputError(f"{file}: {expected} ({error!r}); correct the JSON") from error
    complete = {}
    for name, recording in recordings.items():
        where, entries = f"{file}, recording {name}", listed_steps.get(name)
        if entries is None:
            raise InputError(f"{where}: it is not there; add it, or move the file away to have no errors at all")
        if len(entries) != len(recording.steps):
            what = f"{plural(len(entries), 'step')}, but {STEPS_FILE} has {len(recording.steps)}"
            raise InputError(f"{where}: {what}; correct one of them")
        pairs = zip(recording.steps, entries, strict=True)
        steps = tuple(_with_step_errors(*pair, f"{where}, step {n}") for n, pair in enumerate(pairs, start=1))
        complete[name] = replace(recording, steps=steps)
    return complete


def _with_step_errors(step: AnnotatedStep, entry: Any, where: str) -> AnnotatedStep:
    try:
        there = int(entry["step_id"]), float(entry["start_time"]), float(entry["end_time"])
        errors = tuple((_line(one["tag"]), _line(one["description"])) for one in entry.get("errors", []))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        expected = "expected step_id, start_time, end_time, and errors with tag and description"
        raise InputError(f"{where}: {expected} ({error!r}); correct the JSON") from error
    here = step.step_id, step.start, step.end
    if there != here:
        one, other = (f"step_id {number} from {start:g} to {end:g} s" for number, start, end in (there, here))
        raise InputError(f"{where}: {one}, but {STEPS_FILE} has {other}; correct one of them")
    if not all(tag for tag, _ in errors):
        raise InputError(f"{where}: an error has no tag; write its kind, such as Order Error")
    return replace(step, errors=errors)


def _line(value: object) -> str:
    """A text as one line. Raises as `_text` does."""
    return " ".join(_text(value).split())


def _text(value: object) -> str:
    """A name or number as text. Raises `TypeError` for anything else, `ValueError` where a file cannot hold it."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no text")
    text = str(value)
    if not all(one.isprintable() or one.isspace() for one in text):
        raise ValueError(f"{text!r} has a character that is no text")
    return text


def _read_durations(file: Path) -> dict[str, float]:
    """Recording -> seconds."""
    durations: dict[str, float] = {}
    table = read_csv_table(file, ("recording_id", "duration(sec)"))
    for number, (name, cell) in enumerate(zip(table["recording_id"], table["duration(sec)"], strict=True), start=2):
        try:
            seconds = float(cell)
        except ValueError as error:
            raise InputError(f"{file}, line {number}: expected seconds, came {cell!r}; correct it") from error
        if not 0 < seconds <= LONGEST_SECONDS:
            raise InputError(f"{file}, line {number}: a recording cannot last {seconds:g} s; correct it")
        if name in durations:
            raise InputError(f"{file}, line {number}: recording {name} comes a second time; keep one row")
        durations[name] = seconds
    return durations


def _read_parts(file: Path, recordings: Collection[str]) -> dict[str, list[str]]:
    content = read_json(file)
    lists = content if isinstance(content, Mapping) else {}
    if not lists or any(part not in _PARTS or not isinstance(names, list) for part, names in lists.items()):
        raise InputError(f"{file}: expected lists of recordings as train, val and test; correct the JSON")
    for part, names in lists.items():
        unknown = [name for name in names if not (isinstance(name, str) and name in recordings)]
        if unknown:
            raise InputError(f"{file}: {part} names recording {unknown[0]}, which has no annotations; correct the list")
    return {_PARTS[part]: list(names) for part, names in lists.items()}
