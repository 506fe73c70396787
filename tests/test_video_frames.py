"""Decoding: frame i is the picture that is shown at time i / fps, upright and square, whatever the file."""

from __future__ import annotations

import contextlib
import gc
import math
import threading
import types
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.errors import InputError
from protas_gtcc.video import opening
from protas_gtcc.video.ahead import ahead
from protas_gtcc.video.frames import VideoFrames
from protas_gtcc.video.opening import BrokenVideo, first_picture_seconds
from protas_gtcc.video.timeline import USUAL_DURATION, Clock, repeated
from tests.broken_videos import BROKEN, broken
from tests.video_files import av, numbers, plain, shown_at, write_sound, write_video

UNEVEN = [300, 340, 380, 900, 910, 1300, 1310, 1800]
NTSC = Fraction(1001, 30_000)


def frames(path: Path, fps: float = 10.0, size: int = 32, batch_size: int = 4) -> tuple[np.ndarray, list[str]]:
    video = VideoFrames(path, fps, size, batch_size, threads=1)
    return np.concatenate(list(video)), video.notes


def shown(path: Path, fps: float = 10.0) -> list[int]:
    return numbers(frames(path, fps)[0])


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
@pytest.mark.parametrize("fps", [1.0, 7.0, 25.0, 30_000 / 1001, 100.0])
def test_each_frame_is_the_picture_shown_then_also_where_times_are_uneven_and_do_not_start_at_0(tmp_path, ending, fps):
    # Without B-frames: with them, MP4 has no duration of the last picture that is shown.
    path = write_video(tmp_path / f"a.{ending}", UNEVEN, options={"bf": "0"})
    assert shown(path, fps) == shown_at(UNEVEN, fps, last=40)


@pytest.mark.parametrize(
    "settings",
    [
        {"codec": "libx264", "options": {"bf": "3", "b_strategy": "0"}},
        {"codec": "libx265", "pixels": "yuv420p10le", "options": {"x265-params": "log-level=none"}},
        {"codec": "ffv1", "pixels": "yuv444p", "pictures": [plain(number, 65, 33) for number in range(10)]},
        {"codec": "libvpx-vp9"},
    ],
    ids=["B-frames", "10-bit", "odd sizes", "VP9"],
)
def test_every_kind_of_video_gives_its_pictures_in_order(tmp_path, settings):
    assert shown(write_video(tmp_path / "a.mkv", **settings)) == list(range(10))


def test_times_that_are_rounded_to_milliseconds_give_each_picture_once_at_the_videos_own_rate(tmp_path):
    pts = [round(1000 * number / 30) for number in range(30)]
    assert shown(write_video(tmp_path / "a.mkv", pts), 30.0) == list(range(30))


def test_a_rate_of_fractions_gives_each_picture_once(tmp_path):
    path = write_video(tmp_path / "a.mp4", range(30), tick=NTSC, muxing={"video_track_timescale": "30000"})
    assert shown(path, 30_000 / 1001) == list(range(30))


def test_what_an_edit_list_cuts_off_is_not_shown(tmp_path):
    cut = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    assert shown(write_video(tmp_path / "a.mp4", range(-500, 500, 100), muxing=cut)) == [5, 6, 7, 8, 9]


def test_a_stream_without_any_times_has_its_pictures_at_the_usual_rate(tmp_path):
    path = write_video(tmp_path / "a.h264")
    assert VideoFrames(path, 25.0, 32).expected() is None
    assert shown(path, 25.0) == list(range(10))


@pytest.mark.slow
def test_frames_of_real_clips_equal_those_of_a_slow_twin(shared_folder):
    for path in sorted((shared_folder / "data/video").glob("*.mp4")):
        with av.open(str(path)) as container:
            early = container.streams.video[0].time_base / 2  # times are rounded
            times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
        for fps in (1.0, 7.5):
            until = [i / Fraction(fps) + early for i in range(math.ceil(times[-1] * Fraction(fps)))]
            chosen = {max(k for k, time in enumerate(times) if time <= one) for one in until}
            with av.open(str(path)) as container:
                decoded = enumerate(container.decode(video=0))
                slow = np.stack([_square(frame) for number, frame in decoded if number in chosen])
            fast, notes = frames(path, fps, size=96)
            assert notes == []
            np.testing.assert_array_equal(fast[: len(until)], slow)


def _square(frame: av.VideoFrame) -> np.ndarray:
    width = round(Fraction(frame.width * 96, frame.height))
    left = (width - 96) // 2
    return frame.reformat(width, 96, "rgb24", interpolation="BICUBIC").to_ndarray()[:, left : left + 96]


CORNERS = np.array([[[200, 0, 0], [0, 200, 0]], [[0, 0, 200], [200, 200, 200]]], np.uint8)
"""Red and green above, blue and white below."""


