"""Configuration of an alignment run: flags -> these dataclasses -> config.yaml and checkpoint -> constructors.

The run directory of an encoder has the files of any run, with this configuration.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from protas_gtcc.config import TrainingConfig, flat_settings, require_range, require_size
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadVersion
from protas_gtcc.heads.versions import VERSIONS, HeadSwitches
from protas_gtcc.storage.yaml_configs import from_yaml
from protas_gtcc.training.run_directory import RunDirectory

LOSS_DEFAULTS: dict[str, dict[str, float]] = {
    "tcc": {"temperature": 0.1},
    "tcc-classification": {"temperature": 0.5},
    "gtcc": {"temperature": 0.02},
    "lav": {"contrast_weight": 13.0},
    "vava": {"contrast_weight": 27.0},
}
"""The defaults that depend on the loss, of its function and of the command. All others are in `AlignmentLossConfig`.

Each is the best of those that were compared on held-out pairs of GTEA's videos (docs/results/alignment.md).
"""


@dataclass(frozen=True)
class EncoderConfig:
    """The encoder, from features to embeddings. Feature size and tasks come from the data."""

    encoder: Literal["mlp", "temporal"] = "temporal"
    """mlp sees each frame alone, temporal also the frames before it (causal dilated convolutions)."""
    output_dim: int = 128
    """Size of the embedding."""
    hidden: int = 128
    """Units (mlp) or maps (temporal) of the hidden layers."""
    layers: int = 4
    """Hidden layers; those of the temporal encoder have dilations 2^0 .. 2^(layers-1)."""
    multi_head: bool = False
    """A head for each task, and attention over the heads at each frame, to train all tasks at once (GTCC)."""
    normalize: bool = True
    """Scale each embedding to norm 1."""
    standardise: bool = True
    """Subtract from each feature its mean over the training videos' frames, and divide by its standard deviation."""
    dropout: float = 0.2
    """Probability that an activation is dropped in training."""

    def __post_init__(self) -> None:
        require_range(self, output_dim=(1, 4096), hidden=(1, 8192), layers=(1, 16), dropout=(0, 0.99))
        require_size(4 * self.layers * self.hidden**2, "--layers and --hidden")


@dataclass(frozen=True)
class AlignmentLossConfig:
    """Settings of the losses. Those of other losses than the chosen one have no effect.

    A setting that is None has the default of its loss, see `for_loss`.
    """

    sampled_frames: int = 200
    """Frames of each video in a step, drawn from equal parts of it; 0 takes all. The losses see only these."""
    temperature: float | None = None
    """TCC and GTCC: temperature of the softmaxes over frames, in squared distance. It depends on the loss: 0.1 for tcc,
    0.5 for tcc-classification, 0.02 for gtcc."""
    variance_weight: float = 0.001
    """TCC: weight of the logarithm of the standard deviation of where a cycle ends."""
    components: int = 15
    """GTCC: soft neighbours of a frame."""
    anchors: int = 20
    """GTCC: frames of a video that are cycled in a step; 0 cycles all."""
    cycle_window: float = 1.0
    """GTCC: how far from its start a cycle may end, as a share of the video (delta)."""
    drop_rate: float = 0.95
    """GTCC: the weight of a frame is at least this to the power of the epoch; 1 drops none (gamma)."""
    warp_gamma: float = 0.1
    """LAV: temperature of soft-DTW's minimum."""
    contrast_weight: float | None = None
    """LAV and VAVA: weight of the contrast within videos. It depends on the loss: 13 for lav, 27 for vava."""
    inter_weight: float = 0.5
    """VAVA: weight of the contrast between the videos, a mean over frames."""
    margin: float = 2.0
    """LAV and VAVA: squared distance above which frames that do not match are not pushed further apart."""
    near_share: float = 0.075
    """LAV and VAVA: frames no further apart than this share of the video are near in time."""
    phi_decay: float = 0.99
    """VAVA: the weight of the order, against that of the best partners, is this to the power of the epoch."""
    moment_weight: float = 1.0
    """VAVA: weight of the inverse difference moment."""
    divergence_weight: float = 0.1
    """VAVA: weight of the divergence from the prior, and of the entropy that comes with it."""
    virtual_cost: float = 0.5
    """VAVA: squared distance of every frame to the virtual frame."""
    virtual_frames: float = 1.0
    """VAVA: number of frames of a video that may have no partner."""
    prior_width: float = 10.0
    """VAVA: standard deviation of the prior around the diagonal and the partners, in frames."""

    def __post_init__(self) -> None:
        positive = ("temperature", "warp_gamma", "margin", "divergence_weight", "prior_width", "virtual_frames")
        weights = ("variance_weight", "contrast_weight", "inter_weight", "moment_weight", "virtual_cost")
        ranges = dict.fromkeys(positive, (1e-9, 1e9)) | dict.fromkeys(weights, (0, 1e9))
        require_range(self, **{name: one for name, one in ranges.items() if getattr(self, name) is not None})
        require_range(self, drop_rate=(0, 1), cycle_window=(1e-3, 1), phi_decay=(0, 1), near_share=(0, 1))
        require_range(self, components=(1, 1000), anchors=(0, 10**6), sampled_frames=(0, 10**6))
        if self.sampled_frames == 1:
            raise InputError("--sampled-frames is 1; give at least 2 frames, or 0 for all")

    def for_loss(self, loss: str) -> AlignmentLossConfig:
        """The same settings, where None has become the default of the loss."""
        own = {name: value for name, value in LOSS_DEFAULTS[loss].items() if getattr(self, name) is None}
        return dataclasses.replace(self, **own)  # type: ignore[arg-type]

    def term_weights(self, loss: str) -> dict[str, float]:
        """The weight of each term of a loss, by name."""
        contrast = self.for_loss(loss).contrast_weight or 0.0  # None where the loss has no contrast
        weights = {
            "lav": {"soft_dtw": 1.0, "contrast": contrast},
            "vava": {"transport": 1.0, "intra_contrast": contrast, "inter_contrast": self.inter_weight},
        }
        return weights.get(loss, {loss: 1.0})


