"""Scores: segmentation, progress errors, look-up predictors to compare with, and 95 % intervals.

    from protas_gtcc import metrics

    metrics.segmentation_scores(predicted, labels, background=[0])      # acc, edit, F1 in percent
    metrics.progress_error(reported, labels, background=[0])            # mean |reported - target| in every average
    metrics.evaluate(predicted, labels, reported=reported, …)           # all of metrics.json

In detail: where the progress error lies (`breakdowns`), the shape of progress curves (`curves`), delays and false
starts (`online`), calibration (`certainty`), late, short and missed segments by class (`found_segments`). `details`
compares with the best look-up, and defines each figure.

Each metric has two steps. A video becomes a small vector of sums and counts; sums over videos become figures.
Pooling over videos, and over all but one video or person, is then one matrix product.
"""

from protas_gtcc.metrics.scores import evaluate, progress_error, segmentation_scores

__all__ = ["evaluate", "progress_error", "segmentation_scores"]
