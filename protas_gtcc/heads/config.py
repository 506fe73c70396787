"""Configuration of scalar heads and their losses, and the versions of both that are measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from protas_gtcc.config import require_range
from protas_gtcc.errors import InputError

Architecture = Literal["gru", "mlp", "transformer", "conv"]
LossMode = Literal["dense", "weighted", "root", "monotone"]


@dataclass(frozen=True)
class HeadConfig:
    """A scalar head. The size of the embeddings comes from the data."""

    architecture: Architecture = "gru"
    """A GRU, a running mean in its place, causal attention with ALiBi, or causal dilated convolutions."""
    position: bool = False
    """Add to each frame its position k / n among the frames so far, and learn the GRU's initial state (the V3 head)."""
    frames_seen: bool = False
    """Add to each frame the logarithm of the number of frames so far."""
    first_conv: int = 0
    """Dilation of a first causal convolution over the embeddings; 0 for none."""
    hidden: int = 64
    """Width of the states."""
    readout: int = 32
    """Width of the layer between the states and the progress."""
    attention_heads: int = 4
    """Attention heads; they divide the states among them."""
    attention_layers: int = 2
    """Layers of the transformer."""
    conv_layers: int = 6
    """Dilated residual layers, dilations 2^0 .. 2^(layers-1): six cover 127 frames."""
    dropout: float = 0.1
    """Dropout of the transformer and of the dilated convolutions."""
    standardise: bool = True
    """Subtract from each feature its mean over the training segments' frames, divide by its standard deviation."""

    def __post_init__(self) -> None:
        if self.position and self.architecture != "gru":
            raise InputError(f"a {self.architecture} head has no position encoding; use a gru, or frames_seen")
        if self.architecture == "transformer" and self.hidden % self.attention_heads:
            raise InputError(
                f"{self.hidden} hidden units cannot be divided among {self.attention_heads} attention heads; "
                f"give a multiple of {self.attention_heads}"
            )
        if not 0 <= self.dropout < 1 or self.first_conv < 0:
            raise InputError(f"dropout is {self.dropout}, first_conv {self.first_conv}; expected [0, 1) and at least 0")


@dataclass(frozen=True)
class HeadLossConfig:
    """The loss of a head; see `protas_gtcc.heads.losses`."""

    mode: LossMode = "dense"
    """Squared error of every frame; or the absolute error of sampled frames, weighted by 1 / target, by its root, or
    equally and with a penalty on falling progress."""
    weight_cap: float = 20.0
    """Largest weight 1 / target."""
    boundary_weight: float = 0.0
    """Weight of the absolute errors of the first frame (target 1 / L) and the last one (target 1)."""
    monotonicity_weight: float = 2.0
    """Weight of the penalty of `monotone`."""
    margin: float = 0.01
    """Rise of progress from one sampled frame to the next below which `monotone` has a penalty."""
    segments_per_video: int = 10
    """Segments drawn from each video in an epoch; `dense` takes each segment once."""
    frames_per_segment: int = 5
    """Frames sampled from a segment, spread over its early, middle and late third; `dense` takes all."""

    def __post_init__(self) -> None:
        if self.weight_cap < 1 or self.segments_per_video < 1 or self.frames_per_segment < 1:
            raise InputError("weight_cap, segments_per_video and frames_per_segment must be at least 1")

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each loss term, by name."""
        return {"progress": 1.0, "monotonicity": self.monotonicity_weight, "boundary": self.boundary_weight}


@dataclass(frozen=True)
class HeadTraining:
    """How a head's loss is minimised."""

    epochs: int = 15
    """Passes over the training segments, or draws from them."""
    batch_size: int = 16
    """Segments in a step."""
    lr: float = 2e-3
    """Learning rate of Adam; it falls to 0 along a half cosine."""
    clip_norm: float = 5.0
    """Clip the gradient's norm to this; 0 does not clip."""
    validation_share: float = 0.2
    """Share of the training videos held out to choose the epoch by; 0 keeps the last one."""
    seed: int = 0
    """Seed of initial weights, held-out videos, draws and dropout."""

    def __post_init__(self) -> None:
        require_range(self, epochs=(1, 10**6), batch_size=(1, 10**5), lr=(1e-12, 1e3))
        require_range(self, clip_norm=(0, 1e9), seed=(0, 2**32 - 1))
        if not 0 <= self.validation_share < 1:
            raise InputError(f"--validation-share is {self.validation_share}; it must be in [0, 1)")


@dataclass(frozen=True)
class HeadVersion:
    """A head together with its loss."""

    head: HeadConfig
    loss: HeadLossConfig


LOSSES: Mapping[str, HeadLossConfig] = {
    "dense": HeadLossConfig(),
    "weighted": HeadLossConfig("weighted", boundary_weight=5.0),
    "root": HeadLossConfig("root", weight_cap=5.0, boundary_weight=1.0),
    "monotone": HeadLossConfig("monotone"),
}
HEADS: Mapping[str, HeadConfig] = {
    "gru": HeadConfig(),
    "gru-frames": HeadConfig(frames_seen=True),
    "conv-gru": HeadConfig(first_conv=4),
    "mlp": HeadConfig("mlp"),
    "mlp-frames": HeadConfig("mlp", frames_seen=True),
    "transformer": HeadConfig("transformer"),
    "conv": HeadConfig("conv"),
}
VERSIONS: Mapping[str, HeadVersion] = {
    "v2": HeadVersion(HEADS["gru"], HeadLossConfig("weighted", weight_cap=10.0)),
    "v3": HeadVersion(HeadConfig(position=True), HeadLossConfig("weighted", weight_cap=10.0)),
    "v4": HeadVersion(HEADS["gru"], LOSSES["weighted"]),
    **{
        f"{head}-{loss}": HeadVersion(HEADS[head], LOSSES[loss])
        for head, loss in product(HEADS, LOSSES)
        if (head, loss) != ("gru", "weighted")  # that is v4
    },
}
"""The published ones (V2 without position, V3 with it, V4 without it, with boundary terms and a higher cap), and every
head with every loss."""
