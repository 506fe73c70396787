"""The analysis files of SLEAP (HDF5): `tracks`, and `point_scores` as confidence.

SLEAP writes tracks as `[tracks, 2, nodes, frames]`, as MATLAB wants them; sleap-io can also write `[frames, tracks,
nodes, 2]`. Each node of each track is a point, so all videos need the same number of tracks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.storage.hdf5_arrays import WAY_OUT
from protas_gtcc.storage.keypoints.points import Keypoints
from protas_gtcc.storage.stored import StoredFile, open_stored


def is_sleap(file: StoredFile) -> bool:
    """Whether an HDF5 file has the arrays of an analysis file."""
    return "tracks" in file and "node_names" in file


def read_sleap(path: Path) -> Keypoints:
    """The points of an analysis file. Raises `InputError` if its tracks have neither order of axes."""
    with open_stored(path, WAY_OUT) as file:
        tracks = file.numbers("tracks").astype(np.float32)
        scores = file.numbers("point_scores").astype(np.float32) if "point_scores" in file else None
        num_nodes = len(file.array("node_names"))
    if tracks.ndim == 4 and tracks.shape[1:3] == (2, num_nodes):
        positions, order = tracks.transpose(3, 0, 2, 1), (2, 0, 1)
    elif tracks.ndim == 4 and tracks.shape[2:] == (num_nodes, 2):
        positions, order = tracks, (0, 1, 2)
    else:
        what = f"tracks are {list(tracks.shape)}, expected [tracks, 2, {num_nodes}, frames]"
        raise InputError(f"{path}: {what}; export the analysis file again")
    num_frames, num_tracks = positions.shape[:2]
    confidence = np.full((num_frames, num_tracks, num_nodes), np.nan, np.float32)
    if scores is not None:
        if scores.ndim != 3 or scores.transpose(order).shape != confidence.shape:
            raise InputError(f"{path}: point_scores are {list(scores.shape)}; export the analysis file again")
        confidence = scores.transpose(order)
    points = num_tracks * num_nodes
    return Keypoints(positions.reshape(num_frames, points, 2), confidence.reshape(num_frames, points))
