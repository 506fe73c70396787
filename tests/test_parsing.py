"""Dataclasses as parsers: what flags accept, what is refused, and what every verb's `--help` prints and imports."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

import protas_gtcc.cli.commands
from protas_gtcc.cli.main import GROUPS, VERBS
from protas_gtcc.cli.shared.parsing import File, Positional, RateOrTable, Repeated, Rest, parse
from protas_gtcc.config import Folder, Text
from protas_gtcc.errors import InputError
from tests.mstcn_folder import exit_code

HEAVY = ("torch", "pandas", "numba", "scipy.stats", "matplotlib", "h5py")


@dataclass(frozen=True)
class Network:
    """The network."""

    stages: int = 4
    """Number of stages."""
    causal: bool = True
    """Use past frames only."""

    def __post_init__(self) -> None:
        if self.stages < 1:
            raise InputError("--stages must be at least 1")


@dataclass(frozen=True)
class Example:
    """Do something.

    In two paragraphs, with `code`.
    """

    source: Positional[Path]
    """Where to read."""
    more: Positional[tuple[File, ...]]
    """What else to read."""
    rate: float
    """Frames per second, 100 % of them."""
    kind: Literal["fast", "slow"] = "fast"
    """How."""
    names: tuple[str, ...] | None = None
    """Names; by default all."""
    extra: Repeated[tuple[File, ...]] = ()
    """One more file."""
    give_up_seconds: float | None = None
    """When to give up."""
    quiet: bool = False
    """Print nothing."""
    no_pictures: bool = False
    """Draw nothing."""
    network: Network = field(default_factory=Network)
    mark: Repeated[tuple[Literal["good", "not good"], ...]] = ()
    """One more mark."""


@dataclass(frozen=True)
class Starter:
    """Start runs."""

    seeds: int = 1
    """Number of seeds."""
    flags: Rest = ()


@dataclass(frozen=True)
class Absent:
    """Texts that may be absent."""

    name: str | None = None
    """A name."""
    pattern: Text | None = None
    """A pattern."""
    out: File | None = None
    """A file."""
    background: tuple[str, ...] | None = None
    """Names."""
    features: tuple[Folder, ...] | None = None
    """Folders."""


def test_the_word_none_is_a_text_like_others():
    assert parse(Absent, [], "x") == Absent()
    words = ["--name", "None", "--pattern", "None", "--out", "None", "--background", "None", "--features", "None"]
    assert parse(Absent, words, "x") == Absent("None", "None", Path("None"), ("None",), (Path("None"),))
    assert parse(Absent, ["--background", "BG", "None", "null"], "x").background == ("BG", "None", "null")


def test_a_rate_may_be_a_file():
    @dataclass(frozen=True)
    class Rated:
        """Rates."""

        fps: RateOrTable
        """Frames per second."""

    assert parse(Rated, ["--fps", "30000/1001"], "x").fps == pytest.approx(29.97003)
    assert parse(Rated, ["--fps", "15"], "x").fps == 15.0
    assert parse(Rated, ["--fps", "rates.csv"], "x").fps == Path("rates.csv")


def words_in(text: str) -> str:
    return " ".join(re.sub(r"[│|](?=\s|$)|(?<=\s)[│|]", " ", text).split())


def example(*words: str, default: Example | None = None) -> Example:
    return parse(Example, words, "tool", default=default)


def test_flags_become_fields_wherever_they_stand() -> None:
    words = "in --rate 2 a.npy b.npy --extra x --names u v --stages 3 --no-causal --extra y --kind slow --no-pictures"
    assert example(*words.split(), "--quiet") == Example(
        Path("in"), (Path("a.npy"), Path("b.npy")), 2.0, "slow", ("u", "v"), (Path("x"), Path("y")), None, True, True,
        Network(3, False),
    )  # fmt: skip


def test_a_repeated_flag_takes_one_value_and_leaves_what_follows_to_the_files() -> None:
    found = example("in", "--rate", "1", "--mark", "not good", "--mark", "good", "a", "b")
    assert (found.mark, found.more) == (("not good", "good"), (Path("a"), Path("b")))


def test_a_repeated_flag_of_files_leaves_a_file_that_has_the_name_of_its_value() -> None:
    found = example("in", "--rate", "1", "--extra", "b", "FILE")
    assert (found.extra, found.more) == ((Path("b"),), (Path("FILE"),))


def test_fields_without_a_flag_keep_the_defaults_of_a_given_instance() -> None:
    base = Example(Path("in"), (Path("a"),), 5.0, "slow", network=Network(7, False))
    parsed = example("in", "b", "--rate", "1", "--causal", default=base)
    assert (parsed.kind, parsed.network) == ("slow", Network(7, True))


def test_values_are_checked_by_the_dataclass() -> None:
    with pytest.raises(InputError, match="at least 1"):
        example("in", "a", "--rate", "1", "--stages", "0")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("in a", "--rate NUMBER"),
        ("in a --rate fast", "Error parsing --rate: expected a number, not 'fast'"),
        ("in a --rate 1 --give-up-seconds x", "Error parsing --give-up-seconds: expected a number, not 'x'"),
        ("in a --rate 1 --stages 2.5", "Error parsing --stages: expected a whole number, not '2.5'"),
        ("in a --rate 1 --kind best", "--kind"),
        ("in a --rate 1 --stagess 2", "Perhaps you meant: --stages N"),
        ("in --rate 1 --mark good good a", "tool: --mark takes one value; repeat it for each: --mark good --mark good"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_the_flag(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        example(*words.split())
    assert stop.value.code == 2
    assert message in words_in(capsys.readouterr().err)


def test_flags_of_the_runs_that_a_command_starts_are_returned() -> None:
    assert parse(Starter, ["--lr", "1e-4", "--seeds", "2"], "tool") == Starter(2, ("--lr", "1e-4"))


def test_help_shows_what_is_required_and_types_that_a_person_reads(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        example("--help")
    assert stop.value.code == 0
    text = words_in(capsys.readouterr().out)
    for expected in (
        "In two paragraphs, with 'code'.",
        "SOURCE Where to read. (required)",
        "--rate NUMBER Frames per second, 100 % of them. (required)",
        "--kind fast|slow How. (default: fast)",
        "--names NAME ... Names; by default all. --",
        "--give-up-seconds SECONDS When to give up. --",
        "--quiet Print nothing. --no-pictures Draw nothing.",
        "--stages N Number of stages. (default: 4)",
        "--causal, --no-causal Use past frames only. (default: on)",
    ):
        assert expected in text


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_is_readable_at_80_columns(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert exit_code(verb, "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: protas-gtcc {verb} [-h]")
    assert re.findall(r"None|\[STR|\(default: \)|`|\*\*", text) == []
    assert max(map(len, text.splitlines())) <= 80
    flags = re.split(r"\n(?=.{0,3}(?:options|positional arguments))", text, maxsplit=1)[1]
    assert re.findall(r"(?:^| )(--[a-z][a-z-]*(?: [A-Z]+)?)(?= --[a-z])", words_in(flags)) == [], "flags without a text"


def test_every_command_is_a_verb() -> None:
    modules = {path.stem for path in Path(protas_gtcc.cli.commands.__path__[0]).glob("[a-z]*.py")}
    assert {"import_" if verb == "import" else verb.replace("-", "_") for verb in VERBS} == modules


def test_the_overview_lists_every_verb_in_a_group_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code() == 2
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    for group, verbs in GROUPS.items():
        assert f"\n{group}:\n" in printed
        assert all(f"\n  {verb} " in printed for verb in verbs)


def test_help_of_no_verb_imports_a_heavy_package() -> None:
    code = f"""
import contextlib, io, sys
from protas_gtcc.cli.main import VERBS, main
for verb in VERBS:
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main([verb, "--help"])
    print(verb, *sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == list(VERBS)
