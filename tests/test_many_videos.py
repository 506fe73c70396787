"""Many videos: what is kept of each is small, and no command's time grows with the square of their number."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.cli.shared import video_jobs
from protas_gtcc.cli.shared.inputs import find_inputs
from protas_gtcc.errors import InputError
from protas_gtcc.storage import atomic
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.training.kept_labels import KeptLabels


def test_labels_that_training_keeps_are_those_of_the_videos():
    rng = np.random.default_rng(0)
    labels = {f"video{number}": rng.integers(0, 3, number).repeat(rng.integers(1, 40)) for number in range(1, 9)}
    kept = KeptLabels(labels.items())
    assert list(kept) == list(labels)
    assert len(kept) == len(labels)
    for video, expected in labels.items():
        np.testing.assert_array_equal(kept[video], expected)
        assert kept[video].dtype == np.int64


def left_over(folder: Path) -> Path:
    """A temporary file of a process that is dead."""
    path = folder / f".x.{atomic._machine()}.{2**22 + 1}.{'0' * 16}.part"
    path.touch()
    return path


def test_a_large_folder_is_not_listed_at_each_write(tmp_path, monkeypatch):
    for number in range(atomic.ENTRIES_A_WRITE * 50):
        (tmp_path / str(number)).touch()
    calls, listdir = [], os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: calls.append(folder) or listdir(folder))
    for number in range(100):
        write_text(tmp_path / f"new{number}", "")
    assert len(calls) == 2
    forgotten = left_over(tmp_path)
    for number in range(100):
        write_text(tmp_path / f"newer{number}", "")
    assert not forgotten.exists()


def test_a_small_folder_is_tidied_at_each_write(tmp_path):
    for number in range(3):
        forgotten = left_over(tmp_path)
        write_text(tmp_path / f"new{number}", "")
        assert not forgotten.exists()


def test_a_folder_of_features_is_predicted_as_its_files(tmp_path):
    features = tmp_path / "features"
    features.mkdir()
    for name in ("b.npy", "a.c.npy"):
        np.save(features / name, np.ones((4, 2)))
    (features / "notes.txt").write_text("about them")
    inputs, others = find_inputs([features], tmp_path / "out", {}, False)
    assert [(one.name, one.path.name, one.is_video) for one in inputs] == [
        ("a.c", "a.c.npy", False),
        ("b", "b.npy", False),
    ]
    assert [path.name for path in others] == ["notes.txt"]


def test_only_the_named_files_are_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 2)))
    (tmp_path / "b.npy").write_bytes(b"\x93NUMPY broken")
    find_inputs([tmp_path], tmp_path / "out", {}, False, {"a"})
    with pytest.raises(InputError, match=r"is not a whole \.npy file of numbers"):
        find_inputs([tmp_path], tmp_path / "out", {}, False)


def test_an_empty_folder_is_still_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is a folder; give its files"):
        find_inputs([tmp_path / "empty"], tmp_path / "out", {}, False)


def test_jobs_are_larger_where_they_would_be_too_many():
    assert [video_jobs.videos_a_job(count, workers=2) for count in (1, 7, 100, 8000, 100_000)] == [1, 3, 8, 8, 100]
