"""One typed configuration: flags -> these dataclasses -> config.yaml and checkpoint -> constructors.

Field names are the flags (`--batch-size` is `batch_size`), the text below a field is the flag's help. A preset is a
`RunConfig`; flags override it. `storage/yaml_configs.py` reads and writes configurations.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from protas_gtcc.errors import InputError

# Not in cli/: layouts/ and runs/, which come before it in the import order, name File, Folder and Text too.
File = Annotated[Path, "FILE"]
"""A path; the help calls its value FILE."""
Folder = Annotated[Path, "FOLDER"]
"""A path; the help calls its value FOLDER."""
Text = Annotated[str, "TEXT"]
"""A string; the help calls its value TEXT."""
RateOrTable = Annotated[float | Path, "NUMBER|FILE"]
"""Frames per second, or a CSV file with those of each video."""
Device = Literal["auto", "cpu", "cuda", "mps"]
EngineName = Literal["auto", "compiled", "torch"]
"""What computes a stream's frames; see `streaming/engines.py`."""
Axes = Literal["auto", "DT", "TD"]
"""Axes of an array of features."""
PartnerPart = Literal["test", "train"]
"""The part of a split whose videos are the partners of test videos in alignment scores. `test` is usual in papers;
`train` is the case of an assistant, and the only choice where a split tests one video of a task."""
MAX_LAYERS = 16
MOST_STAGES = 32
MOST_WEIGHTS = 300_000_000
"""Of the layers of a network or an encoder, about; a configuration that asks for more is wrong."""
Control = Literal["none", "noise", "index", "shuffle"]

WHERE_COMPUTED = ("device", "workers", "threads")
"""Settings of where a run computes, which do not change what it computes."""
MAY_CHANGE = ("title", *WHERE_COMPUTED)
"""Settings that may change when a run is resumed."""


def read_number(text: str) -> float:
    """A number, or a fraction of two, as 30000/1001; one too large for a float is infinite.

    Raises `ValueError` or `ZeroDivisionError` for another text. `fractions` would make all digits of 1e99999999.
    """
    above, slash, below = text.partition("/")
    return float(above) / float(below) if slash else float(above)


def require_range(config: Any, **ranges: tuple[int | float, int | float]) -> None:
    """Raise `InputError`, naming the flag, unless each field is a number from its lowest to its highest."""
    for name, (lowest, highest) in ranges.items():
        value = getattr(config, name)
        if not lowest <= value <= highest:  # NaN is in no range
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} is {value}; it must be from {lowest:g} to {highest:g}")


def require_size(weights: int, flags: str) -> None:
    """Raise `InputError`, naming the flags, if a network would have more than `MOST_WEIGHTS`."""
    if weights > MOST_WEIGHTS:
        raise InputError(f"{flags} make {weights:.1e} weights; lower them to make at most {MOST_WEIGHTS:.0e}")


