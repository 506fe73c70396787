"""The table of formats, and reading and writing with it.

A format is one module with a `FORMAT` and a line in `FORMATS`. A file is known by its ending and its first characters;
of several formats that fit, the first in the table counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from protas_gtcc.annotations.files import (
    audacity,
    boris,
    boris_exports,
    elan,
    frame_labels,
    label_studio,
    rttm,
    times_csv,
    vidat,
    webvtt,
)
from protas_gtcc.annotations.files.format import Format, Writer, head_of
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.timed import Annotation, AnnotationFile, WriteFacts, by_video
from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.plain_names import require_video_names
from protas_gtcc.storage.text_files import read_lines

FORMATS: tuple[Format, ...] = (
    elan.FORMAT,
    boris.FORMAT,
    boris_exports.FORMAT,
    label_studio.FORMAT,
    vidat.FORMAT,
    webvtt.FORMAT,
    rttm.FORMAT,
    times_csv.FORMAT,
    audacity.FORMAT,
    frame_labels.FORMAT,
)
WRITTEN = tuple(one.name for one in FORMATS if one.write is not None)
"""Names of the formats that are written."""
_ENDINGS = {ending for one in FORMATS for ending in one.endings}
_NO_ANNOTATIONS = ("features", "plots")
"""Beginnings of the names of folders whose files are others."""
_VIDEO_LISTS = "splits"
"""The folder of lists of videos, which layouts read."""


def format_of(path: Path) -> Format | None:
    """The format of a file, None if it is none of the table's."""
    ending = path.suffix.lower()
    fitting = [one for one in FORMATS if ending in one.endings]
    if not fitting:
        return None
    head = head_of(path)
    return next((one for one in fitting if one.is_it(head)), None)


def format_called(name: str) -> Format:
    """The format of a name that a user gives. Raises `InputError` for others."""
    found = next((one for one in FORMATS if one.name == name and one.write is not None), None)
    if found is None:
        raise InputError(f"there is no format {name!r}; give one of {listed(WRITTEN, 20)}")
    return found


def annotation_files(folder: Path) -> list[Path]:
    """The files of a folder and its folders that a format knows, in order; none that are hidden."""
    return [file for file in _with_known_ending(folder) if format_of(file) is not None]


def read_annotations(path: Path, options: AnnotationOptions) -> AnnotationFile:
    """Read a file, or all files of a folder.

    A video whose name is not in its file has the file's name, with the folders that it is in. Where two files of a
    folder have the same video, the files' names are their annotators. Raises `InputError` for a file of
    no known format, and for what is wrong in one.
    """
    if path.is_file():
        return _read_one(path, path.stem, options)
    files = annotation_files(path)
    if not files:
        raise InputError(f"{path} has no annotation files; expected files that end in {listed(sorted(_ENDINGS), 20)}")
    read = AnnotationFile()
    if others := [file.relative_to(path).as_posix() for file in _with_known_ending(path) if file not in {*files}]:
        read.notices.append(f"in no known form of annotations, not read: {listed(others)}")
    for file in files:
        inner = file.relative_to(path).with_suffix("").as_posix()
        annotator, _, rest = inner.partition("/") if options.annotator_folders else ("", "", inner)
        if options.annotator_folders and not rest:
            raise InputError(f"{file} lies in no folder of an annotator; move it, or leave out --annotator-folders")
        one = _read_one(file, rest, options)
        read.annotations += [replace(found, annotator=annotator or found.annotator) for found in one.annotations]
        read.notices += [f"{file.name}: {notice}" for notice in one.notices]
    read.annotations = _told_apart(read.annotations, path)
    return read


