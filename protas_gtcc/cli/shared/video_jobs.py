"""Commands that take many videos, as jobs of a few videos each: every job is the same command on its own videos."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from rich.console import Console

from protas_gtcc.cli.shared.parsing import Positional, Repeated
from protas_gtcc.cli.shared.work_lists import JOBS, WORK_FIELDS, WorkFlags, do_jobs, refuse_failed
from protas_gtcc.errors import InputError
from protas_gtcc.video.naming import VideoFile
from protas_gtcc.work.jobs import Job

MOST_VIDEOS, MOST_FILES, MOST_JOBS = 8, 1000, 1000
"""Videos of a job, or files of features, which share the time that the model takes to load; they are more where jobs
would be too many."""
CORES = 2
"""Of a job, unless --threads asks for more: one decodes, one computes."""


@dataclasses.dataclass(frozen=True)
class Share:
    """What a job has to do. It travels to other machines."""

    videos: tuple[VideoFile, ...]
    whole: Callable[[Sequence[VideoFile]], set[str]]
    """Names of those of some videos whose results are there."""
    flags: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of the command that are the job's own."""


def shares_of(is_whole: Callable[[VideoFile], bool]) -> Callable[[Sequence[VideoFile]], Share]:
    """Makes shares of jobs where each video has results of its own."""
    return lambda videos: Share(tuple(videos), functools.partial(_those_whole, is_whole))


def do_videos(
    verb: str,
    command: Any,
    field: str,
    videos: Sequence[VideoFile],
    share_of: Callable[[Sequence[VideoFile]], Share],
    work: WorkFlags,
    console: Console,
) -> None:
    """Run `command` on all videos, divided into jobs; it has `only`, `skip_broken`, `out`, and somewhere `device`.

    `field` is that of the videos and folders: a job is given no other videos than its own. The same videos always make
    the same jobs; `share_of` says what of them is to be done. Raises `InputError` in the end, naming the jobs that
    failed, unless `command.skip_broken`.
    """
    given, files = getattr(command, field), {video.path for video in videos}
    of_all, named = tuple(path for path in given if path not in files), files.intersection(given)
    flags = {name: value for name, value, *_ in _fields(command)}

    def make_job(videos: Sequence[VideoFile]) -> Job:
        share = share_of(videos)
        names = tuple(video.name for video in share.videos)
        own = tuple(video.path for video in share.videos if video.path in named)
        given = {field: (*of_all, *own), **share.flags}
        one = dataclasses.replace(command, **given, only=names, skip_broken=True)
        job = _job(command.out, [verb, *words_of(one, (*WORK_FIELDS, "json"))], videos, share)
        return dataclasses.replace(job, device=flags["device"], cores=flags.get("threads") or CORES)

    engine = work.engine(command.out, make_job(videos[:1]))
    are_files = not any(getattr(one, "is_video", True) for one in videos)
    size = videos_a_job(len(videos), engine.workers, MOST_FILES if are_files else MOST_VIDEOS)
    jobs = [make_job(videos[first : first + size]) for first in range(0, len(videos), size)]
    failed = do_jobs(jobs, engine, command.out, console)
    try:
        refuse_failed(failed, len(jobs), "job", "the results of the other videos are there", console)
    except InputError:
        if not command.skip_broken:
            raise


def videos_a_job(count: int, workers: int, most: int = MOST_VIDEOS) -> int:
    """Videos of one job, of `count` in all: at most `most`, unless that makes more jobs than a list is good for."""
    return max(1, min(max(most, -(-count // MOST_JOBS)), count // workers))


def words_of(command: Any, leave_out: Sequence[str] = ()) -> list[str]:
    """The words that are parsed as this command: positional arguments, then flags that are not at their default."""
    positional, flags = list[str](), list[str]()
    for name, value, hint, default in _fields(command):
        if name in leave_out or value is None or (value == default and Positional not in _marks(hint)):
            continue
        flag = f"--{name.replace('_', '-')}"
        if Positional in _marks(hint):
            positional += map(_no_flag, value if isinstance(value, tuple) else [value])
        elif isinstance(value, bool):
            flags.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, tuple):
            separate = Repeated in _marks(hint)
            flags += [word for one in value for word in _flag(flag, one)] if separate else [flag, *map(str, value)]
        else:
            flags += _flag(flag, value)
    return [*positional, *flags]


def _flag(flag: str, value: Any) -> list[str]:
    return [f"{flag}={value}"] if str(value).startswith("-") else [flag, str(value)]


def _no_flag(path: Any) -> str:
    """A positional argument: a file called `-a.mp4` is no flag."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _fields(command: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """Name, value, type and default of each field, those of groups of flags included."""
    kind: Any = type(command)
    hints = _hints(kind)
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if dataclasses.is_dataclass(value):
            yield from _fields(value)
        else:
            yield field.name, value, hints[field.name], field.default


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _marks(hint: Any) -> tuple[Any, ...]:
    return getattr(hint, "__metadata__", ()) if get_origin(hint) is not None or hasattr(hint, "__metadata__") else ()


def _job(out: Path, words: list[str], videos: Sequence[VideoFile], share: Share) -> Job:
    first, last = videos[0].name, videos[-1].name
    return Job(
        first if first == last else f"{first} to {last}",
        out / JOBS / f"{first}.log",
        functools.partial(list[str], words),
        functools.partial(_is_done, share),
        len(share.videos),
        _Count(share),
    )


@dataclasses.dataclass(frozen=True)
class _Count:
    """How many of the videos have their results, for the screen: what was there once is not looked at again."""

    share: Share
    seen: set[str] = dataclasses.field(default_factory=set)

    def __call__(self) -> int:
        self.seen.update(self.share.whole([video for video in self.share.videos if video.name not in self.seen]))
        return len(self.seen)


def _is_done(share: Share) -> bool:
    return len(share.whole(share.videos)) == len(share.videos)


def _those_whole(is_whole: Callable[[VideoFile], bool], videos: Sequence[VideoFile]) -> set[str]:
    return {video.name for video in videos if is_whole(video)}
