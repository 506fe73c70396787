"""Damaged and hostile files for every reader: each input must be read, or refused by an `InputError`.

A small valid file of each kind is written and changed at random, by a seed. A process of its own reads the inputs, and
is ended if one takes longer than `LIMIT_SECONDS`. The table has, for each reader: inputs, refused, accepted, other
exceptions, hangs and crashes, the slowest input, and the process's peak memory.

    python benchmarks/fuzz.py --inputs 1000 [--seed 0] [--only dataset npy] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import fuzz_readers
from fuzz_features import FEATURES
from fuzz_pictures import PICTURES
from fuzz_readers import Reader
from fuzz_run_files import RUN_FILES

from protas_gtcc.errors import LONGEST_MESSAGE, InputError

READERS = (*fuzz_readers.READERS, *RUN_FILES, *FEATURES, *PICTURES)
LIMIT_SECONDS = 10.0
START_SECONDS = 120.0
"""Before the first input: code may be compiled then, on a busy machine."""
NUMBERS = [0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1]
WORDS = [b"../../x", b"/etc/passwd", b"nan", b"inf", b"-1", b"1e400", b"9" * 400, b"null", b"[" * 2000, b"{}", b"\xff"]
VALUE = re.compile(rb'"[^"\n]{0,40}"(?!\s*:)|-?\b\d+(?:\.\d+)?\b|true|null')
VALUES = [b"null", b"true", b"-1", b"0", b"NaN", b"1e400", b"-Infinity", b"1e30", b"9" * 30, b'""', b'"x"', b"7"]
VALUES += [b"[]", b"{}", b"[[1]]", b'{"x": 1}', b'"\\ud800"']
REFUSED, ACCEPTED, FAILED, HUNG = range(4)


@dataclass
class Counts:
    """What became of a reader's inputs."""

    name: str
    outcomes: list[int]
    slowest_seconds: float = 0.0
    peak_megabytes: float = 0.0
    added_megabytes: float = 0.0
    """How much of the peak damaged inputs have brought."""


def mutated(content: bytes, chance: random.Random) -> bytes:
    """One to three random changes; of half of the texts, values alone change, since others break a text's grammar."""
    changed = bytearray(content)
    changes = (_value,) if content.isascii() and chance.random() < 0.5 else CHANGES
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        chance.choice(changes)(changed, chance)
    return bytes(changed)


def _place(content: bytearray, chance: random.Random) -> int:
    return chance.randrange(len(content)) if content else 0


def _flip(content: bytearray, chance: random.Random) -> None:
    if content:
        content[_place(content, chance)] ^= 1 << chance.randrange(8)


def _set(content: bytearray, chance: random.Random) -> None:
    if content:
        content[_place(content, chance)] = chance.choice([0, 0, 255, chance.randrange(256)])


def _number(content: bytearray, chance: random.Random) -> None:
    at, size = _place(content, chance), chance.choice([2, 4, 8])
    content[at : at + size] = (chance.choice(NUMBERS) % 256**size).to_bytes(size, "little")


def _cut(content: bytearray, chance: random.Random) -> None:
    del content[_place(content, chance) :]


def _remove(content: bytearray, chance: random.Random) -> None:
    at = _place(content, chance)
    del content[at : at + chance.randrange(1, 40)]


def _repeat(content: bytearray, chance: random.Random) -> None:
    at, other = _place(content, chance), _place(content, chance)
    content[other:other] = content[at : at + chance.randrange(1, 200)]


def _value(content: bytearray, chance: random.Random) -> None:
    """Another value where a text has one, which is no key of JSON."""
    places = [found.span() for found in VALUE.finditer(content)]
    start, end = chance.choice(places or [(0, 0)])
    content[start:end] = chance.choice(VALUES)


def _word(content: bytearray, chance: random.Random) -> None:
    at, word = _place(content, chance), chance.choice(WORDS)
    content[at : at + chance.choice([0, 1, len(word)])] = word


CHANGES = (_flip, _flip, _set, _set, _number, _cut, _remove, _repeat, _word)


def read_once(reader: Reader, path: Path) -> tuple[int, str]:
    """What becomes of one input, and the text of an exception that is no `InputError` of one line."""
    try:
        reader.read(path)
    except InputError as error:
        is_fine = len(str(error)) <= LONGEST_MESSAGE and str(error).isprintable()
        return (REFUSED, "") if is_fine else (FAILED, f"message {str(error)!r}")
    except BaseException:
        return FAILED, traceback.format_exc()
    return ACCEPTED, ""


