"""Figures of merit: segmentation scores, progress errors, look-up predictors to beat, and intervals.

Each metric has two steps. A video becomes a small vector of sums and counts; sums over videos become figures.
Pooling over videos, and over thousands of resamples of videos, is then one matrix product.
"""
