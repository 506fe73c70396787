"""The second track: steps as annotated, missing steps and mistakes, in dataset files and in all that rewrites them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from protas_gtcc.annotations.mistakes import NOT_DONE, Mistake, Step, Track, TrackCounts, track_as_json, track_of_json
from protas_gtcc.annotations.resampling import resample_indices
from protas_gtcc.dataset.description import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.feature_sets import add_feature_set
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.prepare.labels import write_labels_into
from protas_gtcc.prepare.writing import prepare
from tests.checked_data import changed_by_hand
from tests.mstcn_folder import exit_code, write_mstcn

LABELS = np.array([0, 1, 1, 2, 2, 2, 0, 0])
TRACK = Track(
    steps=(Step(1, 1, 5), Step(2, 3, 6)),
    missing=(2, 2),
    mistakes=(Mistake(1, 1, 5, "Order Error", "schön, 1 °C"), Mistake(2, NOT_DONE, NOT_DONE, "Missing Step")),
)
INFO = DatasetInfo("kitchen", ["rest", "cut", "stir"], [0], 2.0, {"1": {"train": ["a", "b"], "test": ["c"]}})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three videos: one with a track, one with an empty one, one without; the kitchen of the first is known."""
    path = tmp_path / "kitchen.h5"
    with write_dataset(path, INFO, {"features": FeatureSet(1)}) as writer:
        features = {"features": np.arange(8, dtype=np.float32)[:, None]}
        writer.add(Video("a", LABELS, features, "tea", "ann", environment="north", track=TRACK))
        writer.add(Video("b", LABELS, features, "tea", "ben", track=Track(())))
        writer.add(Video("c", LABELS, features, "tea", "cem"))
    return path


def test_a_file_gives_back_tracks_and_environments(file):
    dataset = Dataset(file)
    assert [dataset.track(video) for video in "abc"] == [TRACK, Track(()), None]
    assert [dataset.attribute(video, "environment") for video in "abc"] == ["north", "", ""]
    assert [dataset.attribute(video, "subject") for video in "abc"] == ["ann", "ben", "cem"]


def test_without_tracks_a_file_has_no_array_of_them(tmp_path):
    with write_dataset(tmp_path / "d.h5", INFO, {}) as writer:
        for video in "abc":
            writer.add(Video(video, LABELS, {}))
    with h5py.File(tmp_path / "d.h5") as stored:
        assert not {"tracks", "num_track_bytes"} & {*stored}
        assert "environment" not in stored["videos/a"].attrs
    assert Dataset(tmp_path / "d.h5").track("a") is None


BAD_TRACKS = {
    "label": (Track((Step(3, 0, 1),)), "class id 3 of a step is not one of 3 classes"),
    "missing": (Track((), (-1,)), "class id -1 of a step is not one of 3 classes"),
    "end": (Track((Step(1, 0, 9),)), "a step from frame 0 to 9 is not within 8 frames"),
    "empty": (Track((Step(1, 4, 4),)), "a step from frame 4 to 4 is not within 8 frames"),
    "half done": (Track((), (), (Mistake(1, NOT_DONE, 3, "Other"),)), "a mistake from frame -1 to 3 is not within 8"),
    "tag": (Track((), (), (Mistake(1, 0, 3, ""),)), "tag and description of a mistake are not each a line of text"),
    "lines": (
        Track((), (), (Mistake(1, 0, 3, "Other", "a\nb"),)),
        "tag and description of a mistake are not each a line",
    ),
}


@pytest.mark.parametrize("what", BAD_TRACKS)
def test_a_track_that_does_not_fit_its_video_is_not_written(tmp_path, what):
    track, message = BAD_TRACKS[what]
    with pytest.raises(InputError) as error, write_dataset(tmp_path / "d.h5", INFO, {}) as writer:
        writer.add(Video("a", LABELS, {}, track=track))
    assert f"video a: {message}" in str(error.value)
    assert str(error.value).endswith("; correct the annotated steps")


def _store(text: bytes) -> Callable[[Any], None]:
    """Put this text in place of the track of video a."""

    def change(file: Any) -> None:
        lengths, old = file["num_track_bytes"][:], file["tracks"][:]
        del file["tracks"], file["num_track_bytes"]
        file["tracks"] = np.concatenate([np.frombuffer(text, np.uint8), old[lengths[0] :]])
        file["num_track_bytes"] = [len(text), *lengths[1:]]

    return change


