"""The colours of a dataset's classes: those that follow each other differ most, also to colour-blind eyes.

A colour is a text: `#rrggbb`, or `#rrggbb white` or `#rrggbb black` with a stripe along the bottom of a bar, so that
more classes can be distinguished than by fills alone. Candidates are of OKLCH (Ottosson, 2020). How far apart two are
is measured in OKLab, for the one of four eyes to which they are nearest: those that lack one of the three kinds of
cones (Machado, Oliveira and Fernandes, 2009), and normal ones, to which they should differ twice as much.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache
from itertools import cycle

import numpy as np

BACKGROUND = "#dddddd"
LIGHTNESSES = (0.44, 0.52, 0.6, 0.68, 0.76, 0.84, 0.9)
HUES, CHROMA, LEAST_CHROMA = 24, 0.17, 0.06
STRIPES = {"white": (0, 0.7), "black": (0.58, 1)}
"""By the colour of a stripe, the lightness that a fill may have for it to be seen."""
STRIPE_DISTANCE = 0.1
"""How far apart two looks are of which one has another stripe, or none."""
MOST_PLAIN = 30
"""Beyond this number of actions there are stripes."""
MOST_CHOSEN = 250
"""Classes with larger ids repeat the colours of those before: no eye distinguishes so many."""
FROM_BACKGROUND = 0.12
"""Least distance of a colour from that of the background."""
FOLLOWS = 0.05
"""Share of an action's successors from which on another one counts as following it."""
NEXT, TOGETHER = 2.0, 1.6
"""So much further apart are actions to be that follow each other, and that occur in one video."""
SHARPNESS = 4
"""The cost of two actions falls with this power of their distance, so that the nearest ones count."""
STARTS, ROUNDS = 6, 30
COLOUR = re.compile("#[0-9a-f]{6}( white| black)?")

_EYES = np.array(
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)
"""What each eye sees, of linear RGB: all cones, then without L, M and S."""
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


class Neighbours:
    """Which actions are seen beside each other, counted from the labels of a dataset."""

    def __init__(self, num_classes: int, background: Collection[int]):
        self.num_classes, self.background = num_classes, sorted(set(background))
        shape = min(num_classes, MOST_CHOSEN), min(num_classes, MOST_CHOSEN)
        self.next = np.zeros(shape, dtype=np.int64)
        """How often action b comes next after action a, `[a, b]`."""
        self.together = np.zeros(shape, dtype=bool)
        """Whether both occur in one video."""

    def add(self, labels: np.ndarray) -> None:
        """Count a video with labels `[T]`, or one for each of its segments."""
        actions = labels[~np.isin(labels, self.background) & (labels < len(self.next))]
        changes = np.flatnonzero(actions[1:] != actions[:-1])
        np.add.at(self.next, (actions[changes], actions[changes + 1]), 1)
        occurring = np.unique(actions)
        self.together[np.ix_(occurring, occurring)] = True

    def follow(self) -> np.ndarray:
        """Whether one of two actions often comes next after the other, `[C, C]`."""
        share = self.next / np.maximum(self.next.sum(axis=1, keepdims=True), 1)
        return np.maximum(share, share.T) >= FOLLOWS


def choose_colours(neighbours: Neighbours) -> list[str]:
    """A colour for each class."""
    background, num_chosen = neighbours.background, len(neighbours.next)
    actions = np.delete(np.arange(num_chosen), [label for label in background if label < num_chosen])
    looks, apart = _looks(len(actions) > MOST_PLAIN)
    need = np.where(neighbours.follow(), NEXT, np.where(neighbours.together, TOGETHER, 1.0))
    weight = need[np.ix_(actions, actions)] ** SHARPNESS
    np.fill_diagonal(weight, 0)
    chosen = _cheapest(weight, np.maximum(apart, 0.005) ** -SHARPNESS)
    in_turn, are_background = cycle([looks[look] for look in chosen]), set(background)
    return [BACKGROUND if label in are_background else next(in_turn) for label in range(neighbours.num_classes)]


@cache
def usual_colours(num_classes: int, background: tuple[int, ...]) -> list[str]:
    """The colours where nothing is known of the order of actions: each is followed by the next."""
    neighbours = Neighbours(num_classes, background)
    for first in range(num_classes - 1):
        neighbours.add(np.array([first, first + 1]))
    return choose_colours(neighbours)


def known_colours(colours: list[str], num_classes: int, background: Collection[int]) -> list[str]:
    """The colours of a dataset, or the usual ones where it has none."""
    return colours or usual_colours(num_classes, tuple(background))


def are_colours(texts: Sequence[str], num_classes: int) -> bool:
    """Whether these are the colours of so many classes, or none."""
    return not texts or (len(texts) == num_classes and all(COLOUR.fullmatch(one) for one in texts))


def _cheapest(weight: np.ndarray, cost: np.ndarray) -> list[int]:
    """For each action a look, so that weights `[N, N]` times costs `[L, L]` are low in sum: the best descent."""
    best: list[int] = []
    least = np.inf
    for seed in range(STARTS):
        random = np.random.default_rng(seed)
        chosen = random.choice(len(cost), len(weight), replace=len(weight) > len(cost))
        for _ in range(ROUNDS):
            before = chosen.copy()
            for action in random.permutation(len(weight)):
                chosen[action] = (cost[:, chosen] @ weight[action]).argmin()
            if (chosen == before).all():
                break
        total = float((weight * cost[np.ix_(chosen, chosen)]).sum())
        if total < least:
            best, least = chosen.tolist(), total
    return best


@cache
def _looks(striped: bool) -> tuple[list[str], np.ndarray]:
    """Candidates, and how far apart each two are, `[L, L]`."""
    fills = _fills()
    lab = to_lab(fills)
    looks = [(number, "") for number in range(len(fills))]
    if striped:
        lightness = lab[0, :, 0]
        looks += [
            (number, stripe)
            for stripe, (low, high) in STRIPES.items()
            for number in np.flatnonzero((lightness >= low) & (lightness <= high)).tolist()
        ]
    numbers, stripes = [number for number, _ in looks], np.array([stripe for _, stripe in looks])
    by_eye = np.linalg.norm(lab[:, numbers, None] - lab[:, None, numbers], axis=-1)
    apart = np.minimum(by_eye.min(axis=0), by_eye[0] / 2)
    apart += STRIPE_DISTANCE * (stripes[:, None] != stripes)
    return [f"{fills[number]} {stripe}".strip() for number, stripe in looks], apart


def _fills() -> list[str]:
    """Colours that are vivid, and can be distinguished from the background."""
    found = [
        colour
        for lightness in LIGHTNESSES
        for hue in np.arange(HUES) * 2 * np.pi / HUES
        if (colour := _most_vivid(lightness, hue)) is not None
    ]
    away = np.linalg.norm(to_lab(found) - to_lab([BACKGROUND]), axis=-1).min(axis=0)
    return [colour for colour, distance in zip(found, away, strict=True) if distance >= FROM_BACKGROUND]


def _most_vivid(lightness: float, hue: float) -> str | None:
    """The colour of most chroma that a screen has; None if it has none of some chroma."""
    for chroma in np.linspace(CHROMA, LEAST_CHROMA, 23):
        lab = np.array([lightness, chroma * np.cos(hue), chroma * np.sin(hue)])
        linear = (lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_CONES).T
        if linear.min() >= 0 and linear.max() <= 1:
            encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
            return "#" + "".join(f"{round(255 * one):02x}" for one in encoded.tolist())
    return None


def to_lab(colours: list[str]) -> np.ndarray:
    """OKLab of colours `#rrggbb` as each of the four eyes sees them, `[4, N, 3]`."""
    encoded = np.array([[int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)] for colour in colours])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return np.stack([np.cbrt(np.maximum(linear @ eye.T, 0) @ _TO_CONES.T) @ _TO_LAB.T for eye in _EYES])
