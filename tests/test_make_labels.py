"""Labels without features: progress and segments as files, into a dataset file, and the task graph."""

from __future__ import annotations

import csv
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.prepare.labels import count_graph, write_label_files, write_labels_into
from protas_gtcc.prepare.writing import prepare
from tests.brute_force import segments_from_labels
from tests.mstcn_folder import exit_code, write_mstcn

LABELS = {"a": [0, 1, 1, 1, 1, 0, 2, 2], "b": [2, 0, 0, 1, 1, 1, 1, 1, 1, 0]}
NAMES = ["background", "take", "pour"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two videos in the MS-TCN layout, without features."""
    return write_mstcn(tmp_path / "kitchen", NAMES, LABELS, {"train": ["a"], "test": ["b"]})


def _graph(path: Path) -> dict[str, np.ndarray]:
    return {name: np.array(matrix) for name, matrix in json.loads(path.read_text()).items()}


def _brute_force_progress(labels: list[int], num_classes: int) -> np.ndarray:
    progress = np.zeros((num_classes, len(labels)), np.float32)
    for segment in segments_from_labels(np.array(labels)):
        if segment.label != 0:
            progress[segment.label, segment.start : segment.end] = np.arange(1, len(segment) + 1) / len(segment)
    return progress


def test_files_hold_progress_of_every_class_and_the_segments(folder, tmp_path):
    assert write_label_files(open_layout(folder), tmp_path / "out", fps=2.0) == (2, 0)
    for video, labels in LABELS.items():
        progress = np.load(tmp_path / "out" / "progress" / f"{video}.npy")
        assert progress.dtype == np.float32
        np.testing.assert_array_equal(progress, _brute_force_progress(labels, 3))
        with open(tmp_path / "out" / "segments" / f"{video}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        segments = [[int(row["start"]), int(row["end"]), int(row["class_id"])] for row in rows]
        assert segments == segment_array(np.array(labels)).tolist()
        assert [row["class"] for row in rows] == [NAMES[label] for _, _, label in segments]
        assert [float(row["end_seconds"]) for row in rows] == [end / 2 for _, end, _ in segments]


def test_progress_of_many_classes_is_never_whole_in_memory(tmp_path):
    names, num_frames = ["background", *(f"class {number}" for number in range(1, 400))], 4000
    layout = open_layout(write_mstcn(tmp_path / "kitchen", names, {"a": sorted([*range(400)] * 10)}))
    write_label_files(layout, tmp_path / "before")
    tracemalloc.start()
    try:
        write_label_files(layout, tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.load(tmp_path / "out" / "progress" / "a.npy").shape == (400, num_frames)
    assert peak < 4 * 400 * num_frames / 2


def test_a_second_run_keeps_existing_files_unless_they_are_to_be_overwritten(folder, tmp_path):
    layout = open_layout(folder)
    write_label_files(layout, tmp_path / "out")
    (tmp_path / "out" / "progress" / "a.npy").unlink()
    assert write_label_files(layout, tmp_path / "out") == (1, 1)
    assert write_label_files(layout, tmp_path / "out", overwrite=True) == (2, 0)


def test_labels_are_resampled_by_time_when_their_rate_is_known(folder, tmp_path):
    write_label_files(open_layout(folder), tmp_path / "out", fps=2.0, resample_to=1.0)
    expected = _brute_force_progress(LABELS["b"][1::2], 3)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "progress" / "b.npy"), expected)
    with pytest.raises(InputError, match="give --fps"):
        write_label_files(open_layout(folder), tmp_path / "out", resample_to=1.0)


def _dataset(folder: Path, out: Path, fps: float = 2.0) -> Path:
    (folder / "features").mkdir()
    for video, labels in LABELS.items():
        np.save(folder / "features" / f"{video}.npy", np.ones((40, len(labels))))
    prepare(open_layout(folder), out, fps, LayoutOptions())
    return out


def test_labels_in_a_dataset_file_are_replaced_and_features_stay(folder, tmp_path):
    file = _dataset(folder, tmp_path / "kitchen.h5")
    (folder / "mapping.txt").write_text("0|background\n1|grasp\n2|pour\n3|idle")
    (folder / "groundTruth" / "a.txt").write_text("\n".join(["idle"] * 3 + ["grasp"] * 5))
    (folder / "groundTruth" / "b.txt").write_text("\n".join(["pour"] * 10))
    options = LayoutOptions(background=("background", "idle"))
    assert write_labels_into(open_layout(folder, options), file) == 2
    dataset = Dataset(file)
    assert dataset.info.class_names == ["background", "grasp", "pour", "idle"]
    assert dataset.info.background == [0, 3]
    assert dataset.labels("a").tolist() == [3, 3, 3, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(dataset.progress("a"), [0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1])
    assert dataset.segments("b").tolist() == [[0, 10, 2]]
    assert dataset.features("a", "features").shape == (8, 40)


def test_labels_longer_than_the_files_features_need_the_tolerance_that_made_it(folder, tmp_path):
    file = _dataset(folder, tmp_path / "kitchen.h5", fps=10.0)
    (folder / "groundTruth" / "b.txt").write_text("\n".join(["pour"] * 16))
    with pytest.raises(InputError, match=r"16 labels, the features .* 10 frames; .*give that again"):
        write_labels_into(open_layout(folder), file)
    write_labels_into(open_layout(folder), file, tolerance_frames=6)
    assert len(Dataset(file).labels("b")) == 10


def test_labels_of_a_resampled_file_come_at_the_rate_that_is_given(folder, tmp_path, capsys):
    for video, labels in LABELS.items():
        text = "\n".join(NAMES[label] for label in np.repeat(labels, 6))
        (folder / "groundTruth" / f"{video}.txt").write_text(text)
    (folder / "features").mkdir()
    for video, labels in LABELS.items():
        np.save(folder / "features" / f"{video}.npy", np.ones((4, 6 * len(labels))))
    file = tmp_path / "kitchen.h5"
    prepare(open_layout(folder), file, 30.0, LayoutOptions(), resample_to=5.0)
    assert exit_code("labels", folder, "--into", file) == 1
    assert "give the labels' rate with --fps" in capsys.readouterr().err
    (folder / "mapping.txt").write_text("0|background\n2|take\n1|pour")
    assert exit_code("labels", folder, "--into", file, "--fps", 30) == 0
    assert Dataset(file).labels("b").tolist() == [[0, 2, 1][label] for label in LABELS["b"]]


def test_programs_read_what_was_written_as_json(folder, tmp_path, capsys):
    assert exit_code("labels", folder, "--out", tmp_path / "out", "--graph", tmp_path / "graph.json", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "out": {"path": str(tmp_path / "out"), "written": 2, "kept": 0},
        "graph": {"path": str(tmp_path / "graph.json"), "split": "1"},
        "notices": [],
    }
    file = _dataset(folder, tmp_path / "kitchen.h5")
    assert exit_code("labels", folder, "--into", file, "--json") == 0
    assert json.loads(capsys.readouterr().out)["into"] == {"path": str(file), "num_videos": 2}


def test_the_graph_takes_a_background_of_another_name(folder, tmp_path):
    (folder / "mapping.txt").write_text("0|rest\n1|take\n2|pour")
    for file in (folder / "groundTruth").iterdir():
        file.write_text(file.read_text().replace("background", "rest"))
    assert exit_code("labels", folder, "--graph", tmp_path / "graph.json", "--background", "rest") == 0
    assert _graph(tmp_path / "graph.json")["predecessors"][1, 2] == 1


@pytest.mark.parametrize(
    ("num_labels", "message"),
    [(7, "has 7 labels, the features in .* 8 frames"), (20, "has 20 labels"), (None, "no labels for it")],
)
def test_labels_that_do_not_fit_leave_the_file_as_it_was(folder, tmp_path, capsys, num_labels, message):
    file = _dataset(folder, tmp_path / "to" / "kitchen.h5")
    before = file.read_bytes()
    truth = folder / "groundTruth" / "a.txt"
    if num_labels is None:
        truth.unlink()
        (folder / "splits" / "train.split1.bundle").unlink()
    else:
        truth.write_text("\n".join(["take"] * num_labels))
    with pytest.raises(InputError, match=message):
        write_labels_into(open_layout(folder), file)
    assert exit_code("labels", folder, "--into", file) == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("error: ")
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_the_graph_is_counted_on_training_videos_only(folder, tmp_path):
    assert exit_code("labels", folder, "--graph", tmp_path / "graph.json", "--split", 1) == 0
    graph = _graph(tmp_path / "graph.json")
    expected = np.zeros((3, 3))
    expected[1, 2] = 1  # in the only training video, take comes right before pour
    np.testing.assert_array_equal(graph["predecessors"], expected)
    np.testing.assert_array_equal(graph["successors"], expected.T)
    with pytest.raises(InputError, match="no split '9'; choose one of 1"):
        count_graph(open_layout(folder), "9")


def test_a_command_without_an_output_is_wrong_usage(folder):
    assert exit_code("labels", folder) == 2


def test_egoprocel_gives_labels_without_features_and_warns_of_doubtful_ones(shared_folder, tmp_path, capsys):
    assert exit_code("labels", shared_folder / "data" / "egoprocel", "--graph", tmp_path / "graph.json") == 0
    assert "wrong for most videos" in capsys.readouterr().out
    assert _graph(tmp_path / "graph.json")["predecessors"].shape == (116, 116)
