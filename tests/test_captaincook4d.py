"""CaptainCook4D's published layout: what its files say is what the layout gives, and each fault is one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.annotations.mistakes import NOT_DONE, Mistake, Step, Track, TrackCounts
from protas_gtcc.checks.path import check_path
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.captaincook4d import open_captaincook4d
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.layouts.step_names import short_name, step_names
from protas_gtcc.prepare.writing import prepare
from tests.mstcn_folder import exit_code

STEPS = "annotation_json/complete_step_annotations.json"
DURATIONS = "metadata/video_information.csv"
LISTS = "data_splits/person_data_split_combined.json"
FEATURES = ("1_1", "1_2", "1_13")
SECONDS = {"1_1": 20.9, "1_2": 12.0, "1_13": 15.3, "2_1": 30.0}

ERRORS = "annotation_json/error_annotations.json"
Annotated = tuple[int, str, float, float]
TEA: dict[str, list[Annotated]] = {
    "1_1": [(2, "Boil-Boil water", 1, 6.5), (1, "add-1/2 cup of tea to the pot", 5, 8.2), (3, "Wait-Wait", -1, -1)],
    "1_2": [(1, "add-1/2 cup of tea to the pot", 3.6, 4.5), (2, "Boil-Boil water", 4, 12)],
    "1_13": [(2, "Boil-Boil all water", 0, 2), (3, "Wait-Wait", 2, 2.4), (1, "add-1/2 cup of tea to the pot", 9, 11)],
}
CLASSES = ["background", "Add 1/2 cup of tea to the pot", "Tea: Boil water", "Wait"]


def _recording(recipe: str, person: int, steps: list[Annotated]) -> dict[str, Any]:
    keys = ("step_id", "description", "start_time", "end_time")
    done = [dict(zip(keys, step, strict=True)) for step in steps]
    return {"activity_name": recipe, "person_id": person, "environment": person - 5, "steps": done}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four recordings of two recipes by three people; that of soup has no features."""
    path = tmp_path / "cooking"
    for name in ("annotation_json", "metadata", "data_splits", "features"):
        (path / name).mkdir(parents=True)
    content = {name: _recording("Tea", 7 + (name == "1_2"), steps) for name, steps in TEA.items()}
    content["2_1"] = _recording("Soup", 9, [(1, "Stir-Stir", 1, 5), (2, "boil-boil water", 5, 9)])
    (path / STEPS).write_text(json.dumps(content))
    rows = [f"{name},1,{seconds}" for name, seconds in SECONDS.items()]
    (path / DURATIONS).write_text("\n".join(["recording_id,person_id,duration(sec)", *rows]))
    _write_lists(path, "person_data_split_combined", ["1_1", "1_13"], ["2_1"], ["1_2"])
    _write_lists(path, "person_data_split_normal", ["1_1"], ["1_13"], ["1_2"])
    _write_lists(path, "recipes_data_split_combined", ["1_1", "1_2", "1_13"], [], ["2_1"])
    rng = np.random.default_rng(0)
    for name in FEATURES:
        values = rng.standard_normal((int(SECONDS[name]), 64)).astype(np.float16)
        np.savez(path / "features" / f"{name}_360p_224.mp4_1s_1s.npz", features=values)
    return path


def _write_lists(path: Path, name: str, train: list[str], val: list[str], test: list[str]) -> None:
    (path / "data_splits" / f"{name}.json").write_text(json.dumps({"train": train, "val": val, "test": test}))


def _slow_labels(recipe: dict[int, int], steps: list[Annotated], num_frames: int, fps: float) -> list[int]:
    """The definition, frame by frame: of the steps that a frame's middle lies in, the one that began last."""
    labels = []
    for frame in range(num_frames):
        time = (frame + 0.5) / fps
        going_on = [(start, place) for place, (_, _, start, end) in enumerate(steps) if 0 <= start <= time < end]
        labels.append(recipe[steps[max(going_on)[1]][0]] if going_on else 0)
    return labels


# What is in the files


def test_classes_are_the_steps_of_the_recipes_that_have_features(folder):
    layout = open_layout(folder)
    assert layout.class_names == CLASSES
    assert layout.background == [0]
    assert layout.video_names == list(FEATURES), "1_1 is no beginning of 1_13"
    assert {layout.task(video) for video in FEATURES} == {"Tea"}
    assert [layout.subject(video) for video in FEATURES] == ["7", "8", "7"]


