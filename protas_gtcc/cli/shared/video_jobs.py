"""Commands that take many videos, as jobs of a few videos each: every job is the same command on its own videos."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from rich.console import Console

from protas_gtcc.cli.shared.parsing import Positional, Repeated
from protas_gtcc.cli.shared.work_lists import JOBS, WORK_FIELDS, WorkFlags, do_jobs, refuse_failed
from protas_gtcc.config import Device
from protas_gtcc.errors import InputError
from protas_gtcc.video.naming import VideoFile
from protas_gtcc.work.jobs import Job

MOST_VIDEOS, MOST_FILES, MOST_JOBS = 8, 64, 1000
"""Videos of a job, or files of features, which share the time that the model takes to load; they are more where jobs
would be too many."""
CORES = 2
"""Of a job, unless --threads asks for more: one decodes, one computes."""


def do_videos(
    verb: str,
    command: Any,
    videos: Sequence[VideoFile],
    is_whole: Callable[[VideoFile], bool],
    work: WorkFlags,
    console: Console,
) -> None:
    """Run `command`, whose flags are `only`, `skip_broken`, `out` and `device`, on all videos, divided into jobs.

    `is_whole` says whether the results of a video are there; it travels to other machines. Raises `InputError` in the
    end, naming the jobs that failed, unless `command.skip_broken`.
    """
    flags = getattr(command, "extraction", command)
    device, threads = flags.device, getattr(flags, "threads", 0)
    like_all = _job(verb, command, videos[:1], is_whole, device, threads or CORES)
    engine = work.engine(command.out, like_all)
    are_files = not any(getattr(one, "is_video", True) for one in videos)
    size = videos_a_job(len(videos), engine.workers, MOST_FILES if are_files else MOST_VIDEOS)
    shares = [videos[first : first + size] for first in range(0, len(videos), size)]
    jobs = [_job(verb, command, share, is_whole, device, threads or CORES) for share in shares]
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
            positional += map(str, value if isinstance(value, tuple) else [value])
        elif isinstance(value, bool):
            flags.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, tuple):
            separate = Repeated in _marks(hint)
            flags += [word for one in value for word in (flag, str(one))] if separate else [flag, *map(str, value)]
        else:
            flags += [flag, str(value)]
    return [*positional, *flags]


def _fields(command: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """Name, value, type and default of each field, those of groups of flags included."""
    hints = get_type_hints(type(command), include_extras=True)
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if dataclasses.is_dataclass(value):
            yield from _fields(value)
        else:
            yield field.name, value, hints[field.name], field.default


def _marks(hint: Any) -> tuple[Any, ...]:
    return getattr(hint, "__metadata__", ()) if get_origin(hint) is not None or hasattr(hint, "__metadata__") else ()


def _job(
    verb: str,
    command: Any,
    videos: Sequence[VideoFile],
    is_whole: Callable[[VideoFile], bool],
    device: Device,
    cores: int,
) -> Job:
    names = tuple(video.name for video in videos)
    name = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    one = dataclasses.replace(command, only=names, skip_broken=True)
    words = [verb, *words_of(one, (*WORK_FIELDS, "json"))]
    count = functools.partial(_count, videos, is_whole)
    return Job(
        name,
        Path(command.out) / JOBS / f"{names[0]}.log",
        functools.partial(list[str], words),
        functools.partial(_are_whole, videos, is_whole),
        len(videos),
        count,
        cores=cores,
        device=device,
    )


def _count(videos: Sequence[VideoFile], is_whole: Callable[[VideoFile], bool]) -> int:
    return sum(map(is_whole, videos))


def _are_whole(videos: Sequence[VideoFile], is_whole: Callable[[VideoFile], bool]) -> bool:
    return all(map(is_whole, videos))


def only_named(videos: Sequence[Any], only: Sequence[str]) -> list[Any]:
    """The videos of these names, all without any. Raises `InputError` for a name that none has."""
    known = {video.name for video in videos}
    for name in only:
        if name not in known:
            raise InputError(f"--only {name}: no video has this name; name one of the videos or folders given")
    return [video for video in videos if not only or video.name in only]
