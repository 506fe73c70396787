"""`protas-gtcc VERB …`: find the verb's module, parse, run, and turn errors into exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

import protas_gtcc
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.errors import InputError

VERBS = {
    "run": "the front door: prepare what is missing, train, evaluate",
    "prepare": "recordings in a foreign layout -> one dataset file",
    "labels": "ground truth -> progress and segments, as files or into a dataset file",
    "check": "list everything that is wrong with a dataset",
    "train": "dataset file -> run directory with a trained model",
    "evaluate": "run directory or prediction files -> scores",
    "report": "evaluated runs -> one HTML page that compares them",
    "predict": "features of new videos -> labels, probabilities, progress",
    "stream": "follow a person live, frame by frame",
    "serve": "follow many people over WebSockets, with a live web page",
    "export": "a model as ONNX, to run without torch",
    "benchmark": "how fast a model follows people on this machine",
    "align": "align videos without labels; write their embeddings as features",
    "heads": "train scalar progress heads and compare them with look-ups",
    "cross-validate": "presets x splits x seeds -> one table of pooled scores",
    "compare-alignments": "alignment losses x seeds -> one table of scores",
    "ablate": "decode finished runs in other ways -> one table of scores",
    "position-encoding": "does relative position mislead a scalar head? a simulation",
    "simulate": "simulated procedures -> one dataset file",
    "hold-out": "dataset file -> one whose splits hold out training videos",
    "import": "another code base's checkpoint -> run directory",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and exit: 0 done, 1 the input or the data is at fault, 2 wrong usage."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        sys.exit(0 if arguments else 2)
    if arguments[0] == "--version":
        print(f"protas_gtcc {protas_gtcc.__version__}")
        sys.exit(0)
    verb, rest = arguments[0], arguments[1:]
    if verb not in VERBS:
        print(f"protas-gtcc: no verb {verb!r}; it is one of {', '.join(VERBS)}", file=sys.stderr)
        sys.exit(2)
    name = "import_" if verb == "import" else verb.replace("-", "_")
    module = importlib.import_module(f"protas_gtcc.cli.commands.{name}")
    parser = getattr(module, "parse_command", lambda rest, prog: parse(module.Command, rest, prog))
    run_command(lambda: parser(rest, f"protas-gtcc {verb}").run())


def run_command(command: Callable[[], None]) -> None:
    """Call a command; an `InputError` becomes one line on standard error and exit code 1."""
    for name in ("SIGTERM", "SIGHUP"):  # there is no SIGHUP on Windows
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _terminate)
    try:
        command()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has had enough; nothing must be written to it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; nothing half-written was left behind", file=sys.stderr)
        sys.exit(130)


def _terminate(signum: int, frame: FrameType | None) -> None:
    # As an exception, so that temporary files are removed on the way out.
    raise KeyboardInterrupt


def _overview() -> str:
    lines = [f"  {verb:<20}{what}" for verb, what in VERBS.items()]
    return "usage: protas-gtcc VERB …, and 'protas-gtcc VERB --help'\n\n" + "\n".join(lines)
