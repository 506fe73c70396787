"""Notes of an evaluation: a sentence for every figure that is undefined or absent, and why.

`[null: …]` at a note's end has the names of the entries of `metrics.json`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from protas_gtcc.errors import listed, plural
from protas_gtcc.metrics.details import COMPARED
from protas_gtcc.metrics.intervals import Path, leaves
from protas_gtcc.metrics.lookups import UNFITTED
from protas_gtcc.metrics.video_rows import VideoRows


def notes_on(rows: VideoRows, background: Collection[int], metrics: dict[str, Any]) -> Iterator[str]:
    """The notes on the figures of these rows; `background` are class ids."""
    yield from _on_videos(rows, background)
    yield from _on_skill(metrics["progress"], rows.lookups)
    yield from _on_details(metrics, rows.fps)
    if "procedure" in metrics:
        yield from _on_procedures(metrics["procedure"], rows)


def _on_videos(rows: VideoRows, background: Collection[int]) -> Iterator[str]:
    true_frames = rows.frames[:, 0].sum(axis=0)
    names = [name for c, name in enumerate(rows.class_names) if c not in background and not true_frames[c]]
    if names:
        count = plural(len(names), "class")
        yield f"{count} without a frame in the test videos, so without a per-class figure: {listed(names)}"
    if not rows.has_progress:
        yield "the model reports no progress, so it has no progress error [null: progress.predicted, .oracle]"
    elif not rows.has_oracle:
        what = "predictions lack the progress of every class, so there is no error given the true class"
        yield f"{what} [null: progress.oracle]"
    if rows.lookups == UNFITTED:
        yield "look-ups that need fitting are absent: the split has no training video"
    background_frames = true_frames[list(background)].sum()
    if rows.has_progress and not background_frames:
        what = "no test frame is background, so no progress can be reported there"
        yield f"{what} [null: progress.background_false_progress]"
    if background_frames == true_frames.sum():
        what = "every test frame is background, so there is no error or accuracy over actions, and no skill"
        yield f"{what} [null: progress, segmentation.acc_no_background]"
    if len(set(rows.clusters)) < 2:
        who = "videos" if rows.num_people is None or rows.num_videos < 2 else "people"
        yield f"there are no intervals: they need at least two {who}, and there is one [null: intervals]"


def _on_skill(progress: dict[str, Any], lookups: tuple[str, ...]) -> Iterator[str]:
    """Why skill or R² is undefined though there are errors."""
    scored = {which: one for which in ("predicted", "oracle") if (one := progress[which]) and one["frame"] is not None}
    no_skill = "no per-class look-up given the true segments is better than the best constant"
    if lookups == UNFITTED:
        no_skill = "the look-ups that skill compares with are absent"
    for name, why in (
        ("skill", f"{no_skill}, so skill is undefined"),
        ("r2", "all frames have the same target, so R² is undefined"),
    ):
        undefined = [f"progress.{which}.{name}" for which, one in scored.items() if one[name] is None]
        if undefined:
            yield f"{why} [null: {', '.join(undefined)}]"


def _on_details(metrics: dict[str, Any], fps: float | None) -> Iterator[str]:
    """One sentence for every kind of detailed figure that is undefined."""
    if not fps:
        yield "frames per second are unknown: delays are in frames, and nothing is in seconds or per hour"
    for breakdown, parts in metrics["breakdowns"].items():
        empty = [part for part, scores in (parts or {}).items() if not scores["frames"]]
        if empty:
            yield f"no test action frame has the {breakdown.replace('_', ' in ')} {listed(empty)}, so no error there"
    if metrics["certainty"] is None:
        what = "no interval of progress and no remaining time of an action is reported, so neither is scored"
        yield f"{what} [null: certainty]"
    known = COMPARED if fps else (*COMPARED, "false_starts_per_hour", "false_per_hour")
    figures = leaves({name: metrics[name] for name in ("curves", "online")})
    # Those of look-ups are undefined where the model's are.
    undefined = [path for path, value in figures if value is None and path[-1] not in known and "lookups" not in path]
    yield from _on_averages("nothing", undefined)


def _on_averages(nothing: str, undefined: Sequence[Path]) -> Iterator[str]:
    if undefined:
        names = listed(sorted({path[-1] for path in undefined}))
        yield f"{nothing} to average for {names} [null: {', '.join(map('.'.join, undefined))}]"


def _on_procedures(procedure: dict[str, Any] | None, rows: VideoRows) -> Iterator[str]:
    left_out = [name for row in rows.procedures or () for name in row.left_out]
    if left_out:
        what = f"{plural(len(left_out), 'video')} whose task no training video in the dataset has"
        entry = " [null: procedure]" if procedure is None else ""
        yield f"procedures are scored without {what}: {listed(left_out)}{entry}"
    if procedure is None:
        return
    if procedure["lookups"] is None:
        what = "look-ups of procedures are absent: none of the model's training videos is in the dataset"
        yield f"{what} [null: procedure.lookups]"
    if procedure["alarms"] is None:
        why = "there are too few held-out recordings without mistakes for the usual budget"
        way_out = "'check RUN' names those that can be kept, 'procedure --model RUN' scores alarms at several"
        what = f"no alarms are raised: {why}; {way_out}"
        yield f"{what} [null: procedure.alarms, .alarms_by_tag, .budget_per_hour]"
    elif procedure["alarms"]["all"]["num_wrong"] == 0 and not procedure["alarms_by_tag"]:
        yield "no mistake is annotated in the test videos, so every alarm counts as false, and there is no recall"
    for families, nothing in (
        (("time_left", "next_step", "done"), "procedures have nothing"),
        (("alarms",) if procedure["alarms"] else (), "alarms of some reasons have nothing"),
    ):
        figures = leaves({"procedure": {name: procedure[name] for name in families}})
        yield from _on_averages(nothing, [path for path, value in figures if value is None])
