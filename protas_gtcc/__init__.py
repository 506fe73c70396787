"""Online action segmentation and per-class action progress for procedural video."""

__version__ = "0.1.0"
