"""Foreign checkpoints, arrays, tables and JSON: a small file asks for no large memory, and is named as it is."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from protas_gtcc.checks.path import check_path
from protas_gtcc.config import MOST_WEIGHTS, ModelConfig, RunConfig
from protas_gtcc.decoding.hypotheses import make_hypotheses
from protas_gtcc.errors import LONGEST_MESSAGE, InputError
from protas_gtcc.inference import load
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.metrics.prediction_csv import write_csv
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.network.checkpoint import load_checkpoint, save_checkpoint
from protas_gtcc.network.reference_checkpoints import read_reference_checkpoint
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.storage.csv_tables import read_csv_table, write_csv_table
from protas_gtcc.storage.feature_files import open_array, read_header
from protas_gtcc.storage.text_files import read_lines
from protas_gtcc.storage.yaml_configs import from_yaml
from protas_gtcc.training.state import load_state, save_state
from tests.mstcn_folder import exit_code
from tests.tiny_models import DECODING, DIM, TRANSCRIPTS, make_model

# Checkpoints


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    model, path = make_model(), tmp_path / "model.safetensors"
    save_checkpoint(path, model.network, model.facts)
    return path


def metadata_of(path: Path) -> dict[str, str]:
    """The checkpoint's facts as texts, without the digest: it would show a change."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return {name: text for name, text in file.metadata().items() if name != "digest"}


def with_fact(path: Path, name: str, value: object) -> Path:
    """The checkpoint with another fact, and the same tensors."""
    save_file(load_file(path), path, {**metadata_of(path), name: json.dumps(value)})
    return path


def test_a_small_checkpoint_cannot_ask_for_a_large_network(checkpoint, monkeypatch):
    config = dataclasses.asdict(load(checkpoint).facts.config)
    config["model"] |= {"stages": 8, "maps": 1024, "layers": 8}
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda *_: pytest.fail("the network was built"))
    with pytest.raises(
        InputError, match=r"weights do not fit its configuration \(stages.0.conv_in.bias is \[8\], expected \[1024\]"
    ):
        load_checkpoint(with_fact(checkpoint, "config", config))
    with pytest.raises(InputError, match="weights do not fit its configuration"):
        load_checkpoint(with_fact(checkpoint, "feature_dim", 10**6))


def test_a_configuration_has_a_largest_network_and_a_largest_filter():
    ModelConfig(stages=4, layers=10, maps=256)
    with pytest.raises(InputError, match=r"--stages, --layers and --maps make 3.4e.10 weights; lower them"):
        ModelConfig(stages=32, layers=16, maps=4096)
    assert MOST_WEIGHTS > 4 * 10 * 4 * 256**2
    many = dataclasses.replace(TRANSCRIPTS, lengths=np.full((4, 1000), 2.0))
    with pytest.raises(InputError, match="4000 lengths of 1000 phases; lower --num-lengths or --phases"):
        make_hypotheses(many, dataclasses.replace(DECODING, phases=1000), 5.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("feature_dim", "5"),
        ("feature_dim", -1),
        ("class_names", []),
        ("class_names", "rest"),
        ("class_names", [1, 2, 3, 4]),
        ("background", [9]),
        ("background", None),
        ("fps", "fast"),
        ("fps", -5.0),
        ("look_ahead_frames", -1),
        ("config", 5),
        ("training_videos", {"a": 1}),
    ],
)
def test_facts_of_a_checkpoint_of_another_kind_are_one_line(checkpoint, name, value):
    with pytest.raises(InputError, match=name if name != "config" else "expected fields of RunConfig"):
        load_checkpoint(with_fact(checkpoint, name, value))


@pytest.mark.parametrize("verb", ["predict", "stream"])
def test_a_checkpoint_whose_weights_have_nan_is_refused_in_one_line(tmp_path, checkpoint, capsys, verb):
    tensors, name = load_file(checkpoint), "stages.0.conv_in.weight"
    tensors[name][0, 0] = float("nan")
    save_file(tensors, checkpoint, metadata_of(checkpoint))
    np.save(tmp_path / "a.npy", np.zeros((9, DIM)))
    out = ("--out", tmp_path / "out", "--fps", 5) if verb == "predict" else ()
    assert exit_code(verb, checkpoint, tmp_path / "a.npy", *out) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert f"{name} has NaN or infinity; train again" in printed.err
    assert not (tmp_path / "out").exists()


