"""The layers of a stage. Everything inside the network is `[B, C, T]`; a mask is `[B, 1, T]`, 1 on a video's frames.

x ──┬─ pad ─ dilated convolution ─ ReLU ─ 1x1 ─ dropout ─┬─ + ─ mask ──>
    └────────────────────────────────────────────────────┘
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from protas_gtcc.gru import GRU

KERNEL = 3


class PointwiseConvolution(nn.Conv1d):
    """A 1x1 convolution as a matrix product, which is as fast on a `[B, T, D]` array seen as `[B, D, T]`.

    Features are read in that order, and torch's convolution of such a view takes several times as long on the CPU.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "B I T"]) -> Float[Tensor, "B O T"]:
        """The same for every frame."""
        assert self.bias is not None  # for the type checker
        return torch.baddbmm(self.bias[:, None], self.weight.squeeze(2).expand(len(x), -1, -1), x)


class DilatedResidualLayer(nn.Module):
    """A residual branch that sees frames t, t - d and t - 2d (causal), or t - d, t and t + d (acausal).

    Before the first frame a causal layer sees copies of it (ProTAS); an acausal one sees zeros on both sides (MS-TCN).
    """

    def __init__(self, maps: int, dilation: int, causal: bool, dropout: float):
        super().__init__()
        self.causal = causal
        self.past_frames = dilation * (KERNEL - 1)
        self.conv_dilated = nn.Conv1d(maps, maps, KERNEL, dilation=dilation, padding=0 if causal else dilation)
        self.conv_1x1 = nn.Conv1d(maps, maps, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B F T"], mask: Float[Tensor, "B 1 T"]) -> Float[Tensor, "B F T"]:
        """One layer; padded frames stay 0, which is what an acausal neighbour must see beyond the end."""
        padded = torch.cat([x[..., :1].expand(-1, -1, self.past_frames), x], dim=-1) if self.causal else x
        branch = self.conv_1x1(torch.relu(self.conv_dilated(padded)))
        return (x + self.dropout(branch)) * mask


class ProgressHead(nn.Module):
    """A GRU over the stage's features, then progress of every class (ProTAS)."""

    def __init__(self, maps: int, num_classes: int, causal: bool):
        super().__init__()
        self.gru = GRU(maps, maps, bidirectional=not causal)
        self.conv = nn.Conv1d(maps if causal else 2 * maps, num_classes, 1)

    def forward(self, x: Float[Tensor, "B F T"], mask: Float[Tensor, "B 1 T"]) -> Float[Tensor, "B C T"]:
        """Progress, unbounded, 0 on padded frames."""
        lengths = mask[:, 0].sum(dim=1).long() if self.gru.bidirectional else None
        return self.conv(self.gru(x, lengths)) * mask


class Stage(nn.Module):
    """One temporal convolution stage: features or the stage before's probabilities in, logits and progress out."""

    def __init__(
        self,
        input_dim: int,
        num_classes: int,
        layers: int,
        maps: int,
        causal: bool,
        progress: bool,
        dropout: float,
    ):
        super().__init__()
        self.conv_in = PointwiseConvolution(input_dim, maps)
        self.layers = nn.ModuleList(DilatedResidualLayer(maps, 2**i, causal, dropout) for i in range(layers))
        self.conv_logits = nn.Conv1d(maps, num_classes, 1)
        self.progress_head = ProgressHead(maps, num_classes, causal) if progress else None
        self.fusion = nn.Conv1d(2 * num_classes, num_classes, 1) if progress else None

    def forward(
        self, x: Float[Tensor, "B I T"], mask: Float[Tensor, "B 1 T"]
    ) -> tuple[Float[Tensor, "B C T"], Float[Tensor, "B C T"] | None]:
        """Logits, fused with the progress where there is a progress head, and that progress (else None)."""
        # Without this mask the 1x1 convolution's bias would leak from the padding into acausal layers.
        x = self.conv_in(x) * mask
        for layer in self.layers:
            x = layer(x, mask)
        logits = self.conv_logits(x) * mask
        if self.progress_head is None or self.fusion is None:
            return logits, None
        progress = self.progress_head(x, mask)
        return self.fusion(torch.cat([logits, progress], dim=1)) * mask, progress


class GraphCost(nn.Module):
    """How much the task graph speaks against each class at each frame (ProTAS).

    A class costs by how little of its usual predecessors, and how much of its usual successors, is done; done is the
    running maximum of progress. `pre` and `suc` `[C, C]` may be learnt; `pre_counted` and `suc_counted` are copies, so
    that the regulariser measures a real distance (the reference code shared their storage, and it was always 0).
    """

    pre_counted: Tensor
    suc_counted: Tensor

    def __init__(self, num_classes: int, learnable: bool):
        super().__init__()
        zeros = torch.zeros(num_classes, num_classes)
        self.pre = nn.Parameter(zeros.clone(), requires_grad=learnable)
        self.suc = nn.Parameter(zeros.clone(), requires_grad=learnable)
        self.register_buffer("pre_counted", zeros.clone())
        self.register_buffer("suc_counted", zeros.clone())

    def set_counted(self, pre: Tensor, suc: Tensor) -> None:
        """Start from matrices counted on training transcripts, each `[C, C]`."""
        with torch.no_grad():
            for one in (self.pre, self.pre_counted):
                one.copy_(pre)
            for one in (self.suc, self.suc_counted):
                one.copy_(suc)

    def forward(self, progress: Float[Tensor, "B C T"]) -> Float[Tensor, "B C T"]:
        """Cost of each class at each frame, given the last stage's progress."""
        with torch.autocast(progress.device.type, enabled=False):
            done = torch.cummax(progress.float().clamp(0, 1), dim=-1).values
            return self.pre.t() @ (1 - done) + self.suc.t() @ done

    def deviation(self) -> Float[Tensor, ""]:
        """Mean squared distance of the learnt matrices from the counted ones, summed over the two.

        The authors' code has a term for `pre` only (and it is always 0); the paper's graph is both.
        """
        return (self.pre - self.pre_counted).square().mean() + (self.suc - self.suc_counted).square().mean()
