"""What Slurm reports of this user's jobs, by `squeue`: which have ended, and which wait for what may never come.

submitit asks `sacct`, which knows no job where accounting is off.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import time
from threading import Lock

from protas_gtcc.errors import InputError

SECONDS_BETWEEN_QUESTIONS = 15.0
"""One question is for all jobs: Slurm serves many people."""
_ENDED = ["BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"]
_ENDED += ["REVOKED", "TIMEOUT"]
_USUAL = ["None", "Priority", "Resources", "BeginTime", "Dependency", "Licenses", "Prolog", "Cleaning"]
"""Reasons to wait that pass by themselves, as limits of how many jobs run do: all of these have `Jobs` in the name."""
_LOG = logging.getLogger(__name__)


class SlurmQueue:
    """The states of this user's Slurm jobs; several threads may ask. Raises `InputError` where there is no Slurm."""

    def __init__(self) -> None:
        if absent := [name for name in ("sbatch", "squeue", "scancel", "srun") if shutil.which(name) is None]:
            way_out = "give the command where Slurm's commands are, or leave out --on slurm"
            raise InputError(f"--on slurm: there is no {absent[0]} in PATH; {way_out}")
        self._lock, self._next = Lock(), 0.0
        self.answered = 0.0
        """The time (monotonic) of the question that Slurm answered last."""
        self._jobs: dict[str, tuple[str, str]] = {}
        self._warned: set[str] = set()

    def how_ended(self, job: str, since: float) -> str | None:
        """How a job ended that was queued at the time `since` (monotonic); None while it waits or runs.

        None as well while Slurm does not answer. "FORGOTTEN" of a job that ended some minutes ago.
        """
        # Only one thread waits for an answer, so that the others can be stopped.
        if time.monotonic() >= self._next and self._lock.acquire(blocking=False):
            try:
                self._ask()
            finally:
                self._next = time.monotonic() + SECONDS_BETWEEN_QUESTIONS
                self._lock.release()
        if self.answered <= since:
            return None
        state, reason = self._jobs.get(job, ("FORGOTTEN", ""))
        if state == "PENDING" and reason not in _USUAL and "Jobs" not in reason:
            self._warn(reason, f"Slurm job {job} waits: {reason}; see 'scontrol show job {job}'")
        return state if state in _ENDED or state == "FORGOTTEN" else None

    def _ask(self) -> None:
        started = time.monotonic()
        command = ["squeue", f"--user={os.getuid()}", "--noheader", "--states=all", "--format=%i %T %r"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            self._warn("no answer", f"Slurm does not answer, and is asked again: {answer.stderr.strip()}")
            return
        fields = (line.split(maxsplit=2) for line in answer.stdout.splitlines())
        self._jobs, self.answered = {job: (state, reason) for job, state, reason in fields}, started

    def _warn(self, what: str, message: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            _LOG.warning(message)
