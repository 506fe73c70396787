"""Features of one video in a file of any known form, recognised by what is in it.

    .npy, .npz      an array; of several, the one called `features`
    .pt             a tensor, or a dict with one, or with one called `features`
    .csv            a table of numbers: rows are frames
    .h5, .mat       the only array of two axes, or the one called `features`
    .zarr           the same of a Zarr array or group, a folder or a ZIP file
    keypoints       tables of DeepLabCut, Lightning Pose, SLEAP and MediaPipe (`keypoints/`): rows are frames

No code in a file is run, and an array that claims more than its file can hold is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from protas_gtcc.config import Axes
from protas_gtcc.errors import InputError
from protas_gtcc.storage.file_kinds import HDF5, MATLAB, NPY, NPZ, TEXT, TORCH, kind_of, require_kind
from protas_gtcc.storage.keypoints.points import Keypoints
from protas_gtcc.storage.npy import read_npy, read_npy_header
from protas_gtcc.storage.stored import open_stored
from protas_gtcc.storage.zarr_arrays import ENDING as ZARR
from protas_gtcc.storage.zarr_arrays import is_zarr, read_zarr, zarr_header

ARRAYS = (".npy", ".npz")
OTHERS = (".pt", ".csv", ".h5", ".mat", ".json", ZARR)
ENDINGS = (*ARRAYS, *OTHERS)
"""Of the files that hold features."""
EXPECTED = "features (.npy, .npz, .pt, .csv, .h5, .mat, .zarr, or keypoints)"
Header = tuple[tuple[int, ...], np.dtype]
"""Shape and type of an array."""
_BY_KIND = {TORCH: "pt", MATLAB: "mat", HDF5: "h5", TEXT: "text"}


def load_features(
    path: Path,
    feature_dim: int,
    axes: Axes = "auto",
    fps: float | None = None,
    mmap_mode: Literal["r"] | None = None,
    way_out: str = "",
) -> np.ndarray:
    """Features `[T, D]` for a model that takes D = `feature_dim`; with `auto`, D is the axis of that size.

    Of keypoints, speeds are taken if only so there are D features; they need `fps`. `mmap_mode` leaves a .npy file on
    the disk until its frames are used. Raises `InputError` if there is no whole array of real numbers, and if no axis
    or both axes have that size; `way_out` ends the message about another size.
    """
    with _reading(path):
        points = find_keypoints(path)
    if points is not None:
        return points.features(_speeds_for(path, points, feature_dim, fps, way_out))
    features = open_array(path, mmap_mode)
    header = features.shape, features.dtype
    return features if _is_time_first(path, header, feature_dim, axes, way_out) else features.T


def require_loadable(path: Path, feature_dim: int, axes: Axes = "auto", way_out: str = "") -> None:
    """Raise `InputError` as `load_features` does, as far as the header shows."""
    with _reading(path):
        points = find_keypoints(path)
    if points is not None:
        _speeds_for(path, points, feature_dim, 1.0, way_out)
    else:
        _is_time_first(path, read_header(path), feature_dim, axes, way_out)


def open_array(path: Path, mmap_mode: Literal["r"] | None = None, speeds_at: float | None = None) -> np.ndarray:
    """The array of features in a file.

    `mmap_mode` reads only the header of a .npy file at first. With `speeds_at`, keypoints get speeds at so many frames
    per second. Raises `InputError` if the file is not whole, if it is not clear which of several arrays to read, and
    for speeds of what is not keypoints.
    """
    with _reading(path):
        points = find_keypoints(path)
        if points is not None:
            return points.features(speeds_at)
        _require_no_speeds(path, speeds_at is not None)
        read, _ = _array_readers(path)
        return read_npy(path, mmap_mode) if read is read_npy else read(path)


def read_header(path: Path, speeds: bool = False) -> Header:
    """Shape and type of the array that `open_array` gives, as far as possible without its values.

    Raises `InputError` as that does.
    """
    with _reading(path):
        points = find_keypoints(path)
        if points is not None:
            return (len(points.positions), points.dim(speeds)), np.dtype(np.float32)
        _require_no_speeds(path, speeds)
        return _array_readers(path)[1](path)


def holds_features(path: Path) -> bool:
    """Whether something of that name is there that may hold features: a file, or the folder of a Zarr array."""
    return path.is_file() or (is_zarr(path) and path.is_dir())


def rows_are_frames(path: Path) -> bool:
    """Whether the form of a file says that its first axis is time. Raises `InputError` as `read_header` does."""
    if path.suffix in ARRAYS:
        return False
    with _reading(path):
        return _form(path) in ("text", "dlc h5", "sleap h5")


def find_keypoints(path: Path) -> Keypoints | None:
    """The keypoints in a file; None if it has other features. Raises errors of many kinds for damaged files."""
    form = _form(path)
    if form == "text":
        return _keypoints_in_text(path)
    if form == "dlc h5":
        from protas_gtcc.storage.keypoints.dlc import read_dlc_hdf5

        return read_dlc_hdf5(path)
    if form == "sleap h5":
        from protas_gtcc.storage.keypoints.sleap import read_sleap

        return read_sleap(path)
    return None


def _keypoints_in_text(path: Path) -> Keypoints | None:
    from protas_gtcc.storage.keypoints.dlc import is_dlc_csv, read_dlc_csv
    from protas_gtcc.storage.keypoints.mediapipe import read_mediapipe

    with open(path, encoding="utf-8-sig", errors="replace") as file:
        is_json = file.read(1000).lstrip()[:1] in ("[", "{")
    if is_json:
        return read_mediapipe(path)
    return read_dlc_csv(path) if is_dlc_csv(path) else None


def _form(path: Path) -> str:
    """What is in a file: npy (and what is not known), pt, text, mat, h5, an h5 of keypoints, or zarr by its name."""
    if is_zarr(path):
        return "zarr"
    form = _BY_KIND.get(kind_of(path) or (TEXT if path.suffix in (".csv", ".json") else ""), "npy")
    if form != "h5":
        return form
    from protas_gtcc.storage.keypoints.dlc import find_dlc_table
    from protas_gtcc.storage.keypoints.sleap import is_sleap

    with open_stored(path, "save the features again") as file:
        if is_sleap(file):
            return "sleap h5"
        return "dlc h5" if find_dlc_table(file) is not None else form


def _array_readers(path: Path) -> tuple[Callable[[Path], np.ndarray], Callable[[Path], Header]]:
    """What reads the array in a file that has no keypoints, and what reads its shape and type."""
    form = _form(path)
    if form == "pt":
        from protas_gtcc.storage.tensors import read_tensor, tensor_header

        return read_tensor, tensor_header
    if form == "text":
        from protas_gtcc.storage.number_tables import read_table, table_header

        return read_table, table_header
    if form == "mat":
        from protas_gtcc.storage.mat_files import mat_header, read_mat

        return read_mat, mat_header
    if form == "h5":
        from protas_gtcc.storage.hdf5_arrays import hdf5_header, read_hdf5_array

        return read_hdf5_array, hdf5_header
    return (read_zarr, zarr_header) if form == "zarr" else (read_npy, read_npy_header)


def _speeds_for(path: Path, points: Keypoints, feature_dim: int, fps: float | None, way_out: str) -> float | None:
    """The rate for speeds if a model takes them; None if it does not."""
    if points.dim(False) == feature_dim:
        return None
    if points.dim(True) != feature_dim:
        what = f"{path} makes {points.dim(False)} features a frame, {points.dim(True)} with speeds"
        way_out = way_out or "track the points that it was trained on"
        raise InputError(f"{what}, and the model takes {feature_dim}; {way_out}")
    if fps is None:
        raise InputError(f"{path}: the model takes speeds of keypoints, which need the rate; give --fps")
    return fps


def _require_no_speeds(path: Path, speeds: bool) -> None:
    if speeds:
        raise InputError(f"--speeds: {path} has no keypoints; leave the flag out")


def _is_time_first(path: Path, header: Header, feature_dim: int, axes: Axes, way_out: str) -> bool:
    shape, dtype = header
    if dtype.kind not in "iuf":
        raise InputError(f"{path} holds {dtype}; save it as real numbers")
    if len(shape) != 2:
        raise InputError(f"{path} has shape {list(shape)}; save the features of one video, [T, D]")
    if axes != "auto":
        return axes == "TD"
    fits = [size == feature_dim for size in shape]
    if rows_are_frames(path):
        fits[0] = False
    if all(fits):
        raise InputError(f"{path}: both axes are {feature_dim} long; give --feature-axes DT or TD")
    if not any(fits):
        way_out = way_out or "extract features with the backbone that it was trained on"
        raise InputError(f"{path} has shape {list(shape)}, the model takes [T, {feature_dim}]; {way_out}")
    return fits[1]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the errors of reading a file into `InputError`; a file of another kind is named as what it is."""
    try:
        if not is_zarr(path):
            require_kind(path, EXPECTED, (NPY, NPZ, *_BY_KIND))
        yield
    except FileNotFoundError:
        raise InputError(f"no feature file {path}; extract the features, or correct the path") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; give its files, {path}/*.npy") from None
    except (InputError, PermissionError):
        raise
    except Exception as error:  # numpy, tokenize, zipfile, lzma, scipy and others each have errors of their own
        ending = path.suffix if path.suffix in ENDINGS else ".npy"
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise InputError(f"{path} is not a whole {ending} file of numbers ({what}); save it again") from error
