"""Scores of alignments on held-out videos: Kendall's tau, enclosed area, probes, progress by distance.

N and M are the lengths of two videos, D the width of the embedding, V the number of test videos, R of resamples.
"""

from protas_gtcc.alignment.scores.definitions import DEFINITIONS, definition_of
from protas_gtcc.alignment.scores.embedded import EmbeddedVideo
from protas_gtcc.alignment.scores.scoring import Trial, compare_alignments, score_alignment

__all__ = [
    "DEFINITIONS",
    "EmbeddedVideo",
    "Trial",
    "compare_alignments",
    "definition_of",
    "score_alignment",
]
