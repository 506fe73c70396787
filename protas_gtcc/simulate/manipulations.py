"""What each action does: where the hands and the tool are, beside the thing that is worked on.

Of an action whose progress shows, the pose is a function of the level of the thing and of the phase, the turn of its
periodic motion. Of the others it is a function of the phase alone: they are not given the level, so nothing can show.
Places are relative to the middle of the thing, in table units, for a right-handed person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from protas_gtcc.simulate.hands import Grip
from protas_gtcc.simulate.things import (
    BOARD_SIZE,
    BREAD_SIZE,
    COOKIE_PILE,
    COOKIE_SLOTS,
    SCREW,
    STAIN_SIZE,
    WHEEL_ROW,
    WHEEL_SEATS,
    cut_point,
)


@dataclass(frozen=True)
class Pose:
    """Both hands at work."""

    tip: complex
    """Where the tool, or the working hand without a tool, touches."""
    helping: complex | None
    """Where the other hand holds; None where it rests."""
    grip: Grip = "closed"
    helping_grip: Grip = "open"
    held: str | None = None
    """What the working hand holds, a name of `TOOLS`."""
    turn: float = 0.0
    """The tool's angle, in radians."""
    hand_offset: complex = 0j
    """From the tip to the hand."""

    @property
    def grips(self) -> tuple[Grip, Grip]:
        """Of the working and of the helping hand."""
        return self.grip, self.helping_grip


@dataclass(frozen=True)
class Manipulation:
    """One action: its thing, its tool, its motion."""

    thing: str
    tool: str | None
    """The tool, which lies beside the thing when nobody uses it."""
    tool_rest: complex
    turns_per_second: float
    visible: Callable[[float, float, float], Pose] | None = None
    """(level, phase, reach) -> pose, where progress shows."""
    invisible: Callable[[float, float], Pose] | None = None
    """(phase, reach) -> pose, where it does not."""
    needs: Literal["untouched", "filled", "anything"] = "anything"
    """How the thing must be at the start."""

    @property
    def shows_progress(self) -> bool:
        """Whether the level of the thing follows progress."""
        return self.visible is not None

    def pose(self, level: float, phase: float, reach: float) -> Pose:
        """Both hands at a level in [0, 1] and a phase in turns."""
        if self.visible is not None:
            return self.visible(level, phase, reach)
        assert self.invisible is not None
        return self.invisible(phase, reach)


def _wave(phase: float) -> float:
    return float(np.sin(2 * np.pi * phase))


def _circle(phase: float) -> complex:
    return complex(np.exp(2j * np.pi * phase))


def _fill(level: float, phase: float, reach: float) -> Pose:
    tip = 0.035 - 0.015j + 0.008 * reach * _wave(phase) * 1j
    return Pose(tip, -0.14 + 0.05j, held="pouring jug", hand_offset=0.2 + 0.01j)


def _slice(level: float, phase: float, reach: float) -> Pose:
    tip = cut_point(level) - 0.075j + 0.035j * reach * _wave(phase)
    holding = min(cut_point(level) - 0.075, 0.0) - 0.005j
    return Pose(tip, holding, helping_grip="closed", held="knife", turn=np.pi / 2 - 0.15, hand_offset=0.05 + 0.16j)


def _wipe(level: float, phase: float, reach: float) -> Pose:
    x = (level - 0.5) * STAIN_SIZE.real - 0.03
    tip = x + 0.5j * STAIN_SIZE.imag * reach * _wave(phase)
    return Pose(tip, None, grip="open", held="cloth", hand_offset=0.01 - 0.02j)


def _attach(level: float, phase: float, reach: float) -> Pose:
    number = min(int(level * 4 + 1e-9), 3)
    part = level * 4 - number
    if part <= 0.3:  # reach for the next wheel
        start = WHEEL_SEATS[max(number - 1, 0)] if number else WHEEL_ROW[0] + 0.03j
        tip = start + _smooth(part / 0.3) * (WHEEL_ROW[number] - start)
    else:
        tip = WHEEL_ROW[number] + _smooth(min((part - 0.3) / 0.4, 1.0)) * (WHEEL_SEATS[number] - WHEEL_ROW[number])
    tip = complex(tip) + 0.004 * reach * _circle(phase)
    held = "wheel" if part > 0.3 else None
    return Pose(tip, -0.14 + 0.02j, helping_grip="closed", held=held, hand_offset=0.01 + 0.035j)


def _paint(level: float, phase: float, reach: float) -> Pose:
    tip = (level - 0.5) * BOARD_SIZE.real + 0.42j * BOARD_SIZE.imag * min(reach, 1.05) * _wave(phase)
    return Pose(tip, -0.18 + 0.07j, held="brush", turn=1.2, hand_offset=0.05 + 0.13j)


