"""Soft-DTW by anti-diagonals: cells with the same i + j depend on the two anti-diagonals before them alone.

Works on any device; `soft_dtw` uses it where there is no compiled loop. All arrays are kept by `[P, i, j]`, and an
anti-diagonal is the view of a flat array at equal steps, so that nothing is copied into another order.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def soft_minimum(
    costs: Float[Tensor, "P N M"],
    gamma: float,
    rows: Int[Tensor, " P"],
    columns: Int[Tensor, " P"],
    band_frames: int | None = None,
) -> Float[Tensor, "P N1 M1"]:
    """The sums R of `protas_gtcc.alignment.soft_dtw`, with a row and a column before the first; infinite outside."""
    num_pairs, n, m = costs.shape
    sums = costs.new_full((num_pairs, n + 1, m + 1), torch.inf, dtype=_sum_type(costs))
    sums[:, 0, 0] = 0
    inside = _inside(costs, rows, columns, band_frames)
    costs = costs.to(sums.dtype).masked_fill(~inside, torch.inf)
    for k in range(2, n + m + 1):
        corner, above, left = _neighbours(sums, k)
        before = torch.stack([corner, above, left])
        # The least is taken out by hand: three infinities give an infinity, where logsumexp would give NaN.
        least = before.amin(dim=0)
        shift = least.masked_fill(least == torch.inf, 0)
        softmin = shift - gamma * torch.logsumexp((shift - before) / gamma, dim=0)
        _cells(sums, k)[:] = _cells(costs, k, first=0) + softmin
    return sums


def expected_alignment(
    costs: Float[Tensor, "P N M"],
    sums: Float[Tensor, "P N1 M1"],
    gamma: float,
    rows: Int[Tensor, " P"],
    columns: Int[Tensor, " P"],
) -> Float[Tensor, "P N M"]:
    """The gradient by the costs: how much of the soft alignment goes through each cell."""
    num_pairs, n, m = costs.shape
    shares = torch.zeros_like(sums)
    shares[torch.arange(num_pairs, device=costs.device), rows, columns] = 1
    costs = costs.to(sums.dtype)
    for k in range(n + m, 1, -1):
        share = _cells(shares, k)
        softmin = _cells(sums, k) - _cells(costs, k, first=0)
        for to, before in zip(_neighbours(shares, k), _neighbours(sums, k), strict=True):
            weight = ((softmin - before) / gamma).exp()
            to += torch.where(share > 0, share * weight, 0)
    return shares[:, 1:, 1:]


def _sum_type(costs: Tensor) -> torch.dtype:
    return torch.float32 if costs.device.type == "mps" else torch.float64


def _cells(array: Tensor, k: int, first: int = 1) -> Tensor:
    """The view `[P, L]` of an anti-diagonal: cells i + j = k of rows and columns that count from 1.

    `first` is the index of row and column 1 in the array.
    """
    height, width = array.shape[1] - first, array.shape[2] - first
    top, bottom = max(1, k - width), min(height, k - 1)
    return _strided(array, top - 1 + first, k - top - 1 + first, bottom - top + 1)


def _neighbours(array: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Views of the cells at (i-1, j-1), (i-1, j) and (i, j-1) of those of `_cells(array, k)`."""
    height, width = array.shape[1] - 1, array.shape[2] - 1
    top, bottom = max(1, k - width), min(height, k - 1)
    length, j = bottom - top + 1, k - top
    return (
        _strided(array, top - 1, j - 1, length),
        _strided(array, top - 1, j, length),
        _strided(array, top, j - 1, length),
    )


def _strided(array: Tensor, i: int, j: int, length: int) -> Tensor:
    """Cells (i, j), (i+1, j-1), …"""
    pair, row, column = array.stride()
    offset = array.storage_offset() + i * row + j * column
    return array.as_strided((array.shape[0], length), (pair, row - column), offset)


def _inside(costs: Tensor, rows: Tensor, columns: Tensor, band_frames: int | None) -> Tensor:
    """True on the cells of both videos, and of the band if there is one."""
    i = torch.arange(1, costs.shape[1] + 1, device=costs.device)[None, :, None]
    j = torch.arange(1, costs.shape[2] + 1, device=costs.device)[None, None]
    height, width = rows[:, None, None], columns[:, None, None]
    inside = (i <= height) & (j <= width)
    if band_frames is None:
        return inside
    # The middles of frames, as shares of the videos, times 2 N M: whole numbers, so that no edge of a band is rounded.
    apart = ((2 * i - 1) * width - (2 * j - 1) * height).abs()
    return inside & (apart <= 2 * band_frames * torch.minimum(width, height))