def corners(path: Path) -> np.ndarray:
    """The four corners of the first frame, each colour 0 or 200."""
    first = frames(path, 1.0, size=32)[0][0]
    return np.where(first[4::24, 4::24] > 100, 200, 0)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_turned_video_is_upright(tmp_path, degrees):
    picture = CORNERS.repeat(32, axis=0).repeat(32, axis=1)
    path = write_video(tmp_path / "a.mp4", pictures=[picture] * 10, rotation=degrees, pixels="yuv444p")
    np.testing.assert_array_equal(corners(path), np.rot90(CORNERS, degrees // 90))


def test_a_mirrored_video_is_turned_round(tmp_path):
    picture = CORNERS.repeat(32, axis=0).repeat(32, axis=1)
    path = write_video(tmp_path / "a.mp4", pictures=[picture] * 10, rotation=0, mirrored=True, pixels="yuv444p")
    np.testing.assert_array_equal(corners(path), CORNERS[:, ::-1])


def _num_frames() -> int:
    return sum(type(one) is av.VideoFrame for one in gc.get_objects())


def test_no_picture_stays_in_memory_until_garbage_is_collected(tmp_path):
    path, before = write_video(tmp_path / "a.mp4", range(0, 4000, 40), [plain(1)] * 100, rotation=90), gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        others = _num_frames()
        for _ in VideoFrames(path, 25.0, 32):
            assert _num_frames() < others + 40
    finally:
        if before:
            gc.enable()


def test_a_wide_picture_loses_its_sides_and_pixels_that_are_not_square_are_counted(tmp_path):
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, 16:48] = CORNERS.repeat(16, axis=0).repeat(16, axis=1)
    path = write_video(tmp_path / "a.mkv", pictures=[picture] * 10, codec="ffv1", pixels="yuv444p")
    np.testing.assert_array_equal(corners(path), CORNERS)
    path = write_video(tmp_path / "b.mp4", pictures=[picture[:, 16:48]] * 10, pixel_width=Fraction(1, 2))
    assert frames(path)[0].shape[1:] == (32, 32, 3)
    # Half as wide as they are high: what is shown is 16 x 32, and the squares' middle half in height.
    np.testing.assert_array_equal(corners(path), CORNERS)


def test_one_moment_of_an_interlaced_picture_is_taken(tmp_path):
    pictures = [plain(number) for number in range(10)]
    for picture in pictures:
        picture[1::2] = 255  # the other field
    path = write_video(tmp_path / "a.mp4", pictures=pictures, interlaced=True, options={"x264-params": "tff=1:qp=1"})
    assert numbers(frames(path, size=24)[0][:, 4:-4]) == list(range(10))


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_truncated_video_gives_what_can_be_decoded_and_a_note(tmp_path, ending):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(60)]
    path = write_video(tmp_path / f"a.{ending}", range(0, 6000, 100), pictures, muxing={"movflags": "faststart"})
    whole = len(frames(path)[0])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    left, notes = frames(path)
    assert 10 < len(left) < whole - 10
    assert "its end is missing" in notes[-1]


def test_damage_in_the_middle_is_noted_and_the_rest_is_decoded(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(30)]
    path = write_video(tmp_path / "a.ts", range(30), pictures, Fraction(1, 10), options={"g": "5", "bf": "0"})
    whole, content = frames(path)[0], bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 188 * 4] = bytes(188 * 4)
    path.write_bytes(content)
    left, notes = frames(path)
    assert "damaged part" in notes[0]
    assert left.shape == whole.shape
    np.testing.assert_array_equal(left[20:], whole[20:])


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_video_is_refused_by_name(tmp_path, name):
    path, expected = broken(tmp_path, name)
    with pytest.raises(BrokenVideo, match=expected):
        frames(path)


def test_pictures_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    small, large = write_video(tmp_path / "a.h264"), write_video(tmp_path / "b.h264", pictures=[plain(1, 128, 96)] * 10)
    monkeypatch.setattr(opening, "LARGEST_PIXELS", 5000)
    with pytest.raises(BrokenVideo, match="its pictures are 128 x 96; at most 5,000 pixels are taken: scale"):
        frames(large)
    small.write_bytes(small.read_bytes() + large.read_bytes())
    assert "damaged parts of the file" in frames(small)[1][0], "pictures that become larger are not decoded"


def test_a_first_picture_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    assert first_picture_seconds(write_video(tmp_path / "a.avi", codec="mpeg4")) == 0

    def demux(stream):
        raise av.error.MemoryError(12, "Cannot allocate memory")

    video = types.SimpleNamespace(container=types.SimpleNamespace(demux=demux), stream=None)
    monkeypatch.setattr(opening, "open_video", lambda path: contextlib.nullcontext(video))
    with pytest.raises(BrokenVideo, match="its first picture cannot be read"):
        first_picture_seconds(tmp_path / "a.avi")


