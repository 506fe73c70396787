"""Whether a model sees the future: outputs at t must not change when frames after t do.

Two videos agree up to frame t and differ wildly after it. Every layer's output is compared up to t, in the order the
layers finish, so that the first that differs is the one that breaks causality. Repeated for several frames t, of twice
as many as a stage looks back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from protas_gtcc.checks.findings import Finding
from protas_gtcc.network.model import ProgressNetwork

TOLERANCE = 1e-5
"""Of the largest output of a layer: sums of other lengths are rounded differently."""
_CHANGE = 10.0
_SHARES = (0.0, 0.1, 0.5, 0.9, 0.99)


def check_causality(network: ProgressNetwork, where: str, seed: int = 0) -> list[Finding]:
    """One finding: an error that names the first layer that sees the future, or a note that says what was tried.

    The network must be in evaluation mode and on the CPU.
    """
    total = 2 * (2 ** (network.config.layers + 1) - 1)
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(1, network.feature_dim, total, generator=generator)
    frames = sorted({min(total - 2, int(share * total)) for share in _SHARES})
    for frame in frames:
        changed = features.clone()
        changed[..., frame + 1 :] = _CHANGE * torch.randn(changed[..., frame + 1 :].shape, generator=generator)
        broken = next(_differing(network, features, changed, frame), None)
        if broken is not None:
            name, difference = broken
            what = f"layer {name} sees the future: when frames after {frame} change, what it said before does too"
            share = f", by {difference:.2g} of its largest output"
            return [Finding("error", where, what + share, "stream a model trained with --causal")]
    tried = ", ".join(map(str, frames))
    what = f"no layer's output at t changes when frames after t do: tried t = {tried} of {total} frames"
    return [Finding("note", where, what, "")]


def _differing(network: ProgressNetwork, first: Tensor, second: Tensor, frame: int) -> Iterator[tuple[str, float]]:
    """Layers, as they finish, whose outputs up to `frame` differ, and by what share of their largest output."""
    outputs = [_outputs_by_layer(network, features) for features in (first, second)]
    for name, one in outputs[0].items():
        kept, other = one[..., : frame + 1], outputs[1][name][..., : frame + 1]
        difference = float((kept - other).abs().max() / kept.abs().max().clamp(min=1e-12))
        if not difference <= TOLERANCE:  # NaN is no proof either
            yield name, difference


def _outputs_by_layer(network: ProgressNetwork, features: Tensor) -> dict[str, Tensor]:
    """Every layer's output that has a value for each frame, and the network's, by name, in the order they finish."""
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor) and first.shape[-1] == features.shape[-1]:
                found[name] = first

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in network.named_modules() if name]
    try:
        with torch.no_grad():
            outputs = network(features)
    finally:
        for handle in handles:
            handle.remove()
    found["the network's logits"] = outputs.final_logits
    if outputs.final_progress is not None:
        found["the network's progress"] = outputs.final_progress
    return found
