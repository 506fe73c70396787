"""A search for settings on held-out people: Optuna proposes, runs are made on every fold, the mean score decides.

A trial is a folder with its settings and a run for each fold; `trial.json` has its scores and says how it ended. The
folders are all that is kept: the same search again begins with them, and goes on with trials that are not finished.

The folds come in rounds, one fold of each dataset a round. After each round but the last, a trial is stopped if its
mean is below the median of the means that other trials had then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.runs.plans import PlannedRun
from protas_gtcc.runs.search_space import Space, described
from protas_gtcc.runs.trials import Fold, State, Trial, read_trial, require_same_search, score_of
from protas_gtcc.storage.atomic import write_text

STARTUP_TRIALS = 5
"""Trials with random settings; as many must have been in a round before another is stopped after it."""
MOST_REPEATS = 100
"""Proposals of settings that there were already, after which no new ones are looked for."""


class Tuning:
    """A search in a folder: its trials, and the runs to be made.

    `plan` makes the run of a trial on a fold. `own` are the searched settings of the preset, None if it is outside the
    space. `about` says what is searched on. Raises `InputError` if the folder has another search.
    """

    def __init__(
        self,
        out: Path,
        folds: Sequence[Fold],
        space: Space,
        goal: str,
        number: int,
        plan: Callable[[Trial, Fold], PlannedRun],
        own: Mapping[str, Any] | None,
        about: Mapping[str, Any],
        seed: int = 0,
    ):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.out, self.folds, self.space, self.goal, self.number = out, folds, space, goal, number
        self._plan, self._own = plan, own
        facts = {"goal": goal, "folds": [[str(one.dataset), one.split] for one in folds], "search": described(space)}
        require_same_search(out, facts | dict(about))
        kept = [read_trial(path, space, len(folds)) for path in sorted(out.glob("trial-*/trial.json"))]
        # From another seed after each stop: else the first proposals would be those of before.
        drawn = int(np.random.SeedSequence([seed, len(kept)]).generate_state(1)[0])
        sampler = optuna.samplers.TPESampler(seed=drawn, n_startup_trials=STARTUP_TRIALS, constant_liar=True)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self.preset, self.trials = Trial("preset", {}), list[Trial]()
        self._left = [trial for trial in kept if trial.state in ("running", "failed")]
        for trial in kept:
            if trial not in self._left:
                self.trials.append(trial)
                self._add(trial.settings, trial)
        self._running: dict[str, Trial] = {}

    def first_runs(self, at_once: int) -> list[PlannedRun]:
        """The runs to begin with: the preset's, and those of the first trials. They may be done already."""
        first = self._advance(self.preset)
        return [*([first] if first else []), *self._runs_of_further_trials(at_once - bool(first))]

    def next_runs(self, plan: PlannedRun, failure: str | None) -> list[PlannedRun]:
        """The run that takes the place of one that is done, or failed for the reason `failure`. It may be done too."""
        trial = self._running.pop(plan.name)
        try:
            if failure is None:
                trial.scores.append(score_of(plan, self.goal))
        except InputError as error:
            failure = str(error)
        if failure is not None:
            self._end(trial, "failed", failure)
        following = self._advance(trial) if trial.state == "running" else None
        return [following] if following else self._runs_of_further_trials(1)

    def _runs_of_further_trials(self, count: int) -> list[PlannedRun]:
        """The first runs of trials that are not finished, then of new ones; none once the preset has failed."""
        plans: list[PlannedRun] = []
        while len(plans) < count and self.preset.state != "failed":
            if self._left:
                kept = self._left.pop(0)
                self._study.enqueue_trial(kept.settings)
                trial = self._begin(kept.name, self._study.ask(dict(self.space)))
            elif len(self.trials) < self.number and (proposal := self._new_proposal()):
                trial = self._begin(self._free_name(), proposal)
            else:
                break
            if plan := self._advance(trial):
                plans.append(plan)
        return plans

    def _new_proposal(self) -> Any:
        """Settings that no trial has had, nor the preset; None if such are not found."""
        from optuna.trial import TrialState

        known = [dict(self._own or {}), *(trial.settings for trial in self.trials)]
        for _ in range(MOST_REPEATS):
            proposal = self._study.ask(dict(self.space))
            if proposal.params not in known:
                return proposal
            self._study.tell(proposal, state=TrialState.FAIL)
        return None

    def _begin(self, name: str, proposal: Any) -> Trial:
        trial = Trial(name, dict(proposal.params), proposal=proposal)
        self.trials.append(trial)
        (self.out / name).mkdir(parents=True, exist_ok=True)
        self._write(trial)
        return trial

    def _free_name(self) -> str:
        """One after the last: a folder that was removed leaves a gap."""
        taken = [path.name.removeprefix("trial-") for path in self.out.glob("trial-*")]
        return f"trial-{max((int(one) for one in taken if one.isdecimal()), default=-1) + 1:03d}"

    def _advance(self, trial: Trial) -> PlannedRun | None:
        """The trial's next run, or None once it has ended."""
        if len(trial.scores) == len(self.folds):
            self._end(trial, "complete")
        elif self._is_poor(trial):
            self._end(trial, "stopped")
        else:
            try:
                plan = self._plan(trial, self.folds[len(trial.scores)])
                self._running[plan.name] = trial
                return plan
            except InputError as error:
                self._end(trial, "failed", str(error))
        return None

    def _is_poor(self, trial: Trial) -> bool:
        """Whether, a round being over, its mean is below the median of what the others had then."""
        count = len(trial.scores)
        if trial is self.preset or not count or self.folds[count].round == self.folds[count - 1].round:
            return False
        everyone = [self.preset, *self.trials]
        others = [
            one.mean(self.folds, one.scores[:count])
            for one in everyone
            if one is not trial and len(one.scores) >= count
        ]
        return len(others) >= STARTUP_TRIALS and trial.mean(self.folds) < median(others)

    def _end(self, trial: Trial, state: State, reason: str = "") -> None:
        from optuna.trial import TrialState

        trial.state, trial.reason = state, reason
        if trial.proposal is not None:
            # A stopped trial counts with its mean so far: it was as poor as that.
            value = trial.mean(self.folds) if state in ("complete", "stopped") else None
            self._study.tell(trial.proposal, value, TrialState.FAIL if value is None else TrialState.COMPLETE)
            self._write(trial)
        elif state == "complete" and self._own is not None:
            self._add(self._own, trial)  # so that proposals know how good the preset is

    def _write(self, trial: Trial) -> None:
        content = {name: getattr(trial, name) for name in ("settings", "scores", "state", "reason")}
        write_text(self.out / trial.name / "trial.json", json.dumps(content, indent=1) + "\n")

    def _add(self, settings: Mapping[str, Any], trial: Trial) -> None:
        """Let Optuna know of a trial that it did not propose now."""
        from optuna.trial import create_trial

        value = trial.mean(self.folds)
        self._study.add_trial(create_trial(value=value, params=dict(settings), distributions=dict(self.space)))
