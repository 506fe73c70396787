"""Scores of alignments on held-out videos: Kendall's tau, enclosed area, probes, progress by distance.

N and M are the lengths of two videos, D the width of the embedding, V the number of test videos, J of things left out.
"""

from protas_gtcc.alignment.scores import enclosed_area, order, probes, procedure_progress
from protas_gtcc.alignment.scores.embedded import EmbeddedVideo
from protas_gtcc.alignment.scores.scoring import Trial, compare_alignments

__all__ = ["DEFINITIONS", "EmbeddedVideo", "Trial", "compare_alignments"]

DEFINITIONS = {
    **order.DEFINITIONS,
    **enclosed_area.DEFINITIONS,
    **probes.DEFINITIONS,
    **procedure_progress.DEFINITIONS,
}
"""Unit and meaning of each figure, by path such as `phase_classification.*.accuracy`."""
