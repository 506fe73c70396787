"""Reports: tables that fit the screen and mark simulated data, pictures of any input."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from PIL import ImageColor
from rich.console import Console

import protas_gtcc
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.evaluation import Evaluation, EvaluationInfo, evaluate_videos
from protas_gtcc.predictions import PredictionInfo
from protas_gtcc.report.canvas import Canvas
from protas_gtcc.report.colours import class_looks
from protas_gtcc.report.detail_files import save_detail_tables
from protas_gtcc.report.detail_plots import plot_details, plot_per_class
from protas_gtcc.report.ruler import verdict
from protas_gtcc.report.screen import print_markdown
from protas_gtcc.report.tables import print_evaluation
from protas_gtcc.report.terminal_bars import print_videos, shows_colours
from protas_gtcc.report.video_picture import plot_video
from protas_gtcc.report.video_sheet import SheetVideo, plot_sheet
from tests.conftest import slow_but_first
from tests.predicted_videos import delayed, random_labels, without_progress
from tests.tiny_models import make_model


def random_videos(num_classes: int, num_videos: int = 3) -> dict[str, np.ndarray]:
    return {f"v{seed}": random_labels(seed, num_classes, num_segments=30, most_frames=40) for seed in range(num_videos)}


def evaluated(num_classes: int, simulated: bool = False, silent: bool = False, num_videos: int = 3) -> Evaluation:
    videos = random_videos(num_classes, num_videos)
    names = ["background", *(f"a rather long name of step {index} with $ and [b]" for index in range(1, num_classes))]
    predictions = [delayed(labels, 5, num_classes) for labels in videos.values()]
    if silent:
        predictions = [without_progress(one.labels) for one in predictions]
    triples = zip(videos, videos.values(), predictions, strict=True)
    info = EvaluationInfo("kitchen", "1", simulated)
    return evaluate_videos(triples, videos.values(), names, [0], info, fps=15.0)


def printed(evaluation: Evaluation) -> str:
    screen = io.StringIO()
    print_evaluation(evaluation, Console(file=screen, width=80))
    return screen.getvalue()


@pytest.mark.parametrize("silent", [False, True])
def test_tables_fit_80_columns_cut_no_figure_and_hold_every_look_up(silent: bool) -> None:
    evaluation = evaluated(30, silent=silent)
    text = printed(evaluation)
    assert max(map(len, text.splitlines())) <= 80
    for name in evaluation.metrics["baselines"]:
        assert text.split("Skill, and progress error")[1].count(f"  {name} ") == 4, (
            "with errors and within actions, each on both kinds of segments"
        )
    # Only names of classes may be cut.
    assert "…" not in text.split("Progress error per class")[0]
    assert "…" not in "".join(line[26:] for line in text.split("Progress error per class")[1].splitlines())
    assert f"{evaluation.metrics['segmentation']['f1@50']:.1f}" in text


def test_skill_comes_first_with_its_interval_and_what_is_read_beside_it() -> None:
    metrics, lines = evaluated(5).metrics, printed(evaluated(5)).splitlines()
    own, bounds = metrics["progress"]["predicted"], metrics["intervals"]["progress"]["predicted"]
    assert lines[0] == "kitchen, split 1: 3 test videos"
    first = "\n".join(lines[1:]).split("accuracy, percent")[0]
    rows = [line.strip() for line in first.splitlines()[4:] if line.strip()]
    assert [row.split("  ")[0] for row in rows] == [
        "skill", "skill of 0.5 in actions", "error, all frames", "error, action frames", "false progress, background",
        "R²", "rank correlation", "never finished", "finished: lead, seconds",
    ]  # fmt: skip
    low, high = (f"{end:.2f}".replace("0.", ".") for end in bounds["skill"])
    assert f"{own['skill']:.2f}".replace("0.", ".") in rows[0]
    assert f"[{low}, {high}]" in rows[0]
    constant = metrics["baselines"]["best_constant"]["oracle_segments"]["all_frames"]
    assert f"constant {constant:.3f}".replace("0.", ".") in rows[2]
    half = metrics["baselines"]["half"]["predicted_segments"]["frame"]
    assert rows[3].endswith(f"0.5 everywhere {half:.3f}".replace(" 0.2", " .2"))


def test_one_sentence_says_what_skill_means_and_whether_a_constant_wins() -> None:
    def of(
        skill: float | None,
        bounds: list[float] | None,
        error: float = 0.2,
        all_frames: float = 0.2,
        ends: list[float] | None = None,
    ) -> str:
        own = {"skill": skill, "frame": error, "all_frames": all_frames}
        given_truth = {"all_frames": 0.1}
        baselines = {
            "half": {"predicted_segments": {"frame": 0.25}},
            "constant": {"predicted_segments": {"all_frames": 0.28}},
            "best_constant": {"oracle_segments": {"all_frames": 0.3}},
            "average_index_class": {"oracle_segments": given_truth},
        }
        intervals = {"progress": {"predicted": {"skill": bounds, "frame": ends}}}
        return verdict({"progress": {"predicted": own}, "baselines": baselines, "intervals": intervals})

    assert of(0.5, [0.3, 0.7]) == (
        "Skill .50: over all frames, the error is 50 % of the way from the best constant to the best look-up that is "
        "given the class and the start of every action. The best constant, 0.5 where an action is predicted and 0.5 "
        "everywhere have more error."
    )
    unsure = " But over action frames, the 95 % interval includes 0.5 everywhere (.250)."
    assert of(0.5, [0.3, 0.7], ends=[0.18, 0.26]).endswith(f"more error.{unsure}")
    assert unsure not in of(0.5, [0.3, 0.7], ends=[0.18, 0.24])
    assert "The 95 % interval of skill includes 0." in of(0.1, [-0.1, 0.3])
    assert "includes" not in of(0.5, None)
    assert of(1.2, [1.1, 1.3]).startswith(
        "Skill 1.20: over all frames, the error is not above that of the best look-up"
    )
    assert "no less error than the best constant" in of(-0.1, [-0.3, 0.1], all_frames=0.32)
    lost = of(-0.1, [-0.3, 0.1], 0.288, 0.32)
    everywhere = "over action frames (0.5 everywhere .250, model .288)"
    both = "the best constant .300, 0.5 where an action is predicted .280, model .320"
    assert f"A constant is as good or better over all frames ({both})" in lost
    assert lost.endswith(f"and {everywhere}.")
    as_good = "A constant is as good or better over action frames (0.5 everywhere .250, model .250)."
    assert of(0.3, [0.1, 0.5], 0.2502).endswith(as_good)
    assert of(0.3, [0.1, 0.5], 0.2498).endswith(as_good)
    assert of(None, None).startswith("Skill is undefined; a note says why.")
    assert "only the segmentation is scored" in verdict({"progress": {"predicted": None}})


def test_a_single_test_video_is_printed_without_intervals() -> None:
    evaluation = evaluated(5, num_videos=1)
    text = " ".join(printed(evaluation).split())
    assert "there are no intervals: they need at least two videos, and there is one" in text
    acc = evaluation.metrics["segmentation"]["acc"]
    assert f"score {acc:.1f} " in text
    assert "Segmentation, percent (no intervals: 1 video)" in text
    assert "low – –" not in text


def test_a_long_per_class_table_names_the_file_with_the_rest() -> None:
    evaluation = evaluated(30)
    scored = np.isfinite(evaluation.per_class["constant_on_true"]).sum()
    message = f"the 20 classes with most frames; all {scored} are in per_class.csv"
    assert message in " ".join(printed(evaluation).split())
    assert "per_class.csv" not in printed(evaluated(8))


TABLE = "Some videos.\n\n| | acc | progress error |\n|---|---|---|\n| **model** | **81.2 [79.0, 83.1]** | `.213` |\n"


WIDE = "\n".join(
    [
        "| 95 % over 3 people | default | reference |",
        "|---|---|---|",
        *(f"| {name} | 12.3 [11.0, 13.4] | -4.5 [-6.7, -3.4] |" for name in ("acc", "0.5 everywhere, action frames")),
        "",
        "- default: good",
        "- reference: poor",
    ]
)


def on_screen(width: int, terminal: bool = True, text: str = TABLE) -> str:
    screen = io.StringIO()
    print_markdown(text, Console(file=screen, width=width, force_terminal=terminal, color_system=None))
    return screen.getvalue()


def test_markdown_is_drawn_on_a_terminal_and_left_in_a_pipe() -> None:
    assert on_screen(80, terminal=False) == TABLE
    drawn = on_screen(80)
    assert not set("|*`") & set(drawn)
    assert "81.2 [79.0, 83.1]" in drawn


def test_a_table_that_is_too_wide_becomes_several_without_a_cut_figure() -> None:
    drawn = on_screen(30)
    assert drawn.count("model") == 2, "each part repeats the first column"
    assert "81.2 [79.0, 83.1]" in drawn
    assert max(map(len, drawn.splitlines())) <= 30


@pytest.mark.parametrize("width", range(40, 80, 3))
def test_at_any_width_no_figure_is_broken_and_every_line_of_text_stays_one(width: int) -> None:
    lines = on_screen(width, text=WIDE).splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.count("12.3 [11.0, 13.4]") + line.count("-4.5 [-6.7, -3.4]") for line in lines) == 4
    assert lines[-2:] == ["- default: good", "- reference: poor"]


def test_names_of_rows_are_broken_before_a_table_becomes_two() -> None:
    assert on_screen(60, text=WIDE).count("95 %") == 1
    assert "everywhere, action frames" not in on_screen(60, text=WIDE)
    assert "0.5 everywhere, action frames" in on_screen(80, text=WIDE)


def test_simulated_data_is_marked_on_the_screen_and_no_other_is() -> None:
    assert "SIMULATED" in printed(evaluated(5, simulated=True))
    assert "SIMULATED" not in printed(evaluated(5))


def test_abbreviations_are_explained_below_the_first_table() -> None:
    first = " ".join(printed(evaluated(5)).split("Skill, and progress error")[0].split("Segmentation")[1].split())
    assert "acc: correct frames; no bg: without the background; edit: order of segments; merged: " in first


def test_notes_on_the_screen_name_no_entry_of_the_json_file() -> None:
    evaluation = evaluated(5, silent=True)
    whole, shown = " ".join(evaluation.metrics["notes"]), " ".join(printed(evaluation).split("note: ", 1)[1].split())
    for entry in ("progress.predicted", "certainty", "null"):
        assert entry in whole
        assert entry not in shown
    assert "the model reports no progress, so it has no progress error note: " in shown


def test_a_model_without_progress_is_shown_with_dashes() -> None:
    text = printed(evaluated(5, silent=True))
    assert "reports no progress" in text
    row = next(line for line in text.splitlines() if line.startswith("   predicted class"))
    assert row.split()[2:] == ["–"] * 7
    assert "only the segmentation is scored" in " ".join(text.split())


@pytest.mark.parametrize("num_classes", slow_but_first([3, 116]))
def test_pictures_are_drawn_for_few_and_for_many_classes(tmp_path: Path, num_classes: int) -> None:
    names = [f"step ${index}$ of a long name that must be cut" for index in range(num_classes)]
    labels = random_videos(num_classes)["v0"]
    labels[10] = 1
    plot_video(tmp_path / "v0.png", "v_0 $x$", labels, delayed(labels, 5, num_classes), PredictionInfo(names, [0], 1.0))
    plot_per_class(tmp_path / "classes.png", evaluated(num_classes).metrics)
    for path in tmp_path.iterdir():
        picture = imread(path)
        assert min(picture.shape[:2]) > 250
        assert picture[..., :3].std() > 0.05


@pytest.mark.parametrize(("lengths", "num_lines"), [([50, 50], 1), ([400, 1, 400], 0)], ids=["long", "one frame"])
def test_a_white_line_parts_neighbouring_actions_but_hides_no_short_one(tmp_path, lengths, num_lines) -> None:
    labels = np.repeat([1, 2, 1][: len(lengths)], lengths)
    info = PredictionInfo(["rest", "pour", "stir"], [0], 1.0)
    plot_video(tmp_path / "a.png", "a", labels, delayed(labels, 0, 3), info)
    picture = imread(tmp_path / "a.png")[..., :3]
    colour = np.array(ImageColor.getrgb(class_looks(info)[1].fill)) / 255
    of_class = np.isclose(picture, colour, atol=0.01).all(axis=2)
    row = of_class[: len(of_class) // 4].sum(axis=1).argmax()
    coloured = np.flatnonzero((picture[row] < 0.9).any(axis=1) & (np.arange(picture.shape[1]) > 90))
    bar = picture[row, coloured[0] : coloured[-1]].min(axis=1)
    assert ((bar[1:] > 0.7) & (bar[:-1] <= 0.7)).sum() == num_lines


def test_one_frame_of_a_long_video_is_visible_and_the_curve_has_no_gap(tmp_path: Path) -> None:
    labels = np.zeros(20_000, dtype=np.int64)
    labels[[7_000, 13_000]] = 1
    info = PredictionInfo(["rest", "pour"], [0], 15.0)
    plot_video(tmp_path / "a.png", "a", labels, delayed(labels, 0, 2), info)
    picture = imread(tmp_path / "a.png")[..., :3]
    colour = np.array(ImageColor.getrgb(class_looks(info)[1].fill)) / 255
    in_bars = np.flatnonzero(np.isclose(picture[80], colour, atol=0.01).all(axis=1))
    assert (np.diff(in_bars) > 1).sum() == 1, "two segments"
    curves = picture[155:394, in_bars[0] : in_bars[-1]]
    assert (curves.max(axis=2) < 0.3).any(axis=0).all(), "some of the true curve is in every column"


def test_one_frame_videos_and_models_without_progress_are_drawn(tmp_path: Path) -> None:
    one = np.array([1])
    plot_video(
        tmp_path / "one.png",
        "one",
        one,
        without_progress(one),
        PredictionInfo(["rest", "pour"], [0], 30.0, simulated=True),
    )
    plot_per_class(tmp_path / "silent.png", evaluated(4, silent=True).metrics)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("has_truth", [True, False])
def test_a_video_whose_truth_is_unknown_is_not_called_simulated(tmp_path, monkeypatch, has_truth) -> None:
    labels, texts = np.repeat([0, 1], 20), list[str]()
    monkeypatch.setattr(Canvas, "text", lambda _, x, y, text, *rest, **more: texts.append(text))
    info = PredictionInfo(["rest", "pour"], [0], 5.0, simulated=True)
    plot_video(tmp_path / "v.png", "v", labels if has_truth else None, delayed(labels, 0, 2), info)
    scored = "v, SIMULATED video: 100 % of frames right; mean progress error in actions 0.00, of 0.5 everywhere 0.25"
    assert texts[0] == (scored if has_truth else "v, model trained on SIMULATED data")


def written(monkeypatch) -> list[str]:
    """What is written on pictures from now on."""
    texts = list[str]()
    monkeypatch.setattr(Canvas, "text", lambda _, x, y, text, *rest, **more: texts.append(text))
    return texts


def test_a_bar_has_the_name_of_its_action_or_its_number_where_the_name_does_not_fit(tmp_path, monkeypatch) -> None:
    texts, labels = written(monkeypatch), np.repeat([1, 0, 2, 0], [900, 60, 10, 30])
    plot_video(
        tmp_path / "v.png", "v", labels, delayed(labels, 0, 3), PredictionInfo(["rest", "pour", "stir"], [0], 5.0)
    )
    assert (texts.count("pour"), texts.count("stir"), texts.count("2")) == (2, 0, 2), "true and predicted"


@pytest.mark.parametrize(("num_actions", "num_rows"), [(20, 1), (60, 3), (2000, 6)])
def test_a_video_with_many_segments_goes_on_in_further_rows(tmp_path, monkeypatch, num_actions, num_rows) -> None:
    texts, labels = written(monkeypatch), np.tile([1, 2], num_actions // 2).repeat(7)
    plot_video(
        tmp_path / "v.png", "v", labels, delayed(labels, 0, 3), PredictionInfo(["rest", "pour", "stir"], [0], 5.0)
    )
    assert texts.count("predicted") == num_rows
    assert texts.count("reported progress") == 1


def test_a_sheet_has_the_best_video_first_and_every_class_once(tmp_path, monkeypatch) -> None:
    texts, true = written(monkeypatch), np.repeat([0, 1, 2], 10)
    videos = [
        SheetVideo("bad", true, 0 * true),
        SheetVideo("good", true, true),
        SheetVideo("short", true[:20], true[:20]),
    ]
    plot_sheet(tmp_path / "videos.png", videos, PredictionInfo(["rest", "pour", "stir"], [0], 5.0))
    assert [text for text in texts if "frames right" in text] == [
        "good: 100 % of frames right",
        "short: 100 % of frames right",
        "bad: 33 % of frames right",
    ]
    assert [text for text in texts if text in ("0 rest", "1 pour", "2 stir")] == ["0 rest", "1 pour", "2 stir"]
    assert (tmp_path / "videos.png").is_file()
    assert any(text.startswith("Test videos, the best first") for text in texts)


def test_a_sheet_of_some_test_videos_says_of_how_many(tmp_path, monkeypatch) -> None:
    texts, true = written(monkeypatch), np.repeat([0, 1], 10)
    videos = [SheetVideo(name, true, true) for name in ("a", "b")]
    plot_sheet(tmp_path / "videos.png", videos, PredictionInfo(["rest", "pour"], [0], 5.0), 7)
    assert any(text.startswith("The first 2 of 7 test videos, the best first") for text in texts)


def test_a_name_with_control_characters_is_drawn(tmp_path: Path) -> None:
    labels = np.repeat([0, 1], 20)
    prediction = delayed(labels, 0, 2)
    for name in ("a\x85b", "a\nb", "\x1c\x0b\u2029", "\ud800"):
        plot_video(tmp_path / "v.png", name, labels, prediction, PredictionInfo(["rest", name], [0], 5.0))
    assert (tmp_path / "v.png").is_file()


def test_a_picture_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    labels = np.array([0, 1])
    with pytest.raises(InputError, match="cannot write"):
        plot_video(
            tmp_path / "file" / "a.png", "a", labels, delayed(labels, 0, 2), PredictionInfo(["r", "p"], [0], 1.0)
        )


@pytest.mark.parametrize(("silent", "simulated"), [(False, True), (True, False)])
def test_details_are_drawn_and_tabled_whatever_is_known(tmp_path: Path, silent: bool, simulated: bool) -> None:
    metrics = evaluated(4, simulated, silent).metrics
    plot_details(tmp_path, metrics)
    for name in ("by_length", "by_tenth", "online"):
        picture = imread(tmp_path / f"{name}.png")
        assert min(picture.shape[:2]) > 400
        assert picture[..., :3].std() > 0.05
    save_detail_tables(metrics, tmp_path / "tables")
    tables = {path.stem: pd.read_csv(path) for path in (tmp_path / "tables").iterdir()}
    parts = {f"by_{name}" for name in metrics["breakdowns"]}
    assert set(tables) == parts | {"methods", "margin", "curves", "online", "definitions"}
    for name, table in tables.items():
        assert ("simulated" in table) == (simulated and name != "definitions")
    assert tables["by_tenth"]["predicted_error"].isna().all() == silent
    assert len(tables["margin"]) == 10


def test_detail_files_hold_the_figures_with_their_intervals_and_definitions(tmp_path: Path) -> None:
    metrics = evaluated(6).metrics
    save_detail_tables(metrics, tmp_path)
    row = pd.read_csv(tmp_path / "by_length_seconds.csv").set_index("part").loc["1-2 s"]
    part = metrics["breakdowns"]["length_seconds"]["1-2"]
    assert row["segments"] == part["segments"]
    assert row["oracle_bias"] == pytest.approx(part["oracle"]["bias"], rel=1e-5, abs=1e-8)
    bounds = metrics["intervals"]["breakdowns"]["length_seconds"]["1-2"]["predicted"]["error"]
    assert [row["predicted_error_low"], row["predicted_error_high"]] == pytest.approx(bounds, rel=1e-5)
    online = pd.read_csv(tmp_path / "online.csv").set_index("figure")
    lead = metrics["online"]["finished"]["predicted"]["lead_seconds"]
    assert online.loc["finished.predicted.lead_seconds", "value"] == pytest.approx(lead, rel=1e-5)
    assert online.loc["stable_within.0.5", "unit"] == "fraction"
    methods = pd.read_csv(tmp_path / "methods.csv").set_index(["method", "segments"])
    assert len(methods) == 2 + 2 * len(metrics["baselines"])
    for name, family in (
        ("skill", metrics["baselines"]["average_index"]["oracle_segments"]),
        ("last_error", metrics["curves"]["lookups"]["oracle_segments"]["average_index"]),
    ):
        assert methods.loc[("average_index", "oracle_segments"), name] == pytest.approx(family[name], rel=1e-5)
    lengths = metrics["breakdowns"]["length_seconds"]["1-2"]["lookups"]["predicted_segments"]
    assert row["half_predicted_segments_error"] == pytest.approx(lengths["half"], rel=1e-5)
    best = pd.read_csv(tmp_path / "margin.csv").iloc[0]
    expected = metrics["margin"]["predicted"]["macro"]["error"]
    assert best["lookup_error"] - best["model_error"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("coloured", [True, False])
def test_a_terminal_with_colours_shows_the_best_the_median_and_the_worst_video(coloured) -> None:
    true = np.repeat([0, 1, 2, 2], 10)
    info = PredictionInfo(["rest", "pour", "stir"], [0], 5.0)
    videos = [SheetVideo(f"v{right}", true, np.where(np.arange(40) < right, true, 0)) for right in (40, 20, 30, 10, 15)]
    out = io.StringIO()
    console = Console(file=out, force_terminal=coloured, color_system="truecolor", width=90)
    assert shows_colours(console) == (coloured and console.encoding == "utf-8")
    print_videos(videos, info, console)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).split("\n\n")
    assert [line.split()[:2] for line in lines[:3]] == [["v40", "100%"], ["v20", "50%"], ["v10", "25%"]]
    assert lines[3].split() == ["upper:", "true,", "lower:", "predicted", "stir", "rest", "pour"]
    if coloured:
        upper, lower = (ImageColor.getrgb(look.fill) for look in (class_looks(info)[2], class_looks(info)[0]))
        both = f"38;2;{upper[0]};{upper[1]};{upper[2]};48;2;{lower[0]};{lower[1]};{lower[2]}m"
        assert both in out.getvalue(), "stir above rest, where nothing was seen"


def test_the_bars_of_a_terminal_have_the_stripes_of_classes() -> None:
    true = np.repeat([1, 2], 30)
    colours = ["#d9d9d9", "#ff0000", "#ff0000 #00ff00"]
    info, out = PredictionInfo(["rest", "pour", "stir"], [0], 5.0, class_colours=colours), io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="truecolor", width=90)
    print_videos([SheetVideo("v", true, true)], info, console)
    bar = re.findall(r"38;2;(\d+;\d+;\d+);48;2;(\d+;\d+;\d+)m(▀+)", out.getvalue())
    cells = [(upper, lower) for upper, lower, run in bar for _ in run]
    assert {upper == lower for upper, lower in cells} == {True}
    red = [upper == "255;0;0" for upper, _ in cells]
    assert all(red[:30]), "the class without a stripe"
    assert [red[at : at + 3].count(False) for at in range(30, 60, 3)] == [1] * 10, "one character in three"


def test_a_notebook_shows_a_prediction_with_its_model_its_dataset_or_alone(tmp_path, monkeypatch) -> None:
    true, info = np.repeat([0, 1, 2], 10), PredictionInfo(["rest", "pour", "stir"], [0], 5.0)
    prediction = delayed(true, 2, 3)
    for of in (None, info, make_model().facts, make_model()):
        picture = protas_gtcc.show(prediction, true, of)
        assert picture._repr_png_().startswith(b"\x89PNG")
    picture.save(tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[1] == 1540
    texts = written(monkeypatch)
    protas_gtcc.show(prediction, None, dataclasses.replace(info, simulated=True), "v")
    assert texts[0] == "v, model trained on SIMULATED data"
    with pytest.raises(InputError, match="the truth has 29 frames, the prediction 30"):
        protas_gtcc.show(prediction, true[1:], info)
    with pytest.raises(InputError, match="class 3 is not one of 3 classes"):
        protas_gtcc.show(prediction, true + 1, info)
