"""Each benchmark runs from its command line at a tiny size. What it measures is not asserted: machines differ."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from protas_gtcc.annotations.mistakes import Mistake, Step, Track
from protas_gtcc.annotations.segments import progress_by_class, progress_target
from protas_gtcc.cli.main import main
from protas_gtcc.config import PRESETS, RunConfig
from protas_gtcc.dataset.file import Dataset, DatasetInfo, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.metrics.prediction_files import write_predictions
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.predictions import Prediction, PredictionInfo, reported_progress
from protas_gtcc.runs.ablation import LAGS
from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.dataset import simulate
from protas_gtcc.training.run_directory import RunDirectory
from tests.conftest import write_videos
from tests.scored_procedures import report_of, truth_of
from tests.test_page import BROWSER
from tests.tiny_models import make_model, video
from tests.video_models import torchscript

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs a script in this process and returns what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def run_script(script: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        runpy.run_path(str(BENCHMARKS / script), run_name="__main__")
        return capsys.readouterr().out

    return run_script


def measured(run: Run, script: str, *arguments: str) -> tuple[str, dict[str, Any]]:
    """What a script prints, and the figures that it writes, of one round."""
    shown = run(script, *arguments, "--repeats", "1", "--json", "figures.json")
    return shown, json.loads(Path("figures.json").read_text())


def ratios(figures: dict[str, Any]) -> dict[str, list[float]]:
    return {one["name"]: one["ratios"] for one in figures["results"] if one["against"] is not None}


@pytest.mark.slow
def test_training_is_compared_with_the_given_references_and_names_the_missing_ones(
    run: Run, tmp_path: Path, tiny_dataset: Path
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "model.py").write_text(LOOP_WITHOUT_WORK)
    size = ("--dataset", str(tiny_dataset), "--videos", "2")
    shown, figures = measured(run, "training_speed.py", *size, "--mstcn", str(checkout))
    assert "ratio" in shown
    assert "no --protas FOLDER given: measured only ours" in shown
    assert "no --mstcn" not in shown
    compared = {f"MS-TCN, ours, batch {size}" for size in (1, 4, 8)}
    compared |= {f"{name}, ours, batch {size}" for name in ("ProTAS", "default") for size in (4, 8)}
    assert ratios(figures).keys() == compared
    assert all(len(each) == 1 and each[0] > 0 for each in ratios(figures).values())


def test_evaluation_without_a_reference_measures_only_ours_and_prints_that(run: Run) -> None:
    shown, figures = measured(run, "evaluation_speed.py", "--videos", "5", "--frames", "80")
    assert "ratio" in shown
    assert "no --protas FOLDER given: measured only ours" in shown
    assert {"ours, segmentation, file with probabilities", "ours, full evaluation"} <= ratios(figures).keys()
    assert {"cpu", "cores", "load_average"} <= figures["machine"].keys()
    assert {"python", "numpy", "protas_gtcc"} <= figures["versions"].keys()


@pytest.mark.slow
def test_the_command_that_evaluates_is_measured_with_and_without_pictures(run: Run) -> None:
    size = ("--videos", "2", "--recipes", "2", "--steps", "3", "--frames", "40", "--feature-dim", "4")
    shown, figures = measured(run, "evaluate_command.py", *size, "--folder", "kept")
    assert "2 test videos, 7 classes" in shown
    assert ratios(figures).keys() == {"--pictures 0"}
    assert len(list(Path("kept/run/plots").iterdir())) == 7
    with pytest.raises(SystemExit):
        run("evaluate_command.py", "--folder", "kept")


@pytest.mark.slow
@pytest.mark.parametrize("preset", [name for name, one in PRESETS.items() if one.model.causal])
def test_streaming_is_compared_with_the_prefix_and_with_the_offline_result(run: Run, preset: str) -> None:
    size = ("--feature-dim", "4", "--classes", "3", "--histories", "5", "--far", "20", "--streams", "2", "--steps", "3")
    shown, figures = measured(run, "streaming_speed.py", *size, "--preset", preset)
    assert "no --protas FOLDER given: measured only ours" in shown
    assert ratios(figures).keys() == {"stream, ours, 5", "2 streams, 2 threads"}
    assert any(note.startswith("median step: ") for note in figures["notes"])
    differences = [float(one) for one in re.findall(r"progress ([0-9.e-]+)", " ".join(figures["notes"]))]
    assert len(differences) == 5, "for each number of stages, and for the whole model"
    assert max(differences) < 1e-4


@pytest.mark.slow
def test_a_gpu_is_compared_with_the_processor_here_with_itself(run: Run, tiny_dataset: Path) -> None:
    size = ("--dataset", str(tiny_dataset), "--device", "cpu", "--videos", "2", "--frames", "20", "--steps", "2")
    few = ("--batch-sizes", "2", "--precisions", "32", "--streams", "2")
    _, figures = measured(run, "gpu_speed.py", *size, *few)
    assert ratios(figures).keys() == {"train, GPU, batch 2, 32 bits", "network, GPU", "predict, GPU", "2 streams, GPU"}
    apart = re.findall(r"largest logit: (\S+);", " ".join(figures["notes"]))
    assert apart == ["0.0e+00"]


@pytest.mark.slow
def test_every_client_under_load_is_answered(run: Run, tmp_path: Path) -> None:
    model = make_model()
    save_checkpoint(tmp_path / "checkpoint.safetensors", model.network, model.facts)
    shown = run("serving_load.py", "checkpoint.safetensors", "--clients", "3", "--seconds", "0.5")
    assert "21 frames, each answered as predict does" in shown


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the live page is not measured")
def test_the_cost_of_the_live_page_is_measured(run: Run, tmp_path: Path) -> None:
    model = make_model()
    save_checkpoint(tmp_path / "checkpoint.safetensors", model.network, model.facts)
    videos = [Video(name, np.arange(20) % 4, {"features": video(20)}) for name in ("one", "two")]
    write_videos(tmp_path / "data.h5", videos, 1, "tiny")
    size = ("--people", "3", "--seconds", "0.5", "--settling-seconds", "0.1", "--rounds", "1")
    shown = run("live_page.py", "checkpoint.safetensors", "data.h5", *size, "--browser", str(BROWSER))
    assert "3 people, 15 frames a second each" in shown
    assert re.search(r"^one in full beside all: browser .* of a core; .* kB/s", shown, re.M)


def test_data_speed_compares_with_a_copy_and_prints_profiles(run: Run, tmp_path: Path) -> None:
    size = ("--videos", "3", "--frames", "60", "--dim", "8", "--window-frames", "25")
    shown, figures = measured(run, "data_speed.py", *size, "--folder", str(tmp_path))
    assert "ratio" in shown
    assert "most cumulative time" in shown
    assert {"prepare", "loader, from disk", "loader, cached"} <= ratios(figures).keys()
    assert set(figures["details"]["profiles"]) == {"preparing", "reading, cached"}


@pytest.mark.slow
def test_commands_on_many_videos_are_measured_each_as_a_process(run: Run, tmp_path: Path) -> None:
    steps = ["--steps", "prepare", "check", "labels", "--json", "figures.json"]
    shown = run("many_videos.py", "--sizes", "40", "60", "--folder", str(tmp_path / "made"), *steps)
    assert re.search(r"prepare +60 videos .* B a video", shown)
    costs = json.loads(Path("figures.json").read_text())["costs"]
    assert [(one["step"], one["videos"], one["failure"]) for one in costs[:3]] == [
        ("prepare", 40, ""),
        ("check", 40, ""),
        ("labels", 40, ""),
    ]
    assert all(one["seconds"] > 0 and one["megabytes"] > 1 for one in costs)


def test_training_on_many_videos_without_their_joined_file_is_refused_in_a_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run("many_videos.py", "--sizes", "40", "--folder", str(tmp_path / "made"), "--steps", "prepare", "train")
    assert re.search(r"--steps train reads .*all\.h5, and there is none; name join before it", capsys.readouterr().err)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
def test_a_report_is_loaded_and_every_control_of_it_reacts(run: Run) -> None:
    shown, figures = measured(run, "report_page.py", "--sizes", "22", "--classes", "40", "--frames", "60")
    (rounds,) = figures["sizes"]["22"]["rounds"]
    assert [name for name, value in rounds.items() if value is None] == []
    assert all(name in shown for name in rounds)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: no pictures are taken")
def test_pictures_of_a_page_are_taken_in_each_width_and_look_and_put_on_a_sheet(run: Run) -> None:
    Path("page.html").write_text("<!doctype html><html lang=en><title>t</title><main><h1>Title</h1><img src=''></main>")
    shown = run("page_pictures.py", "page.html", "--at", "", "h1", "--settling-seconds", "0")
    assert [line.split("|")[1:4] for line in shown.splitlines()[2:]] == [
        [" page ", f" {width} ", f" {look} "] for width in (1280, 400) for look in ("light", "dark")
    ]
    assert shown.count("image-alt (1)") == 4
    pictures = sorted(map(str, Path("pictures").iterdir()))
    assert len(pictures) == 8
    run("picture_sheet.py", "sheet.jpg", *pictures[:4], "--width", "500")
    assert Path("sheet.jpg").read_bytes().startswith(b"\xff\xd8")


def test_coverage_is_a_row_for_each_figure_and_number_of_videos(run: Run) -> None:
    lines = run("interval_coverage.py", "--samples", "50", "--videos", "5", "10").splitlines()
    assert lines[0] == "| figure, videos | jackknife | percentile | BCa | bootstrap-t |"
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]
    assert [row[0] for row in rows[:2]] == ["mean, 5", "mean, 10"]
    assert all(50 < float(cell.split()[0]) <= 100 for row in rows for cell in row[1:])


def test_alignment_losses_are_timed_alone_without_a_checkout(run: Run) -> None:
    shown, figures = measured(run, "alignment_speed.py", "--frames", "20", "--dim", "4", "--anchors", "5")
    assert "no --gtcc FOLDER given: measured only ours" in shown
    assert [one["name"] for one in figures["results"]] == ["TCC, ours", "GTCC, ours", "LAV, ours", "VAVA, ours"]
    assert "with twice the frames" in shown


@pytest.mark.parametrize(
    ("script", "arguments", "missing"),
    [
        ("training_speed.py", ["--dataset", "{dataset}", "--protas", "nowhere"], "checkout"),
        ("training_speed.py", ["--dataset", "nowhere.h5"], "nowhere.h5"),
        ("evaluation_speed.py", ["--videos", "2", "--protas", "nowhere"], "checkout"),
        ("streaming_speed.py", ["--protas", "nowhere"], "checkout"),
        ("streaming_speed.py", ["--run", "nowhere", "--dataset", "{dataset}"], "nowhere"),
        ("alignment_speed.py", ["--gtcc", "nowhere"], "checkout"),
        ("serving_load.py", ["nowhere"], "nowhere"),
        ("live_page.py", ["nowhere", "{dataset}"], "nowhere"),
        ("data_speed.py", ["--folder", "nowhere"], "nowhere"),
        ("progress_in_mistakes.py", ["--runs", "nowhere", "--dataset", "{dataset}"], "nowhere"),
        ("offline_models.py", ["--dataset", "{dataset}", "--out", "models"], "--mstcn"),
        ("offline_models.py", ["--dataset", "{dataset}", "--out", "models", "--asformer", "nowhere"], "checkout"),
        ("offline_scores.py", ["--dataset", "{dataset}", "--predictions", "nowhere"], "nowhere"),
    ],
)
def test_a_missing_folder_is_named_in_one_line(
    script: str,
    arguments: list[str],
    missing: str,
    run: Run,
    tiny_dataset: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        run(script, *(word.format(dataset=tiny_dataset) for word in arguments))
    assert stop.value.code == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert missing in line


# A stand-in for a checkout, with a statement of Python 2 in it as MS-TCN's has.
LOOP_WITHOUT_WORK = """
class Trainer:
    def __init__(self, num_blocks, num_layers, num_f_maps, dim, num_classes):
        self.num_classes = num_classes

    def train(self, save_dir, batch_gen, num_epochs, batch_size, learning_rate, device):
        while batch_gen.has_next():
            features, labels, mask = batch_gen.next_batch(batch_size)
            assert mask.shape == (1, self.num_classes, features.shape[2])
        batch_gen.reset()

    def predict(self, vid):
        print vid
