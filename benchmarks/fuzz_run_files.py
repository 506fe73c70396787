"""As `fuzz_readers.py`: files that `report`, `serve --state` and `prepare --fps` read."""

from __future__ import annotations

import dataclasses
import shutil
from functools import cache
from pathlib import Path

import numpy as np
from fuzz_readers import DIM, INFO, RUN, Reader, make_checkpoint, make_dataset, make_prediction

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.layouts.rates import read_rates
from protas_gtcc.metrics.evaluation import evaluate_prediction_files, save_evaluation
from protas_gtcc.metrics.prediction_files import write_predictions
from protas_gtcc.report.page import render
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.runs import open_runs
from protas_gtcc.serve.kept_states import KeptStates
from protas_gtcc.storage.yaml_configs import to_yaml


def _kept_state(folder: Path) -> Path:
    """Beside its model."""
    stream = _model(make_checkpoint(folder)).stream()
    stream.step(np.ones((3, DIM), dtype=np.float32))
    shutil.rmtree(folder / "states", ignore_errors=True)  # there may be a damaged one
    states = KeptStates(folder / "states", _model(folder / "checkpoint.safetensors").stream())
    states.keep("anna", stream)
    states.write()
    return next((folder / "states").iterdir())


def _read_kept_state(path: Path) -> None:
    stream = _model(path.parents[1] / "checkpoint.safetensors").stream()
    KeptStates(path.parent, stream).restore("anna", stream)
    stream.step(np.ones((1, DIM), dtype=np.float32))


@cache
def _model(path: Path) -> TrainedModel:
    return load(path)


def _rates(folder: Path) -> Path:
    (folder / "rates.csv").write_text("video,fps\na,30000/1001\nb,25\nc,29.97\n")
    return folder / "rates.csv"


def _metrics(folder: Path) -> Path:
    dataset = Dataset(make_dataset(folder))
    write_predictions(folder / "predictions.h5", [("b/c", make_prediction())], INFO)
    (folder / "config.yaml").write_text(to_yaml(dataclasses.replace(RUN, dataset=str(dataset.path))))
    save_evaluation(evaluate_prediction_files(folder / "predictions.h5", dataset, "1"), folder)
    return folder / "metrics.json"


RUN_FILES = (
    Reader("kept-state", _kept_state, _read_kept_state),
    Reader("rates", _rates, lambda path: read_rates(path, ["a", "b", "c"])),
    Reader("metrics", _metrics, lambda path: render(page_data(open_runs([path.parent])), plotly="").encode()),
)
