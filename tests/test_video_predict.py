"""A video file in place of a file of features: `predict` gives the same for both."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.annotations.resampling import resample_indices
from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.predictions import Extractor, Prediction
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.video.backbones.choice import make_backbone
from protas_gtcc.video.features import features_of
from protas_gtcc.video.frames import VideoFrames
from tests.mstcn_folder import exit_code
from tests.tiny_models import make_model
from tests.video_files import film, plain, write_sound, write_video
from tests.video_models import FPS, extract_means, model_on, saved, torchscript

SMALL = ("--size", 16)


@pytest.fixture
def backbone_file(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return torchscript(tmp_path / "means.pt")


@pytest.fixture
def model(backbone_file, tmp_path) -> TrainedModel:
    """A model whose checkpoint is `model.safetensors`."""
    model = model_on(make_backbone(str(backbone_file), size=16))
    saved(model, tmp_path / "model.safetensors")
    return model


def assert_same(found: Prediction, expected: Prediction) -> None:
    np.testing.assert_array_equal(found.labels, expected.labels)
    for name in ("probs", "progress", "reported", "interval", "remaining_seconds"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-5)


@pytest.mark.parametrize("window", [1, 4])
def test_a_model_predicts_the_same_of_a_video_and_of_its_extracted_features(tmp_path, monkeypatch, window):
    monkeypatch.chdir(tmp_path)
    shape: dict[str, object] = {"dims": (2, 3)} if window == 1 else {"dims": (2, 3, 4), "rank": 5}
    file = torchscript(tmp_path / "means.pt", **shape)  # type: ignore[arg-type]
    backbone = make_backbone(str(file), size=16, window=window)
    model, video = model_on(backbone), film(tmp_path / "clip.mp4")
    assert exit_code(*extract_means(video, "features", file, "--fps", FPS, "--window", window)) == 0
    features = np.load("features/clip.npy")
    assert features.dtype == np.float16
    np.testing.assert_array_equal(model.picture_features(video, backbone), features)
    assert_same(model.predict(video, backbone), model.predict(features))
    assert_same(model.predict(str(video)), model.predict(features))  # the backbone was given before


def test_the_command_takes_videos_folders_of_them_and_features(model, backbone_file, tmp_path, capsys):
    film(tmp_path / "filmed/anna/tea.mp4", seed=1)
    film(tmp_path / "filmed/tea.mkv", seed=2)
    (tmp_path / "filmed/notes.txt").write_text("rest, tea\n")
    assert exit_code(*extract_means(tmp_path / "filmed", "features", backbone_file, "--fps", FPS)) == 0
    capsys.readouterr()
    given = ("predict", "model.safetensors", "filmed", "features/tea.npy", "--backbone", "means.pt", *SMALL)
    assert exit_code(*given) == 1
    assert "filmed/tea.mkv and features/tea.npy would both be called 'tea'" in capsys.readouterr().err
    Path("features/tea.npy").rename("features/coffee.npy")
    Path("features/tea.json").rename("features/coffee.json")
    given = ("predict", "model.safetensors", "filmed", "features/coffee.npy", "--backbone", "means.pt", *SMALL)
    assert exit_code(*given, "--json", "--no-pictures") == 0
    printed = capsys.readouterr()
    assert set(json.loads(printed.out)["videos"]) == {"anna/tea", "coffee", "tea"}
    assert "1 file left out, no videos by their names: notes.txt" in printed.err
    written = open_predictions("predictions/predictions.h5")
    assert written.info.extractor == model.facts.extractor
    assert_same(written.read("tea"), written.read("coffee"))
    assert_same(written.read("anna/tea"), model.predict(np.load("features/anna/tea.npy")))
    for name in ("anna/tea.csv", "tea.csv", "anna/tea.segments.csv"):
        assert (tmp_path / "predictions" / name).is_file()


@pytest.fixture
def good_and_broken(model, backbone_file, tmp_path) -> list[str]:
    """Inputs of which the second video and the second file of features break when they are read to the end."""
    film(tmp_path / "a.mp4")
    write_video(tmp_path / "b.mkv", pictures=[plain(1, 512, 8)] * 10)  # too long a shape: found when it is decoded
    (tmp_path / "folder").mkdir()
    film(tmp_path / "folder/c.mp4", seed=1)
    values = model.picture_features("a.mp4", make_backbone("means.pt", size=16))
    np.save(tmp_path / "d.npy", values)
    np.save(tmp_path / "e.npy", np.where(np.arange(len(values))[:, None] == 7, np.nan, values))
    (tmp_path / "f.npy").write_bytes(b"no array")
    return ["a.mp4", "b.mkv", "folder", "d.npy", "e.npy", "f.npy"]


def test_broken_inputs_are_left_out_and_named_where_that_is_wanted(model, good_and_broken, capsys):
    given = ("predict", "model.safetensors", *good_and_broken, "--backbone", "means.pt", *SMALL, "--no-pictures")
    assert exit_code(*given, "--skip-broken", "--json") == 0
    done = capsys.readouterr()
    found = json.loads(done.out)
    assert list(found["videos"]) == open_predictions("predictions/predictions.h5").video_names == ["a", "c", "d"]
    assert set(found["broken"]) == {"b", "e", "f"}
    for message in ("b.mkv: its pictures", "e.npy: features have NaN", "f.npy is not a whole"):
        assert f"skipped: {message}" in done.err
    assert exit_code(*given[:2], "b.mkv", "e.npy", *given[8:], "--skip-broken", "--out", "no") == 1
    assert "error: none of 2 files can be predicted: b.mkv: its pictures" in capsys.readouterr().err


def test_what_was_predicted_before_a_broken_input_is_kept(model, good_and_broken, capsys):
    given = ("predict", "model.safetensors", "folder", "d.npy", "e.npy", "a.mp4", "--backbone", "means.pt", *SMALL)
    assert exit_code(*given) == 1
    done = capsys.readouterr()
    assert "c: " in done.out
    assert done.err.startswith("error: e.npy: features have NaN, infinity or a value above 1e12 at frame 7")
    assert "(the predictions of c, d are in predictions; --skip-broken goes on with the others)" in done.err
    assert done.err.count("\n") == 1
    assert open_predictions("predictions/predictions.h5").video_names == ["c", "d"]
    for name in ("c.csv", "d.segments.csv", "plots/d.png"):
        assert Path("predictions", name).is_file()


def test_earlier_predictions_are_kept_where_the_same_command_breaks(model, good_and_broken, capsys):
    given = ("predict", "model.safetensors", "d.npy", "e.npy", "a.mp4", "--backbone", "means.pt", *SMALL)
    np.save("e.npy", np.load("d.npy"))
    assert exit_code(*given) == 0
    before = Path("predictions/predictions.h5").read_bytes()
    np.save("e.npy", np.full((20, 3), np.nan, np.float16))
    assert exit_code(*given) == 1
    assert Path("predictions/predictions.h5").read_bytes() == before
    assert "error: e.npy: features have NaN" in capsys.readouterr().err


def test_a_video_may_have_any_name(model, tmp_path, capsys):
    film(tmp_path / "clip.mp4").rename(tmp_path / "clip")
    assert exit_code("predict", "model.safetensors", "clip", "--backbone", "means.pt", *SMALL, "--no-pictures") == 0
    assert exit_code("stream", "model.safetensors", "clip", "--backbone", "means.pt", *SMALL) == 0
    assert len(capsys.readouterr().out.splitlines()) > 40


def test_of_two_that_predict_into_one_folder_one_is_refused(model, tmp_path, capsys):
    with only_writer(tmp_path / "out/predictions.h5", wait=False):
        assert exit_code("predict", "model.safetensors", film(tmp_path / "a.mp4"), "--out", tmp_path / "out") == 1
    assert "another process is writing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_damaged_end_is_named_and_the_rest_predicted(model, tmp_path, capsys):
    whole = film(tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    given = ("predict", "model.safetensors", "cut.mkv", "--backbone", "means.pt", *SMALL, "--no-pictures")
    assert exit_code(*given) == 0
    assert "cut.mkv: " in capsys.readouterr().err
    assert 0 < len(open_predictions("predictions/predictions.h5").read("cut").labels) < 40


def test_a_model_of_resampled_features_gets_them_resampled(tmp_path, backbone_file):
    backbone = make_backbone(str(backbone_file), size=16)
    model, video = model_on(backbone, fps=2 * FPS), film(tmp_path / "clip.mp4")
    assert model.facts.fps == FPS
    features = np.concatenate(list(features_of(VideoFrames(video, 2 * FPS, 16), backbone)))
    found = model.predict(video, backbone)
    assert_same(found, model.predict(features[resample_indices(80, 2 * FPS, FPS)]))
    assert len(found.labels) == 40
    with pytest.raises(InputError, match="resampled from 10 to 5 fps, and a stream is not"):
        next(model.follow(video))


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert exit_code("predict", *arguments) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert not Path("predictions").exists()
    return error


def test_what_cannot_be_predicted_is_refused_in_one_line(model, tmp_path, capsys):
    film(tmp_path / "clip.mp4")
    means = ("--backbone", "means.pt", *SMALL)
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    write_sound(tmp_path / "sound.mp4")
    (tmp_path / "empty").mkdir()
    for given, message in (
        (["none.mp4", *means], "no video"),
        (["broken.mp4", *means], "broken.mp4 is not a video"),
        (["clip.mp4", "sound.mp4", *means], "sound.mp4 has no video track, only audio"),
        (["empty"], "empty has no videos"),
        (["clip.mp4", "./clip.mp4", *means], "clip.mp4 is given twice; name it once"),
        (["clip.mp4"], "a file of yours; give it with --backbone FILE"),
        (["clip.mp4", "--fps", 3], "--fps is for files of features"),
        (["clip.mp4", "--backbone", "none.pt"], "no file of a model none.pt"),
        (["clip.mp4", "--backbone", "means.pt", "--size", 32], "has other weights or scaling"),
    ):
        assert message in refused(capsys, "model.safetensors", *given)


def test_a_command_without_inputs_is_wrong_usage(model, capsys):
    assert exit_code("predict", "model.safetensors") == 2
    assert "name videos, folders of them, or files of features" in capsys.readouterr().err


def test_another_backbone_is_refused_with_both_names(model, tmp_path, capsys):
    film(tmp_path / "clip.mp4")
    other = make_backbone(str(torchscript(tmp_path / "other.pt", weight=2.0)), size=16)
    message = refused(capsys, "model.safetensors", "clip.mp4", "--backbone", "other.pt", *SMALL)
    assert f"trained on features of {model.facts.extractor}, and other.pt ({other.fingerprint})" in message
    with pytest.raises(InputError, match="other weights or scaling"):
        model.predict("clip.mp4", other)


def test_a_model_of_other_features_says_how_to_make_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    video = film(tmp_path / "clip.mp4")
    saved(make_model(), tmp_path / "model.safetensors")
    message = refused(capsys, "model.safetensors", "clip.mp4")
    assert "did not come from 'extract'" in message
    assert "make features as those of its training and give their files" in message
    with pytest.raises(InputError, match="did not come from 'extract'"):
        make_model().predict(video)


@pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is here, and would fetch weights")
def test_a_backbone_whose_package_is_missing_is_named(model, tmp_path, capsys):
    film(tmp_path / "clip.mp4")
    facts = dataclasses.replace(model.facts, extractor=Extractor("timm:resnet18", "0" * 12, FPS))
    saved(TrainedModel(model.network, facts), tmp_path / "model.safetensors")
    assert "needs the package timm; pip install timm" in refused(capsys, "model.safetensors", "clip.mp4")


def test_a_video_of_a_training_videos_name_gets_one_note(model, tmp_path, capsys):
    film(tmp_path / "clip.mp4")
    facts = dataclasses.replace(model.facts, training_videos=["anna/clip", "other"])
    saved(TrainedModel(model.network, facts), tmp_path / "model.safetensors")
    means = ("--backbone", "means.pt", *SMALL)
    for given in (
        ["predict", "model.safetensors", "clip.mp4", "--no-pictures", *means],
        ["annotate", "model.safetensors", "clip.mp4", "--picture", "picture.png", "--at", 0.2, *means],
        ["stream", "model.safetensors", "clip.mp4", *means],
    ):
        assert exit_code(*given) == 0
        notes = [line for line in capsys.readouterr().err.splitlines() if "training" in line]
        assert notes == ["clip: a training video of the model has this name; results on training videos are too good"]
    (tmp_path / "clip.mp4").rename(tmp_path / "new.mp4")
    assert exit_code("predict", "model.safetensors", "new.mp4", "--no-pictures", "--overwrite", *means) == 0
    assert "training" not in capsys.readouterr().err


def test_a_picture_is_no_frame_more_than_the_video_has(model, tmp_path):
    write_video(tmp_path / "one.mp4", [0], [plain(3)])
    backbone = make_backbone("means.pt", size=16)
    assert len(model.predict(tmp_path / "one.mp4", backbone).labels) == 1


@pytest.mark.slow
def test_real_clips_are_extracted_predicted_and_annotated(model, shared_folder, tmp_path, capsys):
    videos, means = shared_folder / "data/video", ("--backbone", "means.pt", *SMALL)
    assert exit_code(*extract_means(videos, "features", tmp_path / "means.pt", "--fps", FPS, "--json")) == 0
    written = json.loads(capsys.readouterr().out)["written"]
    assert len(written) == len(list(videos.glob("*.mp4"))) > 0
    assert exit_code("predict", "model.safetensors", videos, *means, "--no-pictures") == 0
    files = open_predictions("predictions/predictions.h5")
    for name, facts in written.items():
        assert facts["notes"] == []
        assert_same(files.read(name), model.predict(np.load(f"features/{name}.npy")))
        video = videos / f"{name}.mp4"
        assert exit_code("annotate", "predictions/predictions.h5", video, "--picture", f"{name}.png", "--at", 3) == 0