def test_a_published_checkpoint_whose_weights_have_nan_is_not_imported(shared_folder, tmp_path, capsys):
    for source in ("protas_causal", "mstcn"):
        state = torch.load(shared_folder / "parity" / f"{source}.model", weights_only=True)
        state["stage1.conv_out.bias"][0] = float("nan")
        torch.save(state, tmp_path / "epoch-1.model")
        assert exit_code("import", tmp_path / "epoch-1.model", "--out", tmp_path / "run") == 1
        [line] = capsys.readouterr().err.splitlines()
        assert line.endswith("conv_logits.bias has NaN or infinity; name a checkpoint of an earlier epoch")
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\n", "it has an alias"),
        ("1: a\nb: c\nnull: d\n", "unknown field 1"),
        ("split: [1, 2]\n", r"split is \[1, 2\], expected a str"),
        ("feature_set: [features]\n", r"feature_set is .*, expected a str"),
        ("model: {maps: 1.5}\n", "maps is 1.5, expected a int"),
        ("[" * 2000, "is not YAML"),
        ("split: 2024-99-99\n", "is not YAML"),
    ],
)
def test_a_configuration_of_another_kind_is_one_line(text, expected):
    with pytest.raises(InputError, match=expected):
        from_yaml(text, "config.yaml", RunConfig)


def test_every_length_of_a_truncated_published_checkpoint_is_refused(tmp_path):
    path = tmp_path / "epoch-1.model"
    torch.save({"stage1.conv_1x1.weight": torch.zeros(2, 2, 1)}, path)
    whole = path.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="is not a torch checkpoint of plain tensors, or not a complete one"):
            read_reference_checkpoint(path)


@pytest.mark.parametrize(
    "state",
    [
        {"stage1.conv_1x1.weight": torch.zeros(1).expand(10**6, 10**6, 1)},
        {"stage1.conv_1x1.weight": torch.zeros(2, 2, 1), "stage1.conv_out.weight": torch.zeros(3)},
        {"stage1.conv_1x1.weight": torch.zeros(2), "stage1.conv_out.weight": torch.zeros(3)},
        {"stage1.conv_1x1.weight": "text"},
        {"stage1.conv_1x1.weight": torch.zeros(2, 2, 1), "stages.x": torch.zeros(1)},
        {1: torch.zeros(1)},
    ],
)
def test_a_published_checkpoint_of_other_tensors_is_refused(tmp_path, state):
    torch.save(state, tmp_path / "epoch-1.model")
    with pytest.raises(InputError, match=r"epoch-1\.model is not a"):
        read_reference_checkpoint(tmp_path / "epoch-1.model")


def test_a_training_state_that_lacks_entries_is_refused(tmp_path):
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(3)).sum().backward()
    optimizer.step()
    path, facts = tmp_path / "state.safetensors", {"rows": [{"epoch": 1}], "identity": {}, "precision": {}}
    save_state(path, network, optimizer, facts)
    assert load_state(path, network, optimizer, {})["rows"] == facts["rows"]
    for lacking in facts:
        save_state(path, network, optimizer, {name: value for name, value in facts.items() if name != lacking})
        with pytest.raises(InputError, match="is not a whole training state"):
            load_state(path, network, optimizer, {})
    for rows in (
        [],
        [1],
        [{"epoch": 1e300}],
        [{"epoch": float("nan")}],
        [{"epoch": True}],
        [{"epoch": 2}],
        [{"epoch": 1}, {"epoch": 1}],
        [{"epoch": 1}, {"epoch": 2, "loss": 0.5}],
        [{"epoch": 1, "loss": "0.5"}],
    ):
        save_state(path, network, optimizer, facts | {"rows": rows})
        with pytest.raises(InputError, match="is not a whole training state"):
            load_state(path, network, optimizer, {})
    save_state(path, network, optimizer, facts)
    for changed in ({"optimizer.0.step": None}, {"optimizer.7.step": torch.ones(())}, {"optimizer.x.y": torch.ones(1)}):
        tensors = {name: one for name, one in (load_file(path) | changed).items() if one is not None}
        other = tmp_path / "other.safetensors"
        metadata = {"format": "protas_gtcc training state", "format_version": 1, **facts}
        save_file(tensors, other, {name: json.dumps(value) for name, value in metadata.items()})
        with pytest.raises(InputError, match=r"optimi.er"):
            load_state(other, network, optimizer, {})


