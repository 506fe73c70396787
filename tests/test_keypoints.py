"""Tables of keypoints are features: every program's file gives the same points, and missing ones are marked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.storage.feature_files import find_keypoints, load_features, open_array, read_header
from protas_gtcc.storage.keypoints.points import Keypoints
from tests.mstcn_folder import exit_code, write_mstcn

NAN = np.nan
POSITIONS = np.array(
    [[[NAN, NAN], [1, 2]], [[10, 20], [3, 2]], [[NAN, NAN], [5, 2]], [[12, 20], [NAN, NAN]]], dtype=np.float32
)
"""[T = 4, K = 2, 2]"""
CONFIDENCE = np.array([[NAN, 0.5], [1, 0.25], [NAN, 0.5], [0.75, NAN]], dtype=np.float32)
FEATURES = np.array(
    [
        [0, 0, 0, 0, 1, 2, 0.5, 1],  # x, y, confidence, present of each point
        [10, 20, 1, 1, 3, 2, 0.25, 1],
        [10, 20, 0, 0, 5, 2, 0.5, 1],
        [12, 20, 0.75, 1, 5, 2, 0, 0],
    ],
    dtype=np.float32,
)


def cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:g}"


def write_dlc_csv(path: Path, heads: Sequence[tuple[str, list[str]]] = ()) -> None:
    """As pandas writes DeepLabCut's table, a blank cell for what is missing; more rows of headings if given."""
    heads = [("scorer", ["net"] * 6), *heads, ("bodyparts", ["thumb"] * 3 + ["palm"] * 3)]
    heads += [("coords", ["x", "y", "likelihood"] * 2)]
    rows = [",".join([first, *others]) for first, others in heads]
    for number, (points, shares) in enumerate(zip(POSITIONS, CONFIDENCE, strict=True)):
        values = [value for point, share in zip(points, shares, strict=True) for value in (*point, share)]
        rows.append(",".join([str(number), *map(cell, values)]))
    path.write_text("\n".join(rows) + "\n")


def write_lightning_pose_csv(path: Path) -> None:
    """With the columns of its ensembles, which are not read."""
    write_dlc_csv(path)
    ends = ["net", "thumb", "x_ens_median", *(["7"] * len(POSITIONS))]
    path.write_text("".join(f"{row},{end}\n" for row, end in zip(path.read_text().splitlines(), ends, strict=True)))


def write_dlc_h5(path: Path, values: np.ndarray | None = None) -> None:
    """As pandas and PyTables write it: a table of rows, and the names of its columns in a pickle of text."""
    if values is None:
        values = np.concatenate([POSITIONS, CONFIDENCE[:, :, None]], axis=2).reshape(4, 6)
    table = np.zeros(len(values), [("index", "i8"), ("values_block_0", "f8", (values.shape[1],))])
    table["values_block_0"] = values
    with h5py.File(path, "w") as file:
        file["df_with_missing/table"] = table
        file["df_with_missing"].attrs["non_index_axes"] = np.bytes_(b"(lp0\n(I1\n(lp1\n(Vnet\nVthumb\nVlikelihood\nt.")


def write_sleap(path: Path, by_frame: bool = False, scores: bool = True) -> None:
    """The analysis file of one track."""
    with h5py.File(path, "w") as file:
        tracks = POSITIONS[None]  # [tracks, frames, nodes, 2]
        file["tracks"] = tracks.transpose(1, 0, 2, 3) if by_frame else tracks.transpose(0, 3, 2, 1)
        if scores:
            file["point_scores"] = CONFIDENCE[:, None] if by_frame else CONFIDENCE.T[None]
        file["node_names"] = np.array([b"thumb", b"palm"])
        file["track_occupancy"] = np.ones((4, 1))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("dlc.csv", write_dlc_csv),
        ("animals.csv", lambda path: write_dlc_csv(path, [("individuals", ["left"] * 6)])),
        ("lightning.csv", write_lightning_pose_csv),
        ("dlc.h5", write_dlc_h5),
        ("sleap.h5", write_sleap),
        ("sleap-io.h5", lambda path: write_sleap(path, by_frame=True)),
    ],
)
def test_every_program_gives_the_same_features(tmp_path, name, write):
    write(tmp_path / name)
    np.testing.assert_array_equal(open_array(tmp_path / name), FEATURES)
    assert read_header(tmp_path / name) == ((4, 8), np.dtype(np.float32))
    assert read_header(tmp_path / name, speeds=True)[0] == (4, 12)


