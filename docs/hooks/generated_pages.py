"""Pages that mkdocs makes while it builds: one for each verb, from its `--help`; one for each folder, from docstrings."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import protas_gtcc
from protas_gtcc.cli.main import VERBS, main

PACKAGE = Path(protas_gtcc.__file__).parent
TOP = "Top level"
INTERNAL = ("cli", "__main__")
"""What no other program calls: the commands have pages of their own."""


HELP_COLUMNS = 78
"""As many as fit beside the navigation."""
INTERVAL = re.compile(r"(?<=[\d%]) \[([^]|]*), ([^]|]*)\]")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Keep each figure and its interval on one line of a table cell."""
    lines = (
        INTERVAL.sub(r"&nbsp;[\1,&nbsp;\2]", line) if line.startswith("|") else line for line in markdown.split("\n")
    )
    return "\n".join(lines)


def on_config(config: Any) -> Any:
    """Put the pages into the navigation, where mkdocs.yml names their folder."""
    commands: list[Any] = ["commands/index.md", *({verb: f"commands/{verb}.md"} for verb in VERBS)]
    api: list[Any] = ["api/index.md", *({name: f"api/{_file_name(name)}.md"} for name in modules_by_folder())]
    pages = {"commands": commands, "api": api}
    config.nav = [
        {title: pages.get(page, page) if isinstance(page, str) else page} for title, page in _items(config.nav)
    ]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Make the pages."""
    for verb in VERBS:
        files.append(File.generated(config, f"commands/{verb}.md", content=command_page(verb)))
    files.append(File.generated(config, "commands/index.md", content=overview_page()))
    files.append(File.generated(config, "messages.md", content=messages_page()))
    for name, modules in modules_by_folder().items():
        files.append(File.generated(config, f"api/{_file_name(name)}.md", content=api_page(name, modules)))
    return files


def overview_page() -> str:
    """A table of all verbs."""
    rows = [f"| [`{verb}`]({verb}.md) | {what.replace('|', '&#124;')} |" for verb, what in VERBS.items()]
    intro = (
        "Every command is `protas-gtcc VERB`. Exit code 0 means done; 1 means that the input is at fault, with one line "
        "on standard error; 2 means wrong usage. `--json` prints what programs read."
    )
    return "\n".join(["# Commands", "", intro, "", "| verb | what it does |", "|---|---|", *rows, ""])


def command_page(verb: str) -> str:
    """What `protas-gtcc VERB --help` prints, under the verb's summary."""
    return f"---\nhide: [toc]\n---\n\n# {verb}\n\n{VERBS[verb]}\n\n```text\n$ protas-gtcc {verb} --help\n{help_text(verb)}\n```\n"


def help_text(verb: str) -> str:
    """The help text of a verb, as on a narrow terminal."""
    os.environ["COLUMNS"] = str(HELP_COLUMNS)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([verb, "--help"])
    return printed.getvalue().strip()


def modules_by_folder() -> dict[str, list[str]]:
    """Folder of the package -> its modules; the single modules beside the folders come first."""
    folders: dict[str, list[str]] = {TOP: ["protas_gtcc"]}
    for module in pkgutil.walk_packages([str(PACKAGE)], "protas_gtcc."):
        parts = module.name.split(".")
        if parts[1] in INTERNAL:
            continue
        folder = parts[1] if (PACKAGE / parts[1]).is_dir() else TOP
        folders.setdefault(folder, []).append(module.name)
    return {name: sorted(modules) for name, modules in sorted(folders.items(), key=lambda item: (item[0] != TOP, item))}


def api_page(name: str, modules: list[str]) -> str:
    """All public names of a folder, from their docstrings."""
    blocks = [f"::: {module}" for module in modules]
    return "\n\n".join([f"# {name if name == TOP else f'protas_gtcc.{name}'}", *blocks]) + "\n"


def messages_page() -> str:
    """Every message of an `InputError`, by module."""
    intro = "Every message that ends a command with exit code 1, by module; … stands for what the message names."
    lines = [f"# All messages\n\n{intro} [Troubleshooting](troubleshooting.md) groups the usual ones.\n"]
    for path in sorted(PACKAGE.rglob("*.py")):
        found = list(messages(path))
        if found:
            lines += [
                f"## {path.relative_to(PACKAGE)}\n",
                *(f"- `{message.replace('`', '')}`" for message in found),
                "",
            ]
    return "\n".join(lines)


def messages(path: Path) -> Iterator[str]:
    """The messages of a module, what is put into them written as …."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "InputError"
            and node.args
        ):
            text = _template(node.args[0])
            if text.strip("… "):
                yield text


def _template(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(value) for value in node.values)
    return "…"


def _file_name(name: str) -> str:
    return name.lower().replace(" ", "-")


def _items(nav: list[Any]) -> list[tuple[str, Any]]:
    return [item for entry in nav for item in entry.items()]
