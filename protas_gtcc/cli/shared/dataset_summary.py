"""What is in a dataset file that was written, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protas_gtcc.errors import plural

if TYPE_CHECKING:
    from protas_gtcc.prepare.writing import Summary


def describe(summary: Summary) -> str:
    """The summary as a few lines of text."""
    lines = [
        f"{summary.path}: {plural(summary.num_videos, 'video')}, {plural(summary.num_frames, 'frame')} at "
        f"{summary.fps:g} fps, {plural(summary.num_classes, 'class')}, "
        f"background {summary.background_share:.1%} of frames"
    ]
    for name, facts in summary.feature_sets.items():
        came = f", stored as {facts['axes']}" if "axes" in facts else ""
        tied = f", only for split {facts['split']}" if facts["split"] else ""
        tied += f", of {facts['extractor']}" if "extractor" in facts else ""
        lines.append(
            f"  {name}: D = {facts['dim']}{came}, looks {plural(facts['look_ahead_frames'], 'frame')} ahead{tied}"
        )
    for split, parts in summary.splits.items():
        lines.append(f"  split {split}: " + ", ".join(f"{count} {part}" for part, count in parts.items()))
    if summary.tasks:
        counts = ", ".join(f"{task} {count}" for task, count in sorted(summary.tasks.items()))
        lines.append(f"  {plural(len(summary.tasks), 'task')}: {counts}")
    if summary.people:
        people = f"{summary.people} {'person' if summary.people == 1 else 'people'}"
        places = f", {plural(summary.environments, 'environment')}" if summary.environments else ""
        lines.append(f"  {people}{places}")
    lines += [f"  {sentence}" for sentence in summary.procedure.sentences()]
    if summary.trimmed_videos:
        lines.append(
            f"  {plural(summary.trimmed_videos, 'video')} cut to the shorter of labels and features, "
            f"{plural(summary.trimmed_frames, 'frame')} in all"
        )
    if summary.vanished_segments:
        by_class = ", ".join(f"{name} {count}" for name, count in summary.vanished_segments.items())
        lines.append(
            f"  {plural(sum(summary.vanished_segments.values()), 'segment')} shorter than a frame vanished: {by_class}"
        )
    return "\n".join(lines + [f"  note: {notice}" for notice in summary.notices])
