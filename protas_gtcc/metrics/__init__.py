"""Figures of merit: segmentation scores, progress errors, look-up predictors to beat, and intervals.

In detail: improvement over the best look-up (`improvement.py`), where the progress error lies (`breakdowns.py`), the
shape of progress curves (`curves.py`), delays and false starts (`online.py`). `definitions.py` says what
each figure is.

Each metric has two steps. A video becomes a small vector of sums and counts; sums over videos become figures.
Pooling over videos, and over thousands of resamples of videos, is then one matrix product.
"""
