"""Figures in tables: what is written is the number, whatever its sign and size."""

from __future__ import annotations

import pytest

from protas_gtcc.report.figures import at, excludes_zero, fraction, percent, share, with_interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1234, ".123"),
        (-0.02, "-.020"),
        (0.0, ".000"),
        (-0.0001, ".000"),
        (1.5, "1.500"),
        (10.123, "10.123"),
        (-20.5, "-20.500"),
    ],
)
def test_a_fraction_loses_its_leading_nought_and_no_other(value, text):
    assert fraction(value) == text


def test_percentages_have_no_negative_nought():
    assert (percent(-0.04), percent(12.34), share(-0.0001)) == ("0.0", "12.3", "0.0 %")


def test_an_interval_follows_its_figure_and_what_is_undefined_is_a_dash():
    assert with_interval(0.5, [0.25, 1.0], fraction) == ".500 [.250, 1.000]"
    assert with_interval(0.5, None, fraction) == ".500"
    assert with_interval(None, None, fraction) == "–"


def test_a_difference_excludes_zero_when_its_interval_leaves_out_nought():
    assert all(map(excludes_zero, ([0.1, 0.2], [-0.2, -0.1])))
    assert not any(map(excludes_zero, ([-0.1, 0.1], [0.0, 1.0], None)))
    assert at({"a": {"b": 1}}, ["a", "b"]) == 1
    assert at({"a": None}, ["a", "b"]) is None