def test_without_scores_a_point_that_is_there_is_sure(tmp_path):
    write_sleap(tmp_path / "a.h5", scores=False)
    assert open_array(tmp_path / "a.h5")[:, [2, 6]].tolist() == [[0, 1], [1, 1], [0, 1], [1, 0]]


def test_speeds_are_a_second_and_only_between_frames_that_have_the_point():
    features = Keypoints(POSITIONS, CONFIDENCE).features(speeds_at=10.0)
    of_thumb, of_palm = features[:, 4:6], features[:, 10:12]
    assert of_thumb.tolist() == [[0, 0]] * 4
    assert of_palm.tolist() == [[0, 0], [20, 0], [20, 0], [0, 0]]


def test_later_frames_change_nothing():
    points = Keypoints(POSITIONS, CONFIDENCE)
    for end in range(1, 5):
        cut = Keypoints(POSITIONS[:end], CONFIDENCE[:end]).features(5.0)
        np.testing.assert_array_equal(cut, points.features(5.0)[:end])


# MediaPipe


def hand(x: float) -> list[dict[str, float]]:
    return [{"x": x, "y": 0.5, "z": -0.1} for _ in range(21)]


def pose(x: float, visibility: float = 0.5) -> list[dict[str, float]]:
    return [{"x": x, "y": 0.25, "z": 0.0, "visibility": visibility} for _ in range(33)]


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def keypoints(path: Path) -> Keypoints:
    found = find_keypoints(path)
    assert found is not None
    return found


def test_holistic_landmarks_have_places_for_parts_that_are_not_there(tmp_path):
    frames = [{"pose_landmarks": pose(0.1), "left_hand_landmarks": None, "right_hand_landmarks": hand(0.3)}, {}]
    found = keypoints(write_json(tmp_path / "a.json", {"frames": frames, "fps": 30}))
    assert found.positions.shape == (2, 33 + 21 + 21, 3)
    assert np.isnan(found.positions[0, 33:54]).all()
    np.testing.assert_allclose(found.positions[0, 60], [0.3, 0.5, -0.1])
    np.testing.assert_allclose(found.confidence[0, :33], 0.5)
    features = open_array(tmp_path / "a.json").reshape(2, 75, 5)
    assert features[:, :, 4].sum(axis=1).tolist() == [54, 0]
    assert features[0, 60, 3] == 1, "MediaPipe gives hands no visibility"


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("handedness", [[{"category_name": "Right", "score": 0.9}], [{"category_name": "Left", "score": 0.8}]]),
        ("multi_handedness", [{"classification": [{"label": "Right"}]}, {"classification": [{"label": "Left"}]}]),
        ("handedness", ["Right", "Left"]),
    ],
)
def test_hands_are_placed_by_their_side_in_whatever_order_they_come(tmp_path, name, sides):
    landmarks = "multi_hand_landmarks" if name.startswith("multi") else "hand_landmarks"
    frames = [{landmarks: [hand(0.9), hand(0.1)], name: sides}, {landmarks: [hand(0.2)], name: sides[1:]}]
    found = keypoints(write_json(tmp_path / "a.json", frames)).positions
    np.testing.assert_allclose(found[:, 0, 0], [0.1, 0.2])
    np.testing.assert_allclose(found[:, 21, 0], [0.9, NAN])


