"""As `fuzz_readers.py`: features of other programs, keypoints, segments in seconds, phases, and facts in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from fuzz_readers import DIM, NAMES, Reader, read_features, read_layout
from scipy.io import savemat

from protas_gtcc.layouts.cholec80_files import TOOLS
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.predictions import Extractor
from protas_gtcc.storage.feature_facts import FeatureFacts, facts_file, require_extractor, write_feature_facts

VALUES = np.linspace(-1, 1, 9 * DIM, dtype=np.float32).reshape(9, DIM)
POINTS = 2
EXTRACTOR = Extractor("means.pt", "0123456789ab", 5.0)


def _file(name: str, save: Callable[[Path], object]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        save(folder / name)
        return folder / name

    return write


def _csv(path: Path) -> None:
    np.savetxt(path, VALUES, fmt="%g", delimiter=",", header="a,b,c,d", comments="")


def _h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["features"], file["times"] = VALUES, np.arange(9)


def _mat_7(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file["features"] = VALUES.T
    with open(path, "r+b") as start:
        start.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def _mat(path: Path) -> None:
    savemat(path, {"features": VALUES}, do_compression=True)


def _dlc_csv(path: Path) -> None:
    heads = ["scorer" + ",net" * 6, "bodyparts,a,a,a,b,b,b", "coords" + ",x,y,likelihood" * 2]
    rows = [f"{number},10.5,20,0.9,,,0.1" for number in range(5)]
    path.write_text("\n".join([*heads, *rows]) + "\n")


def _dlc_h5(path: Path) -> None:
    table = np.ones(5, [("index", "i8"), ("values_block_0", "f8", (3 * POINTS,))])
    with h5py.File(path, "w") as file:
        file["df_with_missing/table"] = table
        file["df_with_missing"].attrs["non_index_axes"] = np.bytes_(b"(lp0\n(I1\n(lp1\n(Vnet\nVthumb\nVlikelihood\nt.")


def _sleap(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["tracks"] = np.full((1, 2, POINTS, 5), 10.0)
        file["point_scores"] = np.full((1, POINTS, 5), 0.5)
        file["node_names"] = np.array([b"thumb", b"palm"])


def _mediapipe(path: Path) -> None:
    point = {"x": 0.1, "y": 0.2, "z": 0.0, "visibility": 0.5}
    path.write_text(json.dumps({"frames": [{"frame": number, "landmarks": [point] * POINTS} for number in (0, 2)]}))


def _segments(folder: Path) -> Path:
    (folder / "features").mkdir(exist_ok=True)
    for video in ("a", "b"):
        np.save(folder / "features" / f"{video}.npy", np.ones((40, DIM), np.float32))
    rows = ["a,0.5,1.5,cut,salad,ann", "a,0:01.5,3.25,mix,salad,ann", "b,0,2,cut,salad,ben"]
    (folder / "segments.csv").write_text("\n".join(["video,start_seconds,end_seconds,name,task,subject", *rows]) + "\n")
    return folder / "segments.csv"


def _phases(folder: Path) -> Path:
    for part in ("phase_annotations", "tool_annotations"):
        (folder / part).mkdir(exist_ok=True)
    phases = ["Preparation"] * 20 + ["ClippingCutting"] * 20
    rows = [f"{frame}\t{phase}" for frame, phase in enumerate(phases)]
    tools = ["\t".join(["Frame", *TOOLS]), "0" + "\t1" * len(TOOLS), "25" + "\t0" * len(TOOLS)]
    for video in ("video01", "video41"):
        (folder / "phase_annotations" / f"{video}-phase.txt").write_text("\n".join(["Frame\tPhase", *rows]))
        (folder / "tool_annotations" / f"{video}-tool.txt").write_text("\n".join(tools))
    return folder / "phase_annotations" / "video01-phase.txt"


def _tools(folder: Path) -> Path:
    _phases(folder)
    return folder / "tool_annotations" / "video01-tool.txt"


def _facts(folder: Path) -> Path:
    write_feature_facts(folder / "a.npy", FeatureFacts(EXTRACTOR, 9, DIM, "a.mp4", 1234, notes=["its end is missing"]))
    return facts_file(folder / "a.npy")


def _simulation(folder: Path) -> Path:
    _segments(folder)
    content = {"simulated": True, "seed": 0, "background": NAMES[:1], "videos": [{"name": "a", "fps": "30000/1001"}]}
    (folder / "simulation.json").write_text(json.dumps(content, indent=1))
    return folder / "simulation.json"


def _read_simulation(path: Path) -> None:
    assert open_layout(path.parent, LayoutOptions()).simulated, "simulated videos pass as recordings"


FEATURES = (
    Reader("pt", _file("a.pt", lambda path: torch.save({"features": torch.from_numpy(VALUES)}, path)), read_features()),
    Reader("csv", _file("a.csv", _csv), read_features()),
    Reader("h5", _file("a.h5", _h5), read_features()),
    Reader("mat", _file("a.mat", _mat), read_features()),
    Reader("mat-7", _file("a.mat", _mat_7), read_features()),
    Reader("deeplabcut-csv", _file("a.csv", _dlc_csv), read_features(4 * POINTS)),
    Reader("deeplabcut-h5", _file("a.h5", _dlc_h5), read_features(4 * POINTS)),
    Reader("sleap", _file("a.h5", _sleap), read_features(4 * POINTS)),
    Reader("mediapipe", _file("a.json", _mediapipe), read_features(5 * POINTS)),
    Reader("segments", _segments, read_layout(0)),
    Reader("cholec80-phases", _phases, read_layout(1)),
    Reader("cholec80-tools", _tools, read_layout(1)),
    Reader("facts", _facts, lambda path: require_extractor(path.with_suffix(".npy"), EXTRACTOR, 5.0)),
    Reader("simulation", _simulation, _read_simulation),
)
