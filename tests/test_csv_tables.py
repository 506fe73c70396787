"""Tables in CSV files: values stay distinct when they are written, and one reader refuses what cannot be a table."""

from __future__ import annotations

import math

import numpy as np
import pytest

from protas_gtcc.errors import InputError
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.metrics.predicted_segments import predicted_segments, write_segments
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.prepare.labels import write_label_files
from protas_gtcc.storage.csv_tables import read_csv_table, write_csv_table
from tests.mstcn_folder import write_mstcn

DAY_SECONDS = 86_400

# Writing


@pytest.mark.parametrize("fps", [0.25, 10.0, 25.0, 30000 / 1001, 240.0, 1e5])
def test_times_in_a_table_name_their_frames_to_the_end_of_a_day(tmp_path, fps):
    frames = np.unique(np.geomspace(1, DAY_SECONDS * fps, 500).astype(int))
    write_csv_table(tmp_path / "a.csv", {"seconds": np.stack([frames - 1, frames], axis=1).ravel() / fps})
    seconds = np.array(read_csv_table(tmp_path / "a.csv")["seconds"], dtype=float)
    np.testing.assert_array_equal(np.rint(seconds.reshape(-1, 2) * fps), np.stack([frames - 1, frames], axis=1))


def test_segments_of_a_few_frames_keep_their_length_after_hours(tmp_path):
    labels = np.zeros(350_004, dtype=np.int64)
    labels[350_000:350_002] = 1
    info = PredictionInfo(["rest", "cut"], [0], 25.0)
    found = predicted_segments(Prediction(labels, None, None, np.full(len(labels), 0.5)), info)
    table = read_csv_table(write_segments(tmp_path, "v", found))
    assert table["start_seconds"] == ["0", "14000", "14000.08"]
    assert table["end_seconds"] == ["14000", "14000.08", "14000.16"]
    assert table["progress"] == ["", "0.5", ""]


def test_segments_of_labels_keep_their_length_at_the_highest_rate(tmp_path):
    layout = open_layout(write_mstcn(tmp_path / "data", ["background", "cut"], {"v": [0, 1, 0]}))
    write_label_files(layout, tmp_path / "out", fps=1e5)
    table = read_csv_table(tmp_path / "out" / "segments" / "v.csv")
    assert table["start_seconds"] == ["0", "1e-05", "2e-05"]
    assert table["end_seconds"] == ["1e-05", "2e-05", "3e-05"]


def test_numbers_keep_six_digits_and_a_millionth(tmp_path):
    values = [0.0, 1.0, -1.5, 1234567.25, 1 / 3, 1e-7 / 3, 12.3456789, math.nan, None, 7]
    write_csv_table(tmp_path / "a.csv", {"value": values})
    expected = ["0", "1", "-1.5", "1234567.25", "0.333333", "3.33333e-08", "12.345679", "", "", "7"]
    assert read_csv_table(tmp_path / "a.csv")["value"] == expected


# Reading


def test_columns_that_are_named_may_be_in_any_case_and_others_keep_theirs(tmp_path):
    (tmp_path / "a.csv").write_text("Video, FPS,probs/Cut,probs/cut\nv,30,0.25,0.75\n")
    found = read_csv_table(tmp_path / "a.csv", ("video",), ("fps", "camera"))
    assert found == {"video": ["v"], "fps": ["30"], "probs/Cut": ["0.25"], "probs/cut": ["0.75"]}


def test_a_needed_column_that_is_not_there_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("Film,fps\nv,30\n")
    with pytest.raises(InputError, match="has no column video; it has Film, fps: add the column"):
        read_csv_table(tmp_path / "a.csv", ("video", "fps"))


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators_are_named(tmp_path, separator, name):
    (tmp_path / "a.csv").write_text(f"video{separator}fps\nv{separator}29,97\n")
    with pytest.raises(InputError, match=f"has {name} between its columns; separate columns by commas"):
        read_csv_table(tmp_path / "a.csv", ("video", "fps"))


def test_blank_lines_are_left_out_at_the_end_and_refused_between_rows(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,b\r\n1,2\r\n\r\n\r\n")
    assert read_csv_table(tmp_path / "a.csv") == {"a": ["1"], "b": ["2"]}
    (tmp_path / "a.csv").write_text("a,b\n\n1,2\n")
    with pytest.raises(InputError, match="line 2: 0 cells where the first row has 2; write it again"):
        read_csv_table(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("\n\n")
    with pytest.raises(InputError, match="is empty; write it again"):
        read_csv_table(tmp_path / "a.csv")
