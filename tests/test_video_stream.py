"""Videos and cameras as sources of a stream: it gives what `predict` gives, and keeps up with the clock."""

from __future__ import annotations

import dataclasses
import functools
import io
import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.live import pipeline
from protas_gtcc.live.delays import Delays
from protas_gtcc.live.sinks import DelayLine, FrameResult, Sink, Summary
from protas_gtcc.live.terminal import Terminal
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.streaming.following import Delay, Followed, Following
from protas_gtcc.video import sources
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.backbones.choice import make_backbone
from protas_gtcc.video.opening import OpenVideo, open_video
from protas_gtcc.video.windows import Windows
from tests.broken_videos import broken
from tests.mstcn_folder import exit_code
from tests.video_files import av, film, plain, write_video
from tests.video_models import model_on, saved, torchscript
from tests.video_senders import network_camera, sending

MEANS = ("--backbone", "means.pt", "--size", 16)


class Slow:
    """A backbone that takes its time."""

    def __init__(self, backbone: Backbone, seconds: float):
        self._backbone, self._seconds = backbone, seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        time.sleep(self._seconds)
        return self._backbone(pictures)


@pytest.fixture
def backbone(tmp_path, monkeypatch) -> Backbone:
    monkeypatch.chdir(tmp_path)
    return make_backbone(str(torchscript(tmp_path / "means.pt")), size=16)


@pytest.fixture
def model(backbone, tmp_path) -> TrainedModel:
    """A model whose checkpoint is `model.safetensors`."""
    model = model_on(backbone)
    saved(model, tmp_path / "model.safetensors")
    model.backbone(backbone)
    return model


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def assert_equals(frames: list[Followed], expected: Prediction) -> None:
    assert [one.frame for one in frames] == list(range(len(expected.labels)))
    assert [int(one.labels[0]) for one in frames] == expected.labels.tolist()
    np.testing.assert_allclose([one.reported[0] for one in frames], expected.reported, rtol=0, atol=1e-5)


# Files


@pytest.mark.parametrize("window", [1, 3])
def test_a_stream_of_a_file_equals_predict_frame_by_frame(tmp_path, monkeypatch, capsys, window):
    monkeypatch.chdir(tmp_path)
    rank = {} if window == 1 else {"dims": (2, 3, 4), "rank": 5}
    backbone = make_backbone(str(torchscript(tmp_path / "means.pt", **rank)), size=16, window=window)  # type: ignore[arg-type]
    model, video = model_on(backbone), film(tmp_path / "clip.mp4", 90)
    saved(model, tmp_path / "model.safetensors")
    assert exit_code("stream", "model.safetensors", "clip.mp4", *MEANS, "--window", window) == 0
    lines, expected = printed(capsys), model.predict(video, backbone)
    assert [line["frame"] for line in lines] == list(range(45))
    assert [line["label"] for line in lines] == expected.labels.tolist()
    np.testing.assert_allclose([line["progress"] for line in lines], expected.reported, rtol=0, atol=2e-5)
    assert not any("delay_seconds" in line for line in lines), "a file at full speed has no clock"
    assert_equals(list(model.follow(video)), expected)