def write_annotations(
    out: Path, kind: Format, annotations: Sequence[Annotation], facts: WriteFacts
) -> list[tuple[Path, Sequence[Annotation]]]:
    """Write annotations without overlaps to a file, or a file for each video in a folder; returns the files.

    What all videos share is written last, so that a folder that was interrupted lacks it.

    Raises `InputError` if the format has no tiers and a video has several annotations, and as the format does.
    """
    if kind.write is None:
        raise InputError(f"{kind.title} is read, not written; give one of {listed(WRITTEN, 20)}")
    for video, of_video in by_video(annotations).items():
        if len(of_video) > 1 and not kind.has_tiers:
            names = listed("/".join(filter(None, (one.annotator, one.tier))) or "unnamed" for one in of_video)
            raise InputError(f"{kind.title} has one tier, and video {video} has {names}; give --annotator or --tier")
    written = planned(out, kind, annotations)
    for file, own in written:
        kind.write(file, own, facts)
    for file, write in _shared(out, kind):
        write(file, annotations, facts)
        written.append((file, annotations))
    return written


def files_to_write(out: Path, kind: Format, annotations: Sequence[Annotation]) -> list[Path]:
    """All files that `write_annotations` would write, also those beside others. Raises as `planned` does."""
    files = [path for path, _ in planned(out, kind, annotations)]
    beside = [path.with_suffix(ending) for path in files for ending in kind.beside]
    return [*files, *beside, *(file for file, _ in _shared(out, kind))]


def planned(out: Path, kind: Format, annotations: Sequence[Annotation]) -> list[tuple[Path, Sequence[Annotation]]]:
    """The files that would be written, with what each would hold.

    Raises `InputError` for several videos in a file for one, and for a video's name that leads out of the folder.
    """
    for one in annotations:
        require_video_names([one.video], one.source if one.source.name else "")
    ending = kind.endings[0]
    if out.suffix.lower() in kind.endings:
        videos = by_video(annotations)
        if kind.one_video and len(videos) > 1:
            raise InputError(f"{out}: {kind.title} has one video a file, and here are {len(videos)}; name a folder")
        return [(out, annotations)]
    if not kind.one_video:
        return [(out / f"{kind.usual_stem}{ending}", annotations)]
    return [(out / kind.folder / f"{video}{ending}", own) for video, own in by_video(annotations).items()]


def _shared(out: Path, kind: Format) -> list[tuple[Path, Writer]]:
    """The file for all videos, where `out` is a folder and the format has one."""
    if kind.shared is None or out.suffix.lower() in kind.endings:
        return []
    name, write = kind.shared
    return [(out / name, write)]


def _with_known_ending(folder: Path) -> Iterator[Path]:
    """The files of a folder and its folders that end as annotations do, in order; none that are hidden."""
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        other = hidden or parts[0] == _VIDEO_LISTS or any(part.startswith(_NO_ANNOTATIONS) for part in parts[:-1])
        if not other and file.suffix.lower() in _ENDINGS and file.is_file():
            yield file


def _read_one(path: Path, video: str, options: AnnotationOptions) -> AnnotationFile:
    kind = format_of(path)
    if kind is None:
        if path.suffix.lower() in _ENDINGS and head_of(path):
            read_lines(path)  # says what is wrong with a text that is not UTF-8
        known = listed((f"{one.title} ({', '.join(one.endings)})" for one in FORMATS), 20)
        raise InputError(f"{path} is in no known format of annotations; expected one of {known}")
    read = kind.read(path, video, options)
    read.annotations = [replace(one, source=path) for one in read.annotations]
    return read


def _told_apart(annotations: Sequence[Annotation], folder: Path) -> list[Annotation]:
    """With the file's name as the annotator, where two files have the same video by nobody known."""
    sources: dict[tuple[str, str, str], set[Path]] = {}
    for one in annotations:
        sources.setdefault((one.video, one.annotator, one.tier), set()).add(one.source)
    shared = {key for key, files in sources.items() if len(files) > 1}
    stems = Counter(file.with_suffix("") for file in {one.source for one in annotations})

    def name(one: Annotation) -> str:
        stem = one.source.with_suffix("")
        file = (stem if stems[stem] == 1 else one.source).relative_to(folder).as_posix()
        return f"{one.annotator} ({file})" if one.annotator else file

    return [
        replace(one, annotator=name(one)) if (one.video, one.annotator, one.tier) in shared else one
        for one in annotations
    ]