def _read_all(reader: Reader, folder: Path, inputs: int, seed: int, shared: Any) -> None:
    """In a process of its own, from the input that `shared` names on."""
    printed = _take_output(folder.parent / f"{reader.name}.printed")
    path = reader.write(folder)
    whole = path.read_bytes()
    reader.read(path)  # it is valid, and what is imported late is imported now
    printed()
    shared[7], before = True, _peak_megabytes()
    while shared[0] < inputs:
        index = int(shared[0])
        path.unlink()  # a file of its own: HDF5 knows files that are still open by their place on the disk
        path.write_bytes(mutated(whole, random.Random(f"{seed} {reader.name} {index}")))
        started = time.perf_counter()
        outcome, text = read_once(reader, path)
        shared[5] = max(shared[5], time.perf_counter() - started)
        if text_beside := printed():
            outcome, text = FAILED, f"it prints: {text_beside}"
        if outcome == FAILED:
            (folder.parent / f"{reader.name}-{index}.txt").write_text(text, errors="replace")
        shared[1 + outcome] += 1
        shared[6] = max(shared[6], _peak_megabytes())
        shared[8] = max(shared[8], _peak_megabytes() - before)
        shared[0] = index + 1


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _take_output(path: Path) -> Callable[[], str]:
    """Send what this process prints to a file, also what libraries print; returns what gives the new part of it."""
    written, read = open(path, "wb", buffering=0), open(path, "rb")  # noqa: SIM115 (as long as the process)
    path.unlink()
    os.dup2(written.fileno(), 1)
    os.dup2(written.fileno(), 2)
    sys.stdout = sys.stderr = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    return lambda: read.read().decode(errors="replace")


def fuzz(reader: Reader, folder: Path, inputs: int, seed: int) -> Counts:
    """Read all inputs of one reader; its files are in `folder`, and the texts of other exceptions beside them."""
    context = multiprocessing.get_context("fork")
    shared = context.Array("d", 9)
    while shared[0] < inputs:
        folder.mkdir(parents=True, exist_ok=True)
        process = context.Process(target=_read_all, args=(reader, folder, inputs, seed, shared))
        shared[7] = False
        process.start()
        if _wait(process, shared) or (process.exitcode and shared[0] < inputs):
            (folder.parent / f"{reader.name}-{int(shared[0])}.txt").write_text(f"hang, or exit {process.exitcode}")
            shared[1 + HUNG] += 1
            shared[0] += 1
    return Counts(reader.name, [int(one) for one in shared[1:5]], shared[5], shared[6], shared[8])


def _wait(process: Any, shared: Any) -> bool:
    """Wait for the end; True if it had to be ended, because one input took too long."""
    done, since = (shared[0], shared[7]), time.monotonic()
    while process.is_alive():
        process.join(0.1)
        if (shared[0], shared[7]) != done:
            done, since = (shared[0], shared[7]), time.monotonic()
        elif time.monotonic() - since > (LIMIT_SECONDS if shared[7] else START_SECONDS):
            process.kill()
            process.join()
            return True
    return False


def main() -> None:
    """Fuzz the chosen readers and print the table."""
    parser = argparse.ArgumentParser(description="damaged and hostile files for every reader")
    parser.add_argument("--inputs", type=int, default=1000, help="inputs for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help=f"of {', '.join(one.name for one in READERS)}")
    parser.add_argument("--keep", type=Path, help="folder for the texts of exceptions; by default they are not kept")
    parser.add_argument("--json", type=Path, help="file for the counts")
    given = parser.parse_args()
    warnings.simplefilter("error")  # a user would see more than one line
    print("| reader | inputs | refused | accepted | tracebacks | hangs | slowest, s | peak, MB |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for reader in READERS:
            if given.only and reader.name not in given.only:
                continue
            found = fuzz(reader, (given.keep or Path(temporary)) / reader.name, given.inputs, given.seed)
            rows.append(vars(found))
            shown = [found.name, given.inputs, *found.outcomes, f"{found.slowest_seconds:.2f}"]
            print("| " + " | ".join(map(str, [*shown, f"{found.peak_megabytes:.0f}"])) + " |", flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
