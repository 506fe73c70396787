"""What a resume needs, in one file: weights, the optimiser's state, and the log rows so far."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from protas_gtcc.errors import InputError
from protas_gtcc.network.checkpoint import load_tensors, save_tensors

STATE_FORMAT = "protas_gtcc training state"
SLOTS = {"step", "exp_avg", "exp_avg_sq"}
"""What Adam keeps of each weight."""
SHOWN_LENGTH = 200
"""Longest text of two values that an error shows."""


def save_state(
    path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, facts: Mapping[str, object]
) -> None:
    """Write network, optimiser and facts in one step, so that they always belong to the same epoch."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    save_tensors(path, STATE_FORMAT, tensors, {**facts, "num_tensors": len(tensors)})


def load_state(
    path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, identity: Mapping[str, object]
) -> dict[str, object]:
    """Restore network and optimiser to the last finished epoch; return the facts that were saved with them.

    Raises `InputError` if the run's `identity` (classes, features, fps) has changed with its dataset, and if another
    version made the network.
    """
    tensors, facts = load_tensors(path, STATE_FORMAT)
    _require_whole(facts, tensors, path)
    before_all: Any = facts["identity"]
    for name, now in identity.items():
        before = before_all.get(name)
        if before != now:
            values = f"was {before} and is {now} now"
            change = values if len(values) < SHOWN_LENGTH else "is another one now"
            run = path.parent.parent
            raise InputError(f"{run} cannot be resumed: its dataset's {name} {change}; start a new run")
    try:
        network.load_state_dict(_under("network.", tensors))
    except RuntimeError as error:
        what = " ".join(str(error).split())[:SHOWN_LENGTH]
        raise InputError(f"{path} is of another version's network ({what}); start a new run") from error
    state: dict[int, dict[str, torch.Tensor]] = {}
    weights = [one for group in optimizer.param_groups for one in group["params"]]
    for name, tensor in _under("optimizer.", tensors).items():
        index, _, slot = name.partition(".")
        number = int(index) if index.isdecimal() else len(weights)
        if slot not in SLOTS or number >= len(weights) or tensor.shape not in (weights[number].shape, torch.Size()):
            raise InputError(f"{path}: optimizer.{name} fits no weight of the network; start a new run")
        state.setdefault(number, {})[slot] = tensor
    lacking = [number for number, slots in state.items() if slots.keys() != SLOTS]
    if lacking:
        raise InputError(f"{path} lacks a part of the optimiser's state of weight {lacking[0]}; start a new run")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return facts


def _require_whole(facts: Mapping[str, object], tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Raise `InputError` unless the facts are there, and as many tensors as were written."""
    is_whole = _is_log(facts.get("rows")) and all(
        isinstance(facts.get(name), dict) for name in ("identity", "precision")
    )
    if not is_whole or facts.get("num_tensors", len(tensors)) != len(tensors):
        raise InputError(f"{path} is not a whole training state; copy it again, or start a new run")


def _is_log(rows: object) -> bool:
    """Whether these are rows of the epochs 1, 2 …, all with the same columns of numbers."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return False
    return all(
        row.keys() == rows[0].keys()
        and type(row.get("epoch")) is int
        and row["epoch"] == number
        and all(type(value) in (int, float) for value in row.values())
        for number, row in enumerate(rows, start=1)
    )


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
