"""Other people who come into the picture: a hand that reaches over the table, or a head that leans over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protas_gtcc.simulate.drawing import Canvas, Colour
from protas_gtcc.simulate.hands import Arm, Hand, draw_arm, draw_head
from protas_gtcc.simulate.people import make_person
from protas_gtcc.simulate.rendering_config import RenderingConfig
from protas_gtcc.simulate.video_plan import VideoPlan

_HEAD_SHARE = 0.2
_HAIRS: tuple[Colour, ...] = ((40, 32, 28), (92, 62, 40), (150, 116, 74), (140, 136, 134))


@dataclass(frozen=True)
class Visit:
    """One visit, from one frame to another, in table units."""

    start: int
    end: int
    is_head: bool
    outside: complex
    target: complex
    arm: Arm
    hair: Colour

    def draw(self, canvas: Canvas, frame: int, fps: float) -> None:
        """Draw what is seen of it."""
        seconds_in = min(frame - self.start, self.end - frame) / fps
        share = min(1.0, seconds_in / 0.6) ** 0.5
        sway = 0.02 * np.exp(1j * 5 * (frame - self.start) / fps)
        at = complex(self.outside + share * (self.target - self.outside) + sway)
        if self.is_head:
            draw_head(canvas, at, self.hair)
        else:
            elbow = self.outside + (self.outside - self.target) * 0.3
            draw_arm(canvas, Hand(at, "open", complex(elbow), 1), self.arm)


def plan_visits(config: RenderingConfig, plan: VideoPlan) -> list[Visit]:
    """Visits at random times, whatever goes on."""
    random = config.generator("visitors", plan.number)
    fps = float(plan.rate)
    expected = plan.num_frames / fps / 60 * config.visitors_per_minute
    return [_visit(config, plan, random, fps) for _ in range(random.poisson(expected))]


def _visit(config: RenderingConfig, plan: VideoPlan, random: np.random.Generator, fps: float) -> Visit:
    start = int(random.integers(-round(2 * fps), plan.num_frames))
    is_head = bool(random.random() < _HEAD_SHARE)
    angle = np.pi * random.uniform(0.15, 0.85) if is_head else np.pi * random.uniform(-1.1, 0.1)
    outside = 1.0 * np.exp(1j * angle)
    target = outside * 0.52 if is_head else 0.2 * outside + complex(*random.normal(0, 0.12, size=2))
    other = make_person(config, int(random.integers(10_000, 20_000)))
    return Visit(
        start=start,
        end=start + round(fps * random.uniform(1.2, 4)),
        is_head=is_head,
        outside=complex(outside),
        target=complex(target),
        arm=Arm(other.skin, other.sleeve, other.bracelet, other.hand_size),
        hair=_HAIRS[int(random.integers(len(_HAIRS)))],
    )
