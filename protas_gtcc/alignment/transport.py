"""Entropic optimal transport in logarithms: how much of each frame's mass goes to which frame of the other video.

Source: Cuturi, Sinkhorn Distances, NIPS 2013; with potentials kept as logarithms (Peyré & Cuturi, Computational Optimal
Transport, section 4.4), since a kernel exp(-cost / weight) underflows as soon as costs are large beside the weight.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

INNER = 20
"""Scalings of a kernel before potentials are taken out of it again."""
SMALLEST_LOG = -60.0
"""Smaller masses count as this, which is nothing: exponentials below are denormal, and take many times as long."""
RANGE = 1e10
"""Factors beyond this are not trusted in float32, and the logarithms are used instead."""
EASY, STEP = 100.0, 8.0
"""A kernel whose logarithms are further apart is first solved divided by a power of `STEP`, which brings it there."""


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
    potentials are renewed in logarithms, which no range of costs can upset (Schmitzer, SIAM J. Sci. Comput. 2019). The
    wider the range the slower they converge, so that a wide one is solved at softer weights first, and each solution
    starts the next (epsilon scaling, ibid.).

    Args:
        log_kernel: -cost / weight, plus the logarithm of a prior if there is one; finite.
        row_masses: what leaves each row, of the same sum as `column_masses`; 0 on padding.
        column_masses: what each column gets, exactly.
        iterations: at most, of scaling rows and columns; of softer weights no more than 40 each.
        tolerance: stop when the rows' sums are off by less, in sum, as a share of the mass.
    """
    # Padding has no mass: its potential is -inf, which keeps it out of the other side's sums.
    columns = torch.where(column_masses > 0, 0, -torch.inf)
    cells = (row_masses > 0)[:, :, None] & (column_masses > 0)[:, None]
    softest = _softest(log_kernel, cells)
    factor = softest.max()
    plan = torch.empty(0)
    while factor >= 1:
        most = iterations if factor == 1 else min(iterations, 2 * INNER)
        found, plan = _iterate(log_kernel / factor, row_masses, column_masses, columns / factor, most, tolerance)
        # A pair whose own range is small starts later, so that it does not depend on others of its batch.
        columns = torch.where((factor <= softest)[:, None], found * factor, columns)
        factor = factor / STEP
    return plan.mul_(cells)


def _softest(log_kernel: Tensor, cells: Tensor) -> Float[Tensor, " P"]:
    """The power of `STEP` that each pair's kernel is first divided by."""
    highest = log_kernel.masked_fill(~cells, -torch.inf).amax(dim=(1, 2))
    lowest = log_kernel.masked_fill(~cells, torch.inf).amin(dim=(1, 2))
    steps = ((highest - lowest) / EASY).log2().div(math.log2(STEP)).ceil()
    # Costs that are not finite are not softened: the plan is then NaN, which whoever asked for it names.
    return STEP ** steps.nan_to_num(nan=0, posinf=0, neginf=0).clamp(min=0)


def _iterate(
    log_kernel: Tensor, row_masses: Tensor, column_masses: Tensor, columns: Tensor, iterations: int, tolerance: float
) -> tuple[Float[Tensor, "P M"], Float[Tensor, "P N M"]]:
    """The potentials of the columns and the plan, after at most so many iterations from given potentials."""
    log_rows, log_columns = row_masses.log(), column_masses.log()
    plan = after = columns
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
    return torch.where(column_masses > 0, after, -torch.inf), plan


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
