"""What is written is what the tools open: their own rules on loading a file, and forms one after the other."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import permutations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.annotations.files.formats import FORMATS, write_annotations
from protas_gtcc.annotations.files.timed import Annotation, WriteFacts
from protas_gtcc.errors import InputError
from tests.annotation_examples import WRITTEN, annotation, needs, read, round_trip, rows_of, settled, write_json

NAMED = {one.name: one for one in FORMATS}
IN_MILLISECONDS = [one for one in WRITTEN if one.name not in ("mstcn", "label-studio")]
FACTS = WriteFacts(("pour", "stir"), 25.0)
TEA = annotation("tea", [(0, 1, "pour"), ("1.5", 2, 'cut "it"')], seconds=Fraction(9))


def written(name: str, folder: Path, annotations: list[Annotation], facts: WriteFacts = FACTS) -> Path:
    """The only file, or the first one."""
    return write_annotations(folder, NAMED[name], annotations, facts)[0][0]


def test_vidat_opens_a_file_whose_first_labels_are_default_and_whose_ids_differ(tmp_path):
    """As `store/validation.js` and `store/annotation.js` of Vidat 2.1.0 have it."""
    content = json.loads(written("vidat", tmp_path, [TEA]).read_text())
    config = content["config"]
    for labels in (config["objectLabelData"], config["actionLabelData"]):
        assert labels[0]["name"] == "default"
        assert len({one["id"] for one in labels}) == len(labels)
    objects = {one["id"] for one in config["objectLabelData"]}
    assert all({*one["objects"]} & objects for one in config["actionLabelData"])
    names = [one["name"] for one in config["actionLabelData"]]
    assert names == ["default", "pour", "stir", 'cut "it"']
    assert [names[one["action"]] for one in content["annotation"]["actionAnnotationList"]] == ["pour", 'cut "it"']
    video = content["annotation"]["video"]
    assert {video[key] for key in ("duration", "frames", "height", "width")} == {None}, "taken from the opened video"
    assert len(content["annotation"]["keyframeList"]) > 0


def test_label_studio_finds_each_control_and_label_in_the_interface_and_no_unknown_user(tmp_path):
    """As its import refuses them: `label_studio_sdk.label_interface` and the serializer of imported tasks."""
    both = [annotation("tea", [(0, 1, "cut")], tier="left hand", annotator="anna"), annotation("soup", [(1, 2, "a<b")])]
    for predicted in (False, True):
        path = written("label-studio", tmp_path, both, WriteFacts(("stir",), 25.0, predicted))
        interface = ElementTree.parse(path.with_suffix(".labels.xml"))
        offered = {
            one.get("name"): {label.get("value") for label in one.iter("Label")}
            for one in interface.iter("TimelineLabels")
        }
        assert offered.keys() == {"left hand", "actions"}
        for task in json.loads(path.read_text()):
            (answer,) = task["predictions" if predicted else "annotations"]
            assert "completed_by" not in answer
            for result in answer["result"]:
                assert {*result["value"]["timelinelabels"]} <= offered[result["from_name"]]
        assert {one.annotator for one in read(path).annotations} == {"anna", "protas_gtcc" if predicted else ""}


def test_boris_finds_each_state_started_and_stopped_and_each_name_in_the_project(tmp_path):
    left, right = (annotation("tea", [(0, 1, "cut"), (1, 2, "cut")], tier=tier) for tier in ("left", "right"))
    project = json.loads(written("boris", tmp_path, [left, right]).read_text())
    (observation,) = project["observations"].values()
    codes = {one["code"] for one in project["behaviors_conf"].values()}
    subjects = {one["name"] for one in project["subjects_conf"].values()}
    events = observation["events"]
    assert {event[2] for event in events} <= codes
    assert {event[1] for event in events} == subjects == {"left", "right"}
    assert all(sum(event[1:3] == [subject, "cut"] for event in events) % 2 == 0 for subject in subjects)
    assert observation["media_info"]["length"].keys() == {*observation["file"]["1"]}


def test_elan_finds_each_label_in_the_vocabulary_of_its_tier(tmp_path):
    pympi = pytest.importorskip("pympi", reason="the extra [elan] is not installed")
    document = pympi.Eaf(str(written("elan", tmp_path, [TEA])))
    (tier,) = document.get_tier_names()
    kind = document.linguistic_types[document.get_parameters_for_tier(tier)["LINGUISTIC_TYPE_REF"]]
    entries = document.get_cv_entries(kind["CONTROLLED_VOCABULARY_REF"]).values()
    offered = {value for values, _ in entries for value, *_ in values}
    assert offered == {"pour", "stir", 'cut "it"'}
    assert {name for _, _, name in document.get_annotation_data_for_tier(tier)} <= offered


@st.composite
def milliseconds(draw: st.DrawFn) -> list[tuple[Fraction, Fraction, str]]:
    """Segments that do not overlap, with names that forms must escape."""
    times = sorted(draw(st.sets(st.integers(0, 10_000_000), min_size=2, max_size=10)))
    names = st.sampled_from(["a", "b, c", "%20", "<NA>", "d\u3000e", "-->", "'=1", "切る", 'x"y', "\\z"])
    pairs = zip(times[::2], times[1::2], strict=False)
    return [(Fraction(start, 1000), Fraction(end, 1000), draw(names)) for start, end in pairs]


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(rows=milliseconds(), video=st.sampled_from(["tea", "a/b c", "50% % 切", "x\u3000y", "v.1"]))
def test_from_one_form_to_another_and_back_every_time_stays(rows, video, tmp_path_factory):
    wanted = [annotation(video, [(start, end, " ".join(name.split())) for start, end, name in rows])]
    for one, other in permutations(IN_MILLISECONDS, 2):
        needs(one)
        needs(other)
        folder = tmp_path_factory.mktemp("ways")
        round_trip(one, wanted, folder / "one")
        there = settled(folder / "one").annotations
        write_annotations(folder / "other", other, there, FACTS)
        write_annotations(folder / "back", one, settled(folder / "other").annotations, FACTS)
        assert rows_of(settled(folder / "back").annotations) == rows_of(wanted), f"{one.name}, {other.name}"


VIDAT: dict[str, Any] = {
    "annotation": {"video": {"src": "tea.mp4"}, "actionAnnotationList": [{"start": 1, "end": 2, "action": 1}]},
    "config": {"actionLabelData": [{"id": 0, "name": "default"}, {"id": 1, "name": "cut"}]},
}


def test_ids_that_are_none_or_come_twice_are_named(tmp_path):
    path = tmp_path / "a.json"
    for change, line in (
        ({"actionLabelData": [{"id": 1, "name": "cut"}, {"id": 1, "name": "stir"}]}, "id 1 comes twice; give each"),
        ({"actionLabelData": [{"id": [1], "name": "cut"}]}, r"id: \[1\] is no whole number; expected one from 0"),
    ):
        write_json(path, VIDAT | {"config": change})
        with pytest.raises(InputError, match=line):
            read(path)
