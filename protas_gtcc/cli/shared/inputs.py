"""What a command is given to predict: videos, folders of them, and files of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protas_gtcc.errors import InputError, noted
from protas_gtcc.video.naming import VideoFile, find_videos, has_videos, is_video, only_named, require_different


@dataclass(frozen=True)
class Input(VideoFile):
    """A video, or a file of features, and the video's name."""

    is_video: bool
    read: Callable[[int], tuple[np.ndarray, float]] | None = None
    """Given the model's number of features D, gives features `[T, D]` and their rate; None for a file of them."""


def find_inputs(
    given: Sequence[Path], leave_out: Path, broken: dict[str, str], skip: bool, only: Sequence[str] = ()
) -> tuple[list[Input], list[Path]]:
    """The inputs in the order given, and the other files in folders of them; in `leave_out`, nothing counts.

    A folder without videos is one of features, named as `prepare` names them. With `only`, just the inputs of these
    names: the others are not opened.

    Files of features that cannot be opened are noted in `broken` with `skip`. Raises `InputError` for these without it,
    for paths that are not there, for folders with neither videos nor features, for two inputs of one name, and for a
    name in `only` that none has.
    """
    from protas_gtcc.layouts.features import FeatureFolder
    from protas_gtcc.storage.feature_files import open_array
    from protas_gtcc.storage.zarr_arrays import is_zarr

    inputs, others = list[Input](), list[Path]()
    for path in given:
        may_have = not is_zarr(path) and (path.is_dir() if only else has_videos(path))  # which looks at all files
        videos, left = find_videos([path], leave_out, only) if may_have or is_video(path) else ([], [])
        if videos:
            inputs += [Input(one.path, one.name, True) for one in videos]
            others += left
        elif path.is_dir() and not is_zarr(path) and (files := FeatureFolder(path).arrays()):
            inputs += [Input(file, file.name.removesuffix(file.suffix), False) for file in files]
            others += [path / name for name in FeatureFolder(path).not_read()]
        elif path.is_dir() and not is_zarr(path) and not only:
            what = f"{path} has no videos, and no files of features (those in its folders do not count)"
            raise InputError(f"{what}; correct the path, or name the files")
        else:
            inputs.append(Input(path, path.stem, False))
    require_different(inputs)
    inputs = only_named(inputs, only)
    for one in inputs:
        if not one.is_video:
            with noted(broken, one.name, skip and one.path.exists()):
                open_array(one.path, mmap_mode="r")
    return inputs, others
