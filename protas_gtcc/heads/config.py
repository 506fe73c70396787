"""Configuration of scalar heads, their losses and their training; `versions` has those with names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from protas_gtcc.config import require_range
from protas_gtcc.errors import InputError

Architecture = Literal["gru", "mlp", "transformer", "conv"]
ErrorKind = Literal["squared", "absolute"]
FrameWeights = Literal["equal", "target", "root"]
LeftError = Literal["log", "absolute"]


@dataclass(frozen=True)
class HeadConfig:
    """A scalar head. The size of the embeddings comes from the data."""

    architecture: Architecture = "gru"
    """A GRU, a running mean in its place, causal attention with ALiBi, or causal dilated convolutions."""
    position: bool = False
    """Add to each frame its position k / n among the n frames so far, k from 0."""
    learnt_start: bool = False
    """Learn the GRU's initial state; otherwise it is 0."""
    frames_seen: bool = False
    """Add to each frame the logarithm of the number of frames up to it."""
    frames_of_prefix: bool = False
    """Add to each frame the logarithm of n, the number of frames so far, as published; earlier frames have the same."""
    initial_logit: float = -2.0
    """Initial bias of the progress before the sigmoid: at -2 an untrained head reports about .12, at 0 about .5."""
    frames_left: bool = False
    """Give a second output, the number of frames that are left of the segment."""
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
        if self.architecture != "gru":
            self._refuse_parts_of_a_gru()
        if self.architecture == "transformer" and self.hidden % self.attention_heads:
            raise InputError(
                f"{self.hidden} hidden units cannot be divided among {self.attention_heads} attention heads; "
                f"give a multiple of {self.attention_heads}"
            )
        if not 0 <= self.dropout < 1 or self.first_conv < 0:
            raise InputError(f"dropout is {self.dropout}, first_conv {self.first_conv}; expected [0, 1) and at least 0")
        require_range(self, initial_logit=(-100, 100))

    @property
    def reads_prefixes(self) -> bool:
        """Whether inputs of earlier frames change with each new frame, so that every frame needs a pass of its own."""
        return self.position or self.frames_of_prefix

    def _refuse_parts_of_a_gru(self) -> None:
        for name in ("position", "learnt_start", "frames_of_prefix"):
            if getattr(self, name):
                raise InputError(f"a {self.architecture} head has no {name}; use a gru, or frames_seen")


@dataclass(frozen=True)
class HeadLossConfig:
    """The loss of a head; see `protas_gtcc.heads.losses`."""

    progress_error: ErrorKind = "squared"
    """The error of a frame's progress: squared or absolute."""
    frame_weights: FrameWeights = "equal"
    """Weights of frames: equal, 1 / target, or its root."""
    weight_cap: float = 20.0
    """Largest weight 1 / target."""
    pooled: bool = False
    """Divide by the weights of the whole batch, as published, not by those of each segment."""
    boundary_weight: float = 0.0
    """Weight of the mean absolute error of the first frame (target 1 / L) and the last one (target 1)."""
    monotonicity_weight: float = 0.0
    """Weight of the penalty on falling progress."""
    margin: float = 0.01
    """Rise of progress from one sampled frame to the next below which there is a penalty."""
    frames_left_weight: float = 0.1
    """Weight of the error of the frames left, if the head gives them."""
    frames_left_error: LeftError = "log"
    """That error: absolute, or the absolute difference of logarithms of 1 + the frames left."""
    segments_per_video: int = 0
    """Segments drawn from each video in an epoch; 0 takes each segment once."""
    frames_per_segment: int = 0
    """Frames sampled from a segment; 0 takes all."""
    strata: bool = True
    """Spread the sampled frames over the early, middle and late third of the progress."""
    shortest_prefix: int = 1
    """Fewest frames that the head has seen at a sampled frame; shorter segments are not drawn."""

    def __post_init__(self) -> None:
        weights = ("boundary_weight", "monotonicity_weight", "frames_left_weight")
        require_range(self, weight_cap=(1, 1e9), **dict.fromkeys(weights, (0, 1e9)))
        require_range(self, segments_per_video=(0, 10**6), frames_per_segment=(0, 10**6), shortest_prefix=(1, 10**6))
        if self.strata and 0 < self.frames_per_segment < 3:
            what = f"--strata needs 3 frames or more; --frames-per-segment is {self.frames_per_segment}"
            raise InputError(f"{what}; add --no-strata")

    @property
    def term_weights(self) -> dict[str, float]:
        """The weight of each loss term, by name."""
        names = ("monotonicity", "boundary", "frames_left")
        return {"progress": 1.0} | {name: getattr(self, f"{name}_weight") for name in names}


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
    """Clip the gradient's norm to this; 0 does not clip. V2, V3 and V4 have their own, --head-clip-norm."""
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
    head_clip_norm: float | None = None
    """Norm to which the head's gradient is clipped; None leaves it to the training."""
