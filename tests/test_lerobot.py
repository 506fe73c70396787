"""LeRobotDataset v3: subtasks in every published form become segments, and progress goes out as LeRobot reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from protas_gtcc.checks.path import check_path
from protas_gtcc.config import PRESETS, ModelConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.network.checkpoint import ModelFacts, save_checkpoint
from protas_gtcc.network.model import ProgressNetwork
from tests.lerobot_folder import FPS, LENGTHS, ends, write_lerobot
from tests.mstcn_folder import exit_code

FORMS = ("subtask_index", "language", "dense", "sparse")


@pytest.mark.parametrize("form", FORMS)
def test_subtasks_are_the_same_segments_in_every_form(tmp_path, form):
    layout = open_layout(write_lerobot(tmp_path / "cube", [form]))
    assert layout.class_names == ["background", "grasp", "lift", "release"]
    for index, length in enumerate(LENGTHS):
        a, b, c = ends(length)
        assert layout.labels(f"episode_{index:06d}").tolist() == [1] * a + [2] * (b - a) + [3] * (c - b)
    assert layout.task("episode_000000") == "Move the cube"
    assert layout.splits["1"]["test"] == ["episode_000003"]


def test_of_several_forms_one_is_chosen(tmp_path):
    folder = write_lerobot(tmp_path / "cube", FORMS)
    assert open_layout(folder).levels == FORMS
    note = "subtasks are read from sparse; there are subtask_index, language, dense, sparse (--level)"
    assert note in open_layout(folder, LayoutOptions(level="sparse")).notices


@pytest.mark.parametrize("form", FORMS)
def test_a_dataset_is_prepared_with_the_robots_state_as_features(tmp_path, form):
    folder, out = write_lerobot(tmp_path / "cube", [form]), tmp_path / "x.h5"
    assert not [one for one in check_path(folder, fps=float(FPS)) if one.level == "error"]
    assert exit_code("prepare", folder, "--out", out, "--fps", FPS) == 0
    assert exit_code("check", out) == 0
    dataset = Dataset(out)
    assert [*dataset.feature_sets] == ["observation.state"], "what the robot is to do next is no feature"
    state = [[3, frame, 1] for frame in range(30)]
    np.testing.assert_array_equal(dataset.features("episode_000003", "observation.state"), state)


@pytest.mark.parametrize("form", FORMS)
def test_episodes_without_subtasks_are_refused_and_listed(tmp_path, capsys, form):
    folder = write_lerobot(tmp_path / "cube", [form], without=(1, 3))
    assert exit_code("prepare", folder, "--out", tmp_path / "x.h5", "--fps", FPS) == 1
    assert "2 episodes without subtasks: 1, 3; annotate them, or remove them" in capsys.readouterr().err
    assert not (tmp_path / "x.h5").exists()


def test_another_rate_than_that_of_the_data_is_refused(tmp_path, capsys):
    folder = write_lerobot(tmp_path / "cube")
    assert exit_code("prepare", folder, "--out", tmp_path / "x.h5", "--fps", 30) == 1
    assert "give --fps 10" in capsys.readouterr().err


def test_without_pyarrow_the_extra_is_named(tmp_path):
    folder = write_lerobot(tmp_path / "cube")
    code = "import sys; sys.modules['pyarrow'] = None; from protas_gtcc.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "prepare", folder, "--out", tmp_path / "x.h5", "--fps", "10"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs the package pyarrow; pip install -e '.[lerobot]'" in done.stderr.strip().splitlines()[-1]


# What is wrong


def _info(**new: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        info = json.loads((folder / "meta/info.json").read_text())
        (folder / "meta/info.json").write_text(json.dumps(info | new))

    return change


def _column(file: str, name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        table = parquet.read_table(folder / file)
        values = change(table.column(name).to_pylist())
        place = table.column_names.index(name)
        parquet.write_table(table.set_column(place, name, pyarrow.array(values)), folder / file)

    return apply


def _cut(file: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:-9])


META, DATA, INFO = "meta/episodes/chunk-000/file-000.parquet", "data/chunk-000/file-001.parquet", "meta/info.json"
STARTS, BACK = "dense_subtask_start_frames", lambda old: [[5, 4, 3], *old[1:]]
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "version": (_info(codebase_version="v2.1"), "info.json: expected codebase_version v3, came 'v2.1'; convert it"),
    "fps": (_info(fps="fast"), "info.json: expected 'fps' as a number, came 'fast'; correct the JSON"),
    "count": (_info(total_episodes=5), "expected episodes 0 to 5 - 1 once each, as meta/info.json has it, came 4"),
    "split": (_info(splits={"holdout": "0:2"}), "unknown split 'holdout'; expected train, val, validation, test"),
    "range": (_info(splits={"train": "0:9"}), "split 'train' is '0:9'; expected a range within 0:4"),
    "no subtasks": (_info(features={}), "has no subtasks: expected subtask_index, language_persistent, or dense"),
    "json": (_cut(INFO), "info.json is not JSON that can be read"),
    "no meta": (lambda folder: (folder / META).unlink(), "no Parquet file in"),
    "cut": (_cut(DATA), "file-001.parquet: Parquet magic bytes not found in footer"),
    "no data": (lambda folder: (folder / DATA).unlink(), "file-001.parquet, which has episode 2; copy the dataset aga"),
    "length": (_column(META, "length", lambda old: [30, 40, 25, 30]), "expected 25 frames of episode 2, numbered from"),
    "unknown": (
        _column(DATA, "subtask_index", lambda old: [7, *old[1:]]),
        "episode 2, frame 0: unknown subtask_index 7; meta/subtasks.parquet must have it: it has 0, 1, 2",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_fault_is_one_line_with_its_place(tmp_path, capsys, what):
    folder = write_lerobot(tmp_path / "cube")
    break_it, message = BAD[what]
    break_it(folder)
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", FPS) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not (tmp_path / "out.h5").exists()


def test_reversed_subtasks_of_the_table_of_episodes_are_named(tmp_path, capsys):
    folder = write_lerobot(tmp_path / "cube", ["dense"])
    _column(META, STARTS, BACK)(folder)
    _column(META, "dense_subtask_end_frames", lambda old: [[2, 1, 0], *old[1:]])(folder)
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", FPS) == 1
    assert "episode 0, dense subtasks: number 1 is 'grasp' from frame 5 to 2 of 30; expected" in capsys.readouterr().err


# Progress out


def test_labels_write_the_progress_that_lerobots_tools_read(tmp_path, capsys):
    folder, out = write_lerobot(tmp_path / "cube"), tmp_path / "labels"
    assert exit_code("labels", folder, "--out", out) == 0
    table = parquet.read_table(out / "sarm_progress.parquet")
    assert {name: str(table.schema.field(name).type) for name in table.column_names} == {
        **dict.fromkeys(("index", "episode_index", "frame_index"), "int64"),
        **dict.fromkeys(("progress_sparse", "progress_subtask"), "float"),
    }
    columns = table.to_pydict()
    assert columns["index"] == [*range(sum(LENGTHS))]
    assert columns["episode_index"] == [index for index, length in enumerate(LENGTHS) for _ in range(length)]
    assert columns["frame_index"] == [frame for length in LENGTHS for frame in range(length)]
    task, own = np.array(columns["progress_sparse"]), np.array(columns["progress_subtask"])
    first, end = LENGTHS[0], LENGTHS[0] + LENGTHS[1]
    np.testing.assert_allclose(task[first:end], np.arange(1, LENGTHS[1] + 1) / LENGTHS[1], atol=1e-6)
    a, b, _ = ends(LENGTHS[1])
    np.testing.assert_allclose(own[first : first + a], np.arange(1, a + 1) / a, atol=1e-6)
    np.testing.assert_allclose(own[first + a : first + b], np.arange(1, b - a + 1) / (b - a), atol=1e-6)
    before = (out / "sarm_progress.parquet").read_bytes()
    (out / "sarm_progress.parquet").write_bytes(b"mine")
    assert exit_code("labels", folder, "--out", out) == 0
    assert "kept as before (--overwrite replaces it)" in capsys.readouterr().out
    assert (out / "sarm_progress.parquet").read_bytes() == b"mine"
    assert exit_code("labels", folder, "--out", out, "--overwrite") == 0
    assert (out / "sarm_progress.parquet").read_bytes() == before


def _model(path: Path, class_names: list[str]) -> Path:
    """A checkpoint of random weights that takes the robot's state."""
    config = ModelConfig(stages=1, layers=2, maps=4, graph=False)
    facts = ModelFacts(replace(PRESETS["reference"], model=config), 3, class_names, [0], float(FPS))
    save_checkpoint(path, ProgressNetwork(config, 3, len(class_names)), facts)
    return path