@pytest.mark.parametrize("fps", [1.0, 2.0, 29.97])
def test_a_frame_has_the_label_of_the_step_that_its_middle_lies_in(folder, fps):
    layout = open_layout(folder)
    layout.sample_labels(fps)
    for video, steps in TEA.items():
        expected = _slow_labels({1: 1, 2: 2, 3: 3}, steps, int(SECONDS[video] * fps), fps)
        assert layout.labels(video).tolist() == expected


def test_a_rate_of_labels_that_the_user_states_stays(folder):
    layout = open_layout(folder, LayoutOptions(annotation_fps=4.0))
    layout.sample_labels(1.0)
    assert len(layout.labels("1_2")) == 48
    with pytest.raises(InputError, match="must be positive"):
        open_layout(folder, LayoutOptions(annotation_fps=0.0))


def test_of_steps_that_began_together_the_last_one_listed_is_the_label(folder):
    content = json.loads((folder / STEPS).read_text())
    content["1_2"] = _recording("Tea", 8, [(2, "Boil-Boil water", 3, 9), (1, "add-1/2 cup of tea", 3, 9)])
    (folder / STEPS).write_text(json.dumps(content))
    assert open_layout(folder).labels("1_2").tolist() == [0] * 3 + [1] * 6 + [0] * 3


def test_what_is_left_out_is_counted(folder):
    layout = open_layout(folder)
    assert layout.notices == [
        "1 of 4 recordings have no features, left out of videos and splits",
        "split recipes left out: no training or no test videos",
        "no annotation_json/error_annotations.json: no mistakes are known",
    ]


def test_each_kind_of_lists_is_a_split(folder):
    assert open_layout(folder).splits == {
        "person": {"train": ["1_1", "1_13"], "test": ["1_2"]},
        "person-normal": {"train": ["1_1"], "validation": ["1_13"], "test": ["1_2"]},
    }


def test_without_lists_a_split_is_drawn_by_person(folder):
    for file in (folder / "data_splits").iterdir():
        file.unlink()
    split = open_layout(folder, LayoutOptions(test_share=0.4)).splits["1"]
    assert {frozenset(names) for names in split.values()} == {frozenset({"1_1", "1_13"}), frozenset({"1_2"})}


def test_names_are_short_and_say_what_is_done():
    assert short_name("stir-stir the ramekin cup") == "Stir the ramekin cup"
    assert short_name("Add-1/2 tsp salt") == "Add 1/2 tsp salt"
    assert short_name("Coat a 6-oz. cup (greased). Wait") == "Coat a 6-oz. cup"
    assert short_name("Scoop-While it cools, rest. Scoop 4 spoonfuls. Stop.") == "Scoop 4 spoonfuls"
    assert short_name("Roll-Roll the tortilla from one end to the other into a log shape, tightly").endswith("log ...")


def test_names_are_unique_and_one_step_keeps_its_commonest_name():
    salt, pepper, other = ("Soup", 3), ("Soup", 4), ("Tea", 3)
    described = [(salt, "Add-Add it"), (pepper, "Add-Add it"), (other, "Add-Add it"), (("Tea", 9), "background")]
    assert step_names(described, ["background"]) == {
        salt: "Soup: Add it (step 3)",
        pepper: "Soup: Add it (step 4)",
        other: "Tea: Add it",
        ("Tea", 9): "Background",
    }
    assert step_names([(salt, "Mix"), (salt, "Stir"), (salt, "Stir")], []) == {salt: "Stir"}


# Steps and mistakes


def _write_errors(folder: Path, errors: dict[tuple[str, int], list[tuple[str, str]]]) -> None:
    """As published: every recording with all of its steps, and the errors of some, by recording and place."""
    content = json.loads((folder / STEPS).read_text())
    entries = []
    for name, recording in content.items():
        steps = [dict(step) for step in recording["steps"]]
        for (of, place), found in errors.items():
            if of == name:
                steps[place]["errors"] = [{"tag": tag, "description": text} for tag, text in found]
        entries.append({"recording_id": name, "is_error": True, "step_annotations": steps})
    (folder / ERRORS).write_text(json.dumps(entries))


TEA_ERRORS = {
    ("1_1", 1): [("Order Error", "cup first"), ("Timing Error", "too\nlate")],
    ("1_1", 2): [("Missing Step", "did not wait")],
    ("2_1", 0): [("Other", "sang")],
}


def test_all_steps_are_kept_though_they_overlap_and_missing_steps_and_mistakes_too(folder):
    _write_errors(folder, TEA_ERRORS)
    layout = open_layout(folder)
    assert layout.track("1_1") == Track(
        steps=(Step(2, 1, 6), Step(1, 5, 8)),
        missing=(3,),
        mistakes=(
            Mistake(1, 5, 8, "Order Error", "cup first"),
            Mistake(1, 5, 8, "Timing Error", "too late"),
            Mistake(3, NOT_DONE, NOT_DONE, "Missing Step", "did not wait"),
        ),
    )
    assert layout.track("1_2").steps == (Step(1, 4, 5), Step(2, 4, 12)), "a step without a frame gets the next one"
    assert [layout.environment(video) for video in FEATURES] == ["2", "3", "2"]


