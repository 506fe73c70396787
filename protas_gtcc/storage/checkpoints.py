"""Where the checkpoint of a model is, and facts from its metadata.

No torch: a wrong path is found before the seconds that its import takes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from protas_gtcc.errors import InputError
from protas_gtcc.storage.file_kinds import SAFETENSORS, TEXT, VIDEOS, kind_of, require_kind

CHECKPOINT = "checkpoint.safetensors"
"""Its name in a run directory."""


def find_checkpoint(path: Path | str) -> Path:
    """The checkpoint in a run directory, or the file itself. Raises `InputError` if there is none.

    Raises `OSError` if it may not be read.
    """
    path = Path(path)
    file = path / CHECKPOINT if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"no checkpoint {file}; train first, or name the folder of a finished run")
    return file


def is_model(path: Path) -> bool:
    """Whether this is a run directory or a checkpoint of this package; of no path, False."""
    return (path / CHECKPOINT).is_file() or (path.is_file() and kind_of(path) == SAFETENSORS)


def require_model(path: Path) -> None:
    """Raise `InputError` for the model of a command if there is no checkpoint, or a video in its place.

    Other files are refused by what reads them.
    """
    file = find_checkpoint(path)
    if kind_of(file) in VIDEOS:
        require_kind(file, "a run or a checkpoint", (), dict.fromkeys(VIDEOS, "the run comes first, then the video"))


def read_fact(path: Path, name: str) -> Any:
    """One value of a checkpoint's metadata; None if it has none of this name. Raises `InputError` for another file."""
    try:
        with safe_open(path, "numpy") as file:
            return json.loads((file.metadata() or {}).get(name, "null"))
    except Exception as error:  # of the format, of JSON and of its depth
        require_kind(path, SAFETENSORS, (SAFETENSORS,), {TEXT: "train again, or copy it again"})
        raise InputError(f"{path} is not a whole safetensors file ({error}); train again, or copy it again") from error
