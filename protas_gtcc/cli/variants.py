"""Variants of a run, `one stage: --stages 1`: the same but for some flags, under a name."""

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


def named_variants(texts: Sequence[str]) -> dict[str, Variant]:
    """What there is by the name that folders have: a run as it is, "", and its variants.

    Raises `InputError` for a text that is none, a name that comes twice, and flags of one run.
    """
    variants = {"": Variant()}
    for text in texts:
        name, _, flags = text.partition(":")
        words, name = shlex.split(flags), re.sub(r"[^\w.]+", "-", name.strip()).strip("-")
        if not name or not words:
            raise InputError(f"--variant {text!r}: expected 'NAME: FLAGS', as in 'one stage: --stages 1'")
        if name in variants:
            raise InputError(f"--variant: two have the same name, {name}")
        refuse_own(words)
        variants[name] = Variant(tuple(words))
    return variants


def refuse_own(words: Sequence[str]) -> None:
    """Raise `InputError` for flags of one run."""
    own = [word for word in words if word.split("=")[0] in OWN]
    if own:
        raise InputError(f"{own[0]} is for one run; here, give --splits and --seeds, and the same command to go on")
