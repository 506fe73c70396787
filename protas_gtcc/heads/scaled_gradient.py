"""Joint training with an alignment loss: what a head's loss may do to the encoder.

    embeddings ──┬── for_alignment ── alignment loss          total = alignment + progress, without a weight
                 └── for_progress ─── head ── progress loss

The published training adds weight x progress with weights up to a million, divides the head's gradients by the weight
again, and clips the encoder's to a norm of 0.00001: of the alignment nothing is left. Here the weight acts only
where the two gradients meet, at the embeddings:

    into the encoder:  g_alignment + s g_progress,   s = min(weight, share x |g_alignment| / |g_progress|)

with |.| the norm over the whole tensor. So the progress never moves the embeddings more than `share` times what the
alignment does, whatever the weight; below that it is the plain weighted sum; and the head itself learns at its own
loss's gradient, as if it were alone. The weight multiplies nothing before it is bounded, so nothing overflows.
Where the alignment has no gradient, the encoder gets none.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from protas_gtcc.errors import InputError


def split_gradient(
    embeddings: Float[Tensor, "*N D"], weight: float, share: float = 1.0
) -> tuple[Float[Tensor, "*N D"], Float[Tensor, "*N D"]]:
    """The embeddings twice: for the alignment loss, and for the head, whose gradient is weighted and bounded.

    Raises `InputError` for a weight or share that is negative or not finite; and, in the backward pass, if the gradient
    of the progress is not finite.
    """
    for name, value in (("weight", weight), ("share", share)):
        if not 0 <= value < float("inf"):
            raise InputError(f"the progress {name} is {value}; it must be a number, and not negative")
    for_alignment, for_progress = _Split.apply(embeddings, weight, share)  # type: ignore[no-untyped-call]
    return for_alignment, for_progress


def bounded_scale(alignment: Tensor, progress: Tensor, weight: float, share: float) -> float:
    """min(weight, share x |alignment| / |progress|) of two gradients; `weight` where the progress has none."""
    norm = _norm(progress)
    return weight if norm == 0 else min(weight, share * _norm(alignment) / norm)


class _Split(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, embeddings: Tensor, weight: float, share: float) -> tuple[Tensor, Tensor]:
        ctx.weight, ctx.share = weight, share
        return embeddings.view_as(embeddings), embeddings.view_as(embeddings)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        alignment, progress = gradients
        if not bool(torch.isfinite(progress).all()):
            raise InputError("the gradient of the progress loss is not finite; check the features, or lower the rate")
        return alignment + bounded_scale(alignment, progress, ctx.weight, ctx.share) * progress, None, None


def _norm(gradient: Tensor) -> float:
    # In float64: squares of small or large float32 numbers would underflow to 0, or overflow.
    return float(torch.linalg.vector_norm(gradient, dtype=torch.float64))
