"""A changed byte is not read as data: of dataset files, of predictions, of checkpoints."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

from protas_gtcc.checks.path import check_path
from protas_gtcc.dataset.feature_sets import add_feature_set
from protas_gtcc.dataset.file import Dataset, FeatureSet
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.network.checkpoint import load_checkpoint, save_checkpoint
from protas_gtcc.predictions import PredictionInfo
from tests.checked_data import changed_by_hand, write_file
from tests.tiny_models import make_model, video


def everything(dataset: Dataset) -> Any:
    """All that a dataset gives, as text."""
    videos = [
        [
            dataset.labels(v),
            dataset.progress(v),
            dataset.segments(v),
            dataset.attribute(v, "task"),
            dataset.features(v, s),
        ]
        for v in dataset.video_names
        for s in dataset.feature_sets
    ]
    with np.printoptions(threshold=sys.maxsize, precision=17):
        return repr((dataset.info, dataset.feature_sets, dataset.num_frames, videos))


def flip(file: Any, name: str, index: tuple[int, ...]) -> None:
    """Flip the lowest bit of a number."""
    values = file[name][:]
    values.view(f"u{values.itemsize}")[index] ^= 1
    file[name][:] = values


def set_attribute(owner: str, name: str, value: object) -> Callable[[Any], None]:
    return lambda file: file[owner].attrs.__setitem__(name, value)


def rename_class(file: Any) -> None:
    names = file.attrs["class_names"]
    names[1] = "pout"
    file.attrs["class_names"] = names


DAMAGE = {
    "labels": (lambda file: flip(file, "labels", (40,)), "video v1: labels differ from what was written"),
    "progress": (lambda file: flip(file, "progress", (40,)), "video v1: progress differ from what was written"),
    "segments": (lambda file: flip(file, "segments", (6, 2)), "video v1: segments differ from what was written"),
    "features": (
        lambda file: flip(file, "videos/v2/features/features", (7, 3)),
        "video v2: features differ from what was written, first at frame 7",
    ),
    "task": (set_attribute("videos/v3", "task", "cool"), "task, subject or environment differ from what was"),
    "class": (rename_class, "its header differs from what was written"),
    "fps": (set_attribute("/", "fps", 10.5), "its header differs from what was written"),
    "source": (set_attribute("feature_sets/features", "look_ahead_frames", 1), "its header differs"),
    "split": (lambda file: file.move("splits/1/test", "splits/1/validation"), "its header differs"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_change_of_a_dataset_file_is_named_when_it_is_read(tmp_path, what):
    path = write_file(tmp_path / "d.h5")
    damage, message = DAMAGE[what]
    whole = everything(Dataset(path))
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(InputError, match=message):
        everything(Dataset(path))
    assert any(message in finding.what or "differ" in finding.what for finding in check_path(path))
    with changed_by_hand(path):
        pass
    assert everything(Dataset(path)) != whole, "a file without checksums is read as it is"


def test_a_window_of_frames_is_compared_frame_by_frame(tmp_path):
    path = write_file(tmp_path / "d.h5")
    with h5py.File(path, "r+") as file:
        flip(file, "videos/v0/features/features", (7, 3))
    dataset = Dataset(path)
    assert len(dataset.features("v0", "features", 0, 7)) == 7
    assert len(dataset.features("v0", "features", 8)) == 22
    with pytest.raises(InputError, match="first at frame 7"):
        dataset.features("v0", "features", 5, 9)


def test_checksums_follow_what_is_added_and_replaced(tmp_path):
    path = write_file(tmp_path / "d.h5")
    for scale in (1.0, 2.0):
        features = {v: np.full((n, 2), scale) for v, n in Dataset(path).num_frames.items()}
        add_feature_set(path, "more", FeatureSet(2), features, replace=scale == 2.0)
        assert "2., 2." in everything(Dataset(path)) or scale == 1.0
    with h5py.File(path, "r+") as file:
        flip(file, "videos/v0/features/more", (0, 0))
    with pytest.raises(InputError, match="video v0: more differ from what was written, first at frame 0"):
        Dataset(path).features("v0", "more")


@pytest.mark.parametrize("name", ["labels", "reported", "videos/b/probs", "videos/b/progress", "num_frames", "names"])
def test_a_change_of_predictions_is_named_when_they_are_read(tmp_path, name):
    path, one = tmp_path / "p.h5", make_model().predict(video(27))
    write_predictions(path, [("a", one), ("b", one)], PredictionInfo(["a", "b", "c", "d"], [0], 5.0))
    np.testing.assert_array_equal(open_predictions(path).read("b").probs, one.probs)
    with h5py.File(path, "r+") as file:
        if name == "names":
            rename_class(file)
        elif name == "num_frames":
            file[name][:] = [26, 28]
        else:
            flip(file, name, (30,) if "/" not in name else (1, 3))
    with pytest.raises(InputError, match=r"p\.h5 is damaged: .* what was written"):
        open_predictions(path).read("b")


def test_no_flipped_bit_of_a_checkpoint_is_loaded(tmp_path):
    path, model = tmp_path / "whole.safetensors", make_model()
    save_checkpoint(path, model.network, model.facts)
    content, draw = path.read_bytes(), random.Random(0)
    damaged = tmp_path / "damaged.safetensors"
    for number in range(200):
        changed = bytearray(content)
        place = draw.randrange(len(content) if number % 2 else 4000)
        changed[place] ^= 1 << draw.randrange(8)
        damaged.write_bytes(changed)
        with pytest.raises(InputError, match=r"damaged\.safetensors"):
            load_checkpoint(damaged)
    shutil.copyfile(path, damaged)
    load_checkpoint(damaged)
