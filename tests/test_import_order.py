"""The package's folders import in the order data flow: from their own or earlier groups, never from later ones."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import protas_gtcc

ORDER = """
    config errors predictions | storage | annotations | dataset | layouts | video | simulate | prepare | checks
    | network | decoding | procedure | streaming | inference export | metrics | training | heads | alignment
    | report | live | serve | work | runs | cli
"""
RANK = {name: rank for rank, group in enumerate(ORDER.split("|")) for name in group.split()}
RESULT_TYPES = {"protas_gtcc.procedure.result"}
"""Beside `predictions`, which has a field of them; they import nothing of the package."""
PACKAGE = Path(protas_gtcc.__file__).parent


def test_no_module_imports_from_a_later_folder() -> None:
    named = [(file, name) for file, name in _imports() if name not in RESULT_TYPES]
    against = [f"{file}: {name}" for file, name in named if RANK[name.split(".")[1]] > RANK[_group(file)]]
    assert against == []


def test_every_folder_has_a_place_in_the_order() -> None:
    groups = {_group(file) for file in _modules()}
    assert groups <= set(RANK)


def test_few_modules_lie_loose_at_the_top() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 8


def test_what_is_imported_at_the_top_of_a_module_is_installed_with_the_package() -> None:
    setup = configparser.ConfigParser()
    setup.read(PACKAGE.parent / "setup.cfg")
    required = re.findall(r"^[\w-]+", setup["options"]["install_requires"], re.MULTILINE)
    names = {name.lower().replace("-", "_") for name in required}
    known = {*sys.stdlib_module_names, "protas_gtcc", "yaml", "PIL", *names}
    missing = {
        f"{file}: {name}"
        for file in _modules()
        if file.parts[0] != "serve"  # which needs its extra
        for name in _top_level_packages(file)
        if name not in known
    }
    assert missing == set()


def _top_level_packages(file: Path) -> Iterator[str]:
    """The packages that a module imports when it is imported."""
    for node in ast.parse((PACKAGE / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Import):
            yield from (one.name.split(".")[0] for one in node.names)


def _modules() -> list[Path]:
    files = sorted(file.relative_to(PACKAGE) for file in PACKAGE.rglob("*.py"))
    return [file for file in files if file.name not in ("__init__.py", "__main__.py") or len(file.parts) > 1]


def _imports() -> Iterator[tuple[Path, str]]:
    """Every `protas_gtcc.x.y` that a module imports, at its top or inside a function."""
    for file in _modules():
        for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("protas_gtcc."):
                yield file, node.module
            elif isinstance(node, ast.ImportFrom) and node.module == "protas_gtcc":
                yield from ((file, f"protas_gtcc.{one.name}") for one in node.names if one.name in RANK)
            elif isinstance(node, ast.Import):
                yield from ((file, one.name) for one in node.names if one.name.startswith("protas_gtcc."))


def _group(file: Path) -> str:
    return file.parts[0].removesuffix(".py")
