"""One HDF5 file a dataset.

- `description`: what a dataset holds, as plain values
- `names`: which names videos and feature sets may have
- `header`: facts, feature sets and index in the file
- `writer`: making the file
- `file`: reading the file, video by video (`Dataset`)
- `feature_sets`: adding a feature set to the file
- `held_out`: drawing videos to hold out, whole people at a time
- `reader`: features as a run sees them: the dataset's own, or those of a control
- `statistics`: mean and deviation of features
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Dataset"]

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset


def __getattr__(name: str) -> Any:
    # On first use only: the description of a dataset must not wait for h5py to be imported.
    if name == "Dataset":
        from protas_gtcc.dataset.file import Dataset

        return Dataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
