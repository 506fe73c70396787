"""Datasets known by name, and the simulated procedures that stand in for one that is not prepared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.errors import InputError

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset

DATA_FOLDER = Path("data")
"""Where prepared datasets are looked for by name, seen from the working directory."""
KNOWN = ("egoprocel",)


def stands_in(name: str) -> bool:
    """Whether the simulated procedures stand in for this known dataset, because no file of it is prepared."""
    return name in KNOWN and not (DATA_FOLDER / f"{name}.h5").is_file()


def open_dataset(name_or_path: str, show: Callable[[str], None] = print) -> Dataset:
    """Open a dataset by path, or by name from `data/<name>.h5`.

    For `egoprocel` with no prepared file the simulated procedures stand in, and `show` is called with a message about
    it. Raises `InputError` if it is neither a file nor a known name.
    """
    from protas_gtcc.dataset.file import Dataset

    path = Path(name_or_path)
    prepared = DATA_FOLDER / f"{name_or_path}.h5"
    if path.suffix or path.exists():
        return Dataset(path)
    if prepared.is_file():
        return Dataset(prepared)
    if not stands_in(name_or_path):
        raise InputError(
            f"no dataset {name_or_path!r}: it is neither a file, nor {prepared}, nor one of {', '.join(KNOWN)}; "
            "make one with 'protas-gtcc prepare'"
        )
    show(
        f"No prepared {name_or_path} at {prepared}: using SIMULATED procedures of its shape. "
        "Scores on them say nothing about real video."
    )
    return _simulated(show)


def _simulated(show: Callable[[str], None]) -> Dataset:
    # Imported here: the simulator needs scipy, and a command that only asks `stands_in` must start fast.
    from protas_gtcc.dataset.file import Dataset
    from protas_gtcc.simulate.config import STAND_IN
    from protas_gtcc.simulate.dataset import dataset_info, simulate

    path = DATA_FOLDER / "simulated-procedures.h5"
    with suppress(InputError):  # a missing or a damaged file is made
        dataset = Dataset(path)
        if dataclasses.replace(dataset.info, class_colours=[]) == dataset_info(STAND_IN):
            return dataset
    show(f"making {path}")
    simulate(path, STAND_IN)
    return Dataset(path)
