"""What a search found: its trials by score, whether the best is to be believed, and the best as a preset file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from protas_gtcc.config import PRESETS, RunConfig, flat_settings
from protas_gtcc.errors import InputError, plural
from protas_gtcc.metrics.evaluation import software_versions
from protas_gtcc.runs.search_space import NOT_SEARCHED
from protas_gtcc.runs.tuning import Fold, Trial, Tuning
from protas_gtcc.storage.preset_files import write_preset


def summarise(tuning: Tuning) -> dict[str, Any]:
    """The trials, best first, and how much the best gains on the preset.

    Raises `InputError` if the preset has no score to compare with.
    """
    preset = tuning.preset
    if preset.state != "complete":
        raise InputError(f"the preset itself failed, so there is nothing to compare with: {preset.reason}")
    whole = [preset, *(trial for trial in tuning.trials if trial.state == "complete")]
    best = max(whole, key=lambda trial: trial.mean)  # of equals the preset, which is the first
    others = sorted(
        (trial for trial in tuning.trials),
        key=lambda trial: (trial.state != "complete", -(trial.mean if trial.scores else 0)),
    )
    return {
        "goal": tuning.goal,
        "folds": [{"dataset": str(fold.dataset), "split": fold.split} for fold in tuning.folds],
        "best": best.name,
        "gain": best.mean - preset.mean,
        "better_on": sum(one > own for one, own in zip(best.scores, preset.scores, strict=True)),
        "gain_on_folds_left_out": gain_on_folds_left_out(preset.scores, [trial.scores for trial in whole]),
        "preset": _row(preset, tuning.folds),
        "trials": [_row(trial, tuning.folds) for trial in others],
        "versions": software_versions(),
    }


def gain_on_folds_left_out(preset: Sequence[float], trials: Sequence[Sequence[float]]) -> float | None:
    """How much is gained by choosing the best of `trials` `[N][F]`, without the flattery of the choice.

    For each fold, the trial that is best on all other folds is compared on this one with the preset `[F]`; returns the
    mean difference, and None with a single fold (Stone, 1974).
    """
    if len(preset) < 2:
        return None
    gains = []
    for fold, own in enumerate(preset):
        chosen = max(trials, key=lambda scores: sum(scores) - scores[fold])
        gains.append(chosen[fold] - own)
    return sum(gains) / len(gains)


def write_best(out: Path, tuning: Tuning, summary: Mapping[str, Any], base: RunConfig) -> Path | None:
    """Write the best trial's settings as a preset file, `best.yaml`; None, and no file, if that is the preset."""
    file = out / "best.yaml"
    if summary["best"] == tuning.preset.name:
        file.unlink(missing_ok=True)
        return None
    [best] = [trial for trial in tuning.trials if trial.name == summary["best"]]
    built_in = base.preset if base.preset in PRESETS else "default"
    usual, own = flat_settings(PRESETS[built_in]), flat_settings(base) | best.settings
    changed = {name: own[name] for name in own if own[name] != usual[name] and name not in NOT_SEARCHED}
    changed |= best.settings
    about = "\n".join(
        [f"{best.name} of {out.name}: the best of {plural(len(tuning.trials), 'trial')}", *verdict(summary)]
    )
    write_preset(file, built_in, changed, about)
    return file


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """What the search found, in sentences: one a line."""
    goal, num_folds = summary["goal"], len(summary["folds"])
    own, left_out = summary["preset"]["mean"], summary["gain_on_folds_left_out"]
    if summary["best"] == "preset":
        return [f"No trial has a better {goal} than the preset ({_number(goal, own)}) on these held-out people."]
    lines = [
        f"{summary['best']} has {goal} {_number(goal, own + summary['gain'])}, the preset {_number(goal, own)}; "
        f"it is better on {summary['better_on']} of {plural(num_folds, 'fold')}.",
        "It was chosen by these scores, so they flatter it. No test video was looked at.",
    ]
    if left_out is not None:
        gain = _number(goal, left_out, signed=True)
        lines.insert(1, f"Chosen without a fold and scored on it, the best trial gains {gain} in the mean.")
        if left_out <= 0:
            lines.insert(2, "So the search found nothing that other people are likely to gain from.")
    return lines


def markdown(summary: Mapping[str, Any]) -> str:
    """A row for the preset, and one for each trial, best first; below, what was found."""
    rows, goal = [summary["preset"], *summary["trials"]], summary["goal"]
    datasets, settings = list(rows[0]["by_dataset"]), list(summary["trials"][0]["settings"]) if rows[1:] else []
    sets = [Path(one).stem for one in datasets] if len(datasets) > 1 else []
    heading = ["trial", "", goal, *sets, *settings]
    lines = [" | ".join(["", *heading, ""]).strip(), "|---" * len(heading) + "|"]
    for row in rows:
        folds = f"{len(row['scores'])} of {len(summary['folds'])} folds"
        state = {"complete": "", "pruned": f"stopped after {folds}", "failed": f"failed: {row['reason']}"}[row["state"]]
        scores = [row["mean"], *(row["by_dataset"].get(one) for one in datasets if sets)]
        cells = [row["name"], state, *(_number(goal, one) for one in scores)]
        lines.append(" | ".join(["", *cells, *(_setting(row["settings"].get(name)) for name in settings), ""]).strip())
    return "\n".join([*lines, "", *verdict(summary)]) + "\n"


def _row(trial: Trial, folds: Sequence[Fold]) -> dict[str, Any]:
    by_dataset: dict[str, list[float]] = {}
    for fold, score in zip(folds, trial.scores, strict=False):
        by_dataset.setdefault(str(fold.dataset), []).append(score)
    return {
        "name": trial.name,
        "state": trial.state,
        "reason": trial.reason,
        "mean": trial.mean if trial.scores else None,
        "by_dataset": {name: sum(scores) / len(scores) for name, scores in by_dataset.items()},
        "scores": trial.scores,
        "settings": trial.settings,
    }


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _number(goal: str, value: float | None, signed: bool = False) -> str:
    if value is None:
        return ""
    digits = 3 if goal == "skill" else 1
    return f"{value:{'+' if signed else ''}.{digits}f}"
