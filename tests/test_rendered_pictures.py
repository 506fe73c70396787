"""Rendered procedures: the same seed gives the same pixels, and progress shows in some classes and in no others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from protas_gtcc.errors import InputError
from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.drawing import OVERSAMPLING, Canvas, View, rectangle
from protas_gtcc.simulate.manipulations import MANIPULATIONS
from protas_gtcc.simulate.recipes import INVISIBLE, RECIPES, VISIBLE, class_names
from protas_gtcc.simulate.rendering import Renderer, render_frames
from protas_gtcc.simulate.rendering_config import RenderingConfig
from protas_gtcc.simulate.scene import Courses, Scene, draw_courses
from protas_gtcc.simulate.table import PLACES
from protas_gtcc.simulate.things import LIQUID_RADIUS, THINGS
from protas_gtcc.simulate.video_plan import RenderedSegment, VideoPlan, plan_video

SMALL = RenderingConfig(sizes=("160x120",), rates=(10.0,), video_seconds=20.0)
STILL = replace(SMALL, sizes=("320x240",), camera_drift=0.0, light_change=0.0, blur=0.0, visitors_per_minute=0.0)


def plans_with(config: RenderingConfig, name: str, count: int = 1) -> Iterator[tuple[VideoPlan, RenderedSegment]]:
    """The first videos that have an action of this name, with the first such segment."""
    numbers = iter(range(200))
    for _ in range(count):
        yield next(
            (plan, segment)
            for plan in (plan_video(config, number) for number in numbers)
            for segment in plan.segments
            if segment.name == name
        )


def test_the_same_seed_gives_the_same_pixels_and_another_seed_does_not():
    plan = plan_video(SMALL, 1)
    first, again = (list(islice(render_frames(SMALL, plan), 30)) for _ in range(2))
    assert first[0].dtype == np.uint8
    assert first[0].shape == (120, 160, 3)
    np.testing.assert_array_equal(first, again)
    other = replace(SMALL, procedures=SimulationConfig(seed=1))
    assert plan_video(other, 1).segments != plan.segments
    assert not np.array_equal(first[0], next(render_frames(other, plan_video(other, 1))))


def test_a_picture_does_not_depend_on_the_pictures_before_it():
    plan = plan_video(SMALL, 2)
    used = Renderer(SMALL, plan)
    for frame in (0, 50, 100):
        np.testing.assert_array_equal(used.picture(frame), Renderer(SMALL, plan).picture(frame))


def test_a_video_has_a_picture_for_every_frame_of_its_plan():
    plan = plan_video(SMALL, 0)
    short = replace(plan, segments=(RenderedSegment(0, 12, "background"),))
    assert sum(1 for _ in render_frames(SMALL, short)) == short.num_frames == 12


def test_every_class_is_visible_or_invisible_and_every_task_has_its_things():
    assert {name for name, one in MANIPULATIONS.items() if one.shows_progress} == set(VISIBLE)
    assert set(MANIPULATIONS) == {*VISIBLE, *INVISIBLE} == set(class_names()[1:])
    for task, steps in RECIPES.items():
        assert {MANIPULATIONS[step].thing for step in steps} == set(PLACES[task]) <= set(THINGS)


def test_steps_are_skipped_repeated_and_swapped_and_people_differ():
    plans = [plan_video(SMALL, number) for number in range(80)]
    actions = [[segment.name for segment in plan.segments[1::2]] for plan in plans]
    usual = [list(RECIPES[plan.task]) for plan in plans]
    order = [[steps.index(name) for name in done] for steps, done in zip(usual, actions, strict=True)]
    assert any(len(set(done)) < len(steps) for done, steps in zip(actions, usual, strict=True))
    assert any(len(set(done)) < len(done) for done in actions)
    assert any((np.diff(done) < 0).any() for done in order)
    assert {plan.task for plan in plans if plan.person.number % 4 == 3} == set(RECIPES)
    for trait in ("skin", "sleeve", "speed", "reach", "table", "left_handed"):
        assert len({getattr(plan.person, trait) for plan in plans}) > 1
    lengths = [segment.end - segment.start for plan in plans for segment in plan.segments if segment.name == VISIBLE[0]]
    assert np.std(np.log(lengths)) > 0.3, "lengths vary, so that counting does not give progress"


def test_several_rates_and_sizes_occur_and_a_person_keeps_theirs():
    plans = [plan_video(RenderingConfig(), number) for number in range(40)]
    tested = [plan for plan in plans if plan.person.number % 4 == 3]
    for chosen in (plans, tested):
        assert len({plan.rate for plan in chosen}) == len({plan.person.size for plan in chosen}) == 3
    assert {str(plan.rate) for plan in plans} == {"15", "25", "30000/1001"}
    cameras: dict[int, set[object]] = {}
    for plan in plans:
        cameras.setdefault(plan.person.number, set()).add((plan.rate, plan.person.size))
    assert all(map(len, cameras.values()))
    assert max(map(len, cameras.values())) == 1


def filled_share(picture: np.ndarray, plan: VideoPlan, place: complex) -> float:
    """Orange and red pixels around a place, as a share of a full bowl's area."""
    pixels = min(picture.shape[1] / 1.26, picture.shape[0] / 0.98) * plan.person.zoom
    red, green, blue = np.moveaxis(picture.astype(int), 2, 0)
    seen = (red > 1.6 * blue) & (red > 1.25 * green) & (red > 110)
    x = -place.real if plan.person.left_handed else place.real
    rows, columns = np.indices(seen.shape)
    centre = (x + 1j * place.imag) * np.exp(1j * plan.person.tilt) * pixels
    distance = np.hypot(columns - picture.shape[1] / 2 - centre.real, rows - picture.shape[0] / 2 - centre.imag)
    return float((seen & (distance < 1.25 * LIQUID_RADIUS * pixels)).sum() / (np.pi * (LIQUID_RADIUS * pixels) ** 2))


