"""Decoding finished runs in other ways: the first row is the runs' own decoding, and each way changes its part."""

from __future__ import annotations

import json

import pytest

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.runs.evaluate_run import evaluate_run
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import train
from tests.conftest import tiny_config
from tests.mstcn_folder import exit_code


@pytest.mark.slow
def test_every_way_to_decode_a_run_is_a_row(tiny_dataset, tmp_path, capsys):
    run, dataset = RunDirectory(tmp_path / "run"), Dataset(tiny_dataset)
    train(tiny_config(tiny_dataset, "default", epochs=3, lr=0.01), dataset, run)
    evaluate_run(run, dataset, "1", max_pictures=0)
    capsys.readouterr()
    assert exit_code("ablate", run.path, "--dataset", tiny_dataset) == 0
    printed = capsys.readouterr().out
    lines = [
        [cell.strip().strip("*") for cell in line.split("|")[1:-1]] for line in printed.splitlines() if "|" in line
    ]
    head, rows = lines[0], {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}
    metrics = json.loads(run.metrics.read_text())
    own = rows["as trained"]
    assert own["acc"] == f"{metrics['segmentation']['acc']:.1f}"
    error = "error, action frames"
    assert own[error] == f"{metrics['progress']['predicted']['frame']:.3f}".removeprefix("0")
    assert own["skill"].startswith(f"{metrics['progress']['predicted']['skill']:.2f}".replace("0.", "."))
    assert printed.splitlines()[-1].startswith("as trained: Skill ")
    for name in ("progress of the filter alone", "progress of the network alone"):
        assert [rows[name][column] for column in head[-4:]] == [own[column] for column in head[-4:]], "labels stay"
        assert rows[name][error] != own[error]
    assert rows["no filter"]["edit"] != own["edit"]
    assert rows["the filter, given the true class of every frame"]["acc"] == "100.0"


def test_a_run_without_a_filter_is_refused(tiny_dataset, tmp_path, capsys):
    run = RunDirectory(tmp_path / "run")
    train(tiny_config(tiny_dataset, epochs=1), Dataset(tiny_dataset), run)
    assert exit_code("ablate", run.path, "--dataset", tiny_dataset) == 1
    assert "has no duration filter to change" in capsys.readouterr().err


def test_without_a_run_nothing_is_decoded(tiny_dataset, capsys):
    assert exit_code("ablate", "--dataset", tiny_dataset) == 1
    assert capsys.readouterr().err.count("\n") == 1
