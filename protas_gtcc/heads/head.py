"""A scalar head: from a segment's embeddings so far to its progress, the same for every action.

    embeddings ── first convolution ── + position or count ── body ── readout ──┬─ sigmoid ──> progress in (0, 1)
      [T, D]        (if any)            (k / n, frames so far)                  └─ softplus ─> log(1 + frames left)
                                                                                   (if wanted)

Progress at frame t depends only on frames up to t, and is the same whether a prefix or the whole segment is given.
Most heads compute all frames in one pass. Position is relative to the number of frames so far, and the published count
is that number at every frame. With either, the inputs of all earlier frames change with each new one, so each frame
needs a pass over its own prefix.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from protas_gtcc.errors import InputError
from protas_gtcc.heads.bodies import CausalConvolution, make_body
from protas_gtcc.heads.config import HeadConfig
from protas_gtcc.network.layers import FeatureStandardisation
from protas_gtcc.network.padding import frame_mask

PREFIXES_AT_ONCE = 64
FRAMES_SCALE = 300
"""Number of frames so far that counts as 1, as in the published heads."""


class ScalarHead(FeatureStandardisation):
    """Progress of segments. Raises `InputError` if the embeddings are not of the size that it was made for."""

    def __init__(self, config: HeadConfig, feature_dim: int):
        super().__init__(feature_dim)
        self.config = config
        self.first_conv = CausalConvolution(feature_dim, config.first_conv) if config.first_conv else None
        self.body = make_body(config, feature_dim + config.frames_seen + config.position + config.frames_of_prefix)
        between, last = nn.Linear(config.hidden, config.readout), nn.Linear(config.readout, 1 + config.frames_left)
        self.readout = nn.Sequential(between, nn.ReLU(), last)
        nn.init.constant_(last.bias, 0.0)
        nn.init.constant_(last.bias[:1], config.initial_logit)

    def forward(
        self, segments: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B T"]:
        """Progress at every frame of segments that are padded at their ends; 0 on padding.

        `lengths` None: there is no padding.
        """
        outputs, valid = self._everywhere(segments, lengths)
        return torch.where(valid, torch.sigmoid(outputs[..., 0]), 0)

    def frames_left(
        self, segments: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B T"]:
        """Frames left after every frame, with the same padding. Raises `InputError` if the head does not give them."""
        if not self.config.frames_left:
            raise InputError("the head does not give the frames left; train it with --frames-left")
        outputs, valid = self._everywhere(segments, lengths)
        return torch.where(valid, torch.expm1(functional.softplus(outputs[..., 1])), 0)

    def at_frames(self, segments: Float[Tensor, "B T D"], frames: Int[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Progress at K frames of each segment, as in `forward`; cheaper where each frame is a pass."""
        return torch.sigmoid(self.outputs_at(segments, frames)[..., 0])

    def outputs_at(self, segments: Float[Tensor, "B T D"], frames: Int[Tensor, "B K"]) -> Float[Tensor, "B K O"]:
        """What the last layer gives at K frames of each segment: the logit of the progress, and the frames left."""
        x = self._inputs(segments)
        if not self.config.reads_prefixes:
            states: Tensor = self.body(x)
            return self.readout(states.gather(1, frames[..., None].expand(-1, -1, states.shape[2])))
        segment = torch.arange(len(frames), device=frames.device).repeat_interleave(frames.shape[1])
        return self._of_prefixes(x, segment, frames.flatten()).view(*frames.shape, -1)

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

    def _everywhere(
        self, segments: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"] | None
    ) -> tuple[Float[Tensor, "B T O"], Tensor]:
        """The outputs of the last layer at every frame, and which frames are no padding."""
        x, num_frames = self._inputs(segments), segments.shape[1]
        if lengths is None:
            lengths = torch.full((len(x),), num_frames, device=x.device)
        valid = frame_mask(lengths, num_frames)
        if not self.config.reads_prefixes:
            return self.readout(self.body(x)), valid
        segment, last = valid.nonzero(as_tuple=True)
        found = self._of_prefixes(x, segment, last)
        return x.new_zeros(*valid.shape, found.shape[1]).index_put((segment, last), found), valid

    def _of_prefixes(
        self, x: Float[Tensor, "B T I"], segment: Int[Tensor, " P"], last: Int[Tensor, " P"]
    ) -> Float[Tensor, "P O"]:
        """The outputs at the last frame of prefixes of the segments; the shortest first, so there is little padding."""
        order = last.argsort()
        states = []
        for part in torch.split(order, PREFIXES_AT_ONCE):
            num_frames = int(last[part].max()) + 1
            added = self._of_length(last[part] + 1, num_frames).to(x.dtype)
            inputs = torch.cat([x[segment[part], :num_frames], added], dim=2)
            states.append(self.body(inputs)[torch.arange(len(part), device=x.device), last[part]])
        return self.readout(torch.cat(states)[order.argsort()])

    def _of_length(self, num_seen: Int[Tensor, " P"], num_frames: int) -> Float[Tensor, "P T A"]:
        """The inputs that depend on the length of the prefix."""
        added = [positions(num_seen, num_frames)] * self.config.position
        if self.config.frames_of_prefix:
            added.append(log_count(num_seen.float())[:, None, None].expand(-1, num_frames, -1))
        return torch.cat(added, dim=2)


def log_count(count: Float[Tensor, "*N"]) -> Float[Tensor, "*N"]:
    """log(1 + n) / log(1 + 300), n frames."""
    return torch.log1p(count) / math.log1p(FRAMES_SCALE)


def frames_seen(x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T 1"]:
    """`log_count` of n at the n-th frame of a segment, n from 1.

    In the published heads every frame of a prefix has the number of the prefix's last one (`frames_of_prefix`).
    """
    count = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
    return log_count(count)[None, :, None].expand(len(x), -1, -1)


def positions(num_seen: Int[Tensor, " P"], num_frames: int) -> Float[Tensor, "P T 1"]:
    """k / n at frame k, from 0, of each prefix of n frames; below 1 within the prefix, unused beyond its end."""
    frames = torch.arange(num_frames, device=num_seen.device, dtype=torch.float32)
    return (frames / num_seen[:, None]).unsqueeze(2)
