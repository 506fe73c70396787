"""Test whether a model is causal: outputs at t must not change when frames after t do.

Two videos are equal up to frame t and differ strongly after it. Every layer's output up to t is compared, in the order
in which the layers finish; the first layer that differs breaks causality. The test is repeated for several frames t of
a video with twice as many frames as a stage sees.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from protas_gtcc.checks.findings import Finding
from protas_gtcc.network.model import ProgressNetwork

TOLERANCE = 1e-5
"""Largest difference, as a share of a layer's largest output: sums of other lengths are rounded differently."""
_CHANGE = 10.0
_SHARES = (0.0, 0.1, 0.5, 0.9, 0.99)


def check_causality(network: ProgressNetwork, where: str, seed: int = 0) -> list[Finding]:
    """One finding: an error that names the first layer that sees the future, or a note with the frames tried.

    The network must be in evaluation mode and on the CPU.
    """
    total = 2 * (2 ** (network.config.layers + 1) - 1)
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(1, network.feature_dim, total, generator=generator)
    frames = sorted({min(total - 2, int(share * total)) for share in _SHARES})
    for frame in frames:
        changed = features.clone()
        changed[..., frame + 1 :] = _CHANGE * torch.randn(changed[..., frame + 1 :].shape, generator=generator)
        broken = _first_difference(network, features, changed, frame)
        if broken is not None:
            name, difference = broken
            what = f"layer {name} sees the future: when frames after {frame} change, its output before does too"
            share = f", by {difference:.2g} of its largest output"
            return [Finding("error", where, what + share, "stream a model trained with --causal")]
    tried = ", ".join(map(str, frames))
    what = f"no layer's output at t changes when frames after t do: tried t = {tried} of {total} frames"
    return [Finding("note", where, what, "")]


def _first_difference(network: ProgressNetwork, first: Tensor, second: Tensor, frame: int) -> tuple[str, float] | None:
    """The first layer to finish whose outputs up to `frame` differ, and the share by which they do."""
    changed = _outputs_by_layer(network, second)
    for name, output in _outputs_by_layer(network, first).items():
        kept, other = output[..., : frame + 1], changed[name][..., : frame + 1]
        difference = float((kept - other).abs().max() / kept.abs().max().clamp(min=1e-12))
        if not difference <= TOLERANCE:  # also for NaN
            return name, difference
    return None


def _outputs_by_layer(network: ProgressNetwork, features: Tensor) -> dict[str, Tensor]:
    """By name, in the order they finish: each layer's output that has a value for each frame, and the network's."""
    found: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor) and first.shape[-1] == features.shape[-1]:
            found[name] = first

    with torch.no_grad(), ExitStack() as hooks:
        for name, module in network.named_modules():
            if name:
                hooks.callback(module.register_forward_hook(partial(keep, name)).remove)
        outputs = network(features)
    found["the network's logits"] = outputs.final_logits
    if outputs.final_progress is not None:
        found["the network's progress"] = outputs.final_progress
    return found
