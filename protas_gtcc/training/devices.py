"""Device, precision and number of processes of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from protas_gtcc.config import Device, TrainingConfig
from protas_gtcc.errors import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def choose_device(wanted: Device) -> str:
    """`auto` -> the first available of cuda, mps, cpu. Raises `InputError` for a device that is not available."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(device for device, there in available.items() if there)
    if not available[wanted]:
        raise InputError(f"--device {wanted}: this machine has none; use --device cpu or --device auto")
    return wanted


def make_fabric(settings: TrainingConfig) -> Fabric:
    """Lightning Fabric on the chosen device; under torchrun, one of its processes.

    Raises `InputError` for a device that is not available, and for float16 on the CPU.
    """
    from lightning_fabric import Fabric  # slow to import, and choosing a device does not need it

    device = choose_device(settings.device)
    if settings.precision == "16" and device == "cpu":
        raise InputError("--precision 16 needs a GPU; use bf16 or 32 on the CPU")
    processes = int(os.environ.get("WORLD_SIZE", 1))
    nodes = processes // int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    fabric = Fabric(
        accelerator=device,
        devices=processes // nodes,
        num_nodes=nodes,
        strategy="ddp" if processes > 1 else "auto",
        precision=PRECISIONS[settings.precision],  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric
