"""Runs under a name and with flags of their own, `one stage: --stages 1`; in all else they are the same."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from protas_gtcc.errors import InputError

OWN = ("--split", "--seed", "--resume", "--json")
"""Flags of one run, which a script that makes many gives itself."""


@dataclass(frozen=True)
class Variant:
    """Flags that are given beside those of all runs."""

    words: tuple[str, ...] = ()

    def flags(self, seed: int) -> list[str]:
        """The flags for a seed, whose number stands for {seed}."""
        return [word.replace("{seed}", str(seed)) for word in self.words]

    def sets(self, flag: str) -> bool:
        """Whether a flag is one of them."""
        return any(word.split("=")[0] == flag for word in self.words)


def named_variants(texts: Sequence[str], may_be_bare: bool = False) -> dict[str, Variant]:
    """Texts `NAME: FLAGS`, or `NAME` too if these `may_be_bare` -> flags by the name that folders have.

    Raises `InputError` for a text that is none, a name that comes twice, and flags of one run.
    """
    variants: dict[str, Variant] = {}
    for text in texts:
        name, _, flags = text.partition(":")
        words, name = shlex.split(flags), re.sub(r"[^\w.]+", "-", name.strip()).strip("-")
        if not name or not (words or may_be_bare):
            raise InputError(f"{text!r}: expected 'NAME: FLAGS', as in 'slow: --lr 1e-4'")
        if name in variants:
            raise InputError(f"two have the same name, {name}; give each its own")
        refuse_own(words)
        variants[name] = Variant(tuple(words))
    return variants


def refuse_own(words: Sequence[str]) -> None:
    """Raise `InputError` for flags of one run."""
    own = [word for word in words if word.split("=")[0] in OWN]
    if own:
        raise InputError(f"{own[0]} is for one run; here, give --splits and --seeds, and the same command to go on")
