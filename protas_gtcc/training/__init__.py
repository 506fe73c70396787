"""Training on one split: batches, optimisation, validation, callbacks, the run directory."""
