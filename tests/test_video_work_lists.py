"""`extract`, `predict` and `annotate` in jobs: the same results as in one process, each made once."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from protas_gtcc.cli.commands import extract, predict
from protas_gtcc.cli.shared.inputs import find_inputs
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.cli.shared.video_jobs import do_videos, shares_of, words_of
from protas_gtcc.config import PRESETS, ModelConfig
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.metrics.prediction_parts import FORMAT, write_index
from protas_gtcc.network.checkpoint import ModelFacts, save_checkpoint
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.video.backbones.choice import make_backbone
from protas_gtcc.video.naming import VideoFile, find_videos
from protas_gtcc.work.jobs import Job
from tests.annotated import INFO, predicted, write_file
from tests.mstcn_folder import exit_code
from tests.video_files import film
from tests.video_models import FPS, extract_means, model_on, saved, torchscript

NAMES = ["anna/tea", "b", "c"]


@pytest.fixture
def filmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three videos, and a model of their pictures, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(NAMES):
        film(tmp_path / "filmed" / f"{name}.mp4", seed=number)
    saved(model_on(make_backbone(str(torchscript(tmp_path / "means.pt")), size=16)), tmp_path / "model.safetensors")
    return tmp_path / "filmed"


@pytest.mark.slow
def test_jobs_extract_predict_and_annotate_as_one_process_does(filmed, capsys):
    for out, more in (("alone", ()), ("jobs", ("--workers", 2))):
        assert exit_code(*extract_means(filmed, f"features-{out}", Path("means.pt"), "--fps", FPS, *more)) == 0
        given = ("--backbone", "means.pt", "--size", 16, "--no-pictures", "--out", f"predicted-{out}")
        assert exit_code("predict", "model.safetensors", filmed, *given, *more) == 0
    assert "the predictions of 3 of 3 videos" in capsys.readouterr().out
    one, many = open_predictions("predicted-alone/predictions.h5"), open_predictions("predicted-jobs")
    assert sorted(one.video_names) == sorted(many.video_names) == NAMES
    assert one.info == many.info
    for name in NAMES:
        features = [np.load(f"features-{out}/{name}.npy") for out in ("alone", "jobs")]
        np.testing.assert_array_equal(*features)
        np.testing.assert_allclose(one.read(name).probs, many.read(name).probs, atol=1e-5)
        np.testing.assert_array_equal(one.read_labels(name), many.read_labels(name))
        tables = [Path(f"predicted-{out}/{name}.segments.csv").read_text() for out in ("alone", "jobs")]
        assert tables[0] == tables[1]
    kept = {path: path.stat().st_mtime_ns for path in Path("predicted-jobs/parts").rglob("*.h5")}
    assert sum(len(open_predictions(path).video_names) for path in kept) == 3
    gone = Path("predicted-jobs", json.loads(Path("predicted-jobs/predictions.json").read_text())["shards"][0])
    gone.unlink()  # the one that stands for all
    assert exit_code("predict", "model.safetensors", filmed, *given, "--workers", 2) == 0
    now = {path: path.stat().st_mtime_ns for path in Path("predicted-jobs/parts").rglob("*.h5")}
    stay = {path for path, modified in kept.items() if now.get(path) == modified}
    assert stay == kept.keys() - {gone}, "only what lacked was predicted"
    (filmed / "broken.mp4").write_bytes(b"no video")
    shown = ("annotate", "predicted-jobs/predictions.json", filmed, "--out", "shown", "--workers", 2)
    assert exit_code(*shown) == 1
    printed = capsys.readouterr().err
    assert "1 of 2 jobs failed, broken to c" in printed
    assert "broken.mp4 is" in printed
    assert sorted(path.stem for path in Path("shown").rglob("*.mp4")) == ["b", "c", "tea"]


def test_a_job_finds_its_videos_without_a_look_at_the_others(tmp_path, monkeypatch):
    names = ["tea.v2", "anna/tea", "anna/cake", "ben/tea", "anna/.hidden"]
    for name in names:
        film(tmp_path / "filmed" / f"{name}.mp4", num_pictures=8)
    (tmp_path / "filmed/anna/tea.txt").touch()
    folder, out = tmp_path / "filmed", tmp_path / "filmed/ben"
    every, _ = find_videos([folder], out)
    assert [video.name for video in every] == ["anna/cake", "anna/tea", "tea.v2"]
    with monkeypatch.context() as patched:
        patched.setattr("os.walk", lambda *_, **__: pytest.fail("all folders are listed"))
        found = [find_videos([folder], out, [name])[0] for name in names]
        inputs, others = find_inputs([folder], out, {}, False, ["anna/tea", "tea.v2"])
    assert [[video.name for video in one] for one in found] == [["tea.v2"], ["anna/tea"], ["anna/cake"], [], []]
    assert ([one.name for one in inputs], others) == (["anna/tea", "tea.v2"], [])


def test_flags_become_the_words_that_they_are_parsed_from():
    words = [
        "a.mp4",
        "b",
        "--out",
        "o",
        "--fps",
        "29.97",
        "--skip-broken",
        "--only",
        "x",
        "--only",
        "y",
        "--window",
        "3",
    ]
    command = parse(extract.Command, words, "extract")
    assert words_of(command) == words
    assert parse(extract.Command, words_of(command), "extract") == command
    budget = ["m", "a.mp4", "--out", "p", "--alarms", "missing", "--lag-seconds", "2.0", "--part", "0f"]
    assert words_of(parse(predict.Command, budget, "predict"), ("part",)) == budget[:-2]


def test_an_index_makes_files_of_predictions_one(tmp_path):
    files = {f"v{number}": tmp_path / "parts" / f"v{number}.h5" for number in range(2)}
    for number, (video, path) in enumerate(files.items()):
        path.parent.mkdir(exist_ok=True)
        write_file(path, video, [0, 1, 1 + number])
    index = write_index(tmp_path, files)
    for path in (index, tmp_path):
        opened = open_predictions(path, INFO.class_names)
        assert opened.video_names == ["v0", "v1"]
        assert opened.info == INFO
        assert opened.read_labels("v1").tolist() == opened.read("v1").labels.tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="has no video 'v2'; predict it"):
        opened.read("v2")
    from protas_gtcc.metrics.prediction_files import write_predictions

    write_predictions(files["v1"], [("v1", predicted([0], 0.0))], dataclasses.replace(INFO, fps=99.0))
    with pytest.raises(InputError, match="were made by different models; predict again"):
        open_predictions(index).read("v1")
    outside = json.dumps({"format": FORMAT, "shards": ["a.h5"], "videos": {"v0": 1}})
    for text in ("{", "[]", outside, json.dumps({"format": FORMAT, "shards": [], "videos": {}})):
        index.write_text(text)
        with pytest.raises(InputError, match="is no index of predictions; predict again"):
            open_predictions(tmp_path)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three files of features, and a model of them, in the current folder."""
    monkeypatch.chdir(tmp_path)
    config = ModelConfig(stages=1, layers=2, maps=4, graph=False)
    facts = ModelFacts(replace(PRESETS["reference"], model=config), 3, ["background", "pour"], [0], 1.0)
    save_checkpoint(Path("model.safetensors"), ProgressNetwork(config, 3, 2), facts)
    for name in ("a", "b", "-c d'"):
        np.save(f"{name}.npy", np.ones((6, 3), np.float32))
    return ["a.npy", "b.npy", "./-c d'.npy"]