def test_the_track_is_at_the_rate_of_the_labels(folder):
    layout = open_layout(folder)
    layout.sample_labels(10.0)
    assert layout.track("1_1").steps == (Step(2, 10, 65), Step(1, 50, 82))


def test_labels_alone_are_a_dataset_of_all_recordings(folder, tmp_path, capsys):
    _write_errors(folder, TEA_ERRORS)
    out = tmp_path / "all.h5"
    assert exit_code("prepare", folder, "--out", out, "--fps", 1, "--no-features") == 0
    printed = capsys.readouterr().out
    assert "  2 tasks: Soup 1, Tea 3\n  3 people, 3 environments\n  9 steps annotated, 1 missing step\n" in printed
    assert "  4 mistakes: Missing Step 1, Order Error 1, Other 1, Timing Error 1" in printed
    dataset = Dataset(out)
    assert dataset.video_names == list(SECONDS)
    assert dataset.feature_sets == {}
    assert dataset.track("1_1").missing == (dataset.info.class_names.index("Wait"),)
    assert exit_code("run", "--dataset", out, "--split", "person", "--out", tmp_path / "run") == 1
    assert "all.h5 has labels alone, no features to learn from; prepare it again" in capsys.readouterr().err


def test_check_counts_the_same_of_the_folder_and_of_the_file(folder, tmp_path):
    _write_errors(folder, TEA_ERRORS)
    prepare(open_layout(folder), tmp_path / "out.h5", 1.0, LayoutOptions())
    for source in (folder, tmp_path / "out.h5"):
        notes = [finding.what for finding in check_path(source, fps=1.0)]
        assert "7 steps annotated, 1 missing step" in notes
        assert "2 of 47 frames are in several steps: the one that began last is the label" in notes
        assert "2 steps of which no frame has the label: too short, or hidden by steps that began later" in notes
        assert "3 mistakes: Missing Step 1, Order Error 1, Timing Error 1" in notes


