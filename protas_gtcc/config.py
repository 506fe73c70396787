"""One typed configuration: flags -> these dataclasses -> config.yaml and checkpoint -> constructors.

Field names are the flags (`--batch-size` is `batch_size`), the text below a field is the flag's help. A preset is a
`RunConfig`; flags override it.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml

from protas_gtcc.errors import InputError

T = TypeVar("T")
Device = Literal["auto", "cpu", "cuda", "mps"]
EngineName = Literal["auto", "compiled", "torch"]
"""What computes a stream's frames; see `streaming/selection.py`."""
Axes = Literal["auto", "DT", "TD"]
"""Axes of an array of features."""
PartnerPart = Literal["test", "train"]
"""Where the partners of test videos come from in alignment scores. `test` is what papers do; `train` is the case of an
assistant, which knows recordings and meets a new one, and the only choice where a split tests one video of a task."""
MAX_LAYERS = 16
Control = Literal["none", "noise", "index", "shuffle"]

WHERE_COMPUTED = ("device", "workers", "threads")
"""Settings that say where and not what a run is: they may change when it is resumed."""
MAY_CHANGE = ("title", *WHERE_COMPUTED)
"""Settings that may change when a run is resumed."""


def require_range(config: Any, /, **ranges: tuple[int | float, int | float]) -> None:
    """Raise `InputError`, naming the flag, unless each field is a number from its lowest to its highest."""
    for name, (lowest, highest) in ranges.items():
        value = getattr(config, name)
        if not lowest <= value <= highest:  # NaN is in no range
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} is {value}; it must be from {lowest:g} to {highest:g}")


