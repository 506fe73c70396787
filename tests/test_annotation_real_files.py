"""Files of real tools, from their own test data: `../shared/data/annotation_files`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from protas_gtcc.annotations.files.formats import format_of
from protas_gtcc.errors import InputError
from tests.annotation_examples import needs, read, rows_of, settled, simple_rows


@pytest.fixture(scope="module")
def folder(shared_folder) -> Path:
    path = shared_folder / "data" / "annotation_files"
    if not path.is_dir():
        pytest.skip("no annotation_files in ../shared/data: the tools' own files are not here")
    return path


@pytest.mark.parametrize("name", ["boris_test.boris", "boris_test2.boris"])
def test_every_event_of_a_boris_project_is_in_a_segment_a_point_or_open(folder, name):
    project = json.loads((folder / name).read_text())
    events = [event for one in project["observations"].values() for event in one["events"]]
    states = sum(event[2] in ("s", "r", "m") for event in events)
    found = read(folder / name).annotations
    opened = sum(len(one.open_events) for one in found)
    points = sum(s.start == s.end for one in found for s in one.segments)
    segments = sum(s.start < s.end for one in found for s in one.segments)
    assert (points, 2 * segments + opened) == (len(events) - states, states)
    assert opened == 1, "in the observation that is called 'live not paired'"


def test_a_boris_project_has_media_that_follow_each_other_and_several_observers(folder):
    path = folder / "boris_test.boris"
    with pytest.raises(InputError, match="annotations by observation #1, observation #2, offset neg, offset positif"):
        settled(path)
    one = settled(
        path, annotator=("observation #2", "observation #1"), tier=("No focal subject", "subject1", "subject2")
    )
    rows = {row[:3] for row in rows_of(one.annotations)}
    assert ("video_test_25fps_180s", 1.8, 8.125) in {(v, float(s), float(e)) for v, s, e in rows}
    second = [(float(s), float(e)) for v, s, e in sorted(rows) if v == "video_test_25fps_360s"]
    assert second[0] == (47.805, 73.53), "227.765 s of both media is 47.805 s of the second one"


def test_an_export_of_single_events_equals_its_project(folder):
    path = folder / "boris_test_export_events_tabular.csv"
    assert format_of(path).name == "boris-export"
    rows = simple_rows(path, tier=("subject1", "subject2"))
    project = settled(
        folder / "boris_test.boris", annotator=("observation #1", "observation #2"), tier=("subject1", "subject2")
    )
    same = [one for one in project.annotations if one.video == "video_test_25fps_360s"]
    assert rows == [(float(s), float(e), name) for _, s, e, name in rows_of(same)]


def test_an_aggregated_export_of_joined_media_is_one_video_of_the_observations_name(folder):
    path = folder / "boris_test_export_aggregated_events_test_full_1.tsv"
    found = read(path)
    assert {one.video for one in found.annotations} == {"observation #2"}
    assert "several media whose lengths are not read from an export" in found.notices[0]
    assert Counter(s.name for one in found.annotations for s in one.segments) == {"s": 10, "p": 8}


def test_an_elan_file_gives_its_tiers_and_the_times_of_its_sub_tiers(folder):
    path = folder / "elan_sample_2.8.eaf"
    needs(format_of(path))
    found = {one.tier: one for one in read(path).annotations}
    assert {name: len(one.segments) for name, one in found.items()} == {
        "text": 399,
        "words-timesub": 1995,
        "words-symsub": 1995,
        "gestures": 1197,
        "gest_included": 1197,
        "words-pos": 1995,
    }
    assert {name: one.parent_tier for name, one in found.items() if one.parent_tier}["words-pos"] == "words-symsub"
    words = [(float(s.start), float(s.end), s.name) for s in found["words-symsub"].segments[:5]]
    assert words[0] == (2, 2.6, "The"), "a fifth of 'The quick brown fox 001', 2 to 5 s"
    assert words[-1][1] == 5
    with pytest.raises(InputError, match="the tiers gestures, text; choose one or more with --tier"):
        settled(path)
    assert len(simple_rows(path, tier=("gestures",))) == 1197


def test_a_vidat_file_without_actions_is_background(folder):
    found = read(folder / "vidat_example.json").annotations
    assert [(one.video, one.segments, float(one.seconds)) for one in found] == [("example", (), 13.036)]
