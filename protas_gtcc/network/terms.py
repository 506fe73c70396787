"""Loss terms: named values, one for each video of a batch (or pair of videos, or segment), and a dict of weights.

Losses return their terms unweighted. Only here are they weighted, summed and checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from protas_gtcc.errors import InputError

Terms = dict[str, Float[Tensor, "*B"]]


def weigh(terms: Mapping[str, Float[Tensor, "*B"]], weights: Mapping[str, float]) -> Terms:
    """Each term times the weight of its name. `weights` may name terms that are not there."""
    return {name: weights[name] * values for name, values in terms.items()}


def total_loss(weighted: Mapping[str, Float[Tensor, "*B"]]) -> Float[Tensor, "*B"]:
    """The sum of weighted terms, for each video."""
    return torch.stack(list(weighted.values())).sum(dim=0)


def require_finite(terms: Mapping[str, Float[Tensor, " B"]], names: Sequence[str], where: str) -> None:
    """Raise `InputError` if any value is NaN or infinite.

    Args:
        terms: the values to check.
        names: what each of them belongs to, for the message: `video X`, `videos X and Y`, `segment N of video X`.
        where: epoch and step, for the message.
    """
    if bool(torch.isfinite(torch.stack(list(terms.values()))).all()):
        return
    for term, values in terms.items():
        for name, value in zip(names, values.tolist(), strict=True):
            if not math.isfinite(value):
                raise InputError(
                    f"loss term {term} is {value} for {name} at {where}; "
                    "lower the learning rate, clip the gradient, or use --precision 32"
                )
