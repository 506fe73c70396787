"""Annotation files that are damaged, empty or of something else: one clear line each, with the file and the way out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from protas_gtcc.annotations.files.formats import FORMATS, format_of, write_annotations
from protas_gtcc.annotations.files.timed import WriteFacts, exact_seconds
from protas_gtcc.errors import InputError
from tests.annotation_examples import WRITTEN as KINDS
from tests.annotation_examples import annotation, boris_observation, boris_project, needs, read, settled, write_json

WAY_OUT = re.compile(r"; |expected|must|need|give|name")
FORMS = {one.name: one for one in FORMATS}
VTT, RTTM = "WEBVTT\n\n{} --> {}\ncut\n", "SPEAKER tea 1 {} {} <NA> <NA> cut <NA> <NA>\n"
TEXTS = {"a.csv": "video,start,end,label\ntea,{},{},cut\n", "a.txt": "{}\t{}\tcut\n", "a.vtt": VTT, "a.rttm": RTTM}
TIMES = [("-1", "2"), ("nan", "2"), ("1", "inf"), ("1e99999999", "2"), ("1", "99999999"), ("soon", "2"), ("", "2")]


def refusal(path: Path, **options: object) -> str:
    """The one line about a file."""
    with pytest.raises(InputError) as caught:
        settled(path, **options)
    line = str(caught.value)
    assert path.name in line
    assert WAY_OUT.search(line), line
    assert "\n" not in line
    return line


@pytest.mark.parametrize("times", TIMES, ids=",".join)
@pytest.mark.parametrize("name", TEXTS)
def test_a_time_that_is_none_is_named_with_its_row(tmp_path, name, times):
    (tmp_path / name).write_text(TEXTS[name].format(*times))
    if name != "a.txt" or times[0].replace("-", "").isdecimal():  # else it is no label track, and no other format
        assert re.search(r"row \d|--duration", refusal(tmp_path / name))


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.vtt"])
def test_reversed_times_are_named(tmp_path, name):
    (tmp_path / name).write_text(TEXTS[name].format("3.5", "2.5"))
    assert "ends at 2.5 s, before its start at 3.5 s" in refusal(tmp_path / name)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), None, True, [1], "x", 10**400])
def test_a_number_that_is_no_time_is_refused_in_json(tmp_path, value):
    with pytest.raises(InputError, match=r"is no time.*(correct|expected)"):
        exact_seconds(value, "here")
    events = [[value if value is not None else "x", "", "cut", "", ""]]
    refusal(write_json(tmp_path / "a.boris", boris_project({"one": boris_observation(events)})))


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.name)
def test_a_file_cut_anywhere_is_read_or_refused_in_one_line(kind, tmp_path):
    needs(kind)
    whole = [annotation("tea", [(0, 1, "pour"), (1, 3, "stir")])]
    path = write_annotations(tmp_path, kind, whole, WriteFacts((), 25.0))[0][0]
    content = path.read_bytes()
    refused = []
    for end in range(0, len(content), max(1, len(content) // 40)):
        path.write_bytes(content[:end])
        try:
            settled(path, counted_fps=25.0)
        except InputError as error:
            refused.append(str(error))
    assert refused, "at least the empty one"
    assert [line for line in refused if path.name not in line or not WAY_OUT.search(line)] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.name)
@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x00\x01\x02" * 99, b"gr\xf6\xdfe" * 9, b"\xff\xfe1\x00"])
def test_what_is_none_of_a_formats_files_is_refused_in_one_line(kind, tmp_path, content):
    needs(kind)
    (tmp_path / f"tea{kind.endings[0]}").write_bytes(content)
    refusal(tmp_path / f"tea{kind.endings[0]}", counted_fps=25.0)


CUT = [[1, "", "cut", "", ""]]
BORIS: list[object] = [
    [],
    {},
    boris_project({}),
    boris_project({"one": 3}),
    boris_project({"one": boris_observation([[1, ""]])}),
    boris_project({"one": boris_observation([[1, "", 3, "", ""]])}),
    boris_project({"one": boris_observation(CUT, media_creation_date_as_offset=True)}),
    boris_project({"one": boris_observation(CUT) | {"time offset": 5}}),
]
NO_LABELS: dict[str, list[object]] = {"actionLabelData": []}
OTHER: list[object] = [
    {"annotation": {"video": {}, "actionAnnotationList": 3}, "config": NO_LABELS},
    {"annotation": {"video": {}, "actionAnnotationList": [{"action": 1}]}, "config": NO_LABELS},
    [{"data": {}, "annotations": []}],
    [{"data": {}, "annotations": [3]}],
    [{"data": {}, "annotations": [{"result": [{"type": "timelinelabels", "value": 3}]}]}],
    {"other": 1},
]


@pytest.mark.parametrize(
    ("name", "content"), [*(("a.boris", one) for one in BORIS), *(("a.json", one) for one in OTHER)]
)
def test_json_of_another_shape_is_refused_in_one_line(tmp_path, name, content):
    refusal(write_json(tmp_path / name, content), counted_fps=25.0)


def test_a_range_of_frames_that_is_none_is_refused(tmp_path):
    for ends in ({"start": 0, "end": 3}, {"start": 1.5, "end": 3}, {"start": "1", "end": 3}, {"end": 3}):
        value = {"ranges": [ends], "timelinelabels": ["cut"]}
        result = {"type": "timelinelabels", "value": value}
        task = {"data": {"video": "tea.mp4"}, "annotations": [{"result": [result]}]}
        assert "row 1" in refusal(write_json(tmp_path / "a.json", [task]), counted_fps=25.0)
    assert "--counted-fps" in refusal(tmp_path / "a.json")


def test_a_folder_without_annotations_says_what_is_expected(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "README.txt").write_text("Videos of June.\n\nAll of them.\n")
    with pytest.raises(InputError, match="no annotation files; expected files that end in"):
        read(tmp_path)


def test_a_text_is_a_label_track_or_labels_of_frames_or_neither(tmp_path):
    texts = {"audacity": "0.5\t1.5\tcut\n", "mstcn": "cut\ncut\nstir\n", None: "Read me.\nThese are videos.\n"}
    for name, text in texts.items():
        (tmp_path / "a.txt").write_text(text)
        kind = format_of(tmp_path / "a.txt")
        assert (kind.name if kind else None) == name


def test_a_table_with_rows_of_other_lengths_names_the_line(tmp_path):
    (tmp_path / "a.csv").write_text("video,start,end,label\ntea,1,2,cut\ntea,2\ntea,3,4,cut\n")
    assert "line 3: 2 cells where the headings have 4" in refusal(tmp_path / "a.csv")


def test_labels_with_commas_line_breaks_and_other_scripts_stay_one_label(tmp_path):
    (tmp_path / "a.csv").write_text('start,end,label\n1,2,"cut, then\npeel 切る"\n3,4,"a ""b"""\n')
    found = settled(tmp_path / "a.csv").annotations[0].segments
    assert [one.name for one in found] == ["cut, then peel 切る", 'a "b"']