"""


# Stand-ins for the trainers of two checkouts, called as those are, with what needs a patch: a scheduler's argument that
# torch no longer has, and an import that only predicting needs.
SMALL_TRAINERS = {
    "ms-tcn": """
from torch import nn

class Model(nn.Module):
    def __init__(self, dim, classes):
        super().__init__()
        self.linear = nn.Conv1d(dim, classes, 1)

    def forward(self, x, mask):
        return (self.linear(x) * mask[:, 0:1])[None]

class Trainer:
    def __init__(self, num_blocks, num_layers, num_f_maps, dim, num_classes):
        self.model = Model(dim, num_classes)

    def train(self, save_dir, batch_gen, num_epochs, batch_size, learning_rate, device):
        for epoch in range(num_epochs):
            while batch_gen.has_next():
                features, labels, mask = batch_gen.next_batch(batch_size)
            batch_gen.reset()
            print("[epoch %d]" % (epoch + 1))

    def predict(self, vid):
        print vid
""",
    "asformer": """
from torch import nn, optim
from eval import segment_bars_with_confidence

device = None

class Trainer:
    def __init__(self, num_layers, r1, r2, num_f_maps, input_dim, num_classes, channel_masking_rate):
        self.linear = nn.Conv1d(input_dim, num_classes, 1).to(device)
        self.model = nn.Module()
        self.model.forward = lambda x, mask: (self.linear(x) * mask[:, 0:1])[None]

    def train(self, save_dir, batch_gen, num_epochs, batch_size, learning_rate, batch_gen_tst=None):
        assert batch_gen_tst is None
        optimizer = optim.Adam(self.linear.parameters(), lr=learning_rate)
        optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode='min', factor=0.5, patience=3, verbose=True)
        for epoch in range(num_epochs):
            while batch_gen.has_next():
                features, labels, mask, names = batch_gen.next_batch(batch_size, False)
            batch_gen.reset()
