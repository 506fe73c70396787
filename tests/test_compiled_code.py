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


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setitem(sys.modules, "upgraded", ModuleType("upgraded"))
    return tmp_path / "upgraded.py"


def installed(path: Path, name: str) -> Any:
    """The module of this version, imported as by a new process."""
    if not path.exists() or path.read_text() != SOURCE.format(name=name):
        path.write_text(SOURCE.format(name=name))
    spec = importlib.util.spec_from_file_location("upgraded", path)
    module = sys.modules["upgraded"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