@dataclass(frozen=True)
class ModelConfig:
    """The network. Feature size and number of classes come from the data."""

    stages: int = 4
    """Stages of the network."""
    arrangement: Literal["series", "parallel"] = "series"
    """Each stage sees the one before it and refines it; or all see the features, and the mean of them is told."""
    layers: int = 10
    """Dilated residual layers in a stage, dilations 2^0 .. 2^(layers-1); 0 takes as many as --reach-seconds needs."""
    reach_seconds: float = 16.0
    """Seconds of the past that a stage must see; used with --layers 0 only."""
    maps: int = 64
    """Feature maps in every layer."""
    causal: bool = True
    """Use past frames only. Acausal models see the whole video and cannot stream."""
    progress: bool = True
    """GRU, progress head and fusion in every stage (ProTAS); without it the network is MS-TCN."""
    graph: bool = True
    """Correct the final logits by the task graph of the training transcripts."""
    learnable_graph: bool = True
    """Train the graph's matrices, starting from the counted ones; --graph-regulariser holds them back."""
    graph_eta: float = 0.01
    """Strength of the graph's correction of the final logits."""
    dropout: float = 0.5
    """Probability that a residual branch's activation is dropped in training."""
    standardise: bool = False
    """Subtract from each feature its mean over the training videos' frames, and divide by its standard deviation."""

    def __post_init__(self) -> None:
        ranges = {"stages": (1, 32), "layers": (0, MAX_LAYERS), "reach_seconds": (1e-3, 1e5), "maps": (1, 4096)}
        require_range(self, **ranges, graph_eta=(0, 1e6))
        if not 0 <= self.dropout < 1:
            raise InputError(f"--dropout is {self.dropout}; it must be in [0, 1)")
        if self.graph and not self.progress:
            raise InputError("--graph needs the progress head; add --no-graph to --no-progress")

    def at(self, fps: float) -> ModelConfig:
        """The same settings for features at `fps`: `layers` 0 becomes the fewest layers that see `reach_seconds`.

        A stage of n layers sees 2^(n + 1) - 1 frames.
        """
        if self.layers:
            return self
        enough = math.ceil(math.log2(self.reach_seconds * fps + 1)) - 1
        return dataclasses.replace(self, layers=min(max(enough, 1), MAX_LAYERS))


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms, and how progress is supervised."""

    cross_entropy_weight: float = 1.0
    """Weight of the frame-wise cross entropy, summed over stages."""
    smoothing_weight: float = 0.15
    """Weight of the truncated squared change of log-probabilities between frames, summed over stages (MS-TCN)."""
    progress_weight: float = 1.0
    """Weight of the progress error, summed over stages."""
    graph_weight: float = 0.1
    """Weight of the task graph's cost of the last stage."""
    graph_regulariser: float = 0.01
    """Within the graph term: weight of the squared distance of the learnt matrices from the counted ones."""
    progress_over: Literal["all", "active"] = "all"
    """Supervise every class's channel (0 where the class is not going on) or the active class's only."""
    progress_error: Literal["squared", "absolute"] = "squared"
    """Error of the progress."""
    class_weights: Literal["none", "balanced"] = "none"
    """Weigh classes in the cross entropy by the inverse root of their share of training frames."""

    def __post_init__(self) -> None:
        names = (one.name for one in dataclasses.fields(self) if isinstance(one.default, float))
        require_range(self, **dict.fromkeys(names, (0, 1e6)))

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each loss term, by name."""
        return {name: getattr(self, f"{name}_weight") for name in ("cross_entropy", "smoothing", "progress", "graph")}


@dataclass(frozen=True)
class TrainingConfig:
    """How the loss is minimised, and on what."""

    epochs: int = 50
    """Passes over the training videos."""
    batch_size: int = 1
    """Videos (or windows) in a step, over all processes together."""
    lr: float = 5e-4
    """Learning rate (the highest one under a cosine schedule)."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Adam, or Adam with decoupled weight decay."""
    weight_decay: float = 0.0
    """Weight decay."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Learning rate over the run: constant, or falling to 0 along a half cosine."""
    clip_norm: float = 0.0
    """Clip the gradient's norm to this; 0 does not clip."""
    validation_share: float = 0.0
    """Share of the training videos held out to choose the best epoch by; never test videos. 0 keeps the last epoch."""
    patience: int = 0
    """Stop after so many epochs without a better validation score; 0 never stops early."""
    window_frames: int = 0
    """Cut longer training videos into windows of so many frames; 0 takes them whole."""
    workers: int = 0
    """Processes that load features beside the training process."""
    threads: int = 1
    """Processor threads to compute with. More gain little at this size, and when other programs want the cores too,
    they wait for each other and take many times as long."""
    seed: int = 0
    """Seed of initial weights, batch order, dropout and the validation videos."""
    device: Device = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    precision: Literal["32", "bf16", "16"] = "32"
    """Float32, or mixed precision with bfloat16 or (on a GPU) float16."""

    def __post_init__(self) -> None:
        require_range(
            self,
            epochs=(1, 10**6),
            batch_size=(1, 10**5),
            lr=(1e-12, 1e3),
            weight_decay=(0, 1e3),
            clip_norm=(0, 1e9),
            patience=(0, 10**6),
            window_frames=(0, 10**9),
            workers=(0, 256),
            threads=(1, 1024),
            seed=(0, 2**32 - 1),
        )
        if not 0 <= self.validation_share < 1:
            raise InputError(f"--validation-share is {self.validation_share}; it must be in [0, 1)")
        if self.patience and not self.validation_share:
            raise InputError("--patience needs validation videos; give --validation-share as well")


@dataclass(frozen=True)
class DecodingConfig:
    """From the network's output to the labels and the progress that are reported."""

    filter: Literal["none", "durations"] = "none"
    """Report the network's likeliest class, or filter it by the durations and the order of actions."""
    evidence: float = 1.0
    """Exponent of the network's probabilities in the filter; below 1 they count less, and labels change less."""
    interruption: float = 0.01
    """Probability that an action ends at a frame whatever its duration so far."""
    spread: float = 0.3
    """Standard deviation of the kernel that smooths logarithms of the training segments' durations."""
    network_share: float = 0.5
    """Weight of the network's progress in the progress of a filtered run; the rest is the filter's."""
    hedge: bool = True
    """Let the reported progress of a filtered run allow for other actions than the predicted one."""
    interval_tail: float = 0.03
    """Share of the filter's belief left out at each end of the interval of progress; see experiments/RESULTS.md."""
    doubt: float = 0.01
    """Weight of a uniform distribution mixed into the network's probabilities, so that no class is impossible."""
    overrun: float = 0.25
    """Mean time that a segment lasts beyond its class's longest length, as a share of that length."""
    num_lengths: int = 8
    """Lengths of each class in the filter: equally probable quantiles of its training segments' lengths."""
    length_limit: float = 2.0
    """No length in the filter exceeds this many times the longest training segment."""
    max_phases: int = 32
    """Most phases that a segment goes through in the filter; more are finer and cost more time."""
    progress_bins: int = 50
    """Bins of progress, over which the filter takes medians and intervals."""

    def __post_init__(self) -> None:
        require_range(
            self,
            evidence=(0, 10),
            interruption=(1e-9, 1),
            spread=(0, 10),
            network_share=(0, 1),
            interval_tail=(0, 0.5),
            doubt=(0, 1),
            overrun=(0, 100),
            num_lengths=(1, 1000),
            length_limit=(1, 100),
            max_phases=(1, 10**4),
            progress_bins=(2, 10**4),
        )


