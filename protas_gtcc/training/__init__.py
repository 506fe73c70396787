"""Training on one split: batches, optimisation, validation, calibration, callbacks, the run directory."""
