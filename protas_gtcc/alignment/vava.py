"""Learning to align sequential actions (VAVA): optimal transport between frames, with a virtual frame for outliers.

    T = argmin <T, D> - moment_weight I(T) + divergence_weight KL(T || P)

over plans T of N + 1 by M + 1 with given marginals. D are squared distances, and a constant in the virtual first row
and column. With the authors' uniform marginals the virtual frame can take the mass of one frame without partner; with
`virtual_frames` it is that of several. The prior P and the moment I(T) are mixtures of two things. One is how near a
cell is to the diagonal (consistency, weight phi). The other is how near it is to the best partners of its row and its
column (optimality). phi falls from 1 with the epochs: first the order counts, then the partners. The loss is the value
of the minimum. By the envelope theorem its gradient by D is T itself, as far as the iterations have converged, so they
need no backward pass.

Source: Liu et al., Learning to Align Sequential Actions in the Wild, CVPR 2022. Partners are taken from a first plan,
made with the consistency prior alone. In the VAVA authors' code, moment and divergence are weighted by the videos'
lengths, and virtual cells have their own prior. Partners are nearest frames, and the contrast between videos is a
cross-entropy. In the GTCC authors' code, the plan ignores prior and moment. Its cost is the sum of the plan (a
constant), not <T, D>. Weights grow with every pair of a batch. The contrast between the videos has no lower bound, and
its mask can include the virtual frame.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from protas_gtcc.alignment.config import AlignmentLossConfig
from protas_gtcc.alignment.lav import contrastive_idm
from protas_gtcc.alignment.pairs import Pairs, in_full_precision, mean_over_frames, squared_distances
from protas_gtcc.alignment.transport import sinkhorn
from protas_gtcc.network.padding import frame_mask
from protas_gtcc.network.terms import Terms, total_loss, weigh

DEFAULTS = AlignmentLossConfig().for_loss("vava")


@in_full_precision
def vava_loss(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    settings: AlignmentLossConfig = DEFAULTS,
    phi: float = DEFAULTS.phi_decay,
) -> Float[Tensor, "*P"]:
    """The terms of `vava_terms` with the weights of the settings, summed; arguments and errors as there."""
    return total_loss(weigh(vava_terms(u, v, u_lengths, v_lengths, settings, phi), settings.term_weights("vava")))


@in_full_precision
def vava_terms(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    settings: AlignmentLossConfig = DEFAULTS,
    phi: float = DEFAULTS.phi_decay,
) -> Terms:
    """The terms `transport` (the minimum above), `intra_contrast` and `inter_contrast`.

    The masses of a plan sum to 1, so the minimum is a mean. The first contrast is `contrastive_idm` of both videos. The
    second is the sum of two means over frames. One is the distance to their partners. The other is
    max(0, margin - distance) to the frames of the other video to which they send least. Both directions are averaged.

    `u`, `v` and their lengths are as in `protas_gtcc.alignment.pairs`; `phi` is from 0 to 1, by default that of the
    first epoch.

    Raises `ValueError` as `Pairs.of`.
    """
    pairs = Pairs.of(u, v, u_lengths, v_lengths)
    distances = squared_distances(pairs.u, pairs.v)
    plan, value = transport(pairs, distances.detach(), settings, phi)
    found, masks = plan[:, 1:, 1:], (pairs.u_mask, pairs.v_mask)
    # The gradient by the distances is the plan: `flow` adds it, without changing the value.
    flow = (found * distances).sum(dim=(1, 2))
    margin, near = settings.margin, settings.near_share
    intra = contrastive_idm(pairs.u, pairs.u_lengths, margin, near)
    intra = intra + contrastive_idm(pairs.v, pairs.v_lengths, margin, near)
    there = _inter_contrast(distances, found, *masks, margin)
    back = _inter_contrast(distances.transpose(1, 2), found.transpose(1, 2), *masks[::-1], margin)
    return {
        "transport": pairs.result(value + flow - flow.detach()),
        "intra_contrast": pairs.result(intra),
        "inter_contrast": pairs.result(0.5 * (there + back)),
    }


@torch.no_grad()
def transport(
    pairs: Pairs, distances: Float[Tensor, "P N M"], settings: AlignmentLossConfig, phi: float
) -> tuple[Float[Tensor, "P N1 M1"], Float[Tensor, " P"]]:
    """The plan, with a virtual row and column, and its value. Partners are found in the plan of consistency alone."""
    costs = functional.pad(distances, (1, 0, 1, 0), value=settings.virtual_cost)
    rows = _masses(pairs.u_lengths, costs, 1, settings.virtual_frames)
    columns = _masses(pairs.v_lengths, costs, 2, settings.virtual_frames)
    diagonal = _off_diagonal(pairs, costs)
    first, _, _ = _solve(costs, (rows, columns), (diagonal, diagonal), settings, 1.0)
    offsets = (diagonal, _off_partners(pairs, first))
    plan, log_prior, closeness = _solve(costs, (rows, columns), offsets, settings, phi)
    divergence = torch.where(plan > 0, plan * (plan.clamp(min=1e-38).log() - log_prior), 0)
    cost, moment, divergence = (one.sum(dim=(1, 2)) for one in (plan * costs, plan * closeness, divergence))
    return plan, cost - settings.moment_weight * moment + settings.divergence_weight * divergence


class _Offsets(NamedTuple):
    """Distance of each cell from the diagonal or the partners: in frames for the prior, in shares for the moment."""

    frames: Tensor
    share_squared: Tensor


def _solve(
    costs: Tensor,
    masses: tuple[Tensor, Tensor],
    offsets: tuple[_Offsets, _Offsets],
    settings: AlignmentLossConfig,
    phi: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The plan for masses of rows and columns, the logarithm of the prior, and the closeness that the moment sums."""
    diagonal, partners = offsets
    constant = math.log(settings.prior_width * math.sqrt(2 * math.pi))
    log_parts = [-0.5 * (one.frames / settings.prior_width) ** 2 - constant for one in (diagonal, partners)]
    log_prior = log_parts[0]
    if phi < 1:
        log_prior = torch.logaddexp(log_parts[0] + math.log(max(phi, 1e-30)), log_parts[1] + math.log1p(-phi))
    closeness = phi / (diagonal.share_squared + 1) + (1 - phi) / (partners.share_squared + 1)
    log_kernel = log_prior + (settings.moment_weight * closeness - costs) / settings.divergence_weight
    return sinkhorn(log_kernel, *masses), log_prior, closeness


