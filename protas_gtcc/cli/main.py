"""`protas-gtcc VERB …`: find the verb's module, parse, run, and turn errors into exit codes.

A verb is a line in `GROUPS` and a module `cli/commands/<verb>.py` with a dataclass `Command`. Its docstring and its
fields are the help (`cli/shared/parsing.py`), and its method `run` does the work. A `Command` may have a method
`parse`.

`--help` is fast because no module of a verb imports torch, pandas, h5py or the like at its top. What needs them is
imported inside `run`, or under `TYPE_CHECKING`. A test runs every verb's `--help` and checks what was imported.
"""

from __future__ import annotations

import atexit
import difflib
import errno
import functools
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

import protas_gtcc
from protas_gtcc.cli.shared.console import is_first_process
from protas_gtcc.cli.shared.encoding import make_output_safe
from protas_gtcc.cli.shared.interruption import Interruption
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.errors import InputError

GROUPS = {
    "data": {
        "extract": "videos -> features, one file a video",
        "prepare": "a folder of labels and features -> one dataset file",
        "labels": "labels -> progress targets, segments, task graph",
        "convert": "annotations of one tool -> of another; their agreement",
        "check": "list what is wrong with a dataset, or what a model knows",
        "simulate": "simulated procedures -> dataset file, or videos",
        "join": "dataset files -> one that reads their features from them",
        "hold-out": "dataset file -> one whose splits hold out training videos",
    },
    "train": {
        "run": "the front door: prepare what is missing, train, evaluate",
        "train": "dataset file -> run directory with a trained model",
        "align": "align videos without labels -> embeddings as features",
        "import": "a checkpoint of ProTAS or MS-TCN -> run directory",
        "ensemble": "runs of several seeds -> one run of all their networks",
    },
    "use": {
        "predict": "new videos or features -> segments, labels, progress",
        "annotate": "a video -> the same with actions and progress below it",
        "stream": "follow one person live, frame by frame",
        "serve": "follow many people over WebSockets, with a live web page",
        "export": "a model as ONNX, to run without torch",
        "benchmark": "how fast a model is on this machine",
    },
    "compare": {
        "evaluate": "run directory or prediction files -> scores",
        "procedure": "steps or probabilities -> done, next, missing, time left",
        "report": "evaluated runs -> one HTML page that compares them",
        "cross-validate": "presets x splits x seeds -> one table of pooled scores",
        "tune": "search for settings on held-out people -> a preset",
        "compare-alignments": "alignment losses x seeds -> one table of scores",
        "ablate": "decode finished runs in other ways -> one table of scores",
        "heads": "scalar progress heads beside look-ups -> one table",
        "position-encoding": "simulate each change between published scalar heads",
    },
}
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""What a system answers when a disk is full, a quota or a limit is reached, or a disk is read-only."""
VERBS = {verb: text for verbs in GROUPS.values() for verb, text in verbs.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and exit: 0 done, 1 the input or the data is at fault, 2 wrong usage."""
    if arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # While Python starts and ends, nothing is half-written: a Ctrl-C needs no traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    make_output_safe()
    if not arguments or arguments[0] in ("-h", "--help"):
        run_command(lambda: print(_overview()))
        sys.exit(0 if arguments else 2)
    if arguments[0] == "--version":
        run_command(lambda: print(f"protas_gtcc {protas_gtcc.__version__}"))
        sys.exit(0)
    verb, rest = arguments[0], arguments[1:]
    if verb not in VERBS:
        close = difflib.get_close_matches(verb, VERBS, 1)
        meant = f", did you mean {close[0]}?" if close else ""
        print(f"protas-gtcc: no verb {verb!r}{meant}; 'protas-gtcc --help' lists the verbs", file=sys.stderr)
        sys.exit(2)
    # Before torch is imported. A second thread hardly helps networks of this size, and where the cores are busy, each
    # step of a recurrence waits for it. `train --threads` sets its own number.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    name = "import_" if verb == "import" else verb.replace("-", "_")

    def parse_and_run() -> None:
        command = importlib.import_module(f"protas_gtcc.cli.commands.{name}").Command
        parser = getattr(command, "parse", functools.partial(parse, command))
        parsed = parser(rest, f"protas-gtcc {verb}")
        if verb not in GROUPS["data"]:
            _show_that_it_loads()
        parsed.run()

    run_command(parse_and_run)


def run_command(command: Callable[[], None]) -> None:
    """Call a command; an `InputError` becomes one line on standard error and exit code 1.

    So does what the system refuses: space on a disk, or a file that the error names.
    A signal that came meanwhile becomes exit code 128 + its number, as in shells, however the command then ended.
    """
    _collect_less_garbage()
    interruption = Interruption()
    try:
        with interruption:
            try:
                command()
            finally:  # also of --help, which ends the process: what cannot be written is an error here, not at exit
                sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
    except InputError as error:
        _end(str(error))
    except OSError as error:
        if error.errno in NO_SPACE or error.filename is not None:
            _end(_refusal(error))
        if not _can_write_temporary_files():
            _end("torch and matplotlib need a folder for temporary files; set TMPDIR to one that can be written to")
        raise
    except KeyboardInterrupt as error:
        # A command may raise it again with what is left and how to go on.
        print(str(error) or "interrupted; nothing half-written was left behind", file=sys.stderr)
        sys.exit(128 + (interruption.signal or signal.SIGINT))


def _refusal(error: OSError) -> str:
    """One line on what the system refused, of printable characters."""
    if error.errno in NO_SPACE:
        _discard_output()
        what = os.fsdecode(error.filename) if error.filename else "standard output or a temporary file"
        return str(InputError(f"cannot write {what}: {error.strerror}; free space, or write to another disk"))
    way_out = "get the right to it" if isinstance(error, PermissionError) else "correct the path"
    return str(InputError(f"{os.fsdecode(error.filename)}: {error.strerror}; {way_out}, or give another one"))


def _can_write_temporary_files() -> bool:
    import tempfile  # not at the top: --help needs none

    try:
        return bool(tempfile.gettempdir())
    except FileNotFoundError:
        return False


def _end(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def _discard_output() -> None:
    """Let nothing more be written to standard output, at exit either: its reader or its disk takes no more."""
    with suppress(OSError, ValueError):  # in a test, it is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_that_it_loads() -> None:
    """On a terminal, print a line at once: importing torch takes seconds, in which nothing else is shown."""
    if sys.stderr.isatty() and is_first_process():
        print("loading ...", file=sys.stderr, flush=True)


def _collect_less_garbage() -> None:
    """Save up to a second of each command: Python looks for garbage in all objects of torch, again and again."""
    gc.set_threshold(50_000)
    # The search at exit is for nothing: memory goes back to the system.
    atexit.register(gc.freeze)


def _overview() -> str:
    lines = ["usage: protas-gtcc VERB [OPTIONS]; each verb has its own --help"]
    for group, verbs in GROUPS.items():
        lines += ["", f"{group}:", *(f"  {verb:<20}{text}" for verb, text in verbs.items())]
    return "\n".join(lines)
