"""The procedure of a video in a file of predictions.

procedure/    left_seconds [T], left_interval [2, T], progress [T], next_probs [C, T], next_seconds [T],
              next_interval [2, T], done [C, T]
              events [E]    a JSON object each: kind, label, frame, at, confidence
              checksum      CRC-32 of them all
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np

from protas_gtcc.procedure.result import CHANNELS, KINDS, Event, Procedure
from protas_gtcc.storage.facts import require_checksum, text_array, write_facts
from protas_gtcc.storage.ragged import checksum
from protas_gtcc.storage.stored import StoredGroup

NAME = "procedure"
"""Of the group in that of a video."""


def write_procedure(video: Any, procedure: Procedure) -> None:
    """Write the procedure into the group of its video."""
    group = video.create_group(NAME)
    arrays = {name: np.asarray(getattr(procedure, name), dtype=np.float32) for name in CHANNELS}
    events = [json.dumps(dataclasses.asdict(event)) for event in procedure.events]
    for name, values in arrays.items():
        group[name] = values
    group["events"] = text_array(events)
    write_facts(group, checksum=_checksum(arrays, events))


def read_procedure(video: StoredGroup) -> Procedure:
    """The procedure in the group of a video. Raises `ValueError` if it differs from what was written."""
    group = video.group(NAME)
    arrays, events = {name: group.numbers(name) for name in CHANNELS}, group.texts("events")
    require_checksum(group, _checksum(arrays, events), f"the {NAME} differs from what was written")
    return Procedure(**arrays, events=tuple(_event(text) for text in events))


def _event(text: str) -> Event:
    values, kinds = json.loads(text), {"kind": str, "label": int, "frame": int, "at": int, "confidence": float}
    is_sound = isinstance(values, dict) and {name: type(one) for name, one in values.items()} == kinds
    if not is_sound or values["kind"] not in KINDS:
        raise ValueError(f"an event is {text}")
    return Event(**values)


def _checksum(arrays: dict[str, np.ndarray], events: list[str]) -> int:
    return checksum(np.array([*map(checksum, arrays.values()), checksum("\n".join(events).encode())], dtype=np.uint32))
