"""Joint training with an alignment loss: what a head's loss may do to the encoder.

    encoder ── embeddings ──┬── for_alignment ── alignment loss
                            └── for_progress ─── head ── progress loss

The published training adds weight x progress with weights up to a million, divides the head's gradients by the weight
again, and clips the encoder's to a norm of 0.00001: of the alignment nothing is left. Here the two losses go backward
by themselves as far as the embeddings, and then together through the encoder:

    g = g_alignment + s g_progress,   s = min(weight, share x |J' g_alignment| / |J' g_progress|)

with |J' g| the norm of the gradient by all of the encoder's weights, which two more passes through it tell. (Norms at
the embeddings would not do: a progress gradient that is alike at many frames adds up in the weights.) So the progress
never moves the encoder more than `share` times what the alignment does, whatever the weight; below that it is the plain
weighted sum; and the head learns at its own loss's gradient, as if it were alone. The weight multiplies nothing before
it is bounded, so nothing overflows. Where the alignment has no gradient, the encoder gets none.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from protas_gtcc.errors import InputError


class SplitEmbeddings:
    """The embeddings twice: each loss is computed from its own and sent backward, and then `backward` is called.

    Raises `InputError` for a weight or share that is negative or not finite.
    """

    def __init__(self, embeddings: Float[Tensor, "*N D"], weight: float, share: float = 1.0):
        for name, value in (("weight", weight), ("share", share)):
            if not 0 <= value < float("inf"):
                raise InputError(f"the progress {name} is {value}; it must be a number, and not negative")
        self._embeddings, self._weight, self._share = embeddings, weight, share
        self.for_alignment, self.for_progress = (embeddings.detach().requires_grad_() for _ in range(2))

    def backward(self, encoder: Sequence[Tensor], is_scaled: bool = False) -> float:
        """Send both gradients on through the encoder, whose weights are given; s.

        Raises `InputError` if the progress's gradient is not finite; unless gradients are scaled, as float16 needs, in
        which case the scaler skips the step.
        """
        alignment, progress = (_gradient(one) for one in (self.for_alignment, self.for_progress))
        if not (is_scaled or bool(torch.isfinite(progress).all())):
            raise InputError("the gradient of the progress loss is not finite; check the features, or lower the rate")
        norms = [self._norm(one, encoder) for one in (alignment, progress)]
        scale = bounded_scale(norms[0], norms[1], self._weight, self._share)
        torch.autograd.backward(self._embeddings, alignment + scale * progress)
        return scale

    def _norm(self, gradient: Tensor, encoder: Sequence[Tensor]) -> float:
        """Of the encoder's gradient that one of the embeddings makes."""
        found = torch.autograd.grad(self._embeddings, encoder, gradient, retain_graph=True, allow_unused=True)
        # In float64: squares of small or large float32 numbers would underflow to 0, or overflow.
        norms = [torch.linalg.vector_norm(one, dtype=torch.float64) for one in found if one is not None]
        return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0


def bounded_scale(alignment: float, progress: float, weight: float, share: float) -> float:
    """min(weight, share x alignment / progress) of the norms of two gradients; `weight` where the progress has none."""
    return weight if progress == 0 else min(weight, share * alignment / progress)


def _gradient(embeddings: Tensor) -> Tensor:
    return torch.zeros_like(embeddings) if embeddings.grad is None else embeddings.grad
