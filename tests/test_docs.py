"""Every Python and shell block of README and docs runs, all blocks of a page in order, in a folder with tiny data.

A block that cannot run here stands below a comment that says why: `<!-- skip: next "it needs a GPU" -->`, or between
`<!-- skip: start "…" -->` and `<!-- skip: end -->`. Its commands are still checked against the verbs' `--help`.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from protas_gtcc.cli.main import VERBS, main
from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.dataset import dataset_info, simulate_videos
from tests.forked import command_server

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "```" in page.read_text(encoding="utf-8")]
PAGES = [README, ROOT / "CONTRIBUTING.md", *DOCS]
RECIPES = ("Brownie.cmu", "Salad.cmu")
TINY = SimulationConfig(only=RECIPES, share_of_videos=0.01, fewest_videos=5, feature_dim=16, fps=0.5)
"""Five people make each of two recipes."""
TESTED_PEOPLE = (3, 4)
SKIP = re.compile(r"<!--+ skip: (next|start)(.*?)--+>")
COMMAND = re.compile(r"(?:^|[|&;(] *)(?:\w+=\S+ +)*protas-gtcc ([a-z-]+)((?:[^\n|&;#]|\\\n)*)", re.MULTILINE)


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def run_shell(example: Example) -> None:
    """Run a shell block as bash does, with errors fatal; raise with what it printed."""
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if ended.returncode:
        raise AssertionError(f"{example.path}:{example.line}: exit code {ended.returncode}\n{ended.stdout}")


PARSERS: list[Any] = [SkipParser(), PythonCodeBlockParser(), CodeBlockParser("bash", run_shell)]


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `recordings/` in the layout of MS-TCN, and `my-videos/`, the same without split lists."""
    folder = tmp_path_factory.mktemp("docs")
    source = folder / "recordings"
    for name in ("groundTruth", "features", "splits"):
        (source / name).mkdir(parents=True)
    parts: dict[str, list[str]] = {"train": [], "test": []}
    class_names = dataset_info(TINY).class_names
    for video in simulate_videos(TINY):
        task, number = video.task.removeprefix("sim-").split(".")[0], int(video.name[-3:])
        name = f"P{number:02d}_{task}"
        parts["test" if number in TESTED_PEOPLE else "train"].append(f"{name}.txt\n")
        (source / "groundTruth" / f"{name}.txt").write_text("".join(f"{class_names[c]}\n" for c in video.labels))
        np.save(source / "features" / f"{name}.npy", video.features["features"].T.astype(np.float32))
    (source / "mapping.txt").write_text("".join(f"{number} {name}\n" for number, name in enumerate(class_names)))
    shutil.copytree(source, folder / "my-videos", ignore=shutil.ignore_patterns("splits"))
    for part, lines in parts.items():
        (source / "splits" / f"{part}.split1.bundle").write_text("".join(lines))
    return folder


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`protas-gtcc` is the checkout's, and `python` this interpreter."""
    folder = tmp_path_factory.mktemp("programs")
    with command_server(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]))
        yield


def run_page(page: Path, folder: Path) -> int:
    """Run the blocks of a page in a folder. Returns how many ran."""
    run = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for example in Document.parse(str(page), *PARSERS).examples():
            with contextlib.suppress(SkipTest):
                example.evaluate()
                run += isinstance(example.parsed, str)
    return run


@pytest.fixture(scope="session")
def after_readme(recordings: Path, programs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that README's commands leave, where the pages of the documentation begin."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(recordings, folder, dirs_exist_ok=True)
    assert run_page(README, folder)
    return folder


@pytest.mark.slow
def test_the_blocks_of_readme_run_in_order(after_readme: Path) -> None:
    assert (after_readme / "runs" / "mine" / "metrics.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("page", DOCS, ids=page_name)
def test_the_blocks_of_a_page_run_in_order(page: Path, after_readme: Path, tmp_path: Path) -> None:
    shutil.copytree(after_readme, tmp_path, dirs_exist_ok=True)
    run_page(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_block_that_is_not_run_has_a_reason(page: Path) -> None:
    for action, reason in SKIP.findall(page.read_text(encoding="utf-8")):
        assert re.search(r'"[^"]{8,}"', reason), f"{page}: 'skip: {action}' needs a reason in quotes"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_on_a_page_names_a_verb_and_flags_of_its_help(page: Path) -> None:
    for verb, words in commands(page.read_text(encoding="utf-8")):
        assert verb in VERBS, f"{page}: there is no verb {verb!r}"
        for flag in sorted(flags(words)):
            assert flag in known_flags(verb), f"{page}: protas-gtcc {verb} has no {flag}"


def test_every_message_in_troubleshooting_stands_in_the_code() -> None:
    page = (ROOT / "docs" / "troubleshooting" / "index.md").read_text(encoding="utf-8")
    messages = "\n".join(text for path in sorted((ROOT / "protas_gtcc").rglob("*.py")) for text in texts(path))
    for row in re.findall(r"^\| (.*?) \|", page, re.MULTILINE):
        for phrase in re.findall(r'"(.+?)"', row):
            if "has no attribute" not in phrase:  # Python's own
                assert phrase in messages, f"no message of the package says {phrase!r}"


def test_the_page_of_messages_has_those_that_are_put_together(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "WAY_OUT = 'prepare it'\n"
        "def read(path, share):\n"
        "    where = f'{path}, line {share}'\n"
        "    raise InputError(f'{where}: empty; {WAY_OUT}')\n"
        "    raise InputError('few' + (f' with {share}; lower it' if share else '; add some'))\n"
        "    raise InputError(_too_long(path))\n"
        "    raise InputError(f'{path}: {share}')\n"
        "def _too_long(path):\n"
        "    return f'{path} is long; cut it'\n"
    )
    found = hook("messages").messages(module)
    assert found == [
        "…, line …: empty; prepare it",
        "few with …; lower it",
        "few; add some",
        "… is long; cut it",
    ]


def test_every_message_says_what_was_expected_or_what_to_do() -> None:
    way_out = re.compile(r"; |expected|must|need|^(give|name) |: (give|name|go on|continue|leave it out)|: …$")
    found = [text for path in sorted((ROOT / "protas_gtcc").rglob("*.py")) for text in hook("messages").messages(path)]
    assert [text for text in found if not way_out.search(text)] == []
    assert len(found) > 300


def hook(name: str) -> Any:
    """A module of docs/hooks."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(path: Path) -> Iterator[str]:
    """The strings of a module, with … for what is put into them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Every verb with its words, from the shell blocks of a page, run or not."""
    for block in re.findall(r"^```bash.*?$(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from COMMAND.findall(re.sub(r"#.*$", "", block, flags=re.MULTILINE).replace("\\\n", " "))


def flags(words: str) -> set[str]:
    """The flags among a command's words, those in the quotes of a variant included."""
    return set(re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", " ".join(shlex.split(words))))


@cache
def known_flags(verb: str) -> set[str]:
    """Every flag of a verb's help, and of the verb that it passes flags on to."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([verb, "--help"])
    passed_on = {"cross-validate": "run", "tune": "run", "compare-alignments": "align"}
    text = re.sub(r"--\[no-\](\S+)", r"--\1 --no-\1", printed.getvalue())  # --[no-]write stands for two flags
    own = set(re.findall(r"--[a-z][a-z0-9-]*", text))
    return own | known_flags(passed_on[verb]) if verb in passed_on else own