EAF = """<?xml version="1.0"?>{}<ANNOTATION_DOCUMENT AUTHOR="" DATE="2020-01-01T00:00:00+00:00" FORMAT="2.8"
 VERSION="2.8" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv2.8.xsd">
<HEADER/><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="1"/><TIME_SLOT TIME_SLOT_ID="t2" TIME_VALUE="{}"/>
</TIME_ORDER><TIER TIER_ID="a" LINGUISTIC_TYPE_REF="l"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1"
 TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2"><ANNOTATION_VALUE>{}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER><LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="l"/></ANNOTATION_DOCUMENT>"""
BOMB = '<!DOCTYPE x [<!ENTITY e0 "lol">' + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))


def test_an_elan_file_neither_grows_nor_reads_other_files(tmp_path):
    needs(FORMS["elan"])
    path, secret = tmp_path / "tea.eaf", tmp_path / "secret.txt"
    secret.write_text("SECRET")
    path.write_text(EAF.format("", "2000", "cut"))
    assert [one.name for one in settled(path).annotations[0].segments] == ["cut"]
    outside = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    for begin, end, value in ((BOMB + "]>", "2000", "&e9;"), (outside, "2000", "&e;"), ("", "9" * 5000, "cut")):
        path.write_text(EAF.format(begin, end, value))
        assert "SECRET" not in refusal(path)
    path.write_text(EAF.format(outside.replace("ENTITY e ", "ENTITY % e ").replace("]>", " %e;]>"), "2000", "cut"))
    assert [one.name for one in settled(path).annotations[0].segments] == ["cut"]


