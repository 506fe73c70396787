"""From files to segments that do not overlap: one rule for every format, and everything that is changed is counted."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.settling import settle_file, without_overlaps
from protas_gtcc.annotations.files.timed import AnnotationFile, OpenEvent, TimedSegment
from protas_gtcc.errors import InputError
from tests.annotation_examples import annotation, rows_of

SEGMENTS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=10)


def settled(*annotations, **options):
    stated = AnnotationOptions(**options)
    file = settle_file(AnnotationFile([*annotations]), stated)
    return [(float(s), float(e), name) for _, s, e, name in rows_of(file.annotations)], file.notices


@settings(max_examples=200, deadline=None)
@given(spans=SEGMENTS, rule=st.sampled_from(["latest", "earliest"]))
def test_overlaps_equal_a_twin_that_asks_each_moment_alone(spans, rule):
    segments = [TimedSegment(Fraction(s), Fraction(s + n), str(i), i) for i, (s, n) in enumerate(spans)]
    apart = without_overlaps(segments, rule)
    assert all(one.end <= other.start for one, other in pairwise(apart))
    sign = -1 if rule == "latest" else 1
    for moment in (Fraction(2 * tick + 1, 2) for tick in range(45)):
        active = [one for one in segments if one.start <= moment < one.end]
        wanted = min(active, key=lambda one: (sign * one.start, -sign * one.end, one.row), default=None)
        found = [one.name for one in apart if one.start <= moment < one.end]
        assert found == ([] if wanted is None else [wanted.name])


def test_of_overlapping_segments_the_one_that_began_last_counts_and_overlaps_are_counted():
    one = annotation("tea", [(0, 10, "cook"), (2, 4, "stir"), (9, 12, "pour")])
    rows, notices = settled(one)
    assert rows == [(0, 2, "cook"), (2, 4, "stir"), (4, 9, "cook"), (9, 12, "pour")]
    assert notices == ["2 overlaps in 1 video, 3.000 s: the one that began last counts (--overlaps)"]
    rows, notices = settled(one, overlaps="earliest")
    assert rows == [(0, 10, "cook"), (10, 12, "pour")]
    assert "1 segment behind others left out" in notices[0]
    with pytest.raises(InputError, match=r"row 1 \(cook, 0 to 10 s\) and row 2 .* overlap; end one"):
        settled(one, overlaps="refuse")


def test_an_open_event_ends_with_its_video_or_is_dropped_or_refused():
    opened = (OpenEvent(Fraction(6), "stir", 2),)
    one = annotation("tea", [(0, 5, "cook")], open_events=opened, seconds=Fraction(9))
    rows, notices = settled(one)
    assert rows == [(0, 5, "cook"), (6, 9, "stir")]
    assert "1 event with a start and no stop" in notices[0]
    assert settled(one, open_events="drop")[0] == [(0, 5, "cook")]
    with pytest.raises(InputError, match="has no stop; add it"):
        settled(one, open_events="refuse")


def test_what_has_no_duration_or_no_label_is_left_out_and_counted():
    rows, notices = settled(annotation("tea", [(1, 1, "ping"), (2, 3, ""), (4, 5, "cut\n the  onion")]))
    assert rows == [(4, 5, "cut the onion")]
    assert len(notices) == 3


def test_times_are_scaled_where_a_tool_took_the_rate_for_another():
    rows, _ = settled(annotation("tea", [(0, "24.97", "cut")]), time_scale=25 / 24.97)
    assert rows == [(0, 25, "cut")]
    with pytest.raises(InputError, match="--time-scale"):
        AnnotationOptions(time_scale=float("nan"))


def test_one_of_several_annotators_is_chosen_by_name():
    both = [annotation("tea", [(0, 1, "a")], annotator="anna"), annotation("tea", [(0, 2, "b")], annotator="ben")]
    alone = annotation("soup", [(0, 3, "c")], annotator="cleo")
    with pytest.raises(InputError, match="by anna, ben; choose one with --annotator, or compare them"):
        settled(*both, alone)
    assert settled(*both, alone, annotator=("ben",))[0] == [(0, 3, "c"), (0, 2, "b")]
    assert settled(*both, alone, annotator=("cleo", "anna"))[0] == [(0, 3, "c"), (0, 1, "a")]
    with pytest.raises(InputError, match="'bob' is not in the files, which have anna, ben, cleo"):
        settled(*both, alone, annotator=("bob",))


def test_tiers_are_chosen_by_name_and_sub_tiers_are_left_out_by_default():
    top, sub = annotation("tea", [(0, 4, "cook")], tier="steps"), annotation("tea", [(1, 2, "cut")], tier="hands")
    below = annotation("tea", [(0, 1, "x")], tier="detail", parent_tier="steps")
    with pytest.raises(InputError, match="the tiers hands, steps; choose one or more with --tier"):
        settled(top, sub)
    rows, notices = settled(top, below)
    assert rows == [(0, 4, "cook")]
    assert notices == ["sub-tiers left out: detail; --tier takes others"]
    assert settled(top, below, tier=("detail",))[0] == [(0, 1, "x")]
    assert settled(top, sub, tier=("steps", "hands"))[0] == [(0, 1, "cook"), (1, 2, "cut"), (2, 4, "cook")]


def test_agreement_is_symmetric_100_with_oneself_and_worked_by_hand():
    from protas_gtcc.metrics.agreement import agreement

    one, other = {"tea": np.array([0, 1, 1, 1, 2, 2])}, {"tea": np.array([0, 1, 1, 2, 2, 2, 0])}
    same = agreement("a", "b", one, one)
    assert (same.by_frame, same.kappa, same.edit, same.f1[50]) == (100, 1, 100, 100)
    there, back = agreement("a", "b", one, other), agreement("b", "a", other, one)
    assert (there.by_frame, there.kappa, there.f1) == (back.by_frame, back.kappa, back.f1)
    assert there.by_frame == pytest.approx(100 * 6 / 7), "the shorter one goes on with background"
    expected = (2 * 2 + 3 * 2 + 2 * 3) / 49
    assert there.kappa == pytest.approx((6 / 7 - expected) / (1 - expected))
