"""Tables on a terminal: no figure is cut, and no Markdown is left. Pipes and files get Markdown as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

GAP = 2
"""Spaces between columns, the box's own one among them."""
NARROWEST = 20
"""Columns that the names of rows keep where they are broken so that the table fits."""


def print_markdown(text: str, console: Console | None = None) -> None:
    """Print paragraphs and tables of Markdown: drawn on a terminal, as it is into a pipe or a file.

    A table that is wider than the terminal becomes several, one below the other, that repeat the first column.
    """
    console = console or Console(markup=False, emoji=False)
    if not console.is_terminal:
        console.file.write(text)
        return
    for is_table, group in groupby(text.splitlines(), key=lambda line: line.startswith("|")):
        lines = list(group)
        shown = _tables([_cells(line) for line in lines], console.width) if is_table else map(_text, lines)
        console.print(*shown, sep="\n")


def new_table(title: str, heads: Sequence[str], names: Sequence[str] = ("",)) -> Table:
    """A table whose columns are figures, at the right, but for those headed like `names`, at the left."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in heads:
        table.add_column(head, justify="left" if head in names else "right", no_wrap=True)
    return table


def _tables(rows: list[list[str]], width: int) -> Iterator[Table | Text]:
    heads, body = rows[0], rows[2:]  # row 1 is the rule
    widths = [_width([row[column] for row in body], head) for column, head in enumerate(heads)]
    others = sum(widths[1:]) + GAP * len(widths[1:])
    widths[0] = min(widths[0], max(width - others, NARROWEST), width // 2)
    for number, columns in enumerate(_groups(widths, width)):
        if number:
            yield Text()
        table = Table(box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False)
        for column in columns:
            justify: JustifyMethod = "left" if column == 0 else "right"
            table.add_column(_text(heads[column]), width=widths[column], justify=justify, overflow="fold")
        for row in body:
            table.add_row(*(_text(row[column]) for column in columns))
        yield table


def _groups(widths: list[int], width: int) -> Iterator[list[int]]:
    """Columns that fit beside each other, each group with column 0."""
    group, used = [0], widths[0] + GAP
    for column in range(1, len(widths)):
        if len(group) > 1 and used + widths[column] > width:
            yield group
            group, used = [0], widths[0] + GAP
        group.append(column)
        used += widths[column] + GAP
    yield group


def _width(cells: Sequence[str], head: str) -> int:
    """As wide as the widest cell; a heading may be broken between its words."""
    words = max((len(word) for word in _text(head).plain.split()), default=1)
    return max(words, *(len(_text(cell).plain) for cell in cells), 1)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _text(markdown: str) -> Text:
    """Text with bold parts where `**` marks them, without the ticks of code."""
    text = Text()
    for number, part in enumerate(re.split(r"\*\*(.+?)\*\*", markdown.replace("`", ""))):
        text.append(part, style="bold" if number % 2 else "")
    return text