def _as_floats(file: Any) -> None:
    values = file["tracks"][:].astype(float)
    del file["tracks"]
    file["tracks"] = values


DAMAGE = {
    "no JSON": (_store(b"{"), "its track is not JSON that can be read"),
    "no text": (_store(b"\xff"), "its track is not JSON that can be read"),
    "deep": (_store(b"[" * 200_000), "its track is not JSON that can be read"),
    "a list": (_store(b"[]"), "its track is no object of steps, missing steps and mistakes"),
    "keys": (_store(b'{"steps":[]}'), "its track is no object of steps, missing steps and mistakes"),
    "no lists": (_store(b'{"steps":3,"missing":[],"mistakes":[]}'), "its track is no object of three lists"),
    "row": (_store(b'{"steps":[[1,2]],"missing":[],"mistakes":[]}'), "an entry that is not of 3 values: [1, 2]"),
    "truth": (_store(b'{"steps":[],"missing":[true],"mistakes":[]}'), "an entry that is not of 1 values: [True]"),
    "class": (_store(b'{"steps":[],"missing":[9],"mistakes":[]}'), "class id 9 of a step is not one of 3 classes"),
    "frames": (_store(b'{"steps":[[1,2,99]],"missing":[],"mistakes":[]}'), "from frame 2 to 99 is not within 8"),
    "floats": (_as_floats, "its track is not of bytes"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_track_is_one_line_on_reading_it_and_the_rest_is_read(file, what):
    damage, message = DAMAGE[what]
    with changed_by_hand(file) as stored:
        damage(stored)
    dataset = Dataset(file)
    with pytest.raises(InputError) as error:
        dataset.track("a")
    assert f"{file} is damaged: video a: " in str(error.value)
    assert message in str(error.value)
    assert str(error.value).endswith("; prepare it again")
    assert dataset.labels("a").tolist() == LABELS.tolist()


def test_a_changed_byte_is_found_and_lengths_that_do_not_add_up(file, tmp_path):
    with h5py.File(file, "r+") as stored:
        stored["tracks"][10] ^= 1
    with pytest.raises(InputError, match="video a: tracks differ from what was written"):
        Dataset(file).track("a")
    with h5py.File(file, "r+") as stored:
        stored["num_track_bytes"][0] += 1
    with pytest.raises(InputError, match=r"tracks should be \["):
        Dataset(file)


def test_held_out_files_and_files_with_another_feature_set_keep_tracks_and_environments(file, tmp_path):
    features = {video: np.zeros((8, 2), np.float32) for video in "abc"}
    add_feature_set(file, "more", FeatureSet(2), features)
    assert Dataset(file).track("a") == TRACK
    words = ["--split", "1", "--folds", 2, "--feature-set", "features", "--out", tmp_path / "held.h5"]
    assert exit_code("hold-out", file, *words) == 0
    held = Dataset(tmp_path / "held.h5")
    assert held.track("a") == TRACK
    assert held.attribute("a", "environment") == "north"


def test_people_are_held_out_in_a_file_of_labels_alone(tmp_path):
    with write_dataset(tmp_path / "d.h5", INFO, {}) as writer:
        for video in "abc":
            writer.add(Video(video, LABELS, {}, "tea", f"person {video}", track=TRACK))
    words = ["--split", "1", "--folds", 2, "--out", tmp_path / "held.h5"]
    assert exit_code("hold-out", tmp_path / "d.h5", *words) == 0
    held = Dataset(tmp_path / "held.h5")
    assert sorted(held.part("1-0", "test") + held.part("1-1", "test")) == ["a", "b"]
    assert held.track("b") == TRACK


# EgoPER's states

STATES = [
    "BG|Normal",
    "pour|Normal",
    "pour|Error",
    "pour|Error",
    "BG|Error",
    "stir|Normal",
    "stir|Normal",
    "stir|Error",
]


@pytest.fixture
def egoper(tmp_path: Path) -> Path:
    """A folder as EgoPER: labels with states in one video, without them in the other."""
    ids = {"a": [0, 1, 1, 1, 0, 2, 2, 2], "b": [0, 1, 2, 2]}
    make = lambda num_frames: np.ones((3, num_frames), np.float32)  # noqa: E731
    path = write_mstcn(tmp_path / "egoper", ["BG", "pour", "stir"], ids, {"train": ["a"], "test": ["b"]}, make)
    (path / "groundTruth" / "a.txt").write_text("\n".join(STATES))
    return path


EGOPER_TRACK = Track(
    steps=(Step(1, 1, 4), Step(2, 5, 8)),
    mistakes=(Mistake(1, 2, 4, "Error"), Mistake(0, 4, 5, "Error"), Mistake(2, 7, 8, "Error")),
)


def test_egopers_error_frames_are_mistakes(egoper, tmp_path, capsys):
    layout = open_layout(egoper)
    assert layout.track("a") == EGOPER_TRACK
    assert layout.track("b") is None
    out = tmp_path / "out.h5"
    assert exit_code("prepare", egoper, "--out", out, "--fps", 2, "--feature-axes", "DT") == 0
    assert "  2 steps annotated, 0 missing steps\n  3 mistakes: Error 3\n" in capsys.readouterr().out
    assert Dataset(out).track("a") == EGOPER_TRACK
    assert Dataset(out).track("b") is None


def test_new_labels_in_a_file_come_with_their_track_and_leave_no_old_one(egoper, tmp_path):
    out = tmp_path / "out.h5"
    assert exit_code("prepare", egoper, "--out", out, "--fps", 2, "--feature-axes", "DT") == 0
    states = [state.replace("stir|Error", "stir|Slip") for state in STATES]
    (egoper / "groundTruth" / "a.txt").write_text("\n".join(states))
    write_labels_into(open_layout(egoper), out)
    assert [mistake.tag for mistake in Dataset(out).track("a").mistakes] == ["Error", "Error", "Slip"]
    (egoper / "groundTruth" / "a.txt").write_text("\n".join(state.split("|")[0] for state in STATES))
    write_labels_into(open_layout(egoper), out)
    assert Dataset(out).track("a") is None
    with h5py.File(out) as stored:
        assert not {"tracks", "num_track_bytes", "tracks_checksums"} & {*stored}


# Rates and counts


@pytest.mark.parametrize("new_fps", [0.5, 1.0, 3.0, 10.0])
def test_a_resampled_step_has_the_frames_whose_source_frames_it_has_or_one(new_fps):
    drawn = random.Random(0)
    for _ in range(200):
        num_frames = drawn.randint(1, 40)
        chosen = resample_indices(num_frames, 3.0, new_fps)[: drawn.randint(1, 60)]
        start = drawn.randrange(num_frames)
        step = Step(1, start, drawn.randint(start + 1, num_frames))
        (new,) = Track((step,)).at_frames(chosen).steps
        kept = [place for place, frame in enumerate(chosen) if step.start <= frame < step.end]
        assert 0 <= new.start < new.end <= len(chosen)
        assert [*range(new.start, new.end)] == kept or (not kept and new.end == new.start + 1)


def test_a_step_that_was_never_done_stays_so_at_any_rate():
    mistake = Mistake(2, NOT_DONE, NOT_DONE, "Missing Step")
    assert Track((), (2,), (mistake,)).at_frames(np.array([3, 9])) == Track((), (2,), (mistake,))


def test_a_dataset_at_a_lower_rate_has_its_track_at_that_rate(egoper, tmp_path):
    layout = open_layout(egoper, LayoutOptions(no_features=True))
    prepare(layout, tmp_path / "half.h5", 2.0, LayoutOptions(no_features=True), resample_to=1.0)
    dataset = Dataset(tmp_path / "half.h5")
    assert dataset.labels("a").tolist() == [1, 1, 2, 2]
    assert dataset.track("a").steps == (Step(1, 0, 2), Step(2, 2, 4))


def test_counts_equal_those_made_frame_by_frame():
    drawn = random.Random(1)
    counts, several, hidden = TrackCounts(), 0, 0
    for _ in range(50):
        num_frames = drawn.randint(1, 30)
        starts = sorted(drawn.randrange(num_frames) for _ in range(drawn.randint(0, 6)))
        steps = [Step(drawn.randint(1, 4), start, drawn.randint(start + 1, num_frames)) for start in starts]
        labels = np.zeros(num_frames, dtype=int)
        for step in steps:
            labels[step.start : step.end] = step.label
        several += sum(sum(step.start <= t < step.end for step in steps) > 1 for t in range(num_frames))
        hidden += sum(all(labels[t] != step.label for t in range(step.start, step.end)) for step in steps)
        counts.add(Track(tuple(steps)), labels)
    assert (counts.frames_in_several_steps, counts.hidden_steps) == (several, hidden)
    assert several > 0 < hidden


def test_nothing_is_lost_as_json():
    assert track_of_json(track_as_json(TRACK)) == TRACK
    assert track_of_json(track_as_json(None)) is None
