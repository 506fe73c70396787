"""How many processors there are for what."""

from __future__ import annotations

import os

from protas_gtcc.work.engines.local import usable_cores


def backbone_threads(threads: int) -> int:
    """Threads of a backbone; 0 leaves one processor to decoding and takes the others."""
    return threads or max(1, num_processors() - 1)


def num_processors() -> int:
    """The processors that this process may use: fewer with OMP_NUM_THREADS, as in jobs that share a machine."""
    usable, given = usable_cores(), os.environ.get("OMP_NUM_THREADS", "")
    return min(usable, int(given)) if given.isdecimal() and int(given) else usable
