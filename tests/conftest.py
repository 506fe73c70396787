"""What several test files need."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from protas_gtcc.alignment.config import AlignmentConfig, AlignmentLossConfig, EncoderConfig
from protas_gtcc.config import PRESETS, RunConfig, TrainingConfig
from protas_gtcc.dataset.file import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.decoding import compilation

# The tests' claims, bit for bit, are of the processor. `CUDA_VISIBLE_DEVICES=0 pytest tests/test_gpu.py` tests a GPU.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# Tiny tensors: threads would only wait for each other. Subprocesses inherit it.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


def pytest_configure(config: pytest.Config) -> None:
    """Have files spread over processes in the order below, not those with most tests first."""
    if hasattr(config.option, "loadscopereorder"):  # pytest-xdist is there
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that all processes end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def slow_but_first(cases: Iterable[object]) -> list[Any]:
    """Cases of a test that takes seconds: the first belongs to the fast half, the others are marked as slow."""
    first, *others = cases
    return [first, *(pytest.param(case, marks=pytest.mark.slow) for case in others)]


@pytest.fixture(scope="session", autouse=True)
def offline() -> Iterator[None]:
    """No test connects to another machine."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test connects to {address[0]}; tests work offline")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        yield


@pytest.fixture(scope="session", autouse=True)
def compiled_in_silence() -> Iterator[None]:
    """What a test's commands print does not depend on whether it is the first that compiles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compilation._Reporter, "on_start", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("no ../shared beside the repository: real recordings and golden arrays are not here")
    return folder


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset file of 10 short videos: 8 in training, 2 in test; 4 classes, background 0, 6 feature dimensions."""
    path = tmp_path_factory.mktemp("data") / "tiny.h5"
    names = [f"video{number}" for number in range(10)]
    return write_videos(path, [tiny_video(name, number) for number, name in enumerate(names)], 8, "tiny")


def write_videos(path: Path, videos: Sequence[Video], num_train: int, name: str) -> Path:
    """A dataset file of these videos, the first of them in training and the others in test."""
    names = [video.name for video in videos]
    splits = {"1": {"train": names[:num_train], "test": names[num_train:]}}
    sets = {key: FeatureSet(values.shape[1]) for key, values in videos[0].features.items()}
    with write_dataset(path, DatasetInfo(name, ["rest", "cut", "mix", "serve"], [0], 5.0, splits), sets) as writer:
        for video in videos:
            writer.add(video)
    return path


def tiny_video(name: str, seed: int) -> Video:
    """A video of 20 to 60 frames whose features show its labels through noise."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.permutation(np.arange(8) % 4), rng.integers(1, 9, 8))
    features = rng.normal(size=(len(labels), 6)) + np.eye(4, 6)[labels] * 2
    return Video(name, labels, {"features": features.astype(np.float32)})


def tiny_config(dataset: Path, preset: str = "reference", **training: Any) -> RunConfig:
    """A configuration that trains in a moment."""
    base = PRESETS[preset]
    return dataclasses.replace(
        base,
        dataset=str(dataset),
        model=dataclasses.replace(base.model, stages=2, layers=3, maps=8),
        training=dataclasses.replace(base.training, **{"epochs": 2, **training}),
    )


def kitchen_procedure(name: str, seed: int, task: str = "") -> Video:
    """Three actions after each other, each with a feature of its own, of lengths that vary."""
    random = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 0, 2, 3], random.integers(4, 12, size=5))
    features = np.eye(6)[labels] + 0.1 * random.normal(size=(len(labels), 6))
    return Video(name, labels, {"features": features.astype(np.float32)}, task=task)


@pytest.fixture(scope="session")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six training and three test videos of one procedure."""
    path, names = tmp_path_factory.mktemp("data") / "kitchen.h5", [f"v{number}" for number in range(9)]
    return write_videos(path, [kitchen_procedure(name, number) for number, name in enumerate(names)], 6, "kitchen")


def alignment_config(dataset: Path, loss: str = "tcc", epochs: int = 2, **changes: Any) -> AlignmentConfig:
    encoder = EncoderConfig(hidden=8, layers=2, output_dim=4)
    training = TrainingConfig(epochs=epochs, batch_size=2, lr=0.01, clip_norm=1.0)
    settings = AlignmentLossConfig(sampled_frames=20, components=3, anchors=6)
    known = {"encoder": encoder, "training": training, "alignment": settings}
    return AlignmentConfig(dataset=str(dataset), loss=loss, **{**known, **changes})  # type: ignore[arg-type]
