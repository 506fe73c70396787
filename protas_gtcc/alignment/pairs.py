"""Shared by the alignment losses: padded pairs of embedded videos, distances between frames, weights over frames.

A loss takes the embedded frames of two videos, `u` `[N, D]` and `v` `[M, D]`, and returns a scalar. Or it takes P
padded pairs, `[P, N, D]` and `[P, M, D]`, and returns `[P]`. `u_lengths` and `v_lengths` are the frames of each padded
video, by default all. A loss computes in float32, or in float64 if the embeddings are float64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from protas_gtcc.network.padding import frame_mask

Loss = TypeVar("Loss", bound=Callable[..., Any])
SMALLEST = 2
"""Frames that a video must have to be aligned."""


@dataclass(frozen=True)
class Pairs:
    """P padded pairs of videos: `u` has at most N frames, `v` at most M."""

    u: Float[Tensor, "P N D"]
    v: Float[Tensor, "P M D"]
    u_lengths: Int[Tensor, " P"]
    v_lengths: Int[Tensor, " P"]
    is_single: bool = False
    """Whether there is one pair, without a dimension of pairs; then the result has none either."""

    @classmethod
    def of(
        cls,
        u: Float[Tensor, "*P N D"],
        v: Float[Tensor, "*P M D"],
        u_lengths: Int[Tensor, " P"] | None = None,
        v_lengths: Int[Tensor, " P"] | None = None,
    ) -> Pairs:
        """Pairs of embedded videos; without lengths every frame counts.

        Padding has no effect: it becomes the video's first frame, without a gradient. Raises `ValueError` if a video
        has fewer than 2 frames, or more than its tensor, and if there is no pair.
        """
        is_single = u.ndim == 2
        u, v = (x[None] if is_single else x for x in (u, v))
        if len(u) == 0:
            raise ValueError("there is no pair of videos to align")
        lengths = [_lengths(x, given) for x, given in ((u, u_lengths), (v, v_lengths))]
        u, v = (_filled(wide(x), own) for x, own in zip((u, v), lengths, strict=True))
        return cls(u, v, lengths[0], lengths[1], is_single)

    @property
    def u_mask(self) -> Bool[Tensor, "P N"]:
        """True on frames, False on padding."""
        return frame_mask(self.u_lengths, self.u.shape[1])

    @property
    def v_mask(self) -> Bool[Tensor, "P M"]:
        """True on frames, False on padding."""
        return frame_mask(self.v_lengths, self.v.shape[1])

    def result(self, losses: Float[Tensor, " P"]) -> Float[Tensor, "*P"]:
        """A loss for each pair, or the scalar of two single videos."""
        return losses[0] if self.is_single else losses


def wide(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """`x` in float32, or in float64 if it is float64."""
    return x if x.dtype == torch.float64 else x.float()


def squared_distances(x: Float[Tensor, "P N D"], y: Float[Tensor, "P M D"]) -> Float[Tensor, "P N M"]:
    """Squared Euclidean distances between frames.

    By matrix products, with the mean of y as origin, since |x|^2 - 2xy + |y|^2 cancels far from it.
    """
    origin = y.detach().mean(dim=1, keepdim=True)
    x, y = x - origin, y - origin
    products = torch.baddbmm((y * y).sum(dim=2)[:, None], x, y.transpose(1, 2), alpha=-2)
    return (products + (x * x).sum(dim=2)[:, :, None]).clamp(min=0)


def soft_neighbours(
    x: Float[Tensor, "P N D"], y: Float[Tensor, "P M D"], y_mask: Bool[Tensor, "P M"], temperature: float
) -> Float[Tensor, "P N M"]:
    """Weights over the frames of y for each frame of x: the softmax of -|x_i - y_j|^2 / temperature."""
    # |x_i|^2 is the same for all j and drops out. Padding is masked in |y_j|^2, which saves a pass over [N, M].
    origin = y.detach().mean(dim=1, keepdim=True)
    x, y = x - origin, y - origin
    offsets = ((y * y).sum(dim=2) / -temperature).masked_fill(~y_mask, -torch.inf)
    return torch.baddbmm(offsets[:, None], x, y.transpose(1, 2), alpha=2 / temperature).softmax(dim=-1)


def mean_over_frames(values: Float[Tensor, "P N"], mask: Bool[Tensor, "P N"]) -> Float[Tensor, " P"]:
    """Mean over a video's frames, for each pair."""
    return values.masked_fill(~mask, 0).sum(dim=1) / mask.sum(dim=1)


def require_positive(**values: float | int) -> None:
    """Raise `ValueError` for a setting that is not above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} is {value}; it must be above 0")


def in_full_precision(loss: Loss) -> Loss:
    """A decorator: the loss computes in its own precision under autocast, too."""

    @functools.wraps(loss)
    def whole(*args: Any, **kwargs: Any) -> Any:
        first = next(iter((*args, *kwargs.values())))
        with torch.autocast(first.device.type, enabled=False):
            return loss(*args, **kwargs)

    return cast(Loss, whole)


def _filled(x: Float[Tensor, "P N D"], lengths: Int[Tensor, " P"]) -> Float[Tensor, "P N D"]:
    if int(lengths.min()) == x.shape[1]:
        return x
    return torch.where(frame_mask(lengths, x.shape[1])[..., None], x, x[:, :1].detach())


def _lengths(x: Float[Tensor, "P N D"], given: Int[Tensor, " P"] | None) -> Int[Tensor, " P"]:
    num_frames = x.shape[1]
    if given is None:
        given = torch.full((len(x),), num_frames, device=x.device)
    if num_frames < SMALLEST or not SMALLEST <= int(given.min()) <= int(given.max()) <= num_frames:
        expected = f"expected videos of {SMALLEST} to {num_frames} frames"
        raise ValueError(f"{expected}; got lengths {given.tolist()}")
    return given.to(x.device)