def test_frames_that_are_not_listed_have_no_points(tmp_path):
    frames: list[object] = [{"frame": 1, "landmarks": pose(0.1)}, {"frame": 3, "landmarks": [[0.2, 0.3]] * 33}]
    found = keypoints(write_json(tmp_path / "a.json", frames)).positions
    assert np.isfinite(found[:, 0, 0]).tolist() == [False, True, False, True]
    np.testing.assert_allclose(found[3, 0], [0.2, 0.3, 0.0])


def test_the_first_person_is_read_in_the_forms_of_both_interfaces(tmp_path):
    many = write_json(tmp_path / "tasks.json", [{"pose_landmarks": [pose(0.1), pose(0.7)]}])
    protobuf = write_json(tmp_path / "protobuf.json", [{"pose_landmarks": {"landmark": pose(0.1)}}])
    np.testing.assert_array_equal(open_array(many), open_array(protobuf))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ([{"a": 1}], "has no landmarks in 1 frames"),
        ([1, 2], "is not a list of frames"),
        ([{"hand_landmarks": [hand(0.1)]}], "frame 0: hand 0 has no handedness"),
        ([{"landmarks": pose(0.1)}, {"landmarks": hand(0.1)}], "33 points in one frame|21 points in one frame"),
        ([{"landmarks": [{"x": "left"}] * 3}], "expected points with x, y and z"),
        ([{"frame": 10**9, "landmarks": pose(0.1)}], "expected frame to be whole numbers below 10000"),
        ([{"frame": 2, "landmarks": pose(0.1)}, {"frame": 2, "landmarks": pose(0.1)}], "each above the one before"),
    ],
)
def test_json_of_another_form_is_one_line(tmp_path, content, error):
    with pytest.raises(InputError, match=error):
        open_array(write_json(tmp_path / "a.json", content))


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda path: write_dlc_h5(path, np.ones((4, 5))), "5 columns that are not x, y, likelihood in turn"),
        (lambda path: write_dlc_h5(path, np.full((4, 6), 300.0)), "not x, y, likelihood in turn"),
    ],
)
def test_a_table_of_other_columns_is_refused(tmp_path, write, error):
    write(tmp_path / "a.h5")
    with pytest.raises(InputError, match=error):
        open_array(tmp_path / "a.h5")


# In a dataset


@pytest.fixture
def folder(tmp_path) -> Path:
    """Labels in the layout of MS-TCN beside tables of keypoints in several forms."""
    writers: dict[str, Callable[[Path], None]] = {"u.csv": write_dlc_csv, "v.h5": write_sleap, "w.h5": write_dlc_h5}
    labels = {Path(name).stem: [0, 0, 1, 1] for name in writers}
    folder = write_mstcn(tmp_path / "data", ["background", "pour"], labels)
    (folder / "features").mkdir()
    for name, write in writers.items():
        write(folder / "features" / name)
    return folder


def test_keypoints_are_prepared_with_speeds_or_without(folder, tmp_path):
    plain, more = ("prepare", folder, "--fps", 10, "--out"), ("--test-share", 0.34)
    assert exit_code(*plain, tmp_path / "a.h5", *more) == 0
    assert exit_code(*plain, tmp_path / "b.h5", *more, "--speeds") == 0
    np.testing.assert_array_equal(Dataset(tmp_path / "a.h5").features("u", "features"), FEATURES)
    with_speeds = Dataset(tmp_path / "b.h5").features("v", "features")
    assert with_speeds.shape == (4, 12)
    assert with_speeds[1, 10] == 20
    np.testing.assert_array_equal(load_features(folder / "features/u.csv", 12, fps=10.0), with_speeds)
    with pytest.raises(InputError, match="makes 8 features a frame, 12 with speeds, and the model takes 9"):
        load_features(folder / "features/u.csv", 9)


def test_speeds_of_other_features_are_refused(folder, tmp_path, capsys):
    for file in (folder / "features").iterdir():
        file.unlink()
    for video in "uvw":
        np.save(folder / "features" / f"{video}.npy", np.zeros((4, 3)))
    assert exit_code("prepare", folder, "--fps", 10, "--out", tmp_path / "o.h5", "--speeds") == 1
    assert "--speeds: " in capsys.readouterr().err