@dataclass(frozen=True)
class ModelConfig:
    """The network. The dataset gives the feature size and the number of classes."""

    stages: int = 4
    """Number of stages."""
    arrangement: Literal["series", "parallel"] = "series"
    """In series, each stage refines the output of the stage before it. In parallel, the stages are an ensemble of
    single-stage networks: each takes the features, and their mean is the output."""
    layers: int = 10
    """Dilated residual layers per stage, dilations 2^0 .. 2^(layers-1); 0 takes as many as --reach-seconds needs."""
    reach_seconds: float = 0.0
    """Seconds of the past that a stage must see, with --layers 0; 0 takes the length that nine in ten of the training
    segments of actions do not exceed."""
    maps: int = 64
    """Feature maps per layer."""
    causal: bool = True
    """Use past frames only. An acausal model sees the whole video and cannot stream."""
    progress: bool = True
    """Give every stage a GRU and a progress head (ProTAS); without, the network is MS-TCN."""
    fusion: bool = True
    """Mix each stage's logits with its progress, by a linear layer (ProTAS)."""
    graph: bool = True
    """Correct the final logits with the task graph of the training transcripts."""
    learnable_graph: bool = True
    """Train the graph's matrices, from the counted ones on; --graph-regulariser keeps them close to these."""
    graph_eta: float = 0.01
    """Weight of the task graph's correction."""
    dropout: float = 0.5
    """Probability that an activation of a residual branch is dropped in training."""
    feature_dropout: float = 0.0
    """Probability that a dimension of the features is dropped in training, for a whole video."""
    standardise: bool = False
    """Standardise each feature by its mean and standard deviation over the frames of the training videos."""

    def __post_init__(self) -> None:
        ranges = {"stages": (1, MOST_STAGES), "layers": (0, MAX_LAYERS), "reach_seconds": (0, 1e5), "maps": (1, 4096)}
        require_range(self, **ranges, graph_eta=(0, 1e6))
        require_size(self.stages * (self.layers or MAX_LAYERS) * 4 * self.maps**2, "--stages, --layers and --maps")
        for flag, value in (("--dropout", self.dropout), ("--feature-dropout", self.feature_dropout)):
            if not 0 <= value < 1:
                raise InputError(f"{flag} is {value}; it must be in [0, 1)")
        if self.graph and not self.progress:
            raise InputError("--graph needs the progress head; add --no-graph to --no-progress")

    def at(self, fps: float, long_seconds: float) -> ModelConfig:
        """The same settings for features at `fps`: `layers` 0 becomes the fewest layers that see `reach_seconds`.

        `long_seconds` is the length of a long training segment, which `reach_seconds` 0 becomes. A stage of n layers
        sees 2^(n + 1) - 1 frames.
        """
        if self.layers:
            return self
        reach = self.reach_seconds or long_seconds
        enough = math.ceil(math.log2(reach * fps + 1) - 1e-9) - 1
        return dataclasses.replace(self, layers=min(max(enough, 1), MAX_LAYERS))


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms, and the supervision of progress."""

    cross_entropy_weight: float = 1.0
    """Weight of the frame-wise cross entropy, summed over stages."""
    smoothing_weight: float = 0.15
    """Weight of the truncated squared change of log-probabilities between frames, summed over stages (MS-TCN)."""
    progress_weight: float = 1.0
    """Weight of the progress error, summed over stages."""
    graph_weight: float = 0.1
    """Weight of the task graph's cost on the last stage."""
    graph_regulariser: float = 0.01
    """Weight, within the graph term, of the squared distance between the learnt and the counted matrices."""
    progress_over: Literal["all", "active"] = "all"
    """Supervise the channels of all classes (target 0 outside the class's segments), or of the active class only."""
    progress_error: Literal["squared", "absolute"] = "squared"
    """Kind of progress error."""
    class_weights: Literal["none", "balanced"] = "none"
    """Weights of the classes in the cross entropy: equal, or the inverse root of their share of the training frames."""

    def __post_init__(self) -> None:
        names = (one.name for one in dataclasses.fields(self) if isinstance(one.default, float))
        require_range(self, **dict.fromkeys(names, (0, 1e6)))

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each loss term, by name."""
        return {name: getattr(self, f"{name}_weight") for name in ("cross_entropy", "smoothing", "progress", "graph")}


@dataclass(frozen=True)
class TrainingConfig:
    """The minimisation of the loss."""

    epochs: int = 50
    """Passes over the training videos."""
    batch_size: int = 1
    """Videos (or windows) per step, summed over all processes."""
    lr: float = 5e-4
    """Learning rate; with a cosine schedule, the highest one."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Optimiser: Adam, or Adam with decoupled weight decay."""
    weight_decay: float = 0.0
    """Weight decay."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Course of the learning rate: constant, or a half cosine down to 0."""
    clip_norm: float = 0.0
    """Largest norm of the gradient; larger gradients are clipped. 0 does not clip."""
    validation_share: float = 0.0
    """Share of the training videos that is held out to choose the best epoch; 0 keeps the last epoch."""
    train_on_validation: bool = False
    """Train on the split's own validation videos as well. The last epoch is kept, since none can be chosen by them."""
    patience: int = 0
    """Stop after this number of epochs without a better validation score; 0 never stops early."""
    cross_fit: bool = False
    """Hold each person's videos out of one network of an ensemble, and calibrate the filter on them after training. It
    needs stages in parallel, the duration filter, no task graph, and as many people as networks; else a note says that
    the filter is not calibrated."""
    window_frames: int = 0
    """Cut longer training videos into windows of this length; 0 takes videos whole."""
    workers: int = 0
    """Processes that load features; 0 loads them in the training process."""
    threads: int = 1
    """Processor threads. A second one helps little at this size, and slows training when others use the cores."""
    seed: int = 0
    """Seed of the initial weights, the order of batches, dropout, and the choice of validation videos."""
    device: Device = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    precision: Literal["32", "bf16", "16"] = "32"
    """Precision: float32, or mixed with bfloat16 or, on a GPU, float16."""

    def __post_init__(self) -> None:
        require_range(self, epochs=(1, 10**6), batch_size=(1, 10**5), window_frames=(0, 10**9), patience=(0, 10**6))
        require_range(self, lr=(1e-12, 1e3), weight_decay=(0, 1e3), clip_norm=(0, 1e9))
        require_range(self, workers=(0, 256), threads=(1, 1024), seed=(0, 2**32 - 1))
        if not 0 <= self.validation_share < 1:
            raise InputError(f"--validation-share is {self.validation_share}; it must be in [0, 1)")
        if self.validation_share and self.train_on_validation:
            raise InputError("--validation-share and --train-on-validation contradict each other; give one")


