"""Segments in seconds: a CSV of them is enough, what none covers is background, and what does not fit is named."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.annotations.files.timed import read_seconds
from protas_gtcc.checks.path import check_path
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from tests.mstcn_folder import exit_code

HEAD = "video,start_seconds,end_seconds,name"
ROWS = ["v1,1,2.4,pour", "v1,2.4,5,stir", "v2,0:01,0:00:03,stir", "v2,3,8.5,pour", "v3,0,1,stir"]
SECONDS = {"v1": 5, "v2": 8, "v3": 4}
FPS = 10


def write(folder: Path, rows: list[str] | None = None, head: str = HEAD, seconds: dict[str, int] | None = None) -> Path:
    """A table beside features of these seconds, at `FPS`; its path."""
    (folder / "features").mkdir(parents=True, exist_ok=True)
    (folder / "segments.csv").write_text("\n".join([head, *(ROWS if rows is None else rows)]) + "\n")
    for video, length in (SECONDS if seconds is None else seconds).items():
        np.save(folder / "features" / f"{video}.npy", np.zeros((length * FPS, 3), np.float32) + length)
    return folder / "segments.csv"


def prepared(table: Path, *more: object) -> int:
    return exit_code("prepare", table, "--out", table.parent / "out.h5", "--fps", FPS, "--test-share", 0.34, *more)


def test_a_table_of_segments_beside_features_is_enough(tmp_path, capsys):
    table = write(tmp_path / "kitchen")
    assert prepared(table) == 0
    dataset = Dataset(tmp_path / "kitchen/out.h5")
    assert (dataset.info.name, dataset.info.class_names) == ("kitchen", ["background", "pour", "stir"])
    assert dataset.info.background == [0]
    assert dataset.segments("v1").tolist() == [[0, 10, 0], [10, 24, 1], [24, 50, 2]]
    assert dataset.segments("v2").tolist() == [[0, 10, 0], [10, 30, 2], [30, 80, 1]]
    assert dataset.segments("v3").tolist() == [[0, 10, 2], [10, 40, 0]]
    assert "1 segment cut at the end of the video" in capsys.readouterr().out
    assert {part: len(names) for part, names in dataset.info.splits["1"].items()} == {"train": 2, "test": 1}


def test_a_table_of_another_name_than_the_usual_one_names_its_dataset(tmp_path):
    table = write(tmp_path)
    assert open_layout(table.rename(tmp_path / "kitchen.csv")).name == "kitchen"


def test_a_folder_of_one_table_a_video_gives_the_same(tmp_path):
    prepared(write(tmp_path / "one"))
    write(tmp_path / "many").unlink()
    for video in SECONDS:
        rows = [row.partition(",")[2] for row in ROWS if row.startswith(video)]
        (tmp_path / "many" / f"{video}.csv").write_text("\n".join([HEAD.partition(",")[2], *rows]))
    (tmp_path / "many/notes.csv").write_text("a,b\n1,2\n")
    layout = open_layout(tmp_path / "many")
    assert any("notes.csv" in notice for notice in layout.notices)
    assert exit_code("prepare", tmp_path / "many", "--out", tmp_path / "many.h5", "--fps", FPS) == 0
    one, many = Dataset(tmp_path / "one/out.h5"), Dataset(tmp_path / "many.h5")
    assert one.info.class_names == many.info.class_names
    assert all(np.array_equal(one.labels(video), many.labels(video)) for video in SECONDS)


def test_lists_of_videos_are_read_with_the_folder_and_not_with_one_file_of_it(tmp_path):
    table = write(tmp_path)
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/split1.train").write_text("v1\nv2\n")
    (tmp_path / "splits/split1.test").write_text("v3\n")
    assert open_layout(tmp_path).splits == {"1": {"train": ["v1", "v2"], "test": ["v3"]}}
    of_file = open_layout(table)
    assert of_file.splits == {}
    assert any("splits/ are not read with one file of annotations; give the folder" in one for one in of_file.notices)


def test_people_and_tasks_are_columns_and_a_video_may_have_its_ending(tmp_path):
    rows = [f"v{n}.mp4,0,1,pour,tea,p{n % 2}" for n in range(4)]
    assert prepared(write(tmp_path, rows, f"{HEAD},task,subject", {f"v{n}": 2 for n in range(4)})) == 1
    assert prepared(tmp_path / "segments.csv", "--feature-axes", "TD") == 0
    dataset = Dataset(tmp_path / "out.h5")
    assert [dataset.attribute(f"v{n}", "subject") for n in range(4)] == ["p0", "p1", "p0", "p1"]
    assert dataset.attribute("v0", "task") == "tea"
    people = [{dataset.attribute(v, "subject") for v in dataset.part("1", part)} for part in ("train", "test")]
    assert not people[0] & people[1]


def test_a_segment_called_background_is_background_and_others_may_be_named(tmp_path):
    rows = ["v1,0,1,BG", "v1,1,2,idle", "v1,2,3,pour"]
    layout = open_layout(write(tmp_path, rows), LayoutOptions(background=("idle",)))
    assert layout.class_names == ["background", "idle", "pour"]
    assert layout.background == [0, 1]
    layout.sample_labels(2.0)
    assert layout.labels("v1").tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(InputError, match=r"--no-background: what no segment of .* covers is background"):
        open_layout(tmp_path / "segments.csv", LayoutOptions(no_background=True))


def test_frame_i_is_the_picture_at_i_over_fps_and_times_may_be_rounded_to_milliseconds(tmp_path):
    rows = [f"v1,{k / 15:.3f},{(k + 1) / 15:.3f},{'pour' if k % 2 else 'stir'}" for k in range(30)]
    layout = open_layout(write(tmp_path, rows))
    layout.sample_labels(15.0)
    assert layout.labels("v1").tolist() == [1, 2] * 15
    layout.sample_labels(30.0)
    assert layout.labels("v1").tolist() == [1, 1, 2, 2] * 15


def test_labels_may_have_their_own_rate(tmp_path):
    assert prepared(write(tmp_path), "--annotation-fps", 30) == 0
    assert Dataset(tmp_path / "out.h5").segments("v1").tolist() == [[0, 10, 0], [10, 24, 1], [24, 50, 2]]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("83.5", "83.5"), ("1:23.5", "83.5"), ("0:01:23.5", "83.5"), (" 2:00:00 ", "7200"), (".5", "0.5"), ("7.", "7")],
)
def test_times_are_seconds_or_hours_minutes_seconds(text, seconds):
    assert read_seconds(text) == Fraction(seconds)


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        (["v1,1,3,pour", "v1,2,4,stir"], r"of video v1, row 1 \(pour, 1 to 3 s\) and row 2 \(stir, 2 to 4 s\) overlap"),
        (["v1,3,3,pour"], "row 1: the segment of pour ends at 3, not after its start 3"),
        (["v1,-1,3,pour"], "row 1: '-1' is no time"),
        (["v1,1:75,3,pour"], "below 60"),
        (["v1,0,99999,pour"], "a day at most"),
        (["v1,nan,3,pour"], "'nan' is no time"),
        (["v1,1e9,3,pour"], "'1e9' is no time"),
        (["v1,0,1,"], "row 1: the name is blank"),
        ([",0,1,pour"], "row 1: the video is blank"),
        (["v1,0,1"], "line 2: 3 cells where the first row has 4"),
        (["../v1,0,1,pour"], "cannot be the name of a video"),
        ([f"{'ü' * 126},0,1,pour"], "at most 2000 bytes are allowed, 250 from one '/' to the next; rename it"),
        ([f"{'a/' * 1000}b,0,1,pour"], "at most 2000 bytes are allowed, 250 from one '/' to the next; rename it"),
        ([], "has no segments; write one a row"),
    ],
)
def test_what_is_no_segment_is_refused_by_name(tmp_path, rows, error):
    with pytest.raises(InputError, match=error):
        open_layout(write(tmp_path, rows))


def test_a_segment_more_than_a_second_behind_the_end_is_refused(tmp_path, capsys):
    assert prepared(write(tmp_path, [*ROWS[:-1], "v3,0,5.1,stir"])) == 1
    assert "video v3: row 5 (stir, 0 to 5.1 s) ends after the video, whose features last 4 s" in capsys.readouterr().err
    findings = check_path(tmp_path / "segments.csv", fps=float(FPS))
    assert [one.level for one in findings if "row 5 (stir" in one.what] == ["error"]


def test_two_people_in_a_video_and_two_tables_of_a_video_are_refused(tmp_path):
    with pytest.raises(InputError, match="row 2: subject 'ben' of video v1, before 'anna'; keep one"):
        open_layout(write(tmp_path, ["v1,0,1,pour,anna", "v1,2,3,pour,ben"], f"{HEAD},subject"))
    (tmp_path / "more.csv").write_text("\n".join([f"{HEAD},subject", "v1,5,6,pour,anna"]))
    write(tmp_path, ["v1,0,1,pour,anna"], f"{HEAD},subject")
    with pytest.raises(InputError, match=r"video v1 is in .*more.csv and in .*segments.csv"):
        open_layout(tmp_path)


def test_another_table_is_told_which_column_it_lacks(tmp_path):
    (tmp_path / "a.csv").write_text("video,start,end\nv,1,2\n")
    with pytest.raises(InputError, match="has no column start_seconds; it has video, start, end"):
        open_layout(tmp_path / "a.csv")


def test_labels_need_no_features_and_say_where_they_end(tmp_path, capsys):
    table = write(tmp_path)
    assert exit_code("labels", table, "--out", tmp_path / "labels") == 0
    assert "labels end with the last segment" in capsys.readouterr().out
    assert np.load(tmp_path / "labels/progress/v3.npy").shape == (3, 10)
    assert exit_code("labels", table, "--out", tmp_path / "more", "--fps", FPS) == 0
    assert np.load(tmp_path / "more/progress/v3.npy").shape == (3, 40)


def test_labels_are_put_into_a_dataset_file(tmp_path):
    table = write(tmp_path)
    assert prepared(table) == 0
    table.write_text(table.read_text().replace("v3,0,1", "v3,0,2"))
    assert exit_code("labels", table, "--into", tmp_path / "out.h5") == 0
    assert Dataset(tmp_path / "out.h5").segments("v3").tolist() == [[0, 20, 2], [20, 40, 0]]


def test_rendered_videos_are_marked_as_simulated(tmp_path):
    table = write(tmp_path)
    (tmp_path / "simulation.json").write_text(json.dumps({"simulated": True}))
    assert prepared(table) == 0
    assert Dataset(tmp_path / "out.h5").info.simulated


@pytest.mark.parametrize("content", ["[]", "{}", '{"simulatee": true}', '{"simulated": "yes"}'])
def test_damaged_facts_of_rendered_videos_do_not_make_recordings_of_them(tmp_path, capsys, content):
    table = write(tmp_path)
    (tmp_path / "simulation.json").write_text(content)
    assert prepared(table) == 1
    assert 'simulation.json has no "simulated" that is true or false' in capsys.readouterr().err
