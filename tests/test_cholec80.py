"""Cholec80's published layout, on files made in its format: phases at 25 frames a second, tools at one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.checks.path import check_path
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.cholec80_files import PHASES, TOOLS
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from tests.mstcn_folder import exit_code

LENGTHS = {"video01": 251, "video02": 280, "video41": 325}
"""Frames. Of the first video, frame 250 has no row of tools: as published, the last second may lack one."""


def _phases(num_frames: int) -> list[str]:
    return [PHASES[min(6, frame // 40)] for frame in range(num_frames)]


def _tools(num_rows: int) -> np.ndarray:
    return (np.arange(num_rows)[:, None] // (np.arange(7) + 1)) % 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cholec80"
    (path / "phase_annotations").mkdir(parents=True)
    (path / "tool_annotations").mkdir()
    for video, num_frames in LENGTHS.items():
        lines = [f"{frame}\t{phase}" for frame, phase in enumerate(_phases(num_frames))]
        (path / "phase_annotations" / f"{video}-phase.txt").write_text("\n".join(["Frame\tPhase", *lines, ""]))
        rows = enumerate(_tools(num_frames // 25))
        lines = ["\t".join(map(str, [25 * number, *row])) for number, row in rows]
        (path / "tool_annotations" / f"{video}-tool.txt").write_text("\n".join(["\t".join(["Frame", *TOOLS]), *lines]))
    return path


def test_a_frame_has_the_phase_of_the_picture_at_its_time(folder):
    layout = open_layout(folder)
    assert layout.class_names == [*PHASES]
    assert layout.background == []
    for fps, taken in ((1.0, 25), (5.0, 5), (25.0, 1)):
        layout.sample_labels(fps)
        for video, num_frames in LENGTHS.items():
            expected = [PHASES.index(phase) for phase in _phases(num_frames)[::taken]]
            assert layout.labels(video).tolist() == expected
    assert {layout.task(video) for video in LENGTHS} == {"cholecystectomy"}


def test_a_rate_that_does_not_divide_25_takes_the_picture_that_is_shown(folder):
    layout = open_layout(folder)
    layout.sample_labels(10.0)
    phases = _phases(LENGTHS["video02"])
    expected = [PHASES.index(phases[frame * 25 // 10]) for frame in range(112)]
    assert layout.labels("video02").tolist() == expected


def test_videos_to_40_are_trained_on_and_the_others_tested(folder):
    assert open_layout(folder).splits == {"1": {"train": ["video01", "video02"], "test": ["video41"]}}
    (folder / "phase_annotations" / "video41-phase.txt").rename(folder / "phase_annotations" / "video99-phase.txt")
    assert open_layout(folder).splits == {}


def test_prepare_has_the_tools_as_a_feature_set_and_notes_that_people_made_them(folder, tmp_path, capsys):
    out = tmp_path / "out.h5"
    assert exit_code("prepare", folder, "--out", out, "--fps", 1) == 0
    printed = capsys.readouterr().out
    assert "note: the feature set tools is what people annotated: a model of it does not see pictures" in printed
    dataset = Dataset(out)
    assert dataset.feature_sets["tools"].dim == 7
    assert dataset.feature_sets["tools"].source == "tool_annotations"
    for video, num_frames in LENGTHS.items():
        np.testing.assert_array_equal(dataset.features(video, "tools"), _tools(num_frames // 25))
        assert dataset.num_frames[video] == num_frames // 25, "a second without tools is cut, and counted"
    assert "2 videos cut to the shorter of labels and features, 2 frames in all" in printed
    assert exit_code("check", out) == 0


def test_tools_stay_for_a_second_at_a_higher_rate(folder):
    layout = open_layout(folder)
    layout.sample_labels(5.0)
    tools = layout.feature_folders["tools"].load("video02", True)
    np.testing.assert_array_equal(tools, np.repeat(_tools(11), 5, axis=0))


def test_features_of_pictures_go_beside_the_tools_or_stand_alone(folder, tmp_path):
    (folder / "features").mkdir()
    for video, num_frames in LENGTHS.items():
        np.save(folder / "features" / f"{video}.npy", np.ones((-(-num_frames // 25), 16), np.float32))
    layout = open_layout(folder)
    assert [*layout.feature_folders] == ["features", "tools"]
    assert [*open_layout(folder, LayoutOptions(features=(folder / "features",))).feature_folders] == ["features"]
    assert open_layout(folder, LayoutOptions(no_features=True)).feature_folders == {}
    out = tmp_path / "out.h5"
    assert exit_code("prepare", folder, "--out", out, "--fps", 1) == 0
    assert Dataset(out).choose_feature_set("1") == "features"
    assert not [finding for finding in check_path(folder, fps=1.0) if finding.level == "error"]


PHASE_FILE, TOOL_FILE = "phase_annotations/video02-phase.txt", "tool_annotations/video02-tool.txt"


def _line(file: str, number: int, text: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        lines = (folder / file).read_text().split("\n")
        lines[number - 1] = text
        (folder / file).write_text("\n".join(lines))

    return change


BAD = {
    "heading": (
        _line(PHASE_FILE, 1, "Frame\tStep"),
        f"{PHASE_FILE}, line 1: expected Frame Phase, came 'Frame\\tStep'",
    ),
    "phase": (_line(PHASE_FILE, 4, "2\tCooking"), f"{PHASE_FILE}, line 4: unknown phase 'Cooking'; use one of Prep"),
    "frame": (_line(PHASE_FILE, 4, "3\tPreparation"), f"{PHASE_FILE}, line 4: expected frame 2 and 1 cell, came '3"),
    "blank": (_line(PHASE_FILE, 4, ""), f"{PHASE_FILE}, line 4: expected frame 2 and 1 cell, came ''"),
    "no rows": (lambda folder: (folder / PHASE_FILE).write_text("Frame\tPhase\n"), f"{PHASE_FILE} has no rows"),
    "empty": (lambda folder: (folder / PHASE_FILE).write_text(""), f"{PHASE_FILE}, line 1: expected Frame Phase"),
    "tool": (_line(TOOL_FILE, 3, "25\t0\t2\t0\t0\t0\t0\t0"), f"{TOOL_FILE}, line 3: expected 0 or 1 for each tool"),
    "cells": (
        _line(TOOL_FILE, 3, "25\t0\t1"),
        f"{TOOL_FILE}, line 3: expected frame 25 and 7 cells, came '25\\t0\\t1'",
    ),
    "tool frame": (_line(TOOL_FILE, 3, "50" + "\t0" * 7), f"{TOOL_FILE}, line 3: expected frame 25 and 7 cells"),
    "no tools": (lambda folder: (folder / TOOL_FILE).unlink(), "1 video without features, such as"),
    "short": (
        lambda folder: (folder / TOOL_FILE).write_text("\n".join((folder / TOOL_FILE).read_text().split("\n")[:6])),
        f"{TOOL_FILE} is [5, 7], but its labels make 12 frames",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_fault_is_one_line_with_its_place(folder, tmp_path, capsys, what):
    break_it, message = BAD[what]
    break_it(folder)
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", 1) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in last
    assert last.startswith("error: ")
    assert not (tmp_path / "out.h5").exists()


def test_the_background_may_be_named(folder):
    assert open_layout(folder, LayoutOptions(background=("Preparation",))).background == [0]
    assert open_layout(folder, LayoutOptions(no_background=True)).background == []
    with pytest.raises(InputError, match="'Nothing' is not a class"):
        open_layout(folder, LayoutOptions(background=("Nothing",)))
