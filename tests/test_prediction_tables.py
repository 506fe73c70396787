"""segments.parquet and videos.parquet: what they hold is what it says, by hand and as metrics.json has it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pyarrow = pytest.importorskip("pyarrow", reason="the tables need pyarrow, of the extra [lerobot]")

from pyarrow import parquet  # noqa: E402

from protas_gtcc.dataset.file import Dataset  # noqa: E402
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions  # noqa: E402
from protas_gtcc.metrics.prediction_parts import write_index  # noqa: E402
from protas_gtcc.metrics.prediction_tables import SEGMENT_TABLE, VIDEO_TABLE, write_prediction_tables  # noqa: E402
from protas_gtcc.predictions import Prediction, PredictionInfo  # noqa: E402
from tests.annotated import INFO, predicted  # noqa: E402
from tests.measured_videos import measured_videos, predict_files  # noqa: E402
from tests.mstcn_folder import exit_code  # noqa: E402
from tests.predicted_videos import without_progress  # noqa: E402


def tables_of(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_parquet(folder / SEGMENT_TABLE), pd.read_parquet(folder / VIDEO_TABLE)


def written(folder: Path, prediction: Prediction) -> tuple[pd.DataFrame, pd.DataFrame]:
    write_predictions(folder / "p.h5", [("tea", prediction)], INFO)
    write_prediction_tables(folder, open_predictions(folder / "p.h5"), INFO, ["tea"])
    return tables_of(folder)


def test_a_segment_has_its_figures_by_hand(tmp_path):
    one = Prediction(
        labels=np.array([0, 2, 2, 1]),
        probs=np.array([[0.7, 0.2, 0.1, 0], [0.1, 0.3, 0, 0.5], [0.2, 0.5, 0.9, 0.5], [0, 0, 0, 0]], np.float32),
        progress=None,
        reported=np.array([0, 0.2, 0.6, 1], np.float32),
        interval=np.array([[0, 0.1, 0.5, 0.9], [0.1, 0.3, 0.9, 1]], np.float32),
        remaining_seconds=np.array([3, 2, 1, 0.5], np.float32),
        remaining_interval=np.array([[2, 1, 0, 0], [4, 3, 2, 1]], np.float32),
    )
    segments, videos = written(tmp_path, one)
    assert segments["video"].tolist() == ["tea"] * 3
    assert segments["name"].tolist() == ["background", "pour water", "take bowl"]
    assert segments["start_seconds"].tolist() == [0.0, 0.1, 0.3]
    assert segments["end_seconds"].tolist() == [0.1, 0.3, 0.4]
    expected = {
        "mean_probability": [0.7, 0.7, 0.5],
        "progress": [np.nan, 0.6, 1],
        "mean_progress": [np.nan, 0.4, 1],
        "mean_interval_width": [0.1, 0.3, 0.1],
        "remaining_seconds": [3, 1, 0.5],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(segments[name], values, atol=1e-6, err_msg=name)
    assert "right_frames" not in segments, "the truth is not known"
    row = videos.iloc[0]
    assert (row["video"], row["seconds"], row["num_segments"]) == ("tea", 0.4, 3)
    assert row["mean_probability"] == pytest.approx((0.7 + 0.5 + 0.9 + 0.5) / 4)
    assert row["mean_interval_width"] == pytest.approx((0.1 + 0.2 + 0.4 + 0.1) / 4)


def test_what_a_prediction_lacks_is_null(tmp_path):
    segments, videos = written(tmp_path, Prediction(np.array([0, 1]), None, None, np.zeros(2, np.float32)))
    for name in ("mean_probability", "mean_interval_width", "remaining_seconds"):
        assert segments[name].isna().all()
    assert videos["mean_probability"].isna().all()


def test_a_model_without_progress_has_no_figures_of_it_as_in_the_scores(kitchen, tmp_path):
    dataset, _ = kitchen
    info = open_predictions(tmp_path).info
    videos = ((name, without_progress(Dataset(dataset).labels(name))) for name in Dataset(dataset).video_names)
    write_predictions(tmp_path / "p.h5", videos, info)
    out = tmp_path / "out"
    assert exit_code("evaluate", tmp_path / "p.h5", "--dataset", dataset, "--out", out, "--parquet") == 0
    assert json.loads((out / "metrics.json").read_text())["progress"]["predicted"] is None
    segments, of_videos = tables_of(out)
    assert segments[["progress", "mean_progress", "progress_error"]].isna().all(axis=None)
    assert of_videos[["progress_error", "all_frames_error", "skill"]].isna().all(axis=None)
    assert (of_videos["acc"] == 100).all()
    assert (segments["right_frames"] == 1).all()


def test_columns_say_their_units_and_what_they_mean(tmp_path):
    written(tmp_path, predicted([0, 1, 1]))
    for table in (SEGMENT_TABLE, VIDEO_TABLE):
        for field in parquet.read_schema(tmp_path / table):
            assert field.metadata[b"description"]
            seconds = field.name.endswith("seconds")
            assert (field.metadata[b"unit"] == b"s") == seconds, field.name


@pytest.fixture
def kitchen(tmp_path: Path, tiny_dataset: Path) -> tuple[Path, Path]:
    """A dataset, and an index of predictions of all of its videos: too late, and some wrong."""
    dataset = Dataset(tiny_dataset)
    own = dataset.info
    info = PredictionInfo(own.class_names, own.background, own.fps)
    paths = {}
    for number, name in enumerate(dataset.video_names):
        labels = np.roll(dataset.labels(name), number + 1)
        probs = np.full((len(own.class_names), len(labels)), 0.1, np.float32)
        probs[labels, np.arange(len(labels))] = 0.7
        reported = np.linspace(0, 1, len(labels), dtype=np.float32)
        paths[name] = tmp_path / f"{number}.h5"
        write_predictions(paths[name], [(name, Prediction(labels, probs, None, reported))], info)
    return tiny_dataset, write_index(tmp_path, paths)


def test_figures_beside_the_truth_add_up_to_the_scores(kitchen, tmp_path):
    dataset, index = kitchen
    for source in (index, tmp_path):
        out = tmp_path / "scores" / source.name
        assert exit_code("evaluate", source, "--dataset", dataset, "--out", out, "--parquet") == 0
        segments, videos = tables_of(out)
        metrics = json.loads((out / "metrics.json").read_text())
        own = Dataset(dataset)
        assert videos["video"].tolist() == own.part("1", "test")
        frames = videos["seconds"] * own.info.fps
        assert np.average(videos["acc"], weights=frames) == pytest.approx(metrics["segmentation"]["acc"], rel=1e-5)
        assert videos["edit"].mean() == pytest.approx(metrics["segmentation"]["edit"], rel=1e-5)
        progress = metrics["progress"]["predicted"]
        assert np.average(videos["all_frames_error"], weights=frames) == pytest.approx(progress["all_frames"], rel=1e-4)
        assert videos["progress_error"].mean() == pytest.approx(progress["video"], rel=1e-4)
        lengths = segments["end_seconds"] - segments["start_seconds"]
        right = 100 * np.average(segments["right_frames"], weights=lengths)
        assert right == pytest.approx(metrics["segmentation"]["acc"], rel=1e-5)
        assert videos["skill"].min() < progress["skill"] < videos["skill"].max()


def test_tables_of_earlier_scores_do_not_stay_and_others_do(kitchen, tmp_path):
    dataset, index = kitchen
    own = [tmp_path / "out" / name for name in (SEGMENT_TABLE, VIDEO_TABLE)]
    scored = "evaluate", index, "--dataset", dataset, "--out", tmp_path / "out"
    assert exit_code(*scored, "--parquet") == 0
    assert all(path.exists() for path in own)
    assert exit_code(*scored) == 0
    assert not any(path.exists() for path in own)
    pd.DataFrame({"video": ["mine"], "acc": [1.0], "right_frames": [1.0]}).to_parquet(own[0])
    own[1].write_text("mine")
    before = [path.read_bytes() for path in own]
    assert exit_code(*scored) == 0
    assert [path.read_bytes() for path in own] == before


def test_tables_of_earlier_predictions_do_not_stay(tmp_path, monkeypatch):
    files = measured_videos(tmp_path, monkeypatch)
    assert predict_files(files, "--parquet") == predict_files(files) == 0
    segments, videos = tables_of(Path("out"))
    assert sorted(videos["video"]) == [*"abcde"], "nothing was predicted again"
    assert set(segments["video"]) == {*"abcde"}
    Path("a.npy").touch()
    assert predict_files(files) == 0
    assert not [*Path("out").glob("*.parquet")]


def test_a_table_of_others_is_not_replaced(tmp_path, monkeypatch, capsys):
    files = measured_videos(tmp_path, monkeypatch)
    Path("out").mkdir()
    Path("out/videos.parquet").write_text("mine")
    assert predict_files(files, "--parquet") == 1
    assert "out has videos.parquet that this would replace; give another --out" in capsys.readouterr().err
    assert predict_files(files) == 0
    assert Path("out/videos.parquet").read_text() == "mine"


def test_the_skill_of_the_only_video_is_that_of_the_scores(kitchen, tmp_path, monkeypatch):
    dataset, index = kitchen
    part = Dataset.part
    monkeypatch.setattr(Dataset, "part", lambda *a: part(*a)[:1] if a[2] == "test" else part(*a))
    assert exit_code("evaluate", index, "--dataset", dataset, "--out", tmp_path / "out", "--parquet") == 0
    _, videos = tables_of(tmp_path / "out")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert videos["skill"].tolist() == pytest.approx([metrics["progress"]["predicted"]["skill"]], rel=1e-4)


def test_tables_need_a_folder(kitchen, capsys):
    dataset, index = kitchen
    assert exit_code("evaluate", index, "--dataset", dataset, "--parquet") == 1
    assert "--parquet writes files; give --out FOLDER" in capsys.readouterr().err
