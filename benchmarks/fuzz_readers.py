"""A small valid file for every reader, and how it is read whole. `fuzz.py` changes the files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch

from protas_gtcc.annotations.files.format import Format
from protas_gtcc.annotations.files.formats import FORMATS, read_annotations, write_annotations
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.settling import settle_file
from protas_gtcc.annotations.files.timed import Annotation, TimedSegment, WriteFacts
from protas_gtcc.annotations.mistakes import Mistake, Step, Track
from protas_gtcc.annotations.transcripts import count_transcripts
from protas_gtcc.checks.path import check_path
from protas_gtcc.config import PRESETS, ModelConfig, RunConfig
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.inference import load
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.metrics.prediction_csv import write_csv
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.network.checkpoint import ModelFacts, save_checkpoint
from protas_gtcc.network.reference_checkpoints import read_reference_checkpoint
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.storage.feature_files import load_features, open_array, read_header
from protas_gtcc.storage.yaml_configs import from_yaml, to_yaml
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.state import load_state, save_state

DIM, NAMES = 4, ["rest", "cut", "mix"]
LABELS = np.repeat([0, 1, 0, 2], 5)
TRACK = Track((Step(1, 5, 12), Step(2, 15, 20)), (2,), (Mistake(1, 5, 12, "Order Error", "too early"),))
RUN = dataclasses.replace(
    PRESETS["default"], model=ModelConfig(stages=1, layers=2, maps=4, graph=False), dataset="data.h5"
)
INFO = PredictionInfo(NAMES, [0], 5.0)


class Reader(NamedTuple):
    """`write` makes the valid file in a folder; `read` reads such a file whole."""

    name: str
    write: Callable[[Path], Path]
    read: Callable[[Path], object]


def make_dataset(folder: Path) -> Path:
    """A dataset file of two videos."""
    path, features = folder / "data.h5", np.random.default_rng(0).standard_normal((len(LABELS), DIM))
    info = DatasetInfo("small", NAMES, [0], 5.0, {"1": {"train": ["a"], "test": ["b/c"]}})
    with write_dataset(path, info, {"features": FeatureSet(DIM)}) as writer:
        for name in ("a", "b/c"):
            writer.add(Video(name, LABELS, {"features": features.astype(np.float32)}, "cook", "P01", "1", TRACK))
    return path


def _old_dataset(folder: Path) -> Path:
    """As earlier versions wrote it: text of variable length, in a heap."""
    path = make_dataset(folder)
    with h5py.File(path, "r+") as file:
        for owner in (file, file["feature_sets/features"], file["videos/a"], file["videos/b/c"]):
            for name, value in list(owner.attrs.items()):
                if isinstance(value, bytes):
                    owner.attrs[name] = value.decode()
        file.attrs["class_names"] = NAMES
        del file["video_names"]
        file["video_names"] = np.array(["a", "b/c"], dtype=h5py.string_dtype())
    return path


def _read_dataset(path: Path) -> None:
    dataset = Dataset(path)
    for video in dataset.video_names:
        dataset.labels(video), dataset.progress(video), dataset.segments(video), dataset.track(video)
        dataset.attribute(video, "task")
        for name in dataset.feature_sets:
            if dataset.has_features(video, name):
                dataset.features(video, name)
    for split in dataset.info.splits:
        dataset.part(split, "train")


def make_prediction() -> Prediction:
    """A prediction for either video."""
    probs = np.full((len(NAMES), len(LABELS)), 1 / len(NAMES), dtype=np.float32)
    reported = np.linspace(0, 1, len(LABELS), dtype=np.float32)
    ends = np.stack([reported, reported])
    return Prediction(LABELS, probs, probs, reported, ends, reported, ends)


def _predictions(folder: Path) -> Path:
    write_predictions(folder / "p.h5", [("a", make_prediction()), ("b/c", make_prediction())], INFO)
    return folder / "p.h5"


def _read_predictions(path: Path) -> None:
    files = open_predictions(path)
    for video in files.video_names:
        files.read(video), files.read_labels(video)


def _csv(folder: Path) -> Path:
    return write_csv(folder, "a", make_prediction(), INFO, every_class=True)


def _npy(folder: Path) -> Path:
    np.save(folder / "a.npy", np.ones((9, DIM), dtype=np.float32))
    return folder / "a.npy"


def _npz(folder: Path) -> Path:
    np.savez_compressed(folder / "a.npz", features=np.ones((9, DIM), dtype=np.float32))
    return folder / "a.npz"


def read_features(dim: int = DIM) -> Callable[[Path], None]:
    """Read features of `dim` numbers a frame as `predict` does, and with the axes of the file as `prepare` does."""

    def read(path: Path) -> None:
        shape, dtype = read_header(path)
        array = open_array(path)
        assert (array.shape, array.dtype) == (shape, dtype), "the header does not agree"
        features = load_features(path, dim)
        assert (features.shape[1:], features.dtype.kind in "iuf") == ((dim,), True)

    return read


def make_checkpoint(folder: Path) -> Path:
    """A checkpoint of an untrained network with a filter."""
    facts = ModelFacts(RUN, DIM, NAMES, [0], 5.0, training_videos=["a"])
    facts = dataclasses.replace(facts, transcripts=count_transcripts([LABELS], len(NAMES), RUN.decoding, 5.0))
    save_checkpoint(folder / "checkpoint.safetensors", facts.build(), facts)
    return folder / "checkpoint.safetensors"


def _published(folder: Path) -> Path:
    names = {"conv_in": "conv_1x1", "conv_logits": "conv_out"}
    config = dataclasses.replace(RUN.model, progress=False)
    network = ModelFacts(dataclasses.replace(RUN, model=config), DIM, NAMES, [0], 5.0).build()
    state = {}
    for name, values in network.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(f"stages.0.{ours}", f"stages.0.{theirs}")
        state[name.replace("stages.0.", "stage1.")] = values
    torch.save(state, folder / "epoch-1.model")
    return folder / "epoch-1.model"


def _optimised() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(3)).sum().backward()
    optimizer.step()
    return network, optimizer


def _state(folder: Path) -> Path:
    facts = {"rows": [{"epoch": 1, "loss": 0.5}], "identity": {"fps": 5.0}, "precision": {}}
    save_state(folder / "state.safetensors", *_optimised(), facts)
    return folder / "state.safetensors"


def _config(folder: Path) -> Path:
    (folder / "config.yaml").write_text(to_yaml(RUN))
    return folder / "config.yaml"


def _log(folder: Path) -> Path:
    RunDirectory(folder).write_log([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    return folder / "log.csv"


def _mstcn(changed: str) -> Callable[[Path], Path]:
    """A folder in the layout of MS-TCN; the file of this name is changed."""

    def write(folder: Path) -> Path:
        for part in ("groundTruth", "splits", "features"):
            (folder / part).mkdir(exist_ok=True)
        (folder / "mapping.txt").write_text("0 background\n1 cut\n2 mix\n")
        for video in ("a", "b"):
            names = [["background", "cut", "mix"][label] for label in LABELS]
            (folder / "groundTruth" / f"{video}.txt").write_text("\n".join(names) + "\n")
            np.save(folder / "features" / f"{video}.npy", np.ones((DIM, len(LABELS)), dtype=np.float32))
        (folder / "splits" / "train.split1.bundle").write_text("a.txt\n")
        (folder / "splits" / "test.split1.bundle").write_text("b.txt\n")
        return folder / changed

    return write


def _egoprocel(folder: Path) -> Path:
    task = {"handles": ["a", "b"], "hdl_actions": [["0", "1"], ["1", "0"]]}
    task |= {"hdl_start_times": [[0, 5], [0, 7]], "hdl_end_times": [[5, 9], [7, 11]]}
    (folder / "egoprocel.json").write_text(json.dumps({"Salad": task}))
    (folder / "egoprocel-id2action.txt").write_text("0 background\n1 cut\n")
    (folder / "data_splits.json").write_text(json.dumps({"splits": {"Salad": {"train": ["a"], "test": ["b"]}}}))
    return folder / "egoprocel.json"


def _splits(folder: Path) -> Path:
    _egoprocel(folder)
    return folder / "data_splits.json"


def _captaincook(folder: Path) -> Path:
    for part in ("annotation_json", "metadata", "data_splits"):
        (folder / part).mkdir(exist_ok=True)
    step = {"step_id": 1, "description": "Cut-Cut it", "start_time": 1.0, "end_time": 3.0}
    recording = {"activity_name": "Salad", "person_id": 1, "environment": 2, "steps": [step]}
    content: Any = {"1_1": recording, "1_2": recording}
    path = folder / "annotation_json" / "complete_step_annotations.json"
    path.write_text(json.dumps(content))
    (folder / "metadata" / "video_information.csv").write_text("recording_id,duration(sec)\n1_1,9\n1_2,8\n")
    steps = [{**step, "errors": [{"tag": "Order Error", "description": "too early"}]}]
    errors = [{"recording_id": name, "step_annotations": steps} for name in content]
    (folder / "annotation_json" / "error_annotations.json").write_text(json.dumps(errors))
    lists = {"train": ["1_1"], "val": [], "test": ["1_2"]}
    (folder / "data_splits" / "person_data_split_combined.json").write_text(json.dumps(lists))
    return path


def _errors(folder: Path) -> Path:
    _captaincook(folder)
    return folder / "annotation_json" / "error_annotations.json"


def _durations(folder: Path) -> Path:
    _captaincook(folder)
    return folder / "metadata" / "video_information.csv"


def _annotations(kind: Format) -> Callable[[Path], Path]:
    """A file of an annotation tool."""
    times = [(0, 2, "cut"), (2, 5, "mix"), (7, 9, "cut")]
    segments = tuple(
        TimedSegment(Fraction(s), Fraction(e), name, row) for row, (s, e, name) in enumerate(times, start=1)
    )

    def write(folder: Path) -> Path:
        written = write_annotations(folder, kind, [Annotation("tea", segments)], WriteFacts(("cut", "mix"), 5.0))
        return written[0][0]

    return write


def _read_annotations(path: Path) -> None:
    options = AnnotationOptions(counted_fps=5.0)
    settle_file(read_annotations(path, options), options)


def read_layout(levels: int) -> Callable[[Path], None]:
    """Read the layout whose top is so many folders above the file, and check it."""

    def read(path: Path) -> None:
        top = path.parents[levels]
        layout = open_layout(top, LayoutOptions())
        for video in layout.video_names:
            labels = layout.labels(video)
            assert ((labels >= 0) & (labels < len(layout.class_names))).all()
            track = layout.track(video)
            if track is not None:
                track.require(len(layout.class_names), len(labels))
            for features in layout.feature_folders.values():
                if features.has(video):
                    features.load(video, time_first=False)
        check_path(top, LayoutOptions(), 1.0)

    return read


READERS = (
    Reader("dataset", make_dataset, _read_dataset),
    Reader("dataset-old", _old_dataset, _read_dataset),
    Reader("dataset-check", make_dataset, check_path),
    Reader("predictions", _predictions, _read_predictions),
    Reader("predictions-csv", _csv, lambda path: open_predictions(path.parent, NAMES).read("a")),
    Reader("npy", _npy, read_features()),
    Reader("npz", _npz, read_features()),
    Reader("checkpoint", make_checkpoint, lambda path: load(path).predict(np.ones((3, DIM), dtype=np.float32))),
    Reader("published", _published, read_reference_checkpoint),
    Reader("state", _state, lambda path: load_state(path, *_optimised(), {"fps": 5.0})),
    Reader("config", _config, lambda path: from_yaml(RunDirectory(path.parent).config_text(), str(path), RunConfig)),
    Reader("log", _log, lambda path: RunDirectory(path.parent).read_log()),
    Reader("mapping", _mstcn("mapping.txt"), read_layout(0)),
    Reader("labels", _mstcn("groundTruth/a.txt"), read_layout(1)),
    Reader("list", _mstcn("splits/train.split1.bundle"), read_layout(1)),
    Reader("features", _mstcn("features/a.npy"), read_layout(1)),
    Reader("egoprocel", _egoprocel, read_layout(0)),
    Reader("egoprocel-splits", _splits, read_layout(0)),
    Reader("captaincook4d", _captaincook, read_layout(1)),
    Reader("captaincook4d-errors", _errors, read_layout(1)),
    Reader("captaincook4d-durations", _durations, read_layout(1)),
    *(
        Reader(f"annotations-{kind.name}", _annotations(kind), _read_annotations)
        for kind in FORMATS
        if kind.write is not None and (kind.name != "elan" or find_spec("pympi") is not None)
    ),
)