def _butter(level: float, phase: float, reach: float) -> Pose:
    tip = 0.9j * (level - 0.5) * BREAD_SIZE.imag + 0.36 * BREAD_SIZE.real * min(reach, 1.1) * _wave(phase)
    return Pose(tip, -0.17 + 0.06j, held="knife", turn=0.5, hand_offset=0.15 + 0.1j)


def _place(level: float, phase: float, reach: float) -> Pose:
    number = min(int(level * len(COOKIE_SLOTS) + 1e-9), len(COOKIE_SLOTS) - 1)
    part = level * len(COOKIE_SLOTS) - number
    slot, before = COOKIE_SLOTS[number], COOKIE_SLOTS[max(number - 1, 0)]
    if part < 0.4:
        tip = before + _smooth(part / 0.4) * (COOKIE_PILE - before)
    else:
        tip = COOKIE_PILE + _smooth((part - 0.4) / 0.6) * (slot - COOKIE_PILE)
    tip = complex(tip) + 0.004 * reach * _circle(phase)
    return Pose(tip, None, held="cookie" if part >= 0.4 else None, hand_offset=0.012 + 0.03j)


def _wash(phase: float, reach: float) -> Pose:
    turn = 0.028 * reach * _circle(phase)
    return Pose(0.035 + turn, -0.035 - turn, grip="open")


def _stir(phase: float, reach: float) -> Pose:
    tip = 0.055 * reach * _circle(phase)
    return Pose(tip, -0.14 + 0.05j, held="spoon", turn=0.9, hand_offset=0.1 + 0.13j)


def _knead(phase: float, reach: float) -> Pose:
    push = -0.03j * reach * (1 - np.cos(2 * np.pi * phase)) / 2
    return Pose(0.055 + push, -0.055 + push, grip="open")


def _shake(phase: float, reach: float) -> Pose:
    along = 0.055 * _wave(phase) * np.exp(0.5j)
    return Pose(complex(0.05 + 0.045j + along), complex(-0.07 - 0.005j + along), helping_grip="closed")


def _screw(phase: float, reach: float) -> Pose:
    swing = 0.03 * reach * _circle(phase)
    turn = 2 * np.pi * phase
    return Pose(SCREW, -0.15 + 0.02j, held="screwdriver", turn=turn, hand_offset=0.05 + 0.05j + swing)


def _read(phase: float, reach: float) -> Pose:
    # The finger wanders over the sheet in loops that never close, and does not follow the lines.
    tip = 0.05 * _wave(phase) + 0.06j * np.sin(2 * np.pi * 0.618 * phase) + 0.01j
    return Pose(complex(tip), -0.12 + 0.09j, grip="pointing")


def _smooth(share: float) -> float:
    return share * share * (3 - 2 * share)


MANIPULATIONS: dict[str, Manipulation] = {
    "fill-bowl": Manipulation("bowl", "jug", -0.1 + 0.22j, 0.7, visible=_fill, needs="untouched"),
    "slice-carrot": Manipulation("carrot", "knife", -0.12 + 0.14j, 1.8, visible=_slice, needs="untouched"),
    "slice-cucumber": Manipulation("cucumber", "knife", -0.12 + 0.14j, 1.8, visible=_slice, needs="untouched"),
    "wipe-table": Manipulation("stain", "cloth", 0.235 + 0.0j, 1.3, visible=_wipe, needs="untouched"),
    "attach-wheels": Manipulation("car", None, 0j, 0.8, visible=_attach, needs="untouched"),
    "paint-board": Manipulation("wood", "brush", -0.1 + 0.17j, 1.2, visible=_paint, needs="untouched"),
    "butter-bread": Manipulation("bread", "knife", 0.08 + 0.2j, 1.1, visible=_butter, needs="untouched"),
    "place-cookies": Manipulation("tray", None, 0j, 0.8, visible=_place, needs="untouched"),
    "wash-hands": Manipulation("basin", None, 0j, 1.2, invisible=_wash),
    "stir-bowl": Manipulation("bowl", "spoon", -0.22 - 0.08j, 0.9, invisible=_stir, needs="filled"),
    "knead-dough": Manipulation("dough", None, 0j, 0.8, invisible=_knead),
    "shake-bottle": Manipulation("bottle", None, 0j, 2.2, invisible=_shake),
    "turn-screw": Manipulation("car", "screwdriver", 0.22 - 0.03j, 1.1, invisible=_screw),
    "read-recipe": Manipulation("paper", None, 0j, 0.17, invisible=_read),
}
"""By class name."""
