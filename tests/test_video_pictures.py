"""Pictures of test videos in plots/: none replaces another, and titles have the skill of the video."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageColor

from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.metrics.evaluation import EvaluationInfo, evaluate_videos
from protas_gtcc.metrics.video_skill import video_skill
from protas_gtcc.predictions import PredictionInfo
from protas_gtcc.report.canvas import Canvas
from protas_gtcc.report.colours import class_looks
from protas_gtcc.report.picture_parts import AREA_OPACITY
from protas_gtcc.report.plots import OF_VIDEO, SUMMARIES, picture_names
from protas_gtcc.report.video_picture import draw_video, plot_video
from tests.predicted_videos import delayed

NAMES = ["rest", "cut", "mix"]
TEST = ("a", "b", "idle")


def test_a_video_with_the_name_of_a_summary_picture_gets_another_file() -> None:
    names = picture_names([*SUMMARIES, "Videos", f"videos{OF_VIDEO}", "plain"])
    assert names["plain"] == "plain.png"
    assert names[f"videos{OF_VIDEO}"] == f"videos{OF_VIDEO}.png"
    files = [name.casefold() for name in (*names.values(), *(f"{one}.png" for one in SUMMARIES))]
    assert len(files) == len(set(files)), "also where upper and lower case are the same"


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    random, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "kitchen.h5"
    splits = {"1": {"train": ["c", "d", "e"], "test": list(TEST)}}
    with write_dataset(path, DatasetInfo("kitchen", NAMES, [0], 5.0, splits), {"features": FeatureSet(1)}) as writer:
        for name in "abcde":
            labels = np.repeat([0, 1, 2, 1, 0], random.integers(8, 20, 5))
            writer.add(Video(name, labels, {"features": np.zeros((len(labels), 1), np.float32)}))
        writer.add(Video("idle", np.zeros(9, dtype=np.int64), {"features": np.zeros((9, 1), np.float32)}))
    return Dataset(path)


def scored(kitchen: Dataset, videos: tuple[str, ...], late: int = 2) -> dict[str, Any]:
    triples = [(name, kitchen.labels(name), delayed(kitchen.labels(name), late, 3)) for name in videos]
    training = [kitchen.labels(name) for name in "cde"]
    return evaluate_videos(triples, training, NAMES, [0], EvaluationInfo("k", "1", False, "features", 0), 5.0).metrics


def test_the_skill_of_the_only_video_is_that_of_the_evaluation(kitchen: Dataset) -> None:
    for late in (0, 2, 5):
        metrics, labels = scored(kitchen, ("a",), late), kitchen.labels("a")
        found = video_skill(kitchen, "cde", metrics).of(labels, delayed(labels, late, 3).reported)
        assert found == pytest.approx(metrics["progress"]["predicted"]["skill"])


def test_a_video_has_no_skill_where_there_is_nothing_to_count(kitchen: Dataset) -> None:
    skill = video_skill(kitchen, "cde", scored(kitchen, TEST))
    assert skill.of(kitchen.labels("idle"), np.zeros(9)) is None
    assert skill.of(np.array([1]), np.ones(1)) is None, "the constant is as good"
    without = scored(kitchen, TEST)
    without["progress"]["predicted"]["skill"] = None
    assert video_skill(kitchen, "cde", without) is None


def test_the_title_has_skill_or_the_error(kitchen: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = list[str]()
    monkeypatch.setattr(Canvas, "text", lambda _, x, y, text, *rest, **more: texts.append(text))
    labels, info = kitchen.labels("a"), PredictionInfo(NAMES, [0], 5.0)
    right = f"a: {100 * np.mean(np.roll(labels, 2) == labels):.0f} % of frames right"
    for skill, expected in ((0.316, f"{right}, skill .32"), (-0.2, f"{right}, skill -.20"), (None, f"{right}; mean ")):
        texts.clear()
        plot_video(tmp_path / "a.png", "a", labels, delayed(labels, 2, 3), info, skill)
        assert texts[0].startswith(expected)


def test_a_wrong_class_has_its_own_colour_under_the_true_progress(kitchen: Dataset) -> None:
    """Labels are all 1: if 2 is predicted, the area below the curve is of class 2; the truth crosses it in black."""
    labels, info = np.ones(200, dtype=np.int64), PredictionInfo(NAMES, [0], 5.0)
    pictures = {}
    for taken in (1, 2):
        predicted = dataclasses.replace(delayed(labels, 0, 3), labels=np.full(200, taken), reported=np.full(200, 0.9))
        pictures[taken] = np.asarray(draw_video("a", labels, predicted, info).image)[-260:-60].reshape(-1, 3)
    colours = {taken: {tuple(one) for one in np.unique(picture, axis=0)} for taken, picture in pictures.items()}
    fills = [ImageColor.getrgb(look.fill) for look in class_looks(info)]
    areas = [tuple(round(255 + AREA_OPACITY * (one - 255)) for one in fill) for fill in fills]
    for taken, other in ((1, 2), (2, 1)):
        assert any(np.abs(np.subtract(areas[taken], one)).max() <= 2 for one in colours[taken])
        assert not any(np.abs(np.subtract(areas[other], one)).max() <= 2 for one in colours[taken])
        assert (0x22, 0x22, 0x22) in colours[taken]