# Arrays


def header_of(shape: tuple[int, ...]) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return content.getvalue()


def test_arrays_that_claim_more_than_their_file_holds_are_refused(tmp_path):
    (tmp_path / "a.npy").write_bytes(header_of((10**9, 512)) + bytes(100))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("features.npy", header_of((10**9, 512)) + bytes(100))
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("features.npy", header_of((70_000_000 // 4, 1)) + bytes(70_000_000))
    for name, expected in (
        ("a.npy", "its header claims"),
        ("a.npz", "its header claims"),
        ("bomb.npz", "would become"),
    ):
        for read in (open_array, read_header):
            if (name, read) == ("a.npy", read_header):
                continue  # as a map of the file, which numpy refuses by itself
            with pytest.raises(InputError, match=expected):
                read(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_refused_where_a_file_is_expected(tmp_path):
    path = tmp_path / "a.npy"
    os.mkfifo(path)
    for read in (open_array, read_header, read_csv_table, read_lines):
        with pytest.raises(InputError, match="is a pipe or a device; give a regular file"):
            read(path)


def test_features_of_another_size_are_refused_before_the_output_is_made(tmp_path, checkpoint, capsys):
    np.save(tmp_path / "good.npy", np.zeros((9, DIM)))
    np.save(tmp_path / "bad.npy", np.zeros((9, DIM + 1)))
    (tmp_path / "out").write_text("a file where the folder should be")
    files = tmp_path / "good.npy", tmp_path / "bad.npy"
    assert exit_code("predict", checkpoint, *files, "--out", tmp_path / "out", "--fps", 5) == 1
    assert f"the model takes [T, {DIM}]" in capsys.readouterr().err


# Tables and text

CALLED = ["=HYPERLINK(1)", "'=1+1", "''-x", "+1", "-1", "@x", "'quoted'", "plain", "a=b", "\tx"]


def test_text_that_a_spreadsheet_would_compute_is_shown_there_and_read_back_unchanged(tmp_path):
    write_csv_table(tmp_path / "a.csv", {"name": CALLED, "=head": CALLED, "number": np.full(len(CALLED), -1.5)})
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert not any(cell.strip('"').startswith(("=", "+", "@")) for line in lines for cell in line.split(",")[:2])
    assert lines[1].endswith(",-1.5")
    read = read_csv_table(tmp_path / "a.csv")
    assert (read["name"], read["=head"]) == (CALLED, CALLED)


def test_predictions_of_classes_called_like_formulas_are_read_back(tmp_path):
    labels, probs = np.arange(len(CALLED)), np.eye(len(CALLED), dtype=np.float32)
    info = PredictionInfo(CALLED, [], 5.0)
    prediction = Prediction(labels, probs, probs, np.zeros(len(CALLED), dtype=np.float32))
    write_csv(tmp_path, "a", prediction, info, every_class=True)
    read = open_predictions(tmp_path, CALLED).read("a")
    np.testing.assert_array_equal(read.labels, labels)
    np.testing.assert_array_equal(read.probs, probs)


def test_a_row_longer_than_its_header_is_refused_at_once(tmp_path):
    (tmp_path / "a.csv").write_text("label,progress\n0,0" + "," * 10**6 + "\n")
    with pytest.raises(InputError, match="line 2: 1000002 cells where the first row has 2"):
        read_csv_table(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text(",".join(map(str, range(10**5))) + "\n")
    assert len(read_csv_table(tmp_path / "b.csv")) == 10**5


def test_text_where_numbers_belong_names_the_frame(tmp_path):
    (tmp_path / "a.csv").write_text("label,progress,probs/x,probs/y\n0,0,much,1\n")
    with pytest.raises(InputError, match="frame 0: probs is not finite; expected numbers"):
        open_predictions(tmp_path, ["x", "y"]).read("a")


WRONG_TASKS = [
    {"handles": [["a"], "b"]},
    {"handles": [1, 2]},
    {"hdl_actions": [None, ["1"]]},
    {"hdl_actions": [[{}], ["1"]]},
    {"hdl_start_times": ["now", [0]]},
    {"hdl_start_times": [[None], [0]]},
    {"hdl_end_times": [[], [7]]},
    {"hdl_end_times": [[10**18], [7]]},
    {"hdl_end_times": [[float("nan")], [7]]},
    {"hdl_end_times": [[True], [7]]},
]


@pytest.mark.parametrize("wrong", WRONG_TASKS, ids=repr)
def test_types_in_egoprocels_json_are_checked_and_check_lists_what_is_wrong(tmp_path, wrong):
    task = {"handles": ["a", "b"], "hdl_actions": [["1"], ["1"]], "hdl_start_times": [[0], [0]]}
    task |= {"hdl_end_times": [[5], [7]], **wrong}
    (tmp_path / "egoprocel.json").write_text(json.dumps({"Salad": task}))
    (tmp_path / "egoprocel-id2action.txt").write_text("0 background\n1 cut\n")
    with pytest.raises(InputError, match="correct the JSON"):
        open_layout(tmp_path).labels("a")
    assert any(finding.level == "error" for finding in check_path(tmp_path, fps=10.0))


def test_names_in_egoprocels_json_cannot_lead_out_of_the_folder(tmp_path):
    task = {"handles": ["../../x"], "hdl_actions": [["1"]], "hdl_start_times": [[0]], "hdl_end_times": [[5]]}
    (tmp_path / "egoprocel.json").write_text(json.dumps({"Salad": task}))
    (tmp_path / "egoprocel-id2action.txt").write_text("0 background\n1 cut\n")
    with pytest.raises(InputError, match=r"'\.\./\.\./x' cannot be the name of a video"):
        open_layout(tmp_path)


# Messages


@pytest.mark.parametrize(
    "value", ["x" * 10**6, "\n" * 10**6, "a\r\nb\u2028c\x1b[2J", "\x00" * 10**6, "a\u0308" * 10**6]
)
def test_an_error_that_quotes_any_value_is_one_printable_line_of_bounded_length(value):
    text = str(InputError(f"a.csv: the name {value} is not allowed; correct it"))
    assert len(text) <= LONGEST_MESSAGE
    assert text.isprintable()
    assert text.startswith("a.csv: the name ")
    assert text.endswith(" is not allowed; correct it"), "the way out is not cut off"


# Commands


@pytest.mark.slow
def test_serve_without_its_extra_is_one_line_and_its_help_is_whole(checkpoint):
    code = (
        "import sys\n"
        "for name in ('uvicorn', 'starlette', 'websockets'): sys.modules[name] = None\n"
        "from protas_gtcc.cli.main import main; main(sys.argv[1:])"
    )
    shown = subprocess.run([sys.executable, "-c", code, "serve", "--help"], capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (0, "")
    done = subprocess.run([sys.executable, "-c", code, "serve", str(checkpoint)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: serving needs the package uvicorn; pip install")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_learning_rate_of_1000_ends_in_one_line(tiny_dataset, tmp_path, capsys):
    size = ("--preset", "reference", "--epochs", 3, "--layers", 2, "--maps", 4, "--stages", 1)
    arguments = ("--dataset", tiny_dataset, "--lr", 1000, *size, "--out", tmp_path / "run")
    assert exit_code("train", *arguments) in (0, 1)
    error = capsys.readouterr().err
    assert "Traceback" not in error


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_cut_hdf5_files_are_one_line_in_evaluate_and_predict(tiny_dataset, tmp_path, checkpoint, capsys, share):
    content = tiny_dataset.read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: int(share * len(content))])
    assert exit_code("evaluate", tmp_path / "cut.h5", "--dataset", tiny_dataset) == 1
    assert exit_code("predict", tmp_path / "cut.h5", tmp_path / "cut.h5", "--out", tmp_path / "out") == 1
    shown = capsys.readouterr()
    assert shown.err.count("error: ") == 2
    assert "Traceback" not in shown.err
