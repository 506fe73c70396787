"""Tiny folders in the layouts that datasets publish, each with the form of its real files and three or four videos."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write_features(folder: Path, lengths: Mapping[str, int], dim: int = 3) -> None:
    """`<video>.npy`, `[T, D]`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (video, length) in enumerate(lengths.items()):
        np.save(folder / f"{video}.npy", np.full((length, dim), number, np.float32))


def write_egoper(root: Path) -> Path:
    """Two tasks of two videos, 10 frames a second; tea_2 has a slip in `pour`, and an addition."""
    root.mkdir(parents=True)
    types = {"Normal": 0, "Error_Modification": 1, "Error_Slip": 2, "Error_Correction": 3, "Error_Addition": 4}
    annotations: dict[str, Any] = {}
    for task, actions in {"tea": ["BG", "boil", "pour"], "coffee": ["BG", "grind", "pour"]}.items():
        segments = []
        for number in (1, 2):
            wrong = task == "tea" and number == 2
            labels = {
                "action": [0, 1, 2, 3] if wrong else [0, 1, 0, 2],
                "action_type": [0, 0, 2, 4] if wrong else [0, 0, 0, 0],
                "time_stamp": [[0, 1], [1, 2.5], [2.5, 4], [4, 5.0]],
                "error_description": ["", "", "Spill water\n", "Wave"] if wrong else [""] * 4,
            }
            segments.append({"video_id": f"{task}_{number}", "labels": labels})
        indices = {name: label for label, name in enumerate(actions)}
        annotations[task] = {"action2idx": indices, "actiontype2idx": types, "segments": segments}
        write_features(root / task / "features_10fps", {f"{task}_1": 50, f"{task}_2": 52})
        (root / task / "training.txt").write_text(f"{task}_1\n")
        (root / task / "test.txt").write_text(f"{task}_2\n")
    (root / "annotation.json").write_text(json.dumps(annotations))
    return root


BREAKFAST = "1-30 SIL  \n31-75 take_bowl  \n76-90 pour_cereals  \n91-105 SIL\n"


def write_breakfast(root: Path) -> Path:
    """A recording of person 3 and one of person 16, 7 s at 15 frames a second, features `[D, T]`."""
    for person in ("P03", "P16"):
        folder = root / "segmentation_coarse" / "cereals"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{person}_cam01_{person}_cereals.txt").write_text(BREAKFAST)
    (root / "features").mkdir()
    for person in ("P03", "P16"):
        np.save(root / "features" / f"{person}_cam01_{person}_cereals.npy", np.ones((4, 105), np.float32))
    return root


def assembly101_name(kind: str, person: int) -> str:
    """As the published files are called."""
    return f"{kind}_nusar-2021_action_both_{person}-b06b_{person}_user_id_2021-02-01_154253"


def write_assembly101(root: Path) -> Path:
    """Two recordings to train on, one to validate with, and one to test on without labels; 3 s at 30 frames."""
    lists = {"train": [("assembly", 9011), ("disassembly", 9011)], "val": [("assembly", 9012)]}
    lists["test"] = [("assembly", 9013)]
    for folder in ("coarse_labels", "coarse_splits", "features"):
        (root / folder).mkdir(parents=True)
    (root / "actions.csv").write_text(
        "action_id,verb_id,noun_id,action_cls,verb_cls,noun_cls\n"
        "0,0,0,attach wheel,attach,wheel\n1,1,0,detach wheel,detach,wheel\n2,0,1,attach cabin,attach,cabin\n"
    )
    for part, names in lists.items():
        for kind in ("assembly", "disassembly"):
            rows = [f"{assembly101_name(*one)}.txt\tnotshared\tb06b\tsuv" for one in names if one[0] == kind]
            (root / "coarse_splits" / f"{part}_coarse_{kind}.txt").write_text("".join(row + "\n" for row in rows))
        for one in names if part != "test" else ():
            name = assembly101_name(*one)
            text = "000006833\t000006863\tattach wheel\n000006863\t000006923\tattach cabin\n"
            (root / "coarse_labels" / f"{name}.txt").write_text(text)
            write_features(root / "features", {name: 90})
    return root


def _event(kind: str, start: float, end: float, verb: str, noun: str, **more: str) -> dict[str, Any]:
    attributes = {"Verb": verb, "Noun": noun, **more}
    return {"id": f"{kind}{start}", "label": f"{kind} grained action", "start": start, "end": end} | {
        "attributes": attributes
    }


def write_holoassist(root: Path) -> Path:
    """Two sessions to train on, one to validate with, and one to test on without annotations; 6 s."""
    root.mkdir(parents=True)
    sessions = []
    for number in (1, 2, 3):
        wrong = {"Action Correctness": "Wrong Action, corrected by student"}
        wrong["Incorrect Action Explanation"] = "It is upside down"
        right = {"Action Correctness": "Correct Action", "Incorrect Action Explanation": "none"}
        events = [
            {"id": "n", "label": "Narration", "start": 0.0, "end": 6.0, "attributes": {"Long form description": "x"}},
            _event("Coarse", 1.0, 3.0, "Insert", "Battery", **{"Action sentence": "The student inserts it."}),
            _event("Coarse", 2.8, 5.0, "close", "none"),
            _event("Fine", 1.0, 1.5, "grab", "battery", **right),
            _event("Fine", 1.5, 2.2, "insert", "battery", **wrong),
        ]
        sessions.append(
            {"video_name": f"R00{number}-7July-DSLR", "taskType": "change dslr battery", "videoMetadata": {}}
            | {"events": events}
        )
    (root / "data-annotation-trainval-v1_1.json").write_text(json.dumps(sessions))
    for part, numbers in {"train": (1, 2), "val": (3,), "test": (4,)}.items():
        (root / f"{part}-v1_2.txt").write_text("".join(f"R00{number}-7July-DSLR\n" for number in numbers))
    write_features(root / "features", {f"R00{number}-7July-DSLR": 60 + number for number in (1, 2, 3)})
    return root


def write_target_perframe(root: Path) -> Path:
    """Three videos of THUMOS'14's form, 4 frames a second, one of them with two actions at a time."""
    (root / "target_perframe").mkdir(parents=True)
    for number in (1, 2, 3):
        targets = np.zeros((20, 3))
        targets[:, 0] = 1
        targets[5:15] = [0, 1, 0]
        if number == 3:
            targets[10:18] = [0, 0, 1]
            targets[10:15, 1] = 1
        np.save(root / "target_perframe" / f"video_{number}.npy", targets)
    for name in ("rgb_kinetics_resnet50", "flow_kinetics_bninception"):
        write_features(root / name, {f"video_{number}": 20 for number in (1, 2, 3)})
    entry = {"class_names": ["Background", "CliffDiving", "Diving"], "fps": 4}
    entry |= {"train_session_set": ["video_1", "video_2"], "test_session_set": ["video_3"]}
    other = entry | {"train_session_set": ["24_ep1"], "test_session_set": []}
    (root / "data_info.json").write_text(json.dumps({"TVSeries": other, "THUMOS": entry}))
    return root