@dataclass(frozen=True)
class DecodingConfig:
    """From the network's output to the labels and the progress that are reported."""

    filter: Literal["none", "durations"] = "none"
    """Report the network's likeliest class, or filter it by the durations and the order of actions."""
    evidence: float = 10.0
    """Exponent of the network's probabilities in the filter, in all over a segment of median length. Each frame has its
    share of it, at most 1. --cross-fit may choose a lower one, unless another than 10 is given."""
    prior_exponent: float = 0.2
    """The network's probabilities are divided by the classes' shares of the training frames, to this power: 0 keeps
    them, 1 makes classes equally likely beforehand."""
    temperature: float = 1.0
    """Divides the network's log-probabilities where it is believed directly; above 1 they are less certain."""
    network_class_share: float = 0.8
    """Weight of the network in the belief about the class, with a lag three quarters of it; the rest is the
    filter's."""
    network_progress_share: float = 0.3
    """Weight of the network in the belief about the progress of a class. The rest, less --progress-doubt, is the
    filter's."""
    progress_doubt: float = 0.1
    """Weight of a uniform distribution in the belief about the progress of a class."""
    label_margin: float = 0.2
    """A label is kept until another class is likelier by this."""
    order_memory: float = 0.9
    """Weight of what is done already in which step comes next; the rest has the step before alone. For models that
    follow procedures."""
    lag_seconds: float = 0.0
    """Report each frame once this much of what follows it is known, smoothed by that; inf waits for the whole video.
    Needs --filter durations."""
    background_bias: float = 0.0
    """How much the network's log-probability of background is lowered by. --cross-fit chooses one, unless another than
    0 is given."""
    interval_level: float = 0.8
    """Share of belief inside the interval of progress. --cross-fit widens it until it holds as often, unless another
    than 0.8 is given."""
    remaining_level: float = 0.8
    """The same for the interval of the remaining time."""
    doubt: float = 0.01
    """Weight of a uniform distribution mixed into the network's probabilities, so that no class is impossible."""
    spread: float = 0.2
    """Standard deviation of the kernel that smooths logarithms of the training segments' durations."""
    num_lengths: int = 8
    """Lengths of each class in the filter: equally probable quantiles of its training segments' lengths."""
    length_limit: float = 2.0
    """Lengths in the filter are at most this many times the longest training segment, and the shortest divided by it at
    least."""
    phases: int = 16
    """Phases that a segment goes through in the filter; more make its length more certain, and cost time."""
    bins_per_phase: int = 3
    """Bins of progress in a phase, over which medians and intervals are taken."""

    def __post_init__(self) -> None:
        shares = (
            "prior_exponent",
            "doubt",
            "order_memory",
            "network_class_share",
            "network_progress_share",
            "progress_doubt",
        )
        require_range(self, label_margin=(0, 1), lag_seconds=(0, math.inf))
        if self.lag_seconds and self.filter == "none":
            raise InputError(
                f"--lag-seconds {self.lag_seconds:g} smooths what the filter believes; give --filter durations"
            )
        require_range(self, **dict.fromkeys(shares, (0, 1)), evidence=(0, 1000), temperature=(0.01, 100))
        require_range(self, background_bias=(-50, 50), interval_level=(0, 0.999), remaining_level=(0, 0.999))
        if self.network_progress_share + self.progress_doubt > 1 + 1e-9:
            raise InputError("--network-progress-share and --progress-doubt are more than 1 together; lower one")
        require_range(self, spread=(0, 10), num_lengths=(1, 1000), length_limit=(1, 100))
        require_range(self, phases=(1, 1000), bins_per_phase=(1, 100))


