"""The network: GRU, dilated layers, stages, losses, checkpoints, and reading published checkpoints."""
