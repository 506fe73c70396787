"""`check` on a folder before it is prepared: many faults at once are all found."""

from __future__ import annotations

import numpy as np
import pytest

from protas_gtcc.checks.path import check_path
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from tests.checked_data import only, serious, write_folder


def test_a_healthy_folder_has_nothing_but_notes(tmp_path):
    assert not serious(check_path(write_folder(tmp_path / "data")))


def test_all_faults_of_a_folder_are_found_at_once(tmp_path):
    folder = write_folder(tmp_path / "data", num_videos=8)
    labels, features = folder / "groundTruth", folder / "features"
    (labels / "v0.txt").write_text("background\npuor\n")
    np.save(features / "v1.npy", np.ones((4, 19)) * np.arange(19))
    np.save(features / "v2.npy", np.full((4, 30), np.nan))
    (features / "v3.npy").write_bytes((features / "v4.npy").read_bytes()[:200])
    (features / "v5.npy").unlink()
    (labels / "v6.txt").write_text("")
    np.save(features / "unlabelled.npy", np.zeros((4, 30)))
    errors = [f"{f.where}: {f.what}" for f in check_path(folder) if f.level == "error"]
    expected = [
        "unknown label 'puor'",
        "19 frames of features for 30 labels",
        "NaN, infinity or a value above 1e12 in 30 of 30 frames",
    ]
    expected += ["not a whole .npy file", "1 video without it: v5", "v6.txt is empty"]
    assert all(any(what in error for error in errors) for what in expected), errors
    assert len(errors) == len(expected)
    assert any("1 file without labels, to be left out: unlabelled" in finding.what for finding in check_path(folder))


def test_a_transposed_array_and_a_set_without_an_axis_of_time_are_found(tmp_path):
    folder = write_folder(tmp_path / "data")
    np.save(folder / "features/v1.npy", np.zeros((30, 4)))
    only([*check_path(folder)][:1], "error", "feature set features", "v1.npy is [T, D] but")
    for file in (folder / "features").iterdir():
        np.save(file, np.zeros((4, 99)))
    assert any("no array that can be read has an axis as long" in f.what for f in check_path(folder))


def test_a_folder_that_cannot_be_opened_is_one_finding(tmp_path):
    folder = write_folder(tmp_path / "data")
    (folder / "mapping.txt").write_text("0 background\n0 pour\n")
    only(check_path(folder), "error", "data", "class id 0 comes twice")
    (tmp_path / "empty").mkdir()
    only(check_path(tmp_path / "empty"), "error", "empty", "no known layout")


def test_a_folder_of_videos_alone_is_refused_with_the_way_to_labels(tmp_path):
    (tmp_path / "person1").mkdir()
    (tmp_path / "person1/tea.mp4").write_bytes(b"")
    way_out = f"then 'prepare segments.csv --videos {tmp_path}'"
    with pytest.raises(InputError, match=f"has videos, but no labels; write segments.csv, video,.*, {way_out}"):
        open_layout(tmp_path)


def test_a_few_dimensions_that_never_change_are_a_note(tmp_path):
    folder = write_folder(tmp_path / "data")
    for seed, file in enumerate(sorted((folder / "features").iterdir())):
        values = np.random.default_rng(seed).normal(size=(100, np.load(file).shape[1]))
        values[7] = 0
        np.save(file, values)
    assert not serious(check_path(folder))
    assert any("1 of 100 dimensions never change: 7" in finding.what for finding in check_path(folder))


def test_people_are_found_by_the_pattern_and_look_ahead_by_its_declaration(tmp_path):
    options = LayoutOptions(subject_pattern="^(v)", look_ahead_frames=("3",))
    found = [finding.what for finding in serious(check_path(write_folder(tmp_path / "data"), options))]
    assert found == ["in train and test: v", "look-ahead 3 frames: results are 3 frames late, not online"]


def test_resampling_needs_the_rate_of_the_labels(tmp_path):
    with pytest.raises(InputError, match="give --fps"):
        check_path(write_folder(tmp_path / "data"), resample_to=1.0)


def test_the_published_gtea_has_no_error(shared_folder):
    findings = check_path(shared_folder / "data/gtea", LayoutOptions(subject_pattern=r"^(S\d)_"), 15.0, 1.0)
    assert {finding.level for finding in findings} == {"warning", "note"}
    vanish = {finding.where: finding.what for finding in findings if "vanish" in finding.what}
    assert vanish["class background"].endswith("segments vanish at 1 fps")
    assert not any("people" in finding.where for finding in findings)


def test_egoprocels_annotations_without_features_are_an_error(shared_folder):
    findings = check_path(shared_folder / "data/egoprocel")
    (error,) = [finding for finding in findings if finding.level == "error"]
    assert error.what.startswith("no features*/ beside ")
    assert error.way_out.endswith("or take labels alone with --no-features")


def test_egoprocel_with_features_is_checked_once_their_rate_is_known(shared_folder, tmp_path):
    for file in (shared_folder / "data/egoprocel").iterdir():
        (tmp_path / file.name).symlink_to(file)
    layout = open_layout(tmp_path)
    (tmp_path / "features").mkdir()
    rng = np.random.default_rng(0)
    for video in layout.video_names:
        features = rng.standard_normal((len(layout.labels(video)) // 10, 8))
        np.save(tmp_path / "features" / f"{video}.npy", features.astype(np.float32))
    assert not serious(check_path(tmp_path, fps=1.0))
    only(check_path(tmp_path), "warning", "egoprocel.json", "features are not checked")
