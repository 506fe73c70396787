"""Which videos to hold out of others: whole people at a time, since a model knows the people it was trained on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def draw_held_out(people: Mapping[str, str], share: float, seed: int) -> list[str]:
    """Draw about a `share` of the videos, at least one; the others, at least one, are what remains to train on.

    `people` has the person of each video, "" if unknown. Where all people are known, and there are several, all videos
    of a person are held out or none. The same seed draws the same videos. [] if there are no two videos to part.
    """
    groups = _groups(people)
    wanted = max(1, round(share * len(people)))
    held_out: list[str] = []
    for index in np.random.default_rng(seed).permutation(len(groups))[: len(groups) - 1]:
        if len(held_out) < wanted:
            held_out += groups[index]
    return held_out


def people_are_known(people: Mapping[str, str]) -> bool:
    """Whether the person of every video is known, and there are at least two."""
    return "" not in people.values() and len(set(people.values())) > 1


def _groups(people: Mapping[str, str]) -> list[list[str]]:
    """The videos of each person, or each video alone where people are not known."""
    groups: dict[str, list[str]] = {}
    for video, person in people.items():
        groups.setdefault(person, []).append(video)
    return list(groups.values()) if people_are_known(people) else [[video] for video in people]
