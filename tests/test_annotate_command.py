"""`annotate`: runs and prediction files of a video -> an annotated video, subtitles, a picture."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from protas_gtcc.annotations.task_graph import TaskGraph
from protas_gtcc.config import PRESETS
from protas_gtcc.dataset.file import DatasetInfo, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.live.row_sources import CsvFacts, row_of_file
from protas_gtcc.live.subtitles import subtitles, write_subtitles
from protas_gtcc.metrics.prediction_csv import write_csv
from protas_gtcc.network.checkpoint import ModelFacts, save_checkpoint
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.predictions import Extractor
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.backbones.choice import make_backbone
from protas_gtcc.video.features import features_of
from protas_gtcc.video.frames import VideoFrames
from tests.annotated import INFO, NAMES, predicted, row, write_file
from tests.forked import Trial, only_line, run_forked
from tests.mstcn_folder import exit_code

av = pytest.importorskip("av", reason="annotating videos needs the package av: pip install -e '.[video]'")

from tests.video_files import grey, plain, write_sound, write_video  # noqa: E402
from tests.video_models import torchscript  # noqa: E402

LABELS = np.repeat([0, 1, 2, 3], 5)  # 2 s at 10 frames a second
NUM_PICTURES = 50


@pytest.fixture
def video(tmp_path) -> Path:
    """Two seconds, 25 pictures a second."""
    pictures = [plain(number % 30, 160, 120) for number in range(NUM_PICTURES)]
    return write_video(tmp_path / "tea.mp4", range(0, 2000, 40), pictures, sound="aac")


@pytest.fixture
def predictions(tmp_path) -> Path:
    return write_file(tmp_path / "first.h5", "tea", LABELS)


@pytest.fixture
def truth(tmp_path) -> Path:
    """A dataset in which the video is in a folder."""
    info = DatasetInfo("tiny", NAMES, [0], 10.0, {"1": {"train": ["p1/tea"], "test": []}})
    with write_dataset(tmp_path / "truth.h5", info, {}) as writer:
        writer.add(Video("p1/tea", LABELS, {}))
    return tmp_path / "truth.h5"


def pictures_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def refusal(capsys, *arguments: object) -> str:
    assert exit_code("annotate", *arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_a_prediction_file_becomes_a_video_with_a_panel(video, predictions, tmp_path, capsys):
    assert exit_code("annotate", predictions, video, "--out", tmp_path / "out.mp4", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["num_pictures"] == NUM_PICTURES == len(pictures_of(tmp_path / "out.mp4"))
    assert facts["rows"] == ["predicted"]
    height, width, _ = pictures_of(tmp_path / "out.mp4")[0].shape
    assert facts["size"] == [width, height]
    assert width == 160
    assert height > 120


def test_several_predictions_and_the_truth_each_have_a_row(video, predictions, truth, tmp_path, capsys):
    other = write_file(tmp_path / "second.h5", "tea", LABELS, late=0.2)
    table = write_csv(tmp_path / "third", "tea", predicted(LABELS), INFO)
    out = ["--out", tmp_path / "out.mkv", "--json"]
    assert exit_code("annotate", predictions, other, table, video, "--truth", truth, *out) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == ["truth", "first", "second", "tea"]


def test_the_truth_alone_is_enough(video, truth, tmp_path):
    assert exit_code("annotate", video, "--truth", truth, "--picture", tmp_path / "a.png", "--at", 1) == 0
    assert np.asarray(Image.open(tmp_path / "a.png")).shape[1] == 160


def test_over_the_picture_the_size_stays(video, predictions, tmp_path):
    assert exit_code("annotate", predictions, video, "--out", tmp_path / "out.mp4", "--over") == 0
    assert pictures_of(tmp_path / "out.mp4")[0].shape == (120, 160, 3)


def test_a_gif_has_ten_pictures_a_second(video, predictions, tmp_path):
    assert exit_code("annotate", predictions, video, "--out", tmp_path / "out.gif") == 0
    with Image.open(tmp_path / "out.gif") as gif:
        assert (getattr(gif, "n_frames", 1), gif.width, gif.info["duration"]) == (
            20,
            160,
            120,
        )
        gif.seek(10)
        assert abs(np.asarray(gif.convert("RGB"))[4:100].astype(int) - grey(25)).max() < 8


def test_a_gif_keeps_the_colours_of_small_things_and_of_later_pictures(tmp_path, predictions):
    black, later = np.zeros((96, 160, 3), np.uint8), np.full((96, 160, 3), (150, 140, 120), np.uint8)
    later[...] += np.random.default_rng(0).integers(0, 80, later.shape, np.uint8)
    later[40:52, 70:86] = 20, 40, 200
    video = write_video(tmp_path / "tea.mp4", range(0, 2000, 100), [black] * 3 + [later] * 17)
    assert exit_code("annotate", predictions, video, "--out", tmp_path / "out.gif") == 0
    with Image.open(tmp_path / "out.gif") as gif, av.open(str(video)) as source:
        gif.seek(15)
        shown = np.asarray(gif.convert("RGB"))[:96].astype(int)
        true = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)][15].astype(int)
    assert abs(shown - true)[42:50, 74:82].max() < 24
    assert abs(shown - true).mean() < 8


def checkpoint(path: Path, extractor: Extractor, causal: bool = True) -> Path:
    """A model with random weights that takes three mean colours."""
    torch.manual_seed(0)
    config = dataclasses.replace(PRESETS["reference"].model, stages=1, layers=2, maps=4, causal=causal)
    graph = TaskGraph(*np.random.default_rng(0).random((2, len(NAMES), len(NAMES))))
    run = dataclasses.replace(PRESETS["reference"], model=config)
    facts = ModelFacts(run, 3, NAMES, [0], 10.0, extractor=extractor)
    save_checkpoint(path, ProgressNetwork(config, 3, len(NAMES), graph), facts)
    return path


@pytest.fixture
def backbone(tmp_path) -> Path:
    return torchscript(tmp_path / "means.pt")


@pytest.fixture
def features(video, backbone, tmp_path) -> Path:
    """Features of the video, 10 a second."""
    small = ["--backbone", backbone, "--size", 16, "--threads", 1]
    assert exit_code("extract", video, "--out", tmp_path / "features", "--fps", 10, *small) == 0
    return tmp_path / "features" / "tea.npy"


@pytest.mark.parametrize("causal", [True, False])
def test_a_model_extracts_its_features_and_shows_what_predict_gives(
    causal, video, backbone, features, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    facts = json.loads(features.with_suffix(".json").read_text())
    model = checkpoint(tmp_path / "model.safetensors", Extractor(**facts["extractor"]), causal)
    own = ["--backbone", backbone, "--size", 16]
    assert exit_code("annotate", model, video, "--picture", "a.png", "--at", 1.5, *own) == 0
    warning = f"{model} sees the whole video: its row shows what was not known at the time\n"
    assert capsys.readouterr().err == ("" if causal else warning)
    assert exit_code("annotate", model, video, "--picture", "b.png", "--at", 1.5, "--features", features) == 0
    assert exit_code("predict", model, features, "--no-pictures") == 0
    assert exit_code("annotate", "predictions/predictions.h5", video, "--picture", "c.png", "--at", 1.5) == 0
    pixels = [np.asarray(Image.open(f"{name}.png")) for name in "abc"]
    assert (pixels[0] == pixels[1]).all()
    assert (pixels[1] == pixels[2]).all()


def test_two_models_of_one_backbone_and_rate_share_the_features(video, backbone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls: list[Path] = []

    def counted(frames: VideoFrames, made_by: Backbone) -> Iterator[np.ndarray]:
        calls.append(Path(frames.path))
        return features_of(frames, made_by)

    monkeypatch.setattr("protas_gtcc.video.features.features_of", counted)
    fingerprint = make_backbone(str(backbone), size=16).fingerprint
    for name, fps in (("one", 10.0), ("two", 10.0), ("slower", 5.0)):
        checkpoint(tmp_path / f"{name}.safetensors", Extractor("means.pt", fingerprint, fps))
    given = (video, "--picture", "rows.png", "--at", 1.5, "--overwrite", "--backbone", backbone, "--size", 16)
    for names, extractions in ((["one", "two"], 1), (["one", "two", "slower"], 2)):
        calls.clear()
        assert exit_code("annotate", *(f"{name}.safetensors" for name in names), *given) == 0
        assert len(calls) == extractions
    assert exit_code("annotate", "one.safetensors", "two.safetensors", *given) == 0
    rows = np.asarray(Image.open("rows.png"))
    assert exit_code("extract", video, "--out", "f", "--fps", 10, "--backbone", backbone, "--size", 16) == 0
    assert exit_code("annotate", "one.safetensors", "two.safetensors", *given[:-4], "--features", "f/tea.npy") == 0
    assert (np.asarray(Image.open("rows.png")) == rows).all()


def test_a_model_of_resampled_features_shows_what_predict_gives(video, backbone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    extractor = Extractor("means.pt", make_backbone(str(backbone), size=16).fingerprint, 4.0)  # the model has 10 fps
    model = checkpoint(tmp_path / "model.safetensors", extractor)
    own = ["--backbone", backbone, "--size", 16]
    assert exit_code("predict", model, video, "--no-pictures", *own) == 0
    assert exit_code("annotate", model, video, "--subtitles", "a.vtt", *own) == 0
    assert exit_code("annotate", "predictions/predictions.h5", video, "--subtitles", "b.vtt") == 0
    assert cues(Path("a.vtt")) == cues(Path("b.vtt"))


def test_flags_of_a_backbone_in_a_file_are_refused_without_it(video, tmp_path, capsys):
    model = checkpoint(tmp_path / "model.safetensors", Extractor("efficientnet-lite0", "0123456789ab", 10.0))
    line = refusal(capsys, model, video, "--subtitles", tmp_path / "a.vtt", "--size", 32)
    assert "--size and --window are for models in files; efficientnet-lite0 has its own: leave them out" in line


def test_a_model_without_a_known_backbone_needs_features(video, features, tmp_path, capsys):
    model = checkpoint(tmp_path / "model.safetensors", Extractor())
    out = ["--out", tmp_path / "out.mp4"]
    assert "make features as those of its training and give their files" in refusal(capsys, model, video, *out)
    assert exit_code("annotate", model, video, *out, "--features", features) == 0


def test_another_backbone_is_refused_by_name(video, tmp_path, capsys):
    model = checkpoint(tmp_path / "model.safetensors", Extractor("means.pt", "0123456789ab", 10.0))
    other = torchscript(tmp_path / "other.pt", weight=2.0)
    out = ["--out", tmp_path / "out.mp4", "--backbone", other, "--size", 16]
    line = refusal(capsys, model, video, *out)
    assert re.search(
        r"of means\.pt \(0123456789ab\) at 10 fps, and other\.pt \(.*\) has other weights or scaling", line
    )


def cues(path: Path) -> list[tuple[str, str]]:
    """Times and text of each cue."""
    first, *blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    assert first == "WEBVTT"
    return [(block.splitlines()[0], "\n".join(block.splitlines()[1:])) for block in blocks]


def test_subtitles_are_the_segments_and_steps_of_progress(video, predictions, tmp_path, capsys):
    assert exit_code("annotate", predictions, video, "--subtitles", tmp_path / "tea.vtt") == 0
    found = cues(tmp_path / "tea.vtt")
    assert found[0] == ("00:00:00.000 --> 00:00:00.500", "background")
    assert [text.rsplit(" ", 2)[0] for _, text in found[1:]] == NAMES[1:]
    assert [text for _, text in found][-1] == f"stir {100 * 15 / 19:.0f} %"
    assert found[-1][0] == "00:00:01.500 --> 00:00:02.000"
    assert capsys.readouterr().out == f"{tmp_path / 'tea.vtt'}: 4 subtitles\n"


def test_subtitles_of_several_rows_follow_each_other_without_a_gap():
    rows = [row(np.repeat([1, 2, 1], 40), "a"), row(np.repeat([2, 1, 3], 40), "b", late=0.1)]
    found = list(subtitles(rows))
    assert [one[0] for one in found[1:]] == [one[1] for one in found[:-1]]
    assert (float(found[0][0]), float(found[-1][1])) == (0, 12)
    for start, _, text in found:
        frame = int(start * 10)
        for line, one in zip(text.splitlines(), rows, strict=True):
            label = int(one.prediction.labels[frame])
            assert line == f"{one.name}: {NAMES[label]} {100 * one.prediction.reported[frame]:.0f} %"


def test_names_in_subtitles_are_one_line_without_markup(tmp_path):
    info = dataclasses.replace(INFO, class_names=["background", "a --> <b>\n& c", "d", "e"])
    one = dataclasses.replace(row([1] * 20), info=info)
    write_subtitles(tmp_path / "a.vtt", [one], Fraction(3600) + Fraction(1, 2))
    times, text = cues(tmp_path / "a.vtt")[0]
    assert times.startswith("01:00:00.500 --> ")
    assert text == "a --&gt; &lt;b&gt; &amp; c 0 %"


def test_bad_input_is_one_line(video, predictions, truth, tmp_path, capsys):
    out = ["--out", tmp_path / "out" / "out.mp4"]
    other = write_file(tmp_path / "long.h5", "tea", np.repeat(LABELS, 3))
    (tmp_path / "text.mp4").write_text("no video")
    sound = write_sound(tmp_path / "sound.m4a")
    cases = {
        "no video .*absent.mp4": [predictions, tmp_path / "absent.mp4", *out],
        "text.mp4 is not a video": [predictions, tmp_path / "text.mp4", *out],
        "has no video track, only audio": [predictions, sound, *out],
        "no run or predictions .*absent": [tmp_path / "absent", video, *out],
        "is 60 frames at 10 fps, 6.0 s, and .*tea.mp4 lasts 2.0 s; give what": [other, video, *out],
        "first.h5 has no video 'soup'; give --video NAME, one of tea": [predictions, video, *out, "--video", "soup"],
        "out.avi: a video is written as": [predictions, video, "--out", tmp_path / "out.avi"],
        "tea.mp4 would be replaced by its annotation": [predictions, video, "--out", video, "--overwrite"],
        "first.h5 would be replaced; give another name": [predictions, video, "--out", predictions],
        "--at 7: .* has pictures from 0 to 2.00 s": [predictions, video, "--picture", tmp_path / "a.png", "--at", 7],
        "--at is nan; it must be a time": [predictions, video, "--picture", tmp_path / "a.png", "--at", "nan"],
        "--at is -inf; it must be a time": [predictions, video, "--picture", tmp_path / "a.png", "--at", "-inf"],
        "it must be 0, or from 1": [predictions, video, *out, "--strip-seconds", 0.5],
    }
    for expected, arguments in cases.items():
        assert re.search(expected, refusal(capsys, *arguments)), expected
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [[], ["tea.mp4"], ["a.h5", "tea.mp4"], ["a.h5", "tea.mp4", "--picture", "a.png"]])
def test_wrong_usage_says_what_to_give(words, capsys):
    assert exit_code("annotate", *words) == 2
    assert capsys.readouterr().err.startswith("protas-gtcc annotate: ")


def test_a_csv_without_times_needs_a_rate_and_background_is_named(video, tmp_path, capsys):
    lines = ["label,name,progress", *(f"{label},{NAMES[label]},0.5" for label in LABELS)]
    (tmp_path / "tea.csv").write_text("\n".join(lines))
    out = ["--subtitles", tmp_path / "tea.vtt"]
    assert "has no times of its frames; give --fps" in refusal(capsys, tmp_path / "tea.csv", video, *out)
    rate = [*out, "--fps", 10]
    wrong = [*rate, "--background", "nothing"]
    assert "has no class nothing; --background may name" in refusal(capsys, tmp_path / "tea.csv", video, *wrong)
    assert exit_code("annotate", tmp_path / "tea.csv", video, *rate, "--background", "background") == 0
    assert [text for _, text in cues(tmp_path / "tea.vtt")][:2] == ["background", "take bowl 50 %"]


def test_a_csv_has_its_own_rate_also_beside_the_truth(video, truth, tmp_path, capsys):
    slow = dataclasses.replace(INFO, fps=5.0)
    table = write_csv(tmp_path / "slow", "tea", predicted(LABELS[::2]), slow)
    out = ["--truth", truth, "--subtitles", tmp_path / "tea.vtt"]
    assert exit_code("annotate", table, video, *out) == 0
    lines = ["label,progress", *(f"{label},0.5" for label in LABELS)]
    (tmp_path / "tea.csv").write_text("\n".join(lines))  # without times, it has the rate of the truth
    assert exit_code("annotate", tmp_path / "tea.csv", video, *out, "--overwrite") == 0
    assert "is 20 frames at 5 fps, 4.0 s" in refusal(
        capsys, tmp_path / "tea.csv", video, *out, "--overwrite", "--fps", 5
    )


@pytest.mark.parametrize("fps", [1 / 30, 0.7, 10.0, 30_000 / 1001, 23.976, 240.0])
def test_the_rate_of_a_csv_is_exact(tmp_path, fps):
    labels = np.resize(LABELS, 1000)
    table = write_csv(tmp_path, "tea", predicted(labels), dataclasses.replace(INFO, fps=fps))
    assert abs(row_of_file("a", table, "tea", CsvFacts()).info.fps / fps - 1) < 1e-6


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("time_seconds", ["0", "x", "0.2"], "column time_seconds: could not convert"),
        ("time_seconds", ["0.2", "0.1", "0"], "do not rise evenly"),
        ("time_seconds", ["0", "0.1", "9"], "do not rise evenly"),
        ("time_seconds", ["0", "nan", "0.2"], "do not rise evenly"),
        ("time_seconds", ["0", "0.1", "inf"], "do not rise evenly"),
        ("label", ["0", "0", "1000000000"], "has class 1000000000; at most 65536 classes"),
    ],
)
def test_a_csv_that_cannot_be_shown_is_refused(tmp_path, column, values, expected):
    columns = {"frame": list("012"), "time_seconds": ["0", "0.1", "0.2"], "label": list("000"), "progress": ["0.5"] * 3}
    columns[column] = values
    lines = [",".join(columns), *map(",".join, zip(*columns.values(), strict=True))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=expected):
        row_of_file("a", tmp_path / "a.csv", "a", CsvFacts())


def test_a_name_that_two_videos_share_is_asked_for(video, tmp_path, capsys):
    from protas_gtcc.metrics.prediction_files import write_predictions

    both = [(name, predicted(LABELS)) for name in ("p1/tea", "p2/tea")]
    write_predictions(tmp_path / "two.h5", both, INFO)
    out = ["--subtitles", tmp_path / "tea.vtt"]
    line = refusal(capsys, tmp_path / "two.h5", video, *out)
    assert "has 2 videos 'tea'; give --video NAME, one of p1/tea, p2/tea" in line
    assert exit_code("annotate", tmp_path / "two.h5", video, *out, "--video", "p2/tea") == 0


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_video_is_found_by_its_name_in_either_unicode_form(video, tmp_path, forms):
    in_file, of_video = (unicodedata.normalize(form, "Käse") for form in forms)
    predictions = write_file(tmp_path / "p.h5", f"anna/{in_file}", LABELS)
    renamed = video.rename(tmp_path / f"{of_video}.mp4")
    assert exit_code("annotate", predictions, renamed, "--subtitles", tmp_path / "out.vtt") == 0


@pytest.mark.slow
def test_signals_and_a_full_disk_leave_no_file(video, predictions, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    command = ["annotate", str(predictions), str(video), "--out", str(folder / "out.mp4"), "--overwrite"]
    signals = [(number, share) for number in (signal.SIGINT, signal.SIGTERM) for share in (0.3, 0.6, 0.9)]
    killed = [Trial(command, signals=(number,), delays=(share,)) for number, share in signals]
    full = [Trial(command, size) for size in (0, 1000, 8000)]
    outcomes = run_forked([Trial(command), *full, *killed], tmp_path)[1:]
    for outcome in outcomes[: len(full)]:
        assert outcome.code == 1
        assert only_line(outcome).startswith(f"error: cannot write {folder / 'out.mp4'}")
    for outcome in outcomes[len(full) :]:
        assert outcome.code in (0, 130, 143, -signal.SIGINT, -signal.SIGTERM)
        assert "Traceback" not in outcome.errors
    assert [path.name for path in folder.iterdir()] == ["out.mp4"]  # the first one's, whole
    assert len(pictures_of(folder / "out.mp4")) == NUM_PICTURES


def test_a_process_that_is_killed_leaves_no_file(video, predictions, tmp_path):
    out = tmp_path / "out" / "out.mp4"
    out.parent.mkdir()
    command = ["annotate", str(predictions), str(video), "--subtitles", str(tmp_path / "a.vtt"), "--overwrite"]
    first, outcome = run_forked(
        [Trial(command), Trial([*command, "--out", str(out)], signals=(signal.SIGKILL,), delays=(1.5,))], tmp_path
    )
    assert (first.code, outcome.code) == (0, -signal.SIGKILL)
    assert not out.exists()
    assert exit_code("annotate", predictions, video, "--out", out) == 0
    assert [path.name for path in out.parent.iterdir()] == ["out.mp4"]  # what was left over is removed
