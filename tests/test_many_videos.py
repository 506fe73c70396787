"""Many videos: what is kept of each is small, and no command's time grows with the square of their number."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from protas_gtcc.cli.shared import video_jobs
from protas_gtcc.cli.shared.inputs import find_inputs
from protas_gtcc.errors import InputError
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.storage import atomic
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.training.kept_labels import KeptLabels
from tests.mstcn_folder import exit_code
from tests.tiny_models import make_model, video


def test_labels_that_training_keeps_are_those_of_the_videos():
    rng = np.random.default_rng(0)
    labels = {f"video{number}": rng.integers(0, 3, number).repeat(rng.integers(1, 40)) for number in range(1, 9)}
    kept = KeptLabels(labels.items())
    assert list(kept) == list(labels)
    assert len(kept) == len(labels)
    for name, expected in labels.items():
        np.testing.assert_array_equal(kept[name], expected)
        assert kept[name].dtype == np.int64


def left_over(folder: Path) -> Path:
    """A temporary file of a process that is dead."""
    path = folder / f".x.{atomic._machine()}.{2**22 + 1}.{'0' * 16}.part"
    path.touch()
    return path


def test_a_large_folder_is_not_listed_at_each_write(tmp_path, monkeypatch):
    for number in range(atomic.ENTRIES_A_WRITE * 50):
        (tmp_path / str(number)).touch()
    calls, listdir = list[Path](), os.listdir

    def counted(folder: Path) -> list[str]:
        calls.append(folder)
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", counted)
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
    find_inputs([tmp_path], tmp_path / "out", {}, False, ("a",))
    with pytest.raises(InputError, match=r"is not a whole \.npy file of numbers"):
        find_inputs([tmp_path], tmp_path / "out", {}, False)


def test_an_empty_folder_is_still_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"has no videos, and no files of features .*; correct the path"):
        find_inputs([tmp_path / "empty"], tmp_path / "out", {}, False)


def test_jobs_are_larger_where_they_would_be_too_many():
    assert [video_jobs.videos_a_job(count, workers=2) for count in (1, 7, 100, 8000, 100_000)] == [1, 3, 8, 8, 100]


def save_model(path: Path) -> None:
    model = make_model()
    save_checkpoint(path, model.network, model.facts)


def test_all_segments_are_one_parquet_table_however_they_were_predicted(tmp_path, capsys):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the table needs pyarrow, of the extra [lerobot]")
    model, features = tmp_path / "model.safetensors", tmp_path / "features"
    save_model(model)
    features.mkdir()
    for name in "abc":
        np.save(features / f"{name}.npy", video(40))
    for out, more in (("one", ()), ("jobs", ("--workers", "1"))):
        words = ("--out", tmp_path / out, "--no-pictures", "--device", "cpu", "--parquet", *more)
        assert exit_code("predict", model, features, *words) == 0
    one, jobs = (parquet.read_table(tmp_path / out / "segments.parquet") for out in ("one", "jobs"))
    assert one.equals(jobs)
    one_row_each = (parquet.read_table(tmp_path / out / "videos.parquet") for out in ("one", "jobs"))
    assert [table.column("video").to_pylist() for table in one_row_each] == [[*"abc"]] * 2
    table = one.to_pydict()
    assert sorted(set(table["video"])) == ["a", "b", "c"]
    rows = [number for number, name in enumerate(table["video"]) if name == "b"]
    listed = pd.read_csv(tmp_path / "one" / "b.segments.csv")
    for column in ("start_seconds", "end_seconds", "label", "name"):
        assert [table[column][row] for row in rows] == listed[column].tolist()
    np.testing.assert_allclose([table["progress"][row] or np.nan for row in rows], listed["progress"], rtol=1e-5)
    assert all(0 < table["mean_probability"][row] <= 1 for row in rows)


def test_without_pyarrow_the_table_is_refused_before_anything_is_predicted(tmp_path, monkeypatch, capsys):
    save_model(tmp_path / "model.safetensors")
    np.save(tmp_path / "a.npy", video(40))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    words = ("--out", tmp_path / "out", "--parquet", "--device", "cpu")
    assert exit_code("predict", tmp_path / "model.safetensors", tmp_path / "a.npy", *words) == 1
    assert "segments.parquet needs the package pyarrow" in capsys.readouterr().err
    assert not (tmp_path / "out" / "predictions.h5").exists()
