"""The commands as their users run them: what they print, what they leave, and how they refuse."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import protas_gtcc
from protas_gtcc.cli.commands.run import Command
from protas_gtcc.cli.shared.predicted_lines import SHOWN_SEGMENTS
from protas_gtcc.config import DEFAULT, REFERENCE
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError, plural
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.network.checkpoint import load_checkpoint, save_checkpoint
from tests.checked_data import changed_by_hand
from tests.conftest import tiny_config
from tests.mstcn_folder import exit_code

REPOSITORY = Path(__file__).resolve().parents[1]
TINY = ["--stages", "2", "--layers", "3", "--maps", "8", "--epochs", "2"]
DETAILS = ("per_class", "by_length", "by_tenth", "online")
"""Pictures that are not of one video."""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """What commands leave where they are called is not left in the repository."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def run(tiny_dataset, tmp_path_factory) -> Path:
    """A trained run."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    assert exit_code("train", "--dataset", tiny_dataset, "--out", path, "--lr", "0.01", *TINY) == 0
    return path


def refusal(capsys, *arguments: object) -> str:
    """The one line that a refused command prints."""
    capsys.readouterr()
    assert exit_code(*arguments) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1, "one line"
    return printed.err


def test_wrong_usage_exits_with_2_and_the_version_with_0(capsys):
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"protas_gtcc {protas_gtcc.__version__}\n"
    citation = (Path(__file__).parents[1] / "CITATION.cff").read_text()
    assert f"\nversion: {protas_gtcc.__version__}\n" in citation
    assert exit_code("trian") == 2
    assert "no verb 'trian', did you mean train?" in capsys.readouterr().err
    assert exit_code("train", "--stagess", "4") == 2
    assert exit_code("train", "--epochs", "many") == 2


def test_on_a_terminal_a_line_says_at_once_that_the_command_loads(tmp_path, capsys, monkeypatch):
    assert refusal(capsys, "predict", tmp_path / "none", "x.npy").startswith("error: no checkpoint"), "not into a pipe"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert exit_code("predict", tmp_path / "none", "x.npy") == 1
    assert capsys.readouterr().err.startswith("loading ...\nerror: no checkpoint")
    monkeypatch.setenv("RANK", "1")
    assert refusal(capsys, "predict", tmp_path / "none", "x.npy"), "only the first process under torchrun"
    monkeypatch.delenv("RANK")
    for arguments in (("check", tmp_path / "none"), ("predict", "--help")):
        exit_code(*arguments)
        assert "loading" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("none", "x.npy"), (".", "x.npy"), ("model", "y.npy"), ("model", "text.npy")])
def test_predict_refuses_a_wrong_path_before_it_imports_torch(tmp_path, arguments):
    np.save("x.npy", np.zeros((9, 6)))
    Path("text.npy").write_text("no numbers")
    Path("model").write_text("no model")
    code = f"""
import sys
from protas_gtcc.cli.main import main
try:
    main(["predict", *{arguments!r}])