def predict_in_jobs(*words: object) -> int:
    return exit_code("predict", "model.safetensors", *words, "--no-pictures", "--workers", 3, "--out", "out")


def predicted_in(path: str) -> list[str]:
    return sorted(open_predictions(path).video_names)


def with_features(file: str, values: np.ndarray, modified: int) -> None:
    np.save(file, values)
    os.utime(file, ns=(modified, modified))


@pytest.mark.slow
def test_jobs_that_fail_lose_no_earlier_predictions_and_the_same_command_goes_on(measured, capsys):
    assert exit_code("predict", "model.safetensors", *measured, "--no-pictures", "--out", "out") == 0
    earlier = Path("out/predictions.h5").read_bytes()
    np.save("b.npy", np.ones((6, 5), np.float32))
    assert predict_in_jobs(*measured, "--format", "csv") == 1
    assert "b failed: none of 1 file can be predicted: b.npy" in capsys.readouterr().err
    assert Path("out/predictions.h5").read_bytes() == earlier
    assert predicted_in("out") == ["-c d'", "a", "b"]
    with_features("b.npy", np.ones((6, 3), np.float32), modified=10**9)
    assert predict_in_jobs(*measured, "--format", "csv") == 0
    assert not Path("out/predictions.h5").exists()
    assert predicted_in("out") == ["-c d'", "a", "b"]
    assert [path.name for path in Path("out/annotations").iterdir()] == ["segments.csv"]
    Path("out/predictions.json").unlink()  # as if the command had been killed
    kept = {path: path.stat().st_mtime_ns for path in Path("out/parts").rglob("*.h5")}
    videos = {path: open_predictions(path).video_names for path in kept}
    with_features("a.npy", np.zeros((9, 3), np.float32), modified=10**9)
    assert predict_in_jobs(*measured) == 0
    assert len(open_predictions("out").read_labels("a")) == 9, "a file in its place is predicted, although it is older"
    assert [videos[path] for path in kept if not path.exists()] == [["a"]]
    assert all(path.stat().st_mtime_ns == kept[path] for path in kept if path.exists())


