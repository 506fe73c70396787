"""What a search found: its trials by score, whether the best is to be believed, and the best as a preset file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from protas_gtcc.config import PRESETS, RunConfig, flat_settings
from protas_gtcc.errors import InputError, plural
from protas_gtcc.runs.search_space import NOT_SEARCHED
from protas_gtcc.runs.trials import Fold, Trial
from protas_gtcc.runs.tuning import Tuning
from protas_gtcc.storage.preset_files import write_preset
from protas_gtcc.storage.versions import software_versions


def summarise(tuning: Tuning, simulated: bool = False) -> dict[str, Any]:
    """The trials, best first, and how much the best gains on the preset.

    Raises `InputError` if the preset has no score to compare with, or no trial came to an end.
    """
    preset, trials = tuning.preset, tuning.trials
    if preset.state != "complete":
        raise InputError(f"the preset itself failed, so there is nothing to compare with: {preset.reason}")
    states = Counter(trial.state for trial in trials)
    if trials and states["failed"] == len(trials):
        first = trials[0]
        raise InputError(
            f"all {plural(len(trials), 'trial')} failed, {first.name}: {first.reason}; the command tries again"
        )
    whole = [preset, *(trial for trial in trials if trial.state == "complete")]
    best = max(whole, key=lambda trial: trial.mean(tuning.folds))  # of equals the preset, which is the first
    others = sorted(trials, key=lambda one: (one.state != "complete", -one.mean(tuning.folds) if one.scores else 0))
    return {
        "goal": tuning.goal,
        "simulated": simulated,
        "folds": [{"dataset": str(fold.dataset), "split": fold.split} for fold in tuning.folds],
        "best": best.name,
        "gain": best.mean(tuning.folds) - preset.mean(tuning.folds),
        "better_on": sum(one > own for one, own in zip(best.scores, preset.scores, strict=True)),
        "gain_on_last_folds": gain_on_last_folds(preset, whole, tuning.folds),
        "num_failed": states["failed"],
        "num_stopped": states["stopped"],
        "preset": _row(preset, tuning.folds),
        "trials": [_row(trial, tuning.folds) for trial in others],
        "versions": software_versions(),
    }


def gain_on_last_folds(preset: Trial, trials: Sequence[Trial], folds: Sequence[Fold]) -> float | None:
    """How much is gained by choosing the best of `trials`, on folds that had no part in the choice.

    The trial that is best on all rounds but the last is compared with the preset on the last one, after which no trial
    is stopped; returns the mean difference there, None if there is one round alone.
    """
    last = max(fold.round for fold in folds)
    earlier = sum(fold.round < last for fold in folds)
    if not earlier:
        return None
    chosen = max(trials, key=lambda trial: trial.mean(folds, trial.scores[:earlier]))
    return fmean(one - own for one, own in zip(chosen.scores[earlier:], preset.scores[earlier:], strict=True))


def write_best(out: Path, tuning: Tuning, summary: Mapping[str, Any], base: RunConfig, command: str) -> Path | None:
    """Write the best trial's settings as a preset file, `best.yaml`; None, and no file, if that is the preset.

    `command` is what trains with it; it stands in the file.
    """
    file = out / "best.yaml"
    if summary["best"] == tuning.preset.name:
        file.unlink(missing_ok=True)
        return None
    [best] = [trial for trial in tuning.trials if trial.name == summary["best"]]
    built_in = base.preset if base.preset in PRESETS else "default"
    usual, own = flat_settings(PRESETS[built_in]), flat_settings(base)
    changed = {name: value for name, value in own.items() if value != usual[name] and name not in NOT_SEARCHED}
    about = [
        f"{best.name} of {out.name}, the best of {plural(len(tuning.trials), 'trial')}",
        *verdict(summary),
        command,
    ]
    write_preset(file, built_in, changed | best.settings, "\n".join(about))
    return file


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """What the search found, in sentences: one a line."""
    goal, folds = summary["goal"], plural(len(summary["folds"]), "fold")
    own, on_last = summary["preset"]["mean"], summary["gain_on_last_folds"]
    lines = [f"{plural(summary['num_failed'], 'trial')} failed; the same command tries again."] * bool(
        summary["num_failed"]
    )
    if summary["simulated"]:
        lines.append("The videos are simulated, so these settings say nothing about real ones.")
    if summary["best"] == "preset":
        return [*lines, f"No trial has a better {goal} than the preset ({_number(goal, own)}) on the held-out videos."]
    lines.append(
        f"{summary['best']} has {goal} {_number(goal, own + summary['gain'])}, the preset {_number(goal, own)}; "
        f"it is better on {summary['better_on']} of {folds}."
    )
    if on_last is not None:
        gain = _number(goal, on_last, signed=True)
        lines.append(f"The best trial of the folds before the last round gains {gain} on the last one.")
        if on_last <= 0:
            lines.append("So the search found nothing that new videos are likely to gain from.")
    lines.append(
        "It was chosen by these scores, so they are too high for new videos. Only training videos were scored."
    )
    return lines


def markdown(summary: Mapping[str, Any]) -> str:
    """A row for the preset, and one for each trial, best first; below, what was found."""
    rows, goal = [summary["preset"], *summary["trials"]], summary["goal"]
    datasets, settings = list(rows[0]["by_dataset"]), list(summary["trials"][0]["settings"]) if rows[1:] else []
    sets = datasets if len(datasets) > 1 else []
    heading = ["trial", "", goal, *(Path(one).stem for one in sets), *settings]
    lines = [_line(heading), "|---" * len(heading) + "|"]
    for row in rows:
        ended = {"stopped": f"stopped after {len(row['scores'])} of {len(summary['folds'])} folds"}
        ended["failed"] = f"failed: {row['reason']}"
        scores = [row["mean"], *(row["by_dataset"].get(one) for one in sets)]
        cells = [row["name"], ended.get(row["state"], ""), *(_number(goal, one) for one in scores)]
        lines.append(_line([*cells, *(_setting(row["settings"].get(name)) for name in settings)]))
    return "\n".join([*lines, "", *verdict(summary)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return " ".join(["|", *(f"{cell} |".lstrip() for cell in (one.replace("|", "\\|") for one in cells))])


def _row(trial: Trial, folds: Sequence[Fold]) -> dict[str, Any]:
    by_dataset: dict[str, list[float]] = {}
    for fold, score in zip(folds, trial.scores, strict=False):
        by_dataset.setdefault(str(fold.dataset), []).append(score)
    return {
        "name": trial.name,
        "state": trial.state,
        "reason": trial.reason,
        "mean": trial.mean(folds) if trial.scores else None,
        "by_dataset": {name: fmean(scores) for name, scores in by_dataset.items()},
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
