"""A list of independent jobs on an engine, which schedules and places them.

What is whole is skipped. A job whose process, worker or machine died is tried again; a job that failed by itself is
not, because it would fail again. The same list again does what is left, whatever ended it before.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.errors import InputError
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.work.engines.base import Engine, RefusedError
from protas_gtcc.work.jobs import Job, Outcome
from protas_gtcc.work.manifest import Manifest

SECONDS_BETWEEN_STATUS = 0.5
RETRIES = 2
"""How often a job whose process died is tried again."""
SECONDS_AFTER_REFUSAL = 60.0
"""Until an engine that refused a job is given one again, unless one of its jobs ends before."""
_LOG = logging.getLogger(__name__)
NextJobs = Callable[[Job, str | None], Sequence[Job]]
"""Given a job that has ended, or was whole already, and the reason if it failed: the jobs to be done as well."""


@dataclass(frozen=True)
class Status:
    """How far all jobs are."""

    running: list[Job]
    num_done: int
    num_failed: int
    num_waiting: int
    seconds_left: float | None
    """Estimated from the steps done so far; None before the first."""


def work_through(
    jobs: Sequence[Job],
    engine: Engine,
    manifest: Path,
    on_status: Callable[[Status], None] = lambda status: None,
    next_jobs: NextJobs | None = None,
    retries: int = RETRIES,
) -> dict[str, str]:
    """Do the jobs that are not done; return the reason of each failure by the job's name.

    `on_status` is called several times a second. With `next_jobs`, the list grows, and the manifest keeps the jobs of
    earlier commands: they may be of this list. Any interruption ends the jobs that run. The engine is closed in the
    end. A job that the engine refuses waits until another has ended. Raises `InputError` if another command works on
    the same manifest, and `RefusedError` if there is no other job to wait for.
    """
    try:
        with only_writer(manifest, wait=False):
            return _WorkList(jobs, engine, Manifest(manifest), next_jobs, retries).run(on_status)
    finally:
        engine.close()


class _WorkList:
    def __init__(
        self,
        jobs: Sequence[Job],
        engine: Engine,
        manifest: Manifest,
        next_jobs: NextJobs | None,
        retries: int,
    ):
        self._engine, self._manifest, self._next_jobs, self._retries = engine, manifest, next_jobs, retries
        self._jobs = jobs
        self._waiting = deque[Job]()
        self._running: dict[Future[Outcome], Job] = {}
        self._failed: dict[str, str] = {}
        self._num_done = 0
        self._tries: dict[str, int] = {}
        self._refused_until = 0.0
        self._estimate = _Estimate()
        self._add(jobs)

    def run(self, on_status: Callable[[Status], None]) -> dict[str, str]:
        self._manifest.write()  # before a job begins: whoever looks sees that the list is begun
        try:
            self._run(on_status)
            if self._next_jobs is None:
                self._manifest.keep_only({job.name for job in self._jobs})
        finally:
            self._manifest.write()
        return self._failed

    def _add(self, jobs: Sequence[Job]) -> None:
        """Let jobs wait that are not whole, and those that come after the others."""
        added = deque(jobs)
        while added:
            job = added.popleft()
            if _is_whole(job):
                self._manifest.note_whole([job.name])
                self._num_done += 1
                added.extend(self._next_jobs(job, None) if self._next_jobs else ())
            else:
                self._waiting.append(job)
                self._estimate.add(job)

    def _run(self, on_status: Callable[[Status], None]) -> None:
        next_status = time.monotonic()
        while self._waiting or self._running:
            if self._has_room():
                self._start(self._waiting.popleft())
            ended, _ = wait(self._running, 0 if self._has_room() else SECONDS_BETWEEN_STATUS, FIRST_COMPLETED)
            for future in ended:
                self._end(self._running.pop(future), future.result())
            if time.monotonic() >= next_status or not (self._waiting or self._running):
                on_status(self._status())
                next_status = time.monotonic() + SECONDS_BETWEEN_STATUS

    def _has_room(self) -> bool:
        is_open = time.monotonic() >= self._refused_until or not self._running
        return bool(self._waiting) and len(self._running) < self._engine.workers and is_open

    def _status(self) -> Status:
        running = list(self._running.values())
        seconds_left = self._estimate.seconds_left(running)
        return Status(running, self._num_done, len(self._failed), len(self._waiting), seconds_left)

    def _start(self, job: Job) -> None:
        try:
            future = self._engine.submit(job)
        except RefusedError as error:
            self._wait_for_room(job, error)
            return
        except (InputError, OSError) as error:
            self._note_try(job)
            self._end(job, Outcome("failed", str(error)))
            return
        self._note_try(job)
        self._running[future] = job

    def _note_try(self, job: Job) -> None:
        self._manifest.note_attempt(job.name)
        self._tries[job.name] = self._tries.get(job.name, 0) + 1

    def _wait_for_room(self, job: Job, error: RefusedError) -> None:
        """Put the job back. Raises the error if no job runs whose end could change it."""
        if not self._running:
            raise error
        if not self._refused_until:
            _LOG.warning("%s; or wait: it is given again when others end", error)
        self._refused_until = time.monotonic() + SECONDS_AFTER_REFUSAL
        self._waiting.appendleft(job)

    def _end(self, job: Job, outcome: Outcome) -> None:
        self._manifest.note_end(job.name, outcome)
        self._refused_until = min(self._refused_until, time.monotonic())
        if outcome.state == "died" and self._tries[job.name] <= self._retries:
            _LOG.warning("%s: %s; it is tried again", job.name, outcome.reason)
            self._waiting.appendleft(job)
            return
        self._estimate.note_end(job)
        if outcome.state == "done":
            self._num_done += 1
        else:
            self._failed[job.name] = outcome.reason
        if self._next_jobs is not None:
            self._add(self._next_jobs(job, None if outcome.state == "done" else outcome.reason))


class _Estimate:
    """The time left, from the steps that were done since the start."""

    def __init__(self) -> None:
        self._started, self._done, self._left = time.monotonic(), 0, 0
        self._first: dict[str, int] = {}

    def add(self, job: Job) -> None:
        self._first[job.name] = job.steps_done()
        self._left += self._steps(job)

    def note_end(self, job: Job) -> None:
        self._done += self._steps_since_start(job)
        self._left -= self._steps(job)

    def seconds_left(self, running: Sequence[Job]) -> float | None:
        """Seconds until all jobs are done; None before the first step."""
        of_running = sum(map(self._steps_since_start, running))
        done, left = self._done + of_running, self._left - of_running
        return (time.monotonic() - self._started) / done * max(left, 0) if done else None

    def _steps(self, job: Job) -> int:
        return max(job.steps - self._first[job.name], 0)

    def _steps_since_start(self, job: Job) -> int:
        return max(job.steps_done() - self._first[job.name], 0)


def _is_whole(job: Job) -> bool:
    """Whether its output is there; what is wrong with one that cannot be read is reported when the job runs."""
    with suppress(InputError, OSError):
        return job.is_done()
    return False
