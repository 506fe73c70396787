"""The things on the table, seen from above: each is drawn at a place, at a level from 0 (untouched) to 1 (done).

`look` is an array `[32]` of numbers from 0 to 1, drawn once for each new thing: its colour, and where its parts lie.
`phase` is the turn of a periodic motion that is going on at the thing, or None.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from protas_gtcc.simulate.drawing import Canvas, Colour, ellipse, mixed, rectangle, rounded, shade

BOWL_RADIUS = 0.14
LIQUID_RADIUS = 0.122
"""Radius of the filling of a full bowl, in table units."""
ROOT_LENGTH = 0.27
ROOT_LEFT = -0.15
NUM_SLICES = 12
STAIN_SIZE = 0.38 + 0.2j
NUM_BLOBS = 15
BOARD_SIZE = 0.33 + 0.24j
BREAD_SIZE = 0.25 + 0.25j
COOKIE_SLOTS = np.array([x + 1j * y for y in (-0.08, 0.0, 0.08) for x in (-0.12, -0.04, 0.04, 0.12)])
COOKIE_PILE = -0.23 + 0.05j
WHEEL_SEATS = np.array([-0.09 - 0.075j, 0.09 - 0.075j, -0.09 + 0.075j, 0.09 + 0.075j])
WHEEL_ROW = np.array([-0.135, -0.045, 0.045, 0.135]) + 0.18j
SCREW = 0.02 + 0.0j

_WATER, _WOOD, _STEEL = (120, 176, 208), (205, 164, 108), (176, 182, 188)


def draw_bowl(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """A bowl whose filling's area grows with the level."""
    rim = mixed((236, 236, 232), (90, 120, 170), look[0])
    canvas.shadow(place + ellipse(2 * BOWL_RADIUS, 2 * BOWL_RADIUS))
    canvas.disc(place, BOWL_RADIUS, rim)
    canvas.disc(place, LIQUID_RADIUS + 0.006, shade(rim, 0.72))
    canvas.disc(place - 0.004j, LIQUID_RADIUS * 0.55, shade(rim, 0.64))
    if level > 0:
        canvas.disc(place, LIQUID_RADIUS * np.sqrt(level), filling_colour(look))
    if phase is not None and level > 0:  # a swirl of the spoon
        swirl = np.exp(2j * np.pi * (phase - np.linspace(0, 0.4, 8))) * LIQUID_RADIUS * np.sqrt(level) * 0.6
        canvas.line(place + swirl, 0.008, shade(filling_colour(look), 1.15))


def filling_colour(look: np.ndarray) -> Colour:
    """What is in a bowl: tomato to pumpkin."""
    return mixed((196, 62, 40), (232, 150, 44), look[1])


