"""A note for results on videos that a model may have been trained on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.console import make_console, warn
from protas_gtcc.errors import listed
from protas_gtcc.layouts.names import find_videos_called

if TYPE_CHECKING:
    from protas_gtcc.inference import TrainedModel


def note_training_videos(model: TrainedModel, names: Iterable[str]) -> None:
    """Print a note on standard error if training videos have these names.

    Of a file, the dataset is not known: it may be another video of that name.
    """
    training = model.facts.training_videos
    seen = [name for name in names if find_videos_called(name, training)]
    if seen:
        what = "a training video of the model has this name" if len(seen) == 1 else "training videos have these names"
        warn(make_console(stderr=True))(f"{listed(seen)}: {what}; results on training videos are too good")
