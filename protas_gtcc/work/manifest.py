"""`jobs/manifest.json`: how each job of a folder ended. It is replaced whole, now and then and in the end.

A command that is killed loses what the last seconds added, not outputs: what is done is seen from these.

    format, jobs {name: state (done or failed), reason, attempts, seconds, host, versions}

`attempts` counts all tries since the last success, also those of earlier commands, and `seconds` are of the last one.
A job that ended while nobody waited for it (the command was killed, and its machine went on) has only its state.
After a command has ended, the jobs are those of its list: the names differ with the number of workers. Of a list that
grows while it is worked through, those of earlier commands stay.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.work.jobs import Outcome

FORMAT = "protas_gtcc work list 1"
SECONDS_BETWEEN_WRITES = 1.0
SHARE_OF_WRITING = 0.05
"""Of the time: writing takes longer the more jobs there are, and each job's end would write them all."""


class Manifest:
    """The record of a folder's jobs. Raises `InputError` for a file that is none."""

    def __init__(self, path: Path):
        self.path = path
        self.jobs = _read(path) if path.is_file() else {}
        self._next_write = time.monotonic()

    def note_attempt(self, name: str) -> None:
        """Count a try; it is written with how it ends."""
        before = self.jobs.get(name, {})
        count = 0 if before.get("state") == "done" else before.get("attempts", 0)
        self.jobs[name] = {"state": "failed", "reason": "it was begun, and its end is not known", "attempts": count + 1}

    def note_end(self, name: str, outcome: Outcome) -> None:
        """Keep how the last try ended."""
        facts = {name: value for name, value in dataclasses.asdict(outcome).items() if name != "state" and value}
        state = "done" if outcome.state == "done" else "failed"
        self.jobs[name] = {"state": state, "attempts": self.jobs.get(name, {}).get("attempts", 0)} | facts
        if time.monotonic() >= self._next_write:
            self.write()

    def note_whole(self, names: Collection[str]) -> None:
        """Keep that the output of these jobs is there."""
        self.jobs |= {name: {"state": "done"} for name in names if self.jobs.get(name, {}).get("state") != "done"}

    def keep_only(self, names: Collection[str]) -> None:
        """Leave out jobs of earlier lists."""
        self.jobs = {name: job for name, job in self.jobs.items() if name in names}

    def write(self) -> None:
        """Write all that is noted."""
        started = time.monotonic()
        write_text(self.path, json.dumps({"format": FORMAT, "jobs": self.jobs}, indent=1) + "\n")
        ended = time.monotonic()
        self._next_write = ended + max(SECONDS_BETWEEN_WRITES, (ended - started) / SHARE_OF_WRITING)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        jobs = content["jobs"] if content["format"] == FORMAT else None
    except (ValueError, LookupError, TypeError, RecursionError):
        jobs = None
    if not isinstance(jobs, dict) or not all(isinstance(one, dict) for one in jobs.values()):
        raise InputError(f"{path} is no manifest of jobs; remove it: what is done is seen from the results")
    return jobs
