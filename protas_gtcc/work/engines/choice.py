"""`--on NAME`, `--workers` and `--engine-options` -> an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from protas_gtcc.config import read_number
from protas_gtcc.errors import InputError
from protas_gtcc.work.engines.base import Engine
from protas_gtcc.work.engines.local import LocalEngine, usable_cores, visible_gpus
from protas_gtcc.work.jobs import Job

EngineName = Literal["local", "slurm", "ray"]
SLURM_WORKERS = 100
"""Slurm jobs at once by default; the others wait here."""


def make_engine(name: EngineName, workers: int | None, options: Sequence[str], folder: Path, first: Job) -> Engine:
    """The engine for jobs that need what the `first` one needs; what it writes itself goes into `folder`.

    `options` are texts `NAME=VALUE`. Raises `InputError` for options that the engine does not have, for an engine whose
    package is not installed, and if it cannot be reached.
    """
    given = _read_options(options)
    if name == "slurm":
        from protas_gtcc.work.engines.slurm import SlurmEngine

        return SlurmEngine(workers or SLURM_WORKERS, folder / "slurm", given)
    if name == "ray":
        from protas_gtcc.work.engines.ray import RayEngine

        return RayEngine(workers, given, first)
    if given:
        raise InputError(f"--engine-options {options[0]} is for --on slurm or --on ray; leave it out, or give --on")
    return LocalEngine(*local_workers(workers, first))


def local_workers(workers: int | None, first: Job) -> tuple[int, list[str]]:
    """Processes at once on this machine, and the GPUs that they are spread over.

    By default one process for each GPU, else as many as the usable cores have room for.
    """
    gpus = visible_gpus(first.device)
    return workers or len(gpus) or max(1, usable_cores() // first.cores), gpus


def _read_options(texts: Sequence[str]) -> Mapping[str, Any]:
    """Raises `InputError` for a text that is not NAME=VALUE."""
    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise InputError(f"--engine-options {text}: expected NAME=VALUE, such as partition=gpu")
        try:
            number = read_number(value)
            options[name] = int(number) if number == int(number) else number
        except (ValueError, OverflowError, ZeroDivisionError):
            options[name] = value
    return options