@dataclass(frozen=True)
class RunConfig:
    """One run: data, network, losses, training, decoding."""

    dataset: str = "egoprocel"
    """A dataset file, or NAME for data/NAME.h5. Simulated procedures stand in for egoprocel if it is not prepared."""
    split: str = "1"
    """Split to train and test on."""
    feature_set: str | None = None
    """Feature set; by default the one tied to the split, else `features`. `rgb+hands` joins sets in this order."""
    graphs: str | None = None
    """Drawn task graphs, which procedures are learnt with as a prior: a JSON file, or a folder with one a task."""
    control: Control = "none"
    """Replace the features, to measure how much a model depends on them. They become Gaussian noise, the frame's
    number, or the features of other frames of the same class and video."""
    preset: Annotated[str, "default|offline|reference|FILE"] = "default"
    """Settings of all flags that are not given: this package's best live; the same for recorded videos, of which each
    frame is reported by all that follows it; ProTAS as published; or those of a YAML file, as 'tune' writes it."""
    title: str = ""
    """Name under which tables list the run; by default its settings. It may change when the run is resumed."""
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)

    def __post_init__(self) -> None:
        if self.training.patience and not self.training.validation_share:
            raise InputError("--patience needs validation videos; give --validation-share as well")


REFERENCE = RunConfig(preset="reference")
"""ProTAS as published: the default of every field above."""

DEFAULT = RunConfig(
    model=ModelConfig(
        stages=4, arrangement="parallel", layers=0, fusion=False, feature_dropout=0.2, standardise=True, graph=False
    ),
    loss=LossConfig(progress_over="active", progress_error="absolute"),
    training=TrainingConfig(epochs=40, batch_size=2, lr=1e-3, schedule="cosine", clip_norm=5.0, cross_fit=True),
    decoding=DecodingConfig(filter="durations"),
)
"""The best settings measured here; docs/results/settings.md says how they were chosen."""

OFFLINE = dataclasses.replace(
    DEFAULT,
    preset="offline",
    model=dataclasses.replace(DEFAULT.model, causal=False, layers=10),
    decoding=dataclasses.replace(DEFAULT.decoding, lag_seconds=math.inf),
)
"""`DEFAULT` for videos that are recorded: networks that see far on both sides, and smoothing over the whole video."""

PRESETS = {"reference": REFERENCE, "default": DEFAULT, "offline": OFFLINE}
SECTIONS = ("model", "loss", "training", "decoding")
"""The groups of settings in a `RunConfig`, and in a preset file."""


def preset_title(preset: str) -> str:
    """A preset's name; of a file, its name without the folder and the ending."""
    return preset if preset in PRESETS else Path(preset).stem


def flat_settings(config: Any) -> dict[str, Any]:
    """All settings by field name, without the names of sections."""
    flat: dict[str, Any] = {}
    for name, value in dataclasses.asdict(config).items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat
