"""Drawing videos to hold out: whole people at a time, since a model is better on people that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def draw_held_out(people: Mapping[str, str], share: float, seed: int) -> list[str]:
    """Names of about a `share` of the videos, at least one; at least one video remains.

    `people` has the person of each video, "" if unknown; groups of `group_videos` are held out whole. The same seed
    gives the same videos. A single video gives [].
    """
    groups = group_videos(people)
    wanted = max(1, round(share * len(people)))
    held_out: list[str] = []
    for index in np.random.default_rng(seed).permutation(len(groups))[: len(groups) - 1]:
        if len(held_out) < wanted:
            held_out += groups[index]
    return held_out


def group_videos(people: Mapping[str, str]) -> list[list[str]]:
    """Videos that stay together: those of one person, and alone each video whose person is unknown, "".

    If all videos are of one person, each is alone.
    """
    together = len(set(people.values())) > 1
    groups: dict[str, list[str]] = {}
    for video, person in people.items():
        groups.setdefault(f"person {person}" if person and together else f"video {video}", []).append(video)
    return list(groups.values())


def people_are_known(people: Mapping[str, str]) -> bool:
    """Whether the person of every video is known, and there are at least two."""
    return "" not in people.values() and len(set(people.values())) > 1
