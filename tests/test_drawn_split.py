"""A folder without lists of videos: a split is drawn on demand, and whoever misses splits reads how."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.checks.path import check_path
from protas_gtcc.cli.main import main
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.held_out import draw_held_out
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.prepare.labels import count_graph
from protas_gtcc.runs.evaluate_run import test_videos as videos_to_test
from tests.mstcn_folder import exit_code, write_mstcn

VIDEOS = [f"S{person}_tea{take}" for person in range(5) for take in range(2)]
BY_PERSON = r"^(S\d)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten videos of five people in the MS-TCN layout, without lists of videos."""
    labels = dict.fromkeys(VIDEOS, [0] * 3 + [1] * 6)
    return write_mstcn(
        tmp_path / "kitchen", ["background", "pour"], labels, None, lambda t: np.ones((2, t), np.float32)
    )


def _split(folder: Path, **options: object) -> dict[str, list[str]]:
    layout = open_layout(folder, LayoutOptions(**options))  # type: ignore[arg-type]
    assert list(layout.splits) == ["1"]
    return dict(layout.splits["1"])


def test_the_command_draws_a_split_and_names_it(folder, tmp_path, capsys):
    main(["prepare", str(folder), "--out", str(tmp_path / "d.h5"), "--fps", "5", "--test-share", "0.2", "--seed", "0"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "split 1: 8 train, 2 test" in printed
    assert "split 1 was drawn with seed 0: 8 training and 2 test videos, a person may be in both" in printed
    dataset = Dataset(tmp_path / "d.h5")
    assert sorted(dataset.part("1", "train") + dataset.part("1", "test")) == VIDEOS


def test_the_seed_alone_decides_the_split(folder):
    assert _split(folder, test_share=0.3, seed=4) == _split(folder, test_share=0.3, seed=4)
    drawn = {tuple(_split(folder, test_share=0.3, seed=seed)["test"]) for seed in range(8)}
    assert len(drawn) > 4


@pytest.mark.parametrize("seed", range(5))
def test_no_known_person_is_in_both_parts(folder, seed):
    split = _split(folder, test_share=0.4, seed=seed, subject_pattern=BY_PERSON)
    train, test = ({video[:2] for video in split[part]} for part in ("train", "test"))
    assert not train & test
    assert (len(split["train"]), len(split["test"])) == (6, 4)


def test_known_people_stay_whole_beside_videos_of_unknown_ones():
    one_person = dict.fromkeys(VIDEOS, "S1")
    assert len(draw_held_out(one_person, 0.2, 0)) == 2
    people = {video: "" if video == "S0_tea0" else video[:2] for video in VIDEOS}
    for seed in range(9):
        held_out = draw_held_out(people, 0.3, seed)
        known = {people[video] for video in held_out} - {""}
        assert {video for video in VIDEOS if people[video] in known} <= set(held_out)
    assert draw_held_out({"alone": "S1"}, 0.5, 0) == []


def test_one_video_at_least_is_in_each_part(folder):
    for share in (0.001, 0.999):
        split = _split(folder, test_share=share)
        assert min(len(split["train"]), len(split["test"])) == 1


def test_egoprocel_without_its_lists_takes_the_share(tmp_path):
    tasks = {
        "tent": {
            "handles": VIDEOS,
            "hdl_actions": [["0", "1"]] * 10,
            "hdl_start_times": [[0, 3]] * 10,
            "hdl_end_times": [[3, 9]] * 10,
        }
    }
    (tmp_path / "egoprocel.json").write_text(json.dumps(tasks))
    (tmp_path / "egoprocel-id2action.txt").write_text("0 background\n1 pour\n")
    split = _split(tmp_path, test_share=0.2, subject_pattern=BY_PERSON)
    assert (len(split["train"]), len(split["test"])) == (8, 2)
    assert set(_split(tmp_path)) == {"train", "validation", "test"}, "its own default stays"


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, float("nan")])
def test_a_share_is_between_0_and_1(folder, share):
    with pytest.raises(InputError, match="give a share between 0 and 1"):
        _split(folder, test_share=share)


def test_existing_lists_are_not_replaced(folder):
    (folder / "test.txt").write_text("S1_tea0")
    with pytest.raises(InputError, match="has lists of the splits 1; leave out --test-share"):
        _split(folder, test_share=0.2)


def test_features_of_a_missing_split_are_not_used_with_a_drawn_one(folder):
    (folder / "features").rename(folder / "features_split1")
    with pytest.raises(InputError, match="features_split1 was made for one split, whose lists of videos are missing"):
        _split(folder, test_share=0.2)


def test_a_single_video_cannot_be_parted(folder):
    shutil.rmtree(folder / "groundTruth")
    (folder / "groundTruth").mkdir()
    (folder / "groundTruth" / "S0_tea0.txt").write_text("pour\n" * 9)
    with pytest.raises(InputError, match="has 1 video, too few"):
        _split(folder, test_share=0.5)


def test_every_message_about_missing_splits_names_the_flag(folder, tmp_path, capsys):
    file = tmp_path / "d.h5"
    main(["prepare", str(folder), "--out", str(file), "--fps", "5"])
    assert "draw a split with --test-share 0.2" in capsys.readouterr().out
    dataset, layout = Dataset(file), open_layout(folder)
    for call in (
        lambda: dataset.part("1", "train"),
        lambda: videos_to_test(dataset, "1", None),
        lambda: count_graph(layout, "1"),
    ):
        with pytest.raises(InputError, match=r"draw a split.*--test-share 0\.2"):
            call()
    for path in (file, folder):
        assert any("--test-share 0.2" in finding.way_out for finding in check_path(path))


def test_check_and_run_agree_on_whether_a_file_has_the_split_that_run_needs(folder, tmp_path, capsys):
    without, drawn = tmp_path / "without.h5", tmp_path / "drawn.h5"
    assert exit_code("prepare", folder, "--out", without, "--fps", "5") == 0
    assert exit_code("prepare", folder, "--out", drawn, "--fps", "5", "--test-share", "0.4") == 0
    run = ("run", "--out", tmp_path / "run", "--epochs", "1", "--layers", "1", "--maps", "4", "--dataset")
    for path, code in ((without, 1), (drawn, 0)):
        assert exit_code("check", path) == exit_code(*run, path) == code
    capsys.readouterr()
    assert exit_code("check", folder) == 0, "prepare can draw the split"
    printed = " ".join(capsys.readouterr().out.split())
    assert "usable, but see the warnings: 0 errors" in printed
    assert "there is no split, and 'run' needs one, with training and test videos; 'prepare --test-share" in printed
