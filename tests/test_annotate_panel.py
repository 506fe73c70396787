"""The panel of an annotated picture shows what was reported at its time, in pixels that can be counted."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from PIL import ImageColor

from protas_gtcc.errors import InputError
from protas_gtcc.live.overlay.blocks import TRACK, long_text
from protas_gtcc.live.overlay.layout import LEAST_WIDTH, fitted
from protas_gtcc.live.overlay.overlay import Overlay
from protas_gtcc.live.overlay.rows import Row
from protas_gtcc.live.overlay.strip import clock
from protas_gtcc.predictions import PredictionInfo
from protas_gtcc.report.canvas import Canvas, text_width
from protas_gtcc.report.colours import class_looks
from tests.annotated import INFO, NAMES, predicted, row

LABELS = np.repeat([0, 1, 2, 3], 25)
COLOURS = [ImageColor.getrgb(look.fill) for look in class_looks(INFO)]
BLACK = (0, 0, 0)


def where(pixels: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
    """Which pixels have a colour, bool `[H, W]`."""
    return (pixels == np.array(colour)).all(axis=-1)


def bar(overlay: Overlay, seconds: Fraction, number: int = 0) -> np.ndarray:
    """The pixels of a bar."""
    left, top, right, bottom = overlay.layout.bar_box(number)
    return overlay.draw(seconds)[top:bottom, left:right]


def cursor(overlay: Overlay, seconds: Fraction) -> float:
    """Where the cursor is in the strip, from 0 to 1."""
    layout = overlay.layout
    line = overlay.draw(seconds)[layout.strip_top, layout.left : layout.right + 4]
    return float(np.flatnonzero(where(line, BLACK)).mean()) / (layout.right - layout.left)


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1280, 720), (720, 1280), (1920, 1080)])
@pytest.mark.parametrize("frame", [30, 55, 99])
def test_the_bar_is_as_long_as_the_reported_progress_in_the_colour_of_the_class(size, frame):
    one = row(LABELS)
    pixels = bar(Overlay([one], *size), Fraction(frame, 10))
    filled = where(pixels[0], COLOURS[LABELS[frame]])  # the interval does not reach the edge of the bar
    end = round(float(one.prediction.reported[frame]) * pixels.shape[1])
    assert filled[:end].all()
    assert not filled[end:].any()


@pytest.mark.parametrize("width", [320, 1280])
def test_the_line_on_the_bar_is_as_long_as_the_interval(width):
    one = row(LABELS)
    pixels = bar(Overlay([one], width, 720), Fraction(6))
    line = np.flatnonzero(where(pixels[pixels.shape[0] // 2], BLACK))
    assert one.prediction.interval is not None
    low, high = one.prediction.interval[:, 60] * pixels.shape[1]
    thick = 4
    assert abs(line.min() - low) <= thick
    assert abs(line.max() - high) <= thick


def test_in_the_background_the_bar_is_empty_and_no_time_is_left():
    one = row(LABELS)
    pixels = bar(Overlay([one], 640, 480), Fraction(2))
    assert where(pixels, ImageColor.getrgb(TRACK)).all()
    shown = one.shown(20)
    assert (shown.progress, shown.interval, shown.remaining) == (0, None, None)
    assert long_text(shown) == "confidence 70 %"


def texts_of(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that never change in the panel of such rows."""
    texts: list[str] = []
    draw = Canvas.text

    def noted(canvas: Canvas, x: float, y: float, text: str, *rest: Any, **more: Any) -> None:
        texts.append(text)
        draw(canvas, x, y, text, *rest, **more)

    monkeypatch.setattr(Canvas, "text", noted)
    Overlay(rows, 1280, 720)
    return texts


def test_only_a_video_of_a_simulated_dataset_is_called_simulated(monkeypatch):
    simulated = dataclasses.replace(INFO, simulated=True)
    of_model, truth = Row.of("a", predicted(LABELS), simulated), Row.of_truth(LABELS, simulated)
    real = Row.of_truth(LABELS, INFO)

    def notes(*rows: Row) -> list[str]:
        return [text for text in texts_of(list(rows), monkeypatch) if "SIMULATED" in text]

    assert notes(row(LABELS)) == []
    assert notes(of_model) == notes(real, of_model) == ["model trained on SIMULATED data"]
    assert notes(of_model, truth) == notes(truth, row(LABELS)) == ["SIMULATED video"]


