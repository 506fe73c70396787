"""From the plan of a video to its pictures, one after the other: memory does not grow with a video's length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from protas_gtcc.simulate.camera import Camera
from protas_gtcc.simulate.drawing import Canvas
from protas_gtcc.simulate.hands import TOOLS, Arm, draw_arm
from protas_gtcc.simulate.rendering_config import RenderingConfig
from protas_gtcc.simulate.scene import Scene, SceneState
from protas_gtcc.simulate.things import THINGS
from protas_gtcc.simulate.video_plan import VideoPlan
from protas_gtcc.simulate.visitors import plan_visits


class Renderer:
    """The pictures of one video, in any order."""

    def __init__(self, config: RenderingConfig, plan: VideoPlan, scene: Scene | None = None) -> None:
        self.plan = plan
        self.scene = scene or Scene(config, plan)
        self._camera = Camera(config, plan)
        self._visits = plan_visits(config, plan)
        person = plan.person
        self._arm = Arm(person.skin, person.sleeve, person.bracelet, person.hand_size)

    def picture(self, frame: int) -> np.ndarray:
        """The picture at a frame, uint8 `[H, W, 3]`: red, green, blue."""
        shot = self._camera.shot(frame)
        canvas = Canvas(self._camera.table(shot), shot.view)
        self._draw(canvas, self.scene.state(frame))
        for visit in self._visits:
            if visit.start <= frame < visit.end:
                visit.draw(canvas, frame, float(self.plan.rate))
        return self._camera.exposed(canvas.halved(), shot)

    def _draw(self, canvas: Canvas, state: SceneState) -> None:
        for name, draw in THINGS.items():
            if name in state.things:
                thing = state.things[name]
                draw(canvas, thing.place, thing.level, thing.look, state.phase if name == state.moving else None)
        for tool in state.lying:
            TOOLS[tool.tool](canvas, tool.tip, tool.turn)
        draw_arm(canvas, state.helping, self._arm)
        if state.held:
            TOOLS[state.held.tool](canvas, state.held.tip, state.held.turn)
        draw_arm(canvas, state.working, self._arm)


def render_frames(config: RenderingConfig, plan: VideoPlan) -> Iterator[np.ndarray]:
    """Yield the pictures of a video, uint8 `[H, W, 3]`."""
    renderer = Renderer(config, plan)
    for frame in range(plan.num_frames):
        yield renderer.picture(frame)
