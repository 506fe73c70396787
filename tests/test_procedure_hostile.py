"""The verb `procedure` on datasets that are unusual, on a full disk, and when it is killed."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.annotations.mistakes import Mistake, Step, Track
from protas_gtcc.dataset.description import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.metrics.prediction_files import open_predictions
from tests.forked import Trial, only_line, run_forked
from tests.mstcn_folder import exit_code
from tests.test_procedure_command import WRITTEN, only_error, scores, write

RANDOM = np.random.default_rng(0)


def written(
    path: Path,
    labels: Sequence[Sequence[int]],
    background: Sequence[int] = (0,),
    fps: float = 2.0,
    tasks: Sequence[str] = ("",),
    track: Track | None = None,
) -> Path:
    """Videos of four classes, each of another person; the last two are tested."""
    names = [f"v{number}" for number in range(len(labels))]
    splits = {"1": {"train": names[:-2], "test": names[-2:]}}
    info = DatasetInfo("unusual", ["a", "b", "c", "d"], list(background), fps, splits)
    with write_dataset(path, info, {"features": FeatureSet(1)}) as writer:
        for number, of_video in enumerate(labels):
            features = {"features": np.zeros((len(of_video), 1), np.float32)}
            task, person = tasks[number % len(tasks)], f"person {number}"
            writer.add(Video(names[number], np.array(of_video), features, task, person, track=track))
    return path


OVERLAPPING = Track(
    (Step(1, 0, 3), Step(2, 0, 3), Step(3, 1, 2), Step(1, 2, 4)),
    (3,),
    (Mistake(1, -1, -1, "Order Error"), Mistake(2, 0, 3, "Addition")),
)
LABELS: dict[str, tuple[list[list[int]], dict[str, Any]]] = {
    "one frame each": ([[number % 3] for number in range(6)], {}),
    "one frame each, no background": ([[number % 3] for number in range(6)], {"background": []}),
    "one class": ([[1] * 9] * 6, {"background": []}),
    "tested without an action": ([[0, 1, 1, 2]] * 4 + [[0] * 5] * 2, {}),
    "tested on a class that training lacks": ([[0, 1, 1, 2]] * 4 + [[3, 3, 1, 0]] * 2, {}),
    "a recording a task": ([[0, 1, 1, 2]] * 6, {"tasks": ["s", "t", "u", "v"]}),
    "two training videos, one idle": ([[0, 1, 1, 2], [0, 0], [1, 2], [2, 1]], {}),
    "another class each frame": ([RANDOM.integers(0, 4, 90).tolist() for _ in range(6)], {}),
    "overlapping and hidden steps": ([[1, 2, 2, 1]] * 6, {"track": OVERLAPPING}),
    "a frame in 100 seconds": ([np.repeat([0, 3, 1, 2], RANDOM.integers(1, 9, 4)).tolist()] * 6, {"fps": 0.01}),
    "1000 frames a second": ([np.repeat([0, 3, 1, 2], RANDOM.integers(1, 90, 4)).tolist()] * 6, {"fps": 1000.0}),
}


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("flags", [[], ["--input", "confused", "--task-inferred"]])
def test_unusual_recordings_are_scored(name, flags, tmp_path, capsys):
    labels, options = LABELS[name]
    found = scores(capsys, written(tmp_path / "d.h5", labels, **options), *flags, "--out", tmp_path / "out")
    assert found["num_videos"] == 2
    files = open_predictions(tmp_path / "out" / "predictions.h5")
    for number in (len(labels) - 2, len(labels) - 1):
        procedure = files.read(f"v{number}").procedure
        assert procedure.done.shape == (4, len(labels[number]))
        assert all(0 <= event.confidence <= 1 for event in procedure.events)


def test_training_videos_without_an_action_are_one_line(tmp_path, capsys):
    path = written(tmp_path / "d.h5", [[0] * 5] * 4 + [[0, 1]] * 2)
    assert "no training recording has a step; give training videos with labels" in only_error(capsys, path)


@pytest.mark.parametrize("tasks", [("",), ("tea",), ('Käse & Brot / "x"', "茶"), ("cake", "")])
def test_tasks_may_have_any_name_or_none(tmp_path, capsys, tasks):
    found = scores(capsys, write(tmp_path / "d.h5", tasks), "--out", tmp_path / "out")
    assert np.isfinite(found["time_left"]["error_minutes"])


@pytest.mark.slow
def test_a_full_disk_and_a_kill_leave_each_file_as_it_was_or_whole(tmp_path):
    dataset, out = write(tmp_path / "d.h5"), tmp_path / "out"
    command = ["procedure", str(dataset), "--out", str(out), "--overwrite"]
    assert exit_code(*command) == 0
    assert exit_code(*command[:-1]) == 1
    full = [Trial(command, limit) for limit in (0, 2000, 9000, 20_000)]
    killed = [
        Trial([*command, "--input", "confused", "--seed", str(number)], signals=(kind,), delays=(share,))
        for number, (kind, share) in enumerate(
            (kind, share) for kind in (signal.SIGTERM, signal.SIGKILL) for share in np.linspace(0.1, 1.1, 11).tolist()
        )
    ]
    outcomes = run_forked([*full, *killed], tmp_path)
    for outcome in outcomes[: len(full)]:
        assert outcome.code == 1
        assert only_line(outcome).startswith(f"error: cannot write {out}")
    assert {outcome.code for outcome in outcomes[len(full) :]} <= {0, 143, -signal.SIGKILL}
    left = {path.name for path in out.iterdir()}
    assert left >= set(WRITTEN)
    assert not {name for name in left - set(WRITTEN) if not name.startswith(".")}, "only hidden files of killed ones"
    json.loads((out / "procedure.json").read_text())
    for video in ("v6", "v7"):
        assert len(open_predictions(out / "predictions.h5").read(video).procedure.left_seconds)
