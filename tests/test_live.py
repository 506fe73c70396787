"""The live pipeline: it gives what `predict` gives, also when source and model have different speeds."""

from __future__ import annotations

import io
import json
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from protas_gtcc.cli.main import main
from protas_gtcc.errors import InputError
from protas_gtcc.live import pipeline
from protas_gtcc.live.sinks import FrameResult, JsonLines, Sink
from protas_gtcc.live.sources import ByteFrames, Replay, Source, open_source
from protas_gtcc.live.terminal import Terminal
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.storage.locks import only_writer
from tests.mstcn_folder import exit_code
from tests.tiny_models import CLASSES, DIM, make_model, video


class Frames(Source):
    """A source made of a list; `pause` is called before each frame."""

    name = "frames"

    def __init__(self, frames: np.ndarray, pause: float = 0.0, pause_before: int = -1):
        self.frames, self.pause, self.pause_before = frames, pause, pause_before
        self.given = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for number, frame in enumerate(self.frames):
            if self.pause_before in (number, -1):
                time.sleep(self.pause)
            self.given = number + 1
            yield frame


class Collect(Sink):
    """Calls a function with every result."""

    def __init__(self, function: Callable[[FrameResult], None]):
        self.function = function

    def on_result(self, result: FrameResult) -> None:
        self.function(result)


def collected(source: Any, **options: Any) -> list[FrameResult]:
    results: list[FrameResult] = []
    pipeline.run(make_model().stream(), source, [Collect(results.append)], **options)
    return results


def assert_equals_prediction(results: list[FrameResult], expected: Prediction) -> None:
    assert [result.frame for result in results] == list(range(len(expected.labels)))
    assert [result.label for result in results] == expected.labels.tolist()
    np.testing.assert_allclose([result.progress for result in results], expected.reported, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.stack([result.probs for result in results], 1), expected.probs, rtol=0, atol=1e-5)


# Sources


@pytest.mark.parametrize("separator", [" ", ",", ", "])
def test_a_file_of_lines_gives_what_predict_gives(tmp_path, separator):
    features = video(30)
    lines = (separator.join(str(value) for value in frame) for frame in features)
    (tmp_path / "frames.txt").write_text("\n".join(lines))
    assert_equals_prediction(collected(open_source(str(tmp_path / "frames.txt"), DIM)), make_model().predict(features))


@pytest.mark.parametrize("size", [1, 7, 64])
def test_raw_frames_arrive_whole_however_the_bytes_are_cut(size):
    features = video(40)
    data = features.astype("<f4").tobytes()
    cut = (data[start : start + size] for start in range(0, len(data), size))
    source = ByteFrames("a pipe", cut, DIM, True, threading.Event())
    assert_equals_prediction(collected(source), make_model().predict(features))


def test_a_replayed_file_may_have_either_axis_first(tmp_path):
    features = video(20)
    np.save(tmp_path / "clip.npy", features.T)
    replay = Replay("clip", make_model().file_features(tmp_path / "clip.npy"))
    assert_equals_prediction(collected(replay), make_model().predict(features))


def test_a_replay_at_real_speed_takes_the_time_of_the_video():
    started = time.monotonic()
    collected(Replay("clip", video(11), fps=50.0))
    assert time.monotonic() - started >= 10 / 50


def test_a_long_array_is_replayed_from_the_disk(tmp_path):
    path, frames = tmp_path / "clip.npy", 200_000
    np.lib.format.open_memmap(path, "w+", np.float32, (frames, DIM)).flush()
    tracemalloc.start()
    replay = Replay("clip", make_model().file_features(path, mmap_mode="r"))
    assert sum(len(frame) == DIM for frame in replay) == frames
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < path.stat().st_size / 10


