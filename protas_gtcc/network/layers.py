"""The layers of a stage. Everything inside the network is `[B, C, T]`.

x ──┬─ past ─ dilated convolution ─ ReLU ─ 1x1 ─ dropout ─┬─ + ─ mask ──>
    └─────────────────────────────────────────────────────┘

A mask is `[B, 1, T]`, 1 on a video's frames and 0 on padding; None: there is no padding. A causal layer takes the
frames it needs from before a chunk, and returns those that the next chunk needs. So the same code runs whole videos and
streams.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from protas_gtcc.config import ModelConfig
from protas_gtcc.network.gru import GRU

KERNEL = 3


class StageState(NamedTuple):
    """What a stage keeps from the frames before a chunk."""

    past: list[Float[Tensor, "B F P"]]
    """The last inputs of each dilated layer, P = 2 * dilation of them."""
    hidden: Float[Tensor, "B F"] | None
    """State of the GRU; None in a stage without progress."""


def masked(x: Float[Tensor, "B F T"], mask: Float[Tensor, "B 1 T"] | None) -> Float[Tensor, "B F T"]:
    """0 on padded frames."""
    return x if mask is None else x * mask


class FeatureStandardisation(nn.Module):
    """Base of a network whose weights include the mean and the scale of its input features."""

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, feature_dim: int, standardise: bool = True):
        super().__init__()
        self.feature_dim = feature_dim
        if standardise:
            self.register_buffer("feature_mean", torch.zeros(feature_dim))
            self.register_buffer("feature_scale", torch.ones(feature_dim))

    def set_features(self, mean: Float[Tensor, " D"], deviation: Float[Tensor, " D"]) -> None:
        """Standardise with these; a feature with under a millionth of the largest deviation is only centred."""
        varies = deviation > 1e-6 * deviation.max()
        self.feature_mean.copy_(mean)
        self.feature_scale.copy_(torch.where(varies, 1 / torch.where(varies, deviation, 1.0), 1.0))


class PointwiseConvolution(nn.Conv1d):
    """A 1x1 convolution as a matrix product, which is as fast on a `[B, T, D]` array seen as `[B, D, T]`.

    Features are read in that order, and torch's convolution of such a view is several times slower on the CPU.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "B I T"]) -> Float[Tensor, "B O T"]:
        """The same linear layer at every frame."""
        assert self.bias is not None  # for the type checker
        return torch.baddbmm(self.bias[:, None], self.weight.squeeze(2).expand(x.shape[0], -1, -1), x)


class Dropout(nn.Dropout):
    """`nn.Dropout`, whose draws take four times as long on the CPU."""

    def forward(self, x: Float[Tensor, "B F T"]) -> Float[Tensor, "B F T"]:
        """Drop each value with probability `p` in training, and scale the others."""
        if x.is_cuda or not self.training or self.p == 0:
            return super().forward(x)
        kept = torch.rand(x.shape, device=x.device) >= self.p
        return x * (kept / (1 - self.p)).to(x.dtype)


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
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "B F T"],
        mask: Float[Tensor, "B 1 T"] | None = None,
        past: Float[Tensor, "B F P"] | None = None,
        is_first: Bool[Tensor, "B 1 1"] | None = None,
    ) -> tuple[Float[Tensor, "B F T"], Float[Tensor, "B F U"]]:
        """The layer's output, and the convolution's input: `past` and `x`.

        Padded frames stay 0, as an acausal layer needs beyond the end. The chunk starts the video if `past` is None, or
        where `is_first` is true. For a chunk of one frame, `past` may hold only frames t - 2d and t - d.
        """
        if not self.causal:
            seen, hidden = x, self.conv_dilated(x)
        else:
            before = x[..., :1].expand(-1, -1, self.past_frames) if past is None else past
            if past is not None and is_first is not None:
                before = torch.where(is_first, x[..., :1], past)
            seen = torch.cat([before, x], dim=-1)
            # Over the frames t - 2d, t - d and t alone, the dilation is 1.
            dilation = before.shape[-1] // (KERNEL - 1)
            hidden = functional.conv1d(seen, self.conv_dilated.weight, self.conv_dilated.bias, dilation=dilation)
        branch = self.conv_1x1(torch.relu(hidden))
        return masked(x + self.dropout(branch), mask), seen


