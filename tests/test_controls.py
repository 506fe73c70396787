"""Controls: what stands in the features' place, and that training and evaluation really see it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.cli.commands.train import Command
from protas_gtcc.cli.main import main
from protas_gtcc.config import Control, RunConfig
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.reader import BLOCK_FRAMES, FeatureReader, gaussian_noise, shuffled_within_classes
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.network.checkpoint import load_checkpoint
from protas_gtcc.runs.evaluate_run import evaluate_run
from protas_gtcc.storage.yaml_configs import from_yaml, to_yaml
from protas_gtcc.training.batching import WindowReader, cut_windows
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import train
from tests.checked_data import changed_by_hand
from tests.conftest import tiny_config

TINY = ["--stages", "1", "--layers", "2", "--maps", "4", "--epochs", "1"]


def reader(path: Path, control: Control) -> FeatureReader:
    return FeatureReader(Dataset(path), "features", "1", control)


def with_test_features(path: Path, folder: Path, change: float) -> Path:
    """The same dataset, its test videos' features replaced."""
    copy = folder / "changed.h5"
    copy.write_bytes(path.read_bytes())
    with changed_by_hand(copy) as file:
        for video in ("video8", "video9"):
            stored = file[f"videos/{video}/features/features"]
            stored[:] = stored[:] * change - 7
    return copy


def test_without_a_control_features_are_the_datasets_own(tiny_dataset):
    own = Dataset(tiny_dataset).features("video3", "features", 2, 9)
    np.testing.assert_array_equal(reader(tiny_dataset, "none").read("video3", 2, 9), own)


@pytest.mark.parametrize("control", ["noise", "index"])
def test_noise_and_index_do_not_depend_on_the_features_that_they_replace(tiny_dataset, tmp_path, control):
    changed = with_test_features(tiny_dataset, tmp_path, 3.0)
    for video in ("video8", "video9"):
        before, after = (reader(path, control).read(video) for path in (tiny_dataset, changed))
        np.testing.assert_array_equal(before, after)
        assert before.shape == Dataset(tiny_dataset).features(video, "features").shape


def test_noise_is_the_same_in_every_reading_and_differs_between_videos(tiny_dataset):
    one = reader(tiny_dataset, "noise")
    np.testing.assert_array_equal(one.read("video0"), one.read("video0"))
    np.testing.assert_array_equal(one.read("video0"), reader(tiny_dataset, "noise").read("video0"))
    assert abs(np.corrcoef(one.read("video0")[:16].ravel(), one.read("video1")[:16].ravel())[0, 1]) < 0.4


