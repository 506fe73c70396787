"""The header of an HDF5 file of predictions: whose they are, and its checksum."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import protas_gtcc
from protas_gtcc.dataset.header import read_colours
from protas_gtcc.errors import InputError
from protas_gtcc.predictions import CHANNELS, PredictionInfo
from protas_gtcc.storage.facts import (
    flag,
    has_format,
    number,
    read_extractor,
    read_fact,
    read_texts,
    read_wholes,
    whole,
    without_unknown,
    write_extractor,
    write_facts,
    write_list,
)
from protas_gtcc.storage.ragged import checksum
from protas_gtcc.storage.stored import StoredFile

FORMAT = "protas_gtcc predictions"
FORMAT_VERSION = 2


def write_info(file: Any, info: PredictionInfo) -> None:
    """Write the facts of all predictions into an open HDF5 file."""
    write_facts(file, format=FORMAT, format_version=FORMAT_VERSION, version=protas_gtcc.__version__)
    write_facts(file, fps=float(info.fps), simulated=info.simulated)
    if info.lag_seconds:
        write_facts(file, lag_seconds=float(info.lag_seconds))
    write_extractor(file, info.extractor)
    write_list(file, "class_names", info.class_names)
    write_list(file, "background", np.array(info.background, dtype=np.int64))
    if info.class_colours:
        write_list(file, "class_colours", info.class_colours)
    if info.tasks:
        write_list(file, "tasks", info.tasks)


def kinds_of(info: PredictionInfo) -> list[str]:
    """The optional fields of a file: probabilities of tasks only where these have names."""
    return [kind for kind in CHANNELS if kind != "task_probs" or info.tasks]


def header_checksum(info: PredictionInfo, video_names: Sequence[str]) -> int:
    """CRC-32 of what all predictions share and of the names of the videos."""
    return checksum(json.dumps([without_unknown(dataclasses.asdict(info)), list(video_names)]).encode())


def read_info(file: StoredFile, path: Path) -> PredictionInfo:
    """The facts of all predictions.

    Raises `InputError` for another kind of file and another version, and `ValueError` for facts that cannot be.
    """
    if not has_format(file, FORMAT):
        raise InputError(f"{path} is an HDF5 file, but not {FORMAT}; make one with 'protas-gtcc predict'")
    version = read_fact(file, "format_version", whole)
    if version != FORMAT_VERSION:
        way_out = "upgrade this program to read it" if version > FORMAT_VERSION else "predict again"
        raise InputError(f"{path} has format version {version}, this program reads {FORMAT_VERSION}; {way_out}")
    names, background, fps = (
        read_texts(file, "class_names"),
        read_wholes(file, "background"),
        read_fact(file, "fps", number),
    )
    if not (fps > 0 and math.isfinite(fps)) or not all(0 <= label < len(names) for label in background):
        raise ValueError(f"it has {fps:g} frames per second, and background {background} of {len(names)} classes")
    simulated = file.has_attribute("simulated") and read_fact(file, "simulated", flag)
    tasks = read_texts(file, "tasks") if file.has_attribute("tasks") or "tasks" in file else []
    colours = read_colours(file, len(names))
    lag = read_fact(file, "lag_seconds", number) if file.has_attribute("lag_seconds") else 0.0
    return PredictionInfo(names, background, fps, simulated, read_extractor(file), tasks, colours, lag)
