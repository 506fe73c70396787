"""A job as Slurm runs it, which submitit queues again when its time is over or it is preempted, and its result."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from protas_gtcc.errors import InputError
from protas_gtcc.work.jobs import Job, Outcome, run_job

MOST_TIMES_IN_VAIN = 3
"""How often a job that did no step is queued again; then its time is too short."""


@dataclass
class Requeued:
    """A job, which submitit calls; when its time is over or it is preempted, `checkpoint` says what is queued."""

    job: Job
    folder: str
    times_in_vain: int = 0
    steps_before: int = 0

    def __call__(self) -> Outcome:
        """Run it."""
        os.chdir(self.folder)
        self.steps_before = self.job.steps_done()
        return run_job(self.job)

    def checkpoint(self) -> Any:
        """What is queued: the same job, which goes on from what it has left.

        Raises `InputError`, which `run_job` makes its outcome, if it was ended too often before a step was done.
        """
        import submitit

        in_vain = self.times_in_vain + 1 if self.job.steps_done() <= self.steps_before else 0
        if in_vain > MOST_TIMES_IN_VAIN:
            what = f"it was preempted, or its time was over, {in_vain} times without a step done"
            raise InputError(f"{what}; give it more, --engine-options time=MINUTES ({self.job.log})")
        return submitit.helpers.DelayedSubmission(Requeued(self.job, self.folder, in_vain))


def result_of(handle: Any) -> Outcome | None:
    """How a job of submitit's ended, by its result; None without one."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    os.listdir(handle.paths.folder)  # else a network file system may keep in mind that there is no result
    if not handle.paths.result_pickle.exists():
        return None
    try:
        return handle.result()
    except UncompletedJobError:
        return None
    except FailedJobError as error:
        last_line = str(error).split("-" * 22)[1].strip().splitlines()[-1]
        return Outcome("failed", f"Slurm job {handle.job_id}: {last_line}; see {handle.paths.stderr}")


@contextmanager
def outside_of_jobs() -> Iterator[None]:
    """Hide what Slurm has set if this command runs in a Slurm job: its own jobs would take it over, memory for one."""
    is_inside = "SLURM_JOB_ID" in os.environ
    names = [name for name in os.environ if name.startswith(("SLURM_", "SRUN_", "SUBMITIT_")) and name != "SLURM_CONF"]
    hidden = {name: os.environ.pop(name) for name in names if is_inside}
    try:
        yield
    finally:
        os.environ.update(hidden)
