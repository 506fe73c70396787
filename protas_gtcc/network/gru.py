"""A gated recurrent unit with torch's parameters and results, several times faster to train on the CPU.

With torch's CPU kernel autograd records a dozen small operations a frame, each with its own weight gradient. Here the
recurrence has its own backward pass, and both passes are compiled loops over frames (`recurrence.py`). The derivatives
of the gates are computed for all frames at once, and the weight gradient is a single matrix product at the end.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class GRU(nn.GRU):
    """`nn.GRU` of one layer over `[B, F, T]`; always in float32, because rounding errors add up over frames."""

    def __init__(self, input_size: int, hidden_size: int, bidirectional: bool = False):
        super().__init__(input_size, hidden_size, batch_first=True, bidirectional=bidirectional)

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "B F T"], lengths: Tensor | None = None, hidden: Float[Tensor, "B H"] | None = None
    ) -> Float[Tensor, "B G T"]:
        """Run over time, from the state `hidden` (else 0).

        `lengths` `[B]` are needed only when bidirectional: the backward direction must not start in the padding. What
        comes out behind a video's end means nothing.
        """
        with torch.autocast(x.device.type, enabled=False):
            frames = x.float().transpose(1, 2)
            before = None if hidden is None else hidden[None]
            if torch.is_grad_enabled() and x.device.type == "cpu":
                out = self._trainable(frames, lengths, hidden)
            elif self.bidirectional and lengths is not None:
                packed = pack_padded_sequence(frames, lengths.cpu(), batch_first=True, enforce_sorted=False)
                out, _ = pad_packed_sequence(super().forward(packed)[0], batch_first=True, total_length=x.shape[2])
            else:
                out = super().forward(frames, before)[0]
        return out.transpose(1, 2)

    def _trainable(
        self, frames: Float[Tensor, "B T F"], lengths: Tensor | None, before: Float[Tensor, "B H"] | None
    ) -> Float[Tensor, "B T G"]:
        if not self.bidirectional:
            return self._one_direction(frames, "", before)
        ahead = _each_reversed(frames, lengths)
        back = _each_reversed(self._one_direction(ahead, "_reverse", None), lengths)
        return torch.cat([self._one_direction(frames, "", before), back], dim=2)

    def _one_direction(
        self, frames: Float[Tensor, "B T F"], suffix: str, before: Float[Tensor, "B H"] | None
    ) -> Float[Tensor, "B T H"]:
        names = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
        weight_in, weight, bias_in, bias = (cast(Tensor, getattr(self, f"{name}{suffix}")) for name in names)
        inputs = functional.linear(frames, weight_in, bias_in).transpose(0, 1)
        initial = frames.new_zeros(frames.shape[0], self.hidden_size) if before is None else before.float()
        hidden: Tensor = _Recurrence.apply(inputs, weight, bias, initial)  # type: ignore[no-untyped-call]
        return hidden.transpose(0, 1)


def _each_reversed(frames: Float[Tensor, "B T F"], lengths: Tensor | None) -> Float[Tensor, "B T F"]:
    """Each video's own frames from the last to the first; its padding stays behind them."""
    if lengths is None:
        return frames.flip(1)
    places = torch.arange(frames.shape[1], device=frames.device)
    ends = lengths.to(frames.device)[:, None]
    return frames.gather(1, torch.where(places < ends, ends - 1 - places, places)[:, :, None].expand_as(frames))


class _Recurrence(torch.autograd.Function):
    """`inputs [T, B, 3H]` (reset, update, new; input biases included), `weight [3H, H]` -> hidden states `[T, B, H]`.

    r, z = sigmoid(inputs + W h + b);  n = tanh(inputs + r (W h + b));  h' = n + z (h - n)
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, initial: Tensor) -> Tensor:
        from protas_gtcc.network.recurrence import run_forward  # here, because importing numba takes half a second

        num_frames, batch, width = inputs.shape[0], inputs.shape[1], inputs.shape[2] // 3
        hidden = inputs.new_empty(num_frames + 1, batch, width)
        hidden[0] = initial
        gates, new = inputs.new_empty(num_frames, batch, 2 * width), inputs.new_empty(num_frames, batch, width)
        recurrent = torch.empty_like(new)
        given = inputs.contiguous(), weight.t().contiguous(), bias.contiguous(), hidden, gates, new, recurrent
        run_forward(*(one.detach().numpy() for one in given))
        ctx.save_for_backward(hidden, gates, new, recurrent, weight)
        return hidden[1:]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        from protas_gtcc.network.recurrence import run_backward

        hidden, gates, new, recurrent, weight = ctx.saved_tensors
        num_frames, batch, width = new.shape
        r, z = gates[..., :width], gates[..., width:]
        # d(new before tanh)/dh', and from it the slope of each gate: everything but dh' itself is known here.
        to_new = (1 - z) * (1 - new * new)
        to_reset = to_new * recurrent * r * (1 - r)
        to_update = (hidden[:-1] - new) * z * (1 - z)
        slopes = torch.cat([to_reset, to_update, to_new * r], dim=2)
        total, grad_gates = torch.empty_like(new), torch.empty_like(slopes)
        given = grad_outputs[0].contiguous(), slopes, z.contiguous(), weight.contiguous(), total, grad_gates
        run_backward(*(one.detach().numpy() for one in given))
        flat = grad_gates.view(num_frames * batch, 3 * width)
        grad_weight = flat.t() @ hidden[:-1].reshape(num_frames * batch, width)
        grad_inputs = torch.cat([grad_gates[..., : 2 * width], total * to_new], dim=-1)
        grad_initial = total[0] * z[0] + grad_gates[0] @ weight
        return grad_inputs, grad_weight, flat.sum(0), grad_initial
