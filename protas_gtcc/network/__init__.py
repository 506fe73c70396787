"""The network: GRU, dilated layers, stages, losses, checkpoints, and reading other people's checkpoints."""