def test_noise_has_the_mean_and_deviation_of_the_training_videos_features(tmp_path):
    random, names = np.random.default_rng(0), ["a", "b", "c"]
    info = DatasetInfo("scaled", ["rest", "cut"], [0], 5.0, {"1": {"train": ["a", "b"], "test": ["c"]}})
    scale, mean = np.array([0.1, 1, 30], dtype=np.float32), np.array([5, 0, -9], dtype=np.float32)
    with write_dataset(tmp_path / "scaled.h5", info, {"features": FeatureSet(3)}) as writer:
        for name in names:
            features = random.exponential(size=(3000, 3)).astype(np.float32) * scale + mean
            writer.add(Video(name, np.arange(3000) // 100 % 2, {"features": features * (100 if name == "c" else 1)}))
    noise = reader(tmp_path / "scaled.h5", "noise").read("c")
    np.testing.assert_allclose(noise.std(axis=0), scale, rtol=0.1)
    np.testing.assert_allclose(noise.mean(axis=0), mean + scale, atol=3)
    assert abs(float(((noise - noise.mean(axis=0)) ** 3).mean() / noise.std() ** 3)) < 0.1, "not skewed as features are"


def test_noise_is_drawn_in_blocks_whose_edges_do_not_show():
    whole = gaussian_noise("video", 0, 3 * BLOCK_FRAMES, 2)
    for start, end in [(0, 5), (BLOCK_FRAMES - 3, BLOCK_FRAMES + 3), (10, 2 * BLOCK_FRAMES + 1), (7, 7)]:
        np.testing.assert_array_equal(gaussian_noise("video", start, end, 2), whole[start:end])
    assert len(np.unique(whole)) > 0.99 * whole.size, "no block repeats another"


def test_the_index_holds_the_frame_number_and_nothing_else(tiny_dataset):
    one, dataset = reader(tiny_dataset, "index"), Dataset(tiny_dataset)
    features = one.read("video2")
    np.testing.assert_allclose(features[:, 0], np.arange(len(features)) / 100)
    assert not features[:, 1:].any()
    short, long = sorted(dataset.video_names, key=dataset.num_frames.__getitem__)[:: len(dataset.video_names) - 1]
    assert dataset.num_frames[short] < dataset.num_frames[long]
    np.testing.assert_array_equal(one.read(short), one.read(long)[: dataset.num_frames[short]])


def test_shuffling_keeps_the_features_of_a_class_and_loses_their_order(tiny_dataset):
    dataset, one = Dataset(tiny_dataset), reader(tiny_dataset, "shuffle")
    for video in dataset.video_names:
        labels, own, shuffled = dataset.labels(video), dataset.features(video, "features"), one.read(video)
        for label in np.unique(labels):  # 0, the background, among them
            vectors = [sorted(map(tuple, features[labels == label].tolist())) for features in (own, shuffled)]
            assert vectors[0] == vectors[1]
        assert (own != shuffled).any()


def test_shuffling_crosses_the_segments_of_a_class():
    labels = np.repeat([1, 0, 1], 50)
    source = shuffled_within_classes(labels, "video")
    assert (source[:50] >= 100).any()
    assert sorted(source.tolist()) == list(range(150))
    np.testing.assert_array_equal(source, shuffled_within_classes(labels, "video"))


@pytest.mark.parametrize("control", ["none", "noise", "index", "shuffle"])
def test_a_window_sees_the_same_as_the_whole_video(tiny_dataset, control):
    dataset, features = Dataset(tiny_dataset), reader(tiny_dataset, control)
    windows = cut_windows(dataset.num_frames, 7)
    examples = WindowReader(dataset, windows, features)
    for number, window in enumerate(windows):
        whole = features.read(window.video)
        np.testing.assert_array_equal(examples[(number, 1.0)].features, whole[window.start : window.end])


def test_noise_without_training_videos_is_refused(tmp_path):
    info = DatasetInfo("one", ["rest", "cut"], [0], 5.0, {"1": {"test": ["a"]}})
    with write_dataset(tmp_path / "one.h5", info, {"features": FeatureSet(2)}) as writer:
        writer.add(Video("a", np.array([0, 1]), {"features": np.zeros((2, 2))}))
    with pytest.raises(InputError, match="takes its scale from training videos"):
        reader(tmp_path / "one.h5", "noise")


def control_run(dataset: Path, folder: Path, control: str) -> RunDirectory:
    run = RunDirectory(folder / control)
    flags = ["--dataset", str(dataset), "--control", control, *TINY]
    train(Command.parse(flags).config, Dataset(dataset), run)
    return run


@pytest.mark.parametrize("control", ["noise", "index", "shuffle"])
def test_a_control_run_is_evaluated_on_its_control_and_its_notes_name_it(tiny_dataset, tmp_path, monkeypatch, control):
    run, seen = control_run(tiny_dataset, tmp_path, control), []
    predict = TrainedModel.predict

    def watched(model: TrainedModel, features: np.ndarray, task: str | None = None):
        seen.append(features)
        return predict(model, features, task=task)

    monkeypatch.setattr(TrainedModel, "predict", watched)
    metrics = evaluate_run(run, Dataset(tiny_dataset), "1", max_pictures=0).metrics
    expected = reader(tiny_dataset, control)
    for video, features in zip(["video8", "video9"], seen, strict=True):
        np.testing.assert_array_equal(features, expected.read(video))
    assert metrics["control"] == control == json.loads(run.metrics.read_text())["control"]
    assert f"the features were replaced by the control '{control}', in training and here" in metrics["notes"]


def test_training_sees_the_control(tiny_dataset, tmp_path):
    changed = tmp_path / "other.h5"
    changed.write_bytes(tiny_dataset.read_bytes())
    with changed_by_hand(changed) as file:
        for video in file["videos"].values():
            video["features/features"][:] = 0
    weights = [
        load_checkpoint(control_run(path, tmp_path / path.stem, "index").checkpoint)[0].state_dict()
        for path in (tiny_dataset, changed)
    ]
    assert all((tensor == weights[1][name]).all() for name, tensor in weights[0].items())


def test_the_control_is_kept_with_run_and_checkpoint_and_shown_in_the_name(tiny_dataset, tmp_path, monkeypatch):
    config = Command.parse(["--dataset", str(tiny_dataset), "--control", "shuffle"]).config
    assert from_yaml(to_yaml(config), "here", RunConfig) == config
    monkeypatch.chdir(tmp_path)
    main(["train", "--dataset", str(tiny_dataset), "--control", "shuffle", *TINY])
    run = RunDirectory(tmp_path / "runs" / "tiny-split1-default-shuffle-seed0")
    assert run.read_config().control == load_checkpoint(run.checkpoint)[1].config.control == "shuffle"


def test_the_screen_names_the_control(tiny_dataset, tmp_path, capsys):
    run = control_run(tiny_dataset, tmp_path, "noise")
    main(["evaluate", str(run.path), "--pictures", "0"])
    assert "CONTROL noise: the features were replaced." in capsys.readouterr().out


@pytest.mark.parametrize("verb", [["predict", "x.npy"], ["stream", "x.npy"], ["export"], ["serve", "--port", "0"]])
def test_a_control_run_is_refused_on_new_features(tiny_dataset, tmp_path, monkeypatch, capsys, verb):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros((9, 6)))
    config = tiny_config(tiny_dataset, epochs=1)
    run = control_run(Path(config.dataset), tmp_path, "noise")
    with pytest.raises(SystemExit) as stop:
        main([verb[0], str(run.path), *verb[1:]])
    assert stop.value.code == 1
    assert "the run is the control 'noise' and cannot" in capsys.readouterr().err
