"""Files of annotation tools: what is written comes back to the millisecond, and each shape that tools write is read."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.annotations.files.formats import FORMATS, WRITTEN, format_of
from protas_gtcc.errors import InputError
from tests.annotation_examples import (
    FPS,
    ROWS,
    annotation,
    boris_observation,
    boris_project,
    needs,
    read,
    round_trip,
    rows_of,
    seconds_of,
    settled,
    simple_rows,
    write_json,
)
from tests.annotation_examples import WRITTEN as KINDS

DOCS = Path(__file__).resolve().parents[1] / "docs" / "formats" / "annotations.md"
COUNT_FRAMES = ("mstcn", "label-studio")
NAMES = st.sampled_from(
    ["pour", "cut, peel", "très <fin> & 100%", "切る", '"quoted" \\ 1', "=1+1", "-->", "a;b|c", "<v x>"]
)
VIDEOS = st.sampled_from(["tea", "anna/tea", "my video 1", "v.2"])


@st.composite
def videos(draw: st.DrawFn) -> dict[str, list[tuple[int, int, str]]]:
    """The segments of a few videos in ticks, without overlaps, some with gaps."""
    found = {}
    for video in draw(st.lists(VIDEOS, min_size=1, max_size=3, unique=True)):
        ticks = sorted(draw(st.sets(st.integers(0, 90_000), min_size=2, max_size=12)))
        pairs = [pair for pair in pairwise(ticks) if draw(st.booleans())] or [(ticks[0], ticks[1])]
        found[video] = [(start, end, draw(NAMES)) for start, end in pairs]
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.name)
@settings(max_examples=25, deadline=None)
@given(drawn=videos())
def test_what_is_written_is_read_again_with_every_time(kind, drawn, tmp_path_factory):
    needs(kind)
    tick = Fraction(2, int(FPS)) if kind.name in COUNT_FRAMES else Fraction(1, 1000)
    wanted = [
        annotation(video, [(start * tick, end * tick, name) for start, end, name in rows])
        for video, rows in drawn.items()
    ]
    read_again = round_trip(kind, wanted, tmp_path_factory.mktemp("round"))
    if kind.name == "mstcn":  # frames do not show the border between two segments of one label
        assert _merged(read_again) == _merged(rows_of(wanted))
    else:
        assert read_again == rows_of(wanted)


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.name)
def test_frames_at_a_broken_rate_come_back_to_the_millisecond(kind, tmp_path):
    needs(kind)
    rate = Fraction(30000, 1001)
    wanted = annotation("tea", [(7 / rate, 100 / rate, "pour"), (200 / rate, 12_345 / rate, "stir")])
    found = round_trip(kind, [wanted], tmp_path, 30000 / 1001)
    for (_, *times, name), (_, *again, name_again) in zip(rows_of([wanted]), found, strict=True):
        assert name == name_again
        assert all(abs(one - other) <= Fraction(1, 2000) for one, other in zip(times, again, strict=True))


@pytest.mark.parametrize("kind", [one for one in KINDS if one.has_tiers], ids=lambda one: one.name)
def test_tiers_are_kept_where_a_format_has_them(kind, tmp_path):
    needs(kind)
    both = [annotation("tea", [(0, 2, "cut")], tier="left"), annotation("tea", [(1, 3, "stir")], tier="right")]
    assert round_trip(kind, both, tmp_path) == rows_of(both)
    assert {one.tier for one in read(tmp_path).annotations} == {"left", "right"}


def test_each_format_is_known_by_its_content_and_has_its_row_in_the_documentation():
    text = DOCS.read_text(encoding="utf-8")
    for one in FORMATS:
        assert f"| {one.title}" in text, f"docs/formats/annotations.md has no row of {one.title}"
        assert one.name in text
    assert len({*WRITTEN}) == len(WRITTEN) == len(FORMATS) - 1, "exports of BORIS are read only"


def test_tables_of_other_programs_are_read_by_their_columns(tmp_path):
    tables = {
        "a.csv": "video,start,end,label\ntea.mp4,1.5,2,cut\n",
        "b.csv": "Onset;Duration;Behavior\n1.5;0.5;cut\n",
        "c.tsv": "start_time\tend_time\taction\n0:01.5\t0:00:02\tcut\n",
    }
    for name, text in tables.items():
        (tmp_path / name).write_text(text)
        assert simple_rows(tmp_path / name) == [(1.5, 2, "cut")], name


def test_frames_may_count_from_0_or_1_and_the_last_one_may_belong_to_its_segment(tmp_path):
    path = tmp_path / "tea.csv"
    path.write_text("start_frame,end_frame,label\n25,50,cut\n")
    assert simple_rows(path, counted_fps=FPS) == [(1, 2, "cut")]
    assert simple_rows(path, counted_fps=FPS, first_frame=1) == [(0.96, 1.96, "cut")]
    assert simple_rows(path, counted_fps=FPS, end_frame="inclusive") == [(1, 2.04, "cut")]
    assert simple_rows(path, counted_fps=FPS, first_frame=1, end_frame="inclusive") == [(0.96, 2, "cut")]
    with pytest.raises(InputError, match="--counted-fps"):
        read(path)
    path.write_text("start_frame,end_frame,label\n0,50,cut\n")
    with pytest.raises(InputError, match="give --first-frame 0"):
        read(path, counted_fps=FPS, first_frame=1)


def test_label_studio_counts_frames_from_1_and_its_last_frame_belongs_to_the_range(tmp_path):
    value = {"ranges": [{"start": 1, "end": 25}], "timelinelabels": ["cut"]}
    result = {"type": "timelinelabels", "from_name": "steps", "value": value}
    seconds = {"type": "labels", "from_name": "steps", "value": {"start": 1.5, "end": 2, "labels": ["stir"]}}
    other = {"type": "choices", "from_name": "good", "value": {"choices": ["yes"]}}
    task: dict[str, Any] = {
        "data": {"video": "/data/upload/1/0a1b2c3d-tea.mp4"},
        "predictions": [{"model_version": "m", "result": []}],
    }
    task["annotations"] = [
        {"completed_by": {"id": 3, "email": "anna@x"}, "result": [result, seconds, other]},
        {"completed_by": 4, "was_cancelled": True, "result": []},
    ]
    found = read(write_json(tmp_path / "export.json", [task]), counted_fps=FPS)
    assert seconds_of(found.annotations) == [("tea", 0, 1, "cut"), ("tea", 1.5, 2, "stir")]
    assert {one.annotator for one in found.annotations} == {"anna@x"}
    assert len(found.notices) == 2, "the prediction and the skipped one"
    del task["annotations"]
    task["predictions"][0]["result"] = [result]
    assert simple_rows(write_json(tmp_path / "pre.json", task), counted_fps=FPS) == [(0, 1, "cut")]
    short = {"id": 1, "video": "tea.mp4", "annotator": 7, "steps": [value]}
    assert simple_rows(write_json(tmp_path / "min.json", [short]), counted_fps=FPS) == [(0, 1, "cut")]


def test_pre_annotations_of_label_studio_come_with_their_interface(tmp_path):
    kind = next(one for one in FORMATS if one.name == "label-studio")
    round_trip(kind, [annotation("tea", [(0, 1, 'a "b"')])], tmp_path)
    interface = (tmp_path / "annotations.labels.xml").read_text()
    assert "value='a \"b\"'" in interface
    assert 'value="extra"' in interface, "labels that no segment has are offered too"
    assert json.loads((tmp_path / "annotations.json").read_text())[0]["data"]["fps"] == FPS


def test_times_of_boris_lose_their_offset_and_are_divided_among_media_that_follow_each_other(tmp_path):
    events = [[13, "", "cut", "", ""], [19, "", "cut", "", ""], [21, "", "stir", "", ""], [23, "", "stir", "", ""]]
    whole = boris_observation(events, ("a.mp4", "b.mp4"), **{"time offset": 5.0})
    path = write_json(tmp_path / "x.boris", boris_project({"both": whole}))
    found = settled(path)
    assert seconds_of(found.annotations) == [("a", 8, 10, "cut"), ("b", 0, 4, "cut"), ("b", 6, 8, "stir")]
    assert any("divided" in notice for notice in found.notices)


def test_modifiers_of_boris_pair_events_and_become_a_part_of_the_label_on_demand(tmp_path):
    events = [
        [1, "", "cut", "onion", ""],
        [2, "", "cut", "leek", ""],
        [3, "", "cut", "onion", ""],
        [4, "", "cut", "leek", ""],
    ]
    path = write_json(tmp_path / "x.boris", boris_project({"one": boris_observation(events)}))
    assert simple_rows(path) == [(1, 2, "cut"), (2, 4, "cut")]
    assert simple_rows(path, details=True) == [(1, 2, "cut: onion"), (2, 4, "cut: leek")]


def test_exports_of_boris_are_read_in_their_shapes(tmp_path):
    aggregated = "Observation id,Media file name,Subject,Behavior,Modifier #1,Behavior type,Start (s),Stop (s)\n"
    (tmp_path / "a.csv").write_text(aggregated + "one,tea.mp4,No focal subject,cut,None,STATE,1.5,2\n")
    tabular = "Observation id\tMedia file name\tSubject\tBehavior\tBehavior type\tTime\n"
    rows = "one\ttea.mp4\tNo focal subject\tcut\tSTART\t1.5\none\ttea.mp4\tNo focal subject\tcut\tSTOP\t2\n"
    (tmp_path / "b.tsv").write_text(tabular + rows)
    before = "Observation id;one;;\n;;;\nMedia file(s);;;\n"
    (tmp_path / "c.csv").write_text(
        before + "Time;Media file path;Behavior;Status\n1.5;x/tea.mp4;cut;START\n2;x/tea.mp4;cut;STOP\n"
    )
    for name in ("a.csv", "b.tsv", "c.csv"):
        assert format_of(tmp_path / name).name == "boris-export"
        assert simple_rows(tmp_path / name) == [(1.5, 2, "cut")], name
        assert read(tmp_path / name).annotations[0].video == "tea"


@pytest.mark.parametrize(("offset", "start"), [("0.0", 7), ("5", 2), ("-1.5", 8.5), ("0:00:05", 2)])
def test_times_of_exports_of_boris_lose_their_offset_too(tmp_path, offset, start):
    heads = "Observation id\tTime offset (s)\tMedia file name\tBehavior\tBehavior type\t"
    row = f"one\t{offset}\ttea.mp4\tcut\t"
    (tmp_path / "a.tsv").write_text(f"{heads}Start (s)\tStop (s)\n{row}STATE\t7\t9\n")
    (tmp_path / "b.tsv").write_text(f"{heads}Time\n{row}START\t7\n{row}STOP\t9\n")
    before = f"Observation id\tone\nTime offset (s)\t{offset}\n"
    events = "7\ttea.mp4\tcut\tSTART\n9\ttea.mp4\tcut\tSTOP\n"
    (tmp_path / "c.tsv").write_text(f"{before}Time\tMedia file path\tBehavior\tStatus\n{events}")
    for name in ("a.tsv", "b.tsv", "c.tsv"):
        assert simple_rows(tmp_path / name) == [(start, start + 2, "cut")], name


def test_a_folder_names_videos_by_files_and_tells_annotators_apart_by_files_or_folders(tmp_path):
    for annotator, end in (("anna", 2), ("ben", 3)):
        (tmp_path / annotator).mkdir()
        (tmp_path / annotator / "tea.txt").write_text(f"1.0\t{end}\tcut\n")
    assert {one.video for one in read(tmp_path).annotations} == {"anna/tea", "ben/tea"}
    found = read(tmp_path, annotator_folders=True).annotations
    assert [(one.video, one.annotator) for one in found] == [("tea", "anna"), ("tea", "ben")]
    for name in ("one", "two"):
        write_json(tmp_path / f"{name}.boris", boris_project({"x": boris_observation([[1, "", "cut", "", ""]] * 2)}))
    boris = [one for one in read(tmp_path).annotations if one.source.suffix == ".boris"]
    assert [(one.video, one.annotator) for one in boris] == [("tea", "one"), ("tea", "two")]


def _merged(rows: list[ROWS]) -> list[ROWS]:
    """With segments of one label that follow each other as one."""
    merged = list[ROWS]()
    for video, start, end, name in rows:
        if merged and merged[-1][0] == video and merged[-1][2] == start and merged[-1][3] == name:
            start = merged.pop()[1]
        merged.append((video, start, end, name))
    return merged
