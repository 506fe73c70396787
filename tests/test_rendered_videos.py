"""Folders of rendered videos: files that play, annotations that agree with them, and commands that go on."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.simulate import rendered_folder, video_files
from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.rendered_folder import video_path, write_rendered_videos
from protas_gtcc.simulate.rendering import render_frames
from protas_gtcc.simulate.rendering_config import RenderingConfig, as_fraction
from protas_gtcc.simulate.video_plan import VideoPlan, plan_video
from protas_gtcc.video import encoders
from tests.mstcn_folder import exit_code

av = pytest.importorskip("av", reason="writing videos needs PyAV, of the extra [video]")

CONFIG = RenderingConfig(sizes=("96x72", "72x96"), rates=(5.0, 7.5), video_seconds=12.0, label_rate=4.0)
FLAGS = ["--sizes", "96x72", "72x96", "--rates", "5", "15/2", "--video-seconds", "12", "--label-rate", "4"]
NUM_VIDEOS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rendered videos; the last is by a person of the test part."""
    path = tmp_path_factory.mktemp("rendered") / "videos"
    assert [outcome for _, outcome in write_rendered_videos(path, CONFIG, NUM_VIDEOS)] == ["rendered"] * NUM_VIDEOS
    return path


def plans() -> list[VideoPlan]:
    return [plan_video(CONFIG, number) for number in range(NUM_VIDEOS)]


