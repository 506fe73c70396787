"""Ray: each job is a task, which Ray places where cores and a GPU are free, and starts again if its node is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from protas_gtcc.errors import InputError, lacks_package
from protas_gtcc.work.engines.base import Engine
from protas_gtcc.work.jobs import Job, Outcome, run_in_folder

RETRIES = 3
"""Of a task whose worker or node died; then the work list tries again."""


class RayEngine(Engine):
    """`workers` tasks at once, by default as many as the cluster has room for.

    A running cluster is used: that of `address` among the options, of RAY_ADDRESS, or one that this machine is part of.
    Else one of this machine alone is started. `num_cpus` and `num_gpus` of the options are for each job.
    Raises `InputError` if there is no cluster at the address.
    """

    def __init__(self, workers: int | None, options: Mapping[str, Any], first: Job):
        try:
            import ray
        except ImportError as error:
            raise lacks_package("--on ray", error, "ray") from error
        self._ray, self._each = ray, dict(options)
        address = self._each.pop("address", None)
        if unknown := self._each.keys() - {"num_cpus", "num_gpus"}:
            raise InputError(f"--on ray has no option {min(unknown)}; expected address, num_cpus or num_gpus")
        try:
            before = signal.getsignal(signal.SIGTERM)
            ray.init(address=address, log_to_driver=False, logging_level="error")
            signal.signal(signal.SIGTERM, before)  # Ray's own would end the command with another exit code
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"--on ray: {error}; start a cluster with 'ray start', or correct the address") from error
        self._nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self.workers = workers or max(1, sum(self._room(node, self._needs(first)) for node in self._nodes))
        self._task = ray.remote(run_in_folder)
        self._pool = ThreadPoolExecutor(self.workers)
        self._running: set[Any] = set()

    def submit(self, job: Job) -> Future[Outcome]:
        """Let Ray run it. Raises `InputError` if no machine of the cluster is large enough."""
        needs = self._needs(job)
        if not any(self._room(node, needs) for node in self._nodes):
            raise InputError(
                f"no machine of the Ray cluster has {needs} for {job.name}; give --engine-options num_cpus=1"
            )
        reference = self._task.options(**needs, max_retries=RETRIES, name=job.name).remote(job, os.getcwd())
        self._running.add(reference)
        return self._pool.submit(self._outcome, reference)

    def close(self) -> None:
        """Cancel what runs, and leave the cluster."""
        for reference in list(self._running):
            self._ray.cancel(reference, force=True)
        self._pool.shutdown(cancel_futures=True)
        self._ray.shutdown()

    def _outcome(self, reference: Any) -> Outcome:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            return Outcome("failed", f"the Ray task failed: {str(error).strip().splitlines()[-1]}")
        except errors.RayError as error:
            return Outcome("died", f"the Ray task died: {str(error).strip().splitlines()[0]}")
        finally:
            self._running.discard(reference)

    def _needs(self, job: Job) -> dict[str, int | float]:
        has_gpus = any(node.get("GPU", 0) for node in self._nodes)
        gpus = 1 if job.device == "cuda" or (job.device == "auto" and has_gpus) else 0
        return {"num_cpus": job.cores, "num_gpus": gpus} | self._each

    @staticmethod
    def _room(node: Mapping[str, int | float], needs: Mapping[str, int | float]) -> int:
        """Jobs with these needs that the resources of a node are enough for."""
        wanted = {"CPU": needs["num_cpus"], "GPU": needs["num_gpus"]}
        return min((int(node.get(name, 0) // count) for name, count in wanted.items() if count), default=1)
