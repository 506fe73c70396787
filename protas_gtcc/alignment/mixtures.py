"""Gaussian mixtures over a time line, fitted to many weightings of its frames at once by expectation maximisation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from protas_gtcc.network.padding import frame_mask

MIN_VARIANCE = 0.25
"""Least variance of a component, in squared frames; a narrower one would fall between two frames."""
TINY = 1e-30


class Mixtures(NamedTuple):
    """A mixture of K Gaussians for each row: R rows in each of P pairs. Means and variances are in frames."""

    weights: Float[Tensor, "P R K"]
    means: Float[Tensor, "P R K"]
    variances: Float[Tensor, "P R K"]

    def densities(self, num_frames: int, lengths: Int[Tensor, " P"]) -> Float[Tensor, "P R K M"]:
        """Each component over the frames of the time line, with sum 1; 0 beyond the end of a video."""
        outside = ~frame_mask(lengths, num_frames)
        return self._exponents(num_frames).masked_fill_(outside[:, None, None], -torch.inf).softmax(dim=3)

    def responsibilities(self, num_frames: int) -> Float[Tensor, "P R K M"]:
        """The share of each component in each frame of the time line; they sum to 1 over the components."""
        offsets = self.weights.clamp(min=TINY).log() - 0.5 * self.variances.log()
        return self._exponents(num_frames).add_(offsets[..., None]).softmax(dim=2)

    def _exponents(self, num_frames: int) -> Float[Tensor, "P R K M"]:
        frames = torch.arange(num_frames, device=self.means.device, dtype=self.means.dtype)
        return (frames - self.means[..., None]).square_().mul_(-0.5 / self.variances[..., None])


@torch.no_grad()
def fit_mixtures(weightings: Float[Tensor, "P R M"], num_components: int, iterations: int = 5) -> Mixtures:
    """Fit a mixture to each weighting of a time line's frames, by weighted maximum likelihood.

    Args:
        weightings: of the frames, with sum 1 in each row; 0 beyond the end of a video.
        num_components: K; they start at equally spaced quantiles of the weighting, with equal width.
        iterations: of expectation and maximisation.

    The GTCC authors minimise a symmetric divergence by L-BFGS, row by row, from means spread over the whole video and
    standard deviations as long as the video.
    """
    mixtures = _start(weightings, num_components)
    frames = torch.arange(weightings.shape[2], device=weightings.device, dtype=weightings.dtype)
    for _ in range(iterations):
        shares = mixtures.responsibilities(weightings.shape[2]).mul_(weightings[:, :, None])
        mixtures = _maximised(shares, frames, mixtures)
    return mixtures


def _start(weightings: Tensor, num_components: int) -> Mixtures:
    """Means at the quantiles of each weighting, so that every component has mass from the start."""
    levels = (torch.arange(num_components, device=weightings.device, dtype=weightings.dtype) + 0.5) / num_components
    mass = weightings.cumsum(dim=2)
    total = mass[..., -1:].clamp(min=TINY)
    means = torch.searchsorted((mass / total).contiguous(), levels.expand(*mass.shape[:2], -1).contiguous())
    means = means.clamp(max=weightings.shape[2] - 1).to(weightings.dtype)
    frames = torch.arange(weightings.shape[2], device=weightings.device, dtype=weightings.dtype)
    middle = (weightings @ frames)[..., None] / total
    spread = (weightings * (frames - middle) ** 2).sum(dim=2, keepdim=True) / total
    variances = (spread / num_components**2).clamp(min=MIN_VARIANCE).expand_as(means)
    return Mixtures(torch.full_like(means, 1 / num_components), means, variances)


def _maximised(shares: Float[Tensor, "P R K M"], frames: Tensor, before: Mixtures) -> Mixtures:
    """Mixtures from the share of each component in each frame; a component without any stays as it was."""
    mass = shares.sum(dim=3)
    safe = mass.clamp(min=TINY)
    means = torch.where(mass > TINY, (shares @ frames) / safe, before.means)
    squares = (frames - means[..., None]).square_()
    variances = (squares.mul_(shares).sum(dim=3) / safe).clamp(min=MIN_VARIANCE)
    return Mixtures(mass / mass.sum(dim=2, keepdim=True).clamp(min=TINY), means, variances)
