"""Mappings, labels, lists and names are read in every form whose meaning is clear, and a notice gives the reading."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.checks.path import check_path
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.mapping import read_mapping
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.rates import read_rates
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.storage.csv_tables import read_csv_table
from tests.mstcn_folder import exit_code, write_mstcn

CLASSES = ["background", "take cup", "pour"]
LABELS = [0, 0, 1, 1, 2, 2, 2, 0]
ONE_CHARACTER, WITH_ACCENT = unicodedata.normalize("NFC", "Käse"), unicodedata.normalize("NFD", "Käse")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three videos of 8 frames, two of them in training."""
    split = {"train": ["v0", "v1"], "test": ["v2"]}
    return write_mstcn(
        tmp_path / "data", CLASSES, {f"v{n}": LABELS for n in range(3)}, split, lambda t: np.ones((3, t), np.float32)
    )


def notices(folder: Path) -> str:
    return "\n".join(open_layout(folder).notices)


# Mappings


@pytest.mark.parametrize(
    ("text", "own_ids", "notice"),
    [
        ("1 background\n2 take cup\n3 pour", [1, 2, 3], "numbers its 3 classes from 1 to 3; class ids are 0 to 2 here"),
        ("0|background\n5|take cup\n9|pour", [0, 5, 9], "from 0 to 9, with gaps; class ids are 0 to 2 here"),
        ("background 0\ntake cup 1\npour 2", [0, 1, 2], "the lines of mapping.txt are read as 'name id'"),
    ],
    ids=["from 1", "gaps", "name first"],
)
def test_a_mapping_may_start_at_1_have_gaps_or_put_the_name_first(folder, text, own_ids, notice):
    (folder / "mapping.txt").write_text(text)
    mapping = read_mapping(folder / "mapping.txt")
    assert (mapping.names, mapping.own_ids) == (CLASSES, own_ids)
    layout = open_layout(folder)
    assert notice in " ".join(layout.notices)
    assert layout.labels("v0").tolist() == LABELS


def test_lines_that_may_be_read_both_ways_are_id_name(folder):
    (folder / "mapping.txt").write_text("1 2\n0 1\n2 0")
    assert read_mapping(folder / "mapping.txt").names == ["1", "2", "0"]


@pytest.mark.parametrize("first_id", [0, 1])
def test_labels_may_be_the_ids_of_the_mapping(folder, first_id):
    (folder / "mapping.txt").write_text("\n".join(f"{i} {name}" for i, name in enumerate(CLASSES, first_id)))
    for video in ("v0", "v1", "v2"):
        (folder / "groundTruth" / f"{video}.txt").write_text("\n".join(str(one + first_id) for one in LABELS))
    layout = open_layout(folder)
    assert layout.labels("v1").tolist() == LABELS
    assert f"the labels are class ids, read as those of mapping.txt: {first_id} is background" in layout.notices


def test_labels_of_both_kinds_and_ids_that_no_class_has_are_refused(folder):
    (folder / "groundTruth" / "v0.txt").write_text("0\n1\npour")
    with pytest.raises(InputError, match=r"v0\.txt, line 3: unknown label 'pour'"):
        open_layout(folder).labels("v0")
    (folder / "groundTruth" / "v0.txt").write_text("0\n3")
    with pytest.raises(InputError, match=r"v0\.txt, line 2: unknown label '3'"):
        open_layout(folder).labels("v0")


def test_where_a_class_is_called_by_a_number_labels_are_names(folder):
    (folder / "mapping.txt").write_text("0 background\n1 0\n2 1")
    (folder / "groundTruth" / "v0.txt").write_text("0\n1")
    assert open_layout(folder).labels("v0").tolist() == [1, 2]


def test_a_background_called_none_can_be_named(folder, tmp_path):
    (folder / "mapping.txt").write_text("0 None\n1 take cup\n2 pour")
    for video in ("v0", "v1", "v2"):
        file = folder / "groundTruth" / f"{video}.txt"
        file.write_text(file.read_text().replace("background", "None"))
    out = tmp_path / "out.h5"
    command = ("prepare", folder, "--out", out, "--fps", 10, "--background", "None", "--name", "None")
    assert exit_code(*command) == 0
    info = Dataset(out).info
    assert (info.name, info.class_names, info.background) == ("None", ["None", "take cup", "pour"], [0])


# Names in two Unicode forms


@pytest.mark.parametrize(("known", "given"), [(ONE_CHARACTER, WITH_ACCENT), (WITH_ACCENT, ONE_CHARACTER)])
def test_names_match_in_either_unicode_form(tmp_path, known, given):
    classes = ["background", known]
    folder = write_mstcn(tmp_path / "data", classes, {known: [0, 1], "v1": [0, 1]}, {"train": [given], "test": ["v1"]})
    (folder / "groundTruth" / "v1.txt").write_text(f"background\n{given}\n")
    (folder / "features").mkdir()
    for name in (given, "v1"):
        np.save(folder / "features" / f"{name}.npy", np.ones((3, 2), np.float32))
    layout = open_layout(folder, LayoutOptions(background=(given,)))
    assert layout.background == [1]
    assert layout.labels("v1").tolist() == [0, 1]
    assert layout.splits["1"]["train"] == [known]
    assert layout.feature_folders["features"].shape(known) == (3, 2)
    assert layout.feature_folders["features"].unlabelled(layout.video_names) == []


