"""Every reader reads a damaged file or refuses it in one line: no other exception, no hang, no memory without end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))

from fuzz import FAILED, HUNG, READERS, fuzz, mutated, read_once
from fuzz_readers import Reader

INPUTS = 40
SLOW = ("request",)
"""They wait for answers; tests/test_serve_hostile.py sends such bytes."""
MOST_MEGABYTES = 300
"""Beyond what this process, of which each reader's is a copy, had before, and a whole file takes."""


@pytest.mark.skipif(sys.platform == "win32", reason="a reader's process is a copy of this one")
@pytest.mark.parametrize("reader", [one for one in READERS if one.name not in SLOW], ids=lambda one: one.name)
def test_damaged_files_are_read_or_refused_in_one_line(reader: Reader, tmp_path: Path) -> None:
    found = fuzz(reader, tmp_path / reader.name, INPUTS, seed=0)
    texts = [path.read_text() for path in sorted(tmp_path.glob("*.txt"))]
    assert (found.outcomes[FAILED], found.outcomes[HUNG], texts[:1]) == (0, 0, [])
    assert sum(found.outcomes) == INPUTS
    assert found.added_megabytes < MOST_MEGABYTES, found


def test_the_fuzzer_finds_other_exceptions_and_is_repeatable(tmp_path: Path) -> None:
    import random

    def read(path: Path) -> None:
        raise RuntimeError("not for a user")

    outcome, text = read_once(Reader("broken", lambda folder: folder, read), tmp_path)
    assert outcome == FAILED
    assert "not for a user" in text
    content = bytes(range(256))
    assert mutated(content, random.Random(3)) == mutated(content, random.Random(3)) != content
