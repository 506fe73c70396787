"""A search for settings on held-out people: Optuna proposes, runs are made on every fold, the mean score decides.

A trial is a folder with its settings and a run for each fold. When it ends, `trial.json` says how. So the folders are
all that is kept: the same search again begins with what they say, and continues what was not finished.

The folds come in one order for all trials, so that a trial can be stopped early: after each fold, if its mean so far
is below the median of the means that other trials had then (Optuna's `MedianPruner`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from protas_gtcc.errors import InputError
from protas_gtcc.runs.plans import PlannedRun
from protas_gtcc.runs.search_space import Space, described
from protas_gtcc.storage.atomic import write_text

GOALS: Mapping[str, tuple[str, ...]] = {
    "skill": ("progress", "predicted", "skill"),
    "acc": ("segmentation", "acc"),
    "edit": ("segmentation", "edit"),
    "f1@10": ("segmentation", "f1@10"),
    "f1@25": ("segmentation", "f1@25"),
    "f1@50": ("segmentation", "f1@50"),
}
"""What may be sought, and where it stands in metrics.json. More is better."""
Goal = Literal["skill", "acc", "edit", "f1@10", "f1@25", "f1@50"]
STARTUP_TRIALS = 5
"""Trials with random settings, before any is proposed or stopped early."""
State = Literal["running", "complete", "pruned", "failed"]


class Fold(NamedTuple):
    """Held-out people of a dataset."""

    dataset: Path
    split: str


@dataclass
class Trial:
    """Settings, and what came of them so far."""

    name: str
    """Its folder's."""
    settings: dict[str, Any]
    """By field name; none for the preset itself."""
    scores: list[float] = field(default_factory=list)
    """Of the first folds."""
    state: State = "running"
    reason: str = ""
    """Why it failed."""
    asked: Any = None
    """What Optuna knows it by."""

    @property
    def mean(self) -> float:
        """Of its scores."""
        return sum(self.scores) / len(self.scores)


Plan = Callable[[Trial, Fold], PlannedRun]


