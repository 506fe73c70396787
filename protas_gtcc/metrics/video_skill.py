"""Skill of one video, by the references of all test videos: see `metrics.progress.skill`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.metrics.lookups import PER_CLASS, LookUps, fit_lookups
from protas_gtcc.metrics.progress import skill


@dataclass(frozen=True, eq=False)
class VideoSkill:
    """Scores single videos beside the best constant and the best per-class look-up that is given the true segments."""

    lookups: LookUps
    reference: str
    """Name of that look-up; it is the best one on all test videos."""

    def of(self, labels: np.ndarray, reported: np.ndarray) -> float | None:
        """Skill of reported progress `[T]` on true class ids `[T]`; None without an action.

        None also where counting is no better than the constant on this video: nothing lies between 0 and 1 then.
        """
        background = list(self.lookups.background)
        if np.isin(labels, background).all():
            return None
        target, names = progress_target(labels, background), self.lookups.names
        reports = self.lookups.report(labels)
        constant, counting = (reports[names.index(name)] for name in ("best_constant", self.reference))
        errors = np.abs(np.stack([reported, constant, counting]) - target).mean(axis=1, keepdims=True)
        (found,) = skill(*errors)
        return None if np.isnan(found) else float(found)


def skill_reference(metrics: Mapping[str, Any]) -> str | None:
    """The look-up that the skill of an evaluation with these metrics is measured by; None where they have no skill."""
    predicted = metrics["progress"]["predicted"]
    if predicted is None or predicted["skill"] is None:
        return None
    errors = {name: metrics["baselines"][name]["oracle_segments"]["all_frames"] for name in PER_CLASS}
    return min(errors, key=errors.__getitem__)


def video_skill(dataset: Dataset, training: Iterable[str], metrics: Mapping[str, Any]) -> VideoSkill | None:
    """The references of an evaluation: look-ups of these training videos, and the one that its skill is measured by.

    `metrics` are those of the evaluation; None where they have no skill.
    """
    reference, info = skill_reference(metrics), dataset.info
    if reference is None:
        return None
    return VideoSkill(fit_lookups(map(dataset.labels, training), info.num_classes, info.background), reference)