def test_the_cursor_is_at_the_time():
    overlay = Overlay([row(LABELS)], 640, 480)
    for seconds in (Fraction(1), Fraction(5), Fraction(99, 10)):
        assert cursor(overlay, seconds) == pytest.approx(float(seconds / 10), abs=0.01)


def strip(overlay: Overlay, seconds: Fraction, number: int = 0) -> np.ndarray:
    """The pixels of a line of the strip, near its upper edge, where no text is."""
    layout = overlay.layout
    line = layout.strip_top + number * layout.strip_line + 1
    return overlay.draw(seconds)[line, layout.left : layout.right]


def test_the_strip_shows_what_was_reported_and_nothing_that_comes():
    overlay = Overlay([row(LABELS)], 640, 480)
    pixels = strip(overlay, Fraction(5))
    middle = len(pixels) // 2
    for number, label in enumerate((0, 1)):
        part = pixels[number * middle // 2 + 4 : (number + 1) * middle // 2 - 4]
        assert where(part, COLOURS[label]).all()
    assert len(np.unique(pixels[middle + 6 :], axis=0)) == 1  # empty


def test_what_comes_never_changes_what_is_shown():
    changed = LABELS.copy()
    changed[60:] = 1
    panels = [Overlay([row(labels)], 640, 480).draw(Fraction(5)) for labels in (LABELS, changed)]
    assert (panels[0] == panels[1]).all()


@pytest.mark.parametrize("seconds", [Fraction(27, 10), Fraction(28, 10), Fraction(29, 10)])
def test_how_long_a_segment_becomes_never_changes_its_name(seconds):
    changed = LABELS.copy()
    changed[30:] = 2
    panels = [Overlay([row(labels)], 640, 480).draw(seconds) for labels in (LABELS, changed)]
    assert (panels[0] == panels[1]).all()


def test_the_truth_is_known_to_the_end_and_faint_where_the_video_has_not_been():
    overlay = Overlay([Row.of_truth(LABELS, INFO), row(LABELS)], 640, 480)
    truth, estimate = strip(overlay, Fraction(3)), strip(overlay, Fraction(3), 1)
    last = slice(-40, -25)
    assert not where(truth[last], COLOURS[3]).any()
    assert len(np.unique(truth[last], axis=0)) == 1
    assert (truth[last][0] != estimate[last][0]).any()
    assert where(strip(overlay, Fraction(99, 10))[last], COLOURS[3]).all()


def test_later_shows_coming_predictions_faintly():
    empty, later = (strip(Overlay([row(LABELS)], 640, 480, later=later), Fraction(3)) for later in (False, True))
    assert len(np.unique(empty[-20:-5], axis=0)) == 1
    assert (empty[-10] != later[-10]).any()


def test_the_truth_has_its_own_progress():
    overlay = Overlay([Row.of_truth(LABELS, INFO), row(LABELS)], 640, 480)
    pixels = bar(overlay, Fraction(39, 10))  # frame 39 is number 15 of the 25 of class 1
    assert where(pixels[0], COLOURS[1]).sum() == round(15 / 25 * pixels.shape[1])


def test_each_row_has_its_own_bar_at_its_own_rate():
    slow = Row.of("slow", predicted(LABELS[::5]), dataclasses.replace(INFO, fps=2.0))
    overlay = Overlay([row(LABELS), slow], 640, 480)
    for number, one in enumerate(overlay._rows):
        frame = one.frame_at(Fraction(63, 10))
        pixels = bar(overlay, Fraction(63, 10), number)
        expected = round(float(one.prediction.reported[frame]) * pixels.shape[1])
        assert where(pixels[0], COLOURS[2]).sum() == expected
    assert [one.frame_at(Fraction(63, 10)) for one in overlay._rows] == [63, 12]


def test_a_picture_shows_the_newest_frame_also_where_times_were_rounded():
    one = Row.of("a", predicted(LABELS), dataclasses.replace(INFO, fps=30.0))
    assert [one.frame_at(Fraction(time, 1000)) for time in (0, 33, 66, 67, 100, 3300, 99_000)] == [
        0,
        1,
        1,
        2,
        3,
        99,
        99,
    ]


def test_a_long_video_has_pages():
    labels = np.repeat([1, 2], 3500)  # 700 s at 10 a second: pages of 120 s
    overlay = Overlay([row(labels)], 640, 480)
    assert cursor(overlay, Fraction(60)) == pytest.approx(0.5, abs=0.01)
    assert cursor(overlay, Fraction(130)) == pytest.approx(10 / 120, abs=0.01)
    assert where(strip(overlay, Fraction(390))[20:-400], COLOURS[2]).any()
    assert not where(strip(overlay, Fraction(300)), COLOURS[2]).any()
    assert Overlay([row(labels)], 640, 480, page_seconds=700.0)._strip.place(Fraction(699))[0] == 0


def test_the_last_moment_is_on_the_last_page():
    overlay = Overlay([row(np.ones(2400, int))], 640, 480, page_seconds=60.0)
    assert [overlay._strip.place(Fraction(time))[0] for time in (0, 60, 239, 240)] == [0, 1, 3, 3]


def test_the_same_array_comes_back_while_nothing_changes():
    overlay = Overlay([row(LABELS)], 320, 240)
    assert overlay.draw(Fraction(1)) is overlay.draw(Fraction(1001, 1000))
    assert overlay.draw(Fraction(1)) is not overlay.draw(Fraction(2))


@pytest.mark.parametrize("name", ["お茶を入れる", "налить воду", "x" * 300, "", "a\nb", "🫖 tea", "שלום"])
def test_names_in_any_script_and_length_are_drawn(name):
    info = PredictionInfo(["background", name or " ", "c", "d"], [0], 10.0)
    overlay = Overlay([Row.of(name, predicted(LABELS), info)], 320, 240)
    assert overlay.draw(Fraction(4)).shape == (overlay.layout.height, 320, 3)


def test_long_names_are_shortened_in_the_middle_until_they_fit():
    short = fitted("pour the water into the kettle", 15, 120)
    assert short.startswith("pour")
    assert short.endswith("kettle"[-3:])
    assert "…" in short
    assert text_width(short, 15) <= 120
    assert fitted("stir", 15, 120) == "stir"
    assert fitted("stir", 15, 2) == ""


@pytest.mark.parametrize("width", [LEAST_WIDTH, 64, 100, 320, 642])
def test_the_panel_is_as_wide_as_the_picture_and_even(width):
    overlay = Overlay([row(LABELS), row(LABELS)], width, 240)
    assert overlay.draw(Fraction(1)).shape == (overlay.layout.height, width, 3)
    assert overlay.layout.height % 2 == 0


@pytest.mark.parametrize("width", [2, LEAST_WIDTH - 2])
def test_pictures_without_room_for_a_panel_are_refused(width):
    with pytest.raises(InputError, match=f"pictures of {width}x240 have no room for a panel"):
        Overlay([row(LABELS)], width, 240)


def test_rows_of_other_classes_are_refused():
    for names, message in (
        (["background", "wipe", "lift"], "lift, wipe is in one alone"),
        (NAMES[1:], "is background"),
    ):
        other = PredictionInfo(names, [0], 10.0)
        with pytest.raises(InputError, match=message):
            Overlay([row(LABELS), Row.of("other", predicted(LABELS % len(names)), other)], 320, 240)


def test_classes_are_matched_by_name_not_by_number():
    shuffled = PredictionInfo([NAMES[2], "wipe", NAMES[0], NAMES[1]], [2], 10.0)
    numbers = np.array([2, 3, 0, 1])  # class 3 of the model is nowhere in this truth
    truth = Row.of_truth(numbers[np.minimum(LABELS, 2)], shuffled)
    as_model = Overlay([Row.of_truth(np.minimum(LABELS, 2), INFO), row(LABELS)], 640, 480)
    by_name = Overlay([truth, row(LABELS)], 640, 480)
    for seconds in (Fraction(1), Fraction(4), Fraction(6)):
        assert (as_model.draw(seconds) == by_name.draw(seconds)).all()


def test_times_are_minutes_and_hours():
    assert [clock(Fraction(time)) for time in (0, 61, 3599, 3661)] == ["0:00", "1:01", "59:59", "1:01:01"]
