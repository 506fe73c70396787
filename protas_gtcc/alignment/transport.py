"""Entropic optimal transport in logarithms: how much of each frame's mass goes to which frame of the other video.

Source: Cuturi, Sinkhorn Distances, NIPS 2013; with potentials kept as logarithms (Peyré & Cuturi, Computational Optimal
Transport, section 4.4), since a kernel exp(-cost / weight) underflows as soon as costs are large beside the weight.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

INNER = 20
"""Scalings of a kernel before potentials are taken out of it again."""
SMALLEST_LOG = -60.0
"""Smaller masses count as this, which is nothing: exponentials below are denormal, and take many times as long."""
RANGE = 1e10
"""Factors beyond this are not trusted in float32, and the logarithms are used instead."""


@torch.no_grad()
def sinkhorn(
    log_kernel: Float[Tensor, "P N M"],
    row_masses: Float[Tensor, "P N"],
    column_masses: Float[Tensor, "P M"],
    iterations: int = 100,
    tolerance: float = 1e-3,
) -> Float[Tensor, "P N M"]:
    """The plan diag(a) exp(log_kernel) diag(b) with the given marginals.

    Most iterations scale a kernel that has the potentials so far in it, by two matrix products; between them the
    potentials are renewed in logarithms, which no range of costs can upset (Schmitzer, SIAM J. Sci. Comput. 2019).

    Args:
        log_kernel: -cost / weight, plus the logarithm of a prior if there is one; finite.
        row_masses: what leaves each row, of the same sum as `column_masses`; 0 on padding.
        column_masses: what each column gets, exactly.
        iterations: at most, of scaling rows and columns.
        tolerance: stop when the rows' sums are off by less, in sum, as a share of the mass.
    """
    log_rows, log_columns = row_masses.log(), column_masses.log()
    # Padding has no mass: its potential is -inf, which keeps it out of the other side's sums.
    columns = torch.where(column_masses > 0, 0, -torch.inf)
    for left in range(iterations, 0, -INNER):
        rows = log_rows - _log_sum(log_kernel + columns[:, None], dim=2)
        after = log_columns - _log_sum(log_kernel + rows[:, :, None], dim=1)
        plan = (log_kernel + rows[:, :, None]).add_(after[:, None]).clamp_(min=SMALLEST_LOG).exp_()
        off = (plan.sum(dim=2) - row_masses).abs().sum(dim=1, keepdim=True)
        is_open = off >= tolerance * row_masses.sum(dim=1, keepdim=True)
        if left <= INNER or not is_open.any():
            break
        factors = _scaled(plan, row_masses, column_masses)
        is_trusted = (factors < RANGE).all(dim=1, keepdim=True) & (column_masses > 0)
        after = torch.where(is_trusted, after + factors.log(), after)
        # A pair that is done stays as it is, whatever others of its batch still need.
        columns = torch.where(is_open, after, columns)
    return plan.mul_((row_masses > 0)[:, :, None]).mul_((column_masses > 0)[:, None])


def _log_sum(values: Tensor, dim: int) -> Tensor:
    """Logarithm of the sum of exponentials, less what is too small to count; overwrites the values."""
    largest = values.amax(dim=dim, keepdim=True).clamp(min=-1e30)
    return values.sub_(largest).clamp_(min=SMALLEST_LOG).exp_().sum(dim=dim).log() + largest.squeeze(dim)


def _scaled(plan: Tensor, row_masses: Tensor, column_masses: Tensor) -> Float[Tensor, "P M"]:
    """What columns are to be multiplied by after some iterations from a plan."""
    factors = torch.ones_like(column_masses)
    for _ in range(INNER - 1):
        rows = row_masses / (plan @ factors[..., None]).squeeze(2).clamp(min=1e-30)
        factors = column_masses / (rows[:, None] @ plan).squeeze(1).clamp(min=1e-30)
    return factors