@dataclass(frozen=True)
class RunConfig:
    """One run: data, network, losses, training, decoding."""

    dataset: str = "egoprocel"
    """A dataset file, NAME for data/NAME.h5, or egoprocel, for which simulated procedures stand in."""
    split: str = "1"
    """Split to train and test on."""
    feature_set: str | None = None
    """Features to use; by default those tied to the split, else `features`."""
    control: Control = "none"
    """Put something else in the features' place, to see what a model owes them: Gaussian noise, the frame's number, or
    the features shuffled among the frames of a class within a video."""
    preset: Literal["default", "reference"] = "default"
    """The settings that the flags start from."""
    title: str = ""
    """Name under which tables list the run; by default its settings. It may change when the run is resumed."""
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)


REFERENCE = RunConfig(preset="reference")
"""ProTAS as published: every field above at its default."""

DEFAULT = RunConfig(
    preset="default",
    model=ModelConfig(stages=4, arrangement="parallel", layers=0, standardise=True),
    loss=LossConfig(progress_over="active", progress_error="absolute"),
    training=TrainingConfig(epochs=40, batch_size=2, lr=1e-3, schedule="cosine", clip_norm=5.0),
    decoding=DecodingConfig(filter="durations", evidence=0.7),
)
"""What has measured best here; each departure from `reference` has its reason in experiments/RESULTS.md."""

PRESETS = {"reference": REFERENCE, "default": DEFAULT}
SECTIONS = {"model": ModelConfig, "loss": LossConfig, "training": TrainingConfig, "decoding": DecodingConfig}
"""The parts of a `RunConfig`, by name."""


def flat_settings(config: Any) -> dict[str, Any]:
    """Every setting by its flag's name, the names of sections left out."""
    flat: dict[str, Any] = {}
    for name, value in dataclasses.asdict(config).items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def to_yaml(config: Any) -> str:
    """Write a configuration as YAML, sections as nested mappings."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False)


def from_yaml(text: str, where: str, cls: type[T]) -> T:
    """Read what `to_yaml` wrote. `InputError` names a field that is unknown or has a value of the wrong kind."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where} is not YAML: {' '.join(str(error).split())}") from error
    return from_dict(cls, content, where)


def from_dict(cls: type[T], content: Any, where: str) -> T:
    """Build a configuration of class `cls` from nested mappings; `where` stands in the errors."""
    if not isinstance(content, dict):
        raise InputError(f"{where}: expected fields of {cls.__name__}, found {content!r}")
    known = {one.name: one for one in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise InputError(f"{where}: unknown field {unknown[0]!r}; a newer version may have written it")
    values, hints = dict(content), get_type_hints(cls)
    for name, value in values.items():
        if dataclasses.is_dataclass(hints[name]):
            values[name] = from_dict(hints[name], value, f"{where}: {name}")
        else:
            values[name] = _checked(name, value, known[name].default, hints[name], where)
    return cls(**values)


def _checked(name: str, value: Any, default: Any, hint: Any, where: str) -> Any:
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    if choices and value not in choices:
        raise InputError(f"{where}: {name} is {value!r}; it is one of {', '.join(choices)}")
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, int | float | str) and type(value) is not type(default):
        raise InputError(f"{where}: {name} is {value!r}, expected a {type(default).__name__}")
    return value