def _masses(lengths: Tensor, costs: Tensor, dim: int, virtual_frames: float) -> Tensor:
    """Equal masses over a video's frames, `virtual_frames` times that for the virtual one, 0 on padding; sum 1."""
    masses = frame_mask(lengths + 1, costs.shape[dim]).to(costs.dtype)
    masses[:, 0] = virtual_frames
    return masses / (lengths + virtual_frames)[:, None]


def _positions(pairs: Pairs, costs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Positions of rows and columns as shares of the videos, and the width of a frame across the diagonal."""
    n, m = ((lengths + 1.0)[:, None, None].to(costs.dtype) for lengths in (pairs.u_lengths, pairs.v_lengths))
    i = torch.arange(costs.shape[1], device=costs.device, dtype=costs.dtype)[:, None] / n
    j = torch.arange(costs.shape[2], device=costs.device, dtype=costs.dtype) / m
    return i, j, (1 / n**2 + 1 / m**2).sqrt()


def _off_diagonal(pairs: Pairs, costs: Tensor) -> _Offsets:
    i, j, frame = _positions(pairs, costs)
    gap = i - j
    return _Offsets(gap.abs() / frame, gap**2)


def _off_partners(pairs: Pairs, plan: Tensor) -> _Offsets:
    """Distance from the best row of each column, and the best column of each row."""
    i, j, frame = _positions(pairs, plan)
    best_row = i.expand_as(plan).gather(1, plan.argmax(dim=1, keepdim=True))
    best_column = j.expand_as(plan).gather(2, plan.argmax(dim=2, keepdim=True))
    across, along = i - best_row, j - best_column
    return _Offsets((across.abs() + along.abs()) / (2 * frame), 0.5 * (across**2 + along**2))


def _inter_contrast(
    distances: Tensor, plan: Tensor, u_mask: Bool[Tensor, "P N"], v_mask: Bool[Tensor, "P M"], margin: float
) -> Tensor:
    best, least = plan.argmax(dim=2), plan.masked_fill(~v_mask[:, None], torch.inf).argmin(dim=2)
    near, far = (distances.gather(2, index[..., None]).squeeze(2) for index in (best, least))
    return mean_over_frames(near + (margin - far).clamp(min=0), u_mask)
