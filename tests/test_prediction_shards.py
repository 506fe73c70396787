"""Shards of predictions: many videos a file, each whole or not there, and found again by the same command."""

from __future__ import annotations

import errno
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.cli.shared import predicted_shards
from protas_gtcc.cli.shared.predicted_folder import PredictedFolder
from protas_gtcc.cli.shared.predicted_shards import Shards
from protas_gtcc.cli.shared.predicting import Predictor
from protas_gtcc.errors import InputError
from protas_gtcc.metrics import prediction_parts
from protas_gtcc.metrics.prediction_files import open_predictions, read_sources, write_predictions
from protas_gtcc.metrics.prediction_parts import write_index
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.predictions import Prediction
from protas_gtcc.video.naming import VideoFile
from tests.annotated import INFO, predicted
from tests.measured_videos import interrupted, measured_videos, predict_files, shards
from tests.test_work_lists import needs
from tests.tiny_models import make_model, video


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return measured_videos(tmp_path, monkeypatch)


def test_many_videos_are_shards_that_are_read_as_one_file(measured, capsys):
    assert predict_files(measured) == 0
    assert f"{Path('out/predictions.json')}: the predictions of 5 of 5 videos" in capsys.readouterr().out
    assert sorted(shards().values()) == [["a", "b"], ["c", "d"], ["e"]]
    assert not Path("out/predictions.h5").exists()
    one = [predict_files(measured[first : first + 2], "--out", f"few{first}") for first in (0, 2, 4)]
    assert one == [0, 0, 0]
    many = open_predictions("out")
    assert many.video_names == [*"abcde"]
    for name in many.video_names:
        few = open_predictions(f"few{'aabbccddee'.index(name) // 4 * 2}/predictions.h5").read(name)
        np.testing.assert_array_equal(many.read(name).probs, few.probs)
        np.testing.assert_array_equal(many.read(name).reported, few.reported)
        np.testing.assert_array_equal(many.read_labels(name), few.labels)


def test_a_kill_loses_one_shard_and_the_same_command_does_the_rest(measured, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Predictor, "predictions", interrupted(Predictor.predictions, after=3))
        assert predict_files(measured) == 130
    assert [*shards().values()] == [["a", "b"]], "the shard with c is not whole"
    assert open_predictions("out").video_names == ["a", "b"]
    (kept,) = ((path, path.stat().st_mtime_ns) for path in shards())
    assert predict_files(measured) == 0
    assert sorted(shards().values()) == [["a", "b"], ["c", "d"], ["e"]]
    assert kept[0].stat().st_mtime_ns == kept[1]
    assert open_predictions("out").video_names == [*"abcde"]
    assert not [path for path in Path("out").rglob("*") if path.suffix == ".part"]


@pytest.mark.parametrize("flag", ["--skip-broken", "--overwrite"])
def test_a_full_disk_does_not_lose_predictions_of_another_model(flag, measured, monkeypatch):
    def fills(*arguments: Any, **named: Any) -> Iterator[tuple[str, Prediction]]:
        yield from itertools.islice(predictions(*arguments, **named), 3)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert predict_files(measured) == 0
    own, predictions = open_predictions("out").read("e").probs, Predictor.predictions
    other = make_model(seed=5)
    save_checkpoint(Path("model.safetensors"), other.network, other.facts)
    with monkeypatch.context() as patched:
        patched.setattr(Predictor, "predictions", fills)
        assert predict_files(measured, flag) == 1
    assert sorted(shards().values()) == [["a", "b"], ["a", "b"], ["c", "d"], ["e"]]
    np.testing.assert_array_equal(open_predictions("out").read("e").probs, own)
    assert predict_files(measured) == 0
    assert not np.array_equal(open_predictions("out").read("e").probs, own)


@pytest.mark.slow
def test_jobs_go_on_with_the_shards_of_one_process_and_the_other_way(measured):
    assert predict_files(measured) == 0
    before = {path: path.stat().st_mtime_ns for path in shards()}
    gone = next(path for path, videos in shards().items() if videos == ["c", "d"])
    gone.unlink()
    assert predict_files(measured, "--workers", 2) == 0
    assert open_predictions("out").video_names == [*"abcde"]
    assert all(path.stat().st_mtime_ns == modified for path, modified in before.items() if path != gone)
    now = shards()
    assert predict_files(measured) == 0
    assert shards() == now


def test_a_video_that_changed_is_predicted_again_and_the_others_of_its_shard_are_not(measured):
    assert predict_files(measured) == 0
    before = {path: path.stat().st_mtime_ns for path in shards()}
    np.save("a.npy", video(9))
    assert predict_files(measured) == 0
    many = open_predictions("out")
    assert many.video_names == [*"abcde"]
    assert len(many.read_labels("a")) == 9
    assert all(path.stat().st_mtime_ns == modified for path, modified in before.items())
    assert [videos for path, videos in shards().items() if path not in before] == [["a"]]


