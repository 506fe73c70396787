"""Entropic optimal transport in logarithms: how much mass each frame sends to each frame of the other video.

Source: Cuturi, Sinkhorn Distances, NIPS 2013. Potentials are kept as logarithms (Peyré & Cuturi, Computational Optimal
Transport, section 4.4): a kernel exp(-cost / weight) underflows if costs are large compared with the weight.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

INNER = 20
"""Scalings of a kernel between two updates of the potentials."""
SMALLEST_LOG = -60.0
"""Smaller masses count as this, which is negligible: exponentials below it are denormal, and slow."""
RANGE = 1e10
"""Larger factors are not used, since float32 is not precise enough; the logarithms are used instead."""
EASY, STEP = 100.0, 8.0
"""A kernel whose logarithms have a wider range than `EASY` is first solved divided by a power of `STEP`."""


@torch.no_grad()
def sinkhorn(
    log_kernel: Float[Tensor, "P N M"],
    row_masses: Float[Tensor, "P N"],
    column_masses: Float[Tensor, "P M"],
    iterations: int = 60,
    tolerance: float = 1e-3,
) -> Float[Tensor, "P N M"]:
    """The plan diag(a) exp(log_kernel) diag(b) with the given marginals.

    Most iterations scale a kernel that contains the potentials so far, by two matrix products. Between them the
    potentials are updated in logarithms, which is stable for any range of costs (Schmitzer, SIAM J. Sci. Comput. 2019).
    The wider the range, the slower the convergence. So a wide range is first solved with larger weights, and each
    solution starts the next (epsilon scaling, ibid.).

    Args:
        log_kernel: -cost / weight, plus the logarithm of a prior if there is one; finite.
        row_masses: mass of each row, with the same sum as `column_masses`; 0 on padding.
        column_masses: mass of each column; the plan has these exactly.
        iterations: most scalings of rows and columns; at most 40 for each of the larger weights.
        tolerance: stop when the error of the rows' sums is less than this share of the mass.
    """
    # Padding has no mass: its potential is -inf, so it adds nothing to the sums.
    columns = torch.where(column_masses > 0, 0, -torch.inf)
    cells = (row_masses > 0)[:, :, None] & (column_masses > 0)[:, None]
    softest = _softest(log_kernel, cells)
    factor = softest.max()
    plan = torch.empty(0)
    while factor >= 1:
        most = iterations if factor == 1 else min(iterations, 2 * INNER)
        found, plan = _iterate(log_kernel / factor, row_masses, column_masses, columns / factor, most, tolerance)
        # A pair with a smaller range starts later, so it does not depend on the other pairs of its batch.
        columns = torch.where((factor <= softest)[:, None], found * factor, columns)
        factor = factor / STEP
    return plan.mul_(cells)


def _softest(log_kernel: Tensor, cells: Tensor) -> Float[Tensor, " P"]:
    """The power of `STEP` that each pair's kernel is first divided by."""
    highest = log_kernel.masked_fill(~cells, -torch.inf).amax(dim=(1, 2))
    lowest = log_kernel.masked_fill(~cells, torch.inf).amin(dim=(1, 2))
    steps = ((highest - lowest) / EASY).log2().div(math.log2(STEP)).ceil()
    # Costs that are not finite are not divided: the plan is then NaN, and the loss is refused by name.
    return STEP ** steps.nan_to_num(nan=0, posinf=0, neginf=0).clamp(min=0)


def _iterate(
    log_kernel: Tensor, row_masses: Tensor, column_masses: Tensor, columns: Tensor, iterations: int, tolerance: float
) -> tuple[Float[Tensor, "P M"], Float[Tensor, "P N M"]]:
    """The potentials of the columns and the plan, after at most `iterations` from given potentials."""
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
        is_stable = (factors < RANGE).all(dim=1, keepdim=True) & (column_masses > 0)
        after = torch.where(is_stable, after + factors.log(), after)
        # A pair that has converged stays as it is while others continue.
        columns = torch.where(is_open, after, columns)
    return torch.where(column_masses > 0, after, -torch.inf), plan


def _log_sum(values: Tensor, dim: int) -> Tensor:
    """Logarithm of the sum of exponentials, without negligible ones; overwrites the values."""
    largest = values.amax(dim=dim, keepdim=True).clamp(min=-1e30)
    return values.sub_(largest).clamp_(min=SMALLEST_LOG).exp_().sum(dim=dim).log() + largest.squeeze(dim)


def _scaled(plan: Tensor, row_masses: Tensor, column_masses: Tensor) -> Float[Tensor, "P M"]:
    """Factors for the columns, after some scalings of a plan."""
    factors = torch.ones_like(column_masses)
    for _ in range(INNER - 1):
        rows = row_masses / (plan @ factors[..., None]).squeeze(2).clamp(min=1e-30)
        factors = column_masses / (rows[:, None] @ plan).squeeze(1).clamp(min=1e-30)
    return factors