def draw_carrot(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """A carrot on a board: it gets shorter, and slices lie beside it."""
    _draw_root(canvas, place, level, look, mixed((236, 122, 34), (214, 92, 28), look[0]), (250, 168, 84), 0.048)


def draw_cucumber(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """A cucumber on a board: it gets shorter, and slices lie beside it."""
    _draw_root(canvas, place, level, look, mixed((48, 112, 48), (84, 136, 56), look[0]), (196, 224, 158), 0.056)


def _draw_root(
    canvas: Canvas, place: complex, level: float, look: np.ndarray, skin: Colour, inside: Colour, width: float
) -> None:
    board = mixed((222, 196, 150), (240, 236, 226), look[2])
    canvas.shadow(place + rounded(0.37, 0.21, 0.02))
    canvas.polygon(place + rounded(0.37, 0.21, 0.02), board)
    left, right = place + ROOT_LEFT - 0.04j, place + cut_point(level) - 0.04j
    canvas.line([left, right], width, skin)
    canvas.line([left - 0.004j, right - 0.004j], width * 0.3, shade(skin, 1.12))
    canvas.polygon(right + ellipse(0.016, width), inside)
    for number in range(int(level * NUM_SLICES + 1e-9)):
        x = 0.16 - 0.024 * number + 0.012 * look[8 + number]
        slice_at = place + x + 1j * (0.03 + 0.045 * look[20 + number % 12])
        canvas.disc(slice_at, width * 0.44, shade(skin, 0.95))
        canvas.disc(slice_at, width * 0.35, inside)


def cut_point(level: float) -> float:
    """Where the knife cuts: x from the board's middle, in table units."""
    return ROOT_LEFT + ROOT_LENGTH * (1 - 0.88 * level)


def draw_stain(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """Blobs of sauce on the table, wiped away from left to right; none is left at level 1."""
    colour = mixed((128, 44, 40), (70, 60, 30), look[0])
    for number in range(NUM_BLOBS):
        x = (number + 0.5) / NUM_BLOBS
        y = look[(5 * number + 3) % 32] - 0.5
        left_over = np.clip((x - level) * NUM_BLOBS + 1, 0, 1)
        if left_over > 0:
            blob = place + (x - 0.5) * STAIN_SIZE.real + 0.85j * y * STAIN_SIZE.imag
            canvas.disc(blob, (0.024 + 0.016 * look[(3 * number + 1) % 32]) * left_over, colour)


def draw_car(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """A toy car whose wheels are attached one after the other; those that are not yet lie in a row before it."""
    body = mixed((204, 52, 48), (52, 96, 188), float(look[0] > 0.5))
    seats, placed = place + WHEEL_SEATS, int(level * 4 + 1e-9)
    canvas.shadow(place + rounded(0.3, 0.13, 0.03))
    for number in range(4):
        in_hand = number == placed and level * 4 - placed > 0.3
        if not in_hand:
            draw_wheel(canvas, seats[number] if number < placed else place + WHEEL_ROW[number])
        if number >= placed:
            canvas.line([seats[number] - 0.012, seats[number] + 0.012], 0.008, (60, 60, 60))
    canvas.polygon(place + rounded(0.3, 0.13, 0.03), body)
    canvas.polygon(place - 0.045 + rounded(0.07, 0.1, 0.012), (150, 190, 210))
    canvas.polygon(place + 0.07 + rounded(0.08, 0.095, 0.012), shade(body, 0.8))
    canvas.disc(place + SCREW, 0.011, (190, 190, 195))


def draw_wheel(canvas: Canvas, place: complex) -> None:
    """A wheel that lies flat."""
    canvas.disc(place, 0.042, (34, 34, 36))
    canvas.disc(place, 0.017, (200, 200, 204))


def draw_wood(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """A wooden board that is painted from left to right."""
    canvas.shadow(place + rectangle(BOARD_SIZE.real, BOARD_SIZE.imag))
    canvas.polygon(place + rectangle(BOARD_SIZE.real, BOARD_SIZE.imag), mixed(_WOOD, (226, 200, 160), look[1]))
    paint = mixed((40, 132, 140), (110, 72, 150), look[0])
    _draw_cover(canvas, place, level, look, paint, BOARD_SIZE, downwards=False)


def draw_bread(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """A slice of bread that is buttered from top to bottom, on a plate."""
    canvas.shadow(place + ellipse(0.38, 0.38))
    canvas.disc(place, 0.19, (226, 230, 234))
    canvas.disc(place, 0.15, (208, 214, 220))
    canvas.polygon(place + rounded(BREAD_SIZE.real + 0.02, BREAD_SIZE.imag + 0.02, 0.04), (148, 92, 48))
    canvas.polygon(place + rounded(BREAD_SIZE.real, BREAD_SIZE.imag, 0.035), (214, 170, 112))
    _draw_cover(canvas, place, level, look, (250, 232, 140), 0.9 * BREAD_SIZE, downwards=True)


def _draw_cover(
    canvas: Canvas, place: complex, level: float, look: np.ndarray, colour: Colour, size: complex, downwards: bool
) -> None:
    """A layer over the first part of a surface, with an uneven edge."""
    if level <= 0:
        return
    across = np.linspace(-0.5, 0.5, 9)
    edge = np.clip(level - 0.5 + 0.07 * (look[8:17] - 0.5) * min(1, 8 * level), -0.5, 0.5)
    along = np.concatenate([[-0.5], edge, [-0.5]])
    side = np.concatenate([[-0.5], across, [0.5]])
    x, y = (side, along) if downwards else (along, side)
    canvas.polygon(place + x * size.real + 1j * y * size.imag, colour)


def draw_tray(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """A tray on which cookies are placed one after the other, beside a tin of dough."""
    canvas.shadow(place + rounded(0.35, 0.27, 0.015))
    canvas.polygon(place + rounded(0.35, 0.27, 0.015), shade(_STEEL, 0.72))
    canvas.polygon(place + rounded(0.325, 0.245, 0.012), shade(_STEEL, 0.9))
    canvas.disc(place + COOKIE_PILE, 0.05, (120, 124, 130))
    canvas.disc(place + COOKIE_PILE, 0.043, (206, 168, 112))
    for number in range(int(level * len(COOKIE_SLOTS) + 1e-9)):
        draw_cookie(canvas, place + COOKIE_SLOTS[number] + 0.008 * (look[8 + number] - 0.5))


def draw_cookie(canvas: Canvas, place: complex) -> None:
    """A cookie."""
    canvas.disc(place, 0.035, (176, 122, 66))
    canvas.disc(place - 0.003j, 0.029, (204, 152, 90))


def draw_basin(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """A basin of water, with foam while hands are washed in it."""
    canvas.shadow(place + rounded(0.32, 0.26, 0.05))
    canvas.polygon(place + rounded(0.32, 0.26, 0.05), (222, 226, 230))
    canvas.polygon(place + rounded(0.28, 0.22, 0.04), mixed(_WATER, (150, 200, 205), look[0]))
    if phase is not None:
        for number in range(9):
            turn = np.exp(2j * np.pi * (phase * (0.5 + look[8 + number]) + look[17 + number]))
            canvas.disc(place + (0.03 + 0.06 * look[number]) * turn, 0.007 + 0.012 * look[20 + number], (244, 248, 250))


def draw_dough(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """A lump of dough on a floured mat, pressed in turn with the hands."""
    press = 0.0 if phase is None else 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    canvas.polygon(place + rounded(0.34, 0.24, 0.01), mixed((108, 134, 120), (120, 116, 140), look[0]))
    canvas.polygon(place + ellipse(0.28, 0.19), (226, 222, 210, 150))
    outline = place + ellipse(0.19 + 0.05 * press, 0.15 - 0.035 * press)
    canvas.shadow(outline)
    canvas.polygon(outline, (236, 214, 170))
    canvas.polygon(place - 0.012j + ellipse(0.12, 0.06), (244, 226, 190))


def draw_bottle(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """A bottle that lies on the table, or is shaken along its axis."""
    turn = np.exp(0.5j)
    at = place if phase is None else place + 0.055 * np.sin(2 * np.pi * phase) * turn
    colour = mixed((226, 190, 60), (196, 58, 66), float(look[0] > 0.5))
    canvas.shadow(at + rounded(0.2, 0.075, 0.02) * turn)
    canvas.polygon(at + rounded(0.2, 0.075, 0.02) * turn, colour)
    canvas.polygon(at + rectangle(0.07, 0.074) * turn, (240, 240, 236))
    canvas.polygon(at + (0.125 + rectangle(0.05, 0.035)) * turn, (60, 62, 66))


def draw_paper(canvas: Canvas, place: complex, level: float, look: np.ndarray, phase: float | None) -> None:
    """A sheet with a recipe: a picture and lines of text."""
    turn = np.exp(0.2j * (look[0] - 0.5))
    canvas.shadow(place + rectangle(0.22, 0.28) * turn)
    canvas.polygon(place + rectangle(0.22, 0.28) * turn, (246, 246, 240))
    canvas.polygon(place + (-0.055 - 0.085j + rectangle(0.07, 0.06)) * turn, mixed((196, 150, 90), _WATER, look[1]))
    for row in range(6):
        end = -0.09 + 0.18 * (0.6 + 0.4 * look[8 + row])
        canvas.line((np.array([-0.09, end]) + 1j * (-0.03 + 0.028 * row)) * turn + place, 0.006, (110, 110, 118))


Draw = Callable[[Canvas, complex, float, np.ndarray, float | None], None]
THINGS: dict[str, Draw] = {
    "stain": draw_stain,
    "bowl": draw_bowl,
    "carrot": draw_carrot,
    "cucumber": draw_cucumber,
    "car": draw_car,
    "wood": draw_wood,
    "bread": draw_bread,
    "tray": draw_tray,
    "basin": draw_basin,
    "dough": draw_dough,
    "bottle": draw_bottle,
    "paper": draw_paper,
}
"""How each thing is drawn, in the order in which they are."""
