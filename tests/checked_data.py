"""Small datasets for the tests of checks, and how findings are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from protas_gtcc.checks.findings import Finding
from protas_gtcc.dataset.file import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from tests.mstcn_folder import write_mstcn


@contextmanager
def changed_by_hand(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file of ours, open for changes, without the checksums that would tell of them."""

    def remove(name: str, node: Any) -> None:
        node.attrs.pop("checksum", None)
        found.extend([name] if name.endswith("checksums") else [])

    with h5py.File(path, "r+") as file:
        found: list[str] = []
        remove("", file)
        file.visititems(remove)
        for name in found:
            del file[name]
        yield file


LABELS = np.repeat([0, 1, 0, 2, 0], [6, 8, 1, 10, 5])
INFO = DatasetInfo(
    name="tiny",
    class_names=["background", "pour", "stir"],
    background=[0],
    fps=10.0,
    splits={"1": {"train": ["v0", "v1", "v2"], "test": ["v3", "v4"]}},
)
SETS = {"features": FeatureSet(dim=4)}


def write_file(
    path: Path,
    info: DatasetInfo = INFO,
    sets: dict[str, FeatureSet] = SETS,
    labels: dict[str, np.ndarray] | None = None,
    subjects: dict[str, str] | None = None,
) -> Path:
    rng = np.random.default_rng(0)
    with write_dataset(path, info, sets) as writer:
        for name in ("v0", "v1", "v2", "v3", "v4"):
            of_video = (labels or {}).get(name, LABELS)
            features = {key: rng.standard_normal((len(of_video), one.dim)) for key, one in sets.items()}
            writer.add(Video(name, of_video, features, "cook", (subjects or {}).get(name, f"person {name}")))
    return path


def serious(findings: list[Finding]) -> list[Finding]:
    """Errors and warnings."""
    return [finding for finding in findings if finding.level != "note"]


def only(findings: list[Finding], level: str, where: str, what: str) -> None:
    """Assert that one finding alone is an error or a warning, and which."""
    (found,) = serious(findings)
    assert found.level == level
    assert where in found.where
    assert what in found.what
    assert found.way_out


def change_features(file: h5py.File, video: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    group = file["videos"][video]["features"]
    values = change(group["features"][:])
    del group["features"]
    group["features"] = values


def with_value(values: np.ndarray, index: Any, value: float) -> np.ndarray:
    values[index] = value
    return values


def put_array(group: Any, name: str, values: Any) -> None:
    del group[name]
    group[name] = values


def write_folder(path: Path, num_videos: int = 5) -> Path:
    """An MS-TCN folder with features `[D, T]`, D = 4, T = 30."""
    names, rng = [f"v{number}" for number in range(num_videos)], np.random.default_rng(0)
    labels, split = dict.fromkeys(names, LABELS), {"train": names[:-1], "test": names[-1:]}
    return write_mstcn(path, INFO.class_names, labels, split, lambda t: rng.standard_normal((4, t)).astype(np.float32))
