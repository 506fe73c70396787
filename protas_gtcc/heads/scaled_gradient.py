"""Joint training with an alignment loss: how far a head's loss may move the encoder.

    encoder ── embeddings ──┬── for_alignment ── alignment loss          total = alignment + progress, unweighted
                            └── for_progress ─── head ── progress loss

The weight acts only where the two gradients meet, at the embeddings:

    g = g_alignment + s g_progress,   s = min(weight, share |J' g_alignment| / |J' g_progress|)

with |J' g| the norm of the gradient by all weights of the encoder, which takes two more backward passes through it.
(Norms at the embeddings would not be enough: a progress gradient that is alike at many frames adds up in the weights.)
So the progress never moves the encoder further than `share` times as far as the alignment does, whatever the weight.
Below that bound it is the plain weighted sum. The head learns from its own loss's gradient, as if it were alone. Where
the alignment has no gradient, the encoder has none.

The published training has no bound: that is `share` infinity, and there are no further passes. It adds weight x
progress and then divides the head's gradients by the weight, which gives the same two gradients. With its weight of a
million almost nothing of the alignment is left in the encoder's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from protas_gtcc.errors import InputError


def split_gradient(
    embeddings: Float[Tensor, "*N D"],
    encoder: Sequence[Tensor],
    weight: float,
    share: float = 1.0,
    is_scaled: bool = False,
) -> tuple[Float[Tensor, "*N D"], Float[Tensor, "*N D"]]:
    """The embeddings twice: for the alignment loss, and for the head, whose gradient is weighted and bounded.

    Args:
        embeddings: the encoder's output.
        encoder: its weights.
        weight: of the progress gradient, not negative.
        share: the largest norm of the weighted gradient, as a multiple of the alignment gradient's; may be infinity.
        is_scaled: gradients are scaled, as float16 needs; a scaler then skips steps in which they overflow.

    The backward pass raises `InputError` if the gradient of the progress is not finite and not scaled.
    """
    both: tuple[Tensor, Tensor] = _Split.apply(embeddings, encoder, weight, share, is_scaled)  # type: ignore[no-untyped-call]
    return both


class _Split(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, embeddings: Tensor, encoder: Sequence[Tensor], weight: float, share: float, is_scaled: bool
    ) -> tuple[Tensor, Tensor]:
        # An attribute: tensors saved for the backward pass are returned without their graph.
        ctx.embeddings, ctx.encoder = embeddings, list(encoder)
        ctx.weight, ctx.share, ctx.is_scaled = weight, share, is_scaled
        return embeddings.view_as(embeddings), embeddings.view_as(embeddings)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        if not (ctx.is_scaled or bool(torch.isfinite(gradients[1]).all())):
            raise InputError("the gradient of the progress loss is not finite; check the features, or lower --lr")
        scale = ctx.weight
        if ctx.share < math.inf:
            alignment, progress = (_norm(ctx.embeddings, ctx.encoder, one) for one in gradients)
            scale = scale if progress == 0 else min(scale, ctx.share * alignment / progress)
        return gradients[0] + scale * gradients[1], None, None, None, None


def _norm(embeddings: Tensor, encoder: Sequence[Tensor], gradient: Tensor) -> float:
    """Norm of the gradient by the encoder's weights, from a gradient by the embeddings."""
    found = torch.autograd.grad(embeddings, encoder, gradient, retain_graph=True, allow_unused=True)
    # In float64: squares of small or large float32 numbers would underflow to 0, or overflow.
    norms = [torch.linalg.vector_norm(one, dtype=torch.float64) for one in found if one is not None]
    return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0
