"""EgoPER's JSON, Breakfast, Assembly101, HoloAssist, targets of every frame: on files made in their published form."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.annotations.mistakes import Mistake, Step
from protas_gtcc.checks.path import check_path
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from tests.mstcn_folder import exit_code
from tests.published_folders import (
    assembly101_name,
    write_assembly101,
    write_breakfast,
    write_egoper,
    write_features,
    write_holoassist,
    write_target_perframe,
)

WRITERS: dict[str, tuple[Callable[[Path], Path], int]] = {
    "egoper": (write_egoper, 10),
    "breakfast": (write_breakfast, 15),
    "assembly101": (write_assembly101, 30),
    "holoassist": (write_holoassist, 10),
    "target_perframe": (write_target_perframe, 4),
}


@pytest.fixture(params=WRITERS)
def published(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int]:
    """A folder and the rate of its features."""
    write, fps = WRITERS[request.param]
    return write(tmp_path / request.param), fps


def test_a_published_folder_is_prepared_and_passes_every_check(published, tmp_path, capsys):
    folder, fps = published
    assert not [one for one in check_path(folder, fps=float(fps)) if one.level == "error"]
    out = tmp_path / "x.h5"
    assert exit_code("prepare", folder, "--out", out, "--fps", fps) == 0
    assert exit_code("check", out) == 0
    dataset = Dataset(out)
    assert {"train", "test"} <= dataset.info.splits["1"].keys()
    for video in dataset.video_names:
        for name in dataset.feature_sets:
            assert len(dataset.features(video, name)) == len(dataset.labels(video))


def test_labels_alone_need_no_features(published, tmp_path):
    folder, fps = published
    out = tmp_path / "x.h5"
    assert exit_code("prepare", folder, "--out", out, "--fps", fps, "--no-features") == 0
    assert Dataset(out).feature_sets == {}
    assert exit_code("labels", folder, "--out", tmp_path / "labels", "--fps", fps) == 0


def test_a_truncated_file_is_one_clear_line(published, tmp_path, capsys):
    folder, fps = published
    damaged = next(file for file in sorted(folder.rglob("*")) if file.suffix in (".json", ".txt", ".npy"))
    damaged.write_bytes(damaged.read_bytes()[:-7])
    assert exit_code("prepare", folder, "--out", tmp_path / "x.h5", "--fps", fps) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert damaged.name in lines[-1]
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("egoper", "tea_1,1.000,2.500,boil,tea"),
        ("breakfast", "P03_cam01_P03_cereals,2.000,5.000,take_bowl,cereals,P03"),
        ("assembly101", f"{assembly101_name('assembly', 9011)},1.000,3.000,attach cabin,assembly,9011"),
        ("holoassist", "R001-7July-DSLR,2.800,5.000,close,change dslr battery"),
        ("target_perframe", "video_1,1.250,3.750,CliffDiving"),
    ],
)
def test_convert_takes_the_published_times_and_no_file_for_that_of_a_tool(tmp_path, name, row):
    folder = WRITERS[name][0](tmp_path / name)
    counted = ("--counted-fps", 4) if name == "target_perframe" else ()
    assert exit_code("convert", folder, tmp_path / "x.csv", *counted) == 0
    assert row in (tmp_path / "x.csv").read_text().splitlines()


# EgoPER


def test_an_annotation_tools_file_of_the_same_name_is_that_tools(tmp_path):
    write_features(tmp_path / "features", {"annotation": 50})
    action = {"start": 1, "end": 2, "action": 1}
    annotation = {"video": {"src": "tea.mp4", "fps": 10}, "actionAnnotationList": [action]}
    config = {"actionLabelData": [{"id": 1, "name": "pour"}]}
    (tmp_path / "annotation.json").write_text(json.dumps({"annotation": annotation, "config": config}))
    layout = open_layout(tmp_path)
    assert (layout.class_names, layout.video_names) == (["background", "pour"], ["tea"])


def test_egopers_action_types_are_the_mistakes_of_the_track(tmp_path):
    layout = open_layout(write_egoper(tmp_path / "egoper"))
    layout.sample_labels(10.0)
    layout.pair_by_length("features_10fps", {"tea_2": 52.0})
    assert layout.class_names == ["BG", "boil", "pour", "addition", "grind"], "equal names of two tasks are one class"
    assert layout.background == [0]
    assert layout.labels("tea_2").tolist() == [0] * 10 + [1] * 15 + [2] * 15 + [3] * 10 + [0] * 2
    track = layout.track("tea_2")
    assert track.steps == (Step(1, 10, 25), Step(2, 25, 40), Step(3, 40, 50))
    slip, addition = track.mistakes
    assert slip == Mistake(2, 25, 40, "Error_Slip", "Spill water")
    assert addition == Mistake(3, 40, 50, "Error_Addition", "Wave")
    assert layout.track("tea_1").mistakes == ()
    assert layout.task("coffee_1") == "coffee"


def test_egopers_tasks_are_splits_of_their_own_beside_that_of_all(tmp_path):
    folder = write_egoper(tmp_path / "egoper")
    splits = open_layout(folder).splits
    assert splits["1"] == {"train": ["tea_1", "coffee_1"], "test": ["tea_2", "coffee_2"]}
    assert splits["tea"] == {"train": ["tea_1"], "test": ["tea_2"]}
    (folder / "coffee").rename(folder.parent / "away")
    one = open_layout(folder)
    assert one.video_names == ["tea_1", "tea_2"]
    assert "no folder of the task coffee, left out" in one.notices


# Breakfast


def test_breakfasts_frames_count_from_1_and_include_the_last(tmp_path):
    layout = open_layout(write_breakfast(tmp_path / "breakfast"))
    layout.sample_labels(15.0)
    video = "P03_cam01_P03_cereals"
    assert layout.class_names == ["SIL", "take_bowl", "pour_cereals"]
    assert layout.labels(video).tolist() == [0] * 30 + [1] * 45 + [2] * 15 + [0] * 15
    assert (layout.background, layout.task(video), layout.subject(video)) == ([0], "cereals", "P03")
    assert layout.splits["1"] == {"train": ["P16_cam01_P16_cereals"], "test": [video]}
    assert layout.splits.keys() == {"1", "2"}, "splits 3 and 4 would have no test video"


def test_another_level_is_chosen_where_it_is_there(tmp_path):
    folder = write_breakfast(tmp_path / "breakfast")
    with pytest.raises(InputError, match="--level 'fine'"):
        open_layout(folder, LayoutOptions(level="fine"))
    fine = folder / "segmentation_fine" / "cereals"
    fine.mkdir(parents=True)
    (fine / "P03_cam01_P03_cereals.txt").write_text("1-60 reach\n61-105 grasp\n")
    assert open_layout(folder, LayoutOptions(level="fine")).class_names == ["SIL", "reach", "grasp"]
    with pytest.raises(InputError, match="has one annotation of actions; leave out --level"):
        open_layout(write_assembly101(tmp_path / "assembly101"), LayoutOptions(level="fine"))


# Assembly101


def test_assembly101_begins_with_its_first_labelled_frame(tmp_path):
    layout = open_layout(write_assembly101(tmp_path / "assembly101"))
    layout.sample_labels(30.0)
    video = assembly101_name("disassembly", 9011)
    assert layout.class_names == ["attach wheel", "detach wheel", "attach cabin"]
    assert layout.labels(video).tolist() == [0] * 30 + [2] * 60
    assert (layout.background, layout.task(video), layout.subject(video)) == ([], "disassembly", "9011")


def test_without_published_test_labels_validation_videos_are_tested_on(tmp_path):
    for folder in (write_assembly101(tmp_path / "assembly101"), write_holoassist(tmp_path / "holoassist")):
        layout = open_layout(folder)
        assert {part: len(videos) for part, videos in layout.splits["1"].items()} == {"train": 2, "test": 1}
        assert "1 test video without published annotations left out" in layout.notices
        assert "no test video has annotations: the validation videos are the test part" in layout.notices


# HoloAssist


def test_holoassists_coarse_actions_are_classes_and_wrong_fine_ones_their_mistakes(tmp_path):
    layout = open_layout(write_holoassist(tmp_path / "holoassist"))
    layout.sample_labels(10.0)
    layout.pair_by_length("features", {"R001-7July-DSLR": 61.0})
    assert layout.class_names == ["background", "insert battery", "close"]
    labels = [0] * 10 + [1] * 18 + [2] * 22 + [0] * 11
    assert layout.labels("R001-7July-DSLR").tolist() == labels, "of two steps the one that began last is the label"
    track = layout.track("R001-7July-DSLR")
    assert track.steps == (Step(1, 10, 30), Step(2, 28, 50))
    wrong = Mistake(1, 15, 22, "Wrong Action, corrected by student", "It is upside down")
    assert track.mistakes == (wrong,)
    assert layout.task("R001-7July-DSLR") == "change dslr battery"


def test_holoassists_fine_actions_are_classes_on_their_own_level(tmp_path):
    layout = open_layout(write_holoassist(tmp_path / "holoassist"), LayoutOptions(level="fine"))
    assert layout.class_names == ["background", "grab battery", "insert battery"]
    (mistake,) = layout.track("R001-7July-DSLR").mistakes
    assert (mistake.label, mistake.tag) == (2, "Wrong Action, corrected by student")


# Targets of every frame


def test_of_several_targets_the_one_that_began_last_is_the_label_and_the_track_has_all(tmp_path):
    layout = open_layout(write_target_perframe(tmp_path / "thumos"))
    assert layout.class_names == ["Background", "CliffDiving", "Diving"]
    assert layout.labels("video_1").tolist() == [0] * 5 + [1] * 10 + [0] * 5
    assert layout.labels("video_3").tolist() == [0] * 5 + [1] * 5 + [2] * 8 + [0] * 2
    assert layout.track("video_1") is None
    assert layout.track("video_3").steps == (Step(1, 5, 15), Step(2, 10, 18))
    assert [*layout.feature_folders] == ["flow_kinetics_bninception", "rgb_kinetics_resnet50"]


def test_targets_without_a_list_of_classes_need_their_background_named(tmp_path):
    folder = write_target_perframe(tmp_path / "thumos")
    (folder / "data_info.json").unlink()
    with pytest.raises(InputError, match="no class is called background or BG, the classes are class 0, class 1"):
        open_layout(folder)
    layout = open_layout(folder, LayoutOptions(background=("class 0",)))
    assert layout.labels("video_1").tolist() == [0] * 5 + [1] * 10 + [0] * 5


# What is wrong


def _json(file: str, change: Callable[[Any], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        content = json.loads((folder / file).read_text())
        change(content)
        (folder / file).write_text(json.dumps(content))

    return apply


def _labels(content: dict[str, Any], **new: object) -> None:
    content["tea"]["segments"][0]["labels"].update(new)


def _text(file: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_text(text)


def _targets(array: np.ndarray) -> Callable[[Path], object]:
    return lambda folder: np.save(folder / "target_perframe" / "video_1.npy", array)


HOLO, BOWL = "data-annotation-trainval-v1_1.json", "segmentation_coarse/cereals/P03_cam01_P03_cereals.txt"
WHEEL = f"coarse_labels/{assembly101_name('assembly', 9011)}.txt"
EGO = "annotation.json"
ONE, HUNDRED = [[0, 1], [1, 2], [2, 1.5], [4, 5]], [[0, 1], [1, 2], [2, 3], [4, 100]]
BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "reversed": ("egoper", _json(EGO, lambda c: _labels(c, time_stamp=ONE)), "segment 3: 'BG' ends at 1.5 s, before i"),
    "counts": (
        "egoper",
        _json(EGO, lambda c: _labels(c, action=[0, 1])),
        "came 4 of time_stamp, 2 of action, 4 of",
    ),
    "action": (
        "egoper",
        _json(EGO, lambda c: _labels(c, action=[0, 9, 0, 0])),
        "segment 2: unknown action 9; give",
    ),
    "type": ("egoper", _json(EGO, lambda c: _labels(c, action_type=[7, 0, 0, 0])), "segment 1: unknown action_type 7"),
    "no labels": ("egoper", _json(EGO, lambda c: c["tea"]["segments"][0].pop("labels")), "expected 'labels' as an obj"),
    "no task": ("egoper", _json(EGO, lambda c: c.clear()), "annotation.json: expected an object of tasks"),
    "behind": ("egoper", _json(EGO, lambda c: _labels(c, time_stamp=HUNDRED)), "ends after the video, whose features"),
    "unlisted": ("egoper", _text("tea/test.txt", "tea_9\n"), "test.txt names video tea_9, which has no annotations"),
    "both": ("egoper", _text("tea/test.txt", "tea_1\n"), "tea_1"),
    "line": ("breakfast", _text(BOWL, "1-30 SIL\n31 take_bowl\n"), "line 2: expected '1-30 SIL', came '31 take_bowl'"),
    "backwards": ("breakfast", _text(BOWL, "1-30 SIL\n75-31 take_bowl\n"), "line 2: 'take_bowl' ends at 2.06667 s, b"),
    "overlap": ("breakfast", _text(BOWL, "1-30 SIL\n20-105 pour\n"), "line 1 (SIL, 0 to 2 s) and line 2 (pour"),
    "empty": ("breakfast", _text(BOWL, ""), f"{BOWL} is empty; write one segment a line, as '1-30 SIL'"),
    "short": ("breakfast", _text(BOWL, "1-60 SIL\n"), "its labels make 60 frames"),
    "gap": ("assembly101", _text(WHEEL, "0\t30\tattach wheel\n60\t90\tattach cabin\n"), "no segment at 1 s; add one"),
    "blanks": ("assembly101", _text(WHEEL, "0 30 attach wheel\n"), "line 1: expected '000006833\\t000007554\\tattach"),
    "train": (
        "assembly101",
        _text("coarse_splits/train_coarse_assembly.txt", "assembly_x.txt\tshared\n"),
        "train_coarse_assembly.txt names video assembly_x, which has no annotations; correct the list",
    ),
    "no list": (
        "holoassist",
        _json(HOLO, lambda c: c[0].pop("events")),
        "R001-7July-DSLR: expected 'events' as a",
    ),
    "twice": ("holoassist", _json(HOLO, lambda c: c.append(c[0])), "error: video R001-7July-DSLR comes twice, in "),
    "time": ("holoassist", _json(HOLO, lambda c: c[0]["events"][1].update(end=None)), "event 2: None is no time; exp"),
    "verb": (
        "holoassist",
        _json(HOLO, lambda c: c[0]["events"][1].update(attributes={})),
        "event 2: expected the na",
    ),
    "object": ("holoassist", _text(HOLO, "{}"), f"{HOLO}: expected a list of sessions, came dict; copy it again"),
    "columns": ("target_perframe", _targets(np.zeros((20, 4))), "expected [T, 3] for 3 classes, came [20, 4]"),
    "soft": ("target_perframe", _targets(np.full((20, 3), 0.5)), "video_1.npy: expected 0 and 1 alone"),
    "absent": (
        "target_perframe",
        _json("data_info.json", lambda c: c["THUMOS"]["test_session_set"].append("video_9")),
        "data_info.json names video video_9, which has no annotations; correct the list",
    ),
    "two": (
        "target_perframe",
        _json("data_info.json", lambda c: c.update(OTHER=c["THUMOS"])),
        "the videos are in several lists, data_info.json: THUMOS, data_info.json: OTHER; keep one",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_fault_is_one_line_with_its_place(tmp_path, capsys, what):
    name, break_it, message = BAD[what]
    write, fps = WRITERS[name]
    folder = write(tmp_path / name)
    break_it(folder)
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", fps) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not (tmp_path / "out.h5").exists()
