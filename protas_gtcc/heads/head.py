"""A scalar head: from a segment's embeddings so far to its progress, the same for every action.

    embeddings ── first convolution ── + position or count ── body ── readout ── sigmoid ──> progress in (0, 1)
      [T, D]        (if any)            (k / n, frames so far)

Progress at frame t depends only on frames up to t, and is the same whether a prefix or the whole segment is given.
Without position one pass computes all frames. Position is relative to the number of frames so far, so it changes for
all earlier frames with each new one. With it, each frame needs a pass over its own prefix.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from protas_gtcc.errors import InputError
from protas_gtcc.heads.bodies import CausalConvolution, make_body
from protas_gtcc.heads.config import HeadConfig
from protas_gtcc.network.layers import FeatureStandardisation
from protas_gtcc.network.padding import frame_mask

INITIAL_LOGIT = -2.0
"""Initial bias of the last layer, as published: an untrained head reports about .12."""
PREFIXES_AT_ONCE = 64
FRAMES_SCALE = 300
"""Number of frames so far that counts as 1, as in the published heads."""


class ScalarHead(FeatureStandardisation):
    """Progress of segments. Raises `InputError` if the embeddings are not of the size that it was made for."""

    def __init__(self, config: HeadConfig, feature_dim: int):
        super().__init__(feature_dim)
        self.config = config
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
        x, num_frames = self._inputs(segments), segments.shape[1]
        if lengths is None:
            lengths = torch.full((len(x),), num_frames, device=x.device)
        valid = frame_mask(lengths, num_frames)
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

    def _inputs(self, segments: Float[Tensor, "B T D"]) -> Float[Tensor, "B T I"]:
        if segments.shape[2] != self.feature_dim:
            raise InputError(
                f"embeddings are {segments.shape[2]} wide; the head was made for {self.feature_dim}: use its encoder"
            )
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


def frames_seen(x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T 1"]:
    """log(1 + n) / log(1 + 300) at the n-th frame of a segment, n from 1.

    In the published heads every frame has the number of the last one, so an output depends on the segment's length.
    """
    count = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
    return (torch.log1p(count) / math.log1p(FRAMES_SCALE))[None, :, None].expand(len(x), -1, -1)


def positions(num_seen: Int[Tensor, " P"], num_frames: int) -> Float[Tensor, "P T 1"]:
    """k / n at frame k, from 0, of each prefix of n frames; below 1 within the prefix, unused beyond its end."""
    frames = torch.arange(num_frames, device=num_seen.device, dtype=torch.float32)
    return (frames / num_seen[:, None]).unsqueeze(2)