@pytest.mark.slow
def test_jobs_replace_all_that_belongs_to_earlier_predictions(measured, capsys):
    assert exit_code("predict", "model.safetensors", *measured, "--format", "csv", "--out", "out") == 0
    assert predict_in_jobs("a.npy", "--overwrite") == 0
    assert predicted_in("out") == ["a"]
    outside_of_shards = (path for path in Path("out").rglob("*") if "parts" not in path.parts)
    assert [str(path) for path in outside_of_shards if path.name[0] in "b-"] == []
    assert len([*Path("out/parts").rglob("*.h5")]) == 1
    np.save("a.npy", np.ones((6, 5), np.float32))
    capsys.readouterr()
    assert predict_in_jobs("a.npy", "--skip-broken") == 1
    assert "none of 1 file could be predicted; remove the causes above" in capsys.readouterr().err
    assert predicted_in("out") == ["a"]


def test_a_job_is_given_no_other_videos_than_its_own(measured, monkeypatch):
    shares: list[list[str]] = []

    def keep(jobs: list[Job], *_: object) -> dict[str, str]:
        shares.extend(job.command() for job in jobs)
        return {}

    monkeypatch.setattr("protas_gtcc.cli.shared.video_jobs.do_jobs", keep)
    Path("folder").mkdir()
    videos = [VideoFile(Path(file), Path(file).stem) for file in measured] + [VideoFile(Path("folder/d"), "d")]
    words = ["model.safetensors", "folder", *measured, "--workers", "4", "--out", "out"]
    command = parse(predict.Command, words, "predict")
    do_videos("predict", command, "features", videos, shares_of(lambda _: False), command.work, Console())
    for words, own in zip(shares, (["a.npy"], ["b.npy"], ["./-c d'.npy"], []), strict=True):
        parsed = parse(predict.Command, words[1:], "predict")
        assert words[1 : 3 + len(own)] == ["model.safetensors", "folder", *own]
        assert parsed.features == (Path("folder"), *map(Path, own))
        assert parsed.only == ((Path(own[0]).stem,) if own else ("d",))