@contextmanager
def listening(action: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that calls `action` with its first connection, then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                action(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


def test_frames_from_a_socket():
    features = video(25)
    with listening(lambda connection: connection.sendall(features.astype("<f4").tobytes())) as address:
        results = collected(open_source(address, DIM, "raw"))
    assert_equals_prediction(results, make_model().predict(features))


@pytest.mark.slow
def test_a_growing_file_is_waited_for(tmp_path):
    features, path = video(20), tmp_path / "frames.f32"
    path.write_bytes(features[:5].tobytes())

    def grow() -> None:
        for start in range(5, 20, 5):
            time.sleep(0.05)
            with open(path, "ab") as file:
                file.write(features[start : start + 5].tobytes())

    threading.Thread(target=grow, daemon=True).start()
    results: list[FrameResult] = []
    source, sinks = open_source(str(path), DIM, growing=True), [Collect(results.append)]
    with pytest.raises(InputError, match="sent nothing for"):
        pipeline.run(make_model().stream(), source, sinks, give_up_seconds=1.0)
    assert_equals_prediction(results, make_model().predict(features))


@pytest.mark.parametrize(
    ("data", "raw", "message"),
    [
        (b"1 2 3 4 5\n1 2 3\n", False, "line 2 has 3 numbers; the model takes 5"),
        (b"1 2 3 4 5\n1 2 x 4 5\n", False, "line 2: .*send 5 numbers a line"),
        (b"1 2 3 4 nan\n", False, "NaN, infinity"),
        (bytes(4 * DIM + 3), True, "ends within a frame: 3 of 20 bytes"),
    ],
)
def test_a_bad_frame_is_refused_with_its_place(data, raw, message):
    with pytest.raises(InputError, match=message):
        collected(ByteFrames("a pipe", iter([data]), DIM, raw, threading.Event()))


def test_missing_sources_are_named(tmp_path):
    for name, message in (
        (str(tmp_path / "none.txt"), "no source .*none.txt"),
        ("tcp://127.0.0.1:1", "cannot reach tcp://127.0.0.1:1"),
        ("tcp://127.0.0.1", "is not an address; give tcp://HOST:PORT"),
    ):
        with pytest.raises(InputError, match=message):
            collected(open_source(name, DIM))


# Unequal speeds


def test_a_source_that_is_too_fast_waits_and_no_frame_is_lost():
    features, source_ahead = video(60), []
    source = Frames(features)
    results: list[FrameResult] = []

    def slow(result: FrameResult) -> None:
        time.sleep(0.002)
        source_ahead.append(source.given - result.frame)
        results.append(result)

    done = pipeline.run(make_model().stream(), source, [Collect(slow)], buffer=4)
    assert done.dropped == 0
    assert max(source_ahead) <= 4 + 2, "at most the buffer, the frame in work and the one in hand"
    assert_equals_prediction(results, make_model().predict(features))


def test_with_drop_the_newest_frames_are_kept_and_the_dropped_ones_counted():
    results: list[FrameResult] = []

    def slow(result: FrameResult) -> None:
        time.sleep(0.005)
        results.append(result)

    features = video(200)
    done = pipeline.run(make_model().stream(), Frames(features), [Collect(slow)], buffer=4, when_behind="drop")
    assert done.dropped > 0
    assert done.dropped + done.frames == 200
    assert results[-1].frame == 199, "the newest is never lost"
    frames = np.array([result.frame for result in results])
    stand_in = frames[np.searchsorted(frames, np.arange(200))]  # each dropped frame is as the next one that is taken
    kept = make_model().predict(features[stand_in])
    assert [result.label for result in results] == kept.labels[frames].tolist()


def test_a_stall_is_reported_once_and_the_stream_goes_on():
    stalls: list[float] = []

    class Watch(Collect):
        def on_stall(self, seconds: float) -> None:
            stalls.append(seconds)

    results: list[FrameResult] = []
    source = Frames(video(6), pause=0.3, pause_before=3)
    pipeline.run(make_model().stream(), source, [Watch(results.append)], stall_seconds=0.1)
    assert len(results) == 6
    [seconds] = stalls
    assert seconds >= 0.1


def test_a_sink_that_fails_ends_the_pipeline_and_closes_the_source():
    def fail(result: FrameResult) -> None:
        raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        pipeline.run(make_model().stream(), Frames(video(50)), [Collect(fail)], buffer=2)
    deadline = time.monotonic() + 5
    while any(thread.name == "source" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the reading thread still waits"
        time.sleep(0.01)


# Sinks


def test_json_lines_hold_frame_time_class_and_progress():
    out = io.StringIO()
    pipeline.run(make_model().stream(), Frames(video(3)), [JsonLines(out, ["rest", "cut", "mix", "serve"], 5.0, True)])
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    expected = make_model().predict(video(3))
    assert [line["frame"] for line in lines] == [0, 1, 2]
    assert [line["seconds"] for line in lines] == [0.0, 0.2, 0.4]
    assert [line["label"] for line in lines] == expected.labels.tolist()
    assert len(lines[0]["probs"]) == len(lines[0]["every_progress"]) == CLASSES
    assert [line["progress_low"] for line in lines] == pytest.approx(expected.interval[0].tolist(), abs=1e-5)
    assert [line["progress_high"] for line in lines] == pytest.approx(expected.interval[1].tolist(), abs=1e-5)
    assert [line["remaining_seconds"] for line in lines] == pytest.approx(expected.remaining_seconds.tolist(), abs=0.01)


def test_lines_of_a_model_without_a_filter_have_no_interval():
    out = io.StringIO()
    pipeline.run(make_model(filtered=False).stream(), Frames(video(1)), [JsonLines(out, ["a", "b", "c", "d"], 5.0)])
    assert not {"progress_low", "remaining_seconds"} & set(json.loads(out.getvalue()))


def test_the_terminal_shows_the_action_its_progress_and_the_last_ones():
    out = io.StringIO()
    names = ["rest", "cut", "mix", "serve"]
    terminal = Terminal(Console(file=out, force_terminal=True, width=100), PredictionInfo(names, [0], 5.0), 5.0)
    for frame, (label, progress) in enumerate([(1, 0.5), (1, 1.0), (2, 0.25)]):
        terminal.on_result(
            FrameResult(frame, label, 0.8, progress, np.full(4, 0.25), None, 0, 0, (0.125, 0.5), 7.0 - frame)
        )
    shown = Console(width=100, record=True, file=io.StringIO())
    shown.print(terminal.view())
    text = shown.export_text()
    for part in ("mix", "25%  (12% to 50%)", "80%", "about 5 s left", "cut", "100%"):
        assert part in text


def test_the_terminal_has_a_strip_of_the_last_minute_in_the_colours_of_the_classes():
    colours = ["#d9d9d9", "#ff0000", "#ff0000 #00ff00"]
    info = PredictionInfo(["rest", "cut", "mix"], [0], 1.0, class_colours=colours)
    terminal = Terminal(Console(file=io.StringIO(), force_terminal=True), info, 1.0)
    for frame, label in enumerate([0] * 30 + [1] * 30 + [2] * 30):
        terminal.on_result(FrameResult(frame, label, 0.8, 0.5, None, None, 0, 0))
    shown = Console(width=80, record=True, file=io.StringIO())
    shown.print(terminal.view())
    lines = shown.export_text(styles=False, clear=False).splitlines()
    (strip,) = (line for line in lines if line.startswith("until now"))
    assert strip.split() == ["until", "now", "█" * 40, "1:00.0"]
    cells = [str(part.style).upper() for part in terminal._strip().spans]
    assert cells[:20] == ["#FF0000"] * 20
    assert cells[20:26] == ["#FF0000", "#FF0000", "#00FF00"] * 2, "a stripe between two classes of one red"


def test_the_terminal_shows_no_progress_and_no_time_left_in_the_background():
    terminal = Terminal(
        Console(file=io.StringIO(), force_terminal=True), PredictionInfo(["rest", "cut"], [0], 5.0), 5.0
    )
    terminal.on_result(FrameResult(0, 0, 0.8, 0.25, None, None, 0, 0, (0.1, 0.4), remaining_seconds=7.0))
    shown = Console(width=100, record=True, file=io.StringIO())
    shown.print(terminal.view())
    text = shown.export_text()
    assert "no action" in text
    assert "80%" in text
    assert "25%" not in text
    assert "left" not in text


# The command


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    model = make_model()
    save_checkpoint(tmp_path / "checkpoint.safetensors", model.network, model.facts)
    return tmp_path / "checkpoint.safetensors"


def test_of_two_streams_with_one_state_one_is_refused(checkpoint, tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.zeros((4, 6), np.float32))
    with only_writer(tmp_path / "s", wait=False):
        assert exit_code("stream", checkpoint, tmp_path / "a.npy", "--state", tmp_path / "s") == 1
    assert "another process is writing" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
def test_the_command_reads_a_pipe_and_goes_on_from_its_state(checkpoint, tmp_path):
    features = video(30)
    lines: list[dict[str, Any]] = []
    for part in (features[:12], features[12:]):
        text = "\n".join(" ".join(map(str, frame)) for frame in part)
        command = [sys.executable, "-m", "protas_gtcc", "stream", str(checkpoint), "-", "--state", str(tmp_path / "s")]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        lines += [json.loads(line) for line in done.stdout.splitlines()]
    expected = make_model().predict(features)
    assert [line["frame"] for line in lines] == list(range(30))
    assert [line["label"] for line in lines] == expected.labels.tolist()
    np.testing.assert_allclose([line["progress"] for line in lines], expected.reported, rtol=0, atol=2e-5)


def test_the_lines_go_to_a_file_too(checkpoint, tmp_path, capsys):
    np.save(tmp_path / "clip.npy", video(8))
    main(["stream", str(checkpoint), str(tmp_path / "clip.npy"), "--lines", str(tmp_path / "lines.jsonl")])
    assert (tmp_path / "lines.jsonl").read_text() == capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["stream", str(checkpoint), str(tmp_path / "clip.npy"), "--lines", str(tmp_path / "no" / "x")])
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.slow
def test_a_pipe_that_stays_open_does_not_keep_a_refused_command_from_ending(checkpoint):
    command = [sys.executable, "-m", "protas_gtcc", "stream", str(checkpoint), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(b"1 2 3 4 5\n1 2 3 4 nan\n")
        process.stdin.flush()
        assert process.wait(60) == 1
        lines = process.stderr.read().decode().splitlines()
    [line] = [one for one in lines if not one.startswith("compiling")]
    assert line.startswith("error: ")


def test_a_socket_that_breaks_off_gives_one_line():
    linger = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Whether the connection stood before it was reset is a matter of luck.
    with (
        listening(lambda connection: connection.setsockopt(*linger)) as address,
        pytest.raises(InputError, match=r"broke off|cannot reach"),
    ):
        collected(open_source(address, DIM, "raw"))


def test_blank_lines_are_no_frames(tmp_path):
    (tmp_path / "frames.txt").write_text("\n1 2 3 4 5\n\n5 4 3 2 1\n\n")
    assert len(collected(open_source(str(tmp_path / "frames.txt"), DIM))) == 2


def test_a_frame_that_would_overflow_ends_in_one_line_and_no_result_has_nan(checkpoint, tmp_path, capsys):
    features = video(90)
    features[70, 2] = 3e38
    np.savetxt(tmp_path / "clip.txt", features)
    np.save(tmp_path / "clip.npy", features)
    for name, least in (("clip.npy", 0), ("clip.txt", 1)):
        assert exit_code("stream", checkpoint, tmp_path / name) == 1
        printed = capsys.readouterr()
        [line] = printed.err.splitlines()
        assert f"{name}: NaN, infinity or a value above 1e12 at frame 70" in line
        results = [json.loads(one, parse_constant=pytest.fail) for one in printed.out.splitlines()]
        assert [one["frame"] for one in results] == list(range(len(results)))
        assert least <= len(results) <= 70


def test_the_command_refuses_in_one_line(checkpoint, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("nan.npy", np.where(np.arange(9)[:, None] == 7, np.nan, video(9)))
    np.save("empty.npy", video(9)[:0])
    for options, message in (
        (["none.txt"], "no source none.txt"),
        (["x.npy", "--buffer", "0"], "at least 1 frame"),
        (["x.npy", "--fps", "-3"], "must be positive"),
        (["x.npy", "--fps", "30"], "the model takes 5 frames per second, and a stream is not resampled"),
        (["x.npy", "--growing"], "--growing is for files of frames"),
        (["x.txt", "--real-time"], "--real-time is for videos and files of features"),
        (["nan.npy"], "nan.npy: NaN, infinity or a value above 1e12 at frame 7"),
        (["empty.npy"], "empty.npy: features have no frames"),
        (["-", "--give-up-seconds", "nan"], "must be above 0"),
        (["tcp://127.0.0.1:99999"], "is not an address"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["stream", str(checkpoint), *options])
        assert stopped.value.code == 1
        printed = capsys.readouterr().err
        assert message in printed
        assert printed.count("\n") == 1
