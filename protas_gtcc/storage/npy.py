"""Arrays in .npy files: opening one, and reading the features of a new video."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from protas_gtcc.config import Axes
from protas_gtcc.errors import InputError


def load_features(path: Path, feature_dim: int, axes: Axes = "auto") -> np.ndarray:
    """Features `[T, D]` for a model that takes D = `feature_dim`; with `auto`, D is the axis of that size.

    Raises `InputError` if there is no whole array of real numbers, and if no axis or both axes have that size.
    """
    features = open_array(path)
    if features.dtype.kind not in "iuf":
        raise InputError(f"{path} holds {features.dtype}; save it as real numbers")
    if features.ndim != 2:
        raise InputError(f"{path} has shape {list(features.shape)}; save the features of one video, [T, D]")
    if axes != "auto":
        return features if axes == "TD" else features.T
    fits = [size == feature_dim for size in features.shape]
    if all(fits):
        raise InputError(f"{path}: both axes are {feature_dim} long; give --feature-axes DT or TD")
    if not any(fits):
        raise InputError(
            f"{path} has shape {list(features.shape)}, the model takes [T, {feature_dim}]; "
            "extract features with the backbone that it was trained on"
        )
    return features if fits[1] else features.T


def open_array(path: Path, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """The array in a .npy file; `mmap_mode` reads only its header at first. Raises `InputError` if it is not whole."""
    try:
        array = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"no feature file {path}; extract the features, or correct the path") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; give its files, {path}/*.npy") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is not a whole .npy file of numbers ({error}); save it again") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} is an archive of several arrays; save one array in .npy format")
    return array
