"""Slurm, by submitit: each job is a Slurm job. One that is preempted or runs out of time is queued again by Slurm."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from protas_gtcc.errors import InputError, lacks_package
from protas_gtcc.work.engines.base import Engine, RefusedError
from protas_gtcc.work.engines.slurm_job import Requeued, outside_of_jobs, result_of
from protas_gtcc.work.engines.slurm_queue import SlurmQueue
from protas_gtcc.work.jobs import Job, Outcome

SECONDS_BETWEEN_LOOKS = 0.5
"""For a result file."""
ANSWERS_FOR_RESULT = 3
"""So often in a row Slurm says that a job has ended before it is given up without a result: a network file system may
show that late, and Slurm may queue the job again."""
MINUTES = 24 * 60
"""A Slurm job's time, unless an option gives it."""
LONGEST_NAME = 100
_LOG = logging.getLogger(__name__)
_NAMES = {name: name for name in ("mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node")}
_NAMES |= {"timeout_min": "timeout_min", "time": "timeout_min"}
"""submitit's names of options; all others begin with slurm_."""


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
        if not isinstance(options.get("time", MINUTES), int):
            raise InputError(f"--engine-options time={options['time']}: expected whole minutes, such as time=240")
        if "%" in str(folder.absolute()):
            raise InputError(f"--on slurm: {folder.absolute()}: Slurm replaces % in paths; give one without")
        named = {_NAMES.get(name, f"slurm_{name}"): value for name, value in options.items()}
        cluster = named.pop("slurm_cluster", "slurm")
        self._given = {"timeout_min": MINUTES, "slurm_additional_parameters": {"requeue": True}} | named
        self._queue = SlurmQueue() if cluster == "slurm" else None
        # A folder for each command: a job's number may be that of an older one, whose result is not to be taken for it.
        folder = folder / time.strftime("%Y-%m-%d-%H-%M-%S")
        try:
            self._executor = submitit.AutoExecutor(folder / "%j", cluster=cluster, slurm_max_num_timeout=10**9)
            self._executor.update_parameters(**self._given)
        except (ValueError, TypeError, NameError, AssertionError, RuntimeError) as error:
            way_out = "give --engine-options of sbatch, such as partition=gpu time=240"
            raise InputError(f"--on slurm: {str(error).splitlines()[0]}; {way_out}") from error
        # Ctrl-C in a terminal is for what the pool's threads start, too: sbatch is not to end once a job is queued.
        held = {signal.SIGINT} if self._queue else set()
        self._pool = ThreadPoolExecutor(workers, initializer=signal.pthread_sigmask, initargs=(signal.SIG_BLOCK, held))
        self._queued: set[Any] = set()
        """Jobs whose ends are not known, because they wait or run, or because looking at them has failed."""

    def submit(self, job: Job) -> Future[Outcome]:
        """Queue it. Raises `RefusedError` if Slurm refuses it."""
        gpus = {"gpus_per_node": 1} if job.device == "cuda" else {}
        wanted = {"cpus_per_task": job.cores, "name": re.sub(r"[^\w.-]", "-", job.name)[:LONGEST_NAME], **gpus}
        wanted |= self._given
        # srun takes no cores over from sbatch since Slurm 22.05.
        wanted.setdefault("slurm_srun_args", [f"--cpus-per-task={wanted['cpus_per_task']}"])
        # In a thread: if a signal interrupts the wait, the job is queued nevertheless, and `close` knows it.
        handle = self._pool.submit(self._queue_job, job, wanted).result()
        return self._pool.submit(self._watch, handle)

    def close(self) -> None:
        """Cancel jobs that wait or run."""
        self._stopped = True
        self._pool.shutdown(cancel_futures=True)
        for handle in self._queued:
            self._cancel(handle)

    def _queue_job(self, job: Job, wanted: Mapping[str, Any]) -> Any:
        self._executor.update_parameters(**wanted)
        try:
            with outside_of_jobs(), redirect_stderr(io.StringIO()):  # submitit prints what sbatch says, and raises it
                handle = self._executor.submit(Requeued(job, os.getcwd()))
        except self._errors.FailedJobError as error:
            answer = ", ".join(line.removeprefix("sbatch: error: ") for line in str(error).splitlines() if line)
            raise RefusedError(f"Slurm refuses {job.name}: {answer}; see 'sinfo', correct --engine-options") from error
        self._queued.add(handle)
        return handle

    def _watch(self, handle: Any) -> Outcome:
        outcome = self._outcome(handle)
        self._queued.discard(handle)
        return outcome

    def _outcome(self, handle: Any) -> Outcome:
        submitted, number, answers = time.monotonic(), handle.job_id, set[float]()
        while not self._stopped:
            outcome = result_of(handle)
            ended, answered = self._how_ended(handle, submitted)
            # What a signal ended, Slurm may have queued again.
            if outcome and (outcome.state != "died" or ended):
                return outcome
            answers = answers | {answered} if ended else set()
            if len(answers) == ANSWERS_FOR_RESULT:
                return Outcome("died", f"Slurm job {number} has left no result ({ended}); see {handle.paths.stderr}")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return self._cancel(handle)

    def _how_ended(self, handle: Any, submitted: float) -> tuple[str | None, float]:
        """How it ended, None while it waits or runs; and the time of the answer that says so."""
        if self._queue:
            return self._queue.how_ended(handle.job_id, submitted), self._queue.answered
        return handle.state if handle.done() else None, time.monotonic()

    def _cancel(self, handle: Any) -> Outcome:
        try:
            handle.cancel()
        except (subprocess.CalledProcessError, OSError):
            _LOG.warning("Slurm job %s could not be cancelled; give 'scancel %s'", handle.job_id, handle.job_id)
        return Outcome("died", f"Slurm job {handle.job_id} was cancelled")
