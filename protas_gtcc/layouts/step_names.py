"""Short, unique names of classes from the sentences that describe the steps of recipes.

    "Microwave -Microwave just until cheese melts"    Microwave just until cheese melts
    "Add-1/2 tsp salt to the pan"                     Add 1/2 tsp salt to the pan
    "Scoop-While it cools, rest. Scoop 4 spoonfuls"   Scoop 4 spoonfuls

A name depends only on all annotations, never on which recordings have features. It is used for one step of one recipe:
where two recipes have a step of the same name, the recipe stands in front.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

StepKey = tuple[str, int]
"""A recipe and the id of one of its steps."""

_LONGEST = 60
_VERB = re.compile(r"(?P<verb>[A-Za-z ]+?) ?-(?P<text>.+)", re.DOTALL)
_REMARK = re.compile(r" *\([^()]*\)")
_SENTENCE_END = re.compile(r"\.\s+(?=[A-Z])|\.\s*$")


def step_names(descriptions: Iterable[tuple[StepKey, str]], taken: Iterable[str]) -> dict[StepKey, str]:
    """A name for each step, unique and none of `taken`; of several descriptions of a step the commonest counts.

    A name that two steps of one recipe share is followed by the step's id.
    """
    counts: dict[StepKey, Counter[str]] = {}
    for key, description in descriptions:
        counts.setdefault(key, Counter())[description] += 1
    names = {key: short_name(counts[key].most_common(1)[0][0]) for key in sorted(counts)}
    names = _where_shared(names, taken, lambda key, name: f"{key[0]}: {name}")
    return _where_shared(names, taken, lambda key, name: f"{name} (step {key[1]})")


def short_name(description: str) -> str:
    """The sentence with the step's verb, without remarks in brackets and cut at 60 characters.

    Where no sentence has the verb, it stands in front.
    """
    found = _VERB.fullmatch(description.strip())
    verb, text = (found["verb"], found["text"]) if found else ("", description)
    sentences = [one.strip() for one in _SENTENCE_END.split(_REMARK.sub("", text)) if one.strip()]
    with_verb = [one for one in sentences if verb.casefold() in one.casefold()]
    name = with_verb[0] if with_verb else " ".join([verb, *sentences[:1]]).strip() or description
    return textwrap.shorten(name[:1].upper() + name[1:], _LONGEST, placeholder=" ...")


def _where_shared(
    names: Mapping[StepKey, str], taken: Iterable[str], longer: Callable[[StepKey, str], str]
) -> dict[StepKey, str]:
    """The names, with the longer form of each that several steps share or that is taken."""
    counts = Counter([*names.values(), *taken])
    return {key: longer(key, name) if counts[name] > 1 else name for key, name in names.items()}
