"""Slurm, by submitit: each job is a Slurm job. One that is preempted or runs out of time is queued again by Slurm."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protas_gtcc.errors import InputError, lacks_package
from protas_gtcc.work.engines.base import Engine
from protas_gtcc.work.jobs import Job, Outcome, run_in_folder

SECONDS_BETWEEN_LOOKS = 0.5
"""For a result file. submitit asks Slurm itself once a minute."""
MINUTES = 24 * 60
"""A Slurm job's time, unless an option gives it."""
LONGEST_NAME = 100
_OF_EVERY_CLUSTER = ("timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node")


class SlurmEngine(Engine):
    """`workers` Slurm jobs at once, submitted from here; scripts and logs of submitit are kept in `folder`.

    `options` are parameters of `sbatch` as submitit names them, and `cluster=local` for processes in place of Slurm.
    Raises `InputError` for options that submitit does not know, and without Slurm.
    """

    def __init__(self, workers: int, folder: Path, options: Mapping[str, Any]):
        try:
            import submitit
        except ImportError as error:
            raise lacks_package("--on slurm", error, "slurm") from error
        self.workers, self._stopped, self._errors = workers, False, submitit.core.utils
        given = {"timeout_min" if name == "time" else name: value for name, value in options.items()}
        cluster = given.pop("cluster", "slurm")
        named = {name if name in _OF_EVERY_CLUSTER else f"slurm_{name}": value for name, value in given.items()}
        self._given = {"timeout_min": MINUTES} | named
        try:
            self._executor = submitit.AutoExecutor(folder / "%j", cluster=cluster)
            self._executor.update_parameters(**self._given)
        except (ValueError, TypeError, NameError, AssertionError, RuntimeError) as error:
            way_out = "give --engine-options of sbatch, such as partition=gpu time=240, where Slurm is"
            raise InputError(f"--on slurm: {error}; {way_out}") from error
        self._pool = ThreadPoolExecutor(workers)

    def submit(self, job: Job) -> Future[Outcome]:
        """Queue it. Raises `InputError` if Slurm refuses it."""
        gpus = {"gpus_per_node": 1} if job.device == "cuda" else {}
        wanted = {"cpus_per_task": job.cores, "name": re.sub(r"[^\w.-]", "-", job.name)[:LONGEST_NAME], **gpus}
        self._executor.update_parameters(**wanted | self._given)
        try:
            handle = self._executor.submit(Requeued(job, os.getcwd()))
        except self._errors.FailedJobError as error:
            raise InputError(f"Slurm refuses {job.name}: {error}; correct --engine-options") from error
        return self._pool.submit(self._outcome, handle)

    def close(self) -> None:
        """Cancel jobs that wait or run."""
        self._stopped = True
        self._pool.shutdown(cancel_futures=True)

    def _outcome(self, handle: Any) -> Outcome:
        while not handle.done():
            if self._stopped:
                handle.cancel(check=False)
                return Outcome("died", f"Slurm job {handle.job_id} was cancelled")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        try:
            return handle.result()
        except self._errors.UncompletedJobError as error:
            return Outcome("died", f"Slurm job {handle.job_id}: {str(error).splitlines()[-1].strip()}")
        except self._errors.FailedJobError:
            return Outcome("failed", f"Slurm job {handle.job_id}: it raised an error; see {handle.paths.stderr}")


@dataclass(frozen=True)
class Requeued:
    """A job as Slurm runs it: `checkpoint` makes submitit queue it again when its time is over or it is preempted."""

    job: Job
    folder: str

    def __call__(self) -> Outcome:
        """Run it."""
        return run_in_folder(self.job, self.folder)

    def checkpoint(self) -> Any:
        """What is queued: the same job, which goes on from what it has left."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)
