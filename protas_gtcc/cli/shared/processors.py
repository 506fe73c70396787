"""How many processors there are for what."""

from __future__ import annotations

import os


def backbone_threads(threads: int) -> int:
    """Threads of a backbone; 0 leaves one processor to decoding and takes the others."""
    return threads or max(1, num_processors() - 1)


def num_processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
