"""Machines as they are: no folder for compiled code, output that is not UTF-8, fonts without the letters of a name."""

from __future__ import annotations

import ast
import errno
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from numba.core import caching

import protas_gtcc
from protas_gtcc.cli.main import run_command
from protas_gtcc.errors import InputError
from protas_gtcc.report import fonts
from protas_gtcc.report.canvas import Canvas, text_width
from protas_gtcc.report.fonts import drawable, font_for
from protas_gtcc.report.plots import save
from protas_gtcc.storage import compiled_code
from protas_gtcc.storage.compiled_code import compiled
from protas_gtcc.training.callbacks import TensorBoardLog
from tests.mstcn_folder import exit_code, write_mstcn

PACKAGE = Path(protas_gtcc.__file__).parent
NAMES = ["background", "Käse [red]", ":smile: 切る", "смешать – 🍵"]


# Compiled code


def test_without_a_folder_for_its_cache_code_is_compiled_all_the_same_with_one_note(monkeypatch, caplog):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    compiled_code._note_once.cache_clear()

    def double(x):
        return 2 * x

    with caplog.at_level(logging.WARNING):
        assert [compiled()(double)(21), compiled(nogil=True)(double)(4)] == [42, 8]
    assert [record.getMessage() for record in caplog.records] == [
        "compiled code cannot be kept, so each process compiles anew; set NUMBA_CACHE_DIR to a folder to write to"
    ]


def test_no_module_asks_for_the_cache_by_itself():
    for file in PACKAGE.rglob("*.py"):
        if file.name != "compiled_code.py":
            assert "njit(" not in file.read_text(encoding="utf-8"), file


def test_without_a_folder_for_temporary_files_the_line_names_the_way_out(monkeypatch, capsys):
    missing = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    def import_torch():
        raise missing

    monkeypatch.setattr(tempfile, "gettempdir", import_torch)
    with pytest.raises(SystemExit):
        run_command(import_torch)
    assert capsys.readouterr().err == (
        "error: torch and matplotlib need a folder for temporary files; set TMPDIR to one that can be written to\n"
    )


# Names of folders


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_whose_name_is_not_utf_8_is_worked_in_and_refused_in_one_line_as_a_run_directory(tmp_path):
    here = tmp_path / os.fsdecode(b"here\xff")
    here.mkdir()
    videos = {f"v{number}": [0, 1, 1, 2] * 5 for number in range(3)}
    parts = {"train": ["v0", "v1"], "test": ["v2"]}
    write_mstcn(here, ["background", "cut", "mix"], videos, parts, lambda t: np.ones((4, t), np.float32))
    assert exit_code("prepare", here, "--out", here / "a.h5", "--fps", 5, "--name", "a") == 0
    assert exit_code("check", here / "a.h5") == 0
    with pytest.raises(InputError, match="TensorBoard writes no log where a folder's name is not UTF-8"):
        TensorBoardLog(here).on_start(0, 1, 1)


# Output


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "cp1252", "utf-8"])
@pytest.mark.parametrize("verb", ["check", "prepare"])
def test_output_in_any_encoding_is_whole(tmp_path, encoding, verb):
    # A folder whose names and notices have letters that most encodings lack.
    videos = {name: [0, 1, 2, 3] for name in ("v0", "v1", "クリップ")}
    split = {"train": ["v0", "v1"], "test": ["クリップ"]}
    rng = np.random.default_rng(0)
    folder = write_mstcn(tmp_path / "切る", NAMES, videos, split, lambda t: rng.normal(size=(7, t)).astype(np.float32))
    (folder / "splits" / "other – 切る.bundle").write_text("v0")
    out = ("--out", str(tmp_path / "out.h5")) if verb == "prepare" else ()
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "protas_gtcc", verb, str(folder), *out, "--fps", "1"],
        capture_output=True,
        env=environment,
        timeout=120,
    )
    printed = done.stdout.decode(encoding)
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
    dash, name = ("–" if encoding in ("utf-8", "cp1252") else "-"), ("切る" if encoding == "utf-8" else r"\u5207\u308b")
    assert f"splits/other {dash} {name}.bundle" in " ".join(printed.split())


def test_every_console_prints_names_as_they_are():
    consoles = 0
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Console":
                consoles += 1
                off = {one.arg for one in node.keywords if isinstance(one.value, ast.Constant) and not one.value.value}
                assert {"markup", "emoji"} <= off, f"{file}: '[red]' and ':smile:' in a name would vanish"
            assert not (isinstance(node, ast.Attribute) and node.attr == "from_markup"), file
    assert consoles >= 4


# Pictures


@pytest.fixture
def own_font_alone(monkeypatch):
    monkeypatch.setattr(fonts, "_installed", lambda letters: fonts.OWN)


def test_letters_that_no_font_has_are_written_as_escapes(own_font_alone):
    assert drawable("Käse") == "Käse"
    assert drawable("切る 🍵\n") == r"\u5207\u308b \U0001f375" + "\N{REPLACEMENT CHARACTER}"


def test_an_installed_font_with_all_letters_is_taken(monkeypatch):
    other = fonts.OWN.with_name("STIXGeneral.ttf")
    new = fonts._letters(other) - fonts._letters(fonts.OWN)
    only_there = next(chr(one) for one in sorted(new) if chr(one).isprintable())
    installed = SimpleNamespace(fname=str(other), name="STIX")
    monkeypatch.setattr("matplotlib.font_manager.fontManager.ttflist", [installed])
    fonts._installed.cache_clear()
    assert font_for(f"a{only_there}") == other
    assert drawable(f"a{only_there}") == f"a{only_there}"
    assert font_for("a") == fonts.OWN
    fonts._installed.cache_clear()


def test_pictures_with_any_name_are_drawn_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        canvas = Canvas(300, 60)
        figure = Figure()
        for row, name in enumerate(NAMES):
            canvas.text(150, 10 + 10 * row, name, 12)
            assert text_width(name, 12) > 0
            figure.text(0.5, row / 5, drawable(name), font=font_for(name), parse_math=False)
        canvas.text_upwards(10, 30, NAMES[2], 12)
        canvas.save(tmp_path / "canvas.png")
        save(figure, tmp_path / "figure.png")
