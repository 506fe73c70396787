"""`python -m protas_gtcc.work.tied_process MODULE …`: run a module; end it when the process that started it ends.

However that process ends, killed or crashed, its pipe to this one's standard input closes.
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
"""How long the module has to end by itself, for instance to remove its temporary files."""


def _end_with_standard_input() -> None:
    # Not by sys.stdin: its lock would be held at exit.
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    if hasattr(signal, "SIGUSR2"):
        # Slurm sends it to all processes of a job whose time is nearly over; the one that started this one ends it.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
