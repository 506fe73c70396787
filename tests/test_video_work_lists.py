"""`extract`, `predict` and `annotate` in jobs: the same results as in one process, each made once."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.cli.commands import extract, predict
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.cli.shared.video_jobs import words_of
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.metrics.prediction_parts import write_index
from protas_gtcc.video.backbones.choice import make_backbone
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
    assert len(kept) == 3
    gone, *_ = kept
    gone.unlink()
    assert exit_code("predict", "model.safetensors", filmed, *given, "--workers", 2) == 0
    now = {path: path.stat().st_mtime_ns for path in Path("predicted-jobs/parts").rglob("*.h5")}
    assert {path for path in kept if now[path] == kept[path]} == kept.keys() - {gone}, "only what lacked was predicted"
    (filmed / "broken.mp4").write_bytes(b"no video")
    shown = ("annotate", "predicted-jobs/predictions.json", filmed, "--out", "shown", "--workers", 2)
    assert exit_code(*shown) == 1
    printed = capsys.readouterr().err
    assert "1 of 2 jobs failed, broken to c" in printed
    assert "broken.mp4 is" in printed
    assert sorted(path.stem for path in Path("shown").rglob("*.mp4")) == ["b", "c", "tea"]


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
    for text in ("{", "[]", json.dumps({"format": "protas_gtcc predictions index 1", "videos": {}})):
        index.write_text(text)
        with pytest.raises(InputError, match="is no index of predictions; predict again"):
            open_predictions(tmp_path)
