"""Hands, arms and what they hold, seen from above."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from protas_gtcc.simulate.drawing import Canvas, Colour, ellipse, rectangle, rounded, shade
from protas_gtcc.simulate.things import draw_cookie, draw_wheel

Grip = Literal["open", "closed", "pointing"]
_FINGERS = np.array([-0.3 - 0.02j, -0.11 + 0.07j, 0.09 + 0.07j, 0.27 - 0.03j])
"""Where each finger begins: across the hand, and along it, in lengths of the hand."""


@dataclass(frozen=True)
class Hand:
    """Where a hand is and how it holds; `at` is where its fingers meet what they touch."""

    at: complex
    grip: Grip
    elbow: complex
    side: int
    """1 for a right hand, -1 for a left one."""


@dataclass(frozen=True)
class Arm:
    """How someone's arms look."""

    skin: Colour
    sleeve: Colour
    bracelet: Colour | None
    hand_size: float


def draw_arm(canvas: Canvas, hand: Hand, arm: Arm) -> None:
    """A sleeve, a wrist, a palm and fingers."""
    size = arm.hand_size
    ahead = (hand.at - hand.elbow) / max(abs(hand.at - hand.elbow), 1e-6)
    right = ahead * 1j
    palm = hand.at - ahead * size * 0.45
    wrist = palm - ahead * size * 0.55
    cuff = wrist - ahead * size * 0.45
    canvas.line(np.array([hand.elbow, cuff, palm]) + 0.012 + 0.018j, size * 0.62, (20, 15, 10, 60))
    canvas.line([cuff, palm], size * 0.46, shade(arm.skin, 0.94))
    if arm.bracelet is not None:
        canvas.line([wrist - right * size * 0.22, wrist + right * size * 0.22], size * 0.12, arm.bracelet)
    canvas.line([hand.elbow, cuff], size * 0.72, arm.sleeve)
    canvas.line([cuff - right * size * 0.3, cuff + right * size * 0.3], size * 0.13, shade(arm.sleeve, 0.75))
    canvas.disc(palm, size * 0.38, arm.skin)
    _draw_fingers(canvas, palm, ahead, hand.side * right, hand.grip, arm)


def _draw_fingers(canvas: Canvas, palm: complex, ahead: complex, outwards: complex, grip: Grip, arm: Arm) -> None:
    size, edge = arm.hand_size, shade(arm.skin, 0.8)
    lengths = {"open": (0.5, 0.58, 0.56, 0.45), "closed": (0.26, 0.3, 0.3, 0.25), "pointing": (0.2, 0.22, 0.62, 0.2)}
    for place, length in zip(_FINGERS, lengths[grip], strict=True):
        spread = 1.0 if grip != "open" else 1.35
        start = palm + size * (place.real * outwards + (0.2 + place.imag) * ahead)
        end = start + size * length * ahead + size * place.real * (spread - 1) * outwards
        canvas.line([start, end], size * 0.2, edge)
        canvas.line([start, end], size * 0.15, arm.skin)
    # The thumb points to the other hand.
    thumb = palm - size * 0.3 * outwards + size * np.array([0, -0.2 * outwards + 0.28 * ahead])
    canvas.line(thumb, size * 0.2, edge)
    canvas.line(thumb, size * 0.15, arm.skin)


def draw_head(canvas: Canvas, at: complex, hair: Colour) -> None:
    """A head that leans over the table."""
    canvas.polygon(at + ellipse(0.3, 0.34) + 0.02 + 0.03j, (20, 15, 10, 70))
    canvas.polygon(at + ellipse(0.3, 0.34), hair)
    canvas.polygon(at - 0.03 - 0.05j + ellipse(0.12, 0.1, 0.4), shade(hair, 1.25))


def _draw_jug(canvas: Canvas, tip: complex, turn: float) -> None:
    """A jug whose spout is at the tip; it pours."""
    body = tip + 0.105 - 0.01j
    canvas.line([body + 0.05, body + 0.1], 0.03, (110, 140, 160))
    canvas.shadow(body + ellipse(0.15, 0.11))
    canvas.polygon(body + ellipse(0.15, 0.11), (150, 186, 206))
    canvas.polygon(body + 0.006 + ellipse(0.11, 0.075), (206, 110, 54))
    canvas.polygon([tip, body - 0.06 - 0.03j, body - 0.06 + 0.03j], (150, 186, 206))


def _draw_stream(canvas: Canvas, tip: complex, turn: float) -> None:
    canvas.line([tip - 0.03 + 0.005j, tip + 0.03], 0.014, (222, 120, 56))
    _draw_jug(canvas, tip, turn)


def _draw_knife(canvas: Canvas, tip: complex, turn: float) -> None:
    along = np.exp(1j * turn)
    canvas.line([tip + 0.12 * along, tip + 0.19 * along], 0.026, (48, 40, 38))
    blade = tip + np.array([0, 0.12 * along, 0.12 * along - 0.03j * along, 0.02 * along - 0.022j * along])
    canvas.polygon(blade, (214, 218, 224))


def _draw_cloth(canvas: Canvas, tip: complex, turn: float) -> None:
    canvas.shadow(tip + rounded(0.13, 0.15, 0.03))
    canvas.polygon(tip + rounded(0.13, 0.15, 0.03), (244, 206, 72))
    for x in (-0.035, 0.0, 0.035):
        canvas.line([tip + x - 0.06j, tip + x + 0.06j], 0.006, (60, 140, 170))


def _draw_brush(canvas: Canvas, tip: complex, turn: float) -> None:
    along = np.exp(1j * turn)
    canvas.line([tip + 0.05 * along, tip + 0.17 * along], 0.018, (168, 70, 40))
    canvas.polygon(tip + (0.025 + rectangle(0.06, 0.05)) * along, (84, 88, 96))
    canvas.polygon(tip + rectangle(0.035, 0.05) * along, (40, 44, 60))


def _draw_spoon(canvas: Canvas, tip: complex, turn: float) -> None:
    along = np.exp(1j * turn)
    canvas.line([tip, tip + 0.18 * along], 0.015, (140, 98, 58))
    canvas.polygon(tip + ellipse(0.055, 0.038, turn), (166, 120, 74))


def _draw_screwdriver(canvas: Canvas, tip: complex, turn: float) -> None:
    """From above: a round handle that turns about the screw."""
    canvas.disc(tip + 0.008 + 0.012j, 0.034, (20, 15, 10, 70))
    canvas.disc(tip, 0.034, (232, 120, 30))
    for part in range(3):
        end = tip + 0.034 * np.exp(1j * (turn + part * np.pi * 2 / 3))
        canvas.line([tip, end], 0.012, (70, 40, 20))


def _draw_wheel_in_hand(canvas: Canvas, tip: complex, turn: float) -> None:
    draw_wheel(canvas, tip)


def _draw_cookie_in_hand(canvas: Canvas, tip: complex, turn: float) -> None:
    draw_cookie(canvas, tip)


TOOLS: dict[str, Callable[[Canvas, complex, float], None]] = {
    "jug": _draw_jug,
    "pouring jug": _draw_stream,
    "knife": _draw_knife,
    "cloth": _draw_cloth,
    "brush": _draw_brush,
    "spoon": _draw_spoon,
    "screwdriver": _draw_screwdriver,
    "wheel": _draw_wheel_in_hand,
    "cookie": _draw_cookie_in_hand,
}
"""What a hand can hold: drawn at the tip, the place that it touches, turned by an angle in radians."""
