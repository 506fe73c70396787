"""Kendall's tau: whether nearest neighbours in two videos come in the same order.

Each frame of one video is matched with its nearest neighbour in the other. Tau is the rank correlation of the frames'
numbers with their neighbours'. It is the share of pairs of frames whose neighbours come in the same order, less the
share whose neighbours come in the other, with tau-b's correction for ties. Dwibedi et al., "Temporal Cycle-Consistency
Learning", CVPR 2019.

If all frames have the same neighbour there is no order and no tau. Such a pair of videos counts as 0 in the mean, so
that an embedding does not gain by collapsing. If no pair has an order, the embedding has no tau. (The published code
for GTCC averages scipy's NaN into its figure.)

Tau does not depend on *where* a frame is matched: two videos matched by elapsed time have tau 1, whatever they show.
The enclosed area (`enclosed_area`) measures that.
"""

from __future__ import annotations

import numpy as np

from protas_gtcc.alignment.scores.partners import PARTNER, Partners

DEFINITIONS = {
    "kendalls_tau": (
        "-1 to 1",
        f"Rank correlation (tau-b) of a video's frame numbers with those of their nearest neighbours in {PARTNER}, "
        "mean over ordered pairs of videos; a pair whose neighbours are all one frame counts as 0.",
    ),
    "pairs_without_order": (
        "fraction",
        "Share of ordered pairs of videos in which all frames of one have one nearest neighbour in the other.",
    ),
}


def order_figures(partners: Partners, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Tau and its share of undefined pairs."""
    taus = partners.values(lambda i, j: kendalls_tau(partners.nearest[i, j]))
    without_order = partners.values(lambda i, j: float(np.isnan(taus[i, j])))
    return {
        "kendalls_tau": partners.mean(weights, taus, undefined=0.0),
        "pairs_without_order": partners.mean(weights, without_order),
    }


def kendalls_tau(neighbours: np.ndarray) -> float:
    """Tau-b of neighbours `[N]` of a video's frames in order of time; NaN if they are all one frame."""
    if len(neighbours) == 0 or (neighbours == neighbours[0]).all():
        return float("nan")
    from scipy.stats import kendalltau  # slow to import

    return float(kendalltau(np.arange(len(neighbours)), neighbours).statistic)