class ProgressHead(nn.Module):
    """A GRU over the stage's features, then progress of every class (ProTAS)."""

    def __init__(self, maps: int, num_classes: int, causal: bool):
        super().__init__()
        self.gru = GRU(maps, maps, bidirectional=not causal)
        self.conv = nn.Conv1d(maps if causal else 2 * maps, num_classes, 1)

    def forward(
        self,
        x: Float[Tensor, "B F T"],
        mask: Float[Tensor, "B 1 T"] | None = None,
        hidden: Float[Tensor, "B F"] | None = None,
    ) -> tuple[Float[Tensor, "B C T"], Float[Tensor, "B G"]]:
        """Progress, unbounded, 0 on padded frames; and the GRU's state after the last frame.

        `hidden`: its state before the first one.
        """
        lengths = None if mask is None or not self.gru.bidirectional else mask[:, 0].sum(dim=1).long()
        states = self.gru(x, lengths, hidden)
        return masked(self.conv(states), mask), states[..., -1]


class Stage(nn.Module):
    """One temporal convolution stage: features or the stage before's probabilities in, logits and progress out."""

    def __init__(self, input_dim: int, num_classes: int, config: ModelConfig):
        super().__init__()
        maps, causal = config.maps, config.causal
        layers = (DilatedResidualLayer(maps, 2**i, causal, config.dropout) for i in range(config.layers))
        self.conv_in = PointwiseConvolution(input_dim, maps)
        self.layers = nn.ModuleList(layers)
        self.conv_logits = nn.Conv1d(maps, num_classes, 1)
        self.progress_head = ProgressHead(maps, num_classes, causal) if config.progress else None
        self.fusion = nn.Conv1d(2 * num_classes, num_classes, 1) if config.progress and config.fusion else None

    def forward(
        self,
        x: Float[Tensor, "B I T"],
        mask: Float[Tensor, "B 1 T"] | None = None,
        state: StageState | None = None,
        is_first: Bool[Tensor, "B 1 1"] | None = None,
    ) -> tuple[Float[Tensor, "B C T"], Float[Tensor, "B C T"] | None, StageState | None]:
        """Logits, with `fusion` mixed with the progress; the progress, None without a head; the next state.

        Without a state the chunk is a whole video, and there is no next one.
        """
        # Without this mask the bias of the 1x1 convolution would leak from the padding into acausal layers.
        x = masked(self.conv_in(x), mask)
        past, hidden = [], None
        for number, layer in enumerate(self.layers):
            before = None if state is None else state.past[number]
            x, seen = layer(x, mask, before, is_first)
            if before is not None:
                past.append(seen[..., -before.shape[-1] :])
        logits, progress = masked(self.conv_logits(x), mask), None
        if self.progress_head is not None:
            progress, hidden = self.progress_head(x, mask, None if state is None else state.hidden)
        if progress is not None and self.fusion is not None:
            logits = masked(self.fusion(torch.cat([logits, progress], dim=1)), mask)
        return logits, progress, None if state is None else StageState(past, hidden)

    def start(self, batch: int) -> StageState:
        """The state before the first frame of `batch` streams, all 0."""
        weight = self.conv_in.weight
        layers = [cast(DilatedResidualLayer, layer) for layer in self.layers]
        past = [weight.new_zeros(batch, len(weight), layer.past_frames) for layer in layers]
        return StageState(past, None if self.progress_head is None else weight.new_zeros(batch, len(weight)))


class GraphCost(nn.Module):
    """The task graph's cost of each class at each frame (ProTAS).

    The cost of a class is high if little of its usual predecessors, or much of its usual successors, is done. What is
    done is the running maximum of progress. `pre` and `suc` `[C, C]` may be learnt. `pre_counted` and `suc_counted` are
    copies, so that the regulariser is a real distance: in the reference code they share storage, and it is always 0.
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
        """Start from matrices that were counted on training transcripts, each `[C, C]`."""
        with torch.no_grad():
            for one in (self.pre, self.pre_counted):
                one.copy_(pre)
            for one in (self.suc, self.suc_counted):
                one.copy_(suc)

    def forward(
        self, progress: Float[Tensor, "B C T"], done: Float[Tensor, "B C"] | None = None
    ) -> tuple[Float[Tensor, "B C T"], Float[Tensor, "B C"]]:
        """Cost of each class at each frame, from the last stage's progress; and what is done after the last frame.

        `done`: what is done before the first frame, 0 at the start of a video.
        """
        with torch.autocast(progress.device.type, enabled=False):
            highest = torch.cummax(progress.float().clamp(0, 1), dim=-1).values
            if done is not None:
                highest = torch.maximum(highest, done[..., None])
            return self.pre.t() @ (1 - highest) + self.suc.t() @ highest, highest[..., -1]

    def deviation(self) -> Float[Tensor, ""]:
        """Mean squared distance of the learnt matrices from the counted ones, summed over the two.

        The authors' code has a term for `pre` only, which is always 0; the graph in the paper is both matrices.
        """
        return (self.pre - self.pre_counted).square().mean() + (self.suc - self.suc_counted).square().mean()
