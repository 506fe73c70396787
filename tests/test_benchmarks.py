"""Each benchmark runs from its command line at a tiny size. What it measures is not asserted: machines differ."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from protas_gtcc.network.checkpoint import save_checkpoint
from tests.test_streaming import make_model

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def run(script: str, tmp_path: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    out = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARKS / script), *arguments, "--repeats", "1", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "COLUMNS": "120"})
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(out.read_text())


def ratios(figures: dict[str, Any]) -> dict[str, list[float]]:
    return {one["name"]: one["ratios"] for one in figures["results"] if one["against"] is not None}


def test_training_meets_the_references_that_are_given_and_names_those_that_are_not(
    tmp_path: Path, tiny_dataset: Path
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "model.py").write_text(LOOP_WITHOUT_WORK)
    size = ("--dataset", str(tiny_dataset), "--videos", "2")
    shown, figures = run("training_speed.py", tmp_path, *size, "--mstcn", str(checkout))
    assert "ratio" in shown
    assert "no --protas FOLDER given: measured only ours" in shown
    assert "no --mstcn" not in shown
    compared = {f"MS-TCN, ours, batch {size}" for size in (1, 4, 8)} | {
        f"ProTAS, ours, batch {size}" for size in (4, 8)
    }
    assert ratios(figures).keys() == compared
    assert all(len(each) == 1 and each[0] > 0 for each in ratios(figures).values())


def test_evaluation_without_a_reference_measures_only_ours_and_says_so(tmp_path: Path) -> None:
    shown, figures = run("evaluation_speed.py", tmp_path, "--videos", "5", "--frames", "80")
    assert "ratio" in shown
    assert "no --protas FOLDER given: measured only ours" in shown
    assert {"ours, segmentation, file with probabilities", "ours, full evaluation"} <= ratios(figures).keys()
    assert {"cpu", "cores", "load_average"} <= figures["machine"].keys()
    assert {"python", "numpy", "protas_gtcc"} <= figures["versions"].keys()


def test_streaming_is_compared_with_the_prefix_and_with_the_offline_result(tmp_path: Path) -> None:
    size = ("--feature-dim", "4", "--classes", "3", "--histories", "5", "--far", "20", "--streams", "2", "--steps", "3")
    shown, figures = run("streaming_speed.py", tmp_path, *size, "--preset", "default")
    assert "no --protas FOLDER given: measured only ours" in shown
    assert ratios(figures).keys() == {"stream, ours, 5", "2 streams, 2 threads"}
    assert any(note.startswith("median step: ") for note in figures["notes"])
    differences = [float(one) for one in re.findall(r"progress ([0-9.e-]+)", " ".join(figures["notes"]))]
    assert len(differences) == 5, "for each number of stages, and for the whole model"
    assert max(differences) < 1e-4


def test_every_client_under_load_is_answered(tmp_path: Path) -> None:
    model = make_model()
    save_checkpoint(tmp_path / "checkpoint.safetensors", model.network, model.facts)
    command = [sys.executable, str(BENCHMARKS / "serving_load.py"), str(tmp_path / "checkpoint.safetensors")]
    command += ["--clients", "3", "--seconds", "0.5"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "21 frames, each answered as predict does" in done.stdout


def test_data_speed_compares_with_a_copy_and_prints_profiles(tmp_path: Path) -> None:
    size = ("--videos", "3", "--frames", "60", "--dim", "8", "--window-frames", "25")
    shown, figures = run("data_speed.py", tmp_path, *size, "--folder", str(tmp_path))
    assert "ratio" in shown
    assert "most cumulative time" in shown
    assert {"prepare", "loader, from disk", "loader, cached"} <= ratios(figures).keys()
    assert set(figures["details"]["profiles"]) == {"preparing", "reading, cached"}


def test_a_folder_that_is_no_checkout_stops_with_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "evaluation_speed.py"), "--videos", "2", "--protas", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "give the folder of a checkout" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


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


def test_alignment_losses_are_timed_alone_where_no_checkout_is_given(tmp_path: Path) -> None:
    shown, figures = run("alignment_speed.py", tmp_path, "--frames", "20", "--dim", "4", "--anchors", "5")
    assert "no --gtcc FOLDER given: measured only ours" in shown
    assert [one["name"] for one in figures["results"]] == ["TCC, ours", "GTCC, ours", "LAV, ours", "VAVA, ours"]
    assert "with twice the frames" in shown
