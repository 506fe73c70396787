"""Files of predictions keep the procedure of each video, and refuse one that is not whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.procedure.result import CHANNELS, Event, Procedure

INFO = PredictionInfo(["rest", "cut", "mix"], [0], 5.0)
EVENTS = (Event("done", 1, 2, 2, 0.75), Event("out of order", 2, 3, 3, 0.9))


def predicted(events: tuple[Event, ...] = EVENTS, **changes: Any) -> Prediction:
    """A prediction of four frames with a procedure."""
    times, ends = np.array([9, 7, 5, 3], np.float32), np.array([[4, 3, 2, 1], [19, 17, 15, 13]], np.float32)
    shares = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    procedure = Procedure(times, ends, shares[0], shares, times, ends, shares[::-1], events)
    labels = np.array([0, 1, 1, 2])
    reported = np.zeros(4, np.float32)
    return Prediction(labels, None, None, reported, procedure=dataclasses.replace(procedure, **changes))


def write(folder: Path, prediction: Prediction) -> Path:
    write_predictions(folder / "p.h5", [("P01/cam 2", prediction)], INFO)
    return folder / "p.h5"


@pytest.mark.parametrize("events", [EVENTS, ()])
def test_a_procedure_is_read_back_as_it_was_written(tmp_path, events):
    written = predicted(events)
    read = open_predictions(write(tmp_path, written)).read("P01/cam 2").procedure
    for name in CHANNELS:
        np.testing.assert_array_equal(getattr(read, name), getattr(written.procedure, name))
    assert read.events == events


def test_files_from_before_there_were_procedures_are_read(tmp_path):
    path = write(tmp_path, predicted())
    with h5py.File(path, "a") as file:
        del file["videos/P01/cam 2/procedure"]
    assert open_predictions(path).read("P01/cam 2").procedure is None


@pytest.mark.parametrize("name", ["left_seconds", "done", "events"])
def test_a_changed_value_is_found(tmp_path, name):
    path = write(tmp_path, predicted())
    with h5py.File(path, "a") as file:
        stored = file[f"videos/P01/cam 2/procedure/{name}"]
        stored[0] = stored[1]
    with pytest.raises(InputError, match=r"p\.h5 is damaged: video P01/cam 2: the procedure differs from what was w"):
        open_predictions(path).read("P01/cam 2")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"kind": "done"}',
        '{"kind": "odd", "label": 1, "frame": 2, "at": 2, "confidence": 0.5}',
        '{"kind": "done", "label": "1", "frame": 2, "at": 2, "confidence": 0.5}',
    ],
)
def test_an_event_that_is_none_is_refused(tmp_path, text):
    path = write(tmp_path, predicted())
    with h5py.File(path, "a") as file:
        group = file["videos/P01/cam 2/procedure"]
        group["events"][0] = text
        del group.attrs["checksum"]
    with pytest.raises(InputError, match=r"p\.h5 is damaged: video P01/cam 2"):
        open_predictions(path).read("P01/cam 2")


BROKEN: dict[str, dict[str, Any]] = {
    "next_probs has 2 classes, done has 3; expected the same": {"next_probs": np.zeros((2, 4))},
    r"left_interval is \(3, 4\); expected \[2, T\] with T = 4": {"left_interval": np.zeros((3, 4))},
    "frame 1: next_seconds is not finite; expected numbers": {"next_seconds": np.array([9, np.inf, 5, 3])},
    "frame 3: done has 1.5; expected values from 0 to 1": {"done": np.array([[0, 0, 0, 1.5]] * 3)},
    "frame 0: left_seconds are 30 in 4 to 19; expected times from 0 on, in order": {
        "left_seconds": np.array([30, 7, 5, 3])
    },
    "label of an event is 3; expected a class id below 3": {"events": (Event("done", 3, 2, 2, 0.5),)},
    "at of an event is 4; expected a frame below 4": {"events": (Event("done", 1, 4, 4, 0.5),)},
    "confidence of an event is nan; expected a value from 0 to 1": {"events": (Event("done", 1, 2, 2, np.nan),)},
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_no_procedure_can_be_is_not_written(tmp_path, what):
    with pytest.raises(InputError, match=f"video P01/cam 2, procedure.* {what}"):
        write(tmp_path, predicted(**BROKEN[what]))
    assert not (tmp_path / "p.h5").exists()
