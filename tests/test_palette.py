"""Colours of classes: kept apart for four kinds of eyes, stored with datasets, models and predictions."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from protas_gtcc.annotations.palette import (
    BACKGROUND,
    Neighbours,
    are_colours,
    choose_colours,
    to_lab,
    usual_colours,
)
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.header import seal
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.report.colours import RUN_COLOURS, RUN_COLOURS_ON_DARK, class_looks

RECIPES = 6


def recipes(num_steps: int) -> Neighbours:
    """How often steps follow each other in recipes of so many steps each, whose order varies a little."""
    neighbours, random = Neighbours(1 + RECIPES * num_steps, [0]), np.random.default_rng(0)
    for recipe in range(RECIPES):
        for _ in range(8):
            order = np.argsort(np.arange(num_steps) + random.normal(0, 0.7, num_steps))
            neighbours.add(np.repeat(1 + recipe * num_steps + order, 3))
    return neighbours


def distance(one: str, other: str) -> float:
    """To the eye, of four, to which two fills are nearest."""
    of_one, of_other = np.moveaxis(to_lab([one[:7], other[:7]]), 1, 0)
    return min(float(np.linalg.norm(a - b)) for a, b in zip(of_one, of_other, strict=True))


@pytest.mark.parametrize(("num_steps", "least"), [(1, 0.1), (3, 0.1), (8, 0.1), (20, 0.05)])
def test_steps_that_follow_each_other_differ_to_every_eye(num_steps, least):
    neighbours = recipes(num_steps)
    colours = choose_colours(neighbours)
    follow = np.argwhere(np.triu(neighbours.follow(), 1)).tolist()
    striped = [(a, b) for a, b in follow if colours[a][7:] != colours[b][7:]]
    assert all(distance(colours[a], colours[b]) >= least for a, b in follow if (a, b) not in striped)
    assert all(distance(colours[a], colours[b]) + 0.1 >= least for a, b in striped)


def test_no_two_of_120_actions_look_alike():
    colours = choose_colours(recipes(20))
    assert colours[0] == BACKGROUND
    assert len(set(colours)) == 121
    assert are_colours(colours, 121)


def test_thousands_of_actions_repeat_the_colours_of_the_first_ones():
    colours = usual_colours(5001, (0,))
    assert len(colours) == 5001
    assert len(set(colours[1:250])) > 150
    assert colours[1:5000] == [colours[1 + number % 249] for number in range(4999)]


def test_a_dataset_of_background_alone_has_colours():
    assert usual_colours(2, (0, 1)) == [BACKGROUND, BACKGROUND]


def test_few_actions_have_no_stripes_and_no_pair_that_is_hard_to_distinguish():
    colours = usual_colours(11, (0,))
    assert all(len(one) == 7 for one in colours)
    assert min(distance(one, other) for one, other in pairwise(colours[1:])) > 0.12
    apart = [distance(one, other) for i, one in enumerate(colours) for other in colours[:i]]
    assert min(apart) > 0.08


def test_the_same_transitions_give_the_same_colours():
    assert choose_colours(recipes(8)) == choose_colours(recipes(8))


def test_followers_are_counted_across_background_and_not_within_a_segment():
    neighbours = Neighbours(4, [0])
    neighbours.add(np.array([0, 1, 1, 0, 0, 2, 2, 0, 1, 0]))
    neighbours.add(np.array([3, 0]))
    assert neighbours.next.tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert np.argwhere(np.triu(neighbours.together)).tolist() == [[1, 1], [1, 2], [2, 2], [3, 3]]


def test_the_known_lab_of_red_and_white():
    # Values of Ottosson's page on OKLab.
    assert to_lab(["#ff0000"])[0, 0] == pytest.approx([0.628, 0.225, 0.126], abs=1e-3)
    assert to_lab(["#ffffff"])[:, 0] == pytest.approx(np.tile([1.0, 0, 0], (4, 1)), abs=1e-3)


FILLS = sorted({one[:7] for n in (3, 12, 31, 120) for one in usual_colours(n, (0,))})


@pytest.mark.parametrize("colours", [RUN_COLOURS, RUN_COLOURS_ON_DARK])
def test_the_second_run_is_far_more_vivid_than_any_class(colours):
    (vivid,), chroma = (np.linalg.norm(to_lab(some)[0, :, 1:], axis=-1) for some in ([colours[1]], FILLS))
    assert vivid > chroma.max() + 0.08


def test_no_class_has_a_colour_of_a_run():
    fills = FILLS
    lightness = to_lab(fills)[0, :, 0]
    for colours, is_apart in ((RUN_COLOURS, np.less), (RUN_COLOURS_ON_DARK, np.greater)):
        vivid, others = colours[1], [colours[0], *colours[2:-1]]
        outside = (to_lab(others)[0, :, 0], lightness.min() if is_apart is np.less else lightness.max() - 0.05)
        assert is_apart(*outside).all(), "darker or lighter than any class"
        assert min(distance(vivid, fill) for fill in fills) > 0.03, "to every eye"
        assert not {*fills} & {*colours}


@pytest.mark.parametrize("colours", [RUN_COLOURS, RUN_COLOURS_ON_DARK])
def test_the_first_two_runs_differ_in_lightness_to_every_eye(colours):
    lightness = to_lab([*colours[:2]])[..., 0]
    assert np.abs(lightness[:, 0] - lightness[:, 1]).min() > 0.2
    assert abs(lightness[0, 0] - lightness[0, 1]) > 0.28


def test_a_stripe_is_seen_on_its_fill():
    for look in class_looks(PredictionInfo([str(n) for n in range(120)], [0], 5.0)):
        if look.stripe:
            assert distance(look.fill, {"white": "#ffffff", "black": "#000000"}[look.stripe]) > 0.25


@pytest.fixture
def dataset_file(tiny_dataset, tmp_path):
    return Path(shutil.copy(tiny_dataset, tmp_path / "own.h5"))


def test_a_dataset_its_models_and_their_predictions_have_the_same_colours(dataset_file, tmp_path):
    colours = Dataset(dataset_file).info.class_colours
    assert are_colours(colours, len(Dataset(dataset_file).info.class_names))
    info = PredictionInfo([f"c{n}" for n in range(len(colours))], [0], 5.0, class_colours=colours)
    one = Prediction(np.zeros(4, dtype=int), None, None, np.zeros(4, dtype=np.float32))
    write_predictions(tmp_path / "p.h5", [("a", one)], info)
    assert open_predictions(tmp_path / "p.h5").info == info


def test_a_dataset_file_of_an_earlier_version_has_the_usual_colours(dataset_file):
    with h5py.File(dataset_file, "a") as file:
        del file.attrs["class_colours"]
        seal(file)
    info = Dataset(dataset_file).info
    assert info.class_colours == []
    fills = [f"{look.fill} {look.stripe}".strip() for look in class_looks(info)]
    assert fills == usual_colours(info.num_classes, tuple(info.background))


@pytest.mark.parametrize("wrong", [["#123456"], ["red", "blue", "#123456"], ["#12345g"] * 3])
def test_what_is_no_list_of_colours_is_refused(dataset_file, wrong):
    with h5py.File(dataset_file, "a") as file:
        file.attrs["class_colours"] = wrong
    with pytest.raises(InputError, match="class_colours are not the colours of"):
        Dataset(dataset_file)
