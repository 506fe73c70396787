"""Labels of each annotator at one rate, to compare them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from protas_gtcc.annotations.files.frame_labels import frame_labels, is_background
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.settling import choose, settle
from protas_gtcc.annotations.files.timed import AnnotationFile


def labels_of_annotators(
    file: AnnotationFile, options: AnnotationOptions, fps: float
) -> dict[str, dict[str, np.ndarray]]:
    """Class ids at `fps`, int64 `[T]`, by annotator and video; 0 is the background.

    Raises `InputError` as `choose` and `settle` do, for each annotator alone. What is changed is noted in the file.
    """
    ids = {"": 0}
    found: dict[str, dict[str, np.ndarray]] = {}
    for annotator in sorted({one.annotator for one in file.annotations}):
        own = [one for one in file.annotations if one.annotator == annotator]
        notices: list[str] = []
        alone = replace(options, annotator=None)
        for one in settle(choose(own, alone, notices), alone, notices):
            names = frame_labels(one.segments, fps, one.seconds, f"video {one.video}")
            labels = [0 if is_background(name) else ids.setdefault(name, len(ids)) for name in names]
            found.setdefault(annotator or "unnamed", {})[one.video] = np.array(labels, dtype=np.int64)
        file.notices += [f"{annotator or 'unnamed'}: {notice}" for notice in notices]
    return found
