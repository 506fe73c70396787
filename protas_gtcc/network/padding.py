"""Videos (or segments) of unequal lengths in one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def pad(parts: Sequence[Tensor], value: int = 0) -> tuple[Tensor, Int[Tensor, " B"]]:
    """Parts `[T, ...]`, each filled with `value` up to the longest, as `[B, T, ...]`; and the frames of each."""
    lengths = torch.tensor([len(part) for part in parts], device=parts[0].device)
    return pad_sequence(list(parts), batch_first=True, padding_value=value), lengths


def frame_mask(lengths: Int[Tensor, " B"], num_frames: int) -> Bool[Tensor, "B T"]:
    """True on a video's frames, False on padding."""
    return torch.arange(num_frames, device=lengths.device) < lengths[:, None]