def test_handles_in_a_json_list_match_in_either_unicode_form(tmp_path):
    task = {"handles": [WITH_ACCENT, "v1"], "hdl_actions": [["1"], ["1"]]}
    task |= {"hdl_start_times": [[0], [0]], "hdl_end_times": [[5], [5]]}
    (tmp_path / "egoprocel.json").write_text(json.dumps({"Salad": task}))
    (tmp_path / "egoprocel-id2action.txt").write_text("0 background\n1 cut\n")
    lists = {"splits": {"Salad": {"train": [ONE_CHARACTER], "test": ["v1"]}}}
    (tmp_path / "data_splits.json").write_text(json.dumps(lists))
    assert open_layout(tmp_path).splits["1"]["train"] == [WITH_ACCENT]


def test_a_message_tells_two_unicode_forms_of_a_name_apart():
    assert str(InputError(f"{WITH_ACCENT} is not {ONE_CHARACTER}")) == f"Ka\\u0308se is not {ONE_CHARACTER}"
    assert str(InputError("हिन्दी ไทย é")) == "हिन्दी ไทย é", "marks that their script keeps apart stay as they are"


# Lists of videos


@pytest.mark.parametrize("name", ["testing.split1.bundle", "Test.split1.bundle", "TEST.Split1.bundle", "split1.Test"])
def test_a_list_is_known_by_any_usual_name(folder, name):
    (folder / "splits" / "test.split1.bundle").rename(folder / "splits" / name)
    assert open_layout(folder).splits == {"1": {"train": ["v0", "v1"], "test": ["v2"]}}


@pytest.mark.parametrize("name", ["splits/dev.split1.bundle", "splits/train_1.txt", "splits/older"])
def test_what_is_not_read_as_a_list_is_named(folder, name):
    (folder / name).write_text("v2")
    assert f"not read as lists of videos: {name}; a list has a name such as" in notices(folder)
    assert any(name in finding.what for finding in check_path(folder))


def test_a_bundle_with_an_unknown_name_is_named_in_a_folder_without_splits(folder):
    for file in (folder / "splits").iterdir():
        file.unlink()
    (folder / "dev.bundle").write_text("v0")
    assert "not read as lists of videos: dev.bundle" in notices(folder)


def test_validation_videos_are_taken_out_of_the_training_part(folder, tmp_path):
    (folder / "splits" / "val.split1.bundle").write_text("v1")
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", 10) == 0
    assert Dataset(tmp_path / "out.h5").info.splits == {"1": {"train": ["v0"], "validation": ["v1"], "test": ["v2"]}}
    assert "split 1: 1 validation video taken out of its 2 training videos" in notices(folder)
    assert not [finding for finding in check_path(tmp_path / "out.h5") if finding.level == "error"]


@pytest.mark.parametrize(
    ("part", "names", "message"),
    [
        ("test", "v1\nv2", "in train and test: v1; keep each video in one part"),
        ("val", "v0\nv1", "in train and validation: v0, v1; keep each video in one part"),
        ("val", "v2", "in validation and test: v2; keep each video in one part"),
    ],
    ids=["train and test", "all of train", "validation and test"],
)
def test_prepare_reports_a_video_in_two_parts_as_check_does(folder, tmp_path, capsys, part, names, message):
    (folder / "splits" / f"{part}.split1.bundle").write_text(names)
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", 10) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.h5").exists()
    found = [f"{finding.what}; {finding.way_out}" for finding in check_path(folder) if finding.level == "error"]
    assert found == [message]


def test_a_video_twice_in_a_part_by_its_two_unicode_forms_is_reported(tmp_path, capsys):
    labels = {WITH_ACCENT: LABELS, "v1": LABELS}
    split = {"train": [WITH_ACCENT, ONE_CHARACTER], "test": ["v1"]}
    folder = write_mstcn(tmp_path / "data", CLASSES, labels, split, lambda t: np.ones((3, t), np.float32))
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", 10) == 1
    assert "more than once in train: Ka\\u0308se" in capsys.readouterr().err


# CSV files

BAD_TABLES = {
    "not UTF-8": b"\xff\xfe\x00",
    "long cell": b"video,fps\nv0," + b"1" * 200_000,
    "empty": b"",
    "open quote": b'video,fps\n"v0,1',
    "long row": b"video,fps\nv0,1,2",
    "heading twice": b"video,video\n1,2",
}


@pytest.mark.parametrize("content", BAD_TABLES.values(), ids=BAD_TABLES)
@pytest.mark.parametrize(
    "read",
    [read_csv_table, lambda path: read_rates(path, ["v0"]), lambda path: open_predictions(path).read(path.stem)],
    ids=["table", "rates", "predictions"],
)
def test_an_error_in_a_csv_file_names_the_file(tmp_path, read, content):
    (tmp_path / "times.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"times\.csv"):
        read(tmp_path / "times.csv")
