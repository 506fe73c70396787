"""What the commands that make many runs compare: their flags, beside those of a single run."""

from __future__ import annotations

from dataclasses import dataclass, field

from protas_gtcc.config import Control, File, Folder, Text, require_range
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadTraining, HeadVersion
from protas_gtcc.heads.versions import VERSIONS, HeadSwitches, version_of


@dataclass(frozen=True)
class RunGrid:
    """The runs of a cross-validation: every preset, control, variant, split and seed."""

    dataset: str | None = None
    """A dataset file, or a known name; with --runs by default theirs."""
    splits: str | None = None
    """Splits, with commas between; by default all that have test videos."""
    seeds: int = 3
    """Number of seeds, from 0 on."""
    preset: tuple[str, ...] = ("default",)
    """Presets; PRESET:N for another number of seeds."""
    control: tuple[Control, ...] = ("none",)
    """Controls; none is the dataset's own features."""
    variant: tuple[Text, ...] = ()
    """Beside each preset, the same with other flags; each is written 'NAME: FLAGS', {seed} for the seed."""

    def __post_init__(self) -> None:
        require_range(self, seeds=(1, 1000))
        if not self.preset or not self.control:
            raise InputError("--preset and --control need at least one value")


@dataclass(frozen=True)
class AlignmentGrid:
    """The runs of a comparison of alignments: every loss, variant, split and seed."""

    dataset: str
    """A dataset file, or a known name."""
    splits: str = "1"
    """Splits, with commas between; a figure is the mean over them."""
    loss: tuple[str, ...] = ("tcc", "gtcc", "lav", "vava")
    """Losses; one with settings of its own is written 'LOSS: FLAGS'."""
    seeds: int = 1
    """Number of seeds, from 0 on."""
    variant: tuple[Text, ...] = ()
    """Beside each loss, the same with other flags; each is written 'NAME: FLAGS', {seed} for the seed."""

    def __post_init__(self) -> None:
        require_range(self, seeds=(1, 1000))
        if not self.loss:
            raise InputError("--loss needs at least one value")


@dataclass(frozen=True)
class HeadComparison:
    """The predictors in a table of scalar heads."""

    dataset: str
    """A dataset file, or a known name."""
    split: str = "1"
    """Split to train and test on."""
    feature_set: tuple[str, ...] = ()
    """Feature sets to train heads on, one after the other; by default those tied to the split, else `features`.
    `rgb+hands` is two sets, joined."""
    heads: tuple[str, ...] = tuple(VERSIONS)
    """Heads by name, ARCHITECTURE-LOSS or a published version; by default all of them."""
    seeds: int = 1
    """Number of seeds, from 0 on."""
    runs: tuple[Folder, ...] = ()
    """Run directories of per-class models on this dataset and split, for rows of their own."""
    joint: tuple[Folder, ...] = ()
    """Run directories of 'align --head' on this dataset and split; runs that differ in seed alone are one row."""
    published: tuple[File, ...] = ()
    """Checkpoints with a published GRU head, which is applied to the feature sets."""
    control: Control = "none"
    """Replace the features, to see how much a head depends on them; with noise it can only count frames."""
    switches: HeadSwitches = field(default_factory=HeadSwitches)
    training: HeadTraining = field(default_factory=HeadTraining)

    @property
    def versions(self) -> dict[str, HeadVersion]:
        """The heads by their rows' names, which have the switches that are set."""
        added = "".join(f", {name} {value}" for name, value in self.switches.given.items())
        return {f"{name}{added}": version_of(name, self.switches) for name in self.heads}

    def __post_init__(self) -> None:
        require_range(self, seeds=(1, 1000))
        _ = self.versions  # raises for an unknown head, or what one cannot have
        if self.training.seed != HeadTraining.seed:
            raise InputError("--seed is for one head; here, give --seeds")
        if self.joint and self.control != "none":
            what = f"--joint: encoders were trained on the features, not on --control {self.control}"
            raise InputError(f"{what}; leave out one of the two")
