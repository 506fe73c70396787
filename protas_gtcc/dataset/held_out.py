"""Drawing videos to hold out: whole people at a time, since a model is better on people that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def draw_held_out(people: Mapping[str, str], share: float, seed: int) -> list[str]:
    """Names of about a `share` of the videos, at least one; at least one video remains.

    `people` has the person of each video, "" if unknown. If all people are known, and there are several, then either
    all videos of a person are held out or none. The same seed gives the same videos. A single video gives [].
    """
    known = people_are_known(people)
    groups: dict[str, list[str]] = {}
    for video, person in people.items():
        groups.setdefault(person if known else video, []).append(video)
    wanted = max(1, round(share * len(people)))
    held_out: list[str] = []
    for index in np.random.default_rng(seed).permutation(len(groups))[: len(groups) - 1]:
        if len(held_out) < wanted:
            held_out += list(groups.values())[index]
    return held_out


def people_are_known(people: Mapping[str, str]) -> bool:
    """Whether the person of every video is known, and there are at least two."""
    return "" not in people.values() and len(set(people.values())) > 1