def _change_error(place: int, **changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        content = json.loads((folder / ERRORS).read_text())
        content[0]["step_annotations"][place].update(changes)
        (folder / ERRORS).write_text(json.dumps(content))

    return change


def _without_a_recording(folder: Path) -> None:
    (folder / ERRORS).write_text(json.dumps(json.loads((folder / ERRORS).read_text())[1:]))


def _without_a_step(folder: Path) -> None:
    content = json.loads((folder / ERRORS).read_text())
    content[0]["step_annotations"].pop()
    (folder / ERRORS).write_text(json.dumps(content))


BAD_ERRORS = {
    "no list": (lambda folder: (folder / ERRORS).write_text('{"a": 1}'), "expected a list of recordings with"),
    "recording": (_without_a_recording, "recording 1_1: it is not there; add it, or move the file away"),
    "step lost": (_without_a_step, f"recording 1_1: 2 steps, but {STEPS} has 3; correct one of them"),
    "other step": (
        _change_error(1, step_id=7),
        f"recording 1_1, step 2: step_id 7 from 5 to 8.2 s, but {STEPS} has step_id 1 from 5 to 8.2 s",
    ),
    "other time": (_change_error(0, end_time=9), "step 1: step_id 2 from 1 to 9 s, but"),
    "no tag": (_change_error(0, errors=[{"tag": " ", "description": ""}]), "step 1: an error has no tag; write"),
    "no text": (_change_error(0, errors=[{"tag": 3}]), "step 1: expected step_id, start_time, end_time, and errors"),
    "control": (_change_error(0, errors=[{"tag": "a", "description": "\0"}]), "has a character that is no text"),
}


@pytest.mark.parametrize("what", BAD_ERRORS)
def test_errors_of_other_steps_are_refused_in_one_line_with_their_place(folder, what):
    _write_errors(folder, TEA_ERRORS)
    break_it, message = BAD_ERRORS[what]
    break_it(folder)
    with pytest.raises(InputError) as error:
        open_layout(folder)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_errors_of_recordings_that_are_not_annotated_are_not_read(folder):
    _write_errors(folder, TEA_ERRORS)
    content = json.loads((folder / ERRORS).read_text())
    (folder / ERRORS).write_text(json.dumps([*content, {"recording_id": "9_9", "step_annotations": [{}]}]))
    assert len(open_layout(folder).track("1_1").mistakes) == 3


# The verbs


def test_prepare_writes_labels_features_people_tasks_and_splits(folder, tmp_path):
    summary = prepare(open_layout(folder), tmp_path / "out.h5", 1.0, LayoutOptions())
    dataset = Dataset(tmp_path / "out.h5")
    assert (summary.num_videos, summary.num_frames, summary.trimmed_frames) == (3, 47, 0)
    assert dataset.info.class_names == CLASSES
    assert summary.splits["person"] == {"train": 2, "test": 1}
    for video, steps in TEA.items():
        num_frames = int(SECONDS[video])
        assert dataset.labels(video).tolist() == _slow_labels({1: 1, 2: 2, 3: 3}, steps, num_frames, 1.0)
        stored = np.load(folder / "features" / f"{video}_360p_224.mp4_1s_1s.npz")["features"]
        np.testing.assert_array_equal(dataset.features(video, "features"), stored)
        assert dataset.attribute(video, "task") == "Tea"
        assert dataset.attribute(video, "subject") == ("8" if video == "1_2" else "7")
    assert exit_code("labels", folder, "--into", tmp_path / "out.h5") == 0
    assert exit_code("check", tmp_path / "out.h5") == 0


def test_check_finds_features_at_another_rate_and_nothing_at_the_right_one(folder, capsys):
    assert [finding for finding in check_path(folder, fps=1.0) if finding.level == "error"] == []
    assert exit_code("check", folder, "--fps", 2) == 1
    assert "no array that can be read has an axis as long" in " ".join(capsys.readouterr().out.split())
    assert exit_code("prepare", folder, "--out", folder / "out.h5", "--fps", 2) == 1
    assert "is [20, 64], but its labels make 41 frames" in capsys.readouterr().err


def test_labels_need_no_features_and_then_have_all_recordings(folder, tmp_path):
    for file in (folder / "features").iterdir():
        file.unlink()
    (folder / "features").rmdir()
    assert exit_code("labels", folder, "--out", tmp_path / "out", "--fps", 2) == 0
    assert {file.stem for file in (tmp_path / "out" / "segments").iterdir()} == set(SECONDS)
    progress = np.load(tmp_path / "out" / "progress" / "1_2.npy")
    assert progress.shape == (1 + 2 + 3, 24)


# Faults


def _change(recording: str, **changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        content = json.loads((folder / STEPS).read_text())
        content[recording].update(changes)
        (folder / STEPS).write_text(json.dumps(content))

    return change


def _write(file: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_text(text)


def _steps(*step: object) -> Callable[[Path], object]:
    return _change("1_1", **_recording("Tea", 7, [step]))  # type: ignore[list-item]


BAD = {
    "json": (_write(STEPS, "{"), f"{STEPS} is not JSON"),
    "empty": (_write(STEPS, "[]"), "has no recordings; write an object"),
    "keys": (_change("1_1", steps=3), "recording 1_1: expected activity_name, person_id and a list of steps"),
    "step": (_change("1_1", steps=[{"step_id": 3}]), "recording 1_1, step 1: expected step_id, description, and"),
    "times": (_steps(1, "a", 9, 9), "recording 1_1, step 1: expected a start from 0 s on and a later end"),
    "nan": (_steps(1, "a", 1, float("nan")), "a later end, or -1 for a step that was not done, came 1 to nan s"),
    "no text": (_steps(1, " ", 1, 2), "recording 1_1, step 1: the description is empty"),
    "too late": (_steps(1, "a", 9, 22), "step 1 ends at 22 s, but the recording lasts 20.9 s"),
    "no durations": (lambda folder: (folder / DURATIONS).unlink(), f"cannot read folder/{DURATIONS}: No such file"),
    "no duration": (_write(DURATIONS, "recording_id,duration(sec)\n1_1,20.9"), "has no duration of recording 1_2"),
    "one -1": (_steps(1, "a", -1, 9), "recording 1_1, step 1: expected a start from 0 s on and a later end, or -1"),
    "infinite": (_steps(float("inf"), "a", 1, 9), "step 1: expected step_id, description, and start_time"),
    "nobody": (_change("1_1", person_id=None), "expected activity_name, person_id and a list of steps (TypeError"),
    "control": (_change("1_1", person_id="a\0"), "has a character that is no text"),
    "surrogate": (_steps(1, "a\ud800", 1, 9), "has a character that is no text"),
    "deep": (_write(STEPS, "[" * 100_000), f"{STEPS} is not JSON that can be read"),
    "key twice": (_write(STEPS, '{"1_1": 1, "1_1": 2}'), "'1_1' comes twice in one object"),
    "row twice": (
        _write(DURATIONS, "recording_id,duration(sec)\n1_1,9\n1_1,8"),
        "recording 1_1 comes a second time",
    ),
    "long field": (
        _write(DURATIONS, f"recording_id,duration(sec)\n{'x' * 200_000},1"),
        "field larger than field limit",
    ),
    "years": (_write(DURATIONS, "recording_id,duration(sec)\n1_1,1e15"), "a recording cannot last 1e+15 s"),
    "columns": (
        _write(DURATIONS, "recording_id\n1_1"),
        f"{DURATIONS} has no column duration(sec)",
    ),
    "heading twice": (
        _write(DURATIONS, "recording_id,duration(sec),Duration(sec)\n1_1,20.9,9"),
        "has the columns duration(sec) twice; keep one",
    ),
    "short row": (_write(DURATIONS, "recording_id,duration(sec)\n1_1"), "line 2: 1 cell where the first row has 2"),
    "no number": (_write(DURATIONS, "recording_id,duration(sec)\n1_1,long"), "line 2: expected seconds, came 'long'"),
    "length": (_write(DURATIONS, "recording_id,duration(sec)\n1_1,-3"), "line 2: a recording cannot last -3 s"),
    "list": (_write(LISTS, '{"train": ["9_9"]}'), "train names recording 9_9, which has no annotations"),
    "parts": (_write(LISTS, '{"training": []}'), "expected lists of recordings as train, val and test"),
    "list name": (_write("data_splits/mine.json", "{}"), "mine.json: expected the name KIND_data_split_combined.json"),
    "twice": (_write("features/1_2.npy", ""), "1_2.npy and 1_2_360p_224.mp4_1s_1s.npz are features of recording 1_2"),
    "features": (
        lambda folder: [file.rename(file.with_stem(f"x{file.stem}")) for file in (folder / "features").iterdir()],
        "no recording has features in folder/features; name the files <recording>.npz",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_fault_is_one_line_with_its_place(folder, what):
    break_it, message = BAD[what]
    break_it(folder)
    with pytest.raises(InputError) as error:
        open_layout(folder)
    assert message.replace("folder/", f"{folder}/") in str(error.value)
    assert "\n" not in str(error.value)


# Real recordings


@pytest.fixture(scope="module")
def published(shared_folder: Path) -> Path:
    folder = shared_folder / "data" / "captaincook4d"
    if not folder.is_dir():
        pytest.skip("CaptainCook4D is not in ../shared")
    return folder


def test_the_published_folder_is_read_whole(published):
    source = published
    layout = open_captaincook4d(source, LayoutOptions())
    layout.sample_labels(1.0)
    assert len(layout.video_names) == 84
    assert len({layout.task(video) for video in layout.video_names}) == 6
    assert len({layout.subject(video) for video in layout.video_names}) == 8
    assert len(set(layout.class_names)) == 1 + 84
    sizes = {split: [len(names) for names in parts.values()] for split, parts in layout.splits.items()}
    assert (sizes["recordings"], sizes["person"], sizes["environment"]) == ([48, 11, 25], [47, 15, 22], [50, 22, 12])
    assert "203 of 287 recordings have no features" in layout.notices[0]
    content = json.loads((source / STEPS).read_text())
    for video in ("1_136", "13_41", "10_16"):
        keys = ("step_id", "description", "start_time", "end_time")
        steps = [tuple(step[key] for key in keys) for step in content[video]["steps"]]
        ids = {step_id: label for (recipe, step_id), label in layout.class_ids.items() if recipe == layout.task(video)}
        (file,) = (source / "features").glob(f"{video}_360p*")
        assert layout.labels(video).tolist() == _slow_labels(ids, steps, len(np.load(file)["features"]), 1.0)


def test_the_published_errors_are_those_of_the_published_steps(published):
    layout = open_captaincook4d(published, LayoutOptions(no_features=True))
    layout.sample_labels(1.0)
    assert len(layout.video_names) == 287
    assert len({layout.task(video) for video in layout.video_names}) == 18
    counts = TrackCounts()
    for video in layout.video_names:
        track = layout.track(video)
        track.require(len(layout.class_names), len(layout.labels(video)))
        counts.add(track, layout.labels(video))
    steps = [step for recording in layout.recordings.values() for step in recording.steps]
    assert counts.steps == sum(step.done for step in steps)
    assert counts.missing_steps == sum(not step.done for step in steps)
    assert sum(counts.mistakes.values()) == sum(len(step.errors) for step in steps) > 0
    assert "Order Error" in counts.mistakes
