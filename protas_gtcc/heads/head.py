"""A scalar head: from a segment's embeddings so far to its progress, the same for every action.

    embeddings ── first convolution ── + position or count ── body ── readout ── sigmoid ──> progress in (0, 1)
      [T, D]        (if any)            (k / n, frames so far)

Progress at frame t depends only on frames up to t, and is the same whether a prefix or the whole segment is given.
Without position one pass computes all frames. Position is relative to the number of frames so far, so it changes for
all earlier frames with each new one: then each frame needs a pass over its own prefix.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from protas_gtcc.errors import InputError
from protas_gtcc.heads.attention import CausalTransformer
from protas_gtcc.heads.config import HeadConfig
from protas_gtcc.heads.convolution import CausalConvolution, DilatedConvolutions
from protas_gtcc.heads.inputs import frames_seen, positions
from protas_gtcc.heads.recurrent import Recurrence, RunningMean
from protas_gtcc.network.layers import feature_scale

INITIAL_LOGIT = -2.0
"""Initial bias of the last layer, as published: an untrained head reports about .12."""
PREFIXES_AT_ONCE = 64


class ScalarHead(nn.Module):
    """Progress of segments. Raises `InputError` if the embeddings are not of the size that it was made for."""

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, config: HeadConfig, feature_dim: int):
        super().__init__()
        self.config, self.feature_dim = config, feature_dim
        self.register_buffer("feature_mean", torch.zeros(feature_dim))
        self.register_buffer("feature_scale", torch.ones(feature_dim))
        self.first_conv = CausalConvolution(feature_dim, config.first_conv) if config.first_conv else None
        self.body = make_body(config, feature_dim + config.position + config.frames_seen)
        self.readout = nn.Sequential(
            nn.Linear(config.hidden, config.readout), nn.ReLU(), last := nn.Linear(config.readout, 1)
        )
        nn.init.constant_(last.bias, INITIAL_LOGIT)

    def forward(
        self, segments: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B T"]:
        """Progress at every frame of segments that are padded at their ends; 0 on padding.

        `lengths` None: there is no padding.
        """
        x = self._inputs(segments)
        frames = torch.arange(x.shape[1], device=x.device)
        valid = frames < (torch.full((len(x), 1), x.shape[1]).to(frames) if lengths is None else lengths[:, None])
        if not self.config.position:
            return torch.where(valid, self._read(self.body(x)), 0)
        segment, last = valid.nonzero(as_tuple=True)
        return x.new_zeros(valid.shape).index_put((segment, last), self._of_prefixes(x, segment, last))

    def at_frames(self, segments: Float[Tensor, "B T D"], frames: Int[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Progress at K frames of each segment, as in `forward`; cheaper with position, where each frame is a pass."""
        if not self.config.position:
            return self.forward(segments).gather(1, frames)
        segment = torch.arange(len(frames), device=frames.device).repeat_interleave(frames.shape[1])
        return self._of_prefixes(self._inputs(segments), segment, frames.flatten()).view(frames.shape)

    def progress(self, segment: Float[Tensor, "T D"]) -> Float[Tensor, " T"]:
        """Progress at every frame of one segment."""
        return self.forward(segment[None])[0]

    def set_features(self, mean: Float[Tensor, " D"], deviation: Float[Tensor, " D"]) -> None:
        """Standardise with these; a feature that (almost) never varies is only centred."""
        self.feature_mean.copy_(mean)
        self.feature_scale.copy_(feature_scale(deviation))

    def _inputs(self, segments: Float[Tensor, "B T D"]) -> Float[Tensor, "B T I"]:
        if segments.shape[2] != self.feature_dim:
            raise InputError(f"embeddings are {segments.shape[2]} wide; the head was made for {self.feature_dim}")
        x = (segments - self.feature_mean) * self.feature_scale
        if self.first_conv is not None:
            x = self.first_conv(x)
        return torch.cat([x, frames_seen(x)], dim=2) if self.config.frames_seen else x

    def _read(self, states: Float[Tensor, "*L H"]) -> Float[Tensor, "*L"]:
        return torch.sigmoid(self.readout(states).squeeze(-1))

    def _of_prefixes(
        self, x: Float[Tensor, "B T I"], segment: Int[Tensor, " P"], last: Int[Tensor, " P"]
    ) -> Float[Tensor, " P"]:
        """Progress at the last frame of prefixes of the segments; the shortest first, so there is little padding."""
        order = last.argsort()
        states = []
        for part in torch.split(order, PREFIXES_AT_ONCE):
            num_frames = int(last[part].max()) + 1
            seen = x[segment[part], :num_frames]
            inputs = torch.cat([seen, positions(last[part] + 1, num_frames).to(x.dtype)], dim=2)
            states.append(self.body(inputs)[torch.arange(len(part), device=x.device), last[part]])
        return self._read(torch.cat(states)[order.argsort()])


def make_body(config: HeadConfig, width: int) -> nn.Module:
    """The body: from inputs `[B, T, width]` to states `[B, T, H]`."""
    if config.architecture == "gru":
        return Recurrence(width, config.hidden, learnt_start=config.position)
    if config.architecture == "mlp":
        return RunningMean(width, config.hidden)
    if config.architecture == "conv":
        return DilatedConvolutions(width, config.hidden, config.conv_layers, config.dropout)
    return CausalTransformer(width, config.hidden, config.attention_heads, config.attention_layers, config.dropout)
