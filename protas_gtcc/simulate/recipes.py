"""The tasks of rendered videos: their actions, in the usual order, and in which of them progress can be seen."""

from __future__ import annotations

from protas_gtcc.simulate.profiles import TaskProfile
from protas_gtcc.simulate.rendering_config import RenderingConfig

VISIBLE = (
    "fill-bowl",
    "slice-carrot",
    "slice-cucumber",
    "wipe-table",
    "attach-wheels",
    "paint-board",
    "butter-bread",
    "place-cookies",
)
"""Actions whose progress shows: something fills, shrinks, becomes clean, is covered or assembled."""
INVISIBLE = ("wash-hands", "stir-bowl", "knead-dough", "shake-bottle", "turn-screw", "read-recipe")
"""Actions of periodic or still motion: no picture depends on their progress."""

RECIPES: dict[str, tuple[str, ...]] = {
    "soup": ("wash-hands", "slice-carrot", "slice-cucumber", "fill-bowl", "stir-bowl", "wipe-table"),
    "cookies": ("read-recipe", "fill-bowl", "stir-bowl", "knead-dough", "place-cookies", "wipe-table"),
    "toy": ("read-recipe", "attach-wheels", "turn-screw", "shake-bottle", "paint-board", "wipe-table"),
    "sandwich": ("wash-hands", "butter-bread", "slice-cucumber", "shake-bottle", "wipe-table"),
}
"""Task -> its steps in the usual order."""

_QUARTILE_SECONDS = (2.8, 8.0)
_BACKGROUND_SHARE = 0.35


def profile_of(config: RenderingConfig, task: str) -> TaskProfile:
    """What the procedure generator needs: five of six steps a video, every sixth twice, neighbours swapped at times."""
    steps = len(RECIPES[task])
    # An action takes 7 s on average at the usual length of a video, and longer in longer videos.
    return TaskProfile(
        name=task,
        videos=1,
        key_steps=steps,
        steps_per_video=0.87 * steps,
        actions_per_video=0.87 * steps + 0.8,
        background_share=_BACKGROUND_SHARE,
        mean_seconds=config.video_seconds,
        quartile_seconds=_QUARTILE_SECONDS,
        without_gap=0.0,
        swapped=0.12,
    )


def class_names() -> list[str]:
    """All classes, background first."""
    return ["background", *dict.fromkeys(step for steps in RECIPES.values() for step in steps)]
