"""Who does what when in a rendered video: its task, its person, and its segments in frames of its own rate."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from protas_gtcc.simulate.people import Person, make_person
from protas_gtcc.simulate.procedures import BACKGROUND, simulate_segments
from protas_gtcc.simulate.recipes import RECIPES, profile_of
from protas_gtcc.simulate.rendering_config import RenderingConfig

_SHORTEST_GAP_SECONDS = 1.2
"""The hands need it from one action to the next."""
_SHORTEST_ACTION_SECONDS = 1.0


class RenderedSegment(NamedTuple):
    """A segment, `[start, end)` in frames of the video."""

    start: int
    end: int
    name: str


@dataclass(frozen=True)
class VideoPlan:
    """What is rendered in one video."""

    name: str
    number: int
    task: str
    person: Person
    segments: tuple[RenderedSegment, ...]
    """From the first frame to the last, background included: a segment of it is before and after every action."""

    @property
    def num_frames(self) -> int:
        """Frames of the video."""
        return self.segments[-1].end

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return self.person.rate

    def class_of_frame(self) -> list[str]:
        """The class of every frame, `[T]`."""
        return [segment.name for segment in self.segments for _ in range(segment.end - segment.start)]

    def labels_at(self, label_rate: Fraction) -> list[str]:
        """The class of the picture shown at time i / label_rate, for every i before the video's end."""
        classes = self.class_of_frame()
        num_labels = -(-self.num_frames * label_rate // self.rate)
        return [classes[int(index * self.rate / label_rate)] for index in range(int(num_labels))]


def plan_video(config: RenderingConfig, number: int) -> VideoPlan:
    """Plan video `number`; tasks take turns, and people do so that each comes to every task."""
    task = list(RECIPES)[number % len(RECIPES)]
    person = make_person(config, (number + number // len(RECIPES)) % config.procedures.people)
    names, seconds = simulate_segments(
        config.procedures, profile_of(config, task), list(RECIPES[task]), number, person.number
    )
    shortest = [_SHORTEST_GAP_SECONDS if name == BACKGROUND else _SHORTEST_ACTION_SECONDS for name in names]
    ends = np.round(np.cumsum(np.maximum(seconds, shortest)) * float(person.rate)).astype(int).tolist()
    segments = map(RenderedSegment, [0, *ends[:-1]], ends, names)
    return VideoPlan(f"sim-{task}-p{person.number:02d}-{number:03d}", number, task, person, tuple(segments))