def test_a_cover_picture_beside_the_sound_is_no_video(tmp_path):
    path = write_sound(tmp_path / "a.m4a")
    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mp4"), "w") as container:
        sound = container.add_stream_from_template(source.streams.audio[0])
        cover = container.add_stream("png", rate=1, width=64, height=48, pix_fmt="rgb24")
        cover.disposition = av.stream.Disposition.attached_pic
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = sound
                container.mux(packet)
        container.mux(cover.encode(av.VideoFrame.from_ndarray(plain(3), format="rgb24")))
    with pytest.raises(BrokenVideo, match="no video track"):
        frames(tmp_path / "b.mp4")


def test_a_video_whose_sound_goes_on_has_lost_no_end(tmp_path):
    with av.open(str(tmp_path / "a.wmv"), "w") as container:
        video, sound = container.add_stream("wmv2", rate=10), container.add_stream("wmav2", rate=44_100)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound.layout, sound.bit_rate = "stereo", 64_000
        for number in range(10):
            container.mux(video.encode(av.VideoFrame.from_ndarray(plain(number), format="rgb24")))
        for number in range(90):
            silence = av.AudioFrame.from_ndarray(np.zeros((2, 2048), np.float32), format="fltp", layout="stereo")
            silence.sample_rate, silence.pts = 44_100, 2048 * number
            container.mux(sound.encode(silence))
        container.mux(video.encode())
        container.mux(sound.encode())
    video = VideoFrames(tmp_path / "a.wmv", 10.0, 16)
    assert sum(map(len, video)) == 10
    assert video.notes == []


def test_pictures_that_would_fill_the_memory_are_refused_also_in_the_middle(tmp_path, monkeypatch):
    small = write_video(tmp_path / "small.mjpeg", codec="mjpeg", pixels="yuvj420p").read_bytes()
    large = [plain(number, 96, 64) for number in range(10)]
    content = write_video(tmp_path / "large.mjpeg", pictures=large, codec="mjpeg", pixels="yuvj420p").read_bytes()
    (tmp_path / "both.mjpeg").write_bytes(small + content)
    whole = sum(map(len, VideoFrames(tmp_path / "both.mjpeg", 25.0, 16)))
    monkeypatch.setattr(opening, "LARGEST_PIXELS", 64 * 48)
    with pytest.raises(BrokenVideo, match="its pictures are 96 x 64; at most 3,072 pixels are taken"):
        list(VideoFrames(tmp_path / "large.mjpeg", 25.0, 16))
    video = VideoFrames(tmp_path / "both.mjpeg", 25.0, 16)
    assert (whole, sum(map(len, video))) == (20, 10)
    assert "10 damaged parts" in video.notes[0]


def test_a_rate_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="frames per second must be positive"):
        VideoFrames(tmp_path / "a.mp4", 0.0, 32)


def test_a_video_that_would_last_longer_than_a_day_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mkv", [3_500_000 * number for number in range(30)], [plain(1)] * 30)
    with pytest.raises(BrokenVideo, match=r"by its times, it lasts longer than a day: .*--skip-broken"):
        frames(path, fps=0.01)


def test_a_damaged_rate_is_not_the_duration_of_a_picture():
    clock = Clock(Fraction(1), Fraction(1, 400_000))
    assert clock.interval(pts=0, duration=400_000) == (Fraction(0), USUAL_DURATION)


def test_repeated_pictures_equal_a_slow_twin_for_random_times():
    rng = np.random.default_rng(1)
    for _ in range(50):
        pts = np.cumsum(rng.integers(0, 90, 40)).tolist()
        fps = Fraction(int(rng.integers(1, 60_000)), 1001)
        clock = Clock(Fraction(1, 600), None)
        pictures = [(number, clock.interval(pts=time, duration=5)) for number, time in enumerate(pts)]
        found = [number for number, count in repeated(pictures, fps, Fraction(0)) for _ in range(count)]
        times, slow = [Fraction(time - pts[0], 600) for time in pts], list[int]()
        while (time := len(slow) / fps) < times[-1] + Fraction(5, 600):
            slow.append(max(number for number, one in enumerate(times) if one <= time))
        assert found == slow


def test_a_clock_that_restarts_or_leaps_goes_on_after_the_picture_before():
    clock = Clock(Fraction(1, 100), Fraction(10))
    starts = [clock.interval(pts, 10) for pts in (500, 510, 10, 20, 10**9, None)]
    assert [start for start, _ in starts] == [Fraction(number, 10) for number in range(6)]
    assert clock.num_jumps == 2
    assert clock.interval(10**9 - 1, 10) is None, "a picture that comes too late is not shown"
    start, end = clock.interval(None, 10**9)
    assert end - start == Fraction(1, 10), "no picture lasts for months"


def test_what_is_made_ahead_comes_in_order_and_its_errors_too():
    def failing():
        yield from range(5)
        raise ValueError("of the thread")

    found = ahead(failing(), 2)
    assert [next(found) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match="of the thread"):
        next(found)


def test_the_thread_ends_where_its_items_are_not_wanted_any_more():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before, found = threading.active_count(), ahead(endless(), 2)
    next(found)
    found.close()
    assert closed.is_set()
    assert threading.active_count() == before
