"""`protas-gtcc procedure`: steps, or probabilities -> what is done, next, missing and left, scored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from protas_gtcc.cli.shared.console import make_console, print_result, progress_bars, warn
from protas_gtcc.cli.shared.parsing import Folder, Positional
from protas_gtcc.config import DEFAULT
from protas_gtcc.errors import InputError, plural
from protas_gtcc.predictions import PredictionInfo
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.storage.atomic import require_absent, write_text

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset
    from protas_gtcc.prepare.survey import OnProgress
    from protas_gtcc.runs.procedures import Test


@dataclass(frozen=True)
class Command:
    """Follow the procedures of a split's test videos, and score what is reported of them.

    By default from the true steps, as a perfect recogniser would see them. Procedures are learnt on the split's
    training and validation videos. Alarms keep to a budget that is set on those of them in which nothing is wrong,
    followed by what was learnt from other people.
    """

    dataset: Positional[str]
    """Name or file of the dataset."""
    split: str | None = None
    """Split whose test videos are followed; by default the only one, or split 1 of several."""
    input: Literal["steps", "confused"] = "steps"
    """The true steps, or these through a recogniser that mistakes each 10 seconds of a step for another step of the
    task with the probability --confusion."""
    confusion: float = 0.2
    """Confusion of the recogniser."""
    seed: int = 0
    """Seed of the confusion."""
    probabilities: tuple[Path, ...] = ()
    """Instead: HDF5 files of predictions as `predict` writes them, from any program, with the probabilities of the
    classes at each frame of the test videos. If training videos are there too, made by models that have not seen their
    people, intervals and alarms are calibrated on them."""
    model: tuple[Path, ...] = ()
    """Instead: runs that were trained on the split, such as several seeds. They have learnt procedures
    themselves; those of an imported checkpoint are learnt here, and nothing is calibrated then."""
    graphs: Path | None = None
    """Drawn task graphs as a prior: a JSON file, or a folder with one for each task."""
    task_inferred: bool = False
    """Infer the task of each video; by default it is given."""
    false_alarms_per_hour: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    """Budgets of false alarms, each an hour of recording."""
    out: Folder | None = None
    """Folder for procedure.json with all scores, table.md, and predictions.h5, which keeps the procedure of each video:
    of the first run, with alarms of all reasons at the first budget that can be kept."""
    overwrite: bool = False
    """Replace these files if they exist."""
    json: bool = False
    """Print the scores as JSON."""

    def __post_init__(self) -> None:
        if sum([bool(self.probabilities), bool(self.model), self.input != "steps"]) > 1:
            raise InputError("--input confused, --probabilities and --model contradict each other; give one")
        if not 0 <= self.confusion < 1:
            raise InputError(f"--confusion is {self.confusion:g}; it must be at least 0, and less than 1")
        if self.seed < 0:
            raise InputError(f"--seed is {self.seed}; it must be at least 0")
        wrong = [budget for budget in self.false_alarms_per_hour if not 0 < budget < 1e6]
        if wrong:
            raise InputError(f"--false-alarms-per-hour is {wrong[0]:g}; it must be above 0, and below 1e6")
        if self.model and self.graphs is not None:
            raise InputError("--graphs is for learning, and a run has learnt already; leave one of them out")

    def run(self) -> None:
        """Learn, follow, score, print and write."""
        from protas_gtcc.metrics.prediction_files import write_predictions
        from protas_gtcc.report.procedure_table import markdown
        from protas_gtcc.runs.procedures import predictions, score

        console = make_console(stderr=True)
        dataset = open_dataset(self.dataset, warn(console))
        split = self.split or dataset.usual_split
        if self.out is not None:
            require_absent([self.out / name for name in WRITTEN], self.overwrite)
        with progress_bars() as on_progress:
            tests = list(self._tests(dataset, split, on_progress))
            scores = {"input": self._name(), **self._facts(dataset, split)} | score(tests, self.false_alarms_per_hour)
        text = f"{self._heading(dataset, scores)}\n\n{markdown(scores)}"
        if self.out is not None:
            write_text(self.out / WRITTEN[0], json.dumps(scores, indent=1, allow_nan=False))
            write_text(self.out / WRITTEN[1], text)
            own, tasks = dataset.info, list(tests[0].learnt.tasks.names)
            facts = own.class_names, own.background, own.fps, own.simulated
            info = PredictionInfo(*facts, tasks=tasks, class_colours=own.class_colours)
            found = predictions(tests[0], self.false_alarms_per_hour)
            write_predictions(self.out / WRITTEN[2], found, info)
        print_result(text, scores, self.json)

    def _tests(self, dataset: Dataset, split: str, on_progress: OnProgress) -> Iterator[Test]:
        """What is followed: by a model, or by what is learnt here."""
        from protas_gtcc.runs import procedure_inputs, procedures

        test, given = dataset.part(split, "test"), not self.task_inferred
        train = [*dataset.part(split, "train"), *dataset.part(split, "validation")]
        if self.model:
            for run in self.model:
                learnt, evidence, own = procedures.of_run(run, dataset, split, train)
                yield procedures.Test(dataset, own, test, evidence, learnt, given, on_progress)
            return
        evidence, settings = procedure_inputs.true_steps(dataset), procedures.exact_settings()
        if self.probabilities:
            evidence, settings = procedure_inputs.given_probabilities(self.probabilities, dataset), DEFAULT.decoding
        elif self.input == "confused":
            evidence = procedure_inputs.confused_steps(dataset, self.confusion, self.seed)
            settings = DEFAULT.decoding
        learnt = procedures.learn(dataset, train, evidence, settings, self.graphs)
        yield procedures.Test(dataset, train, test, evidence, learnt, given, on_progress)

    def _name(self) -> str:
        if self.model:
            return "a model's own: " + ", ".join(map(str, self.model))
        if self.probabilities:
            return "probabilities of " + ", ".join(map(str, self.probabilities))
        return f"true steps, confused by {self.confusion:g}" if self.input == "confused" else "true steps"

    def _facts(self, dataset: Dataset, split: str) -> dict[str, Any]:
        return {
            "dataset": dataset.info.name,
            "split": split,
            "simulated": dataset.info.simulated,
            "is_annotated": any(dataset.track(video) is not None for video in dataset.part(split, "test")),
            "task_given": not self.task_inferred,
            "graphs": None if self.graphs is None else str(self.graphs),
            "seed": self.seed,
        }

    def _heading(self, dataset: Dataset, scores: Mapping[str, Any]) -> str:
        simulated = "SIMULATED: " if dataset.info.simulated else ""
        task = "inferred" if self.task_inferred else "given"
        of = plural(scores["held_out"]["num_normal"], "held-out recording")
        calibrated = f"budgets set on {of} without mistakes, {scores['held_out']['hours']:.1f} hours"
        if not scores["is_annotated"]:
            calibrated += "; mistakes are not annotated, so every alarm counts as false"
        runs = f" by each of {scores['num_runs']} runs" if scores["num_runs"] > 1 else ""
        where = f"{simulated}{dataset.info.name}, split {scores['split']}: {scores['num_videos']} test recordings{runs}"
        return f"{where}, from {scores['input']}; task {task}; {calibrated}."


WRITTEN = ("procedure.json", "table.md", "predictions.h5")
