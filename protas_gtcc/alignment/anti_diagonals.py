"""Soft-DTW by anti-diagonals: cells with the same i + j depend only on the two anti-diagonals before them.

Works on any device; `soft_dtw` uses it where there is no compiled loop. All arrays are indexed `[P, i, j]`. An
anti-diagonal is a strided view of such an array, so nothing is copied.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from protas_gtcc.network.padding import frame_mask


def soft_minimum(
    costs: Float[Tensor, "P N M"], gamma: float, rows: Int[Tensor, " P"], columns: Int[Tensor, " P"]
) -> Float[Tensor, "P N1 M1"]:
    """The sums R of `protas_gtcc.alignment.soft_dtw`, with a row and a column before the first; infinite on padding."""
    num_pairs, n, m = costs.shape
    precision = torch.float32 if costs.device.type == "mps" else torch.float64
    sums = costs.new_full((num_pairs, n + 1, m + 1), torch.inf, dtype=precision)
    sums[:, 0, 0] = 0
    is_cell = frame_mask(rows, n)[:, :, None] & frame_mask(columns, m)[:, None]
    costs = costs.to(sums.dtype).masked_fill(~is_cell, torch.inf)
    for k in range(2, n + m + 1):
        corner, above, left = _neighbours(sums, k)
        before = torch.stack([corner, above, left])
        # The least is subtracted first: three infinities give an infinity, where logsumexp would give NaN.
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
    """The gradient by the costs: the probability that the soft alignment goes through each cell."""
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
