"""Training on one split: batches, optimisation, validation, callbacks, devices, the run directory."""