class Tuning:
    """A search in a folder: trials that are there, and runs to be made.

    `plan` makes the run of a trial on a fold. Raises `InputError` if the folder has another search.
    """

    def __init__(
        self, out: Path, folds: Sequence[Fold], space: Space, goal: str, seed: int, plan: Plan, facts: Mapping[str, Any]
    ):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.out, self.folds, self.space, self.goal, self.plan = out, folds, space, goal, plan
        about = {
            "goal": goal,
            "folds": [[str(one.dataset), one.split] for one in folds],
            "search": described(space),
            **facts,
        }
        _require_same_search(out, about)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS)
        self.study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        self.preset = Trial("preset", {})
        self.trials: list[Trial] = []
        self._left = list(self._kept())
        self._running: dict[str, Trial] = {}

    def start(self, number: int, at_once: int, own: dict[str, Any] | None) -> list[PlannedRun]:
        """The first runs of a search of `number` trials beside the preset, which has settings `own` in the space."""
        self.number, self.own = number, own
        first = self._advance(self.preset)
        return [*([first] if first else []), *self._next(at_once - bool(first))]

    def follow(self, plan: PlannedRun, failure: str | None) -> list[PlannedRun]:
        """The run that takes the place of one that ended."""
        trial = self._running.pop(plan.name)
        if failure is not None:
            self._end(trial, "failed", failure)
        following = self._advance(trial) if trial.state == "running" else None
        return [following] if following else self._next(1)

    def _next(self, count: int) -> list[PlannedRun]:
        """The first runs of further trials: of those that were not finished, then of new ones."""
        plans: list[PlannedRun] = []
        while len(plans) < count and (self._left or len(self.trials) < self.number):
            trial = self._left.pop(0) if self._left else self._ask(None, {})
            if plan := self._advance(trial):
                plans.append(plan)
        return plans

    def _ask(self, name: str | None, settings: dict[str, Any]) -> Trial:
        """A new trial, or one that was not finished, with its settings."""
        if settings:
            self.study.enqueue_trial(settings)
        asked = self.study.ask(dict(self.space))
        trial = Trial(name or f"trial-{len(self.trials):03d}", dict(asked.params), asked=asked)
        self.trials.append(trial)
        folder = self.out / trial.name
        folder.mkdir(parents=True, exist_ok=True)
        self._write(trial)
        return trial

    def _advance(self, trial: Trial) -> PlannedRun | None:
        """Score the runs that are done; returns the next one, or None once the trial has ended."""
        while len(trial.scores) < len(self.folds):
            try:
                plan = self.plan(trial, self.folds[len(trial.scores)])
                if plan.state() != "done":
                    self._running[plan.name] = trial
                    return plan
                score = score_of(plan, self.goal)
            except InputError as error:
                self._end(trial, "failed", str(error))
                return None
            trial.scores.append(score)
            if trial.asked is not None:
                trial.asked.report(trial.mean, len(trial.scores))
                if len(trial.scores) < len(self.folds) and trial.asked.should_prune():
                    self._end(trial, "pruned")
                    return None
        self._end(trial, "complete")
        return None

    def _end(self, trial: Trial, state: State, reason: str = "") -> None:
        from optuna.trial import TrialState

        trial.state, trial.reason = state, reason
        if trial.asked is not None:
            states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
            self.study.tell(trial.asked, trial.mean if state == "complete" else None, states[state])
            self._write(trial)
        elif state == "complete" and self.own is not None:
            self._add(self.own, trial.scores, state)  # so that proposals know how good the preset is

    def _write(self, trial: Trial) -> None:
        names = ("settings", "scores", "state", "reason")
        content = {name: getattr(trial, name) for name in names}
        write_text(self.out / trial.name / "trial.json", json.dumps(content, indent=1) + "\n")

    def _kept(self) -> Iterator[Trial]:
        """Take up the trials in the folder; yields those that were not finished."""
        unfinished = []
        for path in sorted(self.out.glob("trial-*/trial.json")):
            kept = _read_trial(path)
            if kept.state == "running":
                unfinished.append(kept)
            else:
                self._add(kept.settings, kept.scores, kept.state)
                self.trials.append(kept)
        for kept in unfinished:
            yield self._ask(kept.name, kept.settings)

    def _add(self, settings: Mapping[str, Any], scores: Sequence[float], state: State) -> None:
        """Tell Optuna of a trial that ended before."""
        from optuna.trial import TrialState, create_trial

        means = [sum(scores[:count]) / count for count in range(1, len(scores) + 1)]
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        self.study.add_trial(
            create_trial(
                state=states[state],
                value=means[-1] if state == "complete" else None,
                params=dict(settings),
                distributions=dict(self.space),
                intermediate_values=dict(enumerate(means, 1)),
            )
        )


def score_of(plan: PlannedRun, goal: str) -> float:
    """The score of a finished run. Raises `InputError` if it has none."""
    value: Any = json.loads(plan.run.metrics.read_text(encoding="utf-8"))
    for key in GOALS[goal]:
        value = value.get(key) if isinstance(value, dict) else value
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{plan.run.metrics} has no {goal} to compare trials by; choose another --goal")
    return float(value)


def _require_same_search(out: Path, about: Mapping[str, Any]) -> None:
    file = out / "search.json"
    if not file.is_file():
        write_text(file, json.dumps(about, indent=1) + "\n")
        return
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"{file} is not JSON, so the search there is not known; give another --out") from None
    differing = [name for name in about if not isinstance(before, dict) or before.get(name) != about[name]]
    if differing:
        what = f"another {differing[0]}: {before.get(differing[0]) if isinstance(before, dict) else before}"
        raise InputError(f"{out} has a search with {what}; give another --out, or the flags of before")


def _read_trial(path: Path) -> Trial:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        trial = Trial(path.parent.name, content["settings"], content["scores"], content["state"], content["reason"])
        trial.scores = [float(one) for one in trial.scores] if trial.state != "running" else []
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} is not as 'tune' writes it ({error}); remove its folder") from error
    return trial