""",
}


@pytest.mark.parametrize("model", SMALL_TRAINERS)
def test_models_trained_by_other_code_leave_predictions_that_are_scored(
    model: str, run: Run, tmp_path: Path, tiny_dataset: Path
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "model.py").write_text(SMALL_TRAINERS[model])
    flag = f"--{model.replace('-', '')}"
    words = ("--dataset", str(tiny_dataset), "--out", "models", flag, "checkout")
    assert "3 epochs" in run("offline_models.py", *words, "--epochs", "3")
    facts = json.loads(Path("models", model, "split1-seed0", "training.json").read_text())
    assert len(facts["seconds"]) == 3
    assert run("offline_models.py", *words, "--epochs", "3").endswith("finished before, skipped\n")
    shown = run("offline_scores.py", "--dataset", str(tiny_dataset), "--predictions", f"models/{model}")
    [row] = shown.splitlines()[2:]
    assert row.startswith(f"| models/{model} | 1 | 1 | ")
    main(["evaluate", f"models/{model}/split1-seed0/predictions.h5", "--dataset", str(tiny_dataset), "--json"])
    with pytest.raises(SystemExit):
        run("offline_models.py", *words)


def test_scores_as_of_ed_tcn_are_means_over_videos_of_every_nth_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    scores_as_edtcn = runpy.run_path(str(BENCHMARKS / "offline_scores.py"))["scores_as_edtcn"]
    # Of every second frame: 0122 for 0112, and 21 for 11. Class 2 of the second video is not seen.
    long = np.array([0, 1, 1, 1, 2, 2, 2, 2]), np.array([0, 0, 1, 1, 1, 1, 2, 2])
    short = np.array([2, 2, 1, 1]), np.array([1, 1, 1, 2])
    found = scores_as_edtcn([long, short], [0], every=2)
    assert found["acc"] == pytest.approx((75 + 50) / 2), "pooled frames have 67"
    assert found["edit"] == pytest.approx((100 + 50) / 2)
    assert found["f1@50"] == pytest.approx((100 + 200 / 3) / 2), "pooled counts have 86"


def test_published_predictions_are_scored_as_published_only_against_the_same_truth(
    run: Run, tmp_path: Path, tiny_dataset: Path
) -> None:
    dataset = Dataset(tiny_dataset)
    sampled = [dataset.labels(video)[::5] for video in dataset.part("1", "test")]
    cells = np.empty((1, len(sampled)), dtype=object)
    cells[0, :] = sampled
    (tmp_path / "right").mkdir()
    savemat(tmp_path / "right" / "1.mat", {"P": cells, "Y": cells})
    words = ("--dataset", str(tiny_dataset), "--predictions")
    row = [cell.strip() for cell in run("offline_scores.py", *words, "right").splitlines()[2].split("|")[2:-1]]
    assert row[:2] == ["1", "1"]
    assert row[-5:] == ["100.0"] * 5
    assert float(row[2]) < 100, "a prediction that is held for five frames misses the borders"
    (tmp_path / "wrong").mkdir()
    savemat(tmp_path / "wrong" / "1.mat", {"P": cells, "Y": cells[:, :1]})
    with pytest.raises(SystemExit):
        run("offline_scores.py", *words, "wrong")


@pytest.mark.slow
def test_extraction_is_compared_with_its_parts(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="decoding needs the package av: pip install -e '.[video]'")
    size = ("--seconds", "2", "--width", "128", "--fps", "5")
    shown, figures = measured(
        run, "extract_speed.py", *size, "--backbone", str(torchscript(tmp_path / "m.pt")), "--size", "32"
    )
    against_ffmpeg = {"decode, no scaling", "decode alone"} if shutil.which("ffmpeg") else set()
    assert set(ratios(figures)) == {"extract"} | against_ffmpeg
    assert "times as long as the slower of decoding and backbone" in shown
    assert "10 frames at 5 fps" in shown


@pytest.mark.slow
def test_annotating_is_compared_with_decoding_and_encoding(run: Run) -> None:
    pytest.importorskip("av", reason="annotating needs the package av: pip install -e '.[video]'")
    shown, figures = measured(run, "annotate_speed.py", "--seconds", "1", "--width", "128")
    assert set(ratios(figures)) == {"annotate"}
    assert "MB at a twelfth of the video" in shown


def test_a_learnt_graph_is_compared_with_the_drawn_one(run: Run, tmp_path: Path) -> None:
    names = ["background", "boil", "pour", "stir"]
    orders = {f"v{number}": [1, 2, 3] if number % 2 else [2, 1, 3] for number in range(12)}
    parts = {"train": [*orders][:8], "test": [*orders][8:]}
    with write_dataset(tmp_path / "d.h5", DatasetInfo("tiny", names, [0], 1.0, {"1": parts}), {}) as writer:
        for name, order in orders.items():
            labels = np.repeat([0, *order], 3)
            steps = tuple(Step(label, 3 + 3 * number, 6 + 3 * number) for number, label in enumerate(order))
            missing = (3,) if name == "v10" else ()
            writer.add(Video(name, labels, {}, task="Tea", track=Track(steps, missing)))
    (tmp_path / "graphs").mkdir()
    content = {"task": "Tea", "edges": [["boil", "pour"], ["pour", "stir"]]}
    (tmp_path / "graphs" / "tea.json").write_text(json.dumps(content))
    shown = run("learnt_graphs.py", "--dataset", "d.h5", "--graphs", "graphs", "--split", "1")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.splitlines()[2:]]
    assert rows[0] == ["–", "drawn", "2", "–", "–", "–", "–", "1 of 3"]
    assert rows[2] == ["all: 8", "nearly always", "2", "0.50", "0.50", "1.00", "0.67", "0 of 3"]
    assert [row[1] for row in rows[1:5]] == ["always", "nearly always", "more often than not, at 95 %", "chain"]
    assert [row[0] for row in rows[5:]] == ["without mistakes: 8"] * 4


@pytest.mark.slow
def test_the_time_left_of_operations_is_scored_from_each_input(run: Run, tmp_path: Path) -> None:
    config = SimulationConfig(only=("cholecystectomy",), share_of_videos=0.15, people=8, fps=0.1)
    simulate(tmp_path / "o.h5", config)
    shown = run("operations.py", "--dataset", "o.h5", "--confusions", "0.1")
    rows = {cells[1].strip(): cells[2:-1] for cells in (line.split("|") for line in shown.splitlines()[2:])}
    lookups = [f"look-up `{name}`, true phases" for name in ("total_minus_elapsed", "after_last_step")]
    assert [*rows] == [*lookups, "true phases", "confused phases, 10%"]
    assert all(float(cells[0].split()[0]) > 0 for cells in rows.values())
    assert [cells[3].strip() == "–" for cells in rows.values()] == [True, True, False, False], (
        "look-ups have no interval"
    )


def test_pooled_frames_count_a_long_operation_more_than_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    pooled = runpy.run_path(str(BENCHMARKS / "operations.py"))["pooled_minutes"]
    short = (report_of(60, left_seconds=np.arange(60.0)[::-1] + 60), truth_of([(0, 60, 1)], 60))
    long = (report_of(540, left_seconds=np.arange(540.0)[::-1]), truth_of([(0, 540, 1)], 540))
    assert pooled([short, long], 1.0) == pytest.approx(0.1), "the mean over operations is 0.5"


def test_who_sees_progress_has_a_skill_above_1_and_who_guesses_has_none(run: Run, tmp_path: Path) -> None:
    rng, names = np.random.default_rng(0), ["background", "fill", "stir"]
    labels = {f"v{number}": np.repeat([0, 1, 0, 2], rng.integers(4, 20, 4)) for number in range(12)}
    parts = {"train": [*labels][:8], "test": [*labels][8:]}
    with write_dataset(tmp_path / "d.h5", DatasetInfo("tiny", names, [0], 5.0, {"1": parts}), {}) as writer:
        for name, own in labels.items():
            writer.add(Video(name, own, {}, subject=name))
    predictions = []
    for name in parts["test"]:
        progress = progress_by_class(labels[name], progress_target(labels[name], [0]), 3)
        progress[2] = 0.5  # it does not show, and is guessed
        reported = reported_progress(progress, labels[name], [0])
        predictions.append((name, Prediction(labels[name], None, progress, reported)))
    folder = tmp_path / "runs" / "default" / "split1-seed0"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text('{"split": "1"}')
    write_predictions(folder / "predictions.h5", predictions, PredictionInfo(names, [0], 5.0))
    (tmp_path / "simulation.json").write_text(json.dumps({"progress_is_visible": {"fill": True, "stir": False}}))
    shown = run("see_or_count.py", "--runs", "runs", "--dataset", "d.h5", "--simulation", "simulation.json")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.splitlines() if "reported" in line]
    (seen, seen_share, _, seen_error, skill), (guessed, _, _, guessed_error, none) = rows
    assert (seen, seen_share, guessed) == ("progress shows", "100%", "it does not")
    assert seen_error.startswith("0.000")
    assert float(skill.split()[0]) > 1
    assert float(guessed_error.split()[0]) > 0.2
    assert float(none.split()[0]) == 0
    assert "4 test videos of 4 people, 1 run\n" in shown


def test_progress_that_stops_in_wrong_steps_differs_there_and_counting_does_not(run: Run, tmp_path: Path) -> None:
    names, people = ["background", "fill", "stir"], ["ann", "ben", "cem", "dan"]
    labels = np.repeat([0, 1, 0, 2], 20)
    right = Track((Step(1, 20, 40), Step(2, 60, 80)))
    wrong = replace(right, mistakes=tuple(Mistake(one.label, one.start, one.end, "Spilt") for one in right.steps))
    tracks = {f"{one}-{track is right}": track for one in people for track in (right, wrong)}
    parts = {"train": ["training"], "test": [*tracks]}
    with write_dataset(tmp_path / "d.h5", DatasetInfo("tiny", names, [0], 1.0, {"1": parts}), {}) as writer:
        for name, track in {"training": right, **tracks}.items():
            writer.add(Video(name, labels, {}, subject=name.partition("-")[0], track=track))
    rng, predictions = np.random.default_rng(0), []
    for name, track in tracks.items():
        progress = progress_by_class(labels, progress_target(labels, [0]), 3)
        if track is wrong:
            progress = progress.clip(max=rng.uniform(0.45, 0.55))
        probs = np.eye(3, dtype=np.float32)[labels].T
        predictions.append((name, Prediction(labels, probs, progress, reported_progress(progress, labels, [0]))))
    folder = RunDirectory(tmp_path / "runs" / "seed0")
    folder.start(RunConfig())
    folder.checkpoint.touch()
    folder.metrics.touch()
    write_predictions(folder.predictions, predictions, PredictionInfo(names, [0], 1.0))
    shown = run("progress_in_mistakes.py", "--runs", "runs", "--dataset", "d.h5", "--picture", "curves.png")
    cells = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in shown.splitlines() if line.startswith("|")}
    steps, true_right, difference, *_, counted, counting_differs = (one.strip(" *") for one in cells["at the end"])
    assert (steps, true_right, counted, counting_differs) == ("8, 8", "1.00", "1.00", "+.00 [.00, .00]")
    assert -0.55 < float(difference.split()[0]) < -0.45
    assert "**" in cells["at the end"][2]
    assert "done wrongly: 8 wrong steps and 8 right steps of 2 classes; the wrong ones are by 4 people" in shown
    assert "8 test videos of 4 people, 1 run of each\n" in shown
    assert Path("curves.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_lag_is_compared_with_none(run: Run, tmp_path: Path) -> None:
    sizes = ("--classes", "6", "--steps", "4", "--recordings", "4", "--feature-dim", "5", "--frames", "5")
    run("lag_speed.py", *sizes, "--repeats", "2", "--lag-seconds", "0.1", "--json", "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert ratios(figures).keys() == {"step, reported 0.1 s later"}


def test_scores_are_listed_and_drawn_by_lag(run: Run, tmp_path: Path) -> None:
    scores = {"segmentation": {"acc": 50.0, "edit": 40.0, "f1@50": 30.0}, "progress": {"predicted": {"skill": 0.25}}}
    (tmp_path / "tea.json").write_text(json.dumps({name: {"scores": scores} for name in LAGS}))
    lines = run("lag_curves.py", "tea.json", "--picture", "lag.png").splitlines()
    assert lines[0].startswith("| set | figure | 0 | 0.5 s | 1 s | ")
    assert lines[2].startswith("| tea | accuracy, % | 50.0 | ")
    assert lines[5].endswith(" | 0.25 |")
    assert (tmp_path / "lag.png").stat().st_size > 1000
