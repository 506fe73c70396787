"""Processes on this machine, spread over its GPUs. They end with the command, however it ends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from protas_gtcc.config import Device
from protas_gtcc.work.engines.base import Engine
from protas_gtcc.work.jobs import Job, Outcome, Processes, run_job


class LocalEngine(Engine):
    """`workers` processes at once; each has a GPU of `gpus`, several share one where there are more processes."""

    def __init__(self, workers: int, gpus: Sequence[str] = ()):
        self.workers = workers
        self._pool, self._processes = ThreadPoolExecutor(workers), Processes()
        self._gpus: SimpleQueue[str | None] = SimpleQueue()
        for number in range(workers):
            self._gpus.put(gpus[number % len(gpus)] if gpus else None)

    def submit(self, job: Job) -> Future[Outcome]:
        """Run it when a process is free."""
        return self._pool.submit(self._run, job)

    def close(self) -> None:
        """End all processes."""
        self._processes.stop()
        self._pool.shutdown(cancel_futures=True)

    def _run(self, job: Job) -> Outcome:
        gpu = self._gpus.get()
        try:
            return run_job(job, {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}, self._processes)
        finally:
            self._gpus.put(gpu)


def usable_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus(device: Device) -> list[str]:
    """The value of CUDA_VISIBLE_DEVICES for each GPU that jobs on `device` may use; [] if they use no GPU."""
    import torch

    if device not in ("auto", "cuda"):
        return []
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (named or [str(number) for number in range(torch.cuda.device_count())])[: torch.cuda.device_count()]
