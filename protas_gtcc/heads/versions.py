"""Heads by name: the published ones, which differ in switches, and every architecture with every loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from protas_gtcc.config import require_range
from protas_gtcc.errors import InputError, listed
from protas_gtcc.heads.config import ErrorKind, FrameWeights, HeadConfig, HeadLossConfig, HeadVersion, LeftError


@dataclass(frozen=True)
class HeadSwitches:
    """Everything in which published heads differ, each on its own. What is not given is as the head's name says."""

    progress_error: ErrorKind | None = None
    """Squared or absolute error of a frame's progress."""
    frame_weights: FrameWeights | None = None
    """Weights of frames in the loss, equal, 1 / target, or its root."""
    weight_cap: float | None = None
    """Largest weight 1 / target."""
    pooled: bool | None = None
    """Divide by the weights of the whole batch, not of each segment."""
    segments_per_video: int | None = None
    """Segments drawn from each video in an epoch; 0 takes each once."""
    frames_per_segment: int | None = None
    """Frames sampled from a segment; 0 takes all."""
    strata: bool | None = None
    """Spread the sampled frames over thirds of the progress."""
    shortest_prefix: int | None = None
    """Fewest frames seen at a sampled frame."""
    boundary_weight: float | None = None
    """Weight of the mean error at the first and the last frame."""
    position: bool | None = None
    """Add to each frame its position k / n among the n frames so far, k from 0 (only a GRU)."""
    learnt_start: bool | None = None
    """Learn the initial state (only a GRU)."""
    initial_logit: float | None = None
    """Initial bias of the progress before the sigmoid; 0 begins at .5, -2 at .12."""
    head_clip_norm: float | None = None
    """Largest norm of its gradient; by default --clip-norm. 0 does not clip."""
    frames_left: bool | None = None
    """Give a second output, the frames left of the segment."""
    frames_left_error: LeftError | None = None
    """Error of the frames left, absolute or of logarithms."""
    frames_left_weight: float | None = None
    """Weight of that error."""

    def __post_init__(self) -> None:
        if self.head_clip_norm is not None:
            require_range(self, head_clip_norm=(0, 1e9))

    @property
    def given(self) -> dict[str, Any]:
        """The switches that are set, by the names of the settings that they change."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    def change(self, version: HeadVersion) -> HeadVersion:
        """The head with these switches. Raises `InputError` for what it cannot have."""
        of = {part: self._of(part) for part in (HeadConfig, HeadLossConfig, HeadVersion)}
        head = dataclasses.replace(version.head, **of[HeadConfig])
        loss = dataclasses.replace(version.loss, **of[HeadLossConfig])
        return dataclasses.replace(version, head=head, loss=loss, **of[HeadVersion])

    def _of(self, config: type[HeadConfig] | type[HeadLossConfig] | type[HeadVersion]) -> dict[str, Any]:
        names = {one.name for one in dataclasses.fields(config)}
        return {name: value for name, value in self.given.items() if name in names}


V2 = HeadSwitches(
    progress_error="absolute",
    frame_weights="equal",
    pooled=True,
    segments_per_video=5,
    frames_per_segment=3,
    strata=False,
    shortest_prefix=3,
    boundary_weight=0.0,
    position=False,
    learnt_start=False,
    initial_logit=0.0,
    head_clip_norm=1.0,
)
V3_CHANGES = HeadSwitches(
    frame_weights="target",
    weight_cap=10.0,
    segments_per_video=10,
    frames_per_segment=5,
    strata=True,
    position=True,
    learnt_start=True,
)
V4_CHANGES = HeadSwitches(weight_cap=20.0, boundary_weight=5.0, position=False)


def combined(*switches: HeadSwitches) -> HeadSwitches:
    """The switches of all; where several have one, that of the last."""
    return HeadSwitches(**{name: value for one in switches for name, value in one.given.items()})


PUBLISHED: Mapping[str, HeadSwitches] = {
    "v2": V2,
    "v3": combined(V2, V3_CHANGES),
    "v4": combined(V2, V3_CHANGES, V4_CHANGES),
}
"""Every switch of the published GRU heads."""

SAMPLED: dict[str, Any] = {"progress_error": "absolute", "segments_per_video": 10, "frames_per_segment": 5}
LOSSES: Mapping[str, HeadLossConfig] = {
    "dense": HeadLossConfig(),
    "weighted": HeadLossConfig(frame_weights="target", boundary_weight=5.0, **SAMPLED),
    "root": HeadLossConfig(frame_weights="root", weight_cap=5.0, boundary_weight=1.0, **SAMPLED),
    "monotone": HeadLossConfig(monotonicity_weight=2.0, **SAMPLED),
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
    **{name: switches.change(HeadVersion(HeadConfig(), HeadLossConfig())) for name, switches in PUBLISHED.items()},
    **{f"{head}-{loss}": HeadVersion(HEADS[head], LOSSES[loss]) for head, loss in product(HEADS, LOSSES)},
}
"""The published heads, and every head with every loss."""


def version_of(name: str, switches: HeadSwitches) -> HeadVersion:
    """The head of this name, with these switches. Raises `InputError` for another name, or what it cannot have."""
    if name not in VERSIONS:
        raise InputError(f"no head {name!r}; there are {listed(VERSIONS, most=len(VERSIONS))}")
    return switches.change(VERSIONS[name])