def without_hands(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> Renderer:
    monkeypatch.setattr("protas_gtcc.simulate.rendering.draw_arm", lambda *_: None)
    monkeypatch.setattr("protas_gtcc.simulate.rendering.TOOLS", dict.fromkeys(_tool_names(), lambda *_: None))
    return renderer


def _tool_names() -> list[str]:
    from protas_gtcc.simulate.hands import TOOLS

    return list(TOOLS)


def test_the_filling_of_a_bowl_grows_with_progress_also_when_the_camera_drifts(monkeypatch):
    moving = replace(STILL, camera_drift=1.0)
    for plan, (start, end, _) in plans_with(STILL, "fill-bowl", count=3):
        still, drifting = (without_hands(Renderer(config, plan), monkeypatch) for config in (STILL, moving))
        frames = np.unique(np.linspace(start, end - 1, 12).astype(int)).tolist()
        place = still.scene.table.places["bowl"]
        areas = np.array([filled_share(still.picture(frame), plan, place) for frame in frames])
        drifted = np.array([filled_share(drifting.picture(frame), plan, place) for frame in frames])
        assert (np.diff(areas) > -0.01).all()
        assert areas[0] < 0.2
        assert areas[-1] > 0.7
        levels = [still.scene.state(frame).things["bowl"].level for frame in frames]
        np.testing.assert_allclose(areas, levels, atol=0.06)
        np.testing.assert_allclose(drifted, areas, atol=0.08)


@pytest.mark.parametrize("name", VISIBLE)
def test_the_level_of_a_thing_follows_progress_where_it_shows(name):
    thing = MANIPULATIONS[name].thing
    for plan, (start, end, _) in plans_with(SMALL, name, count=3):
        scene = Scene(SMALL, plan)
        levels = np.array([scene.state(frame).things[thing].level for frame in range(start, end)])
        assert (np.diff(levels) >= 0).all()
        assert levels[0] < 0.35
        assert levels[-1] >= 0.8
        assert scene.state(end).things[thing].level == pytest.approx(levels[-1]), "it stays as it was left"


@pytest.mark.parametrize("name", VISIBLE)
def test_pictures_of_a_thing_that_is_done_differ_from_those_of_an_untouched_one(name):
    picture = [thing_drawn(MANIPULATIONS[name].thing, level) for level in np.linspace(0, 1, 9)]
    from_start = [np.abs(one - picture[0]).mean() for one in picture]
    assert all(one > 0 for one in from_start[2:])
    assert from_start[-1] == pytest.approx(max(from_start), rel=0.3)


def thing_drawn(thing: str, level: float) -> np.ndarray:
    from PIL import Image

    canvas = Canvas(Image.new("RGB", (240, 240), (150, 120, 90)), View(300 + 0j, 120 + 120j))
    THINGS[thing](canvas, 0j, level, np.linspace(0, 1, 32), None)
    return np.asarray(canvas.halved()).astype(float)


@pytest.mark.parametrize("name", INVISIBLE)
def test_nothing_in_the_scene_reads_progress_where_it_does_not_show(name):
    for plan, (start, end, _) in plans_with(SMALL, name, count=2):
        courses = draw_courses(SMALL, plan)
        assert not courses.done[start:end].any()
        changed = courses.done.copy()
        changed[start:end] = np.linspace(1, 0, end - start)
        scenes = [Scene(SMALL, plan, replace(courses, done=done)) for done in (courses.done, changed)]
        for frame in range(start, end):
            one, other = (scene.state(frame) for scene in scenes)
            assert (one.working, one.helping, one.held, one.lying) == (
                other.working,
                other.helping,
                other.held,
                other.lying,
            )
            for thing, state in one.things.items():
                assert (state.place, state.level) == (other.things[thing].place, other.things[thing].level)


@pytest.mark.parametrize("name", INVISIBLE)
def test_in_another_order_of_time_the_same_pictures_come_where_progress_does_not_show(name):
    ((plan, (start, end, _)),) = plans_with(STILL, name)
    courses = draw_courses(STILL, plan)
    backwards = Courses(courses.done, courses.phase.copy(), courses.tremble.copy())
    backwards.phase[start:end] = courses.phase[start:end][::-1]
    backwards.tremble[start:end] = courses.tremble[start:end][::-1]
    one, other = (Renderer(STILL, plan, Scene(STILL, plan, these)) for these in (courses, backwards))
    for frame in range(start, end, 7):
        difference = np.abs(one.picture(frame).astype(int) - other.picture(start + end - 1 - frame))
        assert difference.max() == 0


def test_where_progress_does_not_show_the_phase_is_independent_of_it():
    config = replace(SMALL, rates=(5.0,))
    early, late = [], []
    for number in range(150):
        plan = plan_video(config, number)
        phase = draw_courses(config, plan).phase
        for start, end, name in plan.segments:
            if name in INVISIBLE:
                early.append(np.exp(2j * np.pi * phase[start]))
                late.append(np.exp(2j * np.pi * phase[end - 1]))
    assert len(early) > 150
    for ends in (early, late):
        assert abs(np.mean(ends)) < 3 / np.sqrt(len(ends)), "every phase is equally likely at both ends"


def test_hands_do_not_jump_from_one_action_to_the_next():
    for number in range(4):
        scene = Scene(SMALL, plan_video(SMALL, number))
        places = np.array([scene.state(frame).working.at for frame in range(scene.plan.num_frames)])
        assert np.abs(np.diff(places)).max() < 0.6, "table units in a tenth of a second"


def test_edges_are_smooth_and_a_mirrored_view_exchanges_left_and_right():
    from PIL import Image

    def drawn(mirrored: bool) -> np.ndarray:
        canvas = Canvas(Image.new("RGB", (64 * OVERSAMPLING, 64 * OVERSAMPLING)), View(100 + 0j, 64 + 64j, mirrored))
        canvas.disc(-0.25 - 0.1j, 0.2, (255, 255, 255))
        canvas.polygon(0.3 + rectangle(0.2, 0.4, 0.3), (255, 0, 0))
        return np.asarray(canvas.halved()).astype(int)

    plain, mirrored = drawn(False), drawn(True)
    grey = plain[:, :, 1]
    assert ((grey > 0) & (grey < 255)).any()
    assert (grey > 127).sum() == pytest.approx(np.pi * (0.2 * 50) ** 2, rel=0.05)
    assert np.abs(plain[:, ::-1] - mirrored).mean() < 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sizes": ("321x240",)}, "--sizes has 321x240; sides must be even numbers from 32 to 4096"),
        ({"sizes": ("large",)}, "--sizes has 'large'; write it as 320x240"),
        ({"sizes": ()}, "--sizes and --rates need one value at least"),
        ({"rates": (0.0,)}, "--rates has 0.0; it must be from 1 to 240"),
        ({"label_rate": 0.0}, "--label-rate is 0.0; it must be from 0.1 to 1000"),
        ({"video_seconds": float("nan")}, "--video-seconds is nan"),
    ],
)
def test_settings_that_cannot_be_rendered_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        RenderingConfig(**settings)
