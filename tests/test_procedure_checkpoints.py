"""What is learnt of procedures in checkpoints: kept as it is, refused where it is damaged, absent from old ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.procedure.model import SHAPES, from_arrays
from tests.mstcn_folder import exit_code
from tests.tiny_models import TASK_TRANSCRIPTS, make_model, make_task_model
from tests.tiny_procedures import MIXED_UP, assert_same_procedure, features_of, learnt, make_procedure_model

FEATURES = features_of(MIXED_UP)
ARRAYS = learnt().arrays()


def saved(model: TrainedModel, folder: Path, procedure: dict[str, np.ndarray] | None = None) -> Path:
    """A checkpoint of the model, with other procedures if they are given."""
    facts = model.facts if procedure is None else dataclasses.replace(model.facts, procedure=procedure)
    save_checkpoint(folder / "checkpoint.safetensors", model.network, facts)
    return folder / "checkpoint.safetensors"


def test_a_checkpoint_keeps_every_number(tmp_path):
    model = make_procedure_model()
    read = load(saved(model, tmp_path))
    assert read.facts.procedure.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(read.facts.procedure[name], values, err_msg=name)
        assert read.facts.procedure[name].dtype == values.dtype
    assert_same_procedure(read.predict(FEATURES), model.predict(FEATURES))
    for name, values in from_arrays(read.facts.procedure, TASK_TRANSCRIPTS, "here").arrays().items():
        np.testing.assert_array_equal(values, ARRAYS[name], err_msg=name)


def refused(arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=f"^here: the procedure's {message}.*; train again$") as error:
        from_arrays(arrays, TASK_TRANSCRIPTS, "here")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_is_missing_not_finite_or_of_another_shape_or_type_is_refused(name):
    refused({key: one for key, one in ARRAYS.items() if key != name}, f"{name} is missing or not finite")
    values = ARRAYS[name]
    if values.dtype.kind == "f":
        refused(ARRAYS | {name: np.full_like(values, np.nan)}, f"{name} is missing or not finite")
    refused(ARRAYS | {name: values[:-1]}, "")
    refused(ARRAYS | {name: values[..., None]}, "")
    refused(ARRAYS | {name: values.astype(np.float32)}, f"{name} is of type float32")
    refused(ARRAYS | {name: np.array(0.0)}, "")


WRONG: dict[str, tuple[int, float]] = {
    "state_class": (0, 1),
    "state_task": (-1, 0),
    "share": (1, 0.0),
    "start": (0, -0.1),
    "ends": (1, 1.5),
    "after": (0, 2.0),
    "before": (1, 0.5),
    "needs": (0, 0.5),
    "advance": (1, -1.0),
    "gap": (1, -1.0),
    "length": (1, 0.0),
    "orders": (0, 3),
    "orders_task": (-1, 2),
    "widths": (0, 0.0),
    "false_alarms": (0, 1.5),
    "normal_recordings": (1, 0.0),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_that_no_table_can_have_is_refused(name):
    values, (row, wrong) = ARRAYS[name].copy(), WRONG[name]
    values[row] = wrong
    refused(ARRAYS | {name: values}, f"{name} has impossible values")


def test_every_table_is_checked_by_name():
    unchecked = {"is_step", "repeat", "rank"}  # any number will do
    assert set(SHAPES) - unchecked <= set(WRONG)


@pytest.mark.parametrize("name", ["orders", "state_class"])
def test_a_damaged_checkpoint_is_one_line_and_no_traceback(name, tmp_path, capsys):
    arrays = ARRAYS | {name: ARRAYS[name] + 100}
    path = saved(make_procedure_model(), tmp_path, arrays)
    np.save(tmp_path / "video.npy", FEATURES)
    assert exit_code("predict", path, tmp_path / "video.npy", "--out", tmp_path / "out") == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert f"the procedure's {name} has impossible values; train again" in lines[0]


def test_checkpoints_from_before_there_were_procedures_predict_without_them(tmp_path):
    for model in (make_model(), make_task_model()):
        read = load(saved(model, tmp_path))
        assert read.facts.procedure is None
        assert read.predict(FEATURES).procedure is None
        assert read.stream().step(FEATURES).procedure is None
        assert read.task_steps == []
        assert read.alarms is None
        with pytest.raises(InputError, match=r"has not learnt procedures, so it raises no alarms; train it again$"):
            read.set_alarms(1.0)
        read.set_alarms(None)


def test_a_network_that_is_not_filtered_reports_a_procedure_and_its_own_labels(tmp_path):
    model = make_procedure_model()
    decoding = dataclasses.replace(model.facts.config.decoding, filter="none")
    config = dataclasses.replace(model.facts.config, decoding=decoding)
    plain = TrainedModel(model.network, dataclasses.replace(model.facts, config=config))
    found = load(saved(plain, tmp_path)).predict(FEATURES)
    np.testing.assert_array_equal(found.labels, found.probs.argmax(axis=0))
    assert found.interval is None
    np.testing.assert_array_equal(found.procedure.done, model.predict(FEATURES).procedure.done)
