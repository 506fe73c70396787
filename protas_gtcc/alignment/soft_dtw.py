"""Soft dynamic time warping: the soft minimum, over all monotone alignments of two videos, of the summed costs.

    R[i, j] = cost[i, j] + softmin(R[i-1, j-1], R[i-1, j], R[i, j-1]),   softmin(x) = -gamma log sum exp(-x / gamma)

Source: Cuturi & Blondel, Soft-DTW: a Differentiable Loss Function for Time-Series, ICML 2017, algorithms 1 and 2. The
gradient is the expected alignment, which a second pass from the end computes without autograd's record of the first. On
a processor both passes go cell by cell in compiled code; elsewhere all cells of an anti-diagonal, which do not depend
on each other, are computed at once. Sums are kept in float64 where the device has it: they grow with the videos, and
are divided by gamma.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from protas_gtcc.alignment.anti_diagonals import expected_alignment, soft_minimum
from protas_gtcc.alignment.pairs import require_positive, wide


def soft_dtw(
    costs: Float[Tensor, "P N M"],
    gamma: float = 0.1,
    lengths: tuple[Int[Tensor, " P"], Int[Tensor, " P"]] | None = None,
    band_frames: int | None = None,
) -> Float[Tensor, " P"]:
    """Soft-DTW of matrices of costs, one for each pair of videos; differentiable once.

    Args:
        costs: of aligning frame i of the first with frame j of the second.
        gamma: temperature of the soft minimum, above 0.
        lengths: frames of each padded first and second video; by default all.
        band_frames: cells further than this from the diagonal that joins the corners, in frames of the longer video,
            are left out (Sakoe & Chiba); by default none. The same for both orders of the videos.

    Raises `ValueError` for a gamma that is not above 0, lengths that are not those of videos in the matrices, and a
    band that is negative or too narrow to lead from corner to corner.
    """
    require_positive(gamma=gamma)
    if lengths is None:
        full = costs.new_zeros(costs.shape[0], dtype=torch.int64)
        lengths = full + costs.shape[1], full + costs.shape[2]
    for given, most in zip(lengths, costs.shape[1:], strict=True):
        if len(given) != len(costs) or not 1 <= int(given.min()) <= int(given.max()) <= most:
            raise ValueError(f"lengths {given.tolist()} are not those of {len(costs)} videos of 1 to {most} frames")
    if band_frames is not None and band_frames < 0:
        raise ValueError(f"band_frames is {band_frames}; it must not be negative")
    value: Tensor = _SoftDTW.apply(wide(costs), gamma, *lengths, band_frames)  # type: ignore[no-untyped-call]
    if band_frames is not None and bool(torch.isinf(value).any()):
        _require_joined(band_frames, *lengths)
    return value


def _require_joined(band: int, rows: Int[Tensor, " P"], columns: Int[Tensor, " P"]) -> None:
    """Raise `ValueError` unless cells of the band join the corners: costs of 0 then sum to something finite."""
    free = torch.zeros(len(rows), int(rows.max()), int(columns.max()))
    sums = _forward(*_arrays(free, rows, columns), 1.0, band)
    if np.isinf(sums[np.arange(len(rows)), rows.cpu().numpy(), columns.cpu().numpy()]).any():
        raise ValueError(f"a band of {band} frames is too narrow for videos of such unlike lengths")


class _SoftDTW(torch.autograd.Function):
    """Saves R and the costs; the backward pass gives the expected alignment."""

    @staticmethod
    def forward(ctx: Any, costs: Tensor, gamma: float, rows: Tensor, columns: Tensor, band: int | None) -> Tensor:
        detached = costs.detach()
        if costs.device.type == "cpu":
            sums = torch.from_numpy(_forward(*_arrays(detached, rows, columns), gamma, -1 if band is None else band))
        else:
            sums = soft_minimum(detached, gamma, rows, columns, band)
        ctx.save_for_backward(detached, sums, rows, columns)
        ctx.gamma, ctx.band = gamma, band
        return sums[torch.arange(len(rows), device=costs.device), rows, columns].to(costs.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        costs, sums, rows, columns = ctx.saved_tensors
        if costs.device.type == "cpu":
            alignment = torch.from_numpy(_backward(*_arrays(costs, rows, columns), sums.numpy(), ctx.gamma))
        else:
            alignment = expected_alignment(costs, sums, ctx.gamma, rows, columns)
        return grads[0][:, None, None] * alignment.to(costs.dtype), None, None, None, None


def _arrays(costs: Tensor, rows: Tensor, columns: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.ascontiguousarray(costs.numpy()), rows.cpu().numpy(), columns.cpu().numpy()


@no_type_check
@numba.njit(cache=True, parallel=False)
def _forward(costs, rows, columns, gamma, band):
    """`R [P, N + 1, M + 1]`, float64; infinite outside the videos and the band."""
    num_pairs, n, m = costs.shape
    sums = np.full((num_pairs, n + 1, m + 1), np.inf)
    for p in range(num_pairs):
        sums[p, 0, 0] = 0.0
        height, width = rows[p], columns[p]
        for i in range(1, height + 1):
            first, last = 1, width
            if band >= 0:  # |(2 i - 1) M - (2 j - 1) N| <= 2 band min(N, M), solved for j
                middle, half = (2 * i - 1) * width + height, 2 * band * min(width, height)
                first = max(1, -((half - middle) // (2 * height)))
                last = min(width, (middle + half) // (2 * height))
            for j in range(first, last + 1):
                a, b, c = sums[p, i - 1, j - 1], sums[p, i - 1, j], sums[p, i, j - 1]
                lowest = min(a, b, c)
                if lowest < np.inf:
                    total = np.exp((lowest - a) / gamma) + np.exp((lowest - b) / gamma) + np.exp((lowest - c) / gamma)
                    sums[p, i, j] = costs[p, i - 1, j - 1] + lowest - gamma * np.log(total)
    return sums


@no_type_check
@numba.njit(cache=True)
def _backward(costs, rows, columns, sums, gamma):
    """Expected alignment `[P, N, M]`: each cell hands its share to the cells that its sum was made of."""
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
