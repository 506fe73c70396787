"""What a work list needs of an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future

from protas_gtcc.errors import InputError
from protas_gtcc.work.jobs import Job, Outcome


class RefusedError(InputError):
    """The engine takes no job now: it has too many, or it would take none like this one."""


class Engine(ABC):
    """Where jobs run."""

    workers: int
    """Jobs at once."""

    @abstractmethod
    def submit(self, job: Job) -> Future[Outcome]:
        """Run a job. Raises `InputError` if it never can, and `RefusedError` if that may change when others end."""

    @abstractmethod
    def close(self) -> None:
        """End jobs that still run, and let go of everything."""