def test_a_stream_with_a_window_that_was_stopped_goes_on_as_if_it_never_was(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    backbone = make_backbone(str(torchscript(tmp_path / "means.pt", dims=(2, 3, 4), rank=5)), size=16, window=3)
    model, pictures = model_on(backbone), [plain(2 * number) for number in range(20)]
    saved(model, tmp_path / "model.safetensors")
    for name, part in (("whole", pictures), ("first", pictures[:9]), ("rest", pictures[9:])):
        write_video(tmp_path / f"{name}.mkv", range(0, 200 * len(part), 200), part, codec="ffv1")
    given = (*MEANS, "--window", 3, "--every-class")
    assert exit_code("stream", "model.safetensors", "whole.mkv", *given) == 0
    never_stopped = printed(capsys)
    for name in ("first", "rest"):
        assert exit_code("stream", "model.safetensors", f"{name}.mkv", *given, "--state", "kept") == 0
    assert printed(capsys) == never_stopped

    stream = model.stream()
    stream.step(np.zeros((4, 3), np.float32))
    stream.save("kept")
    assert exit_code("stream", "model.safetensors", "rest.mkv", *given, "--state", "kept") == 1
    lacks = "the state of the stream lacks the last 2 pictures of 16 x 16 pixels, which means.pt needs to go on"
    assert capsys.readouterr().err == f"error: {lacks}; start a new stream without it\n"


def test_a_file_in_real_time_takes_its_time_and_its_frames_have_delays(model, tmp_path, capsys):
    film(tmp_path / "clip.mp4", 10)
    started = time.monotonic()
    assert exit_code("stream", "model.safetensors", "clip.mp4", "--real-time", *MEANS) == 0
    assert time.monotonic() - started >= 0.9
    done = capsys.readouterr()
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert lines[-1]["frame"] == 4
    assert [line["frame"] for line in lines] == sorted({line["frame"] for line in lines})
    for line in lines:
        assert set(line["delay_parts"]) == {"capture", "waiting", "backbone", "model", "output", "lag"}
        assert line["delay_seconds"] == pytest.approx(
            sum(part for name, part in line["delay_parts"].items() if name != "output"), abs=1e-3
        )
    assert "delay, ms, median / 99 %: capture " in done.err


@pytest.fixture
def fast(backbone) -> TrainedModel:
    """A model at 25 frames a second, so that tests in real time are short."""
    facts = dataclasses.replace(model_on(backbone, 25.0).facts, fps=25.0)
    return TrainedModel(model_on(backbone).network, facts)


def test_a_slow_machine_takes_the_newest_frame_which_stands_for_the_skipped_ones(fast, backbone, tmp_path):
    video = film(tmp_path / "clip.mp4", 60, step=20)
    frames = list(fast.follow(video, real_time=True, backbone=Slow(backbone, 0.1)))
    numbers = np.array([one.frame for one in frames])
    assert numbers[-1] == 29, "the newest is never lost"
    assert frames[-1].dropped == 30 - len(frames) > 8
    assert max(one.delay.total for one in frames if one.delay) < 1.5, "the delay does not grow"
    stand_in = numbers[np.searchsorted(numbers, np.arange(30))]
    expected = fast.predict(fast.picture_features(video, backbone)[stand_in])
    assert [int(one.labels[0]) for one in frames] == expected.labels[numbers].tolist()
    np.testing.assert_allclose([one.reported[0] for one in frames], expected.reported[numbers], rtol=0, atol=1e-4)


def test_a_file_at_full_speed_may_drop_frames_as_well(fast, backbone, tmp_path):
    video, frames = film(tmp_path / "clip.mp4", 120, step=20), []
    source = fast.source(video, backbone=Slow(backbone, 0.05))
    following = Following(fast.stream(), source, buffer=4, when_behind="drop")
    while step := following.step():
        frames += step
    numbers = np.array([one.frame for one in frames])
    assert numbers[-1] == 59
    assert frames[-1].dropped == 60 - len(frames) > 0
    stand_in = numbers[np.searchsorted(numbers, np.arange(60))]
    expected = fast.predict(fast.picture_features(video, backbone)[stand_in])
    assert [int(one.labels[0]) for one in frames] == expected.labels[numbers].tolist()


def test_with_every_frame_none_is_skipped_and_the_delay_grows(fast, backbone, tmp_path):
    video = film(tmp_path / "clip.mp4", 40, step=20)
    expected = fast.predict(video, backbone)
    frames = list(fast.follow(video, every_frame=True, real_time=True, backbone=Slow(backbone, 0.1)))
    assert_equals(frames, expected)
    delays = [one.delay.total for one in frames if one.delay is not None]
    assert delays[-1] > delays[0] + 0.5


def test_a_backbone_with_a_window_follows_in_real_time_too(tmp_path):
    file = torchscript(tmp_path / "means.pt", dims=(2, 3, 4), rank=5)
    backbone = make_backbone(str(file), size=16, window=3)
    facts = dataclasses.replace(model_on(backbone, 25.0).facts, fps=25.0)
    model, video = TrainedModel(model_on(backbone).network, facts), film(tmp_path / "clip.mp4", 20, step=20)
    expected = model.predict(video, backbone)
    assert_equals(list(model.follow(video, every_frame=True, real_time=True)), expected)


def test_a_window_holds_the_last_frames_however_many_were_skipped(backbone, tmp_path):
    pictures = np.arange(12, dtype=np.uint8)[:, None, None, None]
    windows = Windows(3)
    found = [windows.of(pictures[:2])[:, :, 0, 0, 0].tolist()]
    windows.skip(pictures[6:7], 4)
    found.append(windows.of(pictures[6:7])[:, :, 0, 0, 0].tolist())
    windows.skip(pictures[8:9], 1)
    found.append(windows.of(pictures[8:9])[:, :, 0, 0, 0].tolist())
    assert found == [[[0, 0, 0], [0, 0, 1]], [[6, 6, 6]], [[6, 8, 8]]]


# Cameras and addresses


@pytest.fixture
def transmission(tmp_path) -> Path:
    """A video as it is sent: MPEG-TS, without B-frames."""
    return film(tmp_path / "sent.ts", 60, options={"bf": "0", "g": "10"})


@pytest.mark.parametrize("kind", ["http", "rtsp"])
def test_an_address_that_stops_keeps_what_was_reported_and_ends_with_one_line(model, transmission, capsys, kind):
    content = transmission.read_bytes()
    sender = network_camera(content) if kind == "rtsp" else sending(functools.partial(write, content))
    with sender as address:
        assert exit_code("stream", "model.safetensors", address, "--every-frame", *MEANS) == 1
    done = capsys.readouterr()
    lines, expected = [json.loads(line) for line in done.out.splitlines()], model.predict(transmission)
    assert [line["label"] for line in lines] == expected.labels.tolist()
    last = done.err.splitlines()[-1]
    assert last.startswith(f"error: {address} has stopped")
    assert last.endswith("; start it again (what was reported so far is kept)")


def test_an_address_that_falls_silent_is_given_up(model, transmission, capsys):
    ended = threading.Event()

    def send_and_wait(out: Any) -> None:
        out.write(transmission.read_bytes())
        out.flush()
        ended.wait(20)

    with sending(send_and_wait) as address:
        given = ("stream", "model.safetensors", address, *MEANS, "--give-up-seconds", 1, "--every-frame")
        assert exit_code(*given) == 1
        ended.set()
    done = capsys.readouterr()
    assert len(done.out.splitlines()) > 20
    assert f"error: {address} has sent nothing for 1 s" in done.err


def write(content: bytes, out: Any) -> None:
    out.write(content)


def test_an_address_that_sends_no_video_is_one_line(model, tmp_path, capsys):
    encrypted, sound = broken(tmp_path, "encrypted.mp4")[0], broken(tmp_path, "sound.mp4")[0]
    for content, message in (
        (b"<html>no camera here</html>" * 50, "cannot open ADDRESS ("),
        (b"", "cannot open ADDRESS ("),
        (sound.read_bytes(), "ADDRESS has no video track, only audio; name another source"),
        (encrypted.read_bytes(), "ADDRESS has stopped (it has sent no picture that can be decoded); start it again"),
    ):
        with sending(functools.partial(write, content)) as address:
            assert exit_code("stream", "model.safetensors", address, *MEANS) == 1
        done = capsys.readouterr()
        assert f"error: {message}".replace("ADDRESS", address) in done.err
        assert done.err.count("\n") == 1
        assert not done.out


def test_a_camera_that_answers_nothing_is_given_up(model, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"rtsp://127.0.0.1:{server.getsockname()[1]}/kitchen"
        assert exit_code("stream", "model.safetensors", address, *MEANS, "--give-up-seconds", 1) == 1
    assert f"error: {address} has sent nothing for 1 s; start it again" in capsys.readouterr().err


class Unplugged:
    """A camera that is a file, and is gone after some pictures."""

    def __init__(self, container: Any, num_packets: int):
        self._container, self._num_packets = container, num_packets

    def demux(self, stream: Any) -> Iterator[Any]:
        yield from itertools.islice(self._container.demux(stream), self._num_packets)
        raise av.error.OSError(19, "No such device")


def test_a_camera_that_is_unplugged_keeps_what_was_reported(model, tmp_path, monkeypatch, capsys):
    video = film(tmp_path / "clip.mkv", 60, options={"bf": "0"})

    @contextmanager
    def plugged(name: str, silent_seconds: float | None) -> Iterator[OpenVideo]:
        with open_video(video) as opened:
            object.__setattr__(opened, "container", Unplugged(opened.container, 41))
            yield opened

    monkeypatch.setattr(sources, "open_live", plugged)
    given = ("stream", "model.safetensors", "camera:0", *MEANS, "--every-frame", "--lines", "lines.jsonl")
    assert exit_code(*given) == 1
    done, expected = capsys.readouterr(), model.predict(video)
    numbers = [json.loads(line)["frame"] for line in done.out.splitlines()]
    assert numbers == list(range(numbers[-1] + 1))
    assert 15 <= numbers[-1] <= 20
    assert Path("lines.jsonl").read_text() == done.out
    labels = [json.loads(line)["label"] for line in done.out.splitlines()]
    assert labels == expected.labels[: len(labels)].tolist()
    assert "error: camera:0 has stopped (No such device); start it again" in done.err


def test_what_cannot_be_streamed_is_refused_in_one_line(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DISPLAY", ":987")
    film(tmp_path / "clip.mp4", 10)
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    for given, message in (
        (["none.mp4"], "no video none.mp4"),
        (["broken.mp4"], "broken.mp4 is not a video"),
        (["clip.mp4"], "a file of yours; give it with --backbone FILE"),
        (["camera:99", *MEANS], "cannot open camera:99 ("),
        (["screen", *MEANS], "cannot open screen ("),
        (["clip"], "no source clip; give a file, camera:0"),
        (["."], ". is a folder; give one video"),
        (["/dev/video98"], "no source /dev/video98; for a camera, give camera:98"),
        (["7"], "no source 7; for a camera, give camera:7"),
        (["http://127.0.0.1:1/live", *MEANS], "start the sender first, or correct the address"),
        (["camera:0", "--real-time"], "--real-time is for videos and files of features"),
        (["clip.mp4", "--growing"], "--growing is for files of frames"),
        (["clip.mp4", "--every-frame", "--when-behind", "drop"], "exclude each other"),
    ):
        assert exit_code("stream", "model.safetensors", *given) == 1
        done = capsys.readouterr()
        assert message in done.err
        assert done.err.count("\n") == 1
        assert not done.out


def test_a_busy_port_is_one_line_before_the_model_is_loaded(tmp_path, monkeypatch, capfd):
    pytest.importorskip("uvicorn")
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "clip.mp4", 10)
    (tmp_path / "model.safetensors").write_bytes(b"never read")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for given in (["stream", "model.safetensors", "clip.mp4", "--web"], ["serve", "model.safetensors", "--port"]):
            assert exit_code(*given, port) == 1
            way_out = "give another port or host; port 0 takes a free one"
            line = f"error: cannot listen on 127.0.0.1:{port}: Address already in use; {way_out}\n"
            assert capfd.readouterr().err == line


@pytest.mark.parametrize(
    "command",
    [["stream", "clip.mp4", "."], ["predict", "clip.mp4", "."], ["annotate", "clip.mp4", ".", "--out", "o.mp4"]],
)
def test_a_video_before_its_run_is_refused_with_the_order(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "clip.mp4", 10)
    assert exit_code(*command) == 1
    expected = "clip.mp4 is a video (MP4 or MOV), not a run or a checkpoint; the run comes first, then the video"
    assert capsys.readouterr().err == f"error: {expected}\n"


def test_a_model_whose_features_look_ahead_takes_no_stream_of_pictures(backbone, tmp_path, capsys):
    known = model_on(backbone)
    model = TrainedModel(known.network, dataclasses.replace(known.facts, look_ahead_frames=3))
    saved(model, tmp_path / "model.safetensors")
    film(tmp_path / "clip.mp4", 10)
    expected = "the model's features look 3 frames ahead, and a stream has no later pictures; use 'predict'"
    for given in (["stream", "model.safetensors", "clip.mp4"], ["serve", "model.safetensors", "--pictures"]):
        assert exit_code(*given, *MEANS) == 1
        assert capsys.readouterr().err == f"error: {expected}\n"


def test_closing_ends_the_thread_that_reads_a_source_without_a_note_on_what_was_not_read(model, backbone, tmp_path):
    source = model.source(film(tmp_path / "clip.mp4", 60), real_time=True, backbone=backbone)
    following = Following(model.stream(), source)
    assert [one.frame for one in following.step()] == [0]
    following.close()
    assert not any(thread.name == "source" for thread in threading.enumerate())
    assert source.notes == []


def test_the_delays_of_a_pipeline_are_summed_up_by_part(model, tmp_path):
    results: list[FrameResult] = []

    class Collect(Sink):
        def on_result(self, result: FrameResult) -> None:
            time.sleep(0.02)
            results.append(result)

    source = model.source(film(tmp_path / "clip.mp4", 12), real_time=True)
    done = pipeline.run(model.stream(), source, [Collect()])
    assert list(done.delays) == ["capture", "waiting", "backbone", "model", "output", "lag", "total"]
    assert all(0 <= one.median <= one.percent99 < 5 for one in done.delays.values())
    assert done.delays["output"].median >= 0.02
    assert results[-1].delay is not None
    assert results[-1].delay.output >= 0.02, "of the frame before"


def test_the_terminal_shows_how_far_behind_it_is_and_the_delays_at_the_end():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=200, highlight=False)
    terminal = Terminal(console, PredictionInfo(["rest", "cut"], [0], 5.0), 5.0)
    delay = Delay(0.05, 0.01, 0.06, 0.001)
    terminal.on_result(FrameResult(7, 1, 0.8, 0.5, None, None, waiting=0, dropped=3, delay=delay))
    delays = Delays()
    delays.add(delay)
    terminal.on_end(Summary(5, 3, delays.figures()))
    assert "0.12 s behind, 3 skipped" in out.getvalue()
    assert "capture 50 / 50, waiting 10 / 10, backbone 60 / 60, model 1 / 1" in out.getvalue()


def test_without_delays_no_line_is_printed():
    out = io.StringIO()
    DelayLine(Console(file=out)).on_end(Summary(3, 0))
    assert not out.getvalue()


@pytest.mark.slow
def test_ctrl_c_ends_with_what_was_reported(model, tmp_path):
    film(tmp_path / "clip.mp4", 600)
    command = [sys.executable, "-m", "protas_gtcc", "stream", "model.safetensors", "clip.mp4", "--real-time"]
    with subprocess.Popen([*command, *map(str, MEANS)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    numbers = [json.loads(line)["frame"] for line in [*lines, *rest.splitlines()]]
    assert numbers == sorted(numbers)
    assert b"delay, ms" in errors
    assert errors.splitlines()[-1] == b"stopped"


def test_a_source_that_is_no_video_raises_where_it_is_followed(model):
    with pytest.raises(InputError, match="no video none"):
        next(model.follow("none.mp4"))
