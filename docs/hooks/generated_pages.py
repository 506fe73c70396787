"""Pages that mkdocs makes while it builds: verbs from `--help`, folders from docstrings, messages from the code."""

from __future__ import annotations

import contextlib
import io
import os
import pkgutil
import re
from pathlib import Path
from typing import Any

from messages import messages  # beside this file: mkdocs puts the folder of a hook on the path
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


def on_config(config: Any) -> Any:
    """Fill the entries Commands and API of the navigation."""
    commands: list[Any] = ["commands/index.md", *({verb: f"commands/{verb}.md"} for verb in VERBS)]
    api: list[Any] = ["api/index.md", *({name: f"api/{_file_name(name)}.md"} for name in modules_by_folder())]
    made = {"Commands": commands, "API": api}
    config.nav = [{title: made.get(title, page)} for entry in config.nav for title, page in entry.items()]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Make the pages."""
    pages = {f"commands/{verb}.md": command_page(verb) for verb in VERBS}
    pages |= {f"api/{_file_name(name)}.md": api_page(name, modules) for name, modules in modules_by_folder().items()}
    pages |= {"commands/index.md": overview_page(), "troubleshooting/messages.md": messages_page()}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Keep each figure and its interval on one line of a table cell."""
    lines = markdown.split("\n")
    return "\n".join(INTERVAL.sub(r"&nbsp;[\1,&nbsp;\2]", line) if line[:1] == "|" else line for line in lines)


def overview_page() -> str:
    """A table of all verbs."""
    rows = [f"| [`{verb}`]({verb}.md) | {what.replace('|', '&#124;')} |" for verb, what in VERBS.items()]
    intro = (
        "Every command is `protas-gtcc VERB`. Exit code 0 means done. 1 means that the input is at fault, with one "
        "line on standard error. 2 means wrong usage. `--json` prints what programs read."
    )
    return "\n".join(["# Commands", "", intro, "", "| verb | what it does |", "|---|---|", *rows, ""])


def command_page(verb: str) -> str:
    """What `protas-gtcc VERB --help` prints, under the verb's summary."""
    help_block = f"```text\n$ protas-gtcc {verb} --help\n{help_text(verb)}\n```"
    return f"---\nhide: [toc]\n---\n\n# {verb}\n\n{VERBS[verb]}\n\n{help_block}\n"


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
        first = module.name.split(".")[1]
        if first not in INTERNAL:
            folders.setdefault(first if (PACKAGE / first).is_dir() else TOP, []).append(module.name)
    return {name: sorted(folders[name]) for name in sorted(folders, key=lambda name: (name != TOP, name))}


def api_page(name: str, modules: list[str]) -> str:
    """All public names of a folder, from their docstrings."""
    title = name if name == TOP else f"protas_gtcc.{name}"
    return "\n\n".join([f"# {title}", *(f"::: {module}" for module in modules)]) + "\n"


def messages_page() -> str:
    """Every message of an `InputError`, by module."""
    intro = (
        "Every message of an error that is the input's or the data's fault, by module. A command prints it and ends "
        "with exit code 1. … stands for what the message names. What only passes on another message is left out, as "
        "`FILE: …` is."
    )
    lines = [f"# All messages\n\n{intro} [Troubleshooting](index.md) groups the usual ones.\n"]
    for path in sorted(PACKAGE.rglob("*.py")):
        if found := messages(path):
            items = ("- `" + message.replace("`", "") + "`" for message in found)
            lines += [f"## {path.relative_to(PACKAGE)}\n", *items, ""]
    return "\n".join(lines)


def _file_name(name: str) -> str:
    return name.lower().replace(" ", "-")