def test_json_that_is_nested_deeply_or_says_a_thing_twice_is_refused(tmp_path):
    texts = {
        "a.boris": "[" * 100_000,
        "b.boris": '{"observations": {}, "observations": {}}',
        "c.json": '{"annotations": [',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text * (100_000 if name == "c.json" else 1))
        refusal(tmp_path / name)


def test_values_of_another_kind_are_refused_wherever_they_are(tmp_path):
    ranges = {"ranges": [{"start": 1, "end": 2}], "timelinelabels": ["cut"]}
    for fps in (float("inf"), float("nan"), 10**400, "fast", [25], 0, -1):
        task: dict[str, Any] = {"data": {"video": "tea.mp4", "fps": fps}}
        task |= {"annotations": [{"result": [{"type": "timelinelabels", "value": ranges}]}]}
        assert "--counted-fps" in refusal(write_json(tmp_path / "a.json", [task]))
    task["data"]["fps"] = "25"
    assert [one.end for one in settled(write_json(tmp_path / "a.json", [task])).annotations[0].segments] == [
        exact_seconds("0.08", "")
    ]
    for media in ([["tea.mp4"]], [{"a": 1}]):
        one = boris_observation(CUT) | {"file": {"1": media}}
        assert "file: expected text" in refusal(write_json(tmp_path / "a.boris", boris_project({"one": one})))


@pytest.mark.parametrize("label", ["c\x00ut", "c\ud800ut", "\x1b[31mcut"])
def test_a_label_that_is_no_text_is_refused_with_its_row(tmp_path, label):
    result = {"type": "labels", "value": {"start": 1, "end": 2, "labels": [label]}}
    task = {"data": {"video": "tea.mp4"}, "annotations": [{"result": [result]}]}
    assert "of video tea, row 1: label" in refusal(write_json(tmp_path / "a.json", [task]))


def test_marks_without_an_end_in_a_cue_take_no_time(tmp_path):
    for marks in ("<", "<v", "<v.", "<v a", "<v "):
        (tmp_path / "a.vtt").write_text(VTT.format("00:01.000", "00:02.000") + marks * 100_000 + ".\n")
        assert len(settled(tmp_path / "a.vtt").annotations[0].segments) == 1


def test_a_table_says_which_column_it_has_twice_and_what_is_not_utf_8(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("start,end,label,label\n1,2,cut,stir\n")
    assert "has the column 'label' twice; rename one" in refusal(path)
    path.write_text("start,end,label\n1,2,cut\n", encoding="utf-16")
    assert "is not UTF-8 text" in refusal(path)


def test_tables_with_semicolons_may_have_commas_in_numbers_and_whole_paths_of_videos(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "video;start;end;label\nC:\\films\\tea.mp4;1,5;2,25;cut\n/films/soup.mp4;0;1;stir\nanna/rice.mp4;0;1;stir\n"
    )
    found = {one.video: one.segments[0] for one in settled(path).annotations}
    assert {*found} == {"tea", "soup", "anna/rice"}
    assert (float(found["tea"].start), float(found["tea"].end)) == (1.5, 2.25)
    path.write_text("start_frame,end_frame,label\n25.0,50.0,cut\n")
    assert [float(one.end) for one in settled(path, counted_fps=25.0).annotations[0].segments] == [2]


def test_files_of_a_folder_that_no_form_knows_are_named(tmp_path):
    (tmp_path / "a.txt").write_text("1\t2\tcut\n")
    (tmp_path / "b.txt").write_text("stir\n")
    (tmp_path / "c.json").write_text('{"annotation": {"vi')
    (tmp_path / ".d.txt").write_text("hidden")
    assert read(tmp_path).notices == ["in no known form of annotations, not read: b.txt, c.json"]


def test_two_files_of_a_video_in_two_forms_are_two_annotators(tmp_path):
    (tmp_path / "tea.txt").write_text("1\t2\tcut\n")
    (tmp_path / "tea.vtt").write_text(VTT.format("00:01.000", "00:02.000"))
    assert {one.annotator for one in read(tmp_path).annotations} == {"tea.txt", "tea.vtt"}