def test_broken_files_are_named_and_the_predictions_of_the_others_are_there(measured, capsys):
    np.save("b.npy", np.full((9, np.load("a.npy").shape[1]), np.nan, np.float32))
    assert predict_files(measured) == 1
    printed = capsys.readouterr().err
    assert "b.npy" in printed
    assert "1 file could not be predicted; remove the causes above" in printed
    assert open_predictions("out").video_names == [*"acde"]
    assert predict_files(measured, "--skip-broken", "--json") == 0
    assert json.loads(capsys.readouterr().out)["videos"] == [*"acde"]


def test_a_damaged_shard_is_made_again(measured):
    assert predict_files(measured) == 0
    damaged = next(path for path, videos in shards().items() if videos == ["c", "d"])
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert predict_files(measured) == 0
    assert open_predictions("out").video_names == [*"abcde"]
    assert not damaged.exists()
    assert sorted(shards().values()) == [["a", "b"], ["c", "d"], ["e"]]


def test_without_tables_there_are_no_files_of_single_videos(measured):
    assert predict_files(measured) == 0
    assert len([*Path("out").glob("*.csv")]) == 10
    for path in Path("out/parts").rglob("*.h5"):
        path.unlink()
    assert predict_files(measured, "--no-tables", "--overwrite") == 0
    assert sorted(path.name for path in Path("out").iterdir() if path.name[0] != ".") == ["parts", "predictions.json"]
    assert predict_files(measured[:1], "--no-tables", "--out", "few") == 0
    assert sorted(path.name for path in Path("few").iterdir() if path.name[0] != ".") == ["predictions.h5"]


def test_a_shard_ends_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(predicted_shards, "SECONDS_A_SHARD", 0.0)
    videos = [VideoFile(tmp_path / f"{number}.npy", str(number)) for number in range(3)]
    for one in videos:
        one.path.touch()
    folder, settings = PredictedFolder(tmp_path, draws=False, lists=False), "0f" * 4
    own = Shards(folder, settings).of_job(videos)
    found = ((one.name, predicted([0, 1], 0.0)) for one in videos)
    own.write(found, INFO, {one.name: own.source_of(one) for one in videos})
    assert len([*(tmp_path / "parts").rglob("*.h5")]) == 3
    assert own.whole(videos) == {"0", "1", "2"}
    assert [*Shards(folder, settings).found(videos)] == ["0", "1", "2"]
    assert Shards(folder, "1f" * 4).found(videos) == {}, "of other settings"
    os.truncate(videos[1].path, 5)
    assert own.whole(videos) == {"0", "2"}


def test_files_of_videos_without_a_shard_are_not_looked_at(tmp_path, monkeypatch):
    videos = [VideoFile(tmp_path / f"{number}.npy", str(number)) for number in range(3)]
    for one in videos:
        one.path.touch()
    own = Shards(PredictedFolder(tmp_path, draws=False, lists=False), "0f" * 4).of_job(videos)
    own.write(iter([("1", predicted([0, 1], 0.0))]), INFO, {"1": own.source_of(videos[1])})
    looked, source_of = list[str](), predicted_shards.source_of

    def look(video: VideoFile, settings: str) -> str:
        looked.append(video.name)
        return source_of(video, settings)

    monkeypatch.setattr(predicted_shards, "source_of", look)
    assert own.whole(videos) == {"1"}
    assert looked == ["1"]


def test_a_file_that_is_no_shard_has_no_sources(tmp_path):
    write_predictions(tmp_path / "a.h5", [("a", predicted([0, 1], 0.0))], INFO)
    with pytest.raises(InputError, match="sources"):
        read_sources(tmp_path / "a.h5")


def test_more_shards_than_may_be_open_are_read_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_parts, "MOST_OPEN", 3)
    paths = {f"v{number}": tmp_path / f"{number}.h5" for number in range(8)}
    for number, (name, path) in enumerate(paths.items()):
        write_predictions(path, [(name, predicted([0] * (number + 1), 0.0))], INFO)
    files = open_predictions(write_index(tmp_path, paths))
    for number in np.random.default_rng(0).permutation(len(paths)):
        assert len(files.read_labels(f"v{number}")) == number + 1


@pytest.mark.slow
@needs("submitit")
def test_a_command_predicts_on_slurm_what_it_does_here(measured):
    slurm = ["--on", "slurm", "--workers", 2, "--engine-options", "cluster=local"]
    assert predict_files(measured, *slurm) == 0
    there = open_predictions("out")
    assert there.video_names == [*"abcde"]
    labels = {name: there.read(name).labels for name in there.video_names}
    assert predict_files(measured, "--overwrite") == 0
    for name, found in labels.items():
        np.testing.assert_array_equal(open_predictions("out").read(name).labels, found)