except SystemExit as stop:
    print(stop.code, "torch" in sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "1 False\n"
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("verb", ["stream", "serve", "export", "benchmark"])
def test_every_verb_that_takes_a_model_names_a_missing_one(tmp_path, capsys, verb):
    source = ["x.npy"] if verb == "stream" else []
    assert "no checkpoint" in refusal(capsys, verb, tmp_path / "none", *source)


def test_an_interrupted_training_says_last_how_to_continue(tiny_dataset, tmp_path, capsys, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    command = ("train", "--dataset", tiny_dataset, "--out", tmp_path / "run", *TINY)
    way_out = f"continue with 'protas-gtcc train --resume {tmp_path / 'run'}'"
    monkeypatch.setattr("protas_gtcc.training.callbacks.ProgressBar.on_step", interrupt)
    assert exit_code(*command) == 130
    # Where compiled code is not kept yet, a line of that comes first.
    assert capsys.readouterr().err.splitlines()[-1] == f"interrupted; no epoch was finished: {way_out}"
    monkeypatch.undo()
    monkeypatch.setattr("protas_gtcc.training.callbacks.ProgressBar.on_epoch", interrupt)
    assert exit_code("train", "--resume", tmp_path / "run") == 130
    printed = capsys.readouterr()
    assert printed.err == f"interrupted; finished epochs are kept: {way_out}\n"
    assert "resume" not in printed.out


@pytest.mark.parametrize("verb", ["run", "train", "align"])
def test_a_dataset_without_its_flag_is_named_with_it(verb, capsys):
    assert exit_code(verb, "data/mine.h5", "--seed", 1) == 2
    assert capsys.readouterr().err.endswith("for a dataset, give --dataset data/mine.h5\n")


def test_an_interrupted_evaluation_names_the_command_that_makes_it(tiny_dataset, tmp_path, capsys, monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("protas_gtcc.runs.evaluate_run.evaluate_run", interrupt)
    assert exit_code("run", "--dataset", tiny_dataset, "--out", tmp_path / "run", *TINY) == 130
    way_out = f"continue with 'protas-gtcc run --resume {tmp_path / 'run'}'"
    assert capsys.readouterr().err.splitlines()[-1] == f"interrupted; finished epochs are kept: {way_out}"
    monkeypatch.undo()
    assert exit_code("run", "--resume", tmp_path / "run") == 0
    assert (tmp_path / "run/metrics.json").is_file()


def test_a_run_directory_holds_its_files(run):
    for name in ("config.yaml", "checkpoint.safetensors", "last/state.safetensors", "log.csv"):
        assert (run / name).is_file(), name
    assert list(run.glob("events.*"))


@pytest.mark.slow
def test_evaluate_writes_and_prints_every_figure(run, capsys):
    assert exit_code("evaluate", run, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((run / "metrics.json").read_text())
    assert printed["num_videos"] == 2
    assert set(printed["segmentation"]) == {
        "acc", "acc_no_background", "edit", "edit_merged", "f1@10", "f1@25", "f1@50",
    }  # fmt: skip
    for which in ("predicted", "oracle"):
        assert set(printed["progress"][which]) == {
            "macro", "frame", "video", "segment", "all_frames", "skill", "r2", "per_class",
        }  # fmt: skip
    assert {"constant", "random", "average_index", "average_index_class"} <= set(printed["baselines"])
    assert pd.read_csv(run / "per_class.csv")["name"].tolist() == ["rest", "cut", "mix", "serve"]
    assert {path.stem for path in (run / "plots").glob("*.png")} == {"video8", "video9", "videos", *DETAILS}
    assert (run / "tables" / "margin.csv").is_file()


def test_metrics_run_on_prediction_files_alone_and_agree_with_the_runs_own(run, tiny_dataset, capsys):
    (run / "metrics.json").unlink(missing_ok=True)
    assert exit_code("evaluate", run, "--pictures", "0") == 0
    assert "replaced" not in capsys.readouterr().out
    assert exit_code("evaluate", run, "--pictures", "0") == 0
    printed, whole = capsys.readouterr().out, json.loads((run / "metrics.json").read_text())
    assert printed.endswith(f"the earlier scores in {run} were replaced\n")
    assert "Segmentation" in printed
    assert "average_index" in printed
    assert exit_code("evaluate", run / "predictions.h5", "--dataset", tiny_dataset, "--split", "1", "--json") == 0
    alone = json.loads(capsys.readouterr().out)
    for name in ("segmentation", "progress", "baselines"):
        assert alone[name] == whole[name]


@pytest.mark.parametrize("transposed", [False, True])
def test_predict_gives_what_the_api_gives(run, tiny_dataset, tmp_path, transposed):
    features = Dataset(tiny_dataset).features("video9", "features")
    np.save(tmp_path / "new.npy", features.T if transposed else features)
    assert exit_code("predict", run, tmp_path / "new.npy", "--out", tmp_path / "out") == 0
    expected = protas_gtcc.load(run).predict(features)
    files = open_predictions(tmp_path / "out" / "predictions.h5")
    for name in ("labels", "probs", "progress", "reported"):
        np.testing.assert_array_equal(getattr(files.read("new"), name), getattr(expected, name))
    table = pd.read_csv(tmp_path / "out" / "new.csv")
    np.testing.assert_array_equal(table["label"], expected.labels)
    np.testing.assert_allclose(table["progress"], expected.reported, atol=1e-5)
    assert table["time_seconds"].iloc[5] == 1.0


def test_predict_prints_and_writes_the_segments_and_draws_them(run, tiny_dataset, tmp_path, capsys):
    np.save(tmp_path / "new.npy", Dataset(tiny_dataset).features("video9", "features"))
    capsys.readouterr()
    assert exit_code("predict", run, tmp_path / "new.npy", "--json") == 0
    segments = json.loads(capsys.readouterr().out)["videos"]["new"]
    frames = pd.read_csv("predictions/new.csv")
    assert segments[0]["start_seconds"] == 0
    assert segments[-1]["end_seconds"] == len(frames) / 5
    for one in segments:
        own = frames[round(one["start_seconds"] * 5) : round(one["end_seconds"] * 5)]
        assert set(own["name"]) == {one["name"]}
        if one["progress"] is None:
            assert one["name"] == "rest"
        else:
            assert one["progress"] == pytest.approx(own["progress"].iloc[-1], abs=1e-5)
    table = pd.read_csv("predictions/new.segments.csv").astype(object).where(lambda cells: cells.notna(), None)
    for name in ("start_seconds", "end_seconds", "label", "name"):
        assert table[name].tolist() == [one[name] for one in segments]
    assert Path("predictions/plots/new.png").read_bytes().startswith(b"\x89PNG")


def test_predict_prints_a_table_of_the_first_segments_at_80_columns(run, tiny_dataset, tmp_path, capsys):
    features = Dataset(tiny_dataset).features("video9", "features")
    np.save(tmp_path / "long.npy", np.tile(features, (12, 1)))
    capsys.readouterr()
    assert exit_code("predict", run, tmp_path / "long.npy", "--no-pictures") == 0
    printed = capsys.readouterr().out.splitlines()
    num_segments = len(pd.read_csv("predictions/long.segments.csv"))
    assert num_segments > SHOWN_SEGMENTS
    assert printed[0] == f"long: {num_segments} segments"
    assert printed[1].split() == ["start,", "s", "end,", "s", "progress", "at", "the", "end", "action"]
    more = num_segments - SHOWN_SEGMENTS
    assert f"and {plural(more, 'more segment')}, in the files VIDEO.segments.csv" in printed
    assert max(map(len, printed)) <= 80
    assert not Path("predictions/plots").exists()


def test_a_folder_of_predictions_is_scored_without_its_tables_of_segments(run, tiny_dataset, tmp_path, capsys):
    files = []
    for video in ("video8", "video9"):
        files.append(tmp_path / f"{video}.npy")
        np.save(files[-1], Dataset(tiny_dataset).features(video, "features"))
    assert exit_code("predict", run, *files, "--no-pictures") == 0
    assert open_predictions("predictions").video_names == ["video8", "video9"]
    capsys.readouterr()
    assert exit_code("evaluate", "predictions", "--dataset", tiny_dataset, "--json") == 0
    assert json.loads(capsys.readouterr().out)["num_videos"] == 2


@pytest.mark.slow
def test_predictions_of_other_videos_are_replaced_with_overwrite_only(run, tiny_dataset, tmp_path, capsys):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", Dataset(tiny_dataset).features("video9", "features"))
    out = ("--out", tmp_path / "out")
    assert exit_code("predict", run, tmp_path / "a.npy", *out) == 0
    assert "replaced" not in capsys.readouterr().out
    assert exit_code("predict", run, tmp_path / "a.npy", *out) == 0, "the same video again is no loss"
    assert capsys.readouterr().out.endswith("the earlier predictions of a were replaced\n")
    assert "has predictions of other videos, a; give another --out, or --overwrite" in refusal(
        capsys, "predict", run, tmp_path / "b.npy", *out
    )
    assert open_predictions(tmp_path / "out" / "predictions.h5").video_names == ["a"]
    assert exit_code("predict", run, tmp_path / "b.npy", *out, "--overwrite") == 0
    assert open_predictions(tmp_path / "out" / "predictions.h5").video_names == ["b"]
    left = sorted(path.name for path in (tmp_path / "out").rglob("*.*"))
    written = ["b.csv", "b.png", "b.procedure.json", "b.segments.csv", "predictions.h5"]
    assert left == written, "the other files are those of predictions.h5"
    (tmp_path / "out" / "predictions.h5").write_bytes(b"something else")
    assert "cannot be read" in refusal(capsys, "predict", run, tmp_path / "b.npy", *out)
    (tmp_path / "out" / "predictions.h5").unlink()
    assert "has b.csv that this would replace" in refusal(capsys, "predict", run, tmp_path / "b.npy", *out)
    assert exit_code("predict", run, tmp_path / "b.npy", *out, "--overwrite") == 0


def test_the_api_returns_arrays_of_the_promised_shapes(run, tiny_dataset):
    features = Dataset(tiny_dataset).features("video8", "features")
    prediction = protas_gtcc.load(run).predict(features)
    num_frames = len(features)
    assert prediction.labels.shape == prediction.reported.shape == (num_frames,)
    assert prediction.probs.shape == prediction.progress.shape == (4, num_frames)
    np.testing.assert_allclose(prediction.probs.sum(axis=0), 1, atol=1e-5)
    assert 0 <= prediction.progress.min() <= prediction.progress.max() <= 1
    assert (prediction.interval[0] <= prediction.reported).all()
    assert (prediction.reported <= prediction.interval[1]).all()


@pytest.mark.parametrize(("name", "words"), [("protas_causal", "with progress"), ("mstcn", "without progress")])
def test_reference_checkpoints_import_as_runs_that_predict(shared_folder, tmp_path, capsys, name, words):
    source = shared_folder / "parity" / f"{name}.model"
    assert exit_code("import", source, "--out", tmp_path / "run") == 0
    assert words in capsys.readouterr().out
    golden = np.load(shared_folder / "parity" / f"{name}.npz")
    prediction = protas_gtcc.load(tmp_path / "run").predict(golden["features"].T)
    final = golden["graph_logits"] if "graph_logits" in golden else golden["stage_logits"][-1]
    np.testing.assert_array_equal(prediction.labels, final.argmax(axis=0))


def test_imported_runs_are_replaced_with_overwrite_only_and_trained_runs_never(run, shared_folder, tmp_path, capsys):
    source, out = shared_folder / "parity" / "mstcn.model", tmp_path / "run"
    assert exit_code("import", source, "--out", out) == 0
    before = (out / "checkpoint.safetensors").read_bytes()
    assert "already holds a run" in refusal(capsys, "import", source, "--out", out)
    assert exit_code("import", source, "--out", out, "--causal", "--overwrite") == 0
    assert (out / "checkpoint.safetensors").read_bytes() != before
    assert "holds a trained run" in refusal(capsys, "import", source, "--out", run, "--overwrite")


def test_graphs_are_replaced_with_overwrite_only(run, tmp_path, capsys):
    (tmp_path / "stream.onnx").write_text("old")
    message = refusal(capsys, "export", run, "--out", tmp_path)
    assert "stream.onnx would be replaced; give another name, or --overwrite" in message


@pytest.mark.parametrize("stops_early", [{}, {"patience": 5, "validation_share": 0.3}], ids=["", "patience"])
def test_scores_of_an_unfinished_run_or_at_another_rate_have_a_note(run, tmp_path, capsys, stops_early):
    unfinished = tmp_path / "run"
    shutil.copytree(run, unfinished)
    config = (unfinished / "config.yaml").read_text().replace("epochs: 2", "epochs: 9")
    (unfinished / "config.yaml").write_text(config)
    network, facts = load_checkpoint(run / "checkpoint.safetensors")
    training = dataclasses.replace(facts.config.training, epochs=9, **stops_early)
    longer = dataclasses.replace(facts.config, training=training)
    save_checkpoint(unfinished / "checkpoint.safetensors", network, dataclasses.replace(facts, config=longer, fps=25.0))
    capsys.readouterr()
    assert exit_code("evaluate", unfinished, "--pictures", "0", "--json") == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert "the run is not finished: 2 of 9 epochs (--resume continues)" in notes
    assert "the model was trained at 25 frames a second, these videos have 5" in notes


def test_a_resumed_run_refuses_other_settings(run, capsys):
    assert "--lr is 0.5, not 0.01" in refusal(capsys, "train", "--resume", run, "--lr", "0.5")
    assert "exclude each other" in refusal(capsys, "train", "--resume", run, "--out", "elsewhere")


def test_a_run_is_never_overwritten(run, tiny_dataset, capsys):
    before = (run / "checkpoint.safetensors").read_bytes()
    assert "already holds a run" in refusal(capsys, "train", "--dataset", tiny_dataset, "--out", run)
    assert (run / "checkpoint.safetensors").read_bytes() == before


def test_what_is_missing_is_named(run, tiny_dataset, tmp_path, capsys):
    assert "no dataset file" in refusal(capsys, "train", "--dataset", tmp_path / "no.h5")
    assert "neither a file" in refusal(capsys, "train", "--dataset", "breakfast")
    assert "not a run directory" in refusal(capsys, "train", "--resume", tmp_path / "none")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.yaml").write_text((run / "config.yaml").read_text())
    assert "no checkpoint" in refusal(capsys, "evaluate", tmp_path / "half")
    assert "no run directory or prediction file" in refusal(capsys, "evaluate", tmp_path / "none")
    assert "neither a run directory" in refusal(capsys, "evaluate", tmp_path)
    assert "give --dataset" in refusal(capsys, "evaluate", run / "predictions.h5")
    assert "no feature file" in refusal(capsys, "predict", run, tmp_path / "no.npy")
    assert "no split '7'; choose one of its splits: 1" in refusal(
        capsys, "train", "--dataset", tiny_dataset, "--split", "7"
    )
    message = refusal(capsys, "train", "--dataset", tiny_dataset, "--feature-set", "i3d")
    assert "no feature set 'i3d'; choose one of features" in message


@pytest.mark.parametrize("fps", ["-2", "0", "nan"])
def test_a_rate_that_is_not_positive_is_refused(run, tmp_path, capsys, fps):
    np.save(tmp_path / "x.npy", np.zeros((9, 6)))
    assert "must be positive" in refusal(capsys, "predict", run, tmp_path / "x.npy", "--fps", fps)


def test_features_at_another_rate_are_resampled_to_the_models(run, tmp_path, capsys):
    own, twice = np.random.default_rng(0).normal(size=(2, 9, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", own)
    assert exit_code("predict", run, tmp_path / "x.npy", "--out", tmp_path / "own", "--no-pictures") == 0
    np.save(tmp_path / "x.npy", np.stack([twice, own], axis=1).reshape(18, 6))  # of two frames, the later is taken
    command = ("predict", run, tmp_path / "x.npy", "--out", tmp_path / "twice", "--no-pictures", "--fps", 10)
    assert exit_code(*command) == 0
    assert "features were resampled from 10 to the model's 5 fps, the rate of the results" in capsys.readouterr().out
    for name in ("x.csv", "x.segments.csv"):
        assert (tmp_path / "twice" / name).read_text() == (tmp_path / "own" / name).read_text()


def test_a_training_part_without_any_action_is_refused_before_training(tmp_path):
    splits = {"1": {"train": ["a", "b"], "test": ["c"]}}
    labels = {"a": [0, 0, 0], "b": [0, 0, 0], "c": [0, 1, 1]}
    with write_dataset(
        tmp_path / "d.h5", DatasetInfo("d", ["rest", "cut"], [0], 1.0, splits), {"features": FeatureSet(6)}
    ) as writer:
        for name, of_video in labels.items():
            writer.add(Video(name, np.array(of_video), {"features": np.ones((3, 6))}))
    with pytest.raises(InputError, match="none of 2 training videos has an action; check labels and background"):
        Command(tiny_config(tmp_path / "d.h5"), tmp_path / "run").run()
    assert not (tmp_path / "run").exists()


def test_a_split_with_nothing_to_test_on_is_refused_before_training(tmp_path):
    info = DatasetInfo("one", ["rest", "cut"], [0], 1.0, {"1": {"train": ["a"]}})
    with write_dataset(tmp_path / "one.h5", info, {"features": FeatureSet(6)}) as writer:
        writer.add(Video("a", np.array([0, 1, 1]), {"features": np.ones((3, 6))}))
    with pytest.raises(InputError, match="split 1 has no test videos"):
        Command(tiny_config(tmp_path / "one.h5"), tmp_path / "run").run()
    assert not (tmp_path / "run").exists()


def test_a_reader_that_closes_the_pipe_gets_no_traceback(tiny_dataset):
    command = f"{sys.executable} -m protas_gtcc check {tiny_dataset} --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_files_that_are_cut_off_or_foreign_are_refused(run, tiny_dataset, tmp_path, capsys):
    whole = tiny_dataset.read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    assert "not a whole HDF5 file" in refusal(capsys, "train", "--dataset", tmp_path / "cut.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["data"] = np.zeros(3)
    assert "not a protas_gtcc dataset" in refusal(capsys, "train", "--dataset", tmp_path / "foreign.h5")
    (tmp_path / "newer.h5").write_bytes(whole)
    with h5py.File(tmp_path / "newer.h5", "r+") as file:
        file.attrs["format_version"] = 99
    assert "format version 99" in refusal(capsys, "train", "--dataset", tmp_path / "newer.h5")
    checkpoint = (run / "checkpoint.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(checkpoint[: len(checkpoint) // 2])
    np.save(tmp_path / "x.npy", np.zeros((9, 6)))
    message = refusal(capsys, "predict", tmp_path / "cut.safetensors", tmp_path / "x.npy")
    assert "not a whole safetensors file" in message
    np.savez(tmp_path / "x.npz", np.zeros((9, 6)), np.zeros(9))
    assert "archive of several arrays" in refusal(capsys, "predict", run, tmp_path / "x.npz")
    (tmp_path / "other.model").write_bytes(b"not a checkpoint")
    assert "not a torch checkpoint" in refusal(capsys, "import", tmp_path / "other.model", "--out", tmp_path / "r")


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((9, 5)), "the model takes [T, 6]"),
        (np.zeros((6, 6)), "both axes are 6 long"),
        (np.zeros((0, 6)), "no frames"),
        (np.full((9, 6), np.nan), "NaN, infinity or a value above 1e12 at frame 0"),
        (np.zeros(9), "save the features of one video, [T, D]"),
        (np.full((9, 6), "x"), "save it as real numbers"),
        (np.zeros((9, 6), dtype=complex), "holds complex128; save it as real numbers"),
    ],
    ids=["size", "ambiguous", "empty", "nan", "one axis", "text", "complex"],
)
def test_features_that_do_not_fit_are_refused(run, tmp_path, capsys, features, message):
    np.save(tmp_path / "x.npy", features)
    printed = refusal(capsys, "predict", run, tmp_path / "x.npy", "--out", tmp_path / "out")
    assert message in printed
    assert "x.npy" in printed
    assert not (tmp_path / "out" / "predictions.h5").exists()


def test_a_full_disk_leaves_every_old_file(run, monkeypatch, capsys):
    assert exit_code("evaluate", run, "--pictures", "0") == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert "No space left on device; remove the cause, or change the path" in refusal(capsys, "evaluate", run)
    network, facts = load_checkpoint(run / "checkpoint.safetensors")
    with pytest.raises(InputError, match="No space left on device"):
        save_checkpoint(run / "checkpoint.safetensors", network, facts)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_model_of_other_classes_is_refused(run, tiny_dataset, tmp_path, capsys):
    with h5py.File(tiny_dataset) as old, h5py.File(tmp_path / "renamed.h5", "w") as new:
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            new.attrs[name] = value
        del new.attrs["checksum"]
        new.attrs["class_names"] = np.array(["rest", "cut", "stir", "serve"], dtype=h5py.string_dtype())
    message = refusal(capsys, "evaluate", run, "--dataset", tmp_path / "renamed.h5", "--out", tmp_path / "out")
    assert "class 2 is 'mix' for the model and 'stir'" in message


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--workers", "-1"), ("--seed", "-1"), ("--maps", "100000000"), ("--layers", "60"), ("--clip-norm", "nan"),
     ("--weight-decay", "-1"), ("--window-frames", "-5"), ("--lr", "0"), ("--graph-eta", "nan"), ("--dropout", "1")],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_their_flag(tiny_dataset, capsys, flag, value):
    assert f"{flag} is " in refusal(capsys, "train", "--dataset", tiny_dataset, flag, value)
    assert list(Path.cwd().iterdir()) == []


def test_a_model_is_not_tested_on_what_it_was_trained_on(run, tiny_dataset, tmp_path, capsys):
    other = tmp_path / "other.h5"
    other.write_bytes(tiny_dataset.read_bytes())
    with changed_by_hand(other) as file:
        del file["splits/1/train"], file["splits/1/test"]
        file["splits/1/train"] = np.array(["video9"], dtype=h5py.string_dtype())
        file["splits/1/test"] = np.array(["video0"], dtype=h5py.string_dtype())
    assert "give --out FOLDER" in refusal(capsys, "evaluate", run, "--dataset", other)
    message = refusal(capsys, "evaluate", run, "--dataset", other, "--out", tmp_path / "out")
    assert "trained on 1 of the test videos, such as video0" in message


@pytest.mark.slow
def test_results_on_another_file_go_to_their_own_folder(run, tiny_dataset, tmp_path):
    before = (run / "log.csv").read_bytes()
    copy = tmp_path / "copy.h5"
    copy.write_bytes(tiny_dataset.read_bytes())
    out = tmp_path / "out"
    assert exit_code("evaluate", run, "--dataset", copy, "--out", out, "--pictures", "1") == 0
    assert json.loads((out / "metrics.json").read_text())["num_videos"] == 2
    assert {path.name for path in (out / "plots").iterdir()} == {
        "video8.png",
        "videos.png",
        *(f"{name}.png" for name in DETAILS),
    }
    assert (out / "tables" / "online.csv").is_file()
    assert (run / "log.csv").read_bytes() == before


def test_a_flag_changes_the_preset_that_is_named():
    assert Command.parse(["--dataset", "egoprocel"]).config == DEFAULT
    assert Command.parse(["--preset", "reference"]).config == REFERENCE
    assert Command.parse(["--epochs", "7"]).config.training.epochs == 7


def test_train_prints_the_run_and_its_last_epoch_as_json(tiny_dataset, capsys):
    assert exit_code("train", "--dataset", tiny_dataset, "--json", *TINY) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["epochs"] == 2
    assert Path(printed["run"]).is_dir()


@pytest.mark.slow
def test_the_front_door_trains_evaluates_and_warns_that_data_are_simulated(tmp_path):
    # Far too little training to learn anything: only the way through is shown.
    few = ["--layers", "2", "--maps", "4", "--epochs", "1", "--batch-size", "16"]
    result = subprocess.run(
        [sys.executable, str(REPOSITORY / "experiments" / "run.py"), "--stages", "1", "--dataset", "egoprocel", *few],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    run = tmp_path / "runs" / "simulated-procedures-split1-default-seed0"
    assert "SIMULATED" in result.stdout
    assert "Progress error" in result.stdout
    assert json.loads((run / "metrics.json").read_text())["simulated"] is True
    assert len(list((run / "plots").glob("*.png"))) > 10
