"""`python -m protas_gtcc.runs.tied_process SCRIPT …`: run a script that ends when the process that started it does.

However that one ends, killed or crashed, the pipe that it holds to this one's standard input closes then.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress

GRACE_SECONDS = 10.0
"""How long the script has to end by itself, for instance to take its temporary files away."""


def tie_to_standard_input() -> None:
    """End this process when its standard input closes."""
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    # Not through sys.stdin: its lock would be held at exit.
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    tie_to_standard_input()
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
