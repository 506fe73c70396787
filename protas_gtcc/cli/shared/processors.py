"""How many processors there are for what."""

from __future__ import annotations

import os

from protas_gtcc.work.engines.local import usable_cores
from protas_gtcc.work.jobs import CORES_OF_JOB


def backbone_threads(threads: int) -> int:
    """Threads of a backbone; 0 leaves one processor to decoding and takes the others."""
    return threads or max(1, num_processors() - 1)


def num_processors() -> int:
    """The processors that this process may use; a job, which shares its machine with others, those that it was given.

    OMP_NUM_THREADS is no measure: commands set it to 1 for themselves, and the backbone takes more.
    """
    usable, given = usable_cores(), os.environ.get(CORES_OF_JOB, "")
    return min(usable, int(given)) if given.isdecimal() and int(given) else usable
