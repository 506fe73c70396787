"""Files and folders of videos -> the videos and their names."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.names import find_videos_called
from protas_gtcc.storage.file_kinds import VIDEO_ENDINGS, VIDEOS, kind_of
from protas_gtcc.storage.plain_names import require_video_names


@dataclass(frozen=True)
class VideoFile:
    """A video and its name, a relative path without the file's ending: `person1/tea`."""

    path: Path
    name: str


Named = TypeVar("Named", bound=VideoFile)


def find_videos(
    given: Sequence[Path], leave_out: Path | None = None, only: Sequence[str] = ()
) -> tuple[list[VideoFile], list[Path]]:
    """The videos among files and in folders, and the other files of the folders, both in order.

    Nothing in the folder `leave_out` counts, where features are written, nor files whose names begin with a dot. If it
    is a folder of videos itself, only features do not count. With `only`, just the videos of these names, which are
    found without a look at the others, and no other files. Raises `InputError` for a path that is not there, a folder
    without videos, and two videos of one name.
    """
    videos: list[VideoFile] = []
    others: list[Path] = []
    for path in given:
        if not path.is_dir():
            if not path.exists():
                raise InputError(f"no video or folder {path}; correct the path")
            videos.append(VideoFile(path, path.stem))
            continue
        files = list(_files(path, leave_out, only))
        found = [file for file in files if is_video_name(file)]
        if not found and not only:
            what = f"only {listed(file.name for file in files)}" if files else "nor any other file"
            raise InputError(f"{path} has no videos, {what}; correct the path")
        videos += [VideoFile(file, file.relative_to(path).with_suffix("").as_posix()) for file in found]
        others += [file for file in files if not is_video_name(file)]
    require_different(videos)
    return ([video for video in videos if video.name in only], []) if only else (videos, others)


def only_named(videos: Sequence[Named], only: Sequence[str]) -> list[Named]:
    """The videos of these names, all without any. Raises `InputError` for a name that none has."""
    known = {video.name for video in videos}
    for name in only:
        if name not in known:
            raise InputError(f"--only {name}: no video has this name; name one of the videos or folders given")
    return [video for video in videos if not only or video.name in only]


def files_of(videos: Iterable[str], files: Sequence[VideoFile]) -> dict[str, VideoFile]:
    """The file of each video of a dataset that has one, in the order of the videos.

    A video `tea` is the file called `tea`, or else the only `tea` in the folders, as `anna/tea`. Raises `InputError` if
    more than one may be meant.
    """
    by_name = {file.name: file for file in files}
    found = {video: _file_of(video, by_name) for video in videos}
    return {video: file for video, file in found.items() if file is not None}


def _file_of(video: str, files: Mapping[str, VideoFile]) -> VideoFile | None:
    found = [files[name] for name in find_videos_called(video, files)]
    if len(found) > 1:
        both = listed(file.path for file in found)
        raise InputError(f"{both} may all be the video {video}; name it with its folder in the labels")
    return found[0] if found else None


def _files(folder: Path, leave_out: Path | None, only: Sequence[str]) -> Iterator[Path]:
    out = None if leave_out is None else leave_out.resolve()
    is_out = out == folder.resolve()

    @functools.cache
    def is_inside(inner: Path) -> bool:
        return out is not None and inner.resolve().is_relative_to(out)

    for file in _files_called(folder, only) if only else _all_files(folder):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if is_out:
            is_written = file.suffix in (".npy", ".json")
        else:  # a link is where its file is; of others, the folder is enough, which is resolved once
            is_written = is_inside(file.resolve() if file.is_symlink() else file.parent)
        if not hidden and not is_written:
            yield file


def _files_called(folder: Path, names: Sequence[str]) -> list[Path]:
    """The files with these names of videos in a folder: no other folders than theirs are listed."""
    stems: dict[Path, set[str]] = {}
    for name in names:
        stems.setdefault((folder / name).parent, set()).add(name.rsplit("/", 1)[-1])
    inner_files = ((inner, file) for inner in stems if inner.is_dir() for file in os.listdir(inner))
    found = sorted(inner / file for inner, file in inner_files if os.path.splitext(file)[0] in stems[inner])
    return [file for file in found if not file.is_dir()]


def _all_files(folder: Path) -> list[Path]:
    """What is in a folder and its folders and is none itself, in order; also links to nothing, and pipes.

    Links to folders are followed, but not to one that they are in.
    """
    found: list[Path] = []
    for name, folders, files in os.walk(folder, followlinks=True):
        inner = Path(name)
        around = {one.resolve() for one in (inner, *inner.absolute().parents)}
        folders[:] = [one for one in folders if (inner / one).resolve() not in around]
        found += [inner / one for one in files]
    return sorted(found)


def has_videos(path: Path) -> bool:
    """Whether it is a folder with a video in it, by the names of its files."""
    return path.is_dir() and any(map(is_video_name, _all_files(path)))


def is_video(path: Path) -> bool:
    """Whether a path that a user names is meant as a video: by its ending, or by the first bytes of the file."""
    return is_video_name(path) or (path.is_file() and kind_of(path) in VIDEOS)


def is_video_name(file: Path) -> bool:
    """Whether the ending of a file is one of videos."""
    return file.suffix.lower() in VIDEO_ENDINGS


def require_different(videos: Iterable[VideoFile]) -> None:
    """Raise `InputError` for two files of one name, and for names that no video can have."""
    named: dict[str, Path] = {}
    for video in videos:
        require_video_names([video.name])
        other = named.setdefault(video.name, video.path)
        if other is not video.path:
            if other.resolve() == video.path.resolve():
                raise InputError(f"{video.path} is given twice; name it once")
            raise InputError(f"{other} and {video.path} would both be called {video.name!r}; rename one")
