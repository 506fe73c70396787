"""Annotation files that are damaged, empty or of something else: one clear line each, with the file and the way out."""

from __future__ import annotations

import re
from pathlib import Path

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
    ((path, _),) = write_annotations(tmp_path, kind, whole, WriteFacts((), 25.0))
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
