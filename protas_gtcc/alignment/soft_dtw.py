"""Soft dynamic time warping: the soft minimum, over all monotone alignments of two videos, of the summed costs.

    R[i, j] = cost[i, j] + softmin(R[i-1, j-1], R[i-1, j], R[i, j-1]),   softmin(x) = -gamma log sum exp(-x / gamma)

Source: Cuturi & Blondel, Soft-DTW: a Differentiable Loss Function for Time-Series, ICML 2017, algorithms 1 and 2. The
gradient is the expected alignment; a second pass, from the end, computes it without autograd. On the CPU both passes go
cell by cell in compiled code. Elsewhere all cells of an anti-diagonal, which do not depend on each other, are computed
at once. Sums are in float64 where the device has it: they grow with the videos, and are divided by gamma.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from protas_gtcc.alignment.anti_diagonals import expected_alignment, soft_minimum
from protas_gtcc.alignment.pairs import require_positive, wide
from protas_gtcc.storage.compiled_code import compiled


def soft_dtw(
    costs: Float[Tensor, "P N M"],
    gamma: float = 0.1,
    lengths: tuple[Int[Tensor, " P"], Int[Tensor, " P"]] | None = None,
) -> Float[Tensor, " P"]:
    """Soft-DTW of cost matrices, one for each pair of videos; differentiable once.

    Args:
        costs: of aligning frame i of the first video with frame j of the second.
        gamma: temperature of the soft minimum, above 0.
        lengths: frames of each padded first and second video; by default all.

    Raises `ValueError` for a gamma that is not above 0, and for lengths that do not fit the matrices.
    """
    require_positive(gamma=gamma)
    if lengths is None:
        full = costs.new_zeros(costs.shape[0], dtype=torch.int64)
        lengths = full + costs.shape[1], full + costs.shape[2]
    for given, most in zip(lengths, costs.shape[1:], strict=True):
        if len(given) != len(costs) or not 1 <= int(given.min()) <= int(given.max()) <= most:
            raise ValueError(f"lengths {given.tolist()} are not those of {len(costs)} videos of 1 to {most} frames")
    value: Tensor = _SoftDTW.apply(wide(costs), gamma, *lengths)  # type: ignore[no-untyped-call]
    return value


class _SoftDTW(torch.autograd.Function):
    """Saves R and the costs; the backward pass gives the expected alignment."""

    @staticmethod
    def forward(ctx: Any, costs: Tensor, gamma: float, rows: Tensor, columns: Tensor) -> Tensor:
        detached = costs.detach()
        if costs.device.type == "cpu":
            sums = torch.from_numpy(_forward(*_arrays(detached, rows, columns), gamma))
        else:
            sums = soft_minimum(detached, gamma, rows, columns)
        ctx.save_for_backward(detached, sums, rows, columns)
        ctx.gamma = gamma
        return sums[torch.arange(len(rows), device=costs.device), rows, columns].to(costs.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        costs, sums, rows, columns = ctx.saved_tensors
        if costs.device.type == "cpu":
            alignment = torch.from_numpy(_backward(*_arrays(costs, rows, columns), sums.numpy(), ctx.gamma))
        else:
            alignment = expected_alignment(costs, sums, ctx.gamma, rows, columns)
        return grads[0][:, None, None] * alignment.to(costs.dtype), None, None, None


def _arrays(costs: Tensor, rows: Tensor, columns: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.ascontiguousarray(costs.numpy()), rows.cpu().numpy(), columns.cpu().numpy()


@no_type_check
@compiled(parallel=False)
def _forward(costs, rows, columns, gamma):
    """`R [P, N + 1, M + 1]`, float64; infinite on padding."""
    num_pairs, n, m = costs.shape
    sums = np.full((num_pairs, n + 1, m + 1), np.inf)
    for p in range(num_pairs):
        sums[p, 0, 0] = 0.0
        for i in range(1, rows[p] + 1):
            for j in range(1, columns[p] + 1):
                a, b, c = sums[p, i - 1, j - 1], sums[p, i - 1, j], sums[p, i, j - 1]
                lowest = min(a, b, c)
                total = np.exp((lowest - a) / gamma) + np.exp((lowest - b) / gamma) + np.exp((lowest - c) / gamma)
                sums[p, i, j] = costs[p, i - 1, j - 1] + lowest - gamma * np.log(total)
    return sums


@no_type_check
@compiled()
def _backward(costs, rows, columns, sums, gamma):
    """Expected alignment `[P, N, M]`: each cell passes its share on to the cells that its sum was made of."""
    num_pairs, n, m = costs.shape
    shares = np.zeros((num_pairs, n + 1, m + 1))
    for p in range(num_pairs):
        shares[p, rows[p], columns[p]] = 1.0
        for i in range(rows[p], 0, -1):
            for j in range(columns[p], 0, -1):
                share = shares[p, i, j]
                if share > 0.0:
                    softmin = sums[p, i, j] - costs[p, i - 1, j - 1]
                    shares[p, i - 1, j - 1] += share * np.exp((softmin - sums[p, i - 1, j - 1]) / gamma)
                    shares[p, i - 1, j] += share * np.exp((softmin - sums[p, i - 1, j]) / gamma)
                    shares[p, i, j - 1] += share * np.exp((softmin - sums[p, i, j - 1]) / gamma)
    return shares[:, 1:, 1:].astype(costs.dtype)