def test_a_model_of_annotated_episodes_predicts_the_progress_of_all(tmp_path, capsys):
    every, out = write_lerobot(tmp_path / "all", without=(0, 2)), tmp_path / "out"
    run = _model(tmp_path / "model.safetensors", ["background", "lift", "grasp", "release"])
    predict = ("predict", run, "--lerobot", every, "--out", out, "--no-pictures")
    assert exit_code(*predict) == 0
    columns = parquet.read_table(out / "sarm_progress.parquet").to_pydict()
    assert columns["index"] == [*range(sum(LENGTHS))]
    assert all(0 <= value <= 1 for value in columns["progress_sparse"])
    capsys.readouterr()
    assert exit_code(*predict) == 1
    assert "sarm_progress.parquet would be replaced; give another name, or --overwrite" in capsys.readouterr().err
    features = tmp_path / "episode_000002.npy"
    np.save(features, np.ones((20, 3), np.float32))
    one = ("predict", run, features, "--lerobot", every, "--out", tmp_path / "one", "--no-pictures")
    assert exit_code(*one) == 0
    columns = parquet.read_table(tmp_path / "one/sarm_progress.parquet").to_pydict()
    assert columns["index"] == [*range(70, 90)], "the frames of the whole dataset count"
    features.rename(tmp_path / "clip.npy")
    clip = ("predict", run, tmp_path / "clip.npy", "--lerobot", every, "--out", tmp_path / "clip", "--no-pictures")
    assert exit_code(*clip) == 1
    assert "clip is no episode; name it as one of episode_000000" in capsys.readouterr().err