def decoded(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Presentation time and picture of every frame."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield float(frame.time), frame.to_ndarray(format="rgb24")


def test_files_decode_to_the_rendered_frames_at_their_rate_and_size(folder):
    seen = set()
    for plan in plans():
        with av.open(str(video_path(folder, plan))) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name in ("h264", "mpeg4")
            assert stream.average_rate == plan.rate
            assert (stream.width, stream.height) == plan.person.size
        times, pictures = zip(*decoded(video_path(folder, plan)), strict=True)
        assert len(times) == plan.num_frames
        np.testing.assert_allclose(times, np.arange(plan.num_frames) / float(plan.rate), atol=1e-4)
        for picture, written in zip(render_frames(CONFIG, plan), pictures, strict=True):
            assert np.abs(picture.astype(int) - written).mean() < 12
        seen.add((plan.rate, plan.person.size))
    assert len({rate for rate, _ in seen}) == len({size for _, size in seen}) == 2


def test_annotations_agree_with_what_was_rendered(folder):
    with open(folder / "segments.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["video", "start_seconds", "end_seconds", "name", "task", "subject"]
    names = [line.split(" ", 1)[1] for line in (folder / "mapping.txt").read_text().splitlines()]
    for plan in plans():
        times = np.arange(plan.num_frames) / float(plan.rate)
        by_time = np.array(["background"] * plan.num_frames, dtype=object)
        for row in rows:
            if row["video"] == plan.name:
                inside = (times >= float(row["start_seconds"])) & (times < float(row["end_seconds"]))
                by_time[inside] = row["name"]
        assert by_time.tolist() == plan.class_of_frame()
        labels = (folder / "groundTruth" / f"{plan.name}.txt").read_text().splitlines()
        assert set(labels) <= set(names)
        shown = (np.arange(len(labels)) / CONFIG.label_rate * float(plan.rate) + 1e-6).astype(int)
        assert labels == by_time[shown].tolist()
        assert len(labels) == np.ceil(plan.num_frames / float(plan.rate) * CONFIG.label_rate - 1e-9)


def test_a_json_file_says_which_classes_show_their_progress_and_who_did_what(folder):
    facts = json.loads((folder / "simulation.json").read_text())
    assert facts["simulated"] is True
    assert facts["seed"] == 0
    assert facts["label_rate"] == 4.0
    assert facts["progress_is_visible"]["fill-bowl"] is True
    assert facts["progress_is_visible"]["stir-bowl"] is False
    assert facts["videos"][1] | {"seconds": 0} == {
        "name": plans()[1].name,
        "task": "cookies",
        "person": 1,
        "size": [72, 96],
        "frames": plans()[1].num_frames,
        "seconds": 0,
        "fps": str(plans()[1].rate),
    }
    assert [one["number"] for one in facts["people"]] == sorted({plan.person.number for plan in plans()})


def test_prepare_reads_the_folder_once_there_are_features(folder, tmp_path):
    (folder / "features").mkdir()
    for plan in plans():
        num_labels = len((folder / "groundTruth" / f"{plan.name}.txt").read_text().splitlines())
        np.save(folder / "features" / f"{plan.name}.npy", np.zeros((num_labels, 5), np.float32))
    out = tmp_path / "rendered.h5"
    assert exit_code("prepare", folder, "--out", out, "--fps", "4", "--subject-pattern", r"-(p\d+)-") == 0
    dataset = Dataset(out)
    assert dataset.part("1", "test") == [plan.name for plan in plans() if plan.person.number % 4 == 3]
    assert len(dataset.part("1", "train")) == NUM_VIDEOS - 1
    for plan in plans():
        labels = [dataset.info.class_names[label] for label in dataset.labels(plan.name)]
        assert labels == plan.labels_at(Fraction(4))
        assert len(segment_array(dataset.labels(plan.name))) == len(plan.segments)


def test_the_same_command_goes_on_where_it_stopped(folder, tmp_path, capsys):
    out = tmp_path / "videos"
    command = ["simulate", "--videos", "2", "--out", out, *FLAGS]
    assert exit_code(*command) == 0
    printed = capsys.readouterr().out
    assert printed.count("fps\n") == 2 + 1
    assert f"{out}: 2 videos, 2 rendered, 0 kept, labels at 4 fps\n  note: simulated" in printed
    first, second = (video_path(out, plan) for plan in plans()[:2])
    # Not the same bytes: x264 reads memory that it has not set, so that its files differ a little.
    assert video_files.read_comment(first) == video_files.read_comment(video_path(folder, plans()[0]))
    second.unlink()
    (out / "videos" / ".half.part").write_bytes(b"of an interrupted command")
    before = first.stat().st_mtime_ns
    command[2] = "3"
    assert exit_code(*command, "--json") == 0
    written = json.loads(capsys.readouterr().out)
    assert written["kept"] == [str(first)]
    assert len(written["rendered"]) == 2
    assert first.stat().st_mtime_ns == before
    assert len((out / "splits" / "train.split1.bundle").read_text().split()) == 3


def test_videos_of_other_settings_are_left_alone_without_overwrite(tmp_path, monkeypatch):
    monkeypatch.setattr(rendered_folder, "render_frames", lambda _, plan: first_frames(plan))
    list(write_rendered_videos(tmp_path, CONFIG, 2))
    other = replace(CONFIG, procedures=SimulationConfig(seed=1))
    before = {file: file.read_bytes() for file in sorted(tmp_path.rglob("*.*"))}
    with pytest.raises(InputError, match="has videos of other settings: sim-"):
        list(write_rendered_videos(tmp_path, other, 2))
    assert {file: file.read_bytes() for file in sorted(tmp_path.rglob("*.*"))} == before
    labels_only = replace(CONFIG, label_rate=2.0)
    assert [outcome for _, outcome in write_rendered_videos(tmp_path, labels_only, 2)] == ["kept"] * 2
    assert [outcome for _, outcome in write_rendered_videos(tmp_path, other, 2, True)] == ["rendered"] * 2


def annotated_videos(folder: Path) -> list[list[str]]:
    """The videos that each kind of annotation has."""
    with open(folder / "segments.csv", newline="") as file:
        in_table = sorted({row["video"] for row in csv.DictReader(file)})
    lists = "".join((folder / f"splits/{part}.split1.bundle").read_text() for part in ("train", "test"))
    labels = sorted(path.stem for path in (folder / "groundTruth").iterdir())
    facts = json.loads((folder / "simulation.json").read_text())
    return [in_table, sorted(lists.replace(".txt", "").split()), labels, sorted(one["name"] for one in facts["videos"])]


def test_fewer_videos_than_are_there_take_none_out_of_the_annotations(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rendered_folder, "render_frames", lambda _, plan: first_frames(plan))
    command = ["simulate", "--out", tmp_path / "videos", *FLAGS, "--videos"]
    assert exit_code(*command, "4") == 0
    capsys.readouterr()
    assert exit_code(*command, "2") == 0
    assert "4 videos, 0 rendered, 4 kept" in capsys.readouterr().out
    assert annotated_videos(tmp_path / "videos") == [sorted(plan.name for plan in plans())] * 4


def test_an_interrupted_command_leaves_annotations_of_whole_videos_only(tmp_path, monkeypatch, capsys):
    def interrupted(_: RenderingConfig, plan: VideoPlan) -> Iterator[np.ndarray]:
        if plan.number == 2:
            raise KeyboardInterrupt
        return first_frames(plan)

    monkeypatch.setattr(rendered_folder, "render_frames", interrupted)
    assert exit_code("simulate", "--out", tmp_path / "videos", *FLAGS, "--videos", "4") == 130
    assert capsys.readouterr().err == "interrupted; whole videos are kept: the same command goes on\n"
    assert annotated_videos(tmp_path / "videos") == [sorted(plan.name for plan in plans()[:2])] * 4


def first_frames(plan: VideoPlan) -> Iterator[np.ndarray]:
    width, height = plan.person.size
    yield from np.zeros((3, height, width, 3), np.uint8)


def test_a_video_appears_only_when_it_is_whole(tmp_path):
    def interrupted() -> Iterator[np.ndarray]:
        yield np.zeros((32, 32, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        video_files.write_video(tmp_path / "a.mp4", interrupted(), (32, 32), Fraction(10), "", "mpeg4")
    assert list(tmp_path.iterdir()) == []


def test_without_h264_the_encoder_is_mpeg4(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "ENCODERS", ("no such", "mpeg4"))
    assert encoders.find_encoder() == "mpeg4"
    monkeypatch.setattr(encoders, "ENCODERS", ("no such",))
    with pytest.raises(InputError, match="has none of the encoders no such; install its wheel again"):
        encoders.find_encoder()
    pictures = np.full((5, 32, 48, 3), 200, np.uint8)
    video_files.write_video(tmp_path / "a.mp4", pictures, (48, 32), Fraction(15), "a comment", "mpeg4")
    assert len(list(decoded(tmp_path / "a.mp4"))) == 5
    assert video_files.read_comment(tmp_path / "a.mp4") == "a comment"
    assert video_files.read_comment(tmp_path / "none.mp4") is None
    (tmp_path / "text.mp4").write_text("no video")
    assert video_files.read_comment(tmp_path / "text.mp4") == ""


def test_a_file_of_a_television_rate_has_the_times_of_that_rate(tmp_path):
    pictures = np.zeros((40, 32, 32, 3), np.uint8)
    encoder = encoders.find_encoder()
    video_files.write_video(tmp_path / "a.mp4", pictures, (32, 32), Fraction(30000, 1001), "", encoder)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(30000, 1001)
    times = [time for time, _ in decoded(tmp_path / "a.mp4")]
    np.testing.assert_allclose(times, np.arange(40) * 1001 / 30000, atol=1e-4)


@pytest.mark.parametrize(
    ("rate", "meant"), [(30.0, "30"), (29.97, "30000/1001"), (23.976, "24000/1001"), (12.5, "25/2")]
)
def test_rates_of_television_are_fractions(rate, meant):
    assert str(as_fraction(rate)) == meant


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a dataset file to write, or --videos N --out FOLDER"),
        (["x.h5", "--videos", "2", "--out", "x"], "give a dataset file to write, or --videos N --out FOLDER"),
        (["--videos", "2"], "--videos needs --out FOLDER"),
        (["--videos", "0", "--out", "x"], "--videos is 0"),
        (["--videos", "2", "--out", "x", "--feature-dim", "8"], "--feature-dim is about features"),
        (["--videos", "2", "--out", "x", "--small"], "--small is about features"),
        (["x.h5", "--out", "x"], "--out x is for rendered videos"),
        (["x.h5", "--blur", "0"], "--blur is about rendered videos"),
    ],
)
def test_the_two_forms_of_the_command_are_not_mixed(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert exit_code("simulate", *arguments) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_pyav_the_error_names_the_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "av", None)
    assert exit_code("simulate", "--videos", "1", "--out", tmp_path / "x") == 1
    assert "writing videos needs the package av; pip install -e '.[video]' in the folder" in capsys.readouterr().err
