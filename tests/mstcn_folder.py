"""A folder in the MS-TCN layout, and a verb that is run on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from protas_gtcc.cli.main import main


def write_mstcn(
    path: Path,
    class_names: Sequence[str],
    labels: Mapping[str, Iterable[int]],
    split: Mapping[str, Iterable[str]] | None = None,
    features: Callable[[int], np.ndarray] | None = None,
) -> Path:
    """Write videos by their labels; `split` has the videos of each part of split 1; `features` makes arrays from T."""
    for folder in ("groundTruth", "splits") + (() if features is None else ("features",)):
        (path / folder).mkdir(parents=True)
    (path / "mapping.txt").write_text("\n".join(f"{label} {name}" for label, name in enumerate(class_names)))
    for video, of_video in labels.items():
        names = [class_names[label] for label in of_video]
        (path / "groundTruth" / f"{video}.txt").write_text("\n".join(names))
        if features is not None:
            np.save(path / "features" / f"{video}.npy", features(len(names)))
    for part, videos in (split or {}).items():
        (path / "splits" / f"{part}.split1.bundle").write_text("\n".join(f"{video}.txt" for video in videos))
    return path


def exit_code(*arguments: object) -> int:
    """Of `protas-gtcc` with these arguments."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