@pytest.mark.slow
def test_jobs_predict_the_progress_that_one_process_does(tmp_path):
    every = write_lerobot(tmp_path / "all")
    run = _model(tmp_path / "model.safetensors", ["background", "lift", "grasp", "release"])
    predict = ("predict", run, "--lerobot", every, "--no-pictures", "--out")
    assert exit_code(*predict, tmp_path / "alone") == 0
    assert exit_code(*predict, tmp_path / "jobs", "--workers", 1) == 0
    alone, jobs = (parquet.read_table(tmp_path / out / "sarm_progress.parquet") for out in ("alone", "jobs"))
    assert alone.equals(jobs)


def test_a_model_of_other_subtasks_is_refused(tmp_path, capsys):
    folder, run = write_lerobot(tmp_path / "cube"), _model(tmp_path / "model.safetensors", ["background", "grasp"])
    assert exit_code("predict", run, "--lerobot", folder, "--out", tmp_path / "out", "--no-pictures") == 1
    assert "the model has no class for the subtasks lift, release" in capsys.readouterr().err
    assert exit_code("predict", run, "--lerobot", tmp_path, "--out", tmp_path / "out") == 1
    assert "is no LeRobotDataset: it must have meta/info.json and data/; correct --lerobot" in capsys.readouterr().err
