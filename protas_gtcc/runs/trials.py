"""The trials of a search for settings, and the files that keep them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, NamedTuple, get_args

from protas_gtcc.errors import InputError
from protas_gtcc.runs.plans import PlannedRun
from protas_gtcc.runs.search_space import Space, contains
from protas_gtcc.storage.atomic import write_text

GOALS: Mapping[str, tuple[str, ...]] = {
    "skill": ("progress", "predicted", "skill"),
    "acc": ("segmentation", "acc"),
    "edit": ("segmentation", "edit"),
    "f1@10": ("segmentation", "f1@10"),
    "f1@25": ("segmentation", "f1@25"),
    "f1@50": ("segmentation", "f1@50"),
}
"""Scores that a search may maximise, and where they stand in metrics.json."""
Goal = Literal["skill", "acc", "edit", "f1@10", "f1@25", "f1@50"]
State = Literal["running", "complete", "stopped", "failed"]


class Fold(NamedTuple):
    """Held-out people of a dataset."""

    dataset: Path
    split: str
    round: int
    """Its number among the dataset's folds."""


@dataclass
class Trial:
    """Settings, and the scores of their runs."""

    name: str
    """Its folder's."""
    settings: dict[str, Any]
    """By field name; none for the preset itself."""
    scores: list[float] = field(default_factory=list)
    """Of the first folds."""
    state: State = "running"
    reason: str = ""
    """Why it failed."""
    proposal: Any = None
    """Optuna's trial."""

    def mean(self, folds: Sequence[Fold], scores: Sequence[float] | None = None) -> float:
        """Mean over datasets of the mean over their first folds; each dataset counts once, however many folds it has.

        `scores` are its own, or others of as many folds.
        """
        by_dataset: dict[Path, list[float]] = {}
        for fold, score in zip(folds, self.scores if scores is None else scores, strict=False):
            by_dataset.setdefault(fold.dataset, []).append(score)
        return fmean(map(fmean, by_dataset.values()))


def score_of(plan: PlannedRun, goal: str) -> float:
    """The score of a finished run. Raises `InputError` if it has none."""
    value: Any = _read_json(plan.run.metrics, f"protas-gtcc evaluate {plan.run.path} makes it again")
    for key in GOALS[goal]:
        value = value.get(key) if isinstance(value, dict) else None
    if not _is_number(value):
        raise InputError(f"{plan.run.metrics} has no {goal} to compare trials by; choose another --goal")
    return float(value)


def require_same_search(out: Path, about: Mapping[str, Any]) -> None:
    """Keep what is searched in search.json. Raises `InputError` if the folder has another search."""
    file = out / "search.json"
    if not file.is_file():
        write_text(file, json.dumps(about, indent=1) + "\n")
        return
    before = _read_json(file, "give another --out")
    if not isinstance(before, dict):
        raise InputError(f"{file} is not as 'tune' writes it; give another --out")
    for name, now in json.loads(json.dumps(about)).items():  # as it is read again: a tuple is a list there
        then = before.get(name)
        if isinstance(now, dict) and isinstance(then, dict):
            differing = [key for key in now | then if now.get(key) != then.get(key)]
            if differing:
                name, then, now = f"{name}, {differing[0]}", then.get(differing[0]), now.get(differing[0])
        if then != now:
            raise InputError(f"{out} has a search that differs in {name}: {then}, not {now}; give another --out")


def read_trial(path: Path, space: Space, num_folds: int) -> Trial:
    """The trial of a trial.json. Raises `InputError` if it is damaged, or of another search."""
    way_out = "remove its folder"
    content = _read_json(path, way_out)
    try:
        settings, scores, state = content["settings"], content["scores"], content["state"]
        lengths = {"complete": [num_folds], "stopped": range(1, num_folds)}.get(state, range(num_folds + 1))
        fits = state in get_args(State) and isinstance(scores, list) and len(scores) in lengths
        whole = fits and contains(space, settings) and all(map(_is_number, scores))
    except (LookupError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise InputError(f"{path} is not as 'tune' writes it for this search; {way_out}")
    # The runs of one that is not finished, or failed, are scored again.
    return Trial(path.parent.name, settings, scores if state in ("complete", "stopped") else [], state)


def _read_json(path: Path, way_out: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}); {way_out}") from error


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300