@dataclass(frozen=True)
class AlignmentConfig:
    """One alignment run: data, loss, encoder, training."""

    dataset: str = "egoprocel"
    """A dataset file, or a known name (egoprocel)."""
    split: str = "1"
    """Split whose training videos are aligned; its test videos are only scored."""
    feature_set: str | None = None
    """Features to embed; by default those tied to the split, else `features`. `rgb+hands` joins sets in this order."""
    loss: Literal["tcc", "tcc-classification", "gtcc", "lav", "vava"] = "gtcc"
    """Loss that aligns videos of the same task."""
    head: str | None = None
    """Train a scalar progress head with the encoder, on the true action segments: v2, v3, v4, or HEAD-LOSS."""
    progress_lambda: float = 1.0
    """Weight of the head's gradient where it enters the encoder; the head itself learns from the plain gradient."""
    progress_share: float = 1.0
    """Largest norm of that weighted gradient, as a multiple of the alignment gradient's; inf, as published, has no
    bound."""
    clip_together: bool = False
    """Clip the gradient of encoder and head by their common norm, not each by its own."""
    cumulative_l2: bool = False
    """Train the cumulative distance of the embeddings to be the progress of true action segments."""
    cumulative_weight: float = 0.1
    """Weight of that loss."""
    task: str | None = None
    """Align only the videos of this task; by default those of all tasks, each with others of its task."""
    title: str = ""
    """Name under which tables list the run; by default its settings. It may change when the run is resumed."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    alignment: AlignmentLossConfig = field(default_factory=AlignmentLossConfig)
    switches: HeadSwitches = field(default_factory=HeadSwitches)
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(epochs=60, batch_size=4, lr=1e-3, schedule="cosine", clip_norm=1.0)
    )

    def __post_init__(self) -> None:
        require_range(self, progress_lambda=(0, 1e12), progress_share=(0, math.inf), cumulative_weight=(0, 1e9))
        # So the run's config.yaml has the final values. A copy with another loss keeps them: make a new one instead.
        object.__setattr__(self, "alignment", self.alignment.for_loss(self.loss))
        self._require_fitting_head()
        for name in ("validation_share", "train_on_validation", "window_frames", "patience", "cross_fit"):
            if getattr(self.training, name):
                flag = f"--{name.replace('_', '-')}"
                raise InputError(f"{flag} has no effect on alignment; leave it out")

    @property
    def head_version(self) -> HeadVersion | None:
        """The head with its switches."""
        return None if self.head is None else self.switches.change(VERSIONS[self.head])

    def _require_fitting_head(self) -> None:
        if self.head is None and self.switches.given:
            flag = f"--{next(iter(self.switches.given)).replace('_', '-')}"
            raise InputError(f"{flag} is for a head; give --head, or leave it out")
        if self.head is not None and self.head not in VERSIONS:
            raise InputError(f"--head is {self.head!r}; it is one of {', '.join(VERSIONS)}")
        if self.clip_together and self.switches.head_clip_norm is not None:
            raise InputError("--clip-together and --head-clip-norm exclude each other; leave out one of the two")
        _ = self.head_version  # raises for what a head cannot have


class AlignmentDirectory(RunDirectory):
    """Paths and files of an alignment run."""

    def read_alignment(self) -> AlignmentConfig:
        """The run's configuration. Raises `InputError` if there is no alignment run here."""
        text = self.config_text()
        if "alignment:" not in text.splitlines():
            raise InputError(f"{self.path} is no alignment run; name one that 'protas-gtcc align' made")
        return from_yaml(text, str(self.config_file), AlignmentConfig)

    def read_settings(self) -> dict[str, Any]:
        """Every setting of the run, by its flag's name. Raises `InputError` if there is no alignment run here."""
        return flat_settings(self.read_alignment())

    def is_finished(self) -> bool:
        """Whether it is trained: embeddings are scored whenever scores are wanted."""
        return self.is_trained()
