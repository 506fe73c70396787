"""Compiled code outlives an upgrade in place: an old cache is replaced, not tripped over."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SOURCE = """
from typing import NamedTuple
from protas_gtcc.storage.compiled_code import compiled

class {name}(NamedTuple):
    x: int

@compiled()
def double(pair):
    return 2 * pair.x

found = double({name}(4))
"""


@pytest.fixture(autouse=True)
def cached_here(monkeypatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    for name in ("upgraded", "caller"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "upgraded.py"


def imported(path: Path, source: str) -> Any:
    """The module of this source, imported as by a new process."""
    if not path.exists() or path.read_text() != source:
        path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def installed(path: Path, name: str) -> Any:
    return imported(path, SOURCE.format(name=name))


def test_a_class_that_no_longer_exists_is_compiled_anew_and_then_cached(path):
    assert installed(path, "Old").found == 8
    assert list(path.parent.rglob("*.nbi")), "nothing was cached"
    renamed = installed(path, "NewName")
    assert renamed.found == 8
    assert not hasattr(renamed, "Old")
    again = installed(path, "NewName")
    assert again.found == 8
    assert sum(again.double.stats.cache_hits.values()) == 1


@pytest.mark.parametrize("content", [b"", b"\x80", b"nonsense"])
def test_a_damaged_index_is_compiled_anew(path, content):
    installed(path, "Pair")
    (index,) = path.parent.rglob("*.nbi")
    index.write_bytes(content)
    assert installed(path, "Pair").found == 8
    assert index.read_bytes() != content


CALLEE = """
from protas_gtcc.storage.compiled_code import compiled

@compiled()
def number():
    return {number}
"""
CALLER = """
from protas_gtcc.storage.compiled_code import compiled
from upgraded import number

@compiled()
def twice():
    return 2 * once()

@compiled()
def once():
    return number()

found = twice()
"""


def test_a_function_that_calls_a_changed_one_of_another_file_is_compiled_anew(path):
    for number in (3, 30, 30):
        imported(path, CALLEE.format(number=number))
        caller = imported(path.parent / "caller.py", CALLER)
        assert caller.found == 2 * number
    assert sum(caller.twice.stats.cache_hits.values()) == 1
