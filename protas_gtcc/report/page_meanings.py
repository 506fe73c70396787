"""What the figures at the heads of the report page's tables mean, by the text of the head."""

from __future__ import annotations

from protas_gtcc.metrics.details import definition_of
from protas_gtcc.metrics.progress import AVERAGES
from protas_gtcc.report.procedure_scores import AMONG_THREE, FIGURES, LOOKUP, NEXT
from protas_gtcc.report.ruler import HALF, RULER

DONE = {
    "completed steps": "num_completions",
    "never reported": "num_never_reported",
    "reported too early, or not done": "num_false",
    "of the reported, right": "precision",
    "of the completed and not reported too early, reported": "recall",
    "delay, s": "delay_seconds",
    "order (POS)": "pos",
}
"""Heads of the table of done lists, by the names of their figures."""
OTHERS = {
    "skill of 0.5 in actions": "Skill of the constant 0.5 where an action is predicted, else 0, in place of the model.",
    "error, frame": "The figure error, action frames, again: each frame of a true action counts once. (fraction)",
    HALF: "The error over all frames of true actions of a predictor that reports 0.5 at every frame. (fraction)",
    LOOKUP: "Error of the time left of a look-up without features that is given the true steps: the mean time left at "
    "the starts of the step that started last, in training recordings, less the time since. (minutes)",
    NEXT: "Share of starts of a step for which, one frame before, it is reported as the likeliest next step. (percent)",
    AMONG_THREE: "Share of starts of a step for which, one frame before, it is one of the three likeliest next steps. "
    "(percent)",
}
"""Those of which another head has the same definition."""
SEGMENTATION = {
    "frames right": "Share of the frames with the right class (MoF).",
    "action frames right": "The same over frames whose true class is an action.",
    "edit": "How well the order of the predicted segments is the true one; background is left out (MS-TCN).",
    "edit, merged": "The same where equal segments with only background between them are one (ProTAS).",
    **{
        f"f1@{overlap}": f"F1 of segments that overlap a true one of their class by at least {overlap} % (IoU)."
        for overlap in (10, 25, 50)
    },
}
LOOKUPS = {
    "half": "0.5 at every frame.",
    "best constant": "The one number with the least error over all frames of the training videos.",
    "constant": "0.5 where an action is predicted, else 0.",
    "random": "A random number at every frame.",
    "average index": "By the frames since the start of the segment: mean true progress there in all training segments.",
    "average index class": "The same in training segments of the class.",
    "median index class": "The same, as a median.",
    "elapsed over the class's mean duration": "At most 1, by the mean length of training segments of the class.",
}
"""Predictors that see no features, by their names in words."""


def meanings() -> dict[str, str]:
    """Meaning and unit, by head."""
    paths = {label: path for label, (path, _) in {**RULER, **FIGURES}.items()}
    paths |= {f"error, {name.replace('_', ' ')}": f"progress.predicted.{name}" for name in AVERAGES}
    paths |= {label: f"procedure.done.{name}" for label, name in DONE.items()}
    found = {label: definition_of(path.split(".")) for label, path in paths.items()}
    defined = {label: f"{definition[1]} ({definition[0]})" for label, definition in found.items() if definition}
    return defined | OTHERS | {label: f"{meaning} (percent)" for label, meaning in SEGMENTATION.items()} | LOOKUPS
