"""What a resume needs, in one file: weights, the optimiser's state, and the log rows so far."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from protas_gtcc.errors import InputError
from protas_gtcc.network.checkpoint import load_tensors, save_tensors

STATE_FORMAT = "protas_gtcc training state"
SHOWN_LENGTH = 200
"""Longest text of two values that an error shows."""


def save_state(
    path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, facts: Mapping[str, object]
) -> None:
    """Write network, optimiser and facts in one step, so that they always belong to the same epoch."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    save_tensors(path, STATE_FORMAT, tensors, facts)


def load_state(
    path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, identity: Mapping[str, object]
) -> dict[str, object]:
    """Restore network and optimiser to the last finished epoch; return the facts that were saved with them.

    Raises `InputError` if the run's `identity` (classes, features, fps) has changed with its dataset, and if another
    version made the network.
    """
    tensors, facts = load_tensors(path, STATE_FORMAT)
    for name, now in identity.items():
        before = facts["identity"].get(name)
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
    for name, tensor in _under("optimizer.", tensors).items():
        index, _, slot = name.partition(".")
        state.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return facts


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
